/* SPDX-License-Identifier: MIT
 * Writes the results of discovery to renewd's own rows, unless another process changed them first.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/db/parameters.h"
#include "core/store/record_row.h"
#include "core/store/store.h"

enum { SQL_MAX_BYTES = 256 * 1024, TOGETHER = 50, TRIES = 3 };

/* The parameters of one new record, and "($n, ...)" for them. */
static void sql_append_new(const struct record *rec, struct record_params *p, struct args *a, struct buf *sql)
{
    record_params(rec, p);
    for (size_t i = 0; i < RECORD_COLUMNS; i++)
        buf_printf(sql, "%s$%d", i ? ", " : "(", args_text(a, p->texts[i]));
    buf_printf(sql, ", %lld)", (long long)clock_now());
}

/* New records from changes[*at] on, as many as one statement takes. */
static int insert_some(struct db *db, const struct record_change *changes, size_t count, size_t *at, int64_t *put,
                       struct error *e)
{
    size_t together = db_is_postgresql(db) ? TOGETHER : 1; /* SQLite looks parameters up by name */
    struct record_params params[TOGETHER];
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    size_t n = 0;
    buf_init(&sql, SQL_MAX_BYTES);
    buf_text(&sql, "INSERT INTO {records} (");
    record_columns("", &sql);
    buf_text(&sql, ", seen_at) VALUES ");
    for (; *at < count && n < together; ++*at) {
        if (!changes[*at].is_new)
            continue;
        buf_text(&sql, n ? ", " : "");
        sql_append_new(&changes[*at].now, &params[n++], &a, &sql);
    }
    if (!n)
        return 0;
    buf_text(&sql, " ON CONFLICT (source, rkey) DO NOTHING");
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res == 0)
        *put += db_affected(r);
    return res;
}

static int update_one(struct db *db, const struct record_change *c, int64_t *put, struct error *e)
{
    struct record_params p;
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    record_params(&c->now, &p);
    for (size_t i = 0; i < RECORD_COLUMNS; i++)
        args_text(&a, p.texts[i]);
    buf_init(&sql, SQL_MAX_BYTES);
    buf_text(&sql, "UPDATE {records} SET ");
    record_assignments(NULL, &sql);
    buf_printf(&sql,
               " WHERE source = $1 AND rkey = $2 AND hash = $%d AND generation = %lld"
               " AND last_at = %lld",
               args_text(&a, c->old_hash), (long long)c->old_generation, (long long)c->old_last_at);
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res == 0)
        *put += db_affected(r);
    return res;
}

static int records_put_all(struct db *db, const struct record_change *changes, size_t count, int64_t *ret_put,
                           struct error *e)
{
    int64_t put = 0;
    int r = db_begin(db, e);
    if (r < 0)
        return r;
    for (size_t at = 0; r == 0 && at < count;)
        r = insert_some(db, changes, count, &at, &put, e);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (!changes[i].is_new && !changes[i].recovery)
            r = update_one(db, &changes[i], &put, e);
    if (r == 0)
        r = db_commit(db, e);
    db_rollback(db);
    if (r == 0)
        *ret_put = put;
    return r;
}

int store_records_put(struct db *db, const struct record_change *changes, size_t count, struct error *e)
{
    int64_t put = 0;
    int r = -EDEADLK;
    for (int i = 0; r == -EDEADLK && i < TRIES; i++)
        r = records_put_all(db, changes, count, &put, e);
    return r < 0 ? r : (int)put;
}
