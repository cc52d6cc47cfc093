/* SPDX-License-Identifier: MIT
 * What renewd's role may do with renewd's own tables in PostgreSQL: every missing right as the GRANT that gives it.
 * SQLite has no rights: nothing is ever missing there.
 */
#ifndef CORE_DB_SCHEMA_RIGHTS_H
#define CORE_DB_SCHEMA_RIGHTS_H

#include <stddef.h>

#include "core/base/buf.h"

struct db;
struct error;

/* Each appends to grants, which the caller has given its limit, "GRANT ...; GRANT ...;"; nothing when all is well. */
void rights_put(struct buf *grants, const char *what);
/* The GRANTs that a statement finds missing, one a row. */
int rights_put_found(struct db *db, const char *sql, const char *const *texts, size_t count, struct buf *grants,
                     struct error *e);
/* renewd's own schema, or what it takes to make it. */
int rights_own(struct db *db, struct buf *grants, struct error *e);
/* What lets it alter renewd's own tables, which their owner may; only asked where a migration is to come. */
int rights_alter(struct db *db, struct buf *grants, struct error *e);

#endif
