/* SPDX-License-Identifier: MIT
 * What renewd's role may do in a PostgreSQL database: every right that is missing, as the GRANT that gives it, all at
 * once. SQLite has no rights: nothing is ever missing there.
 */
#ifndef CORE_STORE_RIGHTS_H
#define CORE_STORE_RIGHTS_H

#include "core/base/buf.h"
#include "core/store/table.h"

struct db;

/* Each appends to grants, which the caller has given its limit, "GRANT ...; GRANT ...;"; nothing when all is well. */
/* A table as configuration names it: the columns read and written, NULL-terminated (NULL = none). */
int rights_table(struct db *db, const char *table, const char *const *reads, const char *const *writes,
                 struct buf *grants, struct error *e);
/* A job's table with its key, mapped columns, `only`, and where its owner is looked up. Of a view also what it stands
 * on, for the role as which it reads. */
int rights_job(struct db *db, const struct table *t, const struct table_wish *w, struct buf *grants,
               struct error *e);
/* renewd's own schema, or what it takes to make it. */
int rights_own(struct db *db, struct buf *grants, struct error *e);

/* What lets it alter renewd's own tables, which their owner may; only asked where a migration is to come. */
int rights_alter(struct db *db, struct buf *grants, struct error *e);

#endif
