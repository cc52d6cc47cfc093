/* SPDX-License-Identifier: MIT
 * See user_row_write.h.
 */
#include "core/store/user_row_write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/rules/ident.h"
#include "core/store/user_row.h"
#include "core/time/timestamp.h"

static const int64_t MS_FROM = 100000000000; /* seconds reach this in the year 5138 */

int row_time_like(const struct table *t, const char *raw, int64_t at, char out[TIMESTAMP_SIZE])
{
    struct timestamp_form form;
    int64_t was = 0;

    if (raw && *raw && strspn(raw, "0123456789.") == strlen(raw)) {
        bool ms = strtoll(raw, NULL, 10) > MS_FROM;
        snprintf(out, TIMESTAMP_SIZE, "%lld%s", (long long)at, ms ? "000" : "");
        return 0;
    }
    if (raw && timestamp_parse(raw, &was, &form) == 0)
        return timestamp_format(form.zone == ZONE_STYLE_NONE ? table_to_wall(t, at) : at, &form, out,
                                TIMESTAMP_SIZE);
    return timestamp_rfc3339(at, out, TIMESTAMP_SIZE);
}

/* The row's own value; where it has none, a value in the form that most rows have. */
static const char *read_as(const struct column *column, const struct row *row, size_t at)
{
    const struct cell *cell = row && at < row->count ? &row->cells[at] : NULL;
    return cell && (cell->raw || cell->text) ? cell->raw : column->usual;
}

bool row_time_is_date(const char *text)
{
    struct timestamp_form form;
    int64_t ignored;
    return text && timestamp_parse(text, &ignored, &form) == 0;
}

/* SQLite stores a date in a column of numbers, too. */
static bool dated(const struct db *db, const struct column *column, const char *raw)
{
    return !db_is_postgresql(db) && column->form == FORM_UNIX && column->may_be_ms && row_time_is_date(raw);
}

static int user_row_put_value(const struct db *db, const struct table *t, const struct row *row,
                              const struct write *w, struct args *a, bool *ret_date, struct error *e)
{
    const struct column *column = &t->columns[w->column];
    char out[TIMESTAMP_SIZE], *end = NULL;

    if (w->text && column->form == FORM_TIMESTAMP && t->zone)
        return args_number(a, table_to_wall(t, strtoll(w->text, NULL, 10)));
    const char *raw = read_as(column, row, (size_t)w->column);
    *ret_date = dated(db, column, raw);
    if (!w->text || (column->form != FORM_TIME_TEXT && !*ret_date))
        return args_add(a, w->text, w->len);
    long long at = strtoll(w->text, &end, 10);
    if (end == w->text || row_time_like(t, raw, at, out) < 0)
        return error_set(e, -EINVAL, "column %s of %s: not a time that can be written", column->name, t->name);
    return args_own(a, xstrdup(out));
}

/* renewd's own table stores a plugin's own slots as members of one JSON column. */
static void row_write_sql_append_member(struct db *db, const struct column *column, int number, bool first,
                                        struct args *a, struct buf *sql)
{
    bool pg = db_is_postgresql(db);
    cleanup(buf_done) struct buf name = {0}, value = {0};

    buf_init(&name, 64);
    buf_init(&value, 64);
    args_put(a, args_text(a, column->name), &name);
    args_put(a, number, &value);
    if (first)
        buf_text(sql, pg ? "extra = (coalesce(extra, '{}')::jsonb || jsonb_build_object("
                         : "extra = json_set(coalesce(extra, '{}'), ");
    else
        buf_text(sql, ", ");
    buf_printf(sql, pg ? "%s::text, %s::text" : "'$.\"' || %s || '\"', %s", name.data, value.data);
}

static void row_write_sql_append_column(struct db *db, const struct column *column, int number, bool date,
                                        const struct args *a, struct buf *sql)
{
    ident_quote(column->name, sql);
    buf_text(sql, " = ");
    if (date)
        args_put(a, number, sql);
    else
        row_write_expression(db, column, a, number, sql);
}

int row_put_assignments(struct db *db, const struct table *t, const struct row *row, const struct write *writes,
                        size_t count, struct args *a, struct buf *sql, struct error *e)
{
    size_t put = 0, members = 0;

    for (int extra = 0; extra < 2; extra++) {
        for (size_t i = 0; i < count; i++) {
            const struct column *column = &t->columns[writes[i].column];
            if (column->extra != (extra == 1))
                continue;
            bool date = false;
            int number = user_row_put_value(db, t, row, &writes[i], a, &date, e);
            if (number < 0)
                return number;
            if (put++ && (!extra || !members))
                buf_text(sql, ", ");
            if (extra)
                row_write_sql_append_member(db, column, number, members++ == 0, a, sql);
            else
                row_write_sql_append_column(db, column, number, date, a, sql);
        }
    }
    if (members)
        buf_text(sql, db_is_postgresql(db) ? "))::text" : ")");
    return 0;
}
