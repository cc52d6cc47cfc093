/* SPDX-License-Identifier: MIT
 * See only_values.h.
 */
#include "config.h" /* _GNU_SOURCE */

#include "core/store/only_values.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/rules/ident.h"
#include "core/store/user_rows.h"

enum { ONLY_MS = 1000, INDEX_MS = 250, ROWS_LOOKED_AT = 10000, OTHERS_MAX = 20, OTHER_LETTERS = 60 };

static int ask(struct db *db, int ms, const struct buf *sql, const struct args *a, struct db_result **ret,
               struct error *e)
{
    int before = db->statement_ms;
    db->statement_ms = ms;
    db->timed = true;
    db->by_index = ms == INDEX_MS;
    int r = rows_exec(db, sql->data, a, ret, e);
    db->by_index = false;
    db->timed = false;
    db->statement_ms = before;
    return r;
}

/* The first rows as they come, of which the column alone is read. */
static void put_sample(const struct db *db, const struct table *t, const struct only *o, struct buf *sql)
{
    buf_text(sql, " FROM (SELECT ");
    ident_quote(o->column, sql);
    buf_text(sql, " FROM ");
    table_quoted(db, t, sql);
    buf_printf(sql, " LIMIT %d) AS renewd_t", ROWS_LOOKED_AT + 1);
}

static int ask_sample(struct db *db, const struct table *t, struct only_values *v, int64_t *ret_rows,
                      struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;

    buf_init(&sql, ROWS_SQL_MAX);
    buf_text(&sql, "SELECT count(*)");
    for (size_t i = 0; v->only->values[i]; i++) {
        buf_text(&sql, ", max(CASE WHEN ");
        row_put_only(v->only, ROW_TABLE, &sql);
        row_put_text(v->only->values[i], " = ", &a, &sql);
        buf_text(&sql, " THEN 1 ELSE 0 END)");
    }
    put_sample(db, t, v->only, &sql);
    int res = ask(db, ONLY_MS, &sql, &a, &r, e);
    if (res < 0)
        return res;
    *ret_rows = db_integer(r, 0, 0);
    for (size_t i = 0; v->only->values[i]; i++)
        v->held[i] = db_integer(r, 0, i + 1) ? ONLY_HELD : ONLY_NOT_HELD;
    return 0;
}

static bool plan_searches(const struct db *db, const struct db_result *plan)
{
    for (size_t i = 0; i < db_rows(plan); i++) {
        const char *line = db_text(plan, i, db_is_postgresql(db) ? 0 : 3);
        while (line && *line == ' ')
            line++;
        if (line && strncmp(line, db_is_postgresql(db) ? "Index Cond:" : "SEARCH ", 7) == 0)
            return true;
    }
    return false;
}

/* A row beyond the sample is looked for where an index finds it, or its absence, at once. */
static int ask_index(struct db *db, const struct table *t, const struct only *o, const char *value,
                     enum only_held *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0}, explain = {0};
    cleanup(db_result_free_p) struct db_result *plan = NULL, *r = NULL;

    buf_init(&sql, ROWS_SQL_MAX);
    buf_init(&explain, ROWS_SQL_MAX);
    buf_text(&sql, "SELECT 1 FROM ");
    table_quoted(db, t, &sql);
    buf_text(&sql, " AS renewd_t WHERE " ROW_TABLE);
    ident_quote(o->column, &sql);
    row_put_text(value, " = ", &a, &sql);
    buf_text(&sql, " AND ");
    row_put_only(o, ROW_TABLE, &sql);
    row_put_text(value, " = ", &a, &sql);
    buf_text(&sql, " LIMIT 1");
    buf_printf(&explain, "%s%s", db_is_postgresql(db) ? "EXPLAIN " : "EXPLAIN QUERY PLAN ", sql.data);
    *ret = ONLY_NOT_KNOWN;
    int res = ask(db, INDEX_MS, &explain, &a, &plan, e);
    if (res == 0 && plan_searches(db, plan))
        res = ask(db, INDEX_MS, &sql, &a, &r, e);
    if (res == 0 && r)
        *ret = db_rows(r) ? ONLY_HELD : ONLY_NOT_HELD;
    else if (res < 0 && strncmp(db->sqlstate, "22P", 3) == 0)
        *ret = ONLY_NOT_HELD; /* it is no value of the column's type */
    return res < 0 && db->away ? res : 0;
}

static int ask_held(struct db *db, const struct table *t, struct only_values *v, struct error *e)
{
    int64_t rows = 0;
    int res = ask_sample(db, t, v, &rows, e);
    bool slow = res < 0 && rows_one_of(db, res);

    for (size_t i = 0; (res == 0 || slow) && v->only->values[i]; i++) {
        res = 0;
        if (slow)
            v->held[i] = ONLY_NOT_KNOWN;
        else if (v->held[i] != ONLY_HELD && rows > ROWS_LOOKED_AT)
            res = ask_index(db, t, v->only, v->only->values[i], &v->held[i], e);
        v->missing = v->missing || (rows && v->held[i] == ONLY_NOT_HELD);
        v->not_known = v->not_known || v->held[i] == ONLY_NOT_KNOWN;
    }
    return res;
}

static bool is_listed(const struct only *o, const char *value)
{
    for (char **v = o->values; *v; v++)
        if (strcmp(*v, value) == 0)
            return true;
    return false;
}

static int ask_others(struct db *db, const struct table *t, struct only_values *v, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;

    buf_init(&sql, ROWS_SQL_MAX);
    buf_text(&sql, "SELECT v, count(*) FROM (SELECT substr(CAST(" ROW_TABLE);
    ident_quote(v->only->column, &sql);
    buf_printf(&sql, " AS text), 1, %d) AS v", OTHER_LETTERS);
    put_sample(db, t, v->only, &sql);
    buf_printf(&sql, ") AS renewd_v WHERE v IS NOT NULL GROUP BY v ORDER BY 2 DESC, 1 LIMIT %d", OTHERS_MAX + 1);
    int res = ask(db, ONLY_MS, &sql, &a, &r, e);
    if (res < 0)
        return rows_one_of(db, res) ? 0 : res;
    v->others = xcalloc(db_rows(r) + 1, sizeof *v->others);
    v->many = db_rows(r) > OTHERS_MAX;
    for (size_t i = 0; i < db_rows(r) && i < OTHERS_MAX; i++)
        if (!is_listed(v->only, db_text(r, i, 0)))
            v->others[v->other_count++] = (struct only_other){xstrdup(db_text(r, i, 0)), db_integer(r, i, 1)};
    return 0;
}

static bool holds_secrets(const struct table *t, const char *column)
{
    static const char *const words[] = {"token", "secret", "password", "key", "credential"};

    for (size_t i = 0; i < t->column_count; i++)
        if (strcmp(t->columns[i].name, column) == 0 &&
            (t->columns[i].type == VALUE_SECRET || t->columns[i].credential))
            return true;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasestr(column, words[i]))
            return true;
    return false;
}

static void values_done(struct only_values *v)
{
    for (size_t i = 0; i < v->other_count; i++)
        free(v->others[i].value);
    free(v->others);
    free(v->held);
    *v = (struct only_values){0};
}

static int ask_rule(struct db *db, const struct table *t, const struct only *o, struct only_values *ret,
                    struct error *e)
{
    struct only_values v = {.only = o, .secret = holds_secrets(t, o->column)};
    size_t count = 0;

    while (o->values[count])
        count++;
    v.held = xcalloc(count + 1, sizeof *v.held);
    int r = ask_held(db, t, &v, e);
    if (r == 0 && v.missing && !v.secret)
        r = ask_others(db, t, &v, e);
    if (r < 0)
        values_done(&v);
    *ret = v;
    return r;
}

int store_only_values(struct db *db, const struct table *t, struct only_values **ret, size_t *ret_count,
                      struct error *e)
{
    size_t rules = t->own ? 0 : t->only_count, count = 0;
    struct only_values *list = xcalloc(rules + 1, sizeof *list);

    for (size_t i = 0; i < rules; i++) {
        int r = ask_rule(db, t, &t->only[i], &list[count], e);
        if (r < 0) {
            only_values_free(list, count);
            return r;
        }
        if (list[count].missing || list[count].not_known)
            count++;
        else
            values_done(&list[count]);
    }
    *ret = list;
    *ret_count = count;
    return 0;
}

void only_values_free(struct only_values *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        values_done(&list[i]);
    free(list);
}
