/* SPDX-License-Identifier: MIT
 * Spent credentials: the newest one of a chain, and how many rows an account leaves.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/secret.h"
#include "core/store/history.h"
#include "tests/store/commits.h"

/* A chain is followed to its end, a ring is not followed for ever. */
static void successors(void)
{
    struct db *db = kit_fresh();
    struct error e = {{0}};
    char newest[FINGERPRINT_SIZE], *sealed = NULL;

    for (int i = 0; i < 20; i++)
        kit_sql(db, "INSERT INTO {credentials} (fingerprint, successor) VALUES ('f%d', 'f%d')", i, i + 1);
    kit_sql(db, "INSERT INTO {credentials} (fingerprint, sealed) VALUES ('f20', 'last')");
    CU_ASSERT_EQUAL(store_successor(db, "f0", newest, &sealed, &e), 0);
    CU_ASSERT_STRING_EQUAL(newest, "f20");
    CU_ASSERT_STRING_EQUAL(sealed, "last");
    wipe_free(sealed);
    CU_ASSERT_EQUAL(store_successor(db, "f20", newest, &sealed, &e), -ENOENT);
    CU_ASSERT_EQUAL(store_successor(db, "unknown", newest, &sealed, &e), -ENOENT);
    kit_sql(db, "UPDATE {credentials} SET successor = 'f0' WHERE fingerprint = 'f20'");
    CU_ASSERT_EQUAL(store_successor(db, "f0", newest, &sealed, &e), -ENOENT);
    db_close(db);
}

/* An account that rotates each hour, a thousand times; spent credentials are known for two days. */
static void spent_are_bounded(void)
{
    enum { ROTATIONS = 1000, HOUR = 3600, KEEP = 48 };
    struct db *db = kit_fresh();
    struct error e = {{0}};
    char attempt[24], newest[FINGERPRINT_SIZE], *sealed = NULL;
    int64_t most = 0;

    kit_accounts(db, "acc", "text", kit_postgresql() ? "timestamptz" : "integer");
    struct table *t = kit_table(db, "acc", "auto", NULL);
    account_put(db, "acc", "5", "NULL");
    for (int i = 0; i < ROTATIONS; i++) {
        snprintf(attempt, sizeof(attempt), "rotation-%d", i);
        struct commit *c = commit_of(db, t, "5", attempt);
        kit_sql(db, "DELETE FROM {credentials} WHERE fingerprint = 'fp-5'"); /* commit_of() makes it */
        commit_new_pair(c, 1795269600);
        snprintf(c->before.fingerprint, FINGERPRINT_SIZE, "spent-%d", i);
        snprintf(c->after.fingerprint, FINGERPRINT_SIZE, "spent-%d", i + 1);
        c->finished_at = (int64_t)(i + 1) * HOUR;
        CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
        commit_free(c);
        bool more = true;
        while (more)
            CU_ASSERT_EQUAL_FATAL(store_history_trim(db, 0, (int64_t)(i + 1 - KEEP) * HOUR, &more, &e), 0);
        char *rows = kit_value(db, "SELECT count(*) FROM {credentials}");
        most = atoll(rows) > most ? atoll(rows) : most;
        free(rows);
    }
    printf("# %d rotations, at most %lld rows\n", ROTATIONS, (long long)most);
    CU_ASSERT_EQUAL(most, KEEP + 2); /* and the newest, and the one that is as old as that */
    CU_ASSERT_EQUAL(store_successor(db, "spent-951", newest, &sealed, &e), 0);
    CU_ASSERT_STRING_EQUAL(newest, "spent-1000");
    wipe_free(sealed);
    CU_ASSERT_EQUAL(store_successor(db, "spent-950", newest, &sealed, &e), -ENOENT);
    table_free(t);
    db_close(db);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"successors", successors},
        {"rotations leave a bounded number of rows", spent_are_bounded},
        {NULL, NULL},
    };

    return run_tests(kit_suite("store_spent"), tests);
}
