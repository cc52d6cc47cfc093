/* SPDX-License-Identifier: MIT
 * Commits for the storage tests: made from a row as it stands, as the engine makes them.
 */
#ifndef TESTS_STORE_COMMITS_H
#define TESTS_STORE_COMMITS_H

#include "tests/store/kit.h"

/* A row of a table made by kit_accounts, with the tokens "access-ID" and "refresh-ID". */
void account_put(struct db *db, const char *table, const char *id, const char *expires_sql);
/* The attempt `attempt` on the record, its credential known and leased to it; outcome ok, nothing
 * set. */
struct commit *commit_of(struct db *db, const struct table *t, const char *id, const char *attempt);
/* A new pair: "access-new-ID" and "refresh-new-ID", ending at `expires_at`. */
void commit_new_pair(struct commit *c, int64_t expires_at);
/* A failure with a text for last_error. */
void commit_failure(struct commit *c, int outcome, const char *text);
void commit_put(struct commit *c, const char *slot, const char *text);
/* A statement with up to three parameters of their types, ended by a type of 0. */
void commit_run(struct commit *c, const char *name, const char *sql, int rows, ...);
void commit_once(struct commit *c, const char *key);
/* store_commit of one; its result. */
int commit_one(struct db *db, struct commit *c);

#endif
