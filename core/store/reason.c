/* SPDX-License-Identifier: MIT
 * See reason.h. The reasons are tested in order: first those that only a person can change, then those that time
 * changes. The first that holds is the answer.
 */
#include "core/store/reason.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/rules/outcome.h"
#include "core/store/claim_internal.h"
#include "core/store/list.h"

_Static_assert(STATE_RECONNECT == 4 && STATE_MISCONFIGURED == 5 && STATE_PENDING == 7, "the statement names them");

/* " WHEN NOT (condition) THEN reason", condition as claim_put_* writes it, with its leading AND. */
static void sql_append_unless(const struct buf *condition, const char *then, struct buf *sql)
{
    buf_printf(sql, " WHEN NOT (1 = 1%s) THEN %s", condition->data ? condition->data : "", then);
}

static void sql_append_lease(struct db *db, const struct claim_request *q, struct args *a, struct buf *sql)
{
    cleanup(buf_done) struct buf is_free = {0};
    char then[120];
    buf_init(&is_free, CLAIM_SQL_MAX);
    claim_put_free(db, q->safe, &is_free);
    snprintf(then, sizeof then, "CASE WHEN c.lease_incarnation = $%d THEN %d ELSE %d END",
             args_text(a, q->incarnation), REASON_LEASED_HERE, REASON_LEASED_ELSEWHERE);
    sql_append_unless(&is_free, then, sql);
}

static void sql_append_alive(const struct claim_request *q, struct buf *sql)
{
    cleanup(buf_done) struct buf alive = {0};
    char then[160];
    buf_init(&alive, CLAIM_SQL_MAX);
    claim_put_alive(q, &alive);
    snprintf(then, sizeof then,
             "CASE WHEN c.successor <> c.fingerprint THEN %d WHEN c.dead <> 0 THEN %d ELSE %d END", REASON_SPENT,
             REASON_DEAD, REASON_NO_ANSWER);
    sql_append_unless(&alive, then, sql);
}

static void sql_append_held(const struct claim_request *q, struct args *a, struct buf *sql)
{
    cleanup(buf_done) struct buf goes_on = {0};
    char then[16];
    buf_init(&goes_on, CLAIM_SQL_MAX);
    claim_put_held(q->held_under, a, &goes_on);
    snprintf(then, sizeof then, "%d", REASON_HELD);
    sql_append_unless(&goes_on, then, sql);
}

/* A verdict and a backoff do not stop a manual refresh. */
static void sql_append_reason(struct db *db, const struct claim_request *q, struct args *a, struct buf *sql)
{
    bool by_hand = q->mode == CLAIM_MANUAL;
    struct claim_request all = *q;
    all.key_count = 0;
    buf_printf(sql,
               "CASE WHEN r.hash = '' AND r.point = 0 AND r.state <> 7 THEN %d"
               " WHEN r.state = 5 AND r.point = 0 AND r.last_code = 'row' THEN %d"
               " WHEN r.without_credential <> 0 OR r.fingerprint = '' THEN %d",
               REASON_DISCONNECTED, REASON_UNREADABLE, REASON_WITHOUT_CREDENTIAL);
    if (!by_hand)
        buf_printf(sql, " WHEN r.state = 4 AND r.due_at = 0 THEN %d", REASON_RECONNECT);
    buf_printf(sql, " WHEN r.state = 7 THEN %d WHEN r.point = 0 AND r.state <> 4 THEN %d", REASON_PENDING,
               REASON_NEVER);
    sql_append_lease(db, q, a, sql);
    sql_append_alive(q, sql);
    sql_append_held(q, a, sql);
    buf_text(sql, " WHEN ");
    claim_put_due(db, &all, false, a, sql);
    buf_printf(sql, " THEN %d", REASON_DUE);
    if (!by_hand)
        buf_printf(sql, " WHEN r.state = 4 THEN %d", REASON_RECONNECT);
    buf_printf(sql,
               " WHEN r.not_before > %" PRId64 " THEN CASE WHEN r.state = 5 THEN %d ELSE %d END"
               " WHEN r.state = 5 AND r.due_at > 0 AND r.due_at <= %" PRId64
               " THEN %d" /* suspects go by their own time */
               " WHEN r.earliest > %" PRId64 " THEN %d ELSE %d END",
               q->real_now ? q->real_now : q->now, REASON_SUSPECT, REASON_BACKOFF, q->now, REASON_DUE, q->now,
               REASON_EARLY, REASON_LATER);
}

static const char from[] =
    " FROM {records} r LEFT JOIN {credentials} c ON c.fingerprint = r.fingerprint WHERE r.source = $";

int store_reasons(struct db *db, const struct claim_request *q, int64_t not_in_run,
                  struct reason_count ret[REASONS_MAX], struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    memset(ret, 0, REASONS_MAX * sizeof *ret);
    buf_init(&sql, CLAIM_SQL_MAX);
    buf_text(&sql, "SELECT x.k, count(*), min(x.point) FROM (SELECT ");
    sql_append_reason(db, q, &a, &sql);
    buf_printf(&sql, " AS k, r.point%s%d", from, args_text(&a, q->table->source));
    if (not_in_run)
        buf_printf(&sql,
                   " AND (SELECT count(*) FROM {attempts} h WHERE h.source = r.source AND h.rkey = r.rkey"
                   " AND h.run_id = %" PRId64 ") = 0",
                   not_in_run);
    if (q->key_count) {
        buf_text(&sql, " AND ");
        list_put_in(db, "r.rkey", list_add(db, &a, q->keys, q->key_count), &sql);
    }
    buf_text(&sql, ") x GROUP BY x.k");
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    for (size_t i = 0; res == 0 && i < db_rows(r); i++) {
        int64_t k = db_integer(r, i, 0);
        if (k >= 0 && k < REASONS_MAX)
            ret[k] = (struct reason_count){.count = db_integer(r, i, 1), .soonest = db_integer(r, i, 2)};
    }
    return res;
}

int store_reason(struct db *db, const struct claim_request *q, const char *key, struct record *ret,
                 enum reason *ret_reason, int64_t *ret_lease_until, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = store_record(db, q->table->source, key, ret, e);
    if (res < 0)
        return res;
    buf_init(&sql, CLAIM_SQL_MAX);
    buf_text(&sql, "SELECT ");
    sql_append_reason(db, q, &a, &sql);
    buf_printf(&sql, ", c.lease_until%s%d", from, args_text(&a, q->table->source));
    buf_printf(&sql, " AND r.rkey = $%d", args_text(&a, key));
    res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res == 0 && !db_rows(r)) /* removed between the two */
        res = error_set(e, -ENOENT, "no record %s", key);
    if (res < 0) {
        record_done(ret);
        return res;
    }
    *ret_reason = (enum reason)db_integer(r, 0, 0);
    *ret_lease_until = db_integer(r, 0, 1);
    return 0;
}
