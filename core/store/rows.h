/* SPDX-License-Identifier: MIT
 * Several rows of a job's table, or several of renewd's records, at once. Inside core/store only, by
 * discovery, claims and the sweep.
 */
#ifndef CORE_STORE_ROWS_H
#define CORE_STORE_ROWS_H

#include "core/store/args.h"
#include "core/store/row.h"
#include "core/store/store.h"

enum { ROWS_SQL_MAX = 256 * 1024 };

/* Begins "SELECT <row> FROM <table> AS renewd_t WHERE <filter>"; conditions may follow with AND. In ORDER BY
 * the key must be qualified: PostgreSQL takes a bare name for the key's text in the list before it. */
void rows_begin(const struct db *db, const struct table *t, struct args *a, struct buf *sql);
/* Runs it. The list is the caller's: rows_free. */
int rows_read(struct db *db, const struct table *t, const struct args *a, const char *sql,
              struct row **ret, size_t *ret_count, struct error *e);
/* Those of the keys that are there and inside the filter, in any order. */
int rows_of_keys(struct db *db, const struct table *t, const char *const *keys, size_t count,
                 struct row **ret, size_t *ret_count, struct error *e);
void rows_free(struct row *rows, size_t count);

/* ret has count entries, zeroed where no record is known. */
int records_of_keys(struct db *db, const char *source, const char *const *keys, size_t count,
                    struct record *ret, struct error *e);

#endif
