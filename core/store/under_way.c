/* SPDX-License-Identifier: MIT
 * See under_way.h.
 */
#include "core/store/under_way.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/map.h"
#include "core/db/parameters.h"
#include "core/rules/outcome.h"
#include "core/store/claim_internal.h"
#include "core/store/hosts.h"
#include "core/store/list.h"

int store_under_way(struct db *db, const struct claim_request *q, struct under_way **ret, size_t *ret_count,
                    struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, CLAIM_SQL_MAX);
    buf_printf(&sql,
               "SELECT r.rkey, c.attempt_id FROM {records} r JOIN {credentials} c ON c.fingerprint = r.fingerprint"
               " WHERE r.source = $%d AND c.lease_incarnation = $%d AND c.lease_until >= %s"
               " AND (SELECT 1 FROM {attempts} h WHERE h.attempt_id = c.attempt_id) IS NULL AND ",
               args_text(&a, q->table->source), args_text(&a, q->incarnation), db_now(db));
    list_put_in(db, "r.rkey", list_add(db, &a, q->keys, q->key_count), &sql);
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res < 0)
        return res;
    *ret_count = db_rows(r);
    *ret = xcalloc(*ret_count + 1, sizeof **ret);
    for (size_t i = 0; i < *ret_count; i++) {
        (*ret)[i].key = xstrdup(db_text(r, i, 0));
        snprintf((*ret)[i].attempt_id, ID_SIZE, "%s", db_text(r, i, 1));
    }
    return 0;
}

static char *aside_text(const char *why)
{
    return xasprintf("the new token was parked: %s; renewctl parked shows it",
                     why ? why : "the database refused the row");
}

/* Which row of a result belongs to each attempt. */
struct of_attempts {
    struct db_result *found;
    struct map *rows; /* attempt id -> row + 1 */
};

static void of_attempts_done(struct of_attempts *o)
{
    db_result_free(o->found);
    map_free(o->rows, NULL);
}

/* sql: its first column is the attempt's id, its condition is open. Asks for those that are not over. */
static int of_attempts_read(struct db *db, const char *sql, const struct under_way *list, size_t count,
                            struct of_attempts *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf text = {0};
    cleanup(free_p) const char **ids = xcalloc(count + 1, sizeof *ids);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (!list[i].over)
            ids[n++] = list[i].attempt_id;
    ret->rows = map_new();
    buf_init(&text, CLAIM_SQL_MAX);
    buf_text(&text, sql);
    list_put_in(db, "attempt_id", list_add(db, &a, ids, n), &text);
    int res = n ? db_exec(db, text.data, a.params, a.count, &ret->found, e) : 0;
    for (uintptr_t i = 0; n && res == 0 && i < db_rows(ret->found); i++)
        map_put(ret->rows, db_text(ret->found, i, 0), (void *)(i + 1));
    return res;
}

/* False: it has none. */
static bool of_attempts_row(const struct of_attempts *o, const struct under_way *u, size_t *ret)
{
    uintptr_t row = (uintptr_t)map_get(o->rows, u->attempt_id);
    *ret = row - 1;
    return row && !u->over;
}

/* A row in the history is its end. A pair that waits for its row has no such row yet. Otherwise its lease says
 * whether it goes on. */
int store_under_way_ended(struct db *db, struct under_way *list, size_t count, struct error *e)
{
    cleanup(of_attempts_done) struct of_attempts done = {0}, aside = {0}, leased = {0};
    cleanup(buf_done) struct buf sql = {0};
    size_t row;
    int res = of_attempts_read(db, "SELECT attempt_id, outcome, code, text FROM {attempts} WHERE ", list, count,
                               &done, e);
    for (size_t i = 0; res == 0 && i < count; i++)
        if (of_attempts_row(&done, &list[i], &row)) {
            int outcome = outcome_from_name(db_text(done.found, row, 1));
            list[i].over = true;
            list[i].outcome = outcome < 0 ? OUTCOME_NONE : outcome;
            list[i].code = db_copy(done.found, row, 2);
            list[i].text = db_copy(done.found, row, 3);
        }
    if (res == 0)
        res = of_attempts_read(db, "SELECT attempt_id, why FROM {kept} WHERE kind = 'pending' AND ", list, count,
                               &aside, e);
    for (size_t i = 0; res == 0 && i < count; i++)
        if (of_attempts_row(&aside, &list[i], &row)) {
            list[i].over = true;
            list[i].outcome = OUTCOME_TRANSIENT;
            list[i].code = xstrdup("set_aside");
            list[i].text = aside_text(db_text(aside.found, row, 1));
        }
    buf_init(&sql, CLAIM_SQL_MAX);
    buf_printf(&sql, "SELECT attempt_id FROM {credentials} WHERE lease_until >= %s AND ", db_now(db));
    if (res == 0)
        res = of_attempts_read(db, sql.data, list, count, &leased, e);
    for (size_t i = 0; res == 0 && i < count; i++)
        list[i].over = list[i].over || !of_attempts_row(&leased, &list[i], &row);
    return res;
}

/* With "auto" a record's time is moved to the end of its lease; a tick goes by the point, which stays. */
static void sql_append_would_take(struct db *db, const struct claim_request *q, struct args *a, struct buf *sql)
{
    if (q->mode != CLAIM_AUTO) {
        claim_put_due(db, q, false, a, sql);
        return;
    }
    buf_printf(sql,
               "r.source = $%d AND r.due_at > 0 AND r.state <> %d AND r.state <> %d AND (r.due_at <= %" PRId64
               " OR (r.due_at = c.lease_until AND (r.point <= %" PRId64
               " OR (r.attempts > 0 AND r.last_at < %" PRId64 "))))",
               args_text(a, q->table->source), STATE_PENDING, STATE_PAUSED, q->now, q->now, q->now);
    claim_put_held(q->held_under, a, sql);
}

int store_under_way_due(struct db *db, const struct claim_request *q, struct under_way_due *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, CLAIM_SQL_MAX);
    buf_printf(
        &sql,
        "SELECT count(DISTINCT r.fingerprint), count(DISTINCT CASE WHEN r.due_at = c.lease_until AND r.due_at"
        " > %" PRId64 " THEN r.fingerprint END) FROM {records} r"
        " JOIN {credentials} c ON c.fingerprint = r.fingerprint WHERE c.lease_incarnation IN"
        " (SELECT h.incarnation FROM {hosts} h WHERE h.over_at = 0 AND h.beat_at > %s - %d)"
        " AND c.lease_until >= %s"
        " AND (SELECT 1 FROM {attempts} h WHERE h.attempt_id = c.attempt_id) IS NULL AND ",
        q->now, db_now(db), HOST_ALIVE_S, db_now(db));
    sql_append_would_take(db, q, &a, &sql);
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res < 0)
        return res;
    ret->due = db_integer(r, 0, 0);
    ret->moved = q->mode == CLAIM_AUTO ? db_integer(r, 0, 1) : 0;
    return 0;
}

/* What a twin's attempt brought, and what belonged to no run, is in no run's count. By the others' runs, so that the
 * attempts of a large run are not read at its end. */
static const char of_others[] = " a.source = $1 AND a.finished_at >= $2 AND a.run_id IN (SELECT o.id FROM {runs} o"
                                " WHERE o.id <> $3 AND (o.finished_at = 0 OR o.finished_at >= $2))";

int store_results_of_others(struct db *db, const char *source, int64_t since, int64_t run_id,
                            struct others_results *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    args_text(&a, source);
    args_number(&a, since);
    args_number(&a, run_id);
    buf_init(&sql, CLAIM_SQL_MAX);
    buf_printf(&sql,
               "SELECT coalesce(sum(CASE WHEN a.outcome = 'ok' THEN 1 ELSE 0 END), 0), count(*)"
               " FROM {attempts} a WHERE%s",
               of_others);
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res < 0)
        return res;
    ret->ok = db_integer(r, 0, 0);
    ret->failed = db_integer(r, 0, 1) - ret->ok;
    return 0;
}

int store_failures_of_others(struct db *db, const char *source, int64_t since, int64_t run_id, size_t limit,
                             struct failure_row **ret, size_t *ret_count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    args_text(&a, source);
    args_number(&a, since);
    args_number(&a, run_id);
    buf_init(&sql, CLAIM_SQL_MAX);
    buf_printf(&sql,
               "SELECT " FAILURE_COLUMNS " WHERE%s AND a.outcome <> 'ok'"
               " ORDER BY a.finished_at DESC, a.attempt_id LIMIT %zu",
               of_others, limit);
    return failures_read(db, sql.data, &a, ret, ret_count, e);
}

void under_way_done(struct under_way *u)
{
    free(u->key);
    free(u->code);
    free(u->text);
}

int store_set_aside(struct db *db, const char *source, const char *const *keys, size_t key_count, int64_t since,
                    struct failure_row **ret, size_t *ret_count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    buf_init(&sql, CLAIM_SQL_MAX);
    buf_printf(&sql,
               "SELECT rkey, '%s', 'set_aside', last_text, owner FROM {records} WHERE source = $%d AND state = %d"
               " AND last_at >= $%d",
               outcome_name(OUTCOME_TRANSIENT), args_text(&a, source), STATE_PENDING, args_number(&a, since));
    if (key_count) {
        buf_text(&sql, " AND ");
        list_put_in(db, "rkey", list_add(db, &a, keys, key_count), &sql);
    }
    buf_text(&sql, " ORDER BY rkey");
    int res = failures_read(db, sql.data, &a, ret, ret_count, e);
    for (size_t i = 0; res == 0 && i < *ret_count; i++) {
        char *why = (*ret)[i].text;
        (*ret)[i].text = aside_text(why);
        free(why);
    }
    return res;
}
