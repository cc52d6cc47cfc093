/* SPDX-License-Identifier: MIT
 * Rows of text, from either driver. Values may be tokens, so all memory is wiped when freed.
 */
#include "core/db/db.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"

struct value {
    char *text; /* NULL = SQL NULL */
    size_t len;
};

struct db_result {
    struct value *values; /* row after row */
    size_t columns, rows, cap;
    int64_t affected;
};

struct db_result *db_result_new(size_t columns)
{
    struct db_result *r = xcalloc(1, sizeof(*r));
    r->columns = columns;
    return r;
}

void db_result_add_row(struct db_result *r, const char *const *values, const size_t *lens)
{
    if (r->rows == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 8;
        r->values = xrealloc(r->values, r->cap * (r->columns + 1) * sizeof(*r->values));
    }
    struct value *row = r->values + r->rows * r->columns;
    for (size_t i = 0; i < r->columns; i++) {
        row[i] = (struct value){0};
        if (!values[i])
            continue;
        row[i].len = lens[i];
        row[i].text = xmalloc(lens[i] + 1);
        memcpy(row[i].text, values[i], lens[i]);
        row[i].text[lens[i]] = '\0';
    }
    r->rows++;
}

void db_result_set_affected(struct db_result *r, int64_t affected)
{
    r->affected = affected;
}

void db_result_free(struct db_result *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->rows * r->columns; i++) {
        if (r->values[i].text)
            explicit_bzero(r->values[i].text, r->values[i].len);
        free(r->values[i].text);
    }
    free(r->values);
    free(r);
}

void db_result_free_p(struct db_result **r)
{
    db_result_free(*r);
}

size_t db_rows(const struct db_result *r)
{
    return r->rows;
}

int64_t db_affected(const struct db_result *r)
{
    return r->affected;
}

static const struct value *value_at(const struct db_result *r, size_t row, size_t column)
{
    static const struct value null_value;
    if (row >= r->rows || column >= r->columns)
        return &null_value;
    return &r->values[row * r->columns + column];
}

const char *db_text(const struct db_result *r, size_t row, size_t column)
{
    return value_at(r, row, column)->text;
}

char *db_copy(const struct db_result *r, size_t row, size_t column)
{
    return xstrdup_or_null(db_text(r, row, column));
}

size_t db_len(const struct db_result *r, size_t row, size_t column)
{
    return value_at(r, row, column)->len;
}

int64_t db_integer(const struct db_result *r, size_t row, size_t column)
{
    const char *text = db_text(r, row, column);
    return text ? strtoll(text, NULL, 10) : 0;
}
