/* SPDX-License-Identifier: MIT
 * See explain.h.
 */
#include "core/store/explain.h"

#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/db/parameters.h"
#include "core/store/user_rows.h"

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

static int explain_last_run(struct db *db, const char *job, struct explanation *ret, struct error *e)
{
    struct run_row *last = NULL;
    int res = store_last_run(db, job, false, &last, e);
    if (last && last->refused && run_tells(last->refused))
        snprintf(ret->refused, sizeof ret->refused, "%s", last->refused);
    runs_free(last, last ? 1 : 0);
    return res;
}

int store_explain(struct db *db, const struct claim_request *q, struct explanation *ret, struct error *e)
{
    memset(ret, 0, sizeof *ret);
    int res = store_reasons(db, q, 0, ret->reasons, e);
    for (int i = 0; i < REASONS_MAX; i++)
        ret->records += ret->reasons[i].count;
    if (res == 0)
        res = count_rows(db, q->table, ret, e);
    if (res == 0)
        res = store_next_due(db, q->table, q->safe, q->held_under, &ret->next_at, e);
    if (res == 0)
        res = explain_last_run(db, q->table->job, ret, e);
    return res;
}
