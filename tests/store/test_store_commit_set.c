/* SPDX-License-Identifier: MIT
 * Commits of a batch that are written together: they leave what they leave when each is written alone, a refused or a
 * locked row costs no other record anything, and no table is read from end to end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "tests/store/commits.h"

#define EXPIRES 1795269600 /* 2026-11-21T14:00:00Z */

enum { MANY = 500, SOME = 150 };

struct batch {
    struct db *db;
    struct table *t;
    struct commit *list[MANY];
    size_t count;
};

static void batch_begin(struct batch *b, const char *key_type, const char *time_type)
{
    *b = (struct batch){.db = kit_fresh()};
    kit_accounts(b->db, "acc", key_type, time_type);
    b->t = kit_table(b->db, "acc", "auto", NULL);
}

static void batch_end(struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        commit_free(b->list[i]);
    table_free(b->t);
    db_close(b->db);
}

static struct commit *batch_add(struct batch *b, const char *id)
{
    char attempt[32];

    snprintf(attempt, sizeof attempt, "attempt-%zu", b->count);
    return b->list[b->count++] = commit_of(b->db, b->t, id, attempt);
}

static void batch_of_pairs(struct batch *b, size_t count)
{
    char id[24];

    for (size_t i = 0; i < count; i++) {
        snprintf(id, sizeof id, "%zu", 1000 + i);
        account_put(b->db, "acc", id, "NULL");
        commit_new_pair(batch_add(b, id), EXPIRES);
    }
}

static const char *time_type(void)
{
    return kit_postgresql() ? "timestamptz" : "integer";
}

/* How many statements have updated the table since. */
static void count_statements(struct db *db)
{
    kit_sql(db, "CREATE TABLE said (n integer)");
    kit_sql(db, "CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN INSERT INTO said VALUES (1); RETURN NULL; END $$");
    kit_sql(db, "CREATE TRIGGER said AFTER UPDATE ON acc FOR EACH STATEMENT EXECUTE FUNCTION say()");
}

/* ---- the same as one at a time ---- */

/* What a text in a list could be taken for. */
static const char *const texts[] = {"plain", "",        "NULL", "null",     "a\"b", "a\\b", "{a,b}", "a,b",
                                    " a ",   "a\nb\tc", "'",    "\xc3\xa9", "\\N",  "\\\"", "$1",    "%s"};

static const char *id_of(bool numbers, size_t i)
{
    static char id[64];

    if (numbers)
        snprintf(id, sizeof id, "%zu", 1000 + i);
    else
        snprintf(id, sizeof id, "6fa459ea-ee8a-3ca4-894e-db77e1603%03zu", i);
    return id;
}

/* Every kind of commit that there is, some of them more than once. */
static void every_kind(struct batch *b, bool numbers, const char *expires)
{
    size_t kinds = 14, count = kinds * 3 + sizeof texts / sizeof *texts;

    for (size_t i = 0; i < count; i++)
        account_put(b->db, "acc", id_of(numbers, i), i % 2 ? expires : "NULL");
    for (size_t i = 0; i < count; i++) {
        struct commit *c = batch_add(b, id_of(numbers, i));
        size_t kind = i < kinds * 3 ? i % kinds : kinds;
        c->safe = kind % 2;
        switch (kind) {
        case 0:
        case 1:
            commit_new_pair(c, EXPIRES);
            commit_put(c, "last_error", NULL);
            break;
        case 2: /* extends itself */
            commit_new_pair(c, EXPIRES);
            memcpy(c->after.fingerprint, c->before.fingerprint, FINGERPRINT_SIZE);
            break;
        case 3:
            commit_put(c, "status", "fine");
            record_set_text(&c->after.wrote_status, "fine");
            break;
        case 4:
            commit_failure(c, OUTCOME_TRANSIENT, "later");
            break;
        case 5:
            commit_failure(c, OUTCOME_RECONNECT, "gone");
            c->dead = true;
            break;
        case 6:
            commit_failure(c, OUTCOME_AMBIGUOUS, "no answer");
            c->after.not_before = 77;
            break;
        case 7: /* writes nothing to the row */
            commit_failure(c, OUTCOME_RATE_LIMITED, "slowly");
            c->touches_row = false;
            break;
        case 8: /* another attempt has the lease */
            commit_failure(c, OUTCOME_TRANSIENT, "too late");
            kit_sql(b->db, "UPDATE {credentials} SET attempt_id = 'other' WHERE fingerprint = '%s'",
                    c->before.fingerprint);
            break;
        case 9: /* the application was faster */
            commit_new_pair(c, EXPIRES);
            kit_sql(b->db, "UPDATE acc SET refresh_token = 'its own' WHERE CAST(id AS text) = '%s'", c->before.key);
            break;
        case 10:
            commit_new_pair(c, EXPIRES);
            kit_sql(b->db, "DELETE FROM acc WHERE CAST(id AS text) = '%s'", c->before.key);
            break;
        case 11: /* the same credential in several records */
            memcpy(c->before.fingerprint, "fp-of-all", 10);
            commit_new_pair(c, EXPIRES);
            break;
        case 12: /* committed before */
            commit_new_pair(c, EXPIRES);
            kit_sql(b->db, "INSERT INTO {attempts} (attempt_id) VALUES ('%s')", c->attempt_id);
            break;
        case 13: /* the record is another generation by now; the credential is unknown */
            commit_failure(c, OUTCOME_TRANSIENT, "of an older one");
            kit_sql(b->db, "UPDATE {records} SET generation = 9 WHERE rkey = '%s'", c->before.key);
            kit_sql(b->db, "DELETE FROM {credentials} WHERE fingerprint = '%s'", c->before.fingerprint);
            break;
        default: {
            const char *text = texts[i - kinds * 3];
            commit_new_pair(c, EXPIRES);
            commit_put(c, "last_error", text);
            record_set_text(&c->after.account, text);
            record_set_text(&c->after.memo, text);
            free(c->sealed_pair);
            c->sealed_pair = xstrdup(text);
        }
        }
    }
}

static char *all_rows(struct batch *b)
{
    static const char *const tables[] = {"acc", "{records}", "{credentials}", "{attempts}"};
    char *all = xstrdup("");

    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char *rows = kit_value(b->db, "SELECT string_agg(CAST(t AS text), '\n' ORDER BY CAST(t AS text)) FROM %s t",
                               tables[i]);
        char *more = xasprintf("%s\n%s:\n%s", all, tables[i], rows ? rows : "");
        free(rows);
        free(all);
        all = more;
    }
    for (size_t i = 0; i < b->count; i++) {
        const struct commit *c = b->list[i];
        char *more =
            xasprintf("%s\n%zu: %d %s %s %d", all, i, c->result, c->why, c->after.hash, c->current.key != NULL);
        free(all);
        all = more;
    }
    return all;
}

static void show_difference(const char *a, const char *b)
{
    size_t i = 0;

    while (a[i] && a[i] == b[i])
        i++;
    size_t from = i > 200 ? i - 200 : 0;
    printf("# together: %.400s\n# alone: %.400s\n", a + from, b + from);
}

static void like_alone(const char *key_type, const char *time, const char *expires)
{
    bool numbers = strcmp(key_type, "uuid") != 0;
    struct batch together, alone;
    struct error e = {{0}};

    batch_begin(&together, key_type, time);
    every_kind(&together, numbers, expires);
    count_statements(together.db);
    CU_ASSERT_EQUAL(store_commit(together.db, together.list, together.count, &e), 0);
    char *statements = kit_value(together.db, "SELECT count(*) FROM said");
    CU_ASSERT_TRUE(atoi(statements) < (int)together.count / 2);
    kit_sql(together.db, "DROP TABLE said CASCADE");
    char *of_together = all_rows(&together);
    batch_end(&together);

    batch_begin(&alone, key_type, time);
    every_kind(&alone, numbers, expires);
    for (size_t i = 0; i < alone.count; i++)
        CU_ASSERT_EQUAL(store_commit(alone.db, &alone.list[i], 1, &e), 0);
    char *of_alone = all_rows(&alone);
    batch_end(&alone);

    printf("# %s, %s: %s statements\n", key_type, time, statements);
    CU_ASSERT_STRING_EQUAL(of_together, of_alone);
    if (strcmp(of_together, of_alone) != 0)
        show_difference(of_together, of_alone);
    free(statements);
    free(of_together);
    free(of_alone);
}

static void the_same_as_alone(void)
{
    if (!kit_postgresql())
        return; /* each is written alone */
    like_alone("text", "timestamptz", "'2026-01-01 10:00:00+00'");
    like_alone("bigint", "bigint", "1700000000000");
    like_alone("integer", "text", "'2026-01-01 10:00:00.000+00'");
    like_alone("uuid", "timestamp", "'2026-01-01 10:00:00'");
    like_alone("varchar(40)", "double precision", "1700000000.5");
    like_alone("character(4)", "numeric", "1700000000");
}

static size_t results(const struct batch *b, int result)
{
    size_t count = 0;

    for (size_t i = 0; i < b->count; i++)
        count += b->list[i]->result == result;
    return count;
}

/* ---- one statement for all ---- */

static void one_statement(void)
{
    struct batch b;
    struct error e = {{0}};

    batch_begin(&b, "text", time_type());
    batch_of_pairs(&b, MANY);
    if (kit_postgresql())
        count_statements(b.db);
    CU_ASSERT_EQUAL(store_commit(b.db, b.list, b.count, &e), 0);
    CU_ASSERT_EQUAL(results(&b, COMMIT_DONE), MANY);
    CU_ASSERT_TRUE(kit_is(b.db, "500", "SELECT count(*) FROM acc WHERE refresh_token = 'refresh-new-' || id"));
    CU_ASSERT_TRUE(kit_is(b.db, "500", "SELECT count(*) FROM {attempts}"));
    CU_ASSERT_TRUE(kit_is(b.db, "500",
                          "SELECT count(*) FROM {records} r JOIN {credentials} c ON c.fingerprint = 'fp-' || r.rkey"
                          " WHERE r.fingerprint = 'fp-new-' || r.rkey AND c.successor = r.fingerprint"
                          " AND c.attempt_id IS NULL AND r.generation = 2"));
    if (kit_postgresql())
        CU_ASSERT_TRUE(kit_is(b.db, "1", "SELECT count(*) FROM said"));
    batch_end(&b);
}

/* ---- refusals ---- */

static void refused(struct batch *b, size_t which, int code)
{
    struct error e = {{0}};

    CU_ASSERT_EQUAL(store_commit(b->db, b->list, b->count, &e), code);
    CU_ASSERT_EQUAL(results(b, COMMIT_DONE), b->count - 1);
    CU_ASSERT_EQUAL(b->list[which]->result, code ? COMMIT_WAITING : COMMIT_REJECTED);
    CU_ASSERT_TRUE(kit_is(b->db, "149", "SELECT count(*) FROM {attempts}"));
    CU_ASSERT_TRUE(kit_is(b->db, "149", "SELECT count(*) FROM acc WHERE refresh_token LIKE 'refresh-new-%%'"));
}

static void by_constraint(void)
{
    struct batch b;

    batch_begin(&b, "text", time_type());
    batch_of_pairs(&b, SOME);
    kit_sql(b.db, "CREATE UNIQUE INDEX one_of_a_kind ON acc (access_token)");
    free(b.list[77]->writes[0].text);
    b.list[77]->writes[0].text = xstrdup("access-1099"); /* as another row, which is not written any more */
    b.list[77]->writes[0].len = strlen("access-1099");
    b.list[99]->touches_row = false;
    kit_sql(b.db, "UPDATE acc SET refresh_token = 'refresh-new-' WHERE id = '1099'");
    refused(&b, 77, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(b.list[77]->why, kit_postgresql() ? "23505" : "UNIQUE"));
    batch_end(&b);
}

/* A trigger that shortens a token: its row would hold one that no provider knows. */
static void by_trigger(void)
{
    struct batch b;

    if (!kit_postgresql())
        return;
    batch_begin(&b, "text", time_type());
    batch_of_pairs(&b, SOME);
    kit_sql(b.db, "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS"
                  " $$ BEGIN NEW.access_token := left(NEW.access_token, 5); RETURN NEW; END $$");
    kit_sql(b.db, "CREATE TRIGGER cut BEFORE UPDATE ON acc FOR EACH ROW WHEN (NEW.id = '1010')"
                  " EXECUTE FUNCTION cut()");
    refused(&b, 10, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(b.list[10]->why, "does not keep a token"));
    batch_end(&b);
}

static void by_nul(void)
{
    struct batch b;

    if (!kit_postgresql())
        return;
    batch_begin(&b, "text", time_type());
    batch_of_pairs(&b, SOME);
    b.list[3]->writes[0].text[4] = '\0';
    refused(&b, 3, 0);
    batch_end(&b);
}

static void by_lock(void)
{
    struct batch b;
    struct error e = {{0}};

    if (!kit_postgresql())
        return; /* it locks as a whole */
    batch_begin(&b, "text", time_type());
    batch_of_pairs(&b, SOME);
    struct db *application = kit_open();
    CU_ASSERT_EQUAL(db_begin(application, &e), 0);
    kit_sql(application, "UPDATE acc SET account = 'busy' WHERE id = '1042'");
    refused(&b, 42, -EBUSY);
    db_rollback(application);
    CU_ASSERT_EQUAL(commit_one(b.db, b.list[42]), COMMIT_DONE);
    db_close(application);
    batch_end(&b);
}

/* How often the database refused because of a lock: each time the thread has waited for it. */
static struct {
    const struct db_driver *driver; /* the true one */
    int waits;
} locks;

static int exec_counted(struct db *db, const char *sql, const struct db_param *params, size_t count,
                        struct db_result **ret, struct error *e)
{
    int r = locks.driver->exec(db, sql, params, count, ret, e);
    locks.waits += r == -EBUSY;
    return r;
}

static void count_waits(struct db *db)
{
    static struct db_driver wrapped;
    locks.driver = db->driver;
    locks.waits = 0;
    wrapped = *db->driver;
    wrapped.exec = exec_counted;
    db->driver = &wrapped;
}

/* A whole table is locked, as by LOCK TABLE or an ALTER that takes long: the thread waits for it a few times, not for
 * each of its 400 commits, and the commits of the other table are written. */
static void by_table(void)
{
    struct batch b;
    struct error e = {{0}};
    char id[24];

    if (!kit_postgresql())
        return; /* it locks as a whole */
    batch_begin(&b, "text", time_type());
    batch_of_pairs(&b, 400);
    kit_accounts(b.db, "free", "text", time_type());
    struct table *locked = b.t, *free_table = kit_table(b.db, "free", "auto", NULL);
    b.t = free_table;
    for (size_t i = 0; i < 50; i++) {
        snprintf(id, sizeof id, "%zu", 5000 + i);
        account_put(b.db, "free", id, "NULL");
        commit_new_pair(batch_add(&b, id), EXPIRES);
    }
    struct db *application = kit_open();
    CU_ASSERT_EQUAL(db_begin(application, &e), 0);
    kit_sql(application, "LOCK TABLE acc IN ACCESS EXCLUSIVE MODE");
    count_waits(b.db);
    CU_ASSERT_EQUAL(store_commit(b.db, b.list, b.count, &e), -EBUSY);
    printf("# waited %d times\n", locks.waits);
    CU_ASSERT_TRUE(locks.waits >= 3 && locks.waits <= 6);
    CU_ASSERT_TRUE(db_alive(b.db));
    for (size_t i = 0; i < b.count; i++) {
        CU_ASSERT_EQUAL(b.list[i]->result, i < 400 ? COMMIT_WAITING : COMMIT_DONE);
        CU_ASSERT_EQUAL(b.list[i]->table_locked, i < 400);
    }
    db_rollback(application);
    CU_ASSERT_EQUAL(store_commit(b.db, b.list, 400, &e), 0);
    CU_ASSERT_EQUAL(results(&b, COMMIT_DONE), 450);
    CU_ASSERT_FALSE(b.list[0]->table_locked);
    db_close(application);
    table_free(free_table);
    b.t = locked;
    batch_end(&b);
}

/* Three rows are locked by their application, and the table is not: all others are written. */
static void by_three_rows(void)
{
    struct batch b;
    struct error e = {{0}};

    if (!kit_postgresql())
        return;
    batch_begin(&b, "text", time_type());
    batch_of_pairs(&b, 100);
    struct db *application = kit_open();
    CU_ASSERT_EQUAL(db_begin(application, &e), 0);
    kit_sql(application, "SELECT 1 FROM acc WHERE id IN (SELECT id FROM acc ORDER BY id LIMIT 3) FOR UPDATE");
    CU_ASSERT_EQUAL(store_commit(b.db, b.list, b.count, &e), -EBUSY);
    CU_ASSERT_EQUAL(results(&b, COMMIT_DONE), 97);
    for (size_t i = 0; i < b.count; i++)
        CU_ASSERT_FALSE(b.list[i]->table_locked);
    db_rollback(application);
    db_close(application);
    batch_end(&b);
}

/* ---- by index alone ---- */

/* At COMMIT, how often the transaction has read each table from end to end. */
static void note_scans(struct db *db)
{
    kit_sql(db, "CREATE TABLE scans (name text, seq bigint, idx bigint)");
    kit_sql(db, "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF NOT EXISTS (SELECT 1 FROM scans) THEN INSERT INTO scans"
                " SELECT relname, seq_scan, idx_scan FROM pg_stat_xact_user_tables"
                " WHERE relname IN ('acc', 'records', 'credentials', 'attempts'); END IF; RETURN NULL; END $$");
    kit_sql(db, "CREATE CONSTRAINT TRIGGER note AFTER INSERT ON {attempts} DEFERRABLE INITIALLY DEFERRED"
                " FOR EACH ROW EXECUTE FUNCTION note()");
}

static void crowd(struct db *db)
{
    kit_sql(db, "INSERT INTO acc (id, account, access_token, refresh_token, status)"
                " SELECT i, i, 'a', 'r', 'connected' FROM generate_series(100000, 119999) i ORDER BY random()");
    kit_sql(db, "INSERT INTO {records} (source, rkey, job, state, generation, fingerprint, due_at, point)"
                " SELECT 'public.acc/refresh_token', i, 'kit', 1, 1, md5(CAST(i AS text)), 5, 5"
                " FROM generate_series(100000, 119999) i ORDER BY random()");
    kit_sql(db, "INSERT INTO {credentials} (fingerprint, plugin) SELECT md5(CAST(i AS text)), 'oauth2'"
                " FROM generate_series(100000, 119999) i ORDER BY random()");
    kit_sql(db, "INSERT INTO {attempts} (attempt_id) SELECT md5(CAST(i AS text))"
                " FROM generate_series(100000, 119999) i ORDER BY random()");
}

static void by_index(bool with_statistics)
{
    struct batch b;
    struct error e = {{0}};

    batch_begin(&b, "text", time_type());
    for (const char *const *name = (const char *const[]){"acc", "{records}", "{credentials}", "{attempts}", NULL};
         *name; name++)
        kit_sql(b.db, "ALTER TABLE %s SET (autovacuum_enabled = off)", *name);
    crowd(b.db);
    batch_of_pairs(&b, MANY / 2);
    for (size_t i = 0; i < MANY / 2; i++) {
        char id[24];
        snprintf(id, sizeof id, "%zu", 100000 + 50 * i);
        kit_sql(b.db, "DELETE FROM {records} WHERE rkey = '%s'", id);
        struct commit *c = batch_add(&b, id);
        c->safe = i % 2;
        if (i % 4 < 2)
            commit_new_pair(c, EXPIRES);
        else
            commit_failure(c, i % 4 == 2 ? OUTCOME_TRANSIENT : OUTCOME_AMBIGUOUS, "later");
    }
    if (with_statistics)
        kit_sql(b.db, "ANALYZE");
    note_scans(b.db);
    struct db *fresh = kit_open();
    CU_ASSERT_EQUAL(store_commit(fresh, b.list, b.count, &e), 0);
    CU_ASSERT_EQUAL(results(&b, COMMIT_DONE), MANY);
    db_close(fresh);
    CU_ASSERT_TRUE(kit_is(b.db, "4", "SELECT count(*) FROM scans"));
    CU_ASSERT_TRUE(kit_is(b.db, "none", "SELECT coalesce(string_agg(name, ' '), 'none') FROM scans WHERE seq > 0"));
    CU_ASSERT_TRUE(kit_is(b.db, "4", "SELECT count(*) FROM scans WHERE idx > 0"));
    batch_end(&b);
}

static void no_table_is_read(void)
{
    if (!kit_postgresql())
        return;
    by_index(false);
    by_index(true);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"together as alone", the_same_as_alone},
        {"one statement for 500", one_statement},
        {"one is refused by a constraint", by_constraint},
        {"one is changed by a trigger", by_trigger},
        {"one holds a NUL", by_nul},
        {"one row is locked", by_lock},
        {"three rows are locked", by_three_rows},
        {"a whole table is locked", by_table},
        {"by index alone", no_table_is_read},
        {NULL, NULL},
    };

    return run_tests(kit_suite("store_commit_set"), tests);
}
