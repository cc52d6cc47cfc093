/* SPDX-License-Identifier: MIT
 * A time that a plugin's named statement takes, in the form of the column that the parameter stands for: the row's
 * own value, else the form of most rows, else the declared type. A column of another table may be of another kind; where
 * the database has told the parameter's type, that decides.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/engine/commit/commit.h"
#include "core/store/user_row_write.h"
#include "core/time/timestamp.h"

enum { MARK_MAX = 16 };

static const char *blanks_before(const char *sql, const char *at)
{
    while (at > sql && isspace((unsigned char)at[-1]))
        at--;
    return at;
}

/* Whether the statement says "column = $number" of it, or "column >= $number". */
static bool stands_before(const char *sql, const char *mark, const char *column)
{
    size_t len = strlen(column);
    const char *at = blanks_before(sql, mark), *signs = at;

    while (at > sql && strchr("<>=", at[-1]))
        at--;
    if (at == signs)
        return false;
    at = blanks_before(sql, at);
    bool quoted = at > sql && at[-1] == '"';
    at -= quoted;
    if ((size_t)(at - sql) < len + quoted)
        return false;
    const char *name = at - len;
    if (quoted)
        return name[-1] == '"' && strncmp(name, column, len) == 0;
    return strncasecmp(name, column, len) == 0 &&
           (name == sql || (!isalnum((unsigned char)name[-1]) && !strchr("_\"", name[-1])));
}

static bool stands_for(const char *sql, size_t number, const char *column)
{
    char mark[MARK_MAX];
    size_t len = (size_t)snprintf(mark, sizeof mark, "$%zu", number);

    for (const char *p = sql; p && (p = strstr(p, mark)); p += len)
        if (!isdigit((unsigned char)p[len]) && stands_before(sql, p, column))
            return true;
    return false;
}

static const char *time_held(const struct attempt *a, size_t column)
{
    return a->job->table->columns[column].type == VALUE_TIME ? a->claim.row.cells[column].raw : NULL;
}

/* The table's first time that the row holds, or that most rows hold; column_count: it has no time. */
static size_t first_time(const struct attempt *a, const char **ret_like)
{
    const struct table *t = a->job->table;
    size_t first = t->column_count;

    for (size_t i = 0; i < t->column_count; i++) {
        if (t->columns[i].type == VALUE_TIME && first == t->column_count)
            first = i;
        if ((*ret_like = time_held(a, i)))
            return i;
    }
    for (size_t i = first; i < t->column_count; i++)
        if (t->columns[i].type == VALUE_TIME && (*ret_like = t->columns[i].usual))
            return i;
    return first;
}

/* The column whose form the parameter has, and a value in it; NULL: the column's declared type decides. A column
 * without any value is like the row's other times. */
static size_t column_of(const struct attempt *a, const char *sql, size_t number, const char **ret_like)
{
    const struct table *t = a->job->table;
    size_t other = first_time(a, ret_like);

    for (size_t i = 0; i < t->column_count; i++) {
        const struct column *c = &t->columns[i];
        if (c->type != VALUE_TIME || c->lookup || !stands_for(sql, number, c->name))
            continue;
        const char *like = time_held(a, i) ? time_held(a, i) : c->usual;
        if (like || c->form != t->columns[other].form)
            *ret_like = like;
        return i;
    }
    return other;
}

/* -1: the type does not tell: a text, or not known. */
static int form_of_type(const struct table *t, size_t statement, size_t number)
{
    static const struct {
        const char *type;
        int form;
    } known[] = {{"timestamp with time zone", FORM_TIMESTAMPTZ},
                 {"timestamp without time zone", FORM_TIMESTAMP},
                 {"date", FORM_TIMESTAMPTZ},
                 {"bigint", FORM_UNIX},
                 {"integer", FORM_UNIX},
                 {"numeric", FORM_UNIX},
                 {"double precision", FORM_UNIX}};
    char **types = statement < t->statement_count ? t->parameter_types[statement] : NULL;

    for (size_t i = 1; types && i < number && *types; i++)
        types++;
    for (size_t i = 0; types && *types && i < sizeof known / sizeof *known; i++)
        if (strcmp(*types, known[i].type) == 0)
            return known[i].form;
    return -1;
}

static bool is_of_form(const struct column *c, int form)
{
    return c->form == form || (form == FORM_UNIX && c->form == FORM_UNIX_MS);
}

static void put_wall(struct bound *b, const struct table *t, int64_t at)
{
    if (b->form != FORM_TIMESTAMP || !t->zone)
        return;
    free(b->text);
    b->text = xasprintf("%" PRId64, table_to_wall(t, at));
}

void statement_time(struct bound *b, const struct attempt *a, size_t statement, size_t number, int64_t at)
{
    static const int64_t ms_from = 100000000000; /* seconds reach this in the year 5138 */
    const struct table *t = a->job->table;
    const char *like = NULL;
    char text[TIMESTAMP_SIZE];
    size_t i = column_of(a, a->job->config->statements[statement].sql, number, &like);
    int form = form_of_type(t, statement, number);

    if (form >= 0 && (i == t->column_count || !is_of_form(&t->columns[i], form))) {
        b->form = form;
        put_wall(b, t, at);
        return;
    }
    if (i == t->column_count)
        return;
    b->form = t->columns[i].form;
    if (b->form == FORM_UNIX && t->columns[i].may_be_ms && like && strtoll(like, NULL, 10) > ms_from)
        b->form = FORM_UNIX_MS;
    put_wall(b, t, at);
    bool dated = b->form == FORM_UNIX && t->columns[i].may_be_ms && row_time_is_date(like);
    if ((b->form != FORM_TIME_TEXT && !dated) || row_time_like(t, like, at, text) < 0)
        return;
    free(b->text);
    b->text = xstrdup(text);
    b->type = RENEWD_TEXT;
}
