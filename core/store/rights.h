/* SPDX-License-Identifier: MIT
 * What renewd's role may do with the tables of jobs in PostgreSQL: every missing right as the GRANT that gives it, all
 * at once. Its own tables: db/schema_rights.h. SQLite has no rights: nothing is ever missing there.
 */
#ifndef CORE_STORE_RIGHTS_H
#define CORE_STORE_RIGHTS_H

#include "core/base/buf.h"
#include "core/store/user_table.h"

struct db;

/* Each appends to grants, which the caller has given its limit, "GRANT ...; GRANT ...;"; nothing when all is well. */
/* A table as configuration names it: the columns read and written, NULL-terminated (NULL = none). */
int rights_table(struct db *db, const char *table, const char *const *reads, const char *const *writes,
                 struct buf *grants, struct error *e);
/* A job's table with its key, mapped columns, `only`, and where its owner is looked up. Of a view also what it stands
 * on, for the role as which it reads. */
int rights_job(struct db *db, const struct table *t, const struct table_requirement *w, struct buf *grants,
               struct error *e);
#endif
