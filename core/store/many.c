/* SPDX-License-Identifier: MIT
 * See many.h.
 */
#include "core/store/many.h"

#include <errno.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/digits.h"
#include "core/store/list.h"

enum { SQL_MAX = 512 * 1024 };

void many_begin(struct many *m, struct db *db, const struct many_column *columns, size_t count)
{
    memset(m, 0, sizeof(*m));
    m->db = db;
    m->column_count = count;
    memcpy(m->columns, columns, count * sizeof(*columns));
    for (size_t i = 0; i < count; i++)
        buf_init(&m->lists[i], LIST_BYTES_MAX);
}

void many_done(struct many *m)
{
    for (size_t i = 0; i < m->column_count; i++)
        buf_done(&m->lists[i]);
    args_done(&m->args);
    memset(m, 0, sizeof(*m));
}

void many_bytes(struct many *m, const char *text, size_t len)
{
    size_t at = m->values++ % m->column_count;

    if (text && memchr(text, '\0', len))
        m->failed = true; /* PostgreSQL takes none; the list would be cut there */
    if (db_is_postgresql(m->db)) {
        list_put_text(m->db, text, &m->lists[at]);
        return;
    }
    args_own(&m->args, text ? xstrndup(text, len) : NULL);
    m->args.params[m->args.count - 1].integer = m->columns[at].number;
}

void many_text(struct many *m, const char *text)
{
    many_bytes(m, text, text ? strlen(text) : 0);
}

void many_number(struct many *m, int64_t number)
{
    char text[DIGITS_SIZE];

    digits_of(number, text);
    if (db_is_postgresql(m->db)) {
        many_text(m, text);
        return;
    }
    m->values++;
    args_own(&m->args, xstrdup(text));
    m->args.params[m->args.count - 1].integer = true;
}

size_t many_rows(const struct many *m)
{
    return m->values / m->column_count;
}

void many_put_names(const struct many *m, const char *prefix, struct buf *sql)
{
    for (size_t i = 0; i < m->column_count; i++)
        buf_printf(sql, "%s%s%s", i ? ", " : "", prefix, m->columns[i].name);
}

static void put_arrays(const struct many *m, struct buf *sql)
{
    buf_text(sql, " unnest(");
    for (size_t i = 0; i < m->column_count; i++)
        buf_printf(sql, "%s$%zu::%s[]", i ? ", " : "", i + 1, m->columns[i].number ? "bigint" : "text");
    buf_text(sql, ") WITH ORDINALITY AS renewd_u(");
    many_put_names(m, "", sql);
    buf_text(sql, ", renewd_at) ");
}

static void put_one(const struct many *m, struct buf *sql)
{
    buf_text(sql, " (SELECT ");
    for (size_t i = 0; i < m->column_count; i++)
        buf_printf(sql, "%s$%zu AS %s", i ? ", " : "", i + 1, m->columns[i].name);
    buf_text(sql, ") AS renewd_u ");
}

static int exec_arrays(struct many *m, const char *sql, struct db_result **ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};

    for (size_t i = 0; i < m->column_count; i++) {
        buf_char(&m->lists[i], '}');
        m->failed = m->failed || m->lists[i].failed;
        args_add(&a, m->lists[i].data, m->lists[i].len);
    }
    if (m->failed)
        return error_set(e, -EINVAL, "PostgreSQL: a text that holds a NUL, or too many values for one statement");
    return db_exec(m->db, sql, a.params, a.count, ret, e);
}

int many_exec(struct many *m, const char *before, const char *after, struct db_result **ret, struct error *e)
{
    cleanup(buf_done) struct buf sql = {0};
    size_t rows = many_rows(m);
    int64_t ignored = 0;

    if (rows == 0)
        return 0;
    buf_init(&sql, SQL_MAX);
    buf_text(&sql, before);
    if (db_is_postgresql(m->db))
        put_arrays(m, &sql);
    else
        put_one(m, &sql);
    buf_text(&sql, after);
    if (sql.failed)
        return error_set(e, -ENOBUFS, "a statement of renewd itself is too long");
    if (db_is_postgresql(m->db))
        return exec_arrays(m, sql.data, ret, e);
    if (rows == 1) /* a kept statement */
        return db_exec(m->db, sql.data, m->args.params, m->column_count, NULL, e);
    return db_exec_each(m->db, sql.data, m->args.params, m->column_count, rows, &ignored, e);
}
