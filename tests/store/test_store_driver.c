/* SPDX-License-Identifier: MIT
 * The two drivers and renewd's own tables: parameters, errors without values, a store that goes away,
 * migrations made by two hosts at once, facts.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/base/cleanup.h"
#include "core/db/schema.h"
#include "core/db/sqlite_file.h"
#include "core/store/hosts.h"
#include "tests/store/kit.h"

enum { HOSTS = 6 };

static void odd_values_come_back(void)
{
    static const char *const odd[] =
        {"", "a'b\"c\\d{facts}$1", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "line\nline\ttab", "{}", NULL};
    struct db *db = kit_fresh();
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        cleanup(db_result_free_p) struct db_result *r = NULL;
        CU_ASSERT_EQUAL(db_run(db, "SELECT CAST($1 AS text), '{facts}', 7", &odd[i], 1, &r, NULL), 0);
        CU_ASSERT_EQUAL(db_rows(r), 1);
        if (odd[i])
            CU_ASSERT_STRING_EQUAL(db_text(r, 0, 0), odd[i])
        else
            CU_ASSERT_PTR_NULL(db_text(r, 0, 0));
        CU_ASSERT_STRING_EQUAL(db_text(r, 0, 1), "{facts}");
        CU_ASSERT_EQUAL(db_integer(r, 0, 2), 7);
        CU_ASSERT_PTR_NULL(db_text(r, 5, 5));
    }
    db_close(db);
}

static void errors_hold_no_values(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    const char *texts[] = {"tok-SECRET"};
    kit_sql(db, "CREATE TABLE t (token text UNIQUE, n integer NOT NULL CHECK (n > 0))");
    const char *insert = "INSERT INTO t (token, n) VALUES ($1, 1)";
    CU_ASSERT_EQUAL(db_run(db, insert, texts, 1, NULL, &e), 0);
    CU_ASSERT_EQUAL(db_run(db, insert, texts, 1, NULL, &e), -EEXIST);
    CU_ASSERT_STRING_EQUAL(db->sqlstate, "23505");
    CU_ASSERT_PTR_NULL(strstr(e.text, "SECRET"));
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "t"));
    CU_ASSERT_EQUAL(db_run(db, "INSERT INTO t (token, n) VALUES ($1 || 'x', 0)", texts, 1, NULL, &e), -EINVAL);
    CU_ASSERT_STRING_EQUAL(db->sqlstate, "23514");
    CU_ASSERT_PTR_NULL(strstr(e.text, "SECRET"));
    CU_ASSERT_EQUAL(db_run(db, "INSERT INTO t (token) VALUES ($1 || 'y')", texts, 1, NULL, &e), -EINVAL);
    CU_ASSERT_STRING_EQUAL(db->sqlstate, "23502");
    CU_ASSERT_PTR_NULL(strstr(e.text, "SECRET"));
    CU_ASSERT_EQUAL(db_run(db, "SELECT nothing FROM t", NULL, 0, NULL, &e), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "nothing"));
    CU_ASSERT_TRUE(db_alive(db));
    CU_ASSERT_TRUE(kit_is(db, "1", "SELECT count(*) FROM t"));
    db_close(db);
}

static void transactions(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    kit_sql(db, "CREATE TABLE t (n integer UNIQUE)");
    CU_ASSERT_EQUAL(db_begin(db, &e), 0);
    CU_ASSERT_EQUAL(db_begin(db, &e), -EINVAL);
    kit_sql(db, "INSERT INTO t VALUES (1)");
    db_rollback(db);
    db_rollback(db);
    CU_ASSERT_TRUE(kit_is(db, "0", "SELECT count(*) FROM t"));
    CU_ASSERT_EQUAL(db_begin(db, &e), 0);
    kit_sql(db, "INSERT INTO t VALUES (1)");
    CU_ASSERT_EQUAL(db_commit(db, &e), 0);
    CU_ASSERT_TRUE(kit_is(db, "1", "SELECT count(*) FROM t"));
    CU_ASSERT_EQUAL(db_begin(db, &e), 0);
    kit_sql(db, "UPDATE t SET n = 2");
    db_close(db); /* rolls back */
    db = kit_open();
    CU_ASSERT_TRUE(kit_is(db, "1", "SELECT n FROM t"));
    db_close(db);
}

static void counts_what_it_changes(void)
{
    struct db *db = kit_fresh();
    cleanup(db_result_free_p) struct db_result *three = NULL, *none = NULL, *read = NULL;
    kit_sql(db, "CREATE TABLE t (n integer)");
    CU_ASSERT_EQUAL(db_run(db, "INSERT INTO t VALUES (1), (2), (3)", NULL, 0, &three, NULL), 0);
    CU_ASSERT_EQUAL(db_affected(three), 3);
    CU_ASSERT_EQUAL(db_run(db, "UPDATE t SET n = 9 WHERE n = 77", NULL, 0, &none, NULL), 0);
    CU_ASSERT_EQUAL(db_affected(none), 0);
    CU_ASSERT_EQUAL(db_run(db, "SELECT n FROM t", NULL, 0, &read, NULL), 0);
    CU_ASSERT_EQUAL(db_affected(read), 0);
    CU_ASSERT_EQUAL(db_rows(read), 3);
    db_close(db);
}

/* A statement is kept compiled on SQLite: it sees what became of its table since, and no value of the last time. */
static void the_same_statement_again(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    const char *texts[] = {"1", "secret"};
    kit_sql(db, "CREATE TABLE t (n integer PRIMARY KEY, v text)");
    CU_ASSERT_EQUAL(db_run(db, "INSERT INTO t (n, v) VALUES (CAST($1 AS integer), $2)", texts, 2, NULL, &e), 0);
    texts[0] = "2";
    texts[1] = NULL;
    CU_ASSERT_EQUAL(db_run(db, "INSERT INTO t (n, v) VALUES (CAST($1 AS integer), $2)", texts, 2, NULL, &e), 0);
    CU_ASSERT_TRUE(kit_is(db, NULL, "SELECT v FROM t WHERE n = 2"));
    for (int columns = 2; columns < 5; columns++) {
        cleanup(db_result_free_p) struct db_result *r = NULL;
        CU_ASSERT_EQUAL(db_run(db, "SELECT * FROM t ORDER BY n", NULL, 0, &r, &e), 0);
        CU_ASSERT_EQUAL(db_rows(r), 2);
        CU_ASSERT_EQUAL(db_integer(r, 1, 0), 2);
        for (int i = 0; i < 5; i++)
            CU_ASSERT_EQUAL(db_len(r, 0, (size_t)i) > 0, i < columns);
        kit_sql(db, "ALTER TABLE t ADD COLUMN more%d text DEFAULT 'x'", columns);
    }
    for (int i = 0; i < 200; i++) /* more than are kept */
        kit_sql(db, "SELECT %d FROM t", i);
    CU_ASSERT_TRUE(kit_is(db, "7", "SELECT 7 FROM t"));
    kit_sql(db, "DROP TABLE t");
    CU_ASSERT_EQUAL(db_run(db, "SELECT * FROM t ORDER BY n", NULL, 0, NULL, &e), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, kit_postgresql() ? "\"t\"" : "no such table: t"));
    db_close(db);
}

static void a_locked_row_is_busy(void)
{
    struct db *a = kit_fresh(), *b = kit_open();
    struct error e = {""};
    kit_sql(a, "CREATE TABLE t (n integer)");
    kit_sql(a, "INSERT INTO t VALUES (1)");
    CU_ASSERT_EQUAL(db_begin(a, &e), 0);
    kit_sql(a, "UPDATE t SET n = 2");
    int r = db_begin(b, &e);
    if (r == 0)
        r = db_run(b, "UPDATE t SET n = 3", NULL, 0, NULL, &e);
    CU_ASSERT_EQUAL(r, -EBUSY);
    db_rollback(b);
    CU_ASSERT_TRUE(db_alive(b));
    CU_ASSERT_EQUAL(db_commit(a, &e), 0);
    CU_ASSERT_EQUAL(db_run(b, "UPDATE t SET n = 3", NULL, 0, NULL, &e), 0);
    db_close(a);
    db_close(b);
}

/* Outside a transaction, too: neither a lock on the table nor a statement that takes long costs the connection. */
static void a_statement_alone_has_limits(void)
{
    struct db *a = kit_fresh(), *b = kit_open();
    struct error e = {""};
    int r = 0;
    if (kit_postgresql()) {
        kit_sql(a, "CREATE TABLE t (n integer)");
        CU_ASSERT_EQUAL(db_begin(a, &e), 0);
        kit_sql(a, "LOCK TABLE t IN ACCESS EXCLUSIVE MODE");
        CU_ASSERT_EQUAL(db_run(b, "SELECT n FROM t", NULL, 0, NULL, &e), -EBUSY);
        CU_ASSERT_STRING_EQUAL(b->sqlstate, "55P03");
        CU_ASSERT_TRUE(db_alive(b));
        db_rollback(a);
        for (int i = 0; i < 3 && r != -EBUSY; i++) { /* a machine that stands still for seconds misses its answer */
            db_close(b);
            b = kit_open();
            b->statement_ms = 1;
            r = db_run(b, "SELECT pg_sleep(100)", NULL, 0, NULL, &e);
        }
        CU_ASSERT_EQUAL(r, -EBUSY);
        CU_ASSERT_STRING_EQUAL(b->sqlstate, "57014");
        CU_ASSERT_TRUE(kit_is(b, "0", "SELECT count(*) FROM t"));
        CU_ASSERT_TRUE(kit_is(a, "0",
                              "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep%%' AND"
                              " state = 'active' AND pid <> pg_backend_pid()"));
    }
    db_close(a);
    db_close(b);
}

/* While somebody vacuums or analyzes the table, renewd's own ANALYZE waits for a moment, and is left out. */
static void statistics_do_not_wait(void)
{
    struct db *a = kit_fresh(), *b = kit_open();
    struct error e = {""};
    if (kit_postgresql()) {
        CU_ASSERT_EQUAL(db_begin(a, &e), 0);
        kit_sql(a, "LOCK TABLE {records} IN SHARE UPDATE EXCLUSIVE MODE");
        CU_ASSERT_EQUAL(store_statistics(b, &e), -EBUSY);
        CU_ASSERT_TRUE(db_alive(b));
        db_rollback(a);
        CU_ASSERT_EQUAL(b->lock_ms, 0);
    }
    CU_ASSERT_EQUAL(store_statistics(b, &e), 0);
    db_close(a);
    db_close(b);
}

static void preparing_counts_parameters(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    size_t n = 99;
    kit_sql(db, "CREATE TABLE t (n integer, x text)");
    CU_ASSERT_EQUAL(db->driver->prepare(db, "UPDATE t SET n = $2, x = $1 WHERE n = $2", &n, &e), 0);
    CU_ASSERT_EQUAL(n, 2);
    CU_ASSERT_EQUAL(db->driver->prepare(db, "UPDATE t SET nonsense = $1", &n, &e), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "nonsense"));
    CU_ASSERT_TRUE(db->driver->prepare(db, "SELECT 1; SELECT 2", &n, &e) < 0);
    db_close(db);
}

static void *migrating(void *arg)
{
    int *result = arg;
    struct error e = {""};
    struct db *db = kit_open();
    *result = store_migrate(db, NULL, &e);
    if (*result < 0)
        printf("# migrating: %s\n", e.text);
    db_close(db);
    return NULL;
}

/* Everything away, then all hosts at once. */
static void migrations_at_once(void)
{
    pthread_t threads[HOSTS];
    int results[HOSTS];
    struct db *db = kit_fresh();
    if (kit_postgresql())
        kit_sql(db, "DROP SCHEMA renewd CASCADE");
    db_close(db);
    if (!kit_postgresql())
        remove(kit_options().path);
    for (int i = 0; i < HOSTS; i++)
        CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, migrating, &results[i]), 0);
    for (int i = 0; i < HOSTS; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(results[i], 0);
    }
    db = kit_open();
    CU_ASSERT_TRUE(kit_is(db, "0", "SELECT count(*) - max(version) FROM {migrations}"));
    CU_ASSERT_TRUE(kit_is(db, "0", "SELECT count(*) FROM {accounts}"));
    db_close(db);
}

struct long_migration {
    struct migration_watch watch;
    struct db *db;
    int result;
    atomic_bool over;
};

static void *migrating_long(void *arg)
{
    struct long_migration *m = arg;
    struct error e = {""};
    m->result = store_migrate(m->db, &m->watch, &e);
    atomic_store(&m->over, true);
    return NULL;
}

/* Another renewd brings the tables up to date all the while: that is no lost database, it is waited for, and a stop does
 * not wait for it. */
static void a_long_migration(void)
{
    struct long_migration m = {0};
    const struct timespec moment = {0, 1000000};
    pthread_t thread;
    if (!kit_postgresql())
        return;
    struct db *other = kit_fresh();
    kit_sql(other, "DROP SCHEMA renewd CASCADE");
    kit_sql(other, "SELECT pg_advisory_lock(7301963501337)");
    m.db = kit_open();
    CU_ASSERT_EQUAL(pthread_create(&thread, NULL, migrating_long, &m), 0);
    while (!atomic_load(&m.watch.goes_on))
        nanosleep(&moment, NULL);
    for (bool waits = false; !waits; nanosleep(&moment, NULL)) {
        char *n =
            kit_value(other, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                             " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");
        waits = strcmp(n, "0") != 0;
        free(n);
    }
    CU_ASSERT_TRUE(atomic_load(&m.watch.goes_on));
    atomic_store(&m.watch.ends, true);
    for (int ms = 0; ms < 60000 && !atomic_load(&m.over); ms++)
        nanosleep(&moment, NULL);
    CU_ASSERT_TRUE(atomic_load(&m.over));
    kit_sql(other, "SELECT pg_advisory_unlock(7301963501337)");
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(m.result, -ENOTCONN);
    CU_ASSERT_FALSE(atomic_load(&m.watch.goes_on));
    CU_ASSERT_FALSE(m.watch.blocked);
    db_close(m.db);
    db_close(other);
}

static void a_newer_database_is_refused(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    CU_ASSERT_EQUAL(store_migrate(db, NULL, &e), 0);
    kit_sql(db, "INSERT INTO {migrations} (version, applied_at) VALUES (99, 0)");
    CU_ASSERT_EQUAL(store_migrate(db, NULL, &e), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "99"));
    db_close(db);
}

static void facts(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    cleanup(free_p) char *none = NULL;
    cleanup(free_p) char *first = NULL;
    cleanup(free_p) char *second = NULL;
    cleanup(free_p) char *third = NULL;
    cleanup(free_p) char *place = NULL;
    int64_t a = 0, b = 0;
    CU_ASSERT_EQUAL(store_fact(db, "x", NULL, &none, &e), -ENOENT);
    CU_ASSERT_EQUAL(store_fact(db, "x", "one", &first, &e), 0);
    CU_ASSERT_EQUAL(store_fact(db, "x", "two", &second, &e), 0);
    CU_ASSERT_STRING_EQUAL(first, "one");
    CU_ASSERT_STRING_EQUAL(second, "one");
    CU_ASSERT_EQUAL(store_fact_set(db, "x", "three", &e), 0);
    CU_ASSERT_EQUAL(store_fact(db, "x", NULL, &third, &e), 0);
    CU_ASSERT_STRING_EQUAL(third, "three");
    CU_ASSERT_EQUAL(store_sequence(db, &a, &e), 0);
    CU_ASSERT_EQUAL(store_sequence(db, &b, &e), 0);
    CU_ASSERT_EQUAL(b, a + 1);
    CU_ASSERT_EQUAL(store_place(db, &place, &e), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(place);
    CU_ASSERT_EQUAL(strncmp(place, kit_postgresql() ? "postgresql:" : "sqlite:/", 8), 0);
    CU_ASSERT_EQUAL(store_heartbeat(db, "h", "i", &e), 0);
    CU_ASSERT_EQUAL(store_heartbeat(db, "h", "i", &e), 0);
    CU_ASSERT_TRUE(kit_is(db, "1", "SELECT count(*) FROM {hosts}"));
    db_close(db);
}

static void sealed_values_are_counted(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    int64_t n = -1;
    kit_sql(db, "INSERT INTO {facts} (name, value) VALUES ('key:k1', 'r1.k1.c'), ('f', 'r1.k1.v')");
    kit_sql(db, "INSERT INTO {accounts} (job, id, access_token, refresh_token, extra) VALUES"
                " ('j', '1', 'r1.k1.a', 'r1.k2.a', '{\"pixel\": \"r1.k1.p\", \"n\": \"r1.\"}'),"
                " ('j', '2', 'plain', NULL, NULL)");
    kit_accounts(db, "App", "bigint", "bigint");
    kit_sql(db, "INSERT INTO \"App\" (id, access_token, refresh_token) VALUES (1, 'r1.k1.x', 'r1.k1.y'),"
                " (2, 'r1.k1X', NULL)");
    CU_ASSERT_EQUAL(store_count_sealed(db, "r1.k1.", &n, &e), 0);
    CU_ASSERT_EQUAL(n, 3);
    struct table *t = kit_table(db, "App", "auto", NULL);
    CU_ASSERT_EQUAL(store_count_sealed_in(db, t, "r1.k1.", &n, &e), 0);
    CU_ASSERT_EQUAL(n, 2);
    table_free(t);
    db_close(db);
}

static int open_with(const char *dsn, struct error *e)
{
    struct store_options o = {.driver = "postgresql"};
    struct db *db = NULL;
    cleanup(secret_free_p) struct secret *s = secret_from_text(dsn);
    o.dsn = s;
    int r = db_open(&o, &db, e);
    db_close(db);
    return r;
}

static void a_store_out_of_reach(void)
{
    struct error e = {""};
    struct db *db = NULL;
    struct store_options odd = {.driver = "oracle"};
    CU_ASSERT_EQUAL(db_open(&odd, &db, &e), -EINVAL);
    if (!kit_postgresql()) {
        struct store_options o = {.driver = "sqlite", .path = "/nonexistent/folder/renewd.db"};
        CU_ASSERT_EQUAL(db_open(&o, &db, &e), -ENOTCONN);
        CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "/nonexistent/folder/renewd.db"));
        return;
    }
    CU_ASSERT_EQUAL(open_with("host=127.0.0.1 port=1 password=pwSECRET dbname=x", &e), -ENOTCONN);
    CU_ASSERT_PTR_NULL(strstr(e.text, "pwSECRET"));
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "127.0.0.1"));
    CU_ASSERT_EQUAL(open_with("postgresql://u:pwSECRET@127.0.0.1:1/x", &e), -ENOTCONN);
    CU_ASSERT_PTR_NULL(strstr(e.text, "pwSECRET"));
    CU_ASSERT_EQUAL(open_with("this is no dsn pwSECRET", &e), -EINVAL);
    CU_ASSERT_PTR_NULL(strstr(e.text, "pwSECRET"));
}

/* The cluster asks this role for its password; see run.sh. */
static void a_wrong_password(void)
{
    const char *dsn = getenv("RENEWD_TEST_DSN_PASSWORD");
    struct error e = {""};
    if (!kit_postgresql() || !dsn)
        return;
    char wrong[512], right[512];
    snprintf(wrong, sizeof(wrong), "%s password=pwWRONG", dsn);
    snprintf(right, sizeof(right), "%s password=renewd_test", dsn);
    CU_ASSERT_EQUAL(open_with(wrong, &e), -EACCES);
    CU_ASSERT_PTR_NULL(strstr(e.text, "pwWRONG"));
    CU_ASSERT_EQUAL(open_with(right, &e), 0);
}

static void a_killed_backend(void)
{
    if (!kit_postgresql())
        return;
    struct db *db = kit_fresh(), *other = kit_open();
    struct error e = {""};
    cleanup(free_p) char *pid = kit_value(db, "SELECT pg_backend_pid()");
    CU_ASSERT_TRUE(db_alive(db));
    CU_ASSERT_TRUE(kit_is(other, "t", "SELECT pg_terminate_backend(%s, 5000)", pid));
    CU_ASSERT_EQUAL(db_run(db, "SELECT 1", NULL, 0, NULL, &e), -ENOTCONN);
    CU_ASSERT_FALSE(db_alive(db));
    CU_ASSERT_EQUAL(db_begin(db, &e), -ENOTCONN);
    db_close(db);
    db = kit_open();
    CU_ASSERT_TRUE(kit_is(db, "1", "SELECT 1"));
    db_close(db);
    db_close(other);
}

static void the_file_is_ours_alone(void)
{
    struct stat st;
    if (kit_postgresql())
        return;
    struct db *db = kit_fresh();
    CU_ASSERT_EQUAL(stat(kit_options().path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
    CU_ASSERT_TRUE(kit_is(db, "wal", "PRAGMA journal_mode"));
    CU_ASSERT_TRUE(kit_is(db, "2", "PRAGMA synchronous"));
    CU_ASSERT_TRUE(kit_is(db, "1", "PRAGMA secure_delete"));
    CU_ASSERT_TRUE(kit_is(db, "1", "PRAGMA foreign_keys"));
    db_close(db);
}

static void read_only(void)
{
    struct db *db = kit_fresh(), *reader = NULL;
    struct store_options o = kit_options();
    struct error e = {""};
    o.read_only = true;
    CU_ASSERT_EQUAL(db_open(&o, &reader, &e), 0);
    CU_ASSERT_TRUE(kit_is(reader, "0", "SELECT count(*) FROM {records}"));
    int r = db_begin(reader, &e);
    if (r == 0)
        r = db_run(reader, "INSERT INTO {facts} VALUES ('a', 'b')", NULL, 0, NULL, &e);
    CU_ASSERT_TRUE(r < 0);
    db_close(reader);
    db_close(db);
}

/* Where a database may lie, and whose journal mode it has. */
static void whose_file(void)
{
    CU_ASSERT_STRING_EQUAL(sqlite_file_network(0x6969), "nfs");
    CU_ASSERT_STRING_EQUAL(sqlite_file_network((int64_t)0xff534d42), "cifs");
    CU_ASSERT_STRING_EQUAL(sqlite_file_network((int32_t)0xfe534d42), "cifs");
    CU_ASSERT_STRING_EQUAL(sqlite_file_network(0x01021997), "9p");
    CU_ASSERT_STRING_EQUAL(sqlite_file_network(0x65735546), "fuse");
    CU_ASSERT_PTR_NULL(sqlite_file_network(0xef53));     /* ext4 */
    CU_ASSERT_PTR_NULL(sqlite_file_network(0x01021994)); /* tmpfs */
    CU_ASSERT_PTR_NULL(sqlite_file_network(0x58465342)); /* xfs */
    CU_ASSERT_FALSE(sqlite_file_takes_wal(false, false, 0));
    CU_ASSERT_FALSE(sqlite_file_takes_wal(false, false, 252006674));
    CU_ASSERT_TRUE(sqlite_file_takes_wal(true, false, 0));
    CU_ASSERT_TRUE(sqlite_file_takes_wal(false, true, 0));
    CU_ASSERT_TRUE(sqlite_file_takes_wal(false, false, SQLITE_FILE_OURS));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"odd values come back as they went in", odd_values_come_back},
        {"errors hold no values", errors_hold_no_values},
        {"transactions", transactions},
        {"changed rows are counted", counts_what_it_changes},
        {"the same statement again", the_same_statement_again},
        {"a locked row is busy, not away", a_locked_row_is_busy},
        {"a statement outside a transaction has limits", a_statement_alone_has_limits},
        {"statistics do not wait for a vacuum", statistics_do_not_wait},
        {"preparing counts parameters", preparing_counts_parameters},
        {"six hosts migrate an empty database at once", migrations_at_once},
        {"a migration that takes long, and its end", a_long_migration},
        {"a newer database is refused", a_newer_database_is_refused},
        {"facts, place, sequence, heartbeat", facts},
        {"sealed values are counted", sealed_values_are_counted},
        {"a store out of reach", a_store_out_of_reach},
        {"a wrong password", a_wrong_password},
        {"a killed backend is away, opening again works", a_killed_backend},
        {"the SQLite file is ours alone", the_file_is_ours_alone},
        {"whose file, and where", whose_file},
        {"a reader cannot write", read_only},
        {NULL, NULL},
    };
    return run_tests(kit_suite("store driver"), tests);
}
