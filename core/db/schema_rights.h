/* SPDX-License-Identifier: MIT
 * Checks the rights of renewd's role on renewd's own tables in PostgreSQL; each missing right is reported as the
 * GRANT that gives it. SQLite has no rights, so none is ever missing there.
 */
#ifndef CORE_DB_SCHEMA_RIGHTS_H
#define CORE_DB_SCHEMA_RIGHTS_H

#include <stddef.h>

#include "core/base/buf.h"

struct db;
struct error;

/* Each appends "GRANT ...; GRANT ...;" to grants, whose limit the caller has set; nothing when no right is
 * missing. */
void rights_put(struct buf *grants, const char *what);
/* The missing GRANTs that a statement returns, one in each row. */
int rights_put_found(struct db *db, const char *sql, const char *const *texts, size_t count, struct buf *grants,
                     struct error *e);
/* The rights on renewd's own schema, or those needed to create it. */
int rights_own(struct db *db, struct buf *grants, struct error *e);
/* The right to alter renewd's own tables, which only their owner has; only checked before a migration. */
int rights_alter(struct db *db, struct buf *grants, struct error *e);

#endif
