/* SPDX-License-Identifier: MIT
 * Events for operators: listed in pages, counted, and removed when they are old. The index of the list serves every
 * state. The sent ones are not counted, because they are many.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/secret.h"
#include "core/store/events/internal.h"

static const char *const names[EVENT_STATES] = {
    [EVENT_WAITING] = "waiting", [EVENT_HELD] = "held",       [EVENT_SENT] = "sent",
    [EVENT_ASIDE] = "aside",     [EVENT_EXPIRED] = "expired", [EVENT_DROPPED] = "dropped",
};

const char *event_state_name(int state)
{
    return state > 0 && state < EVENT_STATES ? names[state] : NULL;
}

int event_state_of(const char *name)
{
    for (int i = 1; i < EVENT_STATES; i++)
        if (!strcmp(name, names[i]))
            return i;
    return 0;
}

static const char *const columns[] = {
    "id",      "rkey",       "event_id", "name",        "state", "sends", "event_time",
    "last_at", "created_at", "due_at",   "finished_at", "code",  "why",
};
enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

void events_put_columns(const char *of, bool with_text, struct buf *sql)
{
    for (size_t i = 0; i < COLUMNS; i++)
        buf_printf(sql, "%s%s%s", i ? ", " : "", of, columns[i]);
    if (with_text)
        buf_printf(sql, ", %stext", of);
    else
        buf_text(sql, ", NULL");
}

void events_from_result(const struct db_result *r, struct event_row **ret, size_t *ret_count)
{
    struct event_row *list = xcalloc(db_rows(r) + 1, sizeof(*list));
    for (size_t i = 0; i < db_rows(r); i++)
        list[i] = (struct event_row){
            .id = db_integer(r, i, 0),
            .key = db_copy(r, i, 1),
            .event_id = db_copy(r, i, 2),
            .name = db_copy(r, i, 3),
            .state = (int)db_integer(r, i, 4),
            .sends = (int)db_integer(r, i, 5),
            .event_time = db_integer(r, i, 6),
            .last_at = db_integer(r, i, 7),
            .created_at = db_integer(r, i, 8),
            .due_at = db_integer(r, i, 9),
            .finished_at = db_integer(r, i, 10),
            .code = db_copy(r, i, 11),
            .why = db_copy(r, i, 12),
            .text = db_copy(r, i, COLUMNS),
            .len = db_len(r, i, COLUMNS),
        };
    *ret = list;
    *ret_count = db_rows(r);
}

void event_row_done(struct event_row *row)
{
    free(row->key);
    free(row->event_id);
    free(row->name);
    wipe_free(row->text);
    free(row->code);
    free(row->why);
    *row = (struct event_row){0};
}

void event_rows_free(struct event_row *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        event_row_done(&list[i]);
    free(list);
}

/* Written so that only the index of the list gives this order: by id, a planner might read all events of other
 * states. */
static void sql_append_page(const struct event_query *q, int state, struct buf *sql)
{
    buf_printf(sql,
               "SELECT x.id FROM (SELECT id FROM {events} WHERE (state, job, id) > (%d, $1, %" PRId64 ")"
               " AND (state, job) <= (%d, $1) ORDER BY state, job, id LIMIT %zu) x",
               state, q->after, state, q->limit);
}

/* Each state's next page, then the first of all of them. */
int store_events(struct db *db, const struct event_query *q, struct event_row **ret, size_t *ret_count,
                 struct error *e)
{
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int from = q->state ? q->state : EVENT_WAITING, to = q->state ? q->state : EVENT_STATES - 1;
    buf_init(&sql, EVENTS_SQL_MAX);
    buf_text(&sql, "SELECT ");
    events_put_columns("", false, &sql);
    buf_text(&sql, " FROM {events} WHERE id IN (");
    for (int state = from; state <= to; state++) {
        buf_text(&sql, state > from ? " UNION ALL " : "");
        sql_append_page(q, state, &sql);
    }
    buf_printf(&sql, ") ORDER BY id LIMIT %zu", q->limit);
    int res = db_run(db, sql.data, &q->job, 1, &r, e);
    if (res == 0)
        events_from_result(r, ret, ret_count);
    return res;
}

int store_event_counts(struct db *db, const char *job, int64_t counts[EVENT_STATES], struct error *e)
{
    cleanup(db_result_free_p) struct db_result *states = NULL, *again = NULL;
    memset(counts, 0, EVENT_STATES * sizeof(*counts));
    int r = db_run(db,
                   "SELECT state, count(*) FROM {events} WHERE job = $1 AND state IN (1, 2, 4, 5, 6)"
                   " GROUP BY state",
                   &job, 1, &states, e);
    if (r == 0)
        r = db_run(db, "SELECT sum(sends - 1) FROM {events} WHERE job = $1 AND sends > 1", &job, 1, &again, e);
    if (r < 0)
        return r;
    for (size_t i = 0; i < db_rows(states); i++)
        counts[db_integer(states, i, 0)] = db_integer(states, i, 1);
    counts[0] = db_integer(again, 0, 0);
    return 0;
}

struct sweeping {
    int state;
    int64_t before;
    size_t limit;
    int64_t swept;
};

static int find_old(struct db *db, const struct sweeping *s, struct db_result **ret, struct error *e)
{
    cleanup(buf_done) struct buf sql = {0};
    buf_init(&sql, EVENTS_SQL_MAX);
    buf_printf(&sql,
               "SELECT id FROM {events} WHERE state = %d AND state >= 3 AND finished_at < %" PRId64
               " ORDER BY finished_at LIMIT %zu%s",
               s->state, s->before, s->limit < EVENTS_AT_ONCE ? s->limit : EVENTS_AT_ONCE,
               db_is_postgresql(db) ? " FOR UPDATE SKIP LOCKED" : "");
    return db_exec(db, sql.data, NULL, 0, ret, e);
}

static int drop(struct db *db, const char *from, const char *column, const struct db_result *old, struct error *e)
{
    cleanup(buf_done) struct buf sql = {0};
    buf_init(&sql, EVENTS_SQL_MAX);
    buf_printf(&sql, "DELETE FROM %s WHERE %s IN (", from, column);
    for (size_t i = 0; i < db_rows(old); i++)
        buf_printf(&sql, "%s%" PRId64, i ? "," : "", db_integer(old, i, 0));
    buf_char(&sql, ')');
    return db_exec(db, sql.data, NULL, 0, NULL, e);
}

/* Keys and events are removed together: keys without their event would block a repeated event for ever. */
static int event_rows_list_sweep(struct db *db, void *arg, struct error *e)
{
    struct sweeping *s = arg;
    cleanup(db_result_free_p) struct db_result *old = NULL;
    int r = find_old(db, s, &old, e);
    if (r < 0 || !db_rows(old))
        return r;
    r = drop(db, "{event_keys}", "event", old, e);
    if (r == 0)
        r = drop(db, "{events}", "id", old, e);
    if (r == 0)
        s->swept = (int64_t)db_rows(old);
    return r;
}

int store_events_sweep(struct db *db, int state, int64_t before, size_t limit, int64_t *ret, struct error *e)
{
    struct sweeping s = {.state = state, .before = before, .limit = limit};
    int r = events_transaction(db, event_rows_list_sweep, &s, e);
    *ret = s.swept;
    return r;
}
