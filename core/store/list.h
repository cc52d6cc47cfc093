/* SPDX-License-Identifier: MIT
 * A list of texts as one statement parameter: an array literal on PostgreSQL, a JSON array on SQLite. Inside
 * core/store only.
 */
#ifndef CORE_STORE_LIST_H
#define CORE_STORE_LIST_H

#include "core/base/buf.h"
#include "core/db/parameters.h"

enum { LIST_BYTES_MAX = 64 * 1024 * 1024 };

/* Appends one more text to a list that is put together (NULL = SQL NULL); the closing bracket is the caller's. */
void list_put_text(const struct db *db, const char *text, struct buf *list);
/* Adds the parameter and returns its number. */
int list_add(const struct db *db, struct args *a, const char *const *texts, size_t count);
/* Appends "(expression) IN the list of $number"; the comparison has the expression's type. */
void list_put_in(const struct db *db, const char *expression, int number, struct buf *sql);
/* Appends a FROM item named u with the columns a and b: the two lists side by side. */
void list_put_pairs(const struct db *db, int first, int second, struct buf *sql);

#endif
