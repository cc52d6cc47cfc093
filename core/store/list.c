/* SPDX-License-Identifier: MIT
 * See list.h.
 */
#include "core/store/list.h"

#include "core/base/cleanup.h"

enum { LIST_MAX = 64 * 1024 * 1024 };

static void sql_append_quoted(struct buf *to, const char *text, bool json)
{
    buf_char(to, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            buf_char(to, '\\');
            buf_char(to, (char)c);
        } else if (json && c < 0x20) {
            buf_printf(to, "\\u%04x", c);
        } else {
            buf_char(to, (char)c);
        }
    }
    buf_char(to, '"');
}

int list_add(const struct db *db, struct args *a, const char *const *texts, size_t count)
{
    bool pg = db_is_postgresql(db);
    cleanup(buf_done) struct buf all = {0};
    buf_init(&all, LIST_MAX);
    buf_char(&all, pg ? '{' : '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_char(&all, ',');
        sql_append_quoted(&all, texts[i], !pg);
    }
    buf_char(&all, pg ? '}' : ']');
    return args_own(a, buf_steal(&all));
}

void list_put_in(const struct db *db, const char *expression, int number, struct buf *sql)
{
    if (db_is_postgresql(db))
        buf_printf(sql, "%s = ANY($%d)", expression, number);
    else
        buf_printf(sql, "%s IN (SELECT value FROM json_each($%d))", expression, number);
}

void list_put_pairs(const struct db *db, int first, int second, struct buf *sql)
{
    if (db_is_postgresql(db))
        buf_printf(sql, "unnest($%d::text[], $%d::text[]) AS u(a, b)", first, second);
    else
        buf_printf(sql,
                   "(SELECT x.value AS a, y.value AS b FROM json_each($%d) x"
                   " JOIN json_each($%d) y ON y.key = x.key) AS u",
                   first, second);
}
