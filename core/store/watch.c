/* SPDX-License-Identifier: MIT
 * What renewd.watch(job) needs to know of a job's table: where it is, its key, and the columns whose change is a
 * change of the record. Quoted for use in a statement.
 */
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/db/parameters.h"
#include "core/rules/ident.h"
#include "core/store/store.h"
#include "core/store/user_row.h"

enum { WATCH_SQL_MAX = 65536 };

static void watch_sql_append_column(const char *name, struct buf *to)
{
    if (to->len)
        buf_text(to, ", ");
    ident_quote(name, to);
}

int store_job_watchable(struct db *db, const struct table *t, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf table = {0}, key = {0}, columns = {0};
    bool can = !t->own && !t->view;
    buf_init(&table, WATCH_SQL_MAX);
    buf_init(&key, WATCH_SQL_MAX);
    buf_init(&columns, WATCH_SQL_MAX);
    table_quoted(db, t, &table);
    ident_quote(t->key, &key);
    watch_sql_append_column(t->key, &columns);
    for (size_t i = 0; i < t->column_count; i++)
        if (t->columns[i].hashed && !t->columns[i].lookup && !t->columns[i].extra)
            watch_sql_append_column(t->columns[i].name, &columns);
    for (size_t i = 0; i < t->only_count; i++)
        watch_sql_append_column(t->only[i].column, &columns);
    args_text(&a, t->job);
    args_text(&a, can ? table.data : NULL);
    args_text(&a, can ? key.data : NULL);
    args_text(&a, can ? columns.data : NULL);
    return db_exec(db, "UPDATE {jobs} SET row_table = $2, row_key = $3, row_columns = $4 WHERE job = $1", a.params,
                   a.count, NULL, e);
}
