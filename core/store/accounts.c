/* SPDX-License-Identifier: MIT
 * Import into renewd's own table: all rows or none. Values come sealed; the caller knows what they mean.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/db/parameters.h"
#include "core/store/user_row_write.h"

/* 1 = inserted, 0 = the id exists. */
static int insert_id(struct db *db, const struct table *t, const struct import_row *row, int64_t now,
                     struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *put = NULL;

    args_text(&a, t->job);
    args_text(&a, row->id);
    args_number(&a, now);
    int r = db_exec(db,
                    "INSERT INTO {accounts} (job, id, updated_at) VALUES ($1, $2, $3)"
                    " ON CONFLICT (job, id) DO NOTHING",
                    a.params, a.count, &put, e);
    return r < 0 ? r : db_affected(put) > 0;
}

/* Columns that describe the old tokens are cleared, because they do not describe the new ones; a column that is not
 * given stays. */
static int accounts_forget_old(struct db *db, const struct table *t, const struct import_row *row, struct error *e)
{
    const char *texts[] = {t->job, row->id};

    return db_run(db,
                  "UPDATE {accounts} SET expires_at = NULL, refresh_expires_at = NULL,"
                  " refreshed_at = NULL, status = NULL, strikes = 0, last_error = NULL"
                  " WHERE job = $1 AND id = $2",
                  texts, 2, NULL, e);
}

static int write_values(struct db *db, const struct table *t, const struct import_row *row, int64_t now,
                        struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    int r = 0;

    buf_init(&sql, ROW_SQL_MAX);
    buf_printf(&sql, "UPDATE {accounts} SET updated_at = $%d", args_number(&a, now));
    if (row->account)
        buf_printf(&sql, ", account = $%d", args_text(&a, row->account));
    if (row->write_count > 0) {
        buf_text(&sql, ", ");
        r = row_put_assignments(db, t, NULL, row->writes, row->write_count, &a, &sql, e);
    }
    buf_printf(&sql, " WHERE job = $%d", args_text(&a, t->job));
    buf_printf(&sql, " AND id = $%d", args_text(&a, row->id));
    if (r == 0 && sql.failed)
        r = error_set(e, -ENOBUFS, "account %s: its values grow too long", row->id);
    return r < 0 ? r : db_exec(db, sql.data, a.params, a.count, NULL, e);
}

static int import_one(struct db *db, const struct table *t, const struct import_row *row, bool replace, int64_t now,
                      struct error *e)
{
    int r = insert_id(db, t, row, now, e);

    if (r == 0 && !replace)
        return error_set(e, -EEXIST, "job %s has the account %s already; with --replace it is replaced", t->job,
                         row->id);
    if (r == 0)
        r = accounts_forget_old(db, t, row, e);
    return r < 0 ? r : write_values(db, t, row, now, e);
}

int store_import(struct db *db, const struct table *t, const struct import_row *rows, size_t count, bool replace,
                 int64_t now, size_t *ret_at, struct error *e)
{
    size_t i = 0;

    if (!t->own)
        return error_set(e, -EINVAL, "job %s keeps its records in %s, which renewd does not fill", t->job, t->name);
    int r = db_begin(db, e);
    for (; r == 0 && i < count; i++)
        r = import_one(db, t, &rows[i], replace, now, e);
    if (r < 0 && i > 0)
        *ret_at = i - 1;
    if (r == 0)
        r = db_commit(db, e);
    if (r < 0)
        db_rollback(db);
    return r;
}
