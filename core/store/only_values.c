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

enum { ONLY_MS = 5000, ROWS_LOOKED_AT = 20000, OTHERS_MAX = 20, OTHER_LETTERS = 60 };

static int ask(struct db *db, const char *sql, const struct args *a, struct db_result **ret, struct error *e)
{
    int before = db->statement_ms;
    db->statement_ms = ONLY_MS;
    db->timed = true;
    int r = rows_exec(db, sql, a, ret, e);
    db->timed = false;
    db->statement_ms = before;
    return r;
}

static void put_column(const struct only *o, struct buf *sql)
{
    buf_text(sql, "CAST(" ROW_TABLE);
    ident_quote(o->column, sql);
    buf_text(sql, " AS text)");
}

static void put_from(const struct db *db, const struct table *t, struct buf *sql)
{
    buf_text(sql, " FROM ");
    table_quoted(db, t, sql);
    buf_text(sql, " AS renewd_t");
}

/* Each is searched alone: one that is held is found early, without the whole table. */
static int ask_held(struct db *db, const struct table *t, const struct only *o, bool *held, bool *ret_any,
                    struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    size_t count = 0;

    buf_init(&sql, ROWS_SQL_MAX);
    buf_text(&sql, "SELECT CASE WHEN EXISTS (SELECT 1");
    put_from(db, t, &sql);
    buf_text(&sql, ") THEN 1 ELSE 0 END");
    for (; o->values[count]; count++) {
        buf_text(&sql, ", CASE WHEN EXISTS (SELECT 1");
        put_from(db, t, &sql);
        buf_text(&sql, " WHERE ");
        put_column(o, &sql);
        buf_printf(&sql, " = $%d) THEN 1 ELSE 0 END", args_text(&a, o->values[count]));
    }
    int res = ask(db, sql.data, &a, &r, e);
    if (res < 0)
        return res;
    *ret_any = db_integer(r, 0, 0) != 0;
    for (size_t i = 0; i < count; i++)
        held[i] = db_integer(r, 0, i + 1) != 0;
    return 0;
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
    buf_text(&sql, "SELECT v, count(*) FROM (SELECT substr(");
    put_column(v->only, &sql);
    buf_printf(&sql, ", 1, %d) AS v", OTHER_LETTERS);
    put_from(db, t, &sql);
    buf_printf(&sql, " LIMIT %d) AS renewd_v WHERE v IS NOT NULL GROUP BY v ORDER BY 2 DESC, 1 LIMIT %d",
               ROWS_LOOKED_AT, OTHERS_MAX + 1);
    int res = ask(db, sql.data, &a, &r, e);
    if (res < 0)
        return res;
    v->others = xcalloc(db_rows(r) + 1, sizeof *v->others);
    v->many = db_rows(r) > OTHERS_MAX;
    for (size_t i = 0; i < db_rows(r) && i < OTHERS_MAX; i++)
        if (!is_listed(v->only, db_text(r, i, 0)))
            v->others[v->other_count++] = xstrdup(db_text(r, i, 0));
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
        free(v->others[i]);
    free(v->others);
    free(v->held);
    *v = (struct only_values){0};
}

static int ask_rule(struct db *db, const struct table *t, const struct only *o, struct only_values *ret,
                    bool *ret_missing, struct error *e)
{
    struct only_values v = {.only = o, .secret = holds_secrets(t, o->column)};
    size_t count = 0;
    bool any = false;

    *ret_missing = false;
    while (o->values[count])
        count++;
    v.held = xcalloc(count + 1, sizeof *v.held);
    int r = ask_held(db, t, o, v.held, &any, e);
    for (size_t i = 0; r == 0 && any && i < count; i++)
        *ret_missing = *ret_missing || !v.held[i];
    if (r == 0 && *ret_missing && !v.secret)
        r = ask_others(db, t, &v, e);
    if (r < 0 || !*ret_missing) {
        values_done(&v);
        *ret_missing = false;
        return r < 0 && rows_one_of(db, r) ? 0 : r;
    }
    *ret = v;
    return 0;
}

int store_only_values(struct db *db, const struct table *t, struct only_values **ret, size_t *ret_count,
                      struct error *e)
{
    size_t rules = t->own ? 0 : t->only_count, count = 0;
    struct only_values *list = xcalloc(rules + 1, sizeof *list);

    for (size_t i = 0; i < rules; i++) {
        bool missing;
        int r = ask_rule(db, t, &t->only[i], &list[count], &missing, e);
        if (r < 0) {
            only_values_free(list, count);
            return r;
        }
        count += missing;
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
