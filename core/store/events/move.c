/* SPDX-License-Identifier: MIT
 * Moves events that are not leased between states: held or released with their destination, retried on request,
 * given up. A hundred thousand of them are moved in pieces, so that no statement takes long.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/utf8.h"
#include "core/store/events/internal.h"
#include "core/store/list.h"

enum { CODE_MAX = 100, WHY_MAX = 500 };

static const char too_old[] = "it had become too old before it could be sent";

void events_put_free(const struct db *db, const char *of, struct buf *sql)
{
    buf_printf(sql, " AND (%slease_until IS NULL OR %slease_until < %s)", of, of, db_now(db));
}

void events_put_ids(const int64_t *ids, size_t count, struct buf *sql)
{
    buf_text(sql, " AND id IN (");
    for (size_t i = 0; i < count; i++)
        buf_printf(sql, "%s%" PRId64, i ? "," : "", ids[i]);
    buf_char(sql, ')');
}

static void sql_append_clean(const char *column, const char *text, size_t max, struct args *a, struct buf *sql)
{
    if (!text)
        return;
    char *clean = xstrdup(text);
    utf8_clean(clean, max);
    buf_printf(sql, ", %s = $%d", column, args_own(a, clean));
}

void events_put_why(const char *code, const char *why, struct args *a, struct buf *sql)
{
    sql_append_clean("code", code, CODE_MAX, a, sql);
    sql_append_clean("why", why, WHY_MAX, a, sql);
}

void events_put_expired(int64_t now, struct buf *sql)
{
    buf_printf(sql,
               "UPDATE {events} SET state = %d, finished_at = %" PRId64 ", lease_host = NULL,"
               " lease_incarnation = NULL, lease_until = NULL, why = coalesce(why, '%s') WHERE 1 = 1",
               EVENT_EXPIRED, now, too_old);
}

/* ---- in pieces ---- */

/* One piece: `set` is "UPDATE ... WHERE ..." for events of which `ids` says which. */
struct piece {
    void (*put)(const struct db *db, const void *what, struct args *a, struct buf *sql);
    const void *what;
    const int64_t *ids;
    size_t count;
    int64_t changed;
};

static int change_piece(struct db *db, void *arg, struct error *e)
{
    struct piece *p = arg;
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, EVENTS_SQL_MAX);
    p->put(db, p->what, &a, &sql);
    events_put_free(db, "", &sql);
    events_put_ids(p->ids, p->count, &sql);
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res == 0)
        p->changed = db_affected(r);
    return res;
}

static int change_all(struct db *db, const struct db_result *found, struct piece *p, int64_t *ret, struct error *e)
{
    int64_t ids[EVENTS_AT_ONCE];
    size_t rows = db_rows(found);
    int r = 0;
    for (size_t from = 0; from < rows && r == 0; from += p->count) {
        for (p->count = 0; p->count < EVENTS_AT_ONCE && from + p->count < rows; p->count++)
            ids[p->count] = db_integer(found, from + p->count, 0);
        p->ids = ids;
        r = events_transaction(db, change_piece, p, e);
        if (r == 0 && ret)
            *ret += p->changed;
    }
    return r;
}

/* ---- with their destination ---- */

static void sql_append_move(const struct db *db, const void *what, struct args *a, struct buf *sql)
{
    const struct event_move *m = what;
    (void)db;
    buf_printf(sql, "UPDATE {events} SET state = %d, due_at = %" PRId64, m->state, m->due_at);
    events_put_why(m->code, m->why, a, sql);
    buf_text(sql, " WHERE " EVENTS_OPEN);
}

int store_events_move(struct db *db, const char *job, const char *const *keys, size_t key_count,
                      const struct event_move *to, struct error *e)
{
    struct piece p = {.put = sql_append_move, .what = to};
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;
    buf_init(&sql, EVENTS_SQL_MAX);
    buf_printf(&sql,
               "SELECT id FROM {events} WHERE job = $%d AND " EVENTS_OPEN " AND (state <> %d OR due_at <> %" PRId64
               ") AND ",
               args_text(&a, job), to->state, to->due_at);
    list_put_in(db, "rkey", list_add(db, &a, keys, key_count), &sql);
    events_put_free(db, "", &sql);
    buf_text(&sql, " ORDER BY id");
    int r = db_exec(db, sql.data, a.params, a.count, &found, e);
    return r < 0 ? r : change_all(db, found, &p, NULL, e);
}

/* ---- on request ---- */

static void sql_append_retry(const struct db *db, const void *what, struct args *a, struct buf *sql)
{
    (void)db;
    (void)a;
    const int64_t *now = what;
    buf_printf(sql,
               "UPDATE {events} SET last_at = CASE WHEN state = %d THEN last_at ELSE 0 END, state = %d,"
               " due_at = %" PRId64 ", finished_at = 0 WHERE state IN (%d, %d, %d)",
               EVENT_HELD, EVENT_WAITING, *now, EVENT_HELD, EVENT_ASIDE, EVENT_EXPIRED);
}

/* An id that does not belong to the job refuses the whole request. */
static int find_named(struct db *db, const char *job, const int64_t *ids, size_t count, struct db_result **ret,
                      struct error *e)
{
    cleanup(buf_done) struct buf sql = {0};
    buf_init(&sql, EVENTS_SQL_MAX + count * EVENTS_ID_MAX);
    buf_text(&sql, "SELECT id FROM {events} WHERE job = $1");
    events_put_ids(ids, count, &sql);
    buf_text(&sql, " ORDER BY id");
    int r = db_run(db, sql.data, &job, 1, ret, e);
    for (size_t i = 0; r == 0 && i < count; i++) {
        bool found = false;
        for (size_t low = 0, high = db_rows(*ret); !found && low < high;) {
            size_t middle = (low + high) / 2;
            found = db_integer(*ret, middle, 0) == ids[i];
            if (db_integer(*ret, middle, 0) < ids[i])
                low = middle + 1;
            else
                high = middle;
        }
        if (!found)
            return error_set(e, -ENOENT, "job %s has no event %" PRId64, job, ids[i]);
    }
    return r;
}

int store_events_retry(struct db *db, const char *job, const int64_t *ids, size_t count, int64_t now, int64_t *ret,
                       struct error *e)
{
    struct piece p = {.put = sql_append_retry, .what = &now};
    cleanup(db_result_free_p) struct db_result *found = NULL;
    int r = 0;
    *ret = 0;
    if (!ids)
        r = db_run(db, "SELECT id FROM {events} WHERE job = $1 AND state = 2 ORDER BY id", &job, 1, &found, e);
    else if (count)
        r = find_named(db, job, ids, count, &found, e);
    return r < 0 || !found ? r : change_all(db, found, &p, ret, e);
}

/* ---- given up ---- */

static void sql_append_expired(const struct db *db, const void *what, struct args *a, struct buf *sql)
{
    (void)db;
    (void)a;
    const int64_t *now = what;
    events_put_expired(*now, sql);
    buf_printf(sql, " AND " EVENTS_OPEN " AND last_at > 0 AND last_at < %" PRId64, *now);
}

int store_events_expire(struct db *db, const char *job, int64_t now, size_t limit, int64_t *ret, struct error *e)
{
    struct piece p = {.put = sql_append_expired, .what = &now};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;
    *ret = 0;
    buf_init(&sql, EVENTS_SQL_MAX);
    buf_printf(&sql,
               "SELECT id FROM {events} WHERE job = $1 AND " EVENTS_OPEN " AND last_at > 0 AND last_at < %" PRId64,
               now);
    events_put_free(db, "", &sql);
    buf_printf(&sql, " ORDER BY last_at LIMIT %zu", limit);
    int r = db_run(db, sql.data, &job, 1, &found, e);
    return r < 0 ? r : change_all(db, found, &p, ret, e);
}
