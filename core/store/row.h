/* SPDX-License-Identifier: MIT
 * A user's row in SQL: reading it in normalised form, and writing its columns. Inside core/store only, by
 * discovery, claims, commits and imports, so that all of them see the same bytes and the same hash.
 */
#ifndef CORE_STORE_ROW_H
#define CORE_STORE_ROW_H

#include "core/base/buf.h"
#include "core/store/db.h"
#include "core/store/table.h"

/* "schema"."table", or renewd's own table. To be run with db_exec. */
void table_quoted(const struct db *db, const struct table *t, struct buf *sql);
/* Appends "<key> = $n", and for renewd's own table " AND job = $m" too; m is the number of a parameter
 * that holds table->job, used only when table->own. */
void row_where_key(const struct db *db, const struct table *t, int key_param, int job_param,
                   struct buf *sql);

/* The columns to read: the key first, then each column normalised. For SELECT and RETURNING alike. */
void row_select_list(const struct db *db, const struct table *t, struct buf *sql);
size_t row_select_columns(const struct table *t);
/* Fills *ret, which the caller ends with row_done, from row_select_columns() columns at first_column. */
int row_from_result(const struct db *db, const struct table *t, const struct db_result *r, size_t row,
                    size_t first_column, struct row *ret);

/* A value for a column, as parameter text: times as Unix seconds go in, and come out as the column wants
 * them (text times in the form of `was`, which may be NULL). NULL stays NULL. malloc'd; wipe_free. */
char *row_value_text(const struct table *t, int column, const struct cell *was, const char *text);
/* The expression by which $parameter (row_value_text's) becomes the column's value. */
void row_write_expression(const struct db *db, const struct table *t, int column, int parameter,
                          struct buf *sql);

/* One column to be written, by statement parameter. */
struct row_set {
    int column;    /* index in the table */
    int parameter; /* $n, holding row_value_text's text */
};
/* Appends "a = ..., b = ..."; the members of renewd's own JSON column come as one assignment. */
void row_set_list(const struct db *db, const struct table *t, const struct row_set *sets, size_t count,
                  struct buf *sql);

#endif
