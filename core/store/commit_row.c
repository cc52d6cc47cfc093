/* SPDX-License-Identifier: MIT
 * The part of a commit that is written to the user's row: one UPDATE on the condition that the row still holds the
 * credential that was spent and still belongs to the job. Called inside the batch's transaction.
 */
#include "core/store/commit_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/fault.h"
#include "core/db/parameters.h"
#include "core/rules/ident.h"
#include "core/store/many.h"
#include "core/store/user_row.h"
#include "core/store/user_row_write.h"

enum { UNMOVED_MAX = 2 };

/* A column's stored text, as row_select_list reads it. */
static void sql_append_stored(struct db *db, const struct column *column, struct args *a, struct buf *sql)
{
    if (column->extra && db_is_postgresql(db)) {
        row_put_text(column->name, "extra::jsonb ->> ", a, sql);
        buf_text(sql, "::text");
    } else if (column->extra) {
        row_put_text(column->name, "json_extract(extra, '$.\"' || ", a, sql);
        buf_text(sql, " || '\"')");
    } else {
        buf_text(sql, "CAST(");
        ident_quote(column->name, sql);
        buf_text(sql, " AS text)");
    }
}

static void sql_append_key(const struct commit *c, struct args *a, struct buf *sql)
{
    ident_quote(c->table->key, sql);
    buf_text(sql, " = ");
    args_put_as(a, args_text(a, c->before.key), c->table->key_cast, sql);
    if (c->table->own)
        row_put_text(c->table->job, " AND job = ", a, sql);
}

/* Compares bytes, not what a collation treats as equal. */
static void sql_append_credential(struct db *db, const struct commit *c, struct args *a, struct buf *sql)
{
    int at = c->table->credential;

    if (at < 0 || c->row.unfit || defence_off(DEFENCE_COMMIT_CONDITION)) /* perhaps the unreadable value */
        return;
    buf_text(sql, " AND (");
    sql_append_stored(db, &c->table->columns[at], a, sql);
    buf_text(sql, db_is_postgresql(db) ? ") COLLATE \"C\" IS NOT DISTINCT FROM " : ") COLLATE BINARY IS ");
    args_put(a, args_add(a, c->row.cells[at].text, c->row.cells[at].len), sql);
    if (db_is_postgresql(db))
        buf_text(sql, "::text");
}

/* A row that the application has taken out of `only` is no longer a record; a status that renewd wrote itself takes
 * no row out. */
static void sql_append_only(const struct commit *c, struct args *a, struct buf *sql)
{
    row_put_filter(c->table, "", a, sql);
    for (size_t i = 0; i < c->table->only_count; i++) {
        const struct only *only = &c->table->only[i];
        const char *between = "";
        if (!only->is_status)
            continue;
        buf_text(sql, " AND ");
        row_put_only(only, "", sql);
        buf_text(sql, " IN (");
        for (char **value = only->values; *value; value++, between = ", ")
            row_put_text(*value, between, a, sql);
        if (c->before.wrote_status)
            row_put_text(c->before.wrote_status, between, a, sql);
        buf_text(sql, ")");
    }
}

/* Why the row took no update: it is gone, out of `only`, or holds another credential. */
static int look_again(struct db *db, struct commit_work *w, struct error *e)
{
    const struct commit *c = w->c;
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;
    cleanup(buf_done) struct buf sql = {0};

    buf_init(&sql, ROW_SQL_MAX);
    buf_text(&sql, "SELECT CASE WHEN 1 = 1");
    sql_append_only(c, &a, &sql);
    buf_text(&sql, " THEN 1 ELSE 0 END, ");
    row_select_list(db, c->table, false, &sql);
    buf_text(&sql, " FROM ");
    table_quoted(db, c->table, &sql);
    buf_text(&sql, " WHERE ");
    sql_append_key(c, &a, &sql);
    int r = db_exec(db, sql.data, a.params, a.count, &found, e);
    if (r < 0)
        return r;
    if (db_rows(found) == 0 || db_integer(found, 0, 0) == 0) {
        w->verdict = COMMIT_GONE;
        return 0;
    }
    return row_from_result(db, c->table, found, 0, 1, &w->current);
}

static bool commit_row_same_credential(const struct commit *c, const struct row *now)
{
    int at = c->table->credential;

    if (at < 0 || c->row.unfit)
        return true;
    const struct cell *was = &c->row.cells[at], *is = &now->cells[at];
    if (!was->text || !is->text)
        return !was->text && !is->text;
    return was->len == is->len && !memcmp(was->text, is->text, was->len);
}

/* The row may have been changed and changed back between two reads. A row that never takes an update is treated
 * differently. */
static int unmoved(struct commit_work *w, struct error *e)
{
    if (w->unmoved++ < UNMOVED_MAX)
        return -EDEADLK;
    return error_set(
        e, -EINVAL,
        "%s: the row exists, and its update has no effect (because of row security, a trigger or a rule)",
        w->c->table->name);
}

static int not_matched(struct db *db, struct commit_work *w, struct error *e)
{
    int r = look_again(db, w, e);

    if (r < 0 || w->verdict != COMMIT_WAITING)
        return r;
    if (commit_row_same_credential(w->c, &w->current))
        return unmoved(w, e);
    w->verdict = COMMIT_CHANGED;
    return 0;
}

/* With nothing to write, only the condition is checked, and the row is locked until the end. *ret_from: where the
 * FROM item of many rows belongs. */
static int sql_append_statement(struct db *db, const struct commit_work *w, struct args *a, struct buf *sql,
                                size_t *ret_from, struct error *e)
{
    const struct commit *c = w->c;
    bool update = c->write_count > 0;
    int r = 0;

    buf_text(sql, update ? "UPDATE " : "SELECT 1 FROM ");
    table_quoted(db, c->table, sql);
    if (update) {
        buf_text(sql, " SET ");
        r = row_put_assignments(db, c->table, &c->row, w->writes ? w->writes : c->writes, c->write_count, a, sql,
                                e);
    }
    *ret_from = sql->len;
    buf_text(sql, " WHERE ");
    sql_append_key(c, a, sql);
    sql_append_credential(db, c, a, sql);
    sql_append_only(c, a, sql);
    if (!update && db_is_postgresql(db) && !c->table->view)
        buf_text(sql, " FOR UPDATE");
    if (r == 0 && sql->failed)
        r = error_set(e, -ENOBUFS, "%s: the update grows too long", c->table->name);
    return r;
}

static void sql_append_returning(struct db *db, const struct table *t, const char *first, struct buf *sql)
{
    buf_printf(sql, " RETURNING %s", first);
    row_select_list(db, t, false, sql);
}

/* Reads the row after its update. SQLite's RETURNING does not show what a trigger did afterwards, and SQLite has no
 * other triggers that change a value. That of a view shows what its trigger was given, not what became of it. */
static int read_written(struct db *db, const struct commit *c, const struct db_result *returned, struct row *ret,
                        struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;
    cleanup(buf_done) struct buf sql = {0};

    if (db_is_postgresql(db) && !c->table->view)
        return row_from_result(db, c->table, returned, 0, 0, ret);
    buf_init(&sql, ROW_SQL_MAX);
    buf_text(&sql, "SELECT ");
    row_select_list(db, c->table, false, &sql);
    buf_text(&sql, " FROM ");
    table_quoted(db, c->table, &sql);
    buf_text(&sql, " WHERE ");
    sql_append_key(c, &a, &sql);
    int r = db_exec(db, sql.data, a.params, a.count, &found, e);
    if (r == 0 && db_rows(found) == 0)
        return error_set(e, -EINVAL,
                         c->table->view
                             ? "the view %s no longer shows the row once it is written: its condition must "
                               "not depend on a column that renewd writes"
                             : "%s: a trigger deletes the row when it is updated",
                         c->table->name);
    return r < 0 ? r : row_from_result(db, c->table, found, 0, 0, ret);
}

/* A trigger in place of the update may leave a column out. Times may be read back in another form, so that only one
 * that stayed as it was is told. */
static bool is_left_out(const struct commit *c, const struct write *w, const struct row *now)
{
    const struct cell *is = &now->cells[w->column];
    const struct cell *was = (size_t)w->column < c->row.count ? &c->row.cells[w->column] : NULL;
    if (!c->table->view || !w->text || (is->text && strcmp(is->text, w->text) == 0))
        return false;
    return !is->text || (was && was->text && strcmp(is->text, was->text) == 0);
}

/* After the UPDATE the row is read back. If a trigger or the column's type changed the token, the commit is treated
 * as refused: the changed value is not a token, and the row would hold the only copy. */
static int as_written(const struct commit *c, const struct row *now, struct error *e)
{
    for (size_t i = 0; i < c->write_count; i++) {
        const struct write *w = &c->writes[i];
        const struct column *column = &c->table->columns[w->column];
        const struct cell *cell = &now->cells[w->column];
        if (is_left_out(c, w, now))
            return error_set(
                e, -EINVAL,
                "the view %s does not write column \"%s\" where its rows come from (its trigger has to)",
                c->table->name, column->name);
        if (!w->text || (column->type != VALUE_SECRET && !column->credential))
            continue;
        if (!cell->text || cell->len != w->len || memcmp(cell->text, w->text, w->len) != 0)
            return error_set(
                e, -EINVAL,
                "%s: column \"%s\" does not keep a token as it is written (a trigger or its type changes it; it "
                "needs type text)",
                c->table->name, column->name);
    }
    return 0;
}

/* The row as it is now: what renewd wrote is in it, and its hash is what the next look sees. */
static int take_written(struct commit_work *w, const struct row *now, struct error *e)
{
    int r = as_written(w->c, now, e);

    if (r < 0)
        return r;
    memcpy(w->hash, now->hash, sizeof(w->hash));
    w->hashed = true;
    return 0;
}

int commit_row(struct db *db, struct commit_work *w, struct error *e)
{
    const struct commit *c = w->c;
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *result = NULL;
    cleanup(buf_done) struct buf sql = {0};
    struct row now = {0};
    size_t from = 0;

    if (!c->table)
        return error_set(e, -EINVAL, "the table of %s is not known", c->before.source);
    for (size_t i = 0; i < c->write_count; i++)
        if (c->writes[i].plain)
            return error_set(e, -EINVAL, "the new value of %s could not be sealed for its column",
                             c->table->columns[c->writes[i].column].slot);
    if (c->table->credential >= 0 && (size_t)c->table->credential >= c->row.count)
        return error_set(e, -EINVAL, "%s: the row as last read is not known", c->table->name);
    buf_init(&sql, ROW_SQL_MAX);
    int r = sql_append_statement(db, w, &a, &sql, &from, e);
    if (c->write_count && db_is_postgresql(db))
        sql_append_returning(db, c->table, "", &sql);
    else if (c->write_count)
        buf_text(&sql, " RETURNING 1");
    if (r == 0)
        r = db_exec(db, sql.data, a.params, a.count, &result, e);
    if (r < 0)
        return r;
    if (db_rows(result) == 0)
        return not_matched(db, w, e);
    if (c->write_count == 0)
        return 0;
    if (db_rows(result) > 1)
        return error_set(e, -EINVAL, "the view %s shows several rows of one key", c->table->name);
    r = read_written(db, c, result, &now, e);
    if (r == 0)
        r = take_written(w, &now, e);
    row_done(&now);
    return r;
}

/* ---- many rows at once ---- */

enum { GROUPS_MAX = 8 };

/* Rows with the same statement. */
struct group {
    const struct table *table;
    struct buf sql;
    size_t from;
    struct many rows;
    size_t *members; /* for each row, its commit's index in the list */
    size_t count;
};

struct groups {
    struct group list[GROUPS_MAX];
    size_t count;
};

static void groups_done(struct groups *g)
{
    for (size_t i = 0; i < g->count; i++) {
        many_done(&g->list[i].rows);
        buf_done(&g->list[i].sql);
        free(g->list[i].members);
    }
}

/* The statement with its columns renewd_p1, renewd_p2, ...: the parameters of one row. No column of the user's has
 * such a name. */
static struct group *group_new(struct db *db, struct groups *g, const struct table *t, struct buf *sql, size_t from,
                               size_t parameters, size_t most)
{
    static const struct many_column columns[MANY_COLUMNS];
    struct group *made = &g->list[g->count];

    if (g->count == GROUPS_MAX || parameters > MANY_COLUMNS)
        return NULL;
    g->count++;
    *made = (struct group){.table = t, .sql = *sql, .from = from, .members = xcalloc(most, sizeof(size_t))};
    buf_init(sql, ROW_SQL_MAX);
    many_begin(&made->rows, db, columns, parameters);
    for (size_t i = 0; i < parameters; i++)
        snprintf(made->rows.columns[i].name, sizeof(made->rows.columns[i].name), "renewd_p%zu", i + 1);
    return made;
}

/* false: there are too many different statements already, or the row's values cannot be written. */
static bool group_add(struct db *db, struct groups *g, const struct commit_work *w, size_t index, size_t most)
{
    cleanup(args_done) struct args a = {.of_rows = true};
    cleanup(buf_done) struct buf sql = {0};
    struct group *to = NULL;
    struct error ignored;
    size_t from = 0;

    buf_init(&sql, ROW_SQL_MAX);
    if (sql_append_statement(db, w, &a, &sql, &from, &ignored) < 0)
        return false;
    for (size_t i = 0; i < g->count && !to; i++)
        if (g->list[i].table == w->c->table && !strcmp(g->list[i].sql.data, sql.data))
            to = &g->list[i];
    if (!to)
        to = group_new(db, g, w->c->table, &sql, from, a.count, most);
    if (!to)
        return false;
    for (size_t i = 0; i < a.count; i++)
        many_bytes(&to->rows, a.params[i].text, a.params[i].len);
    to->members[to->count++] = index;
    return true;
}

static int group_write(struct group *g, struct commit_work **list, bool *ret_written, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *result = NULL;
    cleanup(buf_done) struct buf head = {0};
    int r = 0;

    buf_init(&head, ROW_SQL_MAX);
    buf_append(&head, g->sql.data, g->from);
    buf_text(&head, " FROM");
    sql_append_returning(g->rows.db, g->table, "renewd_u.renewd_at, ", &g->sql);
    if (g->sql.failed)
        return error_set(e, -ENOBUFS, "%s: the update grows too long", g->table->name);
    r = many_exec(&g->rows, head.data, g->sql.data + g->from, &result, e);
    for (size_t i = 0; r == 0 && i < db_rows(result); i++) {
        size_t index = g->members[db_integer(result, i, 0) - 1];
        struct row now = {0};
        r = row_from_result(g->rows.db, g->table, result, i, 1, &now);
        if (r == 0)
            r = take_written(list[index], &now, e);
        row_done(&now);
        ret_written[index] = true;
    }
    return r;
}

/* SQLite: one statement for each, compiled once. */
static int write_each(struct db *db, struct commit_work **list, size_t count, struct error *e)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        if (!list[i]->c->touches_row)
            continue;
        r = commit_row(db, list[i], e);
        if (list[i]->verdict != COMMIT_WAITING)
            list[i] = NULL;
    }
    return r;
}

int commit_rows(struct db *db, struct commit_work **list, size_t count, struct error *e)
{
    if (!db_is_postgresql(db))
        return write_each(db, list, count, e);
    cleanup(groups_done) struct groups groups = {.count = 0};
    cleanup(free_p) bool *written = xcalloc(count, sizeof(*written));
    int r = 0;

    for (size_t i = 0; i < count; i++)
        written[i] = !list[i]->c->touches_row;
    for (size_t i = 0; i < count; i++)
        if (!written[i] && !list[i]->c->table->view)
            group_add(db, &groups, list[i], i, count);
    for (size_t i = 0; r == 0 && i < groups.count; i++)
        r = group_write(&groups.list[i], list, written, e);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (!written[i])
            list[i] = NULL;
    return r;
}
