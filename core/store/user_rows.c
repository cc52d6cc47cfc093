/* SPDX-License-Identifier: MIT
 * See user_rows.h.
 */
#include "core/store/user_rows.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/map.h"
#include "core/rules/ident.h"
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
    if (row_key_may_be_long(db, t)) {
        buf_text(sql, " AND ");
        row_put_key_length(db, t, sql);
        buf_printf(sql, " <= %d", ROW_KEY_MAX);
    }
    row_put_filter(t, ROW_TABLE, a, sql);
}

/* A view has no unique index: what a table guarantees is checked here. */
static int refuse_twins(const struct table *t, const struct row *rows, size_t count, struct error *e)
{
    for (size_t i = 1; t->view && i < count; i++)
        if (!strcmp(rows[i - 1].key, rows[i].key))
            return error_set(e, -EINVAL, "job %s: the view %s shows two rows of one key; its key must be unique",
                             t->job, t->name);
    return 0;
}

int rows_exec(struct db *db, const char *sql, const struct args *a, struct db_result **ret, struct error *e)
{
    bool timed = db->timed && db_is_postgresql(db) && !db->in_transaction;
    int res = timed ? db_begin(db, e) : 0;
    if (res == 0)
        res = db_exec(db, sql, a->params, a->count, ret, e);
    if (timed && res == 0)
        res = db_commit(db, e);
    else if (timed)
        db_rollback(db);
    return res;
}

int rows_read(struct db *db, const struct table *t, const struct args *a, const char *sql, struct row **ret,
              size_t *ret_count, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = rows_exec(db, sql, a, &r, e);
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

bool rows_one_of(const struct db *db, int result)
{
    static const char *const states[] = {"57014", "53200", "22", "54", "XX", "P0", "38", "39", "21"};
    for (size_t i = 0; !db->away && result < 0 && i < sizeof(states) / sizeof(states[0]); i++)
        if (!strncmp(db->sqlstate, states[i], strlen(states[i])))
            return true;
    return false;
}

static char *why_unfit(const struct db *db, const struct column *c, const struct error *why)
{
    if (!db_is_postgresql(db) && !strcmp(db->sqlstate, "54000"))
        return xasprintf(
            "column \"%s\" holds more than 64 MiB, and renewd reads at most %zu bytes: correct the value", c->name,
            row_value_max(c));
    return xasprintf("column \"%s\" cannot be read: %s", c->name, why->text);
}

/* Reads each column alone, to find the bad one and what the others hold (the account, above all). */
static char *user_rows_read_columns(struct db *db, const struct table *t, const char *key, struct row *to)
{
    char *unfit = NULL;
    struct error e = {""};
    for (size_t i = 0; i < t->column_count; i++) {
        cleanup(args_done) struct args a = {0};
        cleanup(buf_done) struct buf sql = {0};
        struct row *one_row = NULL;
        size_t count = 0;
        struct table one = *t;
        one.columns = &t->columns[i];
        one.column_count = 1;
        one.status = -1;
        one.only_count = 0;
        buf_init(&sql, ROWS_SQL_MAX);
        rows_begin(db, &one, &a, &sql);
        buf_text(&sql, " AND " ROW_TABLE);
        ident_quote(t->key, &sql);
        buf_printf(&sql, " = $%d", args_text(&a, key));
        int res = rows_read(db, &one, &a, sql.data, &one_row, &count, &e);
        if (res < 0 && !rows_one_of(db, res))
            break;
        if (res < 0 && !unfit)
            unfit = why_unfit(db, &t->columns[i], &e);
        if (res < 0)
            continue;
        if (count && one_row[0].unfit && !unfit) {
            unfit = one_row[0].unfit;
            one_row[0].unfit = NULL;
        }
        if (count) {
            to->cells[i] = one_row[0].cells[0];
            one_row[0].cells[0] = (struct cell){0};
        }
        rows_free(one_row, count);
    }
    return unfit;
}

static void read_unfit(struct db *db, const struct table *t, const char *key, const struct error *why,
                       struct row *ret)
{
    *ret = (struct row){.key = xstrdup(key), .count = t->column_count};
    ret->cells = xcalloc(t->column_count + 1, sizeof(*ret->cells));
    ret->unfit = user_rows_read_columns(db, t, key, ret);
    if (!ret->unfit)
        ret->unfit = xasprintf("it cannot be read: %s", why->text);
    row_complete(t, ret);
}

static int read_keys(struct db *db, const struct table *t, const char *const *keys, size_t count, struct row **ret,
                     size_t *ret_count, struct error *e)
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

struct found {
    struct row *rows;
    size_t count;
    int slow; /* how many of them may still run out of time */
};

static int add_rows(struct found *to, struct row *rows, size_t count)
{
    to->rows = xrealloc(to->rows, (to->count + count + 1) * sizeof(*rows));
    memcpy(to->rows + to->count, rows, count * sizeof(*rows));
    to->count += count;
    free(rows);
    return 0;
}

/* A text that is not of the key's type ("me" for a bigint) is the key of no row: SQLite compares it and finds none,
 * PostgreSQL refuses the comparison. */
static bool is_no_key(struct db *db, const struct table *t, const char *key)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    struct error ignored;
    buf_init(&sql, ROWS_SQL_MAX);
    buf_text(&sql, "SELECT 1 FROM ");
    table_quoted(db, t, &sql);
    buf_text(&sql, " WHERE ");
    ident_quote(t->key, &sql);
    buf_printf(&sql, " = $%d LIMIT 1", args_text(&a, key));
    return db_exec(db, sql.data, a.params, a.count, &r, &ignored) < 0 && !db->away &&
           !strncmp(db->sqlstate, "22", 2);
}

/* One row that cannot be read makes the whole statement fail: the list is halved until that row is alone. */
static int read_halved(struct db *db, const struct table *t, const char *const *keys, size_t count,
                       struct found *to, struct error *e)
{
    struct row *rows = NULL;
    size_t some = 0;
    int res = read_keys(db, t, keys, count, &rows, &some, e);
    if (res == 0)
        return add_rows(to, rows, some);
    if (db->in_transaction || !rows_one_of(db, res) || (res == -EBUSY && to->slow-- <= 0))
        return res;
    if (count == 1 && db_is_postgresql(db) && is_no_key(db, t, keys[0]))
        return 0;
    if (count == 1) {
        struct row unfit;
        read_unfit(db, t, keys[0], e, &unfit);
        return add_rows(to, xmemdup(&unfit, sizeof(unfit)), 1);
    }
    res = read_halved(db, t, keys, count / 2, to, e);
    return res < 0 ? res : read_halved(db, t, keys + count / 2, count - count / 2, to, e);
}

int rows_of_keys(struct db *db, const struct table *t, const char *const *keys, size_t count, struct row **ret,
                 size_t *ret_count, struct error *e)
{
    struct found found = {.slow = SLOW_MAX, .rows = xcalloc(1, sizeof(*found.rows))};
    int res = read_halved(db, t, keys, count, &found, e);
    if (res < 0) {
        rows_free(found.rows, found.count);
        return res;
    }
    *ret = found.rows;
    *ret_count = found.count;
    return 0;
}

/* Each key is looked up by itself. While renewd's table has no statistics, as in a first reading, PostgreSQL expects few
 * records of a source and would read all of them for each page. */
static void records_put_query(const struct db *db, int source, int keys, struct buf *sql)
{
    buf_text(sql, "SELECT ");
    if (!db_is_postgresql(db)) {
        record_columns("", sql);
        buf_printf(sql, " FROM {records} WHERE source = $%d AND ", source);
        list_put_in(db, "rkey", keys, sql);
        return;
    }
    record_columns("r.", sql);
    buf_printf(sql,
               " FROM unnest($%d::text[]) AS k(v) CROSS JOIN LATERAL"
               " (SELECT * FROM {records} WHERE source = $%d AND rkey = k.v OFFSET 0) AS r",
               keys, source);
}

int records_of_keys(struct db *db, const char *source, const char *const *keys, size_t count, struct record *ret,
                    struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    memset(ret, 0, count * sizeof(*ret));
    if (!count)
        return 0;
    buf_init(&sql, ROWS_SQL_MAX);
    records_put_query(db, args_text(&a, source), list_add(db, &a, keys, count), &sql);
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
