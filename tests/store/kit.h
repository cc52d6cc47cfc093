/* SPDX-License-Identifier: MIT
 * What the storage tests share: an empty database of the driver under test, short ways to run SQL,
 * and a table of accounts. The driver comes from RENEWD_TEST_STORE and RENEWD_TEST_DSN (a path for
 * SQLite).
 */
#ifndef TESTS_STORE_KIT_H
#define TESTS_STORE_KIT_H

#include "core/db/db.h"
#include "core/store/store.h"
#include "tests/unit/runner.h"

bool kit_postgresql(void);
/* The suite's name with the driver in it, for run_tests. */
const char *kit_suite(const char *name);
struct store_options kit_options(void);

/* Another connection, nothing emptied. */
struct db *kit_open(void);
/* A connection to an emptied and migrated database. */
struct db *kit_fresh(void);

/* Ends the process with a message when it fails. */
void kit_sql(struct db *db, const char *sql, ...) __attribute__((format(printf, 2, 3)));
/* The first value of the answer, malloc'd; NULL for SQL NULL and for no row. */
char *kit_value(struct db *db, const char *sql, ...) __attribute__((format(printf, 2, 3)));
/* Whether that value is `expected` (NULL: is NULL); prints both when not. */
bool kit_is(struct db *db, const char *expected, const char *sql, ...) __attribute__((format(printf, 3, 4)));

/* Makes the table NAME: id of key_type, account, access_token, refresh_token (the credential),
 * expires_at of time_type, status, last_error. */
void kit_accounts(struct db *db, const char *name, const char *key_type, const char *time_type);
/* Resolves it for the job "kit". only: NULL, or the statuses that are the job's, NULL-terminated.
 */
struct table *kit_table(struct db *db, const char *name, const char *times, const char *const *only);

#endif
