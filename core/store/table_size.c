/* SPDX-License-Identifier: MIT
 * About how many rows of a job's table there are to read: what tells an operator how long a first reading lasts. Never
 * used for a decision.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/store/user_rows.h"

enum { COUNTED_MAX = 1000000 };

/* What the planner expects: from the statistics, or from the size of a table that has none; for views too. */
static int expected(struct db *db, const struct table *t, int64_t *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *plan = NULL;
    buf_init(&sql, ROWS_SQL_MAX);
    buf_text(&sql, "EXPLAIN SELECT 1 FROM ");
    table_quoted(db, t, &sql);
    buf_text(&sql, " AS renewd_t WHERE 1 = 1");
    row_put_filter(t, ROW_TABLE, &a, &sql);
    int r = db_exec(db, sql.data, a.params, a.count, &plan, e);
    const char *text = r == 0 ? db_text(plan, 0, 0) : NULL, *rows = text ? strstr(text, " rows=") : NULL;
    if (rows)
        *ret = strtoll(rows + strlen(" rows="), NULL, 10);
    return r;
}

/* From the first rowid to the last. Rowids that mean something (times, random numbers) leave more gaps than the file
 * could hold rows: those say nothing. */
static int between_rowids(struct db *db, const struct table *t, int64_t *ret, struct error *e)
{
    cleanup(buf_done) struct buf sql = {0}, name = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, ROWS_SQL_MAX);
    buf_init(&name, 1024);
    table_quoted(db, t, &name);
    buf_printf(&sql,
               "SELECT CASE WHEN span < 100 * (SELECT page_count FROM pragma_page_count) THEN span END FROM (SELECT"
               " (SELECT max(rowid) FROM %s) - (SELECT min(rowid) FROM %s) + 1 AS span)",
               name.data, name.data);
    int res = db_exec(db, sql.data, NULL, 0, &r, e);
    if (res == 0)
        *ret = db_integer(r, 0, 0);
    return res;
}

static int counted(struct db *db, const struct table *t, int64_t *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, ROWS_SQL_MAX);
    buf_text(&sql, "SELECT count(*) FROM (SELECT 1 FROM ");
    table_quoted(db, t, &sql);
    buf_text(&sql, " AS renewd_t WHERE 1 = 1");
    row_put_filter(t, ROW_TABLE, &a, &sql);
    buf_printf(&sql, " LIMIT %d)", COUNTED_MAX + 1);
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res == 0 && db_integer(r, 0, 0) <= COUNTED_MAX)
        *ret = db_integer(r, 0, 0);
    return res;
}

int64_t store_rows_about(struct db *db, const struct table *t)
{
    struct error ignored;
    int64_t about = 0;
    if (db_is_postgresql(db))
        expected(db, t, &about, &ignored);
    else if (t->own || t->view || t->only_count || between_rowids(db, t, &about, &ignored) < 0 || about <= 0)
        counted(db, t, &about, &ignored);
    return about > 0 ? about : 0;
}
