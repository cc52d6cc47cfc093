/* SPDX-License-Identifier: MIT
 * Commits: every kind of key and time, the condition on the row, effects, what a refusal leaves,
 * halving.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <renewd/plugin.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "tests/store/commits.h"

#define EXPIRES 1795269600 /* 2026-11-21T14:00:00Z */

struct shape {
    const char *key_type, *id, *time_type, *times, *before, *expected;
};

/* The new pair stands in the row in its own form, and the record's hash is what the next look sees.
 */
static void check_shape(const struct shape *s)
{
    struct db *db = kit_fresh();
    struct row row = {0};
    struct record rec = {0};
    bool known = false;

    kit_accounts(db, "Conn Table", s->key_type, s->time_type);
    account_put(db, "Conn Table", s->id, s->before);
    struct table *t = kit_table(db, "\"Conn Table\"", s->times, NULL);
    struct commit *c = commit_of(db, t, s->id, "a1");
    commit_new_pair(c, EXPIRES);
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    char *access = xasprintf("access-new-%s", s->id);
    CU_ASSERT_TRUE(kit_is(db, access, "SELECT access_token FROM \"Conn Table\""));
    CU_ASSERT_TRUE(kit_is(db, s->expected, "SELECT CAST(expires_at AS text) FROM \"Conn Table\""));
    CU_ASSERT_EQUAL(store_row(db, t, s->id, &row, &rec, &known, NULL), 0);
    CU_ASSERT_TRUE(known);
    CU_ASSERT_STRING_EQUAL(row.hash, rec.hash);
    CU_ASSERT_STRING_EQUAL(row.hash, c->after.hash);
    CU_ASSERT_EQUAL(rec.generation, 2);
    CU_ASSERT_EQUAL(rec.expires_at, EXPIRES);
    row_done(&row);
    record_done(&rec);
    free(access);
    commit_free(c);
    table_free(t);
    db_close(db);
}

static void keys_and_times(void)
{
    static const struct shape postgresql[] = {
        {"text", "a'b", "timestamptz", "auto", "now()", "2026-11-21 14:00:00+00"},
        {"uuid", "6fa459ea-ee8a-3ca4-894e-db77e160355e", "timestamp", "auto", "now()", "2026-11-21 14:00:00"},
        {"bigint", "9007199254740993", "bigint", "auto", "1700000000", "1795269600"},
        {"integer", "17", "bigint", "auto", "1700000000000", "1795269600000"},
        {"text", "k", "bigint", "unix_ms", "NULL", "1795269600000"},
        {"text", "k", "double precision", "unix", "1700000000.5", "1795269600"},
        {"varchar(40)", "k", "text", "text", "'2026-01-01 10:00:00.000+00'", "2026-11-21 14:00:00.000+00"},
        {"text", "k", "text", "text", "NULL", "2026-11-21T14:00:00Z"},
    };
    static const struct shape sqlite[] = {
        {"text", "a'b", "integer", "auto", "1700000000", "1795269600"},
        {"integer", "9007199254740993", "integer", "unix_ms", "NULL", "1795269600000"},
        {"text", "k", "integer", "auto", "1700000000000", "1795269600000"},
        {"text", "k", "text", "auto", "'2026-01-01T10:00:00Z'", "2026-11-21T14:00:00Z"},
        {"text", "k", "text", "text", "'2026-01-01 10:00:00'", "2026-11-21 14:00:00"},
        {"text", "k", "datetime", "auto", "'2026-01-01 10:00:00'", "2026-11-21 14:00:00"},
    };
    const struct shape *shapes = kit_postgresql() ? postgresql : sqlite;
    size_t count = kit_postgresql() ? sizeof(postgresql) / sizeof(*shapes) : sizeof(sqlite) / sizeof(*shapes);

    if (kit_postgresql())
        setenv("PGTZ", "UTC", 1);
    for (size_t i = 0; i < count; i++) {
        printf("# %s %s %s\n", shapes[i].key_type, shapes[i].time_type, shapes[i].times);
        char *id = xstrdup(shapes[i].id);
        struct shape s = shapes[i];
        if (strchr(id, '\'')) /* the kit puts ids into SQL as they are */
            s.id = "a-b";
        check_shape(&s);
        free(id);
    }
}

static struct db *one_account(struct table **ret_t, const char *const *only)
{
    struct db *db = kit_fresh();

    kit_accounts(db, "acc", "text", kit_postgresql() ? "timestamptz" : "integer");
    account_put(db, "acc", "5", "NULL");
    *ret_t = kit_table(db, "acc", "auto", only);
    return db;
}

static void end(struct db *db, struct table *t, struct commit *c)
{
    commit_free(c);
    table_free(t);
    db_close(db);
}

static void own_rows(void)
{
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    struct commit *c = commit_of(db, t, "5", "a1");

    commit_new_pair(c, EXPIRES);
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "fp-new-5", "SELECT successor FROM {credentials} WHERE fingerprint = 'fp-5'"));
    CU_ASSERT_TRUE(kit_is(db, NULL, "SELECT attempt_id FROM {credentials} WHERE fingerprint = 'fp-5'"));
    CU_ASSERT_TRUE(kit_is(db, NULL, "SELECT sealed FROM {credentials} WHERE fingerprint = 'fp-5'"));
    CU_ASSERT_TRUE(kit_is(db, "r1.key.sealed", "SELECT sealed FROM {credentials} WHERE fingerprint = 'fp-new-5'"));
    CU_ASSERT_TRUE(kit_is(db, "fp-new-5", "SELECT fingerprint FROM {records}"));
    CU_ASSERT_TRUE(kit_is(db, "ok", "SELECT outcome FROM {attempts} WHERE attempt_id = 'a1'"));
    CU_ASSERT_TRUE(kit_is(db, "7", "SELECT run_id FROM {attempts}"));
    /* the same again: told, and nothing done */
    kit_sql(db, "UPDATE {records} SET due_at = 77");
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_ALREADY);
    CU_ASSERT_TRUE(kit_is(db, "77", "SELECT due_at FROM {records}"));
    end(db, t, c);
}

static void safe_rotation(void)
{
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    struct commit *c = commit_of(db, t, "5", "a1");

    c->safe = true;
    commit_new_pair(c, EXPIRES);
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "1", "SELECT count(*) FROM {credentials}"));
    CU_ASSERT_TRUE(kit_is(db, NULL, "SELECT sealed FROM {credentials} WHERE fingerprint = 'fp-new-5'"));
    end(db, t, c);
}

static void kept_credential(void)
{
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    struct commit *c = commit_of(db, t, "5", "a1");

    commit_put(c, "access_token", "access-new");
    c->replaces = true;
    c->sealed_pair = xstrdup("r1.key.two");
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "r1.key.two",
                          "SELECT sealed FROM {credentials} WHERE successor IS NULL"
                          " AND attempt_id IS NULL AND lease_host IS NULL"));
    CU_ASSERT_TRUE(kit_is(db, "1", "SELECT count(*) FROM {credentials}"));
    end(db, t, c);
}

/* The provider gave an old credential again: it is the newest, not a spent one. */
static void given_again(void)
{
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    struct commit *c = commit_of(db, t, "5", "a1");

    kit_sql(db, "INSERT INTO {credentials} (fingerprint, successor, dead) VALUES ('fp-new-5', 'fp-5', 1)");
    commit_new_pair(c, EXPIRES);
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "0",
                          "SELECT dead FROM {credentials} WHERE fingerprint = 'fp-new-5'"
                          " AND successor IS NULL"));
    end(db, t, c);
}

static void changed_by_application(void)
{
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    struct commit *c = commit_of(db, t, "5", "a1");

    commit_new_pair(c, EXPIRES);
    kit_sql(db, "UPDATE acc SET refresh_token = 'REFRESH-5'");
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_CHANGED);
    CU_ASSERT_STRING_EQUAL(row_cell(t, &c->current, "refresh_token")->text, "REFRESH-5");
    CU_ASSERT_TRUE(kit_is(db, "access-5", "SELECT access_token FROM acc"));
    CU_ASSERT_TRUE(kit_is(db, "0", "SELECT count(*) FROM {attempts}"));
    CU_ASSERT_TRUE(kit_is(db, "a1", "SELECT attempt_id FROM {credentials}"));
    kit_sql(db, "UPDATE acc SET refresh_token = NULL");
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_CHANGED);
    CU_ASSERT_PTR_NULL(row_cell(t, &c->current, "refresh_token")->text);
    kit_sql(db, "DELETE FROM acc");
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_GONE);
    CU_ASSERT_EQUAL(c->current.count, 0);
    end(db, t, c);
}

static void condition_alone(void)
{
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    struct commit *c = commit_of(db, t, "5", "a1");

    c->touches_row = true;
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    end(db, t, c);
    db = one_account(&t, NULL);
    c = commit_of(db, t, "5", "a2");
    c->touches_row = true;
    kit_sql(db, "UPDATE acc SET refresh_token = 'other'");
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_CHANGED);
    end(db, t, c);
}

/* Bytes of a credential that SQL might take for something else. */
static void odd_bytes(void)
{
    static const char odd[] = "a'b\"c\\d$1 {records} \xc3\xa9 %s";
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    const char *texts[] = {odd};

    CU_ASSERT_EQUAL(db_run(db, "UPDATE acc SET refresh_token = $1", texts, 1, NULL, NULL), 0);
    struct commit *c = commit_of(db, t, "5", "a1");
    commit_put(c, "access_token", odd);
    commit_put(c, "last_error", NULL);
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, odd, "SELECT access_token FROM acc"));
    end(db, t, c);
}

static void out_of_only(void)
{
    static const char *const only[] = {"connected", "error", NULL};
    struct table *t = NULL;
    struct db *db = one_account(&t, only);
    struct commit *c = commit_of(db, t, "5", "a1");

    commit_new_pair(c, EXPIRES);
    kit_sql(db, "UPDATE acc SET status = 'disconnected'");
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_GONE);
    CU_ASSERT_TRUE(kit_is(db, "disconnected", "SELECT status FROM acc"));
    c->before.wrote_status = xstrdup("disconnected"); /* renewd's own word takes nothing out */
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    end(db, t, c);
}

static void failures(void)
{
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    struct commit *c = commit_of(db, t, "5", "a1");

    commit_failure(c, OUTCOME_RECONNECT, "the grant is gone");
    c->dead = true;
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "1", "SELECT dead FROM {credentials} WHERE attempt_id IS NULL"));
    CU_ASSERT_TRUE(kit_is(db, "the grant is gone", "SELECT last_error FROM acc"));
    CU_ASSERT_TRUE(kit_is(db, "4", "SELECT state FROM {records}"));
    CU_ASSERT_TRUE(kit_is(db, "reconnect", "SELECT outcome FROM {attempts}"));
    commit_free(c);
    /* its lease has passed on: the history alone */
    c = commit_of(db, t, "5", "a2");
    commit_failure(c, OUTCOME_TRANSIENT, "late");
    kit_sql(db, "UPDATE {credentials} SET attempt_id = 'a3', dead = 0");
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "the grant is gone", "SELECT last_error FROM acc"));
    CU_ASSERT_TRUE(kit_is(db, "4", "SELECT state FROM {records}"));
    CU_ASSERT_TRUE(kit_is(db, "a3", "SELECT attempt_id FROM {credentials}"));
    CU_ASSERT_TRUE(kit_is(db, "2", "SELECT count(*) FROM {attempts}"));
    commit_free(c);
    /* but a result is stored without a lease */
    c = commit_of(db, t, "5", "a4");
    commit_new_pair(c, EXPIRES);
    kit_sql(db, "UPDATE {credentials} SET attempt_id = 'a5'");
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "refresh-new-5", "SELECT refresh_token FROM acc"));
    CU_ASSERT_TRUE(kit_is(db, "a5", "SELECT attempt_id FROM {credentials} WHERE fingerprint = 'fp-5'"));
    end(db, t, c);
}

/* A failure of a generation that is over says nothing about the record as it is. */
static void failure_of_old_generation(void)
{
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    struct commit *c = commit_of(db, t, "5", "a1");

    commit_failure(c, OUTCOME_TRANSIENT, "late");
    c->touches_row = false;
    kit_sql(db, "UPDATE {records} SET generation = 2, due_at = 42");
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "42", "SELECT due_at FROM {records} WHERE state = 1"));
    end(db, t, c);
}

static void ledger(void)
{
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    struct commit *c = commit_of(db, t, "5", "a1");

    kit_sql(db, "CREATE TABLE told (what text, n bigint)");
    commit_run(c, "before", "INSERT INTO told VALUES ($1, 1)", RENEWD_ROWS_ONE, RENEWD_TEXT, "before", 0);
    commit_once(c, "grant/5/2026-11");
    commit_run(c, "after", "INSERT INTO told VALUES ($1, $2)", RENEWD_ROWS_ONE, RENEWD_TEXT, "after",
               RENEWD_INTEGER, "2", 0);
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "2", "SELECT count(*) FROM told"));
    snprintf(c->attempt_id, sizeof(c->attempt_id), "a2");
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "2", "SELECT count(*) FROM told WHERE what = 'before'"));
    CU_ASSERT_TRUE(kit_is(db, "1", "SELECT count(*) FROM told WHERE what = 'after'"));
    end(db, t, c);
}

static void row_counts(void)
{
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    struct commit *c = commit_of(db, t, "5", "a1");

    commit_new_pair(c, EXPIRES);
    commit_run(c, "first", "UPDATE acc SET account = 'x'", RENEWD_ROWS_ONE, 0);
    commit_run(c, "none", "UPDATE acc SET account = 'y' WHERE \"id\" = $1", RENEWD_ROWS_ONE, RENEWD_TEXT, "nobody",
               0);
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_ROWS);
    CU_ASSERT_STRING_EQUAL(c->failed_effect, "none");
    CU_ASSERT_TRUE(kit_is(db, "access-5", "SELECT access_token FROM acc WHERE account = 'Account 5'"));
    CU_ASSERT_TRUE(kit_is(db, "0", "SELECT count(*) FROM {attempts}"));
    c->effects[1].rows = RENEWD_ROWS_ZERO_OR_ONE;
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "access-new-5", "SELECT access_token FROM acc WHERE account = 'x'"));
    end(db, t, c);
}

/* Times in the column's form, braces and NULL in a statement, a SELECT's rows counted. */
static void statement_parameters(void)
{
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    struct commit *c = commit_of(db, t, "5", "a1");

    commit_run(c, "s", "UPDATE acc SET expires_at = $1, account = '{records}', last_error = $2", RENEWD_ROWS_ONE,
               RENEWD_TIME, "1795269600", RENEWD_TEXT, NULL, 0);
    commit_run(c, "q", "SELECT 1 FROM acc WHERE length(account) = $1", RENEWD_ROWS_ONE, RENEWD_INTEGER, "9", 0);
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "1795269600",
                          kit_postgresql() ? "SELECT extract(epoch FROM expires_at)::bigint FROM acc"
                                           : "SELECT expires_at FROM acc"));
    CU_ASSERT_TRUE(kit_is(db, "{records}", "SELECT account FROM acc"));
    commit_free(c);
    c = commit_of(db, t, "5", "a2");
    commit_run(c, "q", "SELECT 1 FROM acc WHERE length(account) = $1", RENEWD_ROWS_ONE, RENEWD_INTEGER, "8", 0);
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_ROWS);
    end(db, t, c);
}

static void many(struct db *db, const struct table *t, struct commit *list[], size_t count)
{
    char id[24], attempt[24];

    for (size_t i = 0; i < count; i++) {
        snprintf(id, sizeof(id), "%03zu", i);
        snprintf(attempt, sizeof(attempt), "a%zu", i);
        account_put(db, "acc", id, "NULL");
        list[i] = commit_of(db, t, id, attempt);
        commit_new_pair(list[i], EXPIRES);
    }
}

enum { MANY = 250, POISONED = 57 };

static void poisoned_row(void)
{
    struct commit *list[MANY];
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    struct error e = {{0}};

    kit_sql(db, "DROP TABLE acc");
    kit_sql(db,
            "CREATE TABLE acc (\"id\" text PRIMARY KEY, account text, access_token text"
            " CONSTRAINT no_secret_value CHECK (access_token <> 'access-new-057'),"
            " refresh_token text, expires_at %s, status text, last_error text)",
            kit_postgresql() ? "timestamptz" : "integer");
    many(db, t, list, MANY);
    CU_ASSERT_EQUAL(store_commit(db, list, MANY, &e), 0);
    for (size_t i = 0; i < MANY; i++)
        CU_ASSERT_EQUAL(list[i]->result, i == POISONED ? COMMIT_REJECTED : COMMIT_DONE);
    printf("# why: %s\n", list[POISONED]->why);
    CU_ASSERT_PTR_NOT_NULL(strstr(list[POISONED]->why, "no_secret_value"));
    CU_ASSERT_PTR_NULL(strstr(list[POISONED]->why, "access-new"));
    CU_ASSERT_PTR_NULL(strstr(list[POISONED]->why, "refresh-"));
    CU_ASSERT_TRUE(kit_is(db, "249", "SELECT count(*) FROM acc WHERE access_token LIKE 'access-new-%%'"));
    CU_ASSERT_TRUE(kit_is(db, "249", "SELECT count(*) FROM {attempts}"));
    CU_ASSERT_TRUE(kit_is(db, "a57", "SELECT attempt_id FROM {credentials} WHERE attempt_id IS NOT NULL"));
    for (size_t i = 0; i < MANY; i++)
        commit_free(list[i]);
    table_free(t);
    db_close(db);
}

/* One attempt twice in one batch is stored once. */
static void twice_in_a_batch(void)
{
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    struct commit *list[2];
    struct error e = {{0}};

    for (int i = 0; i < 2; i++) {
        list[i] = commit_of(db, t, "5", "a1");
        commit_run(list[i], "add", "UPDATE acc SET account = account || '+'", RENEWD_ROWS_ONE, 0);
    }
    CU_ASSERT_EQUAL(store_commit(db, list, 2, &e), 0);
    CU_ASSERT_EQUAL(list[0]->result, COMMIT_DONE);
    CU_ASSERT_EQUAL(list[1]->result, COMMIT_ALREADY);
    CU_ASSERT_TRUE(kit_is(db, "Account 5+", "SELECT account FROM acc"));
    commit_free(list[1]);
    end(db, t, list[0]);
}

/* A row that somebody keeps locked waits alone; the others do not wait with it. */
static void locked_row(void)
{
    struct commit *list[3];
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    struct error e = {{0}};

    many(db, t, list, 3);
    struct db *other = kit_open();
    kit_sql(other, kit_postgresql() ? "BEGIN" : "BEGIN IMMEDIATE");
    kit_sql(other, "UPDATE acc SET account = 'held' WHERE \"id\" = '001'");
    int r = store_commit(db, list, 3, &e);
    CU_ASSERT_TRUE(r == -EBUSY || r == -ETIMEDOUT);
    CU_ASSERT_EQUAL(list[1]->result, COMMIT_WAITING);
    if (kit_postgresql()) {
        CU_ASSERT_EQUAL(list[0]->result, COMMIT_DONE);
        CU_ASSERT_EQUAL(list[2]->result, COMMIT_DONE);
    }
    kit_sql(other, "ROLLBACK");
    CU_ASSERT_TRUE(db_alive(db));
    CU_ASSERT_EQUAL(commit_one(db, list[1]), COMMIT_DONE);
    db_close(other);
    commit_free(list[1]);
    commit_free(list[2]);
    end(db, t, list[0]);
}

/* A row that never takes an update is refused with a reason, not asked for ever. */
static void update_without_effect(void)
{
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    struct commit *c = commit_of(db, t, "5", "a1");

    commit_new_pair(c, EXPIRES);
    if (kit_postgresql()) {
        kit_sql(db, "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS"
                    " 'BEGIN RETURN NULL; END'");
        kit_sql(db, "CREATE TRIGGER nothing BEFORE UPDATE ON acc FOR EACH ROW EXECUTE FUNCTION nothing()");
    } else {
        kit_sql(db, "CREATE TRIGGER no_update BEFORE UPDATE ON acc BEGIN"
                    " SELECT RAISE(ABORT, 'refresh-5 is a value'); END");
    }
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_REJECTED);
    CU_ASSERT_PTR_NULL(strstr(c->why, "refresh-5"));
    end(db, t, c);
}

/* A token that is not sealed for its row is written nowhere, and is still known as such when it was text. */
static void plain_token(void)
{
    struct table *t = NULL;
    struct db *db = one_account(&t, NULL);
    struct commit *c = commit_of(db, t, "5", "a1"), *back = NULL;
    char *text = NULL;
    size_t len = 0;
    struct error e = {""};

    commit_new_pair(c, EXPIRES);
    c->writes[1].plain = true;
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_REJECTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(c->why, "could not be sealed"));
    CU_ASSERT_TRUE(kit_is(db, "refresh-5", "SELECT refresh_token FROM acc WHERE CAST(id AS text) = '5'"));
    CU_ASSERT_EQUAL(commit_to_text(c, &text, &len), 0);
    CU_ASSERT_EQUAL_FATAL(commit_from_text(text, len, &back, &e), 0);
    CU_ASSERT_FALSE(back->writes[0].plain);
    CU_ASSERT_TRUE(back->writes[1].plain);
    commit_free(back);
    free(text);
    end(db, t, c);
}

/* renewd's own table, a plugin's own slot in its JSON column. */
static void own_table(void)
{
    struct db *db = kit_fresh();
    struct table *t = kit_table(db, NULL, "auto", NULL);

    CU_ASSERT_TRUE(t->own);
    kit_sql(db, "INSERT INTO {accounts} (job, id, access_token, refresh_token) VALUES"
                " ('kit', '5', 'access-5', 'refresh-5'), ('other', '5', 'x', 'refresh-5')");
    struct commit *c = commit_of(db, t, "5", "a1");
    commit_new_pair(c, EXPIRES);
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "1795269600", "SELECT expires_at FROM {accounts} WHERE job = 'kit'"));
    CU_ASSERT_TRUE(kit_is(db, "x", "SELECT access_token FROM {accounts} WHERE job = 'other'"));
    end(db, t, c);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"every kind of key and time", keys_and_times},
        {"renewd's own rows", own_rows},
        {"a safe credential leaves no trail", safe_rotation},
        {"a credential that stays", kept_credential},
        {"a credential given again", given_again},
        {"changed by its application, gone", changed_by_application},
        {"the condition without a write", condition_alone},
        {"odd bytes", odd_bytes},
        {"out of only", out_of_only},
        {"failures and leases", failures},
        {"a failure of an old generation", failure_of_old_generation},
        {"ledger", ledger},
        {"row counts", row_counts},
        {"parameters of statements", statement_parameters},
        {"one poisoned row among many", poisoned_row},
        {"one attempt twice in a batch", twice_in_a_batch},
        {"a locked row waits alone", locked_row},
        {"an update without effect", update_without_effect},
        {"a token that is not sealed", plain_token},
        {"renewd's own table", own_table},
        {NULL, NULL},
    };

    return run_tests(kit_suite("store_commit"), tests);
}
