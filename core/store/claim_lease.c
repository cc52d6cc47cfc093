/* SPDX-License-Identifier: MIT
 * The parts of claims beside taking them: the conditions, counting what is due, when the next record is due, and
 * giving leases back.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/fault.h"
#include "core/rules/outcome.h"
#include "core/store/claim_internal.h"
#include "core/store/list.h"
#include "core/store/many.h"

enum { LOOK_AHEAD = 1000, NEVER_PRESENTED_S = 60 };

/* The condition of the index on (source, point), word for word, so that it is used. */
static const char not_stopped[] = " AND r.state <> 4 AND r.state <> 7 AND r.state <> 8";
_Static_assert(STATE_RETRYING == 2 && STATE_MISCONFIGURED == 5 && STATE_RECONNECT == 4 && STATE_PENDING == 7 &&
                   STATE_PAUSED == 8,
               "the index of renewd's records names these states");

static int64_t waits_until(const struct claim_request *q)
{
    return q->real_now ? q->real_now : q->now;
}

static void sql_append_tick(const struct claim_request *q, const char *plus, struct buf *sql)
{
    int64_t before = q->next_tick > q->now ? q->next_tick : q->now + 1;
    buf_printf(sql,
               " AND r.point%s > 0%s AND r.point%s < %" PRId64 " AND r.earliest <= %" PRId64
               " AND (r.not_before <= %" PRId64 "%s) AND (r.point%s <= %" PRId64,
               plus, not_stopped, plus, before, q->now, waits_until(q), q->impatient ? " OR r.state IN (2, 5)" : "",
               plus, q->now);
    if (q->next_tick)
        buf_printf(sql, " OR r.ok_at < %" PRId64, q->tick);
    buf_char(sql, ')');
}

/* Seconds are too coarse to separate a run from the one before it. A result that a twin's attempt brought belongs
 * to no run. */
static void sql_append_not_of_this_run(const struct claim_request *q, struct buf *sql)
{
    buf_printf(sql,
               " OR (SELECT count(*) FROM {attempts} h WHERE h.source = r.source AND h.rkey = r.rkey"
               " AND h.started_at >= %" PRId64 " AND h.run_id IN (0, %" PRId64 ")) = 0)",
               q->since, q->run_id);
}

void claim_put_due(const struct db *db, const struct claim_request *q, bool find, struct args *a, struct buf *sql)
{
    const char *plus = find ? "" : " + 0"; /* an expression is not looked up in an index */
    buf_printf(sql, "r.source = $%d AND r.without_credential = 0 AND r.fingerprint <> ''",
               args_text(a, q->table->source));
    switch (q->mode) {
    case CLAIM_AUTO: /* of those that need a person, the ones with an early verdict: they have a time */
        buf_printf(sql,
                   " AND r.due_at%s > 0 AND r.due_at%s <= %" PRId64 " AND r.not_before <= %" PRId64
                   " AND r.state <> 7 AND r.state <> 8",
                   plus, plus, q->now, waits_until(q));
        break;
    case CLAIM_TICK:
        sql_append_tick(q, plus, sql);
        break;
    default:
        if (q->mode == CLAIM_DEMAND)
            buf_printf(sql, " AND r.not_before <= %" PRId64 "%s", waits_until(q), not_stopped);
        buf_printf(sql, " AND r.earliest <= %" PRId64 " AND r.state <> 7 AND r.state <> 8", q->now);
        if (q->key_count) {
            buf_text(sql, " AND ");
            list_put_in(db, "r.rkey", list_add(db, a, q->keys, q->key_count), sql);
        }
        break;
    }
    claim_put_held(q->held_under, a, sql);
    if (!q->since)
        return;
    buf_printf(sql, " AND (r.last_outcome <= %d OR r.last_at < %" PRId64 "%s", OUTCOME_OK, q->since,
               q->twice ? " OR (r.state = 5 AND r.attempts = 1)" : "");
    sql_append_not_of_this_run(q, sql);
    if (q->once) {
        buf_printf(sql, " AND (r.ok_at < %" PRId64 " OR r.point <= %" PRId64, q->since, waits_until(q));
        sql_append_not_of_this_run(q, sql);
    }
}

void claim_put_held(const char *held_under, struct args *a, struct buf *sql)
{
    if (held_under)
        buf_printf(sql, " AND ((r.ok_under = $%d AND r.state <> 5) OR r.state = 4)", args_text(a, held_under));
}

void claim_put_alive(const struct claim_request *q, struct buf *sql)
{
    if (q->mode != CLAIM_MANUAL)
        buf_text(sql, " AND coalesce(c.dead, 0) = 0");
    if (!q->safe && (q->mode != CLAIM_MANUAL || q->general))
        buf_printf(sql, " AND coalesce(c.hold_until, 0) <= %" PRId64, waits_until(q));
    if (!q->safe && !defence_off(DEFENCE_SPENT))
        buf_text(sql, " AND (c.successor IS NULL OR c.successor = c.fingerprint)");
}

void claim_put_free(const struct db *db, bool safe, struct buf *sql)
{
    if (defence_off(DEFENCE_LEASE))
        return;
    buf_text(sql, " AND (c.lease_until IS NULL");
    if (safe || defence_off(DEFENCE_GONE))
        buf_printf(sql, " OR c.lease_until < %s", db_now(db));
    /* asked for one attempt at a time: with EXISTS PostgreSQL might read the whole history */
    buf_text(sql, " OR (SELECT 1 FROM {attempts} h WHERE h.attempt_id = c.attempt_id) IS NOT NULL)");
}

void claim_put_most(const struct claim_request *q, struct buf *sql)
{
    if (q->count_most)
        buf_printf(sql, " LIMIT %zu", q->count_most + 1);
}

int claim_by_index(struct db *db, struct error *e)
{
    static const char sql[] =
        "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),"
        " set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),"
        " set_config('max_parallel_workers_per_gather', '0', true), set_config('jit', 'off', true)";
    return db_is_postgresql(db) ? db_run(db, sql, NULL, 0, NULL, e) : 0;
}

/* One statement that is run so. */
static int exec_by_index(struct db *db, const char *sql, const struct args *a, struct db_result **ret,
                         struct error *e)
{
    bool own = db_is_postgresql(db) && !db->in_transaction;
    int r = own ? db_begin(db, e) : 0;
    if (r == 0 && own)
        r = claim_by_index(db, e);
    if (r == 0)
        r = db_exec(db, sql, a->params, a->count, ret, e);
    if (own && r == 0)
        r = db_commit(db, e);
    if (own)
        db_rollback(db);
    return r;
}

int store_count_due(struct db *db, const struct claim_request *q, int64_t *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, CLAIM_SQL_MAX);
    /* of records with one credential, one is presented */
    buf_text(&sql, "SELECT count(DISTINCT x.fingerprint) FROM (SELECT r.fingerprint FROM {records} r"
                   " LEFT JOIN {credentials} c ON c.fingerprint = r.fingerprint WHERE ");
    claim_put_due(db, q, true, &a, &sql);
    claim_put_alive(q, &sql);
    claim_put_most(q, &sql);
    buf_text(&sql, ") x");
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res == 0)
        *ret = db_integer(r, 0, 0);
    return res;
}

/* If a record's credential is leased, its time is the end of the lease. If the credential is dead or spent, the
 * record is checked again later, in case its row has changed. If the credential may be spent, its time comes when
 * its answer is no longer waited for. */
int store_next_due(struct db *db, const struct table *t, bool safe, const char *held_under, int64_t *ret,
                   struct error *e)
{
    static const char left[] = " OR (c.lease_until IS NOT NULL AND"
                               "  (SELECT 1 FROM {attempts} h WHERE h.attempt_id = c.attempt_id) IS NULL)";
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, CLAIM_SQL_MAX);
    args_text(&a, t->source);
    buf_printf(&sql,
               "SELECT min(x.at) FROM (SELECT CASE"
               " WHEN c.lease_until >= %s AND c.lease_until >= r.due_at AND"
               "  (SELECT 1 FROM {attempts} h WHERE h.attempt_id = c.attempt_id) IS NULL"
               "  THEN c.lease_until + 1"
               " WHEN c.dead = 1 OR c.successor <> c.fingerprint%s THEN %s + %d"
               " WHEN c.hold_until > r.due_at THEN c.hold_until"
               " ELSE r.due_at END AS at"
               " FROM {records} r LEFT JOIN {credentials} c ON c.fingerprint = r.fingerprint"
               " WHERE r.source = $1 AND r.due_at > 0 AND r.without_credential = 0"
               " AND r.state <> 7 AND r.state <> 8",
               db_now(db), safe ? "" : left, db_now(db), NEVER_PRESENTED_S);
    claim_put_held(held_under, &a, &sql);
    buf_printf(&sql, " ORDER BY r.due_at LIMIT %d) x", LOOK_AHEAD);
    int res = exec_by_index(db, sql.data, &a, &r, e);
    if (res == 0)
        *ret = db_integer(r, 0, 0);
    return res;
}

/* The record is due again when it would have been, if nothing has happened to it meanwhile. Its window is restored,
 * too, because the claim may have been given back for a window that has moved. */
static int put_back(struct db *db, const struct record *rec, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    buf_init(&sql, CLAIM_SQL_MAX);
    buf_printf(&sql,
               "UPDATE {records} SET due_at = %" PRId64 ", point = %" PRId64 ", earliest = %" PRId64
               ", preferred = %" PRId64 ", latest = %" PRId64 ", death = %" PRId64
               " WHERE source = $1 AND rkey = $2 AND fingerprint = $3 AND generation = %" PRId64
               " AND last_at = %" PRId64,
               rec->due_at, rec->point, rec->window.earliest, rec->window.preferred, rec->window.latest,
               rec->window.death, rec->generation, rec->last_at);
    args_text(&a, rec->source);
    args_text(&a, rec->key);
    args_text(&a, rec->fingerprint);
    return db_exec(db, sql.data, a.params, a.count, NULL, e);
}

static int release_one(struct db *db, const struct record *rec, const char *attempt_id, struct error *e)
{
    const char *texts[] = {rec->fingerprint, attempt_id};
    cleanup(db_result_free_p) struct db_result *freed = NULL;
    int r = db_run(db,
                   "UPDATE {credentials} SET lease_host = NULL, lease_incarnation = NULL, lease_until = NULL,"
                   " attempt_id = NULL WHERE fingerprint = $1 AND attempt_id = $2",
                   texts, 2, &freed, e);
    if (r == 0 && db_affected(freed) > 0)
        r = put_back(db, rec, e);
    return r;
}

/* Both statements for all (PostgreSQL). */
static int release_set(struct db *db, const struct released *list, size_t count, struct error *e)
{
    static const struct many_column columns[] = {
        {"source", false}, {"rkey", false}, {"fingerprint", false}, {"attempt", false},
        {"due_at", true},  {"point", true}, {"earliest", true},     {"preferred", true},
        {"latest", true},  {"death", true}, {"generation", true},   {"last_at", true},
    };
    cleanup(many_done) struct many m = {0};
    many_begin(&m, db, columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < count; i++) {
        const struct record *rec = list[i].record;
        many_text(&m, rec->source);
        many_text(&m, rec->key);
        many_text(&m, rec->fingerprint);
        many_text(&m, list[i].attempt_id);
        many_number(&m, rec->due_at);
        many_number(&m, rec->point);
        many_number(&m, rec->window.earliest);
        many_number(&m, rec->window.preferred);
        many_number(&m, rec->window.latest);
        many_number(&m, rec->window.death);
        many_number(&m, rec->generation);
        many_number(&m, rec->last_at);
    }
    return many_exec(&m, "WITH given AS (SELECT renewd_u.* FROM",
                     "), freed AS (UPDATE {credentials} c SET lease_host = NULL, lease_incarnation = NULL,"
                     " lease_until = NULL, attempt_id = NULL FROM given u WHERE c.fingerprint = u.fingerprint"
                     " AND c.attempt_id = u.attempt RETURNING u.renewd_at)"
                     " UPDATE {records} r SET due_at = u.due_at, point = u.point, earliest = u.earliest,"
                     " preferred = u.preferred, latest = u.latest, death = u.death FROM given u, freed f"
                     " WHERE u.renewd_at = f.renewd_at AND r.source = u.source AND r.rkey = u.rkey"
                     " AND r.fingerprint = u.fingerprint AND r.generation = u.generation AND r.last_at = u.last_at",
                     NULL, e);
}

static int release_all(struct db *db, const struct released *list, size_t count, struct error *e)
{
    db->by_index = true; /* see commit.c */
    int r = db_begin(db, e);
    db->by_index = false;
    if (r < 0)
        return r;
    if (count > 1 && db_is_postgresql(db))
        r = release_set(db, list, count, e);
    else
        for (size_t i = 0; r == 0 && i < count; i++)
            r = release_one(db, list[i].record, list[i].attempt_id, e);
    fault_point(FAULT_RELEASE, list[0].record->key);
    if (r == 0)
        r = db_commit(db, e);
    if (r == 0)
        fault_point(FAULT_RELEASED, list[0].record->key);
    db_rollback(db);
    return r;
}

int store_release_many(struct db *db, const struct released *list, size_t count, struct error *e)
{
    int r = -EDEADLK;
    for (int i = 0; r == -EDEADLK && i < 3; i++)
        r = release_all(db, list, count, e);
    if (r == 0 || count == 1 || !db_alive(db) || store_is_away(r))
        return r;
    r = 0; /* something is in the way of one of them */
    for (size_t i = 0; i < count && db_alive(db); i++) {
        int one = store_release_many(db, &list[i], 1, e);
        r = one < 0 ? one : r;
    }
    return r;
}

int store_release(struct db *db, const struct record *rec, const char *attempt_id, struct error *e)
{
    struct released one = {.record = rec};
    snprintf(one.attempt_id, sizeof(one.attempt_id), "%s", attempt_id);
    return store_release_many(db, &one, 1, e);
}

/* Selects an incarnation's leases: $1 host, $2 incarnation, and those that must stay. */
static void sql_append_left(struct db *db, const char *host, const char *incarnation, const char *const *except,
                            size_t except_count, struct args *a, struct buf *sql)
{
    args_text(a, host);
    args_text(a, incarnation);
    buf_text(sql, "c.lease_host = $1 AND c.lease_incarnation = $2");
    if (!except_count)
        return;
    buf_text(sql, " AND NOT (");
    list_put_in(db, "c.attempt_id", list_add(db, a, except, except_count), sql);
    buf_char(sql, ')');
}

static int release_left(struct db *db, const char *host, const char *incarnation, const char *const *except,
                        size_t except_count, int64_t *ret, struct error *e)
{
    cleanup(args_done) struct args records = {0}, credentials = {0};
    cleanup(buf_done) struct buf sql = {0}, more = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, CLAIM_SQL_MAX);
    buf_init(&more, CLAIM_SQL_MAX);
    buf_text(&sql, "UPDATE {records} SET due_at = CASE WHEN not_before > point OR"
                   " (state <> 1 AND not_before > 0) THEN not_before ELSE point END WHERE EXISTS"
                   " (SELECT 1 FROM {credentials} c WHERE c.fingerprint = {records}.fingerprint"
                   " AND c.lease_until = {records}.due_at AND ");
    sql_append_left(db, host, incarnation, except, except_count, &records, &sql);
    buf_text(&sql, ") AND due_at > 0 AND fingerprint IN (SELECT c.fingerprint FROM {credentials} c"
                   " WHERE c.lease_incarnation = $2)");
    int res = db_exec(db, sql.data, records.params, records.count, NULL, e);
    if (res < 0)
        return res;
    buf_text(&more, "UPDATE {credentials} AS c SET lease_host = NULL, lease_incarnation = NULL,"
                    " lease_until = NULL, attempt_id = NULL WHERE ");
    sql_append_left(db, host, incarnation, except, except_count, &credentials, &more);
    res = db_exec(db, more.data, credentials.params, credentials.count, &r, e);
    if (res == 0)
        *ret = db_affected(r);
    return res;
}

int store_release_incarnation(struct db *db, const char *host, const char *incarnation, const char *const *except,
                              size_t except_count, int64_t *ret, struct error *e)
{
    int64_t released = 0;
    int r = db_begin(db, e);
    if (r < 0)
        return r;
    r = release_left(db, host, incarnation, except, except_count, &released, e);
    if (r == 0)
        r = db_commit(db, e);
    db_rollback(db);
    if (r == 0)
        *ret = released;
    return r;
}
