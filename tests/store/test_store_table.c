/* SPDX-License-Identifier: MIT
 * A job's table held against the live database: names, keys, forms of times, what is refused and with
 * which words; rows read from it, pages, the sweep, rehearsals.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "tests/store/kit.h"

enum { EXPIRES = 1795269600, MANY = 20000 }; /* 2026-11-21T14:00:00Z */

struct asked {
    const char *table, *key, *token, *expires, *times;
    bool through_statements;
};

static int resolve(struct db *db, const struct asked *q, struct table **ret, struct error *e)
{
    const struct column_wish columns[] = {
        {"refresh_token", q->token ? q->token : "refresh_token", VALUE_SECRET, false, true, true},
        {"expires_at", q->expires ? q->expires : "expires_at", VALUE_TIME, false, false, true},
    };
    const struct table_wish wish = {
        .job = "kit",
        .table = q->table,
        .key = q->key ? q->key : "id",
        .columns = columns,
        .column_count = 2,
        .times = q->times ? q->times : "auto",
        .through_statements = q->through_statements,
    };
    return table_resolve(db, &wish, ret, e);
}

/* The error's text, or "" when there is none. */
static const char *refused(struct db *db, const struct asked *q, int expected)
{
    static struct error e;
    struct table *t = NULL;
    e.text[0] = '\0';
    int r = resolve(db, q, &t, &e);
    if (r != expected)
        printf("# %d instead of %d: %s\n", r, expected, e.text);
    CU_ASSERT_EQUAL(r, expected);
    if (r == 0)
        table_free(t);
    return e.text;
}

static bool says(const char *text, const char *words)
{
    if (strstr(text, words))
        return true;
    printf("# \"%s\" does not say \"%s\"\n", text, words);
    return false;
}

static void names(void)
{
    struct db *db = kit_fresh();
    struct table *t = NULL;
    struct error e = {""};
    bool pg = kit_postgresql();
    kit_sql(db, "CREATE TABLE \"App\" (\"Id\" text PRIMARY KEY, \"Refresh Token\" text,"
                " \"expires\"\"At\" bigint)");
    CU_ASSERT_EQUAL(resolve(db, &(struct asked){.table = "\"App\"", .key = "Id", .token = "Refresh Token",
                                                .expires = "expires\"At"}, &t, &e), 0);
    CU_ASSERT_STRING_EQUAL(t->source, pg ? "public.App/Refresh Token" : "App/Refresh Token");
    CU_ASSERT_STRING_EQUAL(t->name, "App");
    CU_ASSERT_EQUAL(t->credential, 0);
    CU_ASSERT_EQUAL(t->columns[1].form, FORM_UNIX);
    CU_ASSERT_EQUAL(table_column(t, "expires_at"), 1);
    CU_ASSERT_EQUAL(table_column(t, "status"), -1);
    table_free(t);
    if (pg) {
        kit_sql(db, "DROP SCHEMA IF EXISTS \"Other\" CASCADE");
        kit_sql(db, "CREATE SCHEMA \"Other\"");
        kit_accounts(db, "hidden", "uuid", "timestamptz");
        kit_sql(db, "ALTER TABLE hidden SET SCHEMA \"Other\"");
        CU_ASSERT_TRUE(says(refused(db, &(struct asked){.table = "hidden"}, -ENOENT), "\"Other\".hidden"));
        CU_ASSERT_EQUAL(resolve(db, &(struct asked){.table = "\"Other\".hidden"}, &t, &e), 0);
        CU_ASSERT_STRING_EQUAL(t->source, "Other.hidden/refresh_token");
        CU_ASSERT_EQUAL(t->columns[1].form, FORM_TIMESTAMPTZ);
        table_free(t);
        CU_ASSERT_TRUE(says(refused(db, &(struct asked){.table = "app"}, -ENOENT), "\"App\""));
        kit_sql(db, "DROP SCHEMA \"Other\" CASCADE");
    } else {
        CU_ASSERT_EQUAL(resolve(db, &(struct asked){.table = "main.app", .key = "ID",
                                                    .token = "refresh token", .expires = "EXPIRES\"AT"},
                                &t, &e), 0);
        CU_ASSERT_STRING_EQUAL(t->source, "App/Refresh Token");
        table_free(t);
    }
    db_close(db);
}

static void what_is_missing_is_named(void)
{
    struct db *db = kit_fresh();
    bool pg = kit_postgresql();
    CU_ASSERT_TRUE(says(refused(db, &(struct asked){.table = "nowhere"}, -ENOENT), "no table nowhere"));
    CU_ASSERT_TRUE(says(refused(db, &(struct asked){.table = "x.nowhere"}, -ENOENT), "x"));
    kit_sql(db, "CREATE TABLE conn (id integer PRIMARY KEY, \"Token\" text)");
    const char *text = refused(db, &(struct asked){.table = "conn"}, -ENOENT);
    CU_ASSERT_TRUE(says(text, "job kit"));
    CU_ASSERT_TRUE(says(text, pg ? "ALTER TABLE \"public\".\"conn\" ADD COLUMN \"refresh_token\" text,"
                                   " ADD COLUMN \"expires_at\" timestamptz;"
                                 : "ALTER TABLE \"conn\" ADD COLUMN \"refresh_token\" text;"
                                   " ALTER TABLE \"conn\" ADD COLUMN \"expires_at\" text;"));
    if (pg) {
        text = refused(db, &(struct asked){.table = "conn", .token = "token"}, -ENOENT);
        CU_ASSERT_TRUE(says(text, "\"Token\": case counts"));
    }
    CU_ASSERT_TRUE(says(refused(db, &(struct asked){.table = "conn", .key = "nokey"}, -ENOENT),
                        "\"nokey\" (the key)"));
    kit_sql(db, "%s", text = pg ? "ALTER TABLE \"public\".\"conn\" ADD COLUMN \"refresh_token\" text,"
                                  " ADD COLUMN \"expires_at\" timestamptz"
                                : "ALTER TABLE \"conn\" ADD COLUMN \"refresh_token\" text");
    if (pg)
        refused(db, &(struct asked){.table = "conn"}, 0);
    db_close(db);
}

/* A column of its own kind: what is to be added looks like the times that are there. */
static void missing_times_match_their_table(void)
{
    struct db *db = kit_fresh();
    struct table *t = NULL;
    struct error e = {""};
    const struct column_wish columns[] = {
        {"access_token", "access_token", VALUE_SECRET, false, true, true},
        {"expires_at", "token_expires_at", VALUE_TIME, false, false, true},
        {"refreshed_at", "token_refreshed_at", VALUE_TIME, true, false, true},
        {"strikes", "refresh_attempts", VALUE_INTEGER, true, false, true},
        {"last_error", "last_refresh_error", VALUE_TEXT, true, false, true},
    };
    const struct table_wish wish = {.job = "instagram", .table = "instagram_connections", .key = "id",
                                    .columns = columns, .column_count = 5, .times = "auto"};
    kit_sql(db, "CREATE TABLE instagram_connections (id integer PRIMARY KEY, access_token text,"
                " token_expires_at timestamp)");
    CU_ASSERT_EQUAL(table_resolve(db, &wish, &t, &e), -ENOENT);
    CU_ASSERT_TRUE(says(e.text, kit_postgresql() ? "\"token_refreshed_at\" timestamp without time zone"
                                                 : "\"token_refreshed_at\" timestamp"));
    CU_ASSERT_TRUE(says(e.text, "\"refresh_attempts\" integer"));
    CU_ASSERT_TRUE(says(e.text, "\"last_refresh_error\" text;"));
    db_close(db);
}

static void keys_without_a_unique_index(void)
{
    struct db *db = kit_fresh();
    const struct asked q = {.table = "t"};
    const char *const indexes[] = {
        "CREATE INDEX i ON t (id)",
        "CREATE UNIQUE INDEX i ON t (id) WHERE id <> ''",
        "CREATE UNIQUE INDEX i ON t (lower(id))",
        "CREATE UNIQUE INDEX i ON t (id, refresh_token)",
        "CREATE UNIQUE INDEX i ON t (refresh_token)",
    };
    kit_sql(db, "CREATE TABLE t (id text, refresh_token text, expires_at text)");
    CU_ASSERT_TRUE(says(refused(db, &q, -EINVAL), "no unique index"));
    for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
        kit_sql(db, "%s", indexes[i]);
        CU_ASSERT_TRUE(says(refused(db, &q, -EINVAL), "no unique index"));
        kit_sql(db, "DROP INDEX i");
    }
    kit_sql(db, "CREATE UNIQUE INDEX i ON t (id)");
    refused(db, &q, 0);
    kit_sql(db, "CREATE TABLE pair (id text, refresh_token text, expires_at text,"
                " PRIMARY KEY (id, refresh_token))");
    CU_ASSERT_TRUE(says(refused(db, &(struct asked){.table = "pair"}, -EINVAL), "no unique index"));
    kit_sql(db, "CREATE VIEW v AS SELECT * FROM t");
    CU_ASSERT_TRUE(says(refused(db, &(struct asked){.table = "v"}, -EINVAL), "view"));
    refused(db, &(struct asked){.table = "v", .through_statements = true}, 0);
    db_close(db);
}

static void types_that_do_not_fit(void)
{
    struct db *db = kit_fresh();
    kit_sql(db, "CREATE TABLE t (id integer PRIMARY KEY, refresh_token bigint, expires_at %s)",
            kit_postgresql() ? "boolean" : "text");
    const char *text = refused(db, &(struct asked){.table = "t"}, -EINVAL);
    CU_ASSERT_TRUE(says(text, "\"refresh_token\" cannot hold a token"));
    if (kit_postgresql())
        CU_ASSERT_TRUE(says(text, "\"expires_at\" cannot hold a time"));
    kit_sql(db, "CREATE TABLE g (id integer PRIMARY KEY, refresh_token text GENERATED ALWAYS AS ('x')"
                " STORED, expires_at bigint)");
    CU_ASSERT_TRUE(says(refused(db, &(struct asked){.table = "g"}, -EINVAL), "is generated"));
    CU_ASSERT_TRUE(says(refused(db, &(struct asked){.table = "g", .times = "text"}, -EINVAL),
                        "\"expires_at\" cannot hold a time"));
    db_close(db);
}

struct time_case {
    const char *type, *times, *sql;
    const char *expected; /* NULL = unknown */
};

static void check_time(const struct time_case *c)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    struct page p = {0};
    kit_accounts(db, "t", "bigint", c->type);
    kit_sql(db, "INSERT INTO t (id, refresh_token, expires_at) VALUES (1, 'r', %s)", c->sql);
    struct table *t = kit_table(db, "t", c->times, NULL);
    CU_ASSERT_EQUAL_FATAL(store_page(db, t, NULL, 10, &p, &e), 0);
    CU_ASSERT_EQUAL_FATAL(p.count, 1);
    const struct cell *cell = row_cell(t, &p.rows[0], "expires_at");
    bool same = c->expected && cell->text ? !strcmp(cell->text, c->expected) : !c->expected && !cell->text;
    if (!same)
        printf("# %s %s %s reads as %s\n", c->type, c->times, c->sql, cell->text ? cell->text : "NULL");
    CU_ASSERT_TRUE(same);
    page_done(&p);
    table_free(t);
    db_close(db);
}

static void times(void)
{
    static const struct time_case both[] = {
        {"bigint", "auto", "1795269600", "1795269600"},
        {"bigint", "auto", "1795269600123", "1795269600"},
        {"bigint", "unix", "1795269600", "1795269600"},
        {"bigint", "unix_ms", "1795269600999", "1795269600"},
        {"bigint", "auto", "NULL", NULL},
        {"bigint", "auto", "-5", "-5"},
        {"numeric", "auto", "1795269600.75", "1795269600"},
        {"real", "auto", "86400.5", "86400"},
        {"text", "auto", "'2026-11-21T14:00:00Z'", "1795269600"},
        {"text", "text", "'2026-11-21 14:00:00.123+00:00'", "1795269600"},
        {"text", "auto", "'2026-11-21T16:00:00+02:00'", "1795269600"},
        {"text", "unix", "'1795269600'", "1795269600"},
        {"text", "auto", "'soon'", NULL},
        {"text", "auto", "''", NULL},
        {"text", "auto", "'1e400'", NULL},
        {"text", "auto", "'nan'", NULL},
    };
    static const struct time_case postgresql[] = {
        {"timestamptz", "auto", "'2026-11-21 15:00:00+01'", "1795269600"},
        {"timestamptz", "auto", "'infinity'", NULL},
        {"timestamptz", "auto", "'2026-11-21 14:00:00.9+00'", "1795269600"},
        {"timestamp", "auto", "'2026-11-21 14:00:00'", "1795269600"},
        {"timestamp", "auto", "'-infinity'", NULL},
        {"double precision", "auto", "'Infinity'", NULL},
        {"double precision", "auto", "1795269600.5", "1795269600"},
    };
    static const struct time_case sqlite[] = {
        {"timestamp", "auto", "'2026-11-21 14:00:00'", "1795269600"},
        {"datetime", "auto", "1795269600", "1795269600"},
        {"integer", "auto", "'2026-11-21T14:00:00Z'", "1795269600"},
        {"", "auto", "1795269600", "1795269600"},
    };
    bool pg = kit_postgresql();
    for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++)
        check_time(&both[i]);
    for (size_t i = 0; pg && i < sizeof(postgresql) / sizeof(postgresql[0]); i++)
        check_time(&postgresql[i]);
    for (size_t i = 0; !pg && i < sizeof(sqlite) / sizeof(sqlite[0]); i++)
        check_time(&sqlite[i]);
}

/* Every kind of key is found again by page, by row, in key order. */
static void check_keys(const char *type, const char *const *keys)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    char *after = NULL;
    size_t seen = 0;
    kit_accounts(db, "t", type, "bigint");
    for (size_t i = 0; keys[i]; i++)
        CU_ASSERT_EQUAL(db_run(db, "INSERT INTO t (id, refresh_token, expires_at) VALUES ($1, $2, 5)",
                               (const char *const[]){keys[i], keys[i]}, 2, NULL, &e), 0);
    struct table *t = kit_table(db, "t", "auto", NULL);
    for (bool last = false; !last;) {
        struct page p = {0};
        CU_ASSERT_EQUAL_FATAL(store_page(db, t, after, 2, &p, &e), 0);
        last = p.last;
        free(after);
        after = p.count ? xstrdup(p.rows[p.count - 1].key) : NULL;
        seen += p.count;
        for (size_t i = 0; i < p.count; i++) {
            struct row row = {0};
            struct record rec = {0};
            bool known = true;
            CU_ASSERT_EQUAL(store_row(db, t, p.rows[i].key, &row, &rec, &known, &e), 0);
            CU_ASSERT_FALSE(known);
            CU_ASSERT_STRING_EQUAL(row.key, p.rows[i].key);
            CU_ASSERT_STRING_EQUAL(row.hash, p.rows[i].hash);
            CU_ASSERT_STRING_EQUAL(row_cell(t, &row, "refresh_token")->text, row.key);
            CU_ASSERT_PTR_NULL(p.records[i].source);
            row_done(&row);
            record_done(&rec);
        }
        page_done(&p);
    }
    size_t count = 0;
    while (keys[count])
        count++;
    CU_ASSERT_EQUAL(seen, count);
    free(after);
    table_free(t);
    db_close(db);
}

static void kinds_of_keys(void)
{
    static char long_key[1025];
    memset(long_key, 'k', 1024);
    const char *const texts[] = {"a", "a'b", "\"q\"", "back\\slash", "{1,2}", "\xc3\xa4 \xe6\x97\xa5\xe6\x9c\xac",
                                 " ", "%_", "NULL", "line\nfeed", "$1 {records}", long_key, NULL};
    const char *const numbers[] = {"-3", "1", "2", "10", "9007199254740993", NULL};
    const char *const uuids[] = {"6fa459ea-ee8a-3ca4-894e-db77e160355e",
                                 "00000000-0000-0000-0000-000000000001",
                                 "ffffffff-ffff-ffff-ffff-ffffffffffff", NULL};
    check_keys("text", texts);
    check_keys("varchar(1100)", texts);
    check_keys("bigint", numbers);
    check_keys("integer", (const char *const[]){"1", "2", "10", NULL});
    check_keys(kit_postgresql() ? "uuid" : "text", uuids);
}

static void null_keys_are_no_records(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    struct page p = {0};
    kit_sql(db, "CREATE TABLE t (id text UNIQUE, account text, access_token text, refresh_token text,"
                " expires_at bigint, status text, last_error text)");
    kit_sql(db, "INSERT INTO t (id, refresh_token) VALUES (NULL, 'x'), ('a', 'y'), (NULL, 'z')");
    struct table *t = kit_table(db, "t", "auto", NULL);
    CU_ASSERT_EQUAL(store_page(db, t, NULL, 10, &p, &e), 0);
    CU_ASSERT_EQUAL(p.count, 1);
    CU_ASSERT_TRUE(p.last);
    page_done(&p);
    table_free(t);
    db_close(db);
}

static struct row look(struct db *db, struct table *t, const char *key)
{
    struct row row = {0};
    struct record rec = {0};
    bool known = false;
    struct error e = {""};
    if (store_row(db, t, key, &row, &rec, &known, &e) < 0)
        printf("# %s\n", e.text);
    record_done(&rec);
    return row;
}

static void the_hash_tells_what_counts(void)
{
    struct db *db = kit_fresh();
    const char *const connected[] = {"connected", NULL};
    struct row first, now;
    kit_accounts(db, "t", "bigint", "text");
    kit_sql(db, "INSERT INTO t VALUES (1, 'A', 'at', 'rt', '2026-11-21T14:00:00Z', 'connected', NULL)");
    struct table *t = kit_table(db, "t", "auto", connected);
    first = look(db, t, "1");
    CU_ASSERT_EQUAL(strlen(first.hash), 64);
    CU_ASSERT_FALSE(first.outside);
    static const struct { const char *sql; bool differs; } changes[] = {
        {"last_error = 'whatever'", false},  {"access_token = 'other'", true},
        {"access_token = 'at'", false},      {"refresh_token = NULL", true},
        {"refresh_token = ''", true},        {"refresh_token = 'rt'", false},
        {"account = 'B'", true},             {"account = 'A'", false},
        {"expires_at = '2026-11-21T14:00:01Z'", true},
        {"expires_at = 'nonsense'", true},   {"expires_at = '2026-11-21T14:00:00Z'", false},
        {"status = 'expired'", true},        {"status = NULL", true},
        {"status = 'connected'", false},
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        kit_sql(db, "UPDATE t SET %s", changes[i].sql);
        now = look(db, t, "1");
        if ((strcmp(now.hash, first.hash) != 0) != changes[i].differs)
            printf("# after %s\n", changes[i].sql);
        CU_ASSERT_EQUAL(strcmp(now.hash, first.hash) != 0, changes[i].differs);
        CU_ASSERT_EQUAL(now.outside, strstr(changes[i].sql, "status = 'e") || strstr(changes[i].sql, "status = N"));
        struct row copy = {0};
        row_copy(&copy, &now);
        CU_ASSERT_STRING_EQUAL(copy.hash, now.hash);
        row_done(&copy);
        row_done(&now);
    }
    row_done(&first);
    table_free(t);
    db_close(db);
}

static void filters(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    struct table *t = NULL;
    struct page p = {0};
    bool pg = kit_postgresql();
    const struct column_wish columns[] = {
        {"refresh_token", "refresh_token", VALUE_SECRET, false, true, true},
    };
    const char *const kinds[] = {"google", "it's", NULL}, *const yes[] = {"true", NULL};
    const struct only_wish only[] = {{"kind", kinds}, {"active", yes}};
    const struct table_wish wish = {.job = "kit", .table = "t", .key = "id", .columns = columns,
                                    .column_count = 1, .times = "auto", .only = only, .only_count = 2};
    kit_sql(db, "CREATE TABLE t (id integer PRIMARY KEY, refresh_token text, kind text, active boolean)");
    kit_sql(db, "INSERT INTO t VALUES (1, 'a', 'google', %s), (2, 'b', 'meta', %s), (3, 'c', 'it''s', %s),"
                " (4, 'd', 'google', %s), (5, 'e', NULL, %s)", pg ? "true" : "1", pg ? "true" : "1",
            pg ? "true" : "1", pg ? "false" : "0", pg ? "true" : "1");
    CU_ASSERT_EQUAL_FATAL(table_resolve(db, &wish, &t, &e), 0);
    CU_ASSERT_EQUAL_FATAL(store_page(db, t, NULL, 10, &p, &e), 0);
    CU_ASSERT_EQUAL(p.count, 2);
    CU_ASSERT_STRING_EQUAL(p.rows[0].key, "1");
    CU_ASSERT_STRING_EQUAL(p.rows[1].key, "3");
    page_done(&p);
    struct row row = {0};
    struct record rec = {0};
    bool known = false;
    CU_ASSERT_EQUAL(store_row(db, t, "4", &row, &rec, &known, &e), -ENOENT);
    table_free(t);
    db_close(db);
}

/* In pages, with what is known beside; stopped and taken up again at any page. */
static void many_rows_in_pages(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    size_t seen = 0, known = 0, pages = 0;
    char *after = NULL;
    kit_accounts(db, "t", "bigint", "bigint");
    kit_sql(db, kit_postgresql()
                    ? "INSERT INTO t (id, refresh_token, expires_at) SELECT n, 'r' || n, 5"
                      " FROM generate_series(1, 20000) n"
                    : "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 20000)"
                      " INSERT INTO t (id, refresh_token, expires_at) SELECT n, 'r' || n, 5 FROM s");
    struct table *t = kit_table(db, "t", "auto", NULL);
    for (int round = 0; round < 2; round++) {
        seen = known = 0;
        for (bool last = false; !last; pages++) {
            struct page p = {0};
            CU_ASSERT_EQUAL_FATAL(store_page(db, t, after, 500, &p, &e), 0);
            last = p.last;
            struct record_change *changes = xcalloc(p.count + 1, sizeof(*changes));
            for (size_t i = 0; i < p.count; i++) {
                known += p.records[i].source != NULL;
                changes[i].is_new = true;
                changes[i].now = (struct record){.source = t->source, .key = p.rows[i].key,
                                                 .job = t->job, .state = STATE_OK, .generation = 1};
            }
            int put = store_records_put(db, changes, p.count, &e);
            CU_ASSERT_EQUAL(put, round ? 0 : (int)p.count);
            free(changes);
            seen += p.count;
            free(after);
            after = last ? NULL : xstrdup(p.rows[p.count - 1].key);
            page_done(&p);
            if (pages == 7) { /* another host goes on from there */
                db_close(db);
                db = kit_open();
            }
        }
        CU_ASSERT_EQUAL(seen, MANY);
        CU_ASSERT_EQUAL(known, round ? MANY : 0);
    }
    CU_ASSERT_TRUE(kit_is(db, "20000", "SELECT count(*) FROM {records}"));
    table_free(t);
    db_close(db);
}

static void somebody_was_quicker(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    char source[] = "s", key[] = "k", job[] = "j";
    struct record_change c = {.is_new = true, .now = {.source = source, .key = key, .job = job,
                                                      .state = STATE_OK, .generation = 1}};
    snprintf(c.now.hash, sizeof(c.now.hash), "h1");
    CU_ASSERT_EQUAL(store_records_put(db, &c, 1, &e), 1);
    CU_ASSERT_EQUAL(store_records_put(db, &c, 1, &e), 0);
    c.is_new = false;
    snprintf(c.old_hash, sizeof(c.old_hash), "h1");
    snprintf(c.now.hash, sizeof(c.now.hash), "h2");
    c.old_generation = 1;
    c.now.generation = 2;
    CU_ASSERT_EQUAL(store_records_put(db, &c, 1, &e), 1);
    CU_ASSERT_EQUAL(store_records_put(db, &c, 1, &e), 0);
    snprintf(c.old_hash, sizeof(c.old_hash), "h2");
    c.old_generation = 2;
    c.old_last_at = 1;
    CU_ASSERT_EQUAL(store_records_put(db, &c, 1, &e), 0);
    c.old_last_at = 0;
    CU_ASSERT_EQUAL(store_records_put(db, &c, 1, &e), 1);
    db_close(db);
}

static void the_sweep(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    const char *const connected[] = {"connected", NULL};
    char *next = NULL;
    int64_t removed = 0, sum = 0;
    kit_accounts(db, "t", "bigint", "bigint");
    kit_sql(db, "INSERT INTO t (id, refresh_token, status) VALUES (1, 'a', 'connected'),"
                " (2, 'b', 'expired'), (3, 'c', 'expired'), (4, 'd', NULL)");
    struct table *t = kit_table(db, "t", "auto", connected);
    for (int i = 1; i <= 7; i++)
        kit_sql(db, "INSERT INTO {records} (source, rkey, job, state, fingerprint, wrote_status)"
                    " VALUES ('%s', '%d', 'kit', 1, 'f%d', %s)", t->source, i, i,
                i == 2 ? "'expired'" : "NULL");
    kit_sql(db, "INSERT INTO {records} (source, rkey, job, state) VALUES ('elsewhere', '5', 'x', 1)");
    kit_sql(db, "INSERT INTO {credentials} (fingerprint, attempt_id, lease_until) VALUES"
                " ('f6', 'a', 99999999999), ('f7', 'b', 5)");
    do {
        char *after = next;
        CU_ASSERT_EQUAL_FATAL(store_sweep(db, t, after, 3, &next, &removed, &e), 0);
        free(after);
        sum += removed;
    } while (next);
    /* 1 is there, 2 has the status that we wrote, 6 is out on a lease */
    CU_ASSERT_EQUAL(sum, 4);
    CU_ASSERT_TRUE(kit_is(db, "3", "SELECT count(*) FROM {records} WHERE source <> 'elsewhere'"
                                   " AND rkey IN ('1', '2', '6')"));
    CU_ASSERT_TRUE(kit_is(db, "4", "SELECT count(*) FROM {records}"));
    table_free(t);
    db_close(db);
}

static void rehearsals(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    bool pg = kit_postgresql();
    kit_accounts(db, "t", "bigint", "bigint");
    kit_sql(db, "INSERT INTO t (id, refresh_token, account) VALUES (1, 'a', 'x')");
    struct table *t = kit_table(db, "t", "auto", NULL);
    CU_ASSERT_EQUAL(store_rehearse(db, t, "1", &e), 0);
    CU_ASSERT_EQUAL(store_rehearse(db, t, "2", &e), -ENOENT);
    if (pg) {
        kit_sql(db, "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
                    " $f$BEGIN RAISE EXCEPTION 'token %%', NEW.refresh_token; END$f$");
        kit_sql(db, "CREATE TRIGGER no BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION no()");
    } else {
        kit_sql(db, "CREATE TRIGGER no BEFORE UPDATE ON t BEGIN SELECT RAISE(ABORT, 'no writes'); END");
    }
    CU_ASSERT_EQUAL(store_rehearse(db, t, "1", &e), -EIO);
    CU_ASSERT_TRUE(says(e.text, "trigger"));
    CU_ASSERT_PTR_NULL(strstr(e.text, "token a"));
    kit_sql(db, pg ? "DROP TRIGGER no ON t" : "DROP TRIGGER no");
    if (pg) {
        kit_sql(db, "ALTER TABLE t ENABLE ROW LEVEL SECURITY");
        kit_sql(db, "ALTER TABLE t FORCE ROW LEVEL SECURITY");
        kit_sql(db, "CREATE POLICY r ON t FOR SELECT USING (true)");
        CU_ASSERT_EQUAL(store_rehearse(db, t, "1", &e), -EPERM);
        CU_ASSERT_TRUE(says(e.text, "row security"));
        kit_sql(db, "ALTER TABLE t NO FORCE ROW LEVEL SECURITY");
    } else {
        kit_sql(db, "CREATE TRIGGER still BEFORE UPDATE ON t BEGIN SELECT RAISE(IGNORE); END");
        CU_ASSERT_EQUAL(store_rehearse(db, t, "1", &e), -EPERM);
    }
    CU_ASSERT_FALSE(db->in_transaction);
    CU_ASSERT_TRUE(kit_is(db, "x", "SELECT account FROM t"));
    table_free(t);
    db_close(db);
}

static void own_table(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    struct table *t = NULL;
    struct page p = {0};
    const struct column_wish columns[] = {
        {"access_token", NULL, VALUE_SECRET, false, true, true},
        {"expires_at", NULL, VALUE_TIME, false, false, true},
        {"domain_prefix", NULL, VALUE_TEXT, false, false, true},
        {"period_end", NULL, VALUE_TIME, false, false, true},
    };
    const struct table_wish wish = {.job = "mine", .columns = columns, .column_count = 4, .times = "auto"};
    CU_ASSERT_EQUAL_FATAL(table_resolve(db, &wish, &t, &e), 0);
    CU_ASSERT_STRING_EQUAL(t->source, "job:mine");
    CU_ASSERT_TRUE(t->own);
    CU_ASSERT_TRUE(t->columns[2].extra);
    kit_sql(db, "INSERT INTO {accounts} (job, id, access_token, expires_at, extra) VALUES"
                " ('mine', 'a', 't', %d, '{\"domain_prefix\": \"shop\", \"period_end\": \"77\"}'),"
                " ('other', 'a', 'u', 5, NULL), ('mine', 'b', 'v', NULL, NULL)", EXPIRES);
    CU_ASSERT_EQUAL_FATAL(store_page(db, t, NULL, 10, &p, &e), 0);
    CU_ASSERT_EQUAL_FATAL(p.count, 2);
    CU_ASSERT_STRING_EQUAL(row_cell(t, &p.rows[0], "domain_prefix")->text, "shop");
    CU_ASSERT_STRING_EQUAL(row_cell(t, &p.rows[0], "period_end")->text, "77");
    CU_ASSERT_STRING_EQUAL(row_cell(t, &p.rows[0], "expires_at")->text, "1795269600");
    CU_ASSERT_PTR_NULL(row_cell(t, &p.rows[1], "domain_prefix")->text);
    page_done(&p);
    CU_ASSERT_EQUAL(store_rehearse(db, t, "a", &e), 0);
    table_free(t);
    db_close(db);
}

static void twins_of_a_view(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    struct table *t = NULL;
    struct page p = {0};
    kit_sql(db, "CREATE TABLE base (id integer, refresh_token text, expires_at bigint)");
    kit_sql(db, "INSERT INTO base VALUES (1, 'a', 1), (2, 'b', 2)");
    kit_sql(db, "CREATE VIEW v AS SELECT * FROM base");
    CU_ASSERT_EQUAL_FATAL(resolve(db, &(struct asked){.table = "v", .through_statements = true}, &t, &e), 0);
    CU_ASSERT_EQUAL(store_page(db, t, NULL, 10, &p, &e), 0);
    page_done(&p);
    kit_sql(db, "INSERT INTO base VALUES (2, 'c', 2)");
    CU_ASSERT_EQUAL(store_page(db, t, NULL, 10, &p, &e), -EINVAL);
    CU_ASSERT_TRUE(says(e.text, "two rows of one key"));
    table_free(t);
    db_close(db);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"mixed case, blanks, quotes and schemas in names", names},
        {"a missing table or column is named with its remedy", what_is_missing_is_named},
        {"missing time columns match their table", missing_times_match_their_table},
        {"keys without a unique index of their own, and views", keys_without_a_unique_index},
        {"types that do not fit", types_that_do_not_fit},
        {"every form of time", times},
        {"text, bigint and uuid keys, odd ones too", kinds_of_keys},
        {"NULL keys are no records", null_keys_are_no_records},
        {"the hash tells what counts", the_hash_tells_what_counts},
        {"only", filters},
        {"20,000 rows in pages, taken up again", many_rows_in_pages},
        {"a record that somebody was quicker with", somebody_was_quicker},
        {"the sweep", the_sweep},
        {"rehearsals", rehearsals},
        {"renewd's own table", own_table},
        {"a view that shows a key twice", twins_of_a_view},
        {NULL, NULL},
    };
    return run_tests(kit_suite("store tables"), tests);
}
