/* SPDX-License-Identifier: MIT
 * How long a value of a user's row may be. The database checks the length before it sends a value. A longer value
 * is not sent; the row reports its column and its length instead. See user_row.h.
 */
#include "core/store/user_row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/rules/ident.h"

enum {
    SECRET_MAX = 1024 * 1024, /* an access token that is about to be replaced may be any value */
    NAME_MAX = 16 * 1024,     /* account and owner, which renewd keeps in its own rows as well */
    NUMBER_MAX = 1024,
    OTHER_MAX = 64 * 1024,
};

size_t row_value_max(const struct column *c)
{
    if (c->type == VALUE_SECRET || c->credential)
        return SECRET_MAX;
    if (c->type == VALUE_TIME || c->type == VALUE_INTEGER)
        return NUMBER_MAX;
    return c->core && strcmp(c->slot, "status") != 0 ? NAME_MAX : OTHER_MAX;
}

bool row_key_may_be_long(const struct db *db, const struct table *t)
{
    static const char *const texts[] = {"text", "character", "citext", "bytea", "\"char\"", "name"};
    if (t->own)
        return false;
    if (!db_is_postgresql(db))
        return true;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (!strncmp(t->key_type, texts[i], strlen(texts[i])))
            return true;
    return false;
}

void row_put_key_length(const struct db *db, const struct table *t, struct buf *sql)
{
    buf_text(sql, db_is_postgresql(db) ? "octet_length(CAST(" ROW_TABLE : "length(CAST(" ROW_TABLE);
    ident_quote(t->key, sql);
    buf_text(sql, db_is_postgresql(db) ? " AS text))" : " AS blob))");
}

/* Values in another table are cut there; renewd's own rows were limited when they were written; numbers and times
 * of PostgreSQL have a limited length. */
static bool may_be_long(const struct db *db, const struct table *t, const struct column *c)
{
    return !t->own && !c->lookup && !c->extra &&
           (!db_is_postgresql(db) || c->form == FORM_TEXT || c->form == FORM_TIME_TEXT);
}

/* A last_error that an application has written is not needed. */
static bool is_wanted(const struct column *c)
{
    return c->hashed || !c->core || !strcmp(c->slot, "status");
}

static void sql_append_length(const struct db *db, const struct column *c, const char *of, struct buf *sql)
{
    buf_printf(sql, db_is_postgresql(db) ? "octet_length(CAST(%s" : "length(CAST(%s", of);
    ident_quote(c->name, sql);
    buf_text(sql, db_is_postgresql(db) ? " AS text))" : " AS blob))");
}

bool row_put_bound(const struct db *db, const struct table *t, const struct column *c, const char *of,
                   struct buf *sql)
{
    if (!may_be_long(db, t, c))
        return false;
    buf_text(sql, "CASE WHEN ");
    sql_append_length(db, c, of, sql);
    buf_printf(sql, " <= %zu THEN ", row_value_max(c));
    return true;
}

void row_put_lengths(const struct db *db, const struct table *t, const char *of, struct buf *sql)
{
    buf_text(sql, ", ''");
    for (size_t i = 0; i < t->column_count; i++) {
        const struct column *c = &t->columns[i];
        if (!may_be_long(db, t, c) || !is_wanted(c))
            continue;
        buf_text(sql, " || CASE WHEN ");
        sql_append_length(db, c, of, sql);
        buf_printf(sql, " > %zu THEN '%zu:' || ", row_value_max(c), i);
        sql_append_length(db, c, of, sql);
        buf_text(sql, " || ' ' ELSE '' END");
    }
}

/* "3:262144000 ": of the first such column. */
char *row_too_long(const struct table *t, const char *lengths)
{
    char *end = NULL;
    size_t column = lengths && *lengths ? strtoul(lengths, &end, 10) : t->column_count;
    if (column >= t->column_count || !end || *end != ':')
        return NULL;
    const struct column *c = &t->columns[column];
    return xasprintf("column \"%s\" holds %llu bytes, and renewd reads at most %zu: correct the value", c->name,
                     strtoull(end + 1, NULL, 10), row_value_max(c));
}
