/* SPDX-License-Identifier: MIT
 * The rehearsal before a job's first attempt: writes a row's own values back and rolls back, so that a missing
 * right, row security or a trigger is found before a token depends on it. What only one row refuses concerns that
 * row: other rows are tried before the table is reported.
 */
#include <errno.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/rules/ident.h"
#include "core/store/user_rows.h"

enum { ROWS_ASKED = 20 };

static bool rehearse_sql_append_update(struct db *db, const struct table *t, const char *key, struct args *a,
                                       struct buf *sql)
{
    bool any = false;
    buf_text(sql, "UPDATE ");
    table_quoted(db, t, sql);
    buf_text(sql, " SET ");
    for (size_t i = 0; i < t->column_count; i++) {
        if (!t->columns[i].written)
            continue;
        buf_text(sql, any ? ", " : "");
        ident_quote(t->columns[i].name, sql);
        buf_text(sql, " = ");
        ident_quote(t->columns[i].name, sql);
        any = true;
    }
    buf_text(sql, " WHERE ");
    ident_quote(t->key, sql);
    buf_printf(sql, " = $%d", args_text(a, key));
    return any;
}

static int rehearse_judge(struct db *db, const struct table *t, int result, const char *words, struct error *e)
{
    if (store_passes(result))
        return error_set(e, result, "job %s: rehearsing a write of %s: %s", t->job, t->name, words);
    if (t->view)
        return error_set(
            e, -EIO,
            "job %s: a row of the view %s cannot be written with its own values: %s. Give it a trigger "
            "INSTEAD OF UPDATE, or name the table itself",
            t->job, t->name, words);
    if (!strcmp(db->sqlstate, "42501"))
        return error_set(
            e, -EPERM,
            "job %s: a row of %s cannot be written with its own values, though renewd's role has the GRANTs: "
            "a policy of row security (WITH CHECK), or a trigger's own work, refuses it: %s",
            t->job, t->name, words);
    return error_set(e, -EIO,
                     "job %s: a row of %s cannot be written with its own values, for which a trigger, "
                     "a constraint or a column that is gone may be the reason: %s",
                     t->job, t->name, words);
}

static int rehearse_rehearse(struct db *db, const struct table *t, const char *key, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    struct error why = {""};
    buf_init(&sql, ROWS_SQL_MAX);
    if (!rehearse_sql_append_update(db, t, key, &a, &sql))
        return 0;
    int res = db_exec(db, sql.data, a.params, a.count, &r, &why);
    if (res < 0)
        return rehearse_judge(db, t, res, why.text, e);
    if (db_affected(r) == 1 || (t->view && !db_is_postgresql(db))) /* SQLite does not count what a trigger writes */
        return 0;
    if (db_affected(r) > 1)
        return error_set(e, -EIO, "job %s: several rows of %s have the same key", t->job, t->name);
    return error_set(
        e, -EPERM,
        "job %s: a row of %s can be read, but an update has no effect: row security or a trigger drops it without "
        "an error; allow the update for renewd's role",
        t->job, t->name);
}

int store_rehearse(struct db *db, const struct table *t, const char *key, struct error *e)
{
    struct row *rows = NULL;
    size_t count = 0;
    if (t->own || t->unwritten)
        return 0;
    int r = db_begin(db, e);
    if (r < 0)
        return r;
    r = rows_of_keys(db, t, &key, 1, &rows, &count, e);
    if (r == 0) {
        rows_free(rows, count);
        r = count ? rehearse_rehearse(db, t, key, e)
                  : error_set(e, -ENOENT, "job %s: the row to rehearse with was deleted from %s", t->job, t->name);
    }
    db_rollback(db);
    return r;
}

int store_rehearse_status(struct db *db, const struct table *t, const char *key, const char *word, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    struct error why = {""};
    if (t->own || t->unwritten || t->status < 0)
        return 0;
    const struct column *column = &t->columns[t->status];
    buf_init(&sql, ROWS_SQL_MAX);
    buf_text(&sql, "UPDATE ");
    table_quoted(db, t, &sql);
    buf_text(&sql, " SET ");
    ident_quote(column->name, &sql);
    buf_text(&sql, " = ");
    row_write_expression(db, column, &a, args_text(&a, word), &sql);
    buf_text(&sql, " WHERE ");
    ident_quote(t->key, &sql);
    buf_printf(&sql, " = $%d", args_text(&a, key));
    int r = db_begin(db, &why);
    if (r == 0)
        r = db_exec(db, sql.data, a.params, a.count, NULL, &why);
    db_rollback(db);
    if (store_passes(r))
        return error_set(e, r, "writing the word \"%s\" could not be rehearsed now: %s", word, why.text);
    return r < 0 ? error_set(e, r, "%s does not take the word \"%s\" in its column %s: %s", t->name, word,
                             column->name, why.text)
                 : 0;
}

/* An error that may concern this row alone. */
static bool is_of_a_row(int result)
{
    return result == -EIO || result == -EPERM || result == -ENOENT;
}

/* True when the answer applies to the table; else *ret and *e keep the most useful error of the rows so far. */
static bool speaks_for_all(struct db *db, const struct table *t, const char *key, int *ret, struct error *e)
{
    struct error why = {""};
    int r = store_rehearse(db, t, key, &why);
    if (!is_of_a_row(r) || *ret == -ENOENT) {
        *ret = r;
        *e = why;
    }
    return !is_of_a_row(r);
}

int store_rehearse_any(struct db *db, const struct table *t, const char *const *keys, size_t count, struct error *e)
{
    cleanup(page_done) struct page p = {0};
    struct error why = {""};
    int res = -ENOENT;
    for (size_t i = 0; i < count && i < ROWS_ASKED; i++)
        if (speaks_for_all(db, t, keys[i], &res, e))
            return res;
    int r = store_page(db, t, NULL, ROWS_ASKED, &p, &why);
    if (r < 0)
        return store_passes(r) ? error_set(e, r, "%s", why.text) : res;
    for (size_t i = 0; i < p.count; i++)
        if (speaks_for_all(db, t, p.rows[i].key, &res, e))
            return res;
    return res;
}
