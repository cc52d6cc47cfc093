/* SPDX-License-Identifier: MIT
 * A user's row in SQL: reading it in normalised form, and the expression that writes a column. Inside core/store
 * only, by discovery, claims, commits and imports, so that all of them see the same bytes and the same hash.
 */
#ifndef CORE_STORE_USER_ROW_H
#define CORE_STORE_USER_ROW_H

#include "core/base/buf.h"
#include "core/db/db.h"
#include "core/db/parameters.h"
#include "core/rules/record.h"
#include "core/store/store.h"
#include "core/store/user_table.h"

/* Put before a column's name: SQLite reads a quoted name without a column as a text, unless its table is named. */
#define ROW_TABLE "renewd_t."

/* "schema"."table", or renewd's own table. Run with db_exec. */
void table_quoted(const struct db *db, const struct table *t, struct buf *sql);

/* The columns to read: the key first, then each column normalised. For SELECT and RETURNING. With lookups, values
 * in another table are read too, and the table must be AS renewd_t; without, they are NULL (they are not part of a
 * row's hash). */
void row_select_list(const struct db *db, const struct table *t, bool lookups, struct buf *sql);
/* How many bytes of a column are read; a longer value makes its row unfit. */
size_t row_value_max(const struct column *c);
/* Begins a CASE that gives the value if it is not too long; the caller appends " END". false: none is needed. */
bool row_put_bound(const struct db *db, const struct table *t, const struct column *c, const char *of,
                   struct buf *sql);
/* A last expression, ", ...": the values that are too long, for row_too_long(). */
void row_put_lengths(const struct db *db, const struct table *t, const char *of, struct buf *sql);
/* A sentence about it, or NULL. */
char *row_too_long(const struct table *t, const char *lengths);
/* Computes its hash, and whether it is outside `only`, from its cells. */
int row_complete(const struct table *t, struct row *row);
/* For the table's key: texts can be longer than a record's name may be. */
bool row_key_may_be_long(const struct db *db, const struct table *t);
void row_put_key_length(const struct db *db, const struct table *t, struct buf *sql);
/* Fills *ret, which the caller frees with row_done, from the columns of row_select_list() at first_column. */
int row_from_result(const struct db *db, const struct table *t, const struct db_result *r, size_t row,
                    size_t first_column, struct row *ret);
/* Appends `before` and the text as a parameter. */
void row_put_text(const char *text, const char *before, struct args *a, struct buf *sql);
/* What is compared with the values of `only`, in the way of the database: CAST(col AS text), or the column itself. */
void row_put_only(const struct only *o, const char *of, struct buf *sql);
/* " AND CAST(col AS text) IN (...)" for each `only` but the status; for renewd's own table its job. of: ROW_TABLE,
 * or "" where the table has no such name. */
void row_put_filter(const struct table *t, const char *of, struct args *a, struct buf *sql);

/* The expression that turns the parameter into the column's value: times are Unix seconds, except FORM_TIME_TEXT,
 * whose text is written as it is. Not for members of renewd's JSON column. */
void row_write_expression(const struct db *db, const struct column *column, const struct args *a, int parameter,
                          struct buf *sql);

/* user_row_times.c. Where a row holds what renewd wrote in an hour that the clock repeats, renewd's own time
 * counts. */
void row_own_instants(const struct table *t, struct row *row, const struct record *known);
/* A number below 1000000000 where a point in time is meant. */
bool row_holds_length(const struct table *t, const struct row *row, size_t column);
/* A text where a time is meant that a refresh would write: an empty one, or infinity, is an unknown time. */
bool row_holds_no_time(const struct table *t, const struct row *row, size_t column);
/* Why none of the rows tells a time: all values of a column are lengths. NULL: some do, or there are none. */
char *rows_of_lengths(const struct table *t, const struct row *rows, size_t count);

#endif
