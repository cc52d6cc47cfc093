/* SPDX-License-Identifier: MIT
 * See explain.h. Each record is counted once, by the first thing that keeps it.
 */
#include "core/store/explain.h"

#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/store/args.h"
#include "core/store/rows.h"

enum { SQL_MAX = 8192 };

static int count_records(struct db *db, const struct table *t, int64_t now, struct explanation *ret,
                         struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    char sql[SQL_MAX];
    args_text(&a, t->source);
    args_number(&a, now);
    snprintf(sql, sizeof sql,
             "SELECT k, count(*) FROM (SELECT CASE WHEN r.without_credential <> 0 THEN 'without'"
             " WHEN r.state IN (4, 7, 8) THEN 'state' WHEN r.point = 0 THEN 'never'"
             " WHEN c.lease_until > %s THEN 'leased'"
             " WHEN c.dead <> 0 OR c.successor IS NOT NULL THEN 'spent'"
             " WHEN r.not_before > $2 THEN 'backoff' WHEN r.earliest > $2 THEN 'early'"
             " WHEN r.point > $2 THEN 'later' ELSE 'due' END AS k"
             " FROM {records} r LEFT JOIN {credentials} c ON c.fingerprint = r.fingerprint"
             " WHERE r.source = $1) x GROUP BY k", db_now(db));
    int res = db_exec(db, sql, a.params, a.count, &r, e);
    for (size_t i = 0; res == 0 && i < db_rows(r); i++) {
        const char *k = db_text(r, i, 0);
        int64_t n = db_integer(r, i, 1);
        int64_t *where = strcmp(k, "without") == 0 ? &ret->without_credential
                         : strcmp(k, "never") == 0 ? &ret->never
                         : strcmp(k, "leased") == 0 ? &ret->leased
                         : strcmp(k, "spent") == 0 ? &ret->spent
                         : strcmp(k, "backoff") == 0 ? &ret->backoff
                         : strcmp(k, "early") == 0 ? &ret->too_early
                         : strcmp(k, "later") == 0 ? &ret->later
                         : strcmp(k, "due") == 0 ? &ret->due : NULL;
        if (where)
            *where = n;
        ret->records += n;
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

int store_explain(struct db *db, const struct table *t, int64_t now, struct explanation *ret,
                  struct error *e)
{
    memset(ret, 0, sizeof *ret);
    int res = count_records(db, t, now, ret, e);
    if (res == 0)
        res = count_rows(db, t, ret, e);
    if (res == 0)
        res = store_state_counts(db, t->source, ret->states, e);
    if (res == 0)
        res = store_next_due(db, t, &ret->next_at, e);
    return res;
}
