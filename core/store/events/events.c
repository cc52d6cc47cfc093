/* SPDX-License-Identifier: MIT
 * Takes events in: all or none, in one transaction. An event that comes again is recognised by its keys. If two
 * hosts receive the same event at the same moment, the second one waits at the key's row, starts again, and finds
 * it.
 */
#include "core/store/events/events.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/map.h"
#include "core/base/utf8.h"
#include "core/crypto/crypto.h"
#include "core/json/json_writer.h"
#include "core/store/events/internal.h"
#include "core/store/list.h"

enum { TRIES = 10, ROWS_MAX = 32 * 1024 * 1024, KEY_MAX = 64 * 1024, HEX_SIZE = 2 * CRYPTO_HASH + 1 };

/* One way to recognise an event: the hash of its job, its record and the key that came with it. A hash, because the
 * key may be long, and personal. */
struct event_key {
    char hex[HEX_SIZE];
    size_t event; /* its index */
};

struct adding {
    const char *job, *source;
    struct new_event *list;
    size_t count;
    int64_t depth, now;
    struct event_key *keys; /* in the order of the events */
    size_t key_count;
};

/* The state of one try of the transaction. */
struct events_round {
    struct map *at;       /* key -> where its event's id is or will be */
    int64_t *known;       /* ids that the store gave */
    const int64_t **from; /* for each event the one that it repeats; NULL = it is new */
    const struct event_key **fresh;
    size_t fresh_count, new_count;
};

static void event_rows_round_done(struct events_round *r)
{
    if (r->at)
        map_free(r->at, NULL);
    free(r->known);
    free(r->from);
    free(r->fresh);
}

int events_transaction(struct db *db, int (*work)(struct db *db, void *arg, struct error *e), void *arg,
                       struct error *e)
{
    int r = -EDEADLK;
    for (int i = 0; r == -EDEADLK && i < TRIES; i++) {
        r = db_begin(db, e);
        if (r == 0)
            r = work(db, arg, e);
        if (r == 0)
            r = db_commit(db, e);
        db_rollback(db);
    }
    return r;
}

static int add_key(struct adding *a, size_t event, const char *kind, const char *name, const char *id)
{
    unsigned char hash[CRYPTO_HASH];
    cleanup(buf_done) struct buf all = {0}, hex = {0};
    buf_init(&all, KEY_MAX);
    buf_init(&hex, HEX_SIZE);
    const char *parts[] = {a->job, a->list[event].key, kind, name, id};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        buf_printf(&all, "%zu:%s", strlen(parts[i]), parts[i]);
    if (all.failed)
        return -E2BIG;
    if (crypto_sha256(all.data, all.len, hash) < 0 || hex_encode(&hex, hash, sizeof(hash)) < 0)
        return -EIO;
    a->keys = xrealloc(a->keys, (a->key_count + 1) * sizeof(*a->keys));
    memcpy(a->keys[a->key_count].hex, hex.data, HEX_SIZE);
    a->keys[a->key_count++].event = event;
    return 0;
}

static bool text_fits(const char *text, size_t len)
{
    return !memchr(text, '\0', len) && utf8_valid(text, len);
}

/* A value that is not text is refused here, on both stores alike. */
static int check_event(struct adding *a, size_t i, struct error *e)
{
    const struct new_event *n = &a->list[i];
    if (!text_fits(n->text, n->len) || !text_fits(n->event_id, strlen(n->event_id)) ||
        (n->name && !text_fits(n->name, strlen(n->name))) ||
        (n->dropped && !text_fits(n->dropped, strlen(n->dropped))))
        return error_set(e, -EILSEQ, "an event is not valid UTF-8 without NUL bytes");
    int r = add_key(a, i, "event", n->name ? n->name : "", n->event_id);
    for (size_t k = 0; r == 0 && n->same && n->same[k]; k++)
        r = add_key(a, i, "same", "", n->same[k]);
    return r < 0 ? error_set(e, r, "an event's keys are too long or cannot be hashed") : 0;
}

static int check_records(struct db *db, const struct adding *a, struct error *e)
{
    cleanup(args_done) struct args p = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    cleanup(free_p) const char **keys = xcalloc(a->count, sizeof(*keys));
    struct map *wanted = map_new();
    size_t n = 0;
    for (size_t i = 0; i < a->count; i++)
        if (!map_put(wanted, a->list[i].key, &a->list[i]))
            keys[n++] = a->list[i].key;
    buf_init(&sql, EVENTS_SQL_MAX);
    buf_printf(&sql, "SELECT rkey FROM {records} WHERE source = $%d AND ", args_text(&p, a->source));
    list_put_in(db, "rkey", list_add(db, &p, keys, n), &sql);
    int res = db_exec(db, sql.data, p.params, p.count, &r, e);
    for (size_t i = 0; res == 0 && i < db_rows(r); i++)
        map_remove(wanted, db_text(r, i, 0));
    size_t cursor = 0;
    const char *missing = NULL;
    if (res == 0 && map_next(wanted, &cursor, &missing, NULL))
        res = error_set(e, -ENOENT, "job %s has no record %s", a->job, missing);
    map_free(wanted, NULL);
    return res;
}

/* Which of the events are here already. */
static int find_known(struct db *db, const struct adding *a, struct events_round *w, struct error *e)
{
    cleanup(args_done) struct args p = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    cleanup(free_p) const char **keys = xcalloc(a->key_count, sizeof(*keys));
    for (size_t i = 0; i < a->key_count; i++)
        keys[i] = a->keys[i].hex;
    buf_init(&sql, EVENTS_SQL_MAX);
    buf_text(&sql, "SELECT key, event FROM {event_keys} WHERE ");
    list_put_in(db, "key", list_add(db, &p, keys, a->key_count), &sql);
    int res = db_exec(db, sql.data, p.params, p.count, &r, e);
    if (res < 0)
        return res;
    w->known = xcalloc(db_rows(r) + 1, sizeof(*w->known));
    for (size_t i = 0; i < db_rows(r); i++) {
        w->known[i] = db_integer(r, i, 1);
        map_put(w->at, db_text(r, i, 0), &w->known[i]);
    }
    return 0;
}

/* Separates the new ones from those that exist, or that come earlier in the list. */
static void event_rows_sort_out(const struct adding *a, struct events_round *w)
{
    size_t first = 0, next;
    w->from = xcalloc(a->count, sizeof(*w->from));
    w->fresh = xcalloc(a->key_count, sizeof(*w->fresh));
    for (size_t i = 0; i < a->count; i++, first = next) {
        for (next = first; next < a->key_count && a->keys[next].event == i; next++)
            if (!w->from[i])
                w->from[i] = map_get(w->at, a->keys[next].hex);
        if (w->from[i])
            continue;
        w->new_count++;
        for (size_t k = first; k < next; k++)
            if (!map_put(w->at, a->keys[k].hex, &a->list[i].id))
                w->fresh[w->fresh_count++] = &a->keys[k];
    }
}

/* The oldest event of a state, through the index of the list alone: searched by id, a planner might read all events
 * ever sent. */
static int oldest_of(struct db *db, const struct adding *a, int state, int64_t *io_oldest, struct error *e)
{
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, EVENTS_SQL_MAX);
    buf_printf(&sql,
               "SELECT id FROM {events} WHERE (state, job, id) > (%d, $1, 0) AND (state, job) <= (%d, $1)"
               " ORDER BY state, job, id LIMIT 1",
               state, state);
    int res = db_run(db, sql.data, &a->job, 1, &r, e);
    if (res == 0 && db_rows(r) && db_integer(r, 0, 0) < *io_oldest)
        *io_oldest = db_integer(r, 0, 0);
    return res;
}

/* Between the oldest waiting event and the newest of all there are at most so many ids: events are not counted
 * while that is below the depth. */
static int span(struct db *db, const struct adding *a, int64_t *ret, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *newest = NULL;
    int64_t oldest = INT64_MAX;
    int r = oldest_of(db, a, EVENT_WAITING, &oldest, e);
    if (r == 0)
        r = oldest_of(db, a, EVENT_HELD, &oldest, e);
    if (r == 0)
        r = db_run(db, "SELECT max(id) FROM {events}", NULL, 0, &newest, e);
    if (r == 0)
        *ret = oldest == INT64_MAX ? 0 : db_integer(newest, 0, 0) - oldest + 1;
    return r;
}

static int check_depth(struct db *db, const struct adding *a, struct error *e)
{
    cleanup(args_done) struct args p = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int64_t most = 0;
    int res = span(db, a, &most, e);
    if (res < 0 || most < a->depth)
        return res;
    buf_init(&sql, EVENTS_SQL_MAX);
    buf_printf(&sql,
               "SELECT count(*) FROM (SELECT 1 FROM {events} WHERE job = $%d AND " EVENTS_OPEN " LIMIT %" PRId64
               ") x",
               args_text(&p, a->job), a->depth);
    res = db_exec(db, sql.data, p.params, p.count, &r, e);
    if (res == 0 && db_integer(r, 0, 0) >= a->depth)
        res = error_set(e, -EDQUOT, "job %s: %" PRId64 " events wait already, and no more may wait", a->job,
                        a->depth);
    return res;
}

static int give_ids(struct db *db, const struct adding *a, const struct events_round *w, struct error *e)
{
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, EVENTS_SQL_MAX);
    if (db_is_postgresql(db))
        buf_printf(&sql,
                   "SELECT nextval(pg_get_serial_sequence('renewd.events', 'id'))"
                   " FROM generate_series(1, %zu)",
                   w->new_count);
    else
        buf_text(&sql, "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'renewd_events'");
    int res = db_exec(db, sql.data, NULL, 0, &r, e);
    size_t n = 0;
    for (size_t i = 0; res == 0 && i < a->count; i++) {
        if (w->from[i])
            continue;
        a->list[i].id = db_is_postgresql(db) ? db_integer(r, n, 0) : db_integer(r, 0, 0) + (int64_t)n;
        n++;
    }
    return res;
}

/* Rows as one parameter: a JSON array of arrays, the same for both drivers. */
static int events_own_rows(struct args *p, struct json_writer *w, struct error *e)
{
    json_end(w);
    if (json_finish(w) < 0)
        return error_set(e, -E2BIG, "the events are too large to be stored at once");
    args_own(p, buf_steal(w->to));
    return 0;
}

static const char *from_rows(const struct db *db)
{
    return db_is_postgresql(db) ? " FROM json_array_elements($1::json) u(v) WHERE 1 = 1"
                                : " FROM json_each($1) u WHERE 1 = 1";
}

static void event_rows_sql_append_member(const struct db *db, int index, const char *type, struct buf *sql)
{
    if (db_is_postgresql(db))
        buf_printf(sql, "(u.v ->> %d)::%s", index, type);
    else
        buf_printf(sql, "json_extract(u.value, '$[%d]')", index);
}

static int put_keys(struct db *db, const struct adding *a, const struct events_round *w, struct error *e)
{
    cleanup(args_done) struct args p = {0};
    cleanup(buf_done) struct buf sql = {0}, rows = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    struct json_writer out;
    buf_init(&rows, ROWS_MAX);
    json_writer_init(&out, &rows);
    json_begin_array(&out, NULL);
    for (size_t i = 0; i < w->fresh_count; i++) {
        json_begin_array(&out, NULL);
        json_put_text(&out, NULL, w->fresh[i]->hex);
        json_put_integer(&out, NULL, a->list[w->fresh[i]->event].id);
        json_end(&out);
    }
    int res = events_own_rows(&p, &out, e);
    if (res < 0)
        return res;
    buf_init(&sql, EVENTS_SQL_MAX);
    buf_text(&sql, "INSERT INTO {event_keys} (key, event) SELECT ");
    event_rows_sql_append_member(db, 0, "text", &sql);
    buf_text(&sql, ", ");
    event_rows_sql_append_member(db, 1, "bigint", &sql);
    buf_printf(&sql, "%s ORDER BY 1 ON CONFLICT (key) DO NOTHING", from_rows(db));
    res = db_exec(db, sql.data, p.params, p.count, &r, e);
    if (res == 0 && db_affected(r) != (int64_t)w->fresh_count)
        return error_set(e, -EDEADLK, "another host stored the same events at the same time");
    return res;
}

static void event_rows_put_event(struct json_writer *out, const struct new_event *n, int64_t now)
{
    json_begin_array(out, NULL);
    json_put_integer(out, NULL, n->id);
    json_put_text(out, NULL, n->key);
    json_put_text(out, NULL, n->event_id);
    json_put_text(out, NULL, n->name);
    if (n->dropped)
        json_put_null(out, NULL);
    else
        json_put_text_n(out, NULL, n->text, n->len);
    json_put_integer(out, NULL, n->event_time);
    json_put_integer(out, NULL, n->last_at);
    json_put_text(out, NULL, n->dropped);
    json_put_integer(out, NULL, n->dropped ? EVENT_DROPPED : EVENT_WAITING);
    json_put_integer(out, NULL, n->dropped ? now : 0);
    json_end(out);
}

static int event_rows_put_events(struct db *db, const struct adding *a, const struct events_round *w,
                                 struct error *e)
{
    static const char *const types[] = {"bigint", "text",   "text", "text",    "text",
                                        "bigint", "bigint", "text", "integer", "bigint"};
    cleanup(args_done) struct args p = {0};
    cleanup(buf_done) struct buf sql = {0}, rows = {0};
    struct json_writer out;
    buf_init(&rows, ROWS_MAX);
    json_writer_init(&out, &rows);
    json_begin_array(&out, NULL);
    for (size_t i = 0; i < a->count; i++)
        if (!w->from[i])
            event_rows_put_event(&out, &a->list[i], a->now);
    int res = events_own_rows(&p, &out, e);
    if (res < 0)
        return res;
    buf_init(&sql, EVENTS_SQL_MAX);
    buf_text(
        &sql,
        "INSERT INTO {events} (id, rkey, event_id, name, text, event_time, last_at, why, state, finished_at, job,"
        " created_at, due_at) SELECT ");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        event_rows_sql_append_member(db, (int)i, types[i], &sql);
        buf_text(&sql, ", ");
    }
    buf_printf(&sql, "$%d, %" PRId64 ", %" PRId64 "%s", args_text(&p, a->job), a->now, a->now, from_rows(db));
    return db_exec(db, sql.data, p.params, p.count, NULL, e);
}

static int event_rows_add(struct db *db, void *arg, struct error *e)
{
    const struct adding *a = arg;
    cleanup(event_rows_round_done) struct events_round w = {.at = map_new()};
    int r = check_records(db, a, e);
    if (r == 0)
        r = find_known(db, a, &w, e);
    if (r < 0)
        return r;
    event_rows_sort_out(a, &w);
    if (w.new_count && a->depth)
        r = check_depth(db, a, e);
    if (r == 0 && w.new_count)
        r = give_ids(db, a, &w, e);
    if (r == 0 && w.new_count)
        r = put_keys(db, a, &w, e);
    if (r == 0 && w.new_count)
        r = event_rows_put_events(db, a, &w, e);
    for (size_t i = 0; r == 0 && i < a->count; i++) {
        a->list[i].duplicate = w.from[i] != NULL;
        if (w.from[i])
            a->list[i].id = *w.from[i];
    }
    return r;
}

int store_events_add(struct db *db, const char *job, const char *source, struct new_event *list, size_t count,
                     int64_t depth, int64_t now, struct error *e)
{
    struct adding a = {.job = job, .source = source, .list = list, .count = count, .depth = depth, .now = now};
    int r = 0;
    if (!count)
        return 0;
    for (size_t i = 0; i < count && r == 0; i++)
        r = check_event(&a, i, e);
    if (r == 0)
        r = events_transaction(db, event_rows_add, &a, e);
    free(a.keys);
    return r;
}
