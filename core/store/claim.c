/* SPDX-License-Identifier: MIT
 * Claims due records: one committed transaction over renewd's own rows alone; the user's rows are read after it
 * (rule 1). Two hosts never hold one credential at the same time: the credential's row is the lock.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/fault.h"
#include "core/base/map.h"
#include "core/crypto/crypto.h"
#include "core/store/claim_internal.h"
#include "core/store/hosts.h"
#include "core/store/list.h"
#include "core/store/record_row.h"
#include "core/store/user_rows.h"

/* A claim orders those at hand: the records that were due first, as many as some batches. It goes along the index to
 * them, over at most LOOK_AT records whose credentials are not available: what it costs does not depend on how many
 * wait. A run with a limit leaves some, and therefore chooses among more. */
enum { TRIES = 4, BATCHES_AT_HAND = 4, LEAST_AT_HAND = 100, LIMITED_AT_HAND = 10000, LOOK_AT = 100000 };

/* The condition of the index on suspects, word for word. Both indexes are by not_before: those that wait after a
 * failure, which may be nearly all, are not read. */
static const char suspects[] = " AND r.due_at > 0 AND (r.state = 4 OR r.state = 5)";

struct candidates {
    struct claimed *list;
    size_t count;
    bool locked; /* other hosts hold locks on some at this moment */
};

static void candidates_done(struct candidates *c)
{
    claimed_free(c->list, c->count);
}

void claimed_free(struct claimed *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        record_done(&list[i].record);
        row_done(&list[i].row);
    }
    free(list);
}

/* Likewise of the index on those that fail. */
static const char failing[] = " AND r.attempts > 0 AND r.state <> 4 AND r.state <> 5";

/* Soonest death first, as death_of says; among records that keep failing, the one that was tried longest ago. */
static void sql_append_order(const char *of, bool tried, size_t limit, struct buf *sql)
{
    if (tried) {
        buf_printf(sql, " ORDER BY %s.last_at, %s.rkey LIMIT %zu", of, of, limit);
        return;
    }
    buf_printf(sql,
               " ORDER BY (%s.death = 0 AND %s.expires_at <= 0),"
               " CASE WHEN %s.death <> 0 THEN %s.death ELSE %s.expires_at END, %s.rkey LIMIT %zu",
               of, of, of, of, of, of, limit);
}

/* The keys worth locking, in the order of the claim: of those due first, the ones whose credential is available. More
 * than wanted, because other hosts may lock some of them at this moment; SQLite has one writer at a time. */
static int find_keys(struct db *db, const struct claim_request *q, const char *which, size_t limit,
                     struct db_result **ret, struct error *e)
{
    bool tried = which == failing || which == suspects;
    const char *by = tried ? "not_before" : q->mode == CLAIM_AUTO ? "due_at" : "point";
    size_t least = q->limited ? LIMITED_AT_HAND : LEAST_AT_HAND;
    size_t at_hand = limit * BATCHES_AT_HAND < least ? least : limit * BATCHES_AT_HAND;
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    buf_init(&sql, CLAIM_SQL_MAX);
    buf_text(&sql, "SELECT z.rkey FROM (SELECT y.rkey, y.death, y.expires_at, y.last_at FROM"
                   " (SELECT r.rkey, r.fingerprint, r.death, r.expires_at, r.last_at FROM {records} r WHERE ");
    claim_put_due(db, q, !tried, &a, &sql);
    buf_printf(&sql, "%s ORDER BY r.%s LIMIT %d) y", which, by, LOOK_AT);
    buf_text(&sql, " LEFT JOIN {credentials} c ON c.fingerprint = y.fingerprint WHERE 1 = 1");
    claim_put_alive(q, &sql);
    claim_put_free(db, q->safe, &sql);
    buf_printf(&sql, " LIMIT %zu) z", at_hand);
    sql_append_order("z", tried, db_is_postgresql(db) ? limit * BATCHES_AT_HAND : limit, &sql);
    return db_exec(db, sql.data, a.params, a.count, ret, e);
}

/* On PostgreSQL each key is looked up for itself: for a list it might read all records of the source. */
static void lock_sql(const struct db *db, const struct claim_request *q, const char *which, const char *const *keys,
                     size_t count, struct args *a, struct buf *sql)
{
    bool pg = db_is_postgresql(db);
    int list = list_add(db, a, keys, count);
    if (pg)
        buf_printf(sql, "SELECT x.* FROM unnest($%d::text[]) AS u(k), LATERAL (", list);
    buf_text(sql, "SELECT ");
    record_columns("r.", sql);
    buf_text(sql, " FROM {records} r WHERE ");
    claim_put_due(db, q, false, a, sql);
    buf_printf(sql, "%s AND ", which);
    if (pg)
        buf_text(sql, "r.rkey = u.k FOR UPDATE OF r SKIP LOCKED) x");
    else
        list_put_in(db, "r.rkey", list, sql);
}

/* Those of the keys that are still due, locked. */
static int lock_keys(struct db *db, const struct claim_request *q, const char *which, const char *const *keys,
                     size_t count, struct candidates *to, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, CLAIM_SQL_MAX);
    lock_sql(db, q, which, keys, count, &a, &sql);
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res < 0)
        return res;
    to->list = xrealloc(to->list, (to->count + db_rows(r) + 1) * sizeof(*to->list));
    for (size_t i = 0; i < db_rows(r); i++) {
        struct claimed *c = &to->list[to->count++];
        memset(c, 0, sizeof(*c));
        record_from_result(r, i, 0, &c->record);
    }
    return 0;
}

/* Where other hosts lock some, the next ones at hand are taken. */
static int lock_some(struct db *db, const struct claim_request *q, const char *which, const char *const *keys,
                     size_t count, size_t limit, struct candidates *to, struct error *e)
{
    size_t first = to->count, some;
    int res = 0;
    for (size_t i = 0; i < count && to->count - first < limit && res == 0; i += some) {
        size_t wanted = limit - (to->count - first);
        some = count - i < wanted ? count - i : wanted;
        res = lock_keys(db, q, which, keys + i, some, to, e);
    }
    if (to->count - first < limit && to->count - first < count)
        to->locked = true;
    return res;
}

/* which: a further condition on r. */
static int select_due(struct db *db, const struct claim_request *q, const char *which, size_t limit,
                      struct candidates *to, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *found = NULL;
    cleanup(free_p) const char **keys = NULL;
    int res = limit ? find_keys(db, q, which, limit, &found, e) : 0;
    if (res < 0 || !limit || !db_rows(found))
        return res;
    keys = xcalloc(db_rows(found), sizeof(*keys));
    for (size_t i = 0; i < db_rows(found); i++)
        keys[i] = db_text(found, i, 0);
    return lock_some(db, q, which, keys, db_rows(found), limit, to, e);
}

/* A credential without an end of its own is sorted by the end of its access token. */
static int64_t death_of(const struct record *r)
{
    if (r->window.death)
        return r->window.death;
    return r->expires_at > 0 ? r->expires_at : INT64_MAX;
}

static int by_death(const void *a, const void *b)
{
    const struct record *x = &((const struct claimed *)a)->record;
    const struct record *y = &((const struct claimed *)b)->record;
    int64_t dx = death_of(x), dy = death_of(y);
    if (dx != dy)
        return dx < dy ? -1 : 1;
    return strcmp(x->key, y->key);
}

/* Keeps the entries that `keep` marks, in their order. */
static void keep_marked(struct candidates *c, const bool *keep)
{
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (keep[i]) {
            struct claimed moved = c->list[i];
            c->list[n++] = moved;
        } else {
            record_done(&c->list[i].record);
        }
    }
    c->count = n;
}

/* Those presented longest ago first. Those that got their verdict too early go by their own time, whatever the
 * schedule. */
static int pick_suspects(struct db *db, const struct claim_request *q, size_t limit, struct candidates *c,
                         struct error *e)
{
    struct claim_request own = *q;
    limit = limit < q->failing_limit ? limit : q->failing_limit;
    int r = select_due(db, q, suspects, limit, c, e);
    own.mode = CLAIM_AUTO;
    if (r == 0 && q->mode == CLAIM_TICK) /* a tick skips all that need a person */
        r = select_due(db, &own, suspects, limit, c, e);
    return r;
}

/* All others before suspects, of which a few are taken all the same (rule 10). */
static int pick_by_time(struct db *db, const struct claim_request *q, struct candidates *c, struct error *e)
{
    int r = q->suspects_least ? pick_suspects(db, q, q->suspects_least, c, e) : 0;
    size_t first = c->count, limit = q->limit > first ? q->limit - first : 0;
    if (r == 0 && q->failing_limit >= q->limit) {
        r = select_due(db, q, " AND r.state <> 4 AND r.state <> 5", limit, c, e);
    } else if (r == 0) {
        r = select_due(db, q, " AND r.attempts = 0 AND r.state <> 4 AND r.state <> 5", limit, c, e);
        if (r == 0)
            r = select_due(db, q, failing, q->failing_limit > first ? q->failing_limit - first : 0, c, e);
    }
    if (r == 0 && c->count < q->limit)
        r = pick_suspects(db, q, q->limit - c->count + first, c, e);
    return r;
}

/* Soonest death first; records that keep failing never displace the others. */
static int claim_pick(struct db *db, const struct claim_request *q, struct candidates *c, struct error *e)
{
    bool named = q->mode == CLAIM_MANUAL || q->mode == CLAIM_DEMAND;
    int r = named ? lock_some(db, q, "", q->keys, q->key_count, q->limit, c, e) : pick_by_time(db, q, c, e);
    if (r < 0 || !c->count)
        return r;
    qsort(c->list, c->count, sizeof(*c->list), by_death);
    cleanup(free_p) bool *keep = xcalloc(c->count, sizeof(*keep));
    struct map *seen = map_new(); /* several records may hold one credential: one of them presents it */
    size_t kept = 0;
    for (size_t i = 0; i < c->count && kept < q->limit; i++) {
        if (map_put(seen, c->list[i].record.fingerprint, &c->list[i]))
            continue;
        keep[i] = true;
        kept++;
    }
    map_free(seen, NULL);
    keep_marked(c, keep);
    return 0;
}

static int name_attempts(struct candidates *c, struct error *e)
{
    for (size_t i = 0; i < c->count; i++)
        if (crypto_id(c->list[i].attempt_id) < 0)
            return error_set(e, -EIO, "the system gives no random bytes");
    return 0;
}

static void sql_append_take(const struct db *db, const struct claim_request *q, int fingerprints, int attempts,
                            struct args *a, struct buf *sql)
{
    buf_printf(sql,
               "INSERT INTO {credentials} AS c (fingerprint, plugin, lease_host, lease_incarnation,"
               " attempt_id, lease_until, dead, created_at)"
               " SELECT u.a, $%d, $%d, $%d, u.b, %s + %" PRId64 ", 0, %s FROM ",
               args_text(a, q->plugin), args_text(a, q->host), args_text(a, q->incarnation), db_now(db), q->lease_s,
               db_now(db));
    list_put_pairs(db, fingerprints, attempts, sql);
    buf_printf(sql,
               " WHERE 1 = 1 ORDER BY u.a ON CONFLICT (fingerprint) DO UPDATE SET"
               " lease_host = excluded.lease_host, lease_incarnation = excluded.lease_incarnation,"
               " attempt_id = excluded.attempt_id, lease_until = excluded.lease_until%s WHERE 1 = 1",
               q->mode == CLAIM_MANUAL ? ", dead = 0" : "");
    claim_put_alive(q, sql);
    claim_put_free(db, q->safe, sql);
    buf_text(sql, " RETURNING fingerprint, lease_until, unanswered");
}

/* Takes the credentials' leases and drops the candidates whose credential another process has just taken. */
static int take_leases(struct db *db, const struct claim_request *q, struct candidates *c, int64_t *ret_until,
                       struct error *e)
{
    cleanup(free_p) const char **fingerprints = xcalloc(c->count + 1, sizeof(*fingerprints));
    cleanup(free_p) const char **attempts = xcalloc(c->count + 1, sizeof(*attempts));
    cleanup(free_p) bool *keep = xcalloc(c->count + 1, sizeof(*keep));
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    for (size_t i = 0; i < c->count; i++) {
        fingerprints[i] = c->list[i].record.fingerprint;
        attempts[i] = c->list[i].attempt_id;
    }
    int first = list_add(db, &a, fingerprints, c->count), second = list_add(db, &a, attempts, c->count);
    buf_init(&sql, CLAIM_SQL_MAX);
    sql_append_take(db, q, first, second, &a, &sql);
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res < 0)
        return res;
    struct map *at = map_new();
    for (size_t i = 0; i < c->count; i++)
        map_put(at, fingerprints[i], &c->list[i]);
    for (size_t i = 0; i < db_rows(r); i++) {
        struct claimed *taken = map_get(at, db_text(r, i, 0));
        *ret_until = db_integer(r, i, 1);
        if (!taken)
            continue;
        taken->unanswered = (int)db_integer(r, i, 2);
        keep[taken - c->list] = true;
    }
    if (db_rows(r) < c->count)
        c->locked = true;
    map_free(at, NULL);
    keep_marked(c, keep);
    return 0;
}

/* Removed from the due index until the lease ends. Not found through that index: it holds everything that is not
 * due yet. */
static int move_due(struct db *db, const struct claim_request *q, const struct candidates *c, int64_t until,
                    struct error *e)
{
    cleanup(free_p) const char **keys = xcalloc(c->count + 1, sizeof(*keys));
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    for (size_t i = 0; i < c->count; i++)
        keys[i] = c->list[i].record.key;
    buf_init(&sql, CLAIM_SQL_MAX);
    int source = args_text(&a, q->table->source), list = list_add(db, &a, keys, c->count);
    buf_printf(&sql, "UPDATE {records} SET due_at = %" PRId64 " WHERE due_at + 0 > 0 AND ", until);
    if (db_is_postgresql(db)) { /* they are locked, so that each stays where it is */
        buf_printf(&sql,
                   "ctid = ANY(ARRAY(SELECT x.ctid FROM unnest($%d::text[]) AS u(k), LATERAL (SELECT r.ctid FROM"
                   " {records} r WHERE r.source = $%d AND r.rkey = u.k OFFSET 0) x))",
                   list, source);
    } else {
        buf_printf(&sql, "source = $%d AND ", source);
        list_put_in(db, "rkey", list, &sql);
    }
    return db_exec(db, sql.data, a.params, a.count, NULL, e);
}

static int claim_once(struct db *db, const struct claim_request *q, struct candidates *c, struct error *e)
{
    int64_t until = 0;
    int r = db_begin(db, e);
    if (r < 0)
        return r;
    r = claim_by_index(db, e);
    if (r == 0)
        r = host_may_claim(db, q->host, q->incarnation, e);
    if (r == 0)
        r = claim_pick(db, q, c, e);
    if (r == 0)
        r = name_attempts(c, e);
    if (r == 0 && c->count)
        r = take_leases(db, q, c, &until, e);
    if (r == 0 && c->count)
        r = move_due(db, q, c, until, e);
    fault_point(FAULT_CLAIM_READY, NULL);
    if (r == 0)
        r = db_commit(db, e);
    if (r == 0)
        fault_point(FAULT_CLAIM_COMMITTED, NULL);
    db_rollback(db);
    return r;
}

static int read_rows(struct db *db, const struct table *t, struct candidates *c, struct error *e)
{
    cleanup(free_p) const char **keys = xcalloc(c->count + 1, sizeof(*keys));
    struct row *rows = NULL;
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++)
        keys[i] = c->list[i].record.key;
    int r = rows_of_keys(db, t, keys, c->count, &rows, &count, e);
    if (r < 0)
        return r;
    struct map *at = map_new();
    for (size_t i = 0; i < c->count; i++)
        map_put(at, keys[i], &c->list[i]);
    for (size_t i = 0; i < count; i++) {
        struct claimed *claimed = map_get(at, rows[i].key);
        if (!claimed || claimed->row_found)
            continue;
        row_own_instants(t, &rows[i], &claimed->record);
        claimed->row = rows[i];
        claimed->row_found = true;
        memset(&rows[i], 0, sizeof(rows[i]));
    }
    map_free(at, NULL);
    rows_free(rows, count);
    return 0;
}

int store_claim(struct db *db, const struct claim_request *q, struct claimed **ret, size_t *ret_count,
                struct error *e)
{
    cleanup(candidates_done) struct candidates c = {0};
    struct error why = {""};
    int r = -EDEADLK;
    for (int i = 0; r == -EDEADLK && i < TRIES; i++) {
        candidates_done(&c);
        c = (struct candidates){0};
        r = claim_once(db, q, &c, &why);
    }
    if (r == 0 && c.count) {
        r = read_rows(db, q->table, &c, &why);
        for (size_t i = 0; r < 0 && i < c.count; i++) /* as far as the store still answers */
            store_release(db, &c.list[i].record, c.list[i].attempt_id, NULL);
    }
    if (r < 0)
        return error_set(e, r, "job %s: claiming due records: %s", q->table->job, why.text);
    *ret = NULL;
    *ret_count = c.count;
    if (c.count) { /* otherwise other processes took all of them, and the list ends here */
        *ret = c.list;
        c = (struct candidates){0};
        return 0;
    }
    return c.locked && !q->key_count; /* named ones are not asked for again */
}
