/* SPDX-License-Identifier: MIT
 * See list.h.
 */
#include "core/store/list.h"

#include <string.h>

#include "core/base/cleanup.h"

static void sql_append_quoted(struct buf *to, const char *text, bool json)
{
    static const char escaped[] = "\"\\\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
                                  "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f";

    buf_char(to, '"');
    while (*text) {
        size_t plain = strcspn(text, json ? escaped : "\"\\");
        buf_append(to, text, plain);
        text += plain;
        if (*text == '"' || *text == '\\')
            buf_printf(to, "\\%c", *text++);
        else if (*text)
            buf_printf(to, "\\u%04x", (unsigned char)*text++);
    }
    buf_char(to, '"');
}

void list_put_text(const struct db *db, const char *text, struct buf *list)
{
    bool pg = db_is_postgresql(db);
    buf_char(list, list->len ? ',' : pg ? '{' : '[');
    if (text)
        sql_append_quoted(list, text, !pg);
    else
        buf_text(list, pg ? "NULL" : "null");
}

int list_add(const struct db *db, struct args *a, const char *const *texts, size_t count)
{
    bool pg = db_is_postgresql(db);
    cleanup(buf_done) struct buf all = {0};
    buf_init(&all, LIST_BYTES_MAX);
    for (size_t i = 0; i < count; i++)
        list_put_text(db, texts[i], &all);
    if (!count)
        buf_char(&all, pg ? '{' : '[');
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
