/* SPDX-License-Identifier: MIT
 * Statements that take many rows at once. On PostgreSQL the rows are one FROM item, an array for each column, so
 * that 500 rows cost one round trip and one plan; on SQLite, where neither costs much, the statement runs once for
 * each row. Inside core/store only.
 */
#ifndef CORE_STORE_MANY_H
#define CORE_STORE_MANY_H

#include "core/db/parameters.h"

enum { MANY_COLUMNS = 64 };

/* The FROM item is named renewd_u. Its columns are the given ones, and on PostgreSQL `renewd_at`, a row's number
 * from 1. */
struct many_column {
    char name[20];
    bool number; /* a bigint; else a text */
};

struct many {
    struct db *db;
    struct many_column columns[MANY_COLUMNS];
    size_t column_count;
    size_t values;                  /* that were added, row after row */
    struct buf lists[MANY_COLUMNS]; /* PostgreSQL: the arrays */
    struct args args;               /* SQLite: the values */
    bool failed;
};

/* columns must not be more than MANY_COLUMNS. */
void many_begin(struct many *m, struct db *db, const struct many_column *columns, size_t count);
/* A row is added value by value, in the order of the columns. Texts are copied; NULL = SQL NULL. */
void many_text(struct many *m, const char *text);
void many_bytes(struct many *m, const char *text, size_t len);
void many_number(struct many *m, int64_t number);
size_t many_rows(const struct many *m);
/* Appends "p.a, p.b, ..."; prefix "" = without one. */
void many_put_names(const struct many *m, const char *prefix, struct buf *sql);
/* Runs "BEFORE the FROM item AFTER". Without rows nothing is run. *ret is set on PostgreSQL alone; ret may be NULL. */
int many_exec(struct many *m, const char *before, const char *after, struct db_result **ret, struct error *e);
void many_done(struct many *m);

#endif
