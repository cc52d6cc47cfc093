/* SPDX-License-Identifier: MIT
 * See rows.h.
 */
#include "core/store/rows.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/map.h"
#include "core/domain/ident.h"
#include "core/store/list.h"
#include "core/store/record_row.h"

void rows_begin(const struct db *db, const struct table *t, struct args *a, struct buf *sql)
{
    buf_text(sql, "SELECT ");
    row_select_list(db, t, true, sql);
    buf_text(sql, " FROM ");
    table_quoted(db, t, sql);
    buf_text(sql, " AS renewd_t WHERE " ROW_TABLE);
    ident_quote(t->key, sql);
    buf_text(sql, " IS NOT NULL");
    row_put_filter(t, ROW_TABLE, a, sql);
}

/* A view has no unique index: what a table guarantees is looked at here. */
static int refuse_twins(const struct table *t, const struct row *rows, size_t count, struct error *e)
{
    for (size_t i = 1; t->view && i < count; i++)
        if (!strcmp(rows[i - 1].key, rows[i].key))
            return error_set(e, -EINVAL,
                             "job %s: the view %s shows two rows of one key; its key must be unique",
                             t->job, t->name);
    return 0;
}

int rows_read(struct db *db, const struct table *t, const struct args *a, const char *sql,
              struct row **ret, size_t *ret_count, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_exec(db, sql, a->params, a->count, &r, e);
    if (res < 0)
        return res;
    size_t count = db_rows(r), made = 0;
    struct row *rows = xcalloc(count + 1, sizeof(*rows));
    for (; made < count && res == 0; made += res == 0)
        res = row_from_result(db, t, r, made, 0, &rows[made]);
    if (res < 0)
        error_set(e, res, "job %s: a row of %s cannot be read", t->job, t->name);
    else
        res = refuse_twins(t, rows, count, e);
    if (res < 0) {
        rows_free(rows, made);
        return res;
    }
    *ret = rows;
    *ret_count = count;
    return 0;
}

void rows_free(struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        row_done(&rows[i]);
    free(rows);
}

int rows_of_keys(struct db *db, const struct table *t, const char *const *keys, size_t count,
                 struct row **ret, size_t *ret_count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0}, key = {0};
    buf_init(&sql, ROWS_SQL_MAX);
    buf_init(&key, 256);
    ident_quote(t->key, &key);
    rows_begin(db, t, &a, &sql);
    buf_text(&sql, " AND ");
    list_put_in(db, key.data, list_add(db, &a, keys, count), &sql);
    if (t->view)
        buf_printf(&sql, " ORDER BY renewd_t.%s", key.data);
    return rows_read(db, t, &a, sql.data, ret, ret_count, e);
}

int records_of_keys(struct db *db, const char *source, const char *const *keys, size_t count,
                    struct record *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    memset(ret, 0, count * sizeof(*ret));
    if (!count)
        return 0;
    buf_init(&sql, ROWS_SQL_MAX);
    buf_text(&sql, "SELECT ");
    record_columns("", &sql);
    buf_printf(&sql, " FROM {records} WHERE source = $%d AND ", args_text(&a, source));
    list_put_in(db, "rkey", list_add(db, &a, keys, count), &sql);
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res < 0)
        return res;
    struct map *at = map_new();
    for (size_t i = 0; i < count; i++)
        map_put(at, keys[i], &ret[i]);
    for (size_t i = 0; i < db_rows(r); i++) {
        struct record rec;
        record_from_result(r, i, 0, &rec);
        struct record *slot = map_get(at, rec.key);
        if (slot && !slot->source)
            *slot = rec;
        else
            record_done(&rec);
    }
    map_free(at, NULL);
    return 0;
}
