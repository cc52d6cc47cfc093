/* SPDX-License-Identifier: MIT
 * See user_row.h. Values come out of the database as text and are normalised here: times as Unix seconds, whatever
 * the column holds.
 */
#include "core/store/user_row.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/secret.h"
#include "core/crypto/crypto.h"
#include "core/rules/ident.h"
#include "core/time/timestamp.h"

enum { HASHED_MAX = 64 * 1024 * 1024 };

static const int64_t MS_FROM = 100000000000;  /* seconds reach this in the year 5138 */
static const int64_t TIME_MAX = 253402300799; /* the end of the year 9999 */

void table_quoted(const struct db *db, const struct table *t, struct buf *sql)
{
    (void)db;
    if (t->own) {
        buf_text(sql, "{accounts}");
        return;
    }
    if (t->schema) {
        ident_quote(t->schema, sql);
        buf_char(sql, '.');
    }
    ident_quote(t->name, sql);
}

/* Seconds, a bar, and the exact value in a form that no session setting changes. */
static void sql_append_exact(const struct column *c, const char *name, struct buf *sql)
{
    bool zone = c->form == FORM_TIMESTAMPTZ;
    buf_printf(sql,
               "CASE WHEN isfinite(%s) THEN floor(extract(epoch FROM %s))::bigint || '|' ||"
               " to_char(%s%s, 'YYYY-MM-DD HH24:MI:SS.US') || '%s' ELSE '|' || %s::text END",
               name, name, name, zone ? " AT TIME ZONE 'UTC'" : "", zone ? "+00" : "", name);
}

static void user_row_sql_append_column(const struct db *db, const struct column *c, const char *of, struct buf *sql)
{
    bool pg = db_is_postgresql(db);
    if (c->extra) {
        if (pg)
            buf_printf(sql, "extra::jsonb ->> '%s'", c->name);
        else
            buf_printf(sql, "json_extract(extra, '$.\"%s\"')", c->name);
        return;
    }
    cleanup(buf_done) struct buf name = {0};
    buf_init(&name, 256);
    buf_text(&name, of);
    ident_quote(c->name, &name);
    if (pg && c->exact && (c->form == FORM_TIMESTAMPTZ || c->form == FORM_TIMESTAMP))
        sql_append_exact(c, name.data, sql);
    else if (pg && (c->form == FORM_TIMESTAMPTZ || c->form == FORM_TIMESTAMP))
        buf_printf(sql, "CASE WHEN isfinite(%s) THEN floor(extract(epoch FROM %s))::bigint END", name.data,
                   name.data);
    else
        buf_printf(sql, "CAST(%s AS text)", name.data);
}

static void sql_append_bounded(const struct db *db, const struct table *t, const struct column *c, const char *of,
                               struct buf *sql)
{
    bool bound = row_put_bound(db, t, c, of, sql);
    user_row_sql_append_column(db, c, of, sql);
    if (bound)
        buf_text(sql, " END");
}

void row_select_list(const struct db *db, const struct table *t, bool lookups, struct buf *sql)
{
    const char *of = lookups ? ROW_TABLE : "";
    buf_printf(sql, "CAST(%s", of);
    ident_quote(t->key, sql);
    buf_text(sql, " AS text)");
    for (size_t i = 0; i < t->column_count; i++) {
        const char *lookup = t->columns[i].lookup;
        buf_text(sql, ", ");
        if (lookup)
            buf_text(sql, lookups ? lookup : "CAST(NULL AS text)");
        else
            sql_append_bounded(db, t, &t->columns[i], of, sql);
    }
    row_put_lengths(db, t, of, sql);
}

void row_put_text(const char *text, const char *before, struct args *a, struct buf *sql)
{
    buf_text(sql, before);
    args_put(a, args_text(a, text), sql);
}

void row_put_only(const struct only *o, const char *of, struct buf *sql)
{
    buf_text(sql, o->native ? of : "CAST(");
    if (!o->native)
        buf_text(sql, of);
    ident_quote(o->column, sql);
    buf_text(sql, o->native ? "" : " AS text)");
}

void row_put_filter(const struct table *t, const char *of, struct args *a, struct buf *sql)
{
    if (t->own)
        row_put_text(t->job, " AND job = ", a, sql);
    for (size_t i = 0; i < t->only_count; i++) {
        const struct only *only = &t->only[i];
        if (only->is_status)
            continue;
        buf_text(sql, " AND ");
        row_put_only(only, of, sql);
        buf_text(sql, " IN (");
        for (char **value = only->values; *value; value++)
            row_put_text(*value, value == only->values ? "" : ", ", a, sql);
        buf_char(sql, ')');
    }
}

/* A row without a value is written in the form that most rows have. */
static long long usual_number(const struct column *c)
{
    return c->usual && strspn(c->usual, "0123456789") == strlen(c->usual) ? strtoll(c->usual, NULL, 10) : 0;
}

/* Seconds or milliseconds, as the row has them. */
static void sql_append_perhaps_ms(const struct db *db, const struct column *c, const char *value, struct buf *sql)
{
    cleanup(buf_done) struct buf name = {0};
    buf_init(&name, 256);
    ident_quote(c->name, &name);
    buf_printf(sql,
               db_is_postgresql(db)
                   ? "CAST(%s AS bigint) * CASE WHEN coalesce(%s, %lld) > %" PRId64 " THEN 1000 ELSE 1 END"
                   : "CAST(%s AS bigint) * CASE WHEN coalesce(CAST(%s AS integer), %lld) > %" PRId64
                     " THEN 1000 ELSE 1 END",
               value, name.data, usual_number(c), MS_FROM);
}

void row_write_expression(const struct db *db, const struct column *column, const struct args *a, int parameter,
                          struct buf *sql)
{
    const char *number = column->as_text ? "text" : db_is_postgresql(db) ? "bigint" : "integer";
    cleanup(buf_done) struct buf value = {0};
    buf_init(&value, 64);
    args_put(a, parameter, &value);
    switch (column->form) {
    case FORM_TIMESTAMPTZ:
        buf_printf(sql, "to_timestamp(%s::bigint)", value.data);
        return;
    case FORM_TIMESTAMP:
        buf_printf(sql, "to_timestamp(%s::bigint) AT TIME ZONE 'UTC'", value.data);
        return;
    case FORM_UNIX_MS:
        buf_printf(sql, "CAST(CAST(%s AS bigint) * 1000 AS %s)", value.data, number);
        return;
    case FORM_UNIX:
        if (column->may_be_ms && !column->as_text)
            sql_append_perhaps_ms(db, column, value.data, sql);
        else
            buf_printf(sql, "CAST(%s AS %s)", value.data, number);
        return;
    case FORM_INTEGER:
        buf_printf(sql, "CAST(%s AS %s)", value.data, number);
        return;
    default:
        args_put_as(a, parameter, column->cast, sql); /* takes the column's own type */
    }
}

/* A number of seconds or milliseconds, possibly with a fraction. -EINVAL for any other text. */
static int number_to_unix(const struct column *c, const char *text, int64_t *ret)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || strpbrk(text, "xXpPnN"))
        return -EINVAL;
    if (c->form == FORM_UNIX_MS || (c->form != FORM_INTEGER && c->may_be_ms && value > (double)MS_FROM))
        value /= 1000;
    if (value < -(double)TIME_MAX || value > (double)TIME_MAX)
        return -EINVAL;
    *ret = (int64_t)floor(value);
    return 0;
}

static void user_row_set_number(struct cell *cell, int64_t value)
{
    cell->text = xasprintf("%" PRId64, value);
    cell->len = strlen(cell->text);
}

/* raw keeps what is no time, so that a change of it is seen, and not_a_point() can tell of it. */
static void time_cell(const struct table *t, const struct column *c, const char *text, struct cell *cell)
{
    struct timestamp_form form = {0};
    int64_t at = 0;
    bool known = false;
    if (c->form == FORM_TIMESTAMPTZ || c->form == FORM_TIMESTAMP) {
        const char *bar = c->exact ? strchr(text, '|') : NULL;
        if (bar)
            cell->raw = xstrdup(bar + 1);
        at = strtoll(text, NULL, 10);
        if (bar != text)
            user_row_set_number(cell, c->form == FORM_TIMESTAMP ? table_from_wall(t, at) : at);
        return;
    }
    known = number_to_unix(c, text, &at) == 0;
    if (!known) {
        cell->raw = xstrdup(text);
        known = timestamp_parse(text, &at, &form) == 0;
        if (known && form.zone == ZONE_STYLE_NONE)
            at = table_from_wall(t, at);
    } else if (c->form == FORM_TIME_TEXT || c->exact) {
        cell->raw = xstrdup(text);
    }
    if (known)
        user_row_set_number(cell, at);
}

static void read_cell(const struct table *t, const struct column *c, const char *text, size_t len,
                      struct cell *cell)
{
    *cell = (struct cell){0};
    if (!text)
        return;
    if (c->type == VALUE_TIME) {
        time_cell(t, c, text, cell);
        return;
    }
    cell->text = xmalloc(len + 1);
    memcpy(cell->text, text, len);
    cell->text[len] = '\0';
    cell->len = len;
}

static bool outside(const struct table *t, const struct row *row)
{
    for (size_t i = 0; i < t->only_count; i++) {
        if (!t->only[i].is_status)
            continue;
        const char *status = row->cells[t->status].text;
        if (!status && row->unfit)
            continue; /* it may be the status that cannot be read */
        char **value = t->only[i].values;
        while (*value && (!status || (t->only[i].folds ? strcasecmp : strcmp)(*value, status) != 0))
            value++;
        if (!*value)
            return true;
    }
    return false;
}

/* Each value is preceded by its slot and length, so that two different rows never give the same input. */
static int hash_row(const struct table *t, struct row *row)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[CRYPTO_HASH];
    cleanup(buf_done) struct buf all = {0};
    buf_init(&all, HASHED_MAX);
    buf_text(&all, row->outside ? "outside" : "inside");
    for (size_t i = 0; i < t->column_count; i++) {
        const struct cell *cell = &row->cells[i];
        if (!t->columns[i].hashed)
            continue;
        buf_printf(&all, "|%s:", t->columns[i].slot);
        if (cell->raw)
            buf_printf(&all, "raw:%s", cell->raw);
        if (cell->text) {
            buf_printf(&all, "%zu:", cell->len);
            buf_append(&all, cell->text, cell->len);
        }
    }
    if (row->unfit)
        buf_printf(&all, "|unfit:%s", row->unfit);
    if (all.failed)
        return -EFBIG;
    int r = crypto_sha256(all.data, all.len, hash);
    if (r < 0)
        return r;
    for (size_t i = 0; i < CRYPTO_HASH; i++) {
        row->hash[2 * i] = digits[hash[i] >> 4];
        row->hash[2 * i + 1] = digits[hash[i] & 15];
    }
    row->hash[2 * (size_t)CRYPTO_HASH] = '\0';
    return 0;
}

int row_complete(const struct table *t, struct row *row)
{
    row->outside = outside(t, row);
    return hash_row(t, row);
}

/* 3600, for an application has stored how long its token lives; or a text, for the wrong column is mapped. */
static char *not_a_point(const struct table *t, const struct row *row)
{
    for (size_t i = 0; i < t->column_count; i++) {
        if (row_holds_length(t, row, i))
            return xasprintf(
                "column \"%s\" holds a number below 1000000000, which is a length of time and not a point in "
                "time: store when the token ends, as Unix seconds or a date",
                t->columns[i].name);
        if (row_holds_no_time(t, row, i))
            return xasprintf("column \"%s\" (%s) holds a text that is not a time; a refresh would overwrite it: "
                             "name the right column in columns, or correct the value",
                             t->columns[i].name, t->columns[i].slot);
    }
    return NULL;
}

int row_from_result(const struct db *db, const struct table *t, const struct db_result *r, size_t row,
                    size_t first_column, struct row *ret)
{
    (void)db;
    struct row made = {.count = t->column_count};
    const char *key = db_text(r, row, first_column);
    if (!key)
        return -EINVAL;
    made.key = xstrdup(key);
    made.cells = xcalloc(t->column_count + 1, sizeof(*made.cells));
    for (size_t i = 0; i < t->column_count; i++)
        read_cell(t, &t->columns[i], db_text(r, row, first_column + 1 + i), db_len(r, row, first_column + 1 + i),
                  &made.cells[i]);
    made.unfit = row_too_long(t, db_text(r, row, first_column + 1 + t->column_count));
    if (!made.unfit)
        made.unfit = not_a_point(t, &made);
    int res = row_complete(t, &made);
    if (res < 0) {
        row_done(&made);
        return res;
    }
    *ret = made;
    return 0;
}

void row_done(struct row *r)
{
    for (size_t i = 0; r->cells && i < r->count; i++) {
        if (r->cells[i].text)
            explicit_bzero(r->cells[i].text, r->cells[i].len);
        free(r->cells[i].text);
        wipe_free(r->cells[i].raw);
    }
    free(r->cells);
    free(r->key);
    free(r->unfit);
    memset(r, 0, sizeof(*r));
}

void row_copy(struct row *ret, const struct row *from)
{
    *ret = *from;
    ret->key = xstrdup_or_null(from->key);
    ret->unfit = xstrdup_or_null(from->unfit);
    ret->cells = from->cells ? xcalloc(from->count + 1, sizeof(*ret->cells)) : NULL;
    for (size_t i = 0; from->cells && i < from->count; i++) {
        const struct cell *c = &from->cells[i];
        ret->cells[i].len = c->len;
        ret->cells[i].raw = xstrdup_or_null(c->raw);
        if (!c->text)
            continue;
        ret->cells[i].text = xmalloc(c->len + 1);
        memcpy(ret->cells[i].text, c->text, c->len + 1);
    }
}

const struct cell *row_cell(const struct table *t, const struct row *r, const char *slot)
{
    int i = table_column(t, slot);
    return i >= 0 && (size_t)i < r->count ? &r->cells[i] : NULL;
}
