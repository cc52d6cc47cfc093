/* SPDX-License-Identifier: MIT
 * The statements of many commits: each record's effects happen once, together with its own rows, whether they are run
 * together or alone; one that is refused or locked costs no other record anything.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <renewd/plugin.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "tests/store/commits.h"

enum { MANY = 500, WITHOUT = 123, ANOTHER = 321 };

static const char pay[] =
    "-- $1 user; it's the amount: $2\nUPDATE wallets SET found = found + CAST($2 AS numeric)\n"
    "WHERE id = $1 -- one's own";
static const char note[] = "INSERT INTO notes (who, word, n, at) VALUES ($1, $2, $3, $4);\n";

struct batch {
    struct db *db;
    struct table *t;
    struct commit *list[MANY];
    size_t count;
};

static void batch_begin(struct batch *b, const char *key_type, size_t count)
{
    bool pg = kit_postgresql();
    char id[64], key[80];

    *b = (struct batch){.db = kit_fresh(), .count = count};
    kit_accounts(b->db, "acc", key_type, pg ? "timestamptz" : "integer");
    b->t = kit_table(b->db, "acc", "auto", NULL);
    kit_sql(b->db, "CREATE TABLE wallets (id %s PRIMARY KEY, found numeric NOT NULL)", key_type);
    kit_sql(b->db, "CREATE TABLE notes (who %s, word text, n bigint, at %s, said text)", key_type,
            pg ? "timestamp" : "integer");
    if (pg) { /* what the client's statement is */
        kit_sql(b->db, "CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS"
                       " $$ BEGIN NEW.said = left(current_query(), 3); RETURN NEW; END $$");
        kit_sql(b->db, "CREATE TRIGGER say BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION say()");
    }
    for (size_t i = 0; i < count; i++) {
        snprintf(id, sizeof id, strcmp(key_type, "uuid") ? "%zu" : "6fa459ea-ee8a-3ca4-894e-db77e160%04zu",
                 1000 + i);
        snprintf(key, sizeof key, "month/%s", id);
        account_put(b->db, "acc", id, "NULL");
        kit_sql(b->db, "INSERT INTO wallets VALUES ('%s', 5)", id);
        snprintf(key + 64, sizeof key - 64, "attempt-%zu", i);
        struct commit *c = b->list[i] = commit_of(b->db, b->t, id, key + 64);
        c->touches_row = false;
        commit_run(c, "pay", pay, RENEWD_ROWS_ONE, RENEWD_TEXT, id, RENEWD_TEXT, "100", 0);
        commit_once(c, key);
        commit_run(c, "note", note, RENEWD_ROWS_ONE, RENEWD_TEXT, id, RENEWD_TEXT, i % 3 ? "it's \\ \"so\"" : NULL,
                   RENEWD_INTEGER, "7", RENEWD_TIME, "1795269600", 0);
        c->effects[2].bound[3].form = pg ? FORM_TIMESTAMP : FORM_UNIX;
    }
}

static void batch_end(struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        commit_free(b->list[i]);
    table_free(b->t);
    db_close(b->db);
}

static int write_all(struct batch *b)
{
    struct error e = {{0}};

    return store_commit(b->db, b->list, b->count, &e);
}

static void are_done(const struct batch *b, size_t except, size_t also_except)
{
    size_t wrong = 0;

    for (size_t i = 0; i < b->count; i++)
        if (b->list[i]->result != COMMIT_DONE && i != except && i != also_except && !wrong++)
            printf("# %zu: %d %s\n", i, b->list[i]->result, b->list[i]->why);
    CU_ASSERT_EQUAL(wrong, 0);
}

static void all_of_type(const char *key_type)
{
    struct batch b;

    batch_begin(&b, key_type, MANY);
    CU_ASSERT_EQUAL(write_all(&b), 0);
    are_done(&b, MANY, MANY);
    CU_ASSERT_TRUE(kit_is(b.db, "500", "SELECT count(*) FROM wallets WHERE found = 105"));
    CU_ASSERT_TRUE(kit_is(b.db, "500", "SELECT count(DISTINCT who) FROM notes"));
    CU_ASSERT_TRUE(kit_is(b.db, "333", "SELECT count(*) FROM notes WHERE word = 'it''s \\ \"so\"' AND n = 7"));
    CU_ASSERT_TRUE(kit_is(b.db, "167", "SELECT count(*) FROM notes WHERE word IS NULL"));
    CU_ASSERT_TRUE(kit_is(b.db, "500", "SELECT count(*) FROM {attempts}"));
    if (kit_postgresql()) {
        CU_ASSERT_TRUE(kit_is(b.db, "2026-11-21 14:00:00", "SELECT DISTINCT at FROM notes"));
        CU_ASSERT_TRUE(kit_is(b.db, "DO ", "SELECT DISTINCT said FROM notes")); /* not one at a time */
    }
    /* another attempt at the same month: what comes before its key happens, what comes after it does not */
    for (size_t i = 0; i < b.count; i++)
        b.list[i]->attempt_id[0] = 'A';
    CU_ASSERT_EQUAL(write_all(&b), 0);
    CU_ASSERT_TRUE(kit_is(b.db, "500", "SELECT count(*) FROM wallets WHERE found = 205"));
    CU_ASSERT_TRUE(kit_is(b.db, "500", "SELECT count(*) FROM notes"));
    /* the same attempts again */
    CU_ASSERT_EQUAL(write_all(&b), 0);
    CU_ASSERT_TRUE(kit_is(b.db, "500", "SELECT count(*) FROM wallets WHERE found = 205"));
    batch_end(&b);
}

static void all_once(void)
{
    all_of_type("text");
    all_of_type(kit_postgresql() ? "uuid" : "integer");
}

/* One of 500 has no wallet, and another's is locked by the application. */
static void two_of_many(void)
{
    struct batch b;
    struct db *application = NULL;

    batch_begin(&b, "text", MANY);
    kit_sql(b.db, "DELETE FROM wallets WHERE id = '%d'", 1000 + WITHOUT);
    if (kit_postgresql()) {
        application = kit_open();
        CU_ASSERT_EQUAL(db_begin(application, NULL), 0);
        kit_sql(application, "UPDATE wallets SET found = found WHERE id = '%d'", 1000 + ANOTHER);
        CU_ASSERT_EQUAL(write_all(&b), -EBUSY);
        CU_ASSERT_EQUAL(b.list[ANOTHER]->result, COMMIT_WAITING);
    } else {
        CU_ASSERT_EQUAL(write_all(&b), 0);
    }
    are_done(&b, WITHOUT, ANOTHER);
    CU_ASSERT_EQUAL(b.list[WITHOUT]->result, COMMIT_ROWS);
    CU_ASSERT_STRING_EQUAL(b.list[WITHOUT]->failed_effect, "pay");
    CU_ASSERT_PTR_NOT_NULL(strstr(b.list[WITHOUT]->why, "found no row for 1123"));
    CU_ASSERT_TRUE(kit_is(b.db, "0", "SELECT count(*) FROM {ledger} WHERE key = 'month/%d'", 1000 + WITHOUT));
    if (application) {
        CU_ASSERT_TRUE(kit_is(b.db, "498", "SELECT count(*) FROM wallets WHERE found = 105"));
        CU_ASSERT_TRUE(kit_is(b.db, "498", "SELECT count(*) FROM notes WHERE said = 'DO '"));
        db_rollback(application);
        db_close(application);
        CU_ASSERT_EQUAL(commit_one(b.db, b.list[ANOTHER]), COMMIT_DONE);
    }
    CU_ASSERT_TRUE(kit_is(b.db, "499", "SELECT count(*) FROM wallets WHERE found = 105"));
    CU_ASSERT_TRUE(kit_is(b.db, "499", "SELECT count(*) FROM notes"));
    CU_ASSERT_TRUE(kit_is(b.db, "499", "SELECT count(*) FROM {ledger}"));
    batch_end(&b);
}

/* Every second one is refused by a constraint. */
static void many_refused(void)
{
    struct batch b;
    size_t done = 0;

    batch_begin(&b, "text", 100);
    kit_sql(b.db, "CREATE UNIQUE INDEX once ON notes (who)");
    for (int i = 0; i < 100; i += 2)
        kit_sql(b.db, "INSERT INTO notes (who) VALUES ('%d')", 1000 + i);
    CU_ASSERT_EQUAL(write_all(&b), 0);
    for (size_t i = 0; i < b.count; i++) {
        CU_ASSERT_EQUAL(b.list[i]->result, i % 2 ? COMMIT_DONE : COMMIT_REJECTED);
        done += b.list[i]->result == COMMIT_DONE;
    }
    CU_ASSERT_EQUAL(done, 50);
    CU_ASSERT_TRUE(kit_is(b.db, "50", "SELECT count(*) FROM wallets WHERE found = 105"));
    CU_ASSERT_TRUE(kit_is(b.db, "50", "SELECT count(*) FROM {ledger}"));
    CU_ASSERT_TRUE(kit_is(b.db, "100", "SELECT count(*) FROM notes"));
    batch_end(&b);
}

/* Statements that a block does not take are run alone: one that returns rows, and one that is no single write. */
static void not_together(void)
{
    static const char *const others[] = {
        "UPDATE wallets SET found = found + CAST($2 AS numeric) WHERE id = $1 RETURNING found",
        "UPDATE wallets SET found = found + CAST($2 AS numeric) WHERE id = $1; -- and a word after it",
    };
    struct batch b;

    for (size_t k = 0; k < 2; k++) {
        batch_begin(&b, "text", 150);
        for (size_t i = 0; i < b.count; i++)
            b.list[i]->effects[0].sql = others[k];
        CU_ASSERT_EQUAL(write_all(&b), 0);
        are_done(&b, MANY, MANY);
        CU_ASSERT_TRUE(kit_is(b.db, "150", "SELECT count(*) FROM wallets WHERE found = 105"));
        CU_ASSERT_TRUE(kit_is(b.db, "150", "SELECT count(*) FROM notes"));
        batch_end(&b);
    }
}

/* A table of the user's changes under an open connection. */
static void other_types(void)
{
    struct batch b;

    if (!kit_postgresql())
        return;
    batch_begin(&b, "text", 100);
    CU_ASSERT_EQUAL(store_commit(b.db, b.list, 50, NULL), 0);
    kit_sql(b.db, "ALTER TABLE wallets ALTER id TYPE integer USING id::integer;");
    kit_sql(b.db, "ALTER TABLE notes ALTER who TYPE integer USING who::integer");
    CU_ASSERT_EQUAL(store_commit(b.db, b.list + 50, 50, NULL), 0);
    are_done(&b, MANY, MANY);
    CU_ASSERT_TRUE(kit_is(b.db, "100", "SELECT count(*) FROM wallets WHERE found = 105"));
    batch_end(&b);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"each record's effects happen once", all_once}, {"one without a wallet, another's locked", two_of_many},
        {"every second one is refused", many_refused},   {"statements that are run alone", not_together},
        {"a column gets another type", other_types},     {NULL, NULL},
    };

    return run_tests(kit_suite("store_commit_effects"), tests);
}
