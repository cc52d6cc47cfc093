/* SPDX-License-Identifier: MIT
 * Removes records whose rows are gone, or were taken out of `only`, not by renewd. A record whose credential is
 * leased stays until the lease is over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/map.h"
#include "core/store/list.h"
#include "core/store/user_rows.h"

enum { SWEEP_MS = 5000 };

static int read_known(struct db *db, const struct table *t, const char *after, size_t limit, struct db_result **ret,
                      struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    buf_init(&sql, ROWS_SQL_MAX);
    buf_printf(&sql, "SELECT rkey, wrote_status FROM {records} WHERE source = $%d", args_text(&a, t->source));
    if (after)
        buf_printf(&sql, " AND rkey > $%d", args_text(&a, after));
    buf_printf(&sql, " ORDER BY rkey LIMIT %zu", limit);
    return db_exec(db, sql.data, a.params, a.count, ret, e);
}

/* A status that renewd wrote itself never takes a record out. */
static bool sweep_stays(const struct table *bare, const struct row *row, const char *wrote_status)
{
    if (!row->outside)
        return true;
    const char *status = bare->status >= 0 ? row->cells[bare->status].text : NULL;
    return status && wrote_status && !strcmp(status, wrote_status);
}

/* The known keys whose rows no longer count. They borrow from known. */
static int find_gone(struct db *db, const struct table *t, const struct db_result *known, const char **gone,
                     size_t *ret_count, struct error *e)
{
    size_t count = db_rows(known), rows_count = 0, n = 0;
    cleanup(free_p) const char **keys = xcalloc(count + 1, sizeof(*keys));
    struct row *rows = NULL;
    struct table bare = *t; /* of a row its status alone is needed */
    bare.columns = t->status >= 0 ? &t->columns[t->status] : NULL;
    bare.column_count = t->status >= 0;
    bare.status = t->status >= 0 ? 0 : -1;
    for (size_t i = 0; i < count; i++)
        keys[i] = db_text(known, i, 0);
    int r = rows_of_keys(db, &bare, keys, count, &rows, &rows_count, e);
    if (r < 0)
        return r;
    struct map *there = map_new();
    for (size_t i = 0; i < rows_count; i++)
        map_put(there, rows[i].key, &rows[i]);
    for (size_t i = 0; i < count; i++) {
        const struct row *row = map_get(there, keys[i]);
        if (!row || !sweep_stays(&bare, row, db_text(known, i, 1)))
            gone[n++] = keys[i];
    }
    map_free(there, NULL);
    rows_free(rows, rows_count);
    *ret_count = n;
    return 0;
}

static int remove_gone(struct db *db, const struct table *t, const char *const *gone, size_t count,
                       int64_t *ret_removed, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, ROWS_SQL_MAX);
    buf_printf(&sql, "DELETE FROM {records} WHERE source = $%d AND ", args_text(&a, t->source));
    list_put_in(db, "rkey", list_add(db, &a, gone, count), &sql);
    buf_printf(&sql,
               " AND NOT EXISTS (SELECT 1 FROM {credentials} c"
               " WHERE c.fingerprint = {records}.fingerprint AND c.lease_until > %s)",
               db_now(db));
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res == 0)
        *ret_removed = db_affected(r);
    return res;
}

static int sweep_sweep(struct db *db, const struct table *t, const char *after, size_t limit, char **ret_next,
                       int64_t *ret_removed, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *known = NULL;
    int64_t removed = 0;
    size_t gone_count = 0;
    int r = read_known(db, t, after, limit, &known, e);
    if (r < 0)
        return r;
    size_t count = db_rows(known);
    cleanup(free_p) const char **gone = xcalloc(count + 1, sizeof(*gone));
    if (count)
        r = find_gone(db, t, known, gone, &gone_count, e);
    if (r == 0 && gone_count)
        r = remove_gone(db, t, gone, gone_count, &removed, e);
    if (r < 0)
        return r;
    *ret_next = count < limit ? NULL : xstrdup(db_text(known, count - 1, 0));
    *ret_removed = removed;
    return 0;
}

int store_records_count(struct db *db, const char *source, int64_t *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    cleanup(buf_done) struct buf sql = {0};
    int before = db->statement_ms;
    buf_init(&sql, ROWS_SQL_MAX);
    buf_printf(&sql, "SELECT count(*) FROM {records} WHERE source = $%d", args_text(&a, source));
    db->statement_ms = SWEEP_MS;
    db->timed = true;
    int res = rows_exec(db, sql.data, &a, &r, e);
    db->timed = false;
    db->statement_ms = before;
    if (res == 0)
        *ret = db_integer(r, 0, 0);
    return res;
}

int store_sweep(struct db *db, const struct table *t, const char *after, size_t limit, char **ret_next,
                int64_t *ret_removed, struct error *e)
{
    struct error why = {""};
    int before = db->statement_ms;
    db->statement_ms = SWEEP_MS;
    db->timed = true;
    int r = sweep_sweep(db, t, after, limit, ret_next, ret_removed, &why);
    db->timed = false;
    db->statement_ms = before;
    if (r < 0)
        return error_set(e, r, "job %s: looking for deleted rows of %s: %s", t->job, t->name, why.text);
    return 0;
}
