/* SPDX-License-Identifier: MIT
 * The rights of renewd's role on the tables of jobs in PostgreSQL: every missing right as the GRANT that gives it,
 * all at once. For its own tables see core/db/schema_rights.h. SQLite has no rights: there nothing is ever missing.
 */
#ifndef CORE_STORE_RIGHTS_H
#define CORE_STORE_RIGHTS_H

#include "core/base/buf.h"
#include "core/store/user_table.h"

struct db;

/* Each appends "GRANT ...; GRANT ...;" to grants, whose limit the caller has set; nothing when no right is
 * missing. */
/* A table as the configuration names it: the columns read and written, NULL-terminated (NULL = none). */
int rights_table(struct db *db, const char *table, const char *const *reads, const char *const *writes,
                 struct buf *grants, struct error *e);
/* A job's table with its key, mapped columns, `only`, and the table in which its owner is looked up. For a view
 * also the tables below it, for the role with whose rights it reads them. */
int rights_job(struct db *db, const struct table *t, const struct table_requirement *w, struct buf *grants,
               struct error *e);
#endif
