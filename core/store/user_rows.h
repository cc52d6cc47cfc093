/* SPDX-License-Identifier: MIT
 * Several rows of a job's table, or several of renewd's records, in one statement. Inside core/store only, by
 * discovery, claims and the sweep.
 */
#ifndef CORE_STORE_USER_ROWS_H
#define CORE_STORE_USER_ROWS_H

#include "core/db/parameters.h"
#include "core/store/store.h"
#include "core/store/user_row.h"

enum { ROWS_SQL_MAX = 256 * 1024, SLOW_MAX = 12 };

/* Begins "SELECT <row> FROM <table> AS renewd_t WHERE <filter>"; conditions may follow with AND. In ORDER BY the
 * key must be qualified: PostgreSQL takes a bare name for the key's text in the select list. */
void rows_begin(const struct db *db, const struct table *t, struct args *a, struct buf *sql);
/* db_exec, within the caller's time if db->timed is set. */
int rows_exec(struct db *db, const char *sql, const struct args *a, struct db_result **ret, struct error *e);
/* Runs it. The list is the caller's: rows_free. */
int rows_read(struct db *db, const struct table *t, const struct args *a, const char *sql, struct row **ret,
              size_t *ret_count, struct error *e);
/* The error concerns a row's contents, or the time the query takes: other rows can be read. */
bool rows_one_of(const struct db *db, int result);
/* Those of the keys that exist and are inside the filter, in any order. Outside of transactions an unreadable row
 * is included, as unfit. */
int rows_of_keys(struct db *db, const struct table *t, const char *const *keys, size_t count, struct row **ret,
                 size_t *ret_count, struct error *e);
void rows_free(struct row *rows, size_t count);

/* ret has count entries, zeroed where no record is known. */
int records_of_keys(struct db *db, const char *source, const char *const *keys, size_t count, struct record *ret,
                    struct error *e);

#endif
