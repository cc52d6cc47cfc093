/* SPDX-License-Identifier: MIT
 * Several rows of a job's table, or several of renewd's records, at once. Inside core/store only, by
 * discovery, claims and the sweep.
 */
#ifndef CORE_STORE_USER_ROWS_H
#define CORE_STORE_USER_ROWS_H

#include "core/db/parameters.h"
#include "core/store/store.h"
#include "core/store/user_row.h"

enum { ROWS_SQL_MAX = 256 * 1024, SLOW_MAX = 12 };

/* Begins "SELECT <row> FROM <table> AS renewd_t WHERE <filter>"; conditions may follow with AND. In ORDER BY
 * the key must be qualified: PostgreSQL takes a bare name for the key's text in the list before it. */
void rows_begin(const struct db *db, const struct table *t, struct args *a, struct buf *sql);
/* db_exec, within the time of the caller where db->timed says so. */
int rows_exec(struct db *db, const char *sql, const struct args *a, struct db_result **ret, struct error *e);
/* Runs it. The list is the caller's: rows_free. */
int rows_read(struct db *db, const struct table *t, const struct args *a, const char *sql, struct row **ret,
              size_t *ret_count, struct error *e);
/* The refusal is about what a row holds, or how long it takes: others can be read. */
bool rows_one_of(const struct db *db, int result);
/* Those of the keys that are there and inside the filter, in any order. Outside of transactions one that cannot
 * be read is there too, as unfit. */
int rows_of_keys(struct db *db, const struct table *t, const char *const *keys, size_t count, struct row **ret,
                 size_t *ret_count, struct error *e);
void rows_free(struct row *rows, size_t count);

/* ret has count entries, zeroed where no record is known. */
int records_of_keys(struct db *db, const char *source, const char *const *keys, size_t count, struct record *ret,
                    struct error *e);

#endif
