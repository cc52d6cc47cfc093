/* SPDX-License-Identifier: MIT
 * See explain.h. Each record is counted once, by the first thing that keeps it.
 */
#include "core/store/explain.h"

#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/store/args.h"
#include "core/store/rows.h"

enum { SQL_MAX = 8192, LEASED_MAX = 256 };

/* Of credential c: nobody else may claim it. A lease that is over is anybody's where it is safe to present
 * twice (claim_put_free), else still out where nobody knows how its attempt ended. */
static void leased(struct db *db, bool safe, char ret[LEASED_MAX])
{
    snprintf(ret, LEASED_MAX,
             "%s%s AND (SELECT 1 FROM {attempts} h WHERE h.attempt_id = c.attempt_id) IS NULL",
             safe ? "c.lease_until >= " : "c.lease_until IS NOT NULL", safe ? db_now(db) : "");
}

static int64_t *counter(struct explanation *x, const char *kind)
{
    return strcmp(kind, "without") == 0     ? &x->without_credential
           : strcmp(kind, "never") == 0     ? &x->never
           : strcmp(kind, "here") == 0      ? &x->leased_here
           : strcmp(kind, "elsewhere") == 0 ? &x->leased_elsewhere
           : strcmp(kind, "spent") == 0     ? &x->spent
           : strcmp(kind, "silent") == 0    ? &x->silent
           : strcmp(kind, "backoff") == 0   ? &x->backoff
           : strcmp(kind, "early") == 0     ? &x->too_early
           : strcmp(kind, "later") == 0     ? &x->later
           : strcmp(kind, "due") == 0       ? &x->due
                                            : NULL;
}

static int count_records(struct db *db, const struct explain_query *q, struct explanation *ret,
                         struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    char sql[SQL_MAX], out[LEASED_MAX];
    leased(db, q->safe, out);
    args_text(&a, q->table->source);
    args_text(&a, q->incarnation);
    args_number(&a, q->now);
    args_number(&a, q->tick);
    args_number(&a, q->next_tick);
    snprintf(sql, sizeof sql,
             "SELECT k, count(*), min(point) FROM (SELECT CASE WHEN r.without_credential <> 0 THEN 'without'"
             " WHEN r.state IN (4, 7, 8) THEN 'state' WHEN r.point = 0 THEN 'never'"
             " WHEN %s THEN CASE WHEN c.lease_incarnation = $2 THEN 'here' ELSE 'elsewhere' END"
             " WHEN c.dead <> 0 OR c.successor <> c.fingerprint THEN 'spent'"
             " WHEN c.hold_until > $3 THEN 'silent'"
             " WHEN r.not_before > $3 THEN 'backoff' WHEN r.earliest > $3 THEN 'early'"
             " WHEN r.point <= $3 OR (r.point < $5 AND r.ok_at < $4) THEN 'due' ELSE 'later' END AS k, r.point"
             " FROM {records} r LEFT JOIN {credentials} c ON c.fingerprint = r.fingerprint"
             " WHERE r.source = $1) x GROUP BY k", out);
    int res = db_exec(db, sql, a.params, a.count, &r, e);
    for (size_t i = 0; res == 0 && i < db_rows(r); i++) {
        int64_t *where = counter(ret, db_text(r, i, 0));
        if (where)
            *where = db_integer(r, i, 1);
        if (where == &ret->later)
            ret->later_point = db_integer(r, i, 2);
        ret->records += db_integer(r, i, 1);
    }
    return res;
}

static int count_rows(struct db *db, const struct table *t, struct explanation *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, ROWS_SQL_MAX);
    buf_text(&sql, "SELECT count(*) FROM ");
    table_quoted(db, t, &sql);
    if (t->own)
        buf_printf(&sql, " WHERE job = $%d", args_text(&a, t->job));
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res < 0)
        return res;
    ret->rows = db_integer(r, 0, 0);
    ret->left_out = ret->rows > ret->records ? ret->rows - ret->records : 0;
    return 0;
}

static int last_run(struct db *db, const char *job, struct explanation *ret, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db, "SELECT refused FROM {runs} WHERE job = $1 AND finished_at > 0 ORDER BY id DESC LIMIT 1",
                     &job, 1, &r, e);
    if (res == 0 && db_rows(r) && db_text(r, 0, 0))
        snprintf(ret->refused, sizeof ret->refused, "%s", db_text(r, 0, 0));
    return res;
}

int store_explain(struct db *db, const struct explain_query *q, struct explanation *ret, struct error *e)
{
    memset(ret, 0, sizeof *ret);
    int res = count_records(db, q, ret, e);
    if (res == 0)
        res = count_rows(db, q->table, ret, e);
    if (res == 0)
        res = store_state_counts(db, q->table->source, ret->states, e);
    if (res == 0)
        res = store_next_due(db, q->table, q->safe, NULL, &ret->next_at, e);
    if (res == 0)
        res = last_run(db, q->table->job, ret, e);
    return res;
}

int store_explain_record(struct db *db, const struct explain_query *q, const char *key, struct record *ret,
                         struct lease_seen *ret_lease, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    char sql[SQL_MAX], out[LEASED_MAX];
    leased(db, q->safe, out);
    int res = store_record(db, q->table->source, key, ret, e);
    if (res < 0)
        return res;
    const char *texts[] = {ret->fingerprint, q->incarnation};
    snprintf(sql, sizeof sql,
             "SELECT CASE WHEN %s THEN 1 ELSE 0 END, CASE WHEN c.lease_incarnation = $2 THEN 0 ELSE 1 END,"
             " c.lease_until, c.dead, CASE WHEN c.successor <> c.fingerprint THEN 1 ELSE 0 END"
             " FROM {credentials} c WHERE c.fingerprint = $1", out);
    res = db_run(db, sql, texts, 2, &r, e);
    if (res < 0) {
        record_done(ret);
        return res;
    }
    if (db_rows(r))
        *ret_lease = (struct lease_seen){.held = db_integer(r, 0, 0) != 0,
                                         .elsewhere = db_integer(r, 0, 1) != 0,
                                         .until = db_integer(r, 0, 2),
                                         .dead = db_integer(r, 0, 3) != 0,
                                         .spent = db_integer(r, 0, 4) != 0};
    return 0;
}
