/* SPDX-License-Identifier: MIT
 * See kit.h.
 */
#include "tests/store/kit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"

enum { PATIENT_MS = 120000 }; /* for what a test itself asks of a database, however busy its machine */

static const char *need(const char *name)
{
    const char *value = getenv(name);

    if (!value) {
        fprintf(stderr, "%s is not set; tests/store/run.sh sets it\n", name);
        exit(99);
    }
    return value;
}

bool kit_postgresql(void)
{
    return !strcmp(need("RENEWD_TEST_STORE"), "postgresql");
}

const char *kit_suite(const char *name)
{
    static char suite[80];

    snprintf(suite, sizeof(suite), "%s on %s", name, need("RENEWD_TEST_STORE"));
    return suite;
}

struct store_options kit_options(void)
{
    static struct secret *dsn;
    struct store_options o = {.driver = need("RENEWD_TEST_STORE")};

    if (kit_postgresql()) {
        if (!dsn)
            dsn = secret_from_text(need("RENEWD_TEST_DSN"));
        o.dsn = dsn;
    } else {
        o.path = need("RENEWD_TEST_DSN");
    }
    return o;
}

static void must(int r, const struct error *e, const char *what)
{
    if (r >= 0)
        return;
    printf("not ok %s: %s (%s)\n", what, e->text, strerror(-r));
    exit(1);
}

struct db *kit_open(void)
{
    struct store_options o = kit_options();
    struct error e = {{0}};
    struct db *db = NULL;

    must(db_open(&o, &db, &e), &e, "opening the test database");
    return db;
}

struct db *kit_fresh(void)
{
    struct error e = {{0}};
    char *file = NULL;

    if (!kit_postgresql())
        for (int i = 0; i < 3; i++) {
            file = xasprintf("%s%s", need("RENEWD_TEST_DSN"), i == 0 ? "" : i == 1 ? "-wal" : "-shm");
            unlink(file);
            free(file);
        }
    struct db *db = kit_open();
    if (kit_postgresql()) {
        kit_sql(db, "DROP SCHEMA IF EXISTS renewd CASCADE");
        kit_sql(db, "DROP SCHEMA public CASCADE");
        kit_sql(db, "CREATE SCHEMA public");
    }
    must(store_migrate(db, NULL, &e), &e, "migrating the test database");
    return db;
}

static struct db_result *run(struct db *db, const char *fmt, va_list list) __attribute__((format(printf, 2, 0)));
static char *value(struct db *db, const char *sql, va_list list) __attribute__((format(printf, 2, 0)));

static struct db_result *run(struct db *db, const char *fmt, va_list list)
{
    struct error e = {{0}};
    struct db_result *r = NULL;
    char sql[4096];

    if (vsnprintf(sql, sizeof(sql), fmt, list) >= (int)sizeof(sql))
        abort();
    int before = db->statement_ms;
    db->statement_ms = PATIENT_MS;
    int res = db_run(db, sql, NULL, 0, &r, &e);
    db->statement_ms = before;
    must(res, &e, sql);
    return r;
}

void kit_sql(struct db *db, const char *sql, ...)
{
    va_list list;

    va_start(list, sql);
    db_result_free(run(db, sql, list));
    va_end(list);
}

static char *value(struct db *db, const char *sql, va_list list)
{
    cleanup(db_result_free_p) struct db_result *r = run(db, sql, list);
    const char *text = db_rows(r) > 0 ? db_text(r, 0, 0) : NULL;

    return text ? xstrdup(text) : NULL;
}

char *kit_value(struct db *db, const char *sql, ...)
{
    va_list list;

    va_start(list, sql);
    char *text = value(db, sql, list);
    va_end(list);
    return text;
}

bool kit_is(struct db *db, const char *expected, const char *sql, ...)
{
    va_list list;

    va_start(list, sql);
    cleanup(free_p) char *text = value(db, sql, list);
    va_end(list);
    bool same = expected && text ? !strcmp(expected, text) : !expected && !text;
    if (!same)
        printf("# expected %s, found %s: %s\n", expected ? expected : "NULL", text ? text : "NULL", sql);
    return same;
}

void kit_accounts(struct db *db, const char *name, const char *key_type, const char *time_type)
{
    kit_sql(db,
            "CREATE TABLE \"%s\" (\"id\" %s PRIMARY KEY, account text, access_token text,"
            " refresh_token text, expires_at %s, status text, last_error text)",
            name, key_type, time_type);
}

struct table *kit_table(struct db *db, const char *name, const char *times, const char *const *only)
{
    const struct column_wish columns[] = {
        {"account", "account", VALUE_TEXT, true, false, false},
        {"access_token", "access_token", VALUE_SECRET, false, false, true},
        {"refresh_token", "refresh_token", VALUE_SECRET, false, true, true},
        {"expires_at", "expires_at", VALUE_TIME, false, false, true},
        {"status", "status", VALUE_TEXT, true, false, true},
        {"last_error", "last_error", VALUE_TEXT, true, false, true},
    };
    const struct only_wish status = {"status", only};
    const struct table_requirement wish = {
        .job = "kit",
        .table = name,
        .key = name ? "id" : NULL,
        .columns = columns,
        .column_count = sizeof(columns) / sizeof(columns[0]),
        .only = &status,
        .only_count = only ? 1 : 0,
        .times = times,
    };
    struct table *t = NULL;
    struct error e = {{0}};

    must(table_resolve(db, &wish, &t, &e), &e, "resolving the test table");
    return t;
}
