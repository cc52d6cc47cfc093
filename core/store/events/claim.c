/* SPDX-License-Identifier: MIT
 * Events on their way to the provider: claiming them, storing their results, and releasing those that a dead
 * process held. A claim counts as a sending when it is made, so that a process that is killed with it leaves a
 * trace. Its lease ends by the database's clock; until then the event is not in the index of due events.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/store/events/internal.h"
#include "core/store/list.h"

struct claiming {
    const struct event_claim *q;
    struct event_row *list;
    size_t count;
    int64_t expired;
};

static void sql_append_due_of(const struct db *db, const struct event_claim *q, const char *key, struct buf *sql)
{
    buf_printf(sql, "e.job = $1 AND e.rkey = %s AND e." EVENTS_OPEN " AND e.due_at <= %" PRId64, key, q->now);
    events_put_free(db, "e.", sql);
    buf_printf(sql, " ORDER BY e.due_at, e.id LIMIT %zu", q->limit);
}

/* The due events of each key in the order of its index, locked. */
static int event_rows_claim_take(struct db *db, struct claiming *c, struct error *e)
{
    cleanup(args_done) struct args p = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    args_text(&p, c->q->job);
    int keys = list_add(db, &p, c->q->keys, c->q->key_count);
    buf_init(&sql, EVENTS_SQL_MAX);
    buf_text(&sql, "SELECT ");
    events_put_columns("x.", true, &sql);
    if (db_is_postgresql(db)) {
        buf_printf(&sql,
                   " FROM (SELECT DISTINCT k FROM unnest($%d::text[]) k) u(rkey) CROSS JOIN LATERAL"
                   " (SELECT e.* FROM {events} e WHERE ",
                   keys);
        sql_append_due_of(db, c->q, "u.rkey", &sql);
        buf_text(&sql, " FOR UPDATE SKIP LOCKED) x");
    } else {
        buf_printf(&sql,
                   " FROM (SELECT DISTINCT value FROM json_each($%d)) u CROSS JOIN {events} x"
                   " WHERE x.id IN (SELECT e.id FROM {events} e WHERE ",
                   keys);
        sql_append_due_of(db, c->q, "u.value", &sql);
        buf_char(&sql, ')');
    }
    buf_printf(&sql, " ORDER BY x.due_at, x.id LIMIT %zu", c->q->limit);
    int res = db_exec(db, sql.data, p.params, p.count, &r, e);
    if (res == 0)
        events_from_result(r, &c->list, &c->count);
    return res;
}

static bool too_old(const struct event_row *row, int64_t now)
{
    return row->last_at && row->last_at < now;
}

static int event_rows_claim_mark(struct db *db, const struct claiming *c, bool old, struct error *e)
{
    cleanup(args_done) struct args p = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(free_p) int64_t *ids = xcalloc(c->count + 1, sizeof(*ids));
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++)
        if (too_old(&c->list[i], c->q->now) == old)
            ids[n++] = c->list[i].id;
    if (!n)
        return 0;
    buf_init(&sql, EVENTS_SQL_MAX + n * EVENTS_ID_MAX);
    if (old)
        events_put_expired(c->q->now, &sql);
    else
        buf_printf(&sql,
                   "UPDATE {events} SET sends = sends + 1, lease_host = $%d, lease_incarnation = $%d,"
                   " lease_until = %s + %" PRId64 ", due_at = %" PRId64 " WHERE 1 = 1",
                   args_text(&p, c->q->host), args_text(&p, c->q->incarnation), db_now(db), c->q->lease_s,
                   c->q->now + c->q->lease_s);
    events_put_ids(ids, n, &sql);
    return db_exec(db, sql.data, p.params, p.count, NULL, e);
}

/* Events that are too old are not returned. */
static void keep_young(struct claiming *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (too_old(&c->list[i], c->q->now)) {
            c->expired++;
            event_row_done(&c->list[i]);
        } else {
            c->list[n++] = c->list[i];
        }
    }
    c->count = n;
}

static int claim(struct db *db, void *arg, struct error *e)
{
    struct claiming *c = arg;
    event_rows_free(c->list, c->count);
    c->list = NULL;
    c->count = 0;
    int r = event_rows_claim_take(db, c, e);
    if (r == 0)
        r = event_rows_claim_mark(db, c, true, e);
    if (r == 0)
        r = event_rows_claim_mark(db, c, false, e);
    return r;
}

int store_events_claim(struct db *db, const struct event_claim *q, struct event_row **ret, size_t *ret_count,
                       int64_t *ret_expired, struct error *e)
{
    struct claiming c = {.q = q};
    int64_t before;
    int r;
    do { /* a batch of too old ones does not mean that nothing follows */
        before = c.expired;
        r = events_transaction(db, claim, &c, e);
        if (r == 0)
            keep_young(&c);
    } while (r == 0 && !c.count && c.expired > before);
    *ret_expired = c.expired;
    if (r < 0 || !c.count) {
        event_rows_free(c.list, c.count);
        c = (struct claiming){0};
    }
    *ret = c.list;
    *ret_count = c.count;
    return r;
}

/* ---- their results ---- */

static void sql_append_settled(const struct event_settle *s, struct args *p, struct buf *sql)
{
    buf_printf(sql,
               "UPDATE {events} SET state = %d, due_at = %" PRId64 ", finished_at = %" PRId64
               ", lease_host = NULL, lease_incarnation = NULL, lease_until = NULL",
               s->state, s->due_at, s->state >= EVENT_SENT ? s->now : 0);
    if (s->unsent)
        buf_text(sql, ", sends = sends - 1");
    if (s->state == EVENT_SENT)
        buf_text(sql, ", text = NULL, code = NULL, why = NULL");
    else
        events_put_why(s->code, s->why, p, sql);
    buf_printf(sql, " WHERE lease_host = $%d AND lease_incarnation = $%d", args_text(p, s->host),
               args_text(p, s->incarnation));
}

static int event_rows_claim_settle(struct db *db, void *arg, struct error *e)
{
    const struct event_settle *s = arg;
    int r = 0;
    for (size_t from = 0; from < s->count && r == 0; from += EVENTS_AT_ONCE) {
        cleanup(args_done) struct args p = {0};
        cleanup(buf_done) struct buf sql = {0};
        size_t n = s->count - from < EVENTS_AT_ONCE ? s->count - from : EVENTS_AT_ONCE;
        buf_init(&sql, EVENTS_SQL_MAX);
        sql_append_settled(s, &p, &sql);
        events_put_ids(s->ids + from, n, &sql);
        r = db_exec(db, sql.data, p.params, p.count, NULL, e);
    }
    return r;
}

int store_events_settle(struct db *db, const struct event_settle *s, struct error *e)
{
    struct event_settle copy = *s;
    return events_transaction(db, event_rows_claim_settle, &copy, e);
}

struct releasing {
    const char *host, *incarnation;
    int64_t released;
};

static int event_rows_claim_release(struct db *db, void *arg, struct error *e)
{
    struct releasing *q = arg;
    cleanup(db_result_free_p) struct db_result *r = NULL;
    const char *texts[] = {q->host, q->incarnation};
    int res = db_run(db,
                     "UPDATE {events} SET due_at = created_at, lease_host = NULL, lease_incarnation = NULL,"
                     " lease_until = NULL WHERE lease_host = $1 AND lease_incarnation = $2",
                     texts, 2, &r, e);
    if (res == 0)
        q->released = db_affected(r);
    return res;
}

int store_events_release(struct db *db, const char *host, const char *incarnation, int64_t *ret, struct error *e)
{
    struct releasing q = {.host = host, .incarnation = incarnation};
    int r = events_transaction(db, event_rows_claim_release, &q, e);
    *ret = q.released;
    return r;
}
