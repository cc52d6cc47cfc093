/* SPDX-License-Identifier: MIT
 * A job's table held against the live database: names, keys, forms of times, what is refused and with
 * which words; rehearsals. What is read from it is in test_store_rows.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "tests/store/kit.h"

enum { EXPIRES = 1795269600 }; /* 2026-11-21T14:00:00Z */

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
    const struct table_requirement wish = {
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
    CU_ASSERT_EQUAL(resolve(db,
                            &(struct asked){.table = "\"App\"",
                                            .key = "Id",
                                            .token = "Refresh Token",
                                            .expires = "expires\"At"},
                            &t, &e),
                    0);
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
        CU_ASSERT_EQUAL(resolve(db,
                                &(struct asked){.table = "main.app",
                                                .key = "ID",
                                                .token = "refresh token",
                                                .expires = "EXPIRES\"AT"},
                                &t, &e),
                        0);
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
    CU_ASSERT_TRUE(
        says(refused(db, &(struct asked){.table = "conn", .key = "nokey"}, -ENOENT), "\"nokey\" (the key)"));
    kit_sql(db, "%s",
            text = pg ? "ALTER TABLE \"public\".\"conn\" ADD COLUMN \"refresh_token\" text,"
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
    const struct table_requirement wish = {.job = "instagram",
                                           .table = "instagram_connections",
                                           .key = "id",
                                           .columns = columns,
                                           .column_count = 5,
                                           .times = "auto"};
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
    refused(db, &(struct asked){.table = "v"}, 0);
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
                               (const char *const[]){keys[i], keys[i]}, 2, NULL, &e),
                        0);
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
    const char *const texts[] = {"a",           "a'b",          "\"q\"",
                                 "back\\slash", "{1,2}",        "\xc3\xa4 \xe6\x97\xa5\xe6\x9c\xac",
                                 " ",           "%_",           "NULL",
                                 "line\nfeed",  "$1 {records}", long_key,
                                 NULL};
    const char *const numbers[] = {"-3", "1", "2", "10", "9007199254740993", NULL};
    const char *const uuids[] = {"6fa459ea-ee8a-3ca4-894e-db77e160355e", "00000000-0000-0000-0000-000000000001",
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

static void rehearsals_of_any(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    const char *keys[] = {"9", "1"};
    kit_accounts(db, "t", "bigint", "bigint");
    struct table *t = kit_table(db, "t", "auto", NULL);
    CU_ASSERT_EQUAL(store_rehearse_any(db, t, keys, 2, &e), -ENOENT);
    kit_sql(db, "INSERT INTO t (id, refresh_token, account) VALUES (1, 'a', 'x'), (2, 'b', 'y')");
    CU_ASSERT_EQUAL(store_rehearse_any(db, t, keys, 2, &e), 0);
    if (kit_postgresql())
        kit_sql(db, "ALTER TABLE t ADD CONSTRAINT c CHECK (id <> 1) NOT VALID");
    else
        kit_sql(db, "CREATE TRIGGER c BEFORE UPDATE ON t WHEN new.id = 1 BEGIN SELECT RAISE(ABORT, 'no'); END");
    CU_ASSERT_EQUAL(store_rehearse(db, t, "1", &e), -EIO);
    CU_ASSERT_EQUAL(store_rehearse_any(db, t, keys, 2, &e), 0); /* another row takes it */
    kit_sql(db, "DELETE FROM t WHERE id = 2");
    CU_ASSERT_EQUAL(store_rehearse_any(db, t, keys, 2, &e), -EIO);
    CU_ASSERT_TRUE(says(e.text, "own values"));
    CU_ASSERT_FALSE(db->in_transaction);
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
    const struct table_requirement wish = {.job = "mine", .columns = columns, .column_count = 4, .times = "auto"};
    CU_ASSERT_EQUAL_FATAL(table_resolve(db, &wish, &t, &e), 0);
    CU_ASSERT_STRING_EQUAL(t->source, "job:mine");
    CU_ASSERT_TRUE(t->own);
    CU_ASSERT_TRUE(t->columns[2].extra);
    kit_sql(db,
            "INSERT INTO {accounts} (job, id, access_token, expires_at, extra) VALUES"
            " ('mine', 'a', 't', %d, '{\"domain_prefix\": \"shop\", \"period_end\": \"77\"}'),"
            " ('other', 'a', 'u', 5, NULL), ('mine', 'b', 'v', NULL, NULL)",
            EXPIRES);
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

static int owned(struct db *db, const char *via, const char *key, struct table **ret, struct error *e)
{
    const struct column_wish columns[] = {{"refresh_token", "Token", VALUE_SECRET, false, true, true}};
    const struct owner_requirement owner = {.via = via, .table = "App", .key = key, .column = "userId"};
    const struct table_requirement wish = {.job = "kit",
                                           .table = "Page",
                                           .key = "id",
                                           .columns = columns,
                                           .column_count = 1,
                                           .owner = &owner,
                                           .times = "auto"};
    return table_resolve(db, &wish, ret, e);
}

/* "id" and "appId" are columns of both tables. */
static void owners_in_another_table(void)
{
    struct db *db = kit_fresh();
    struct table *t = NULL;
    struct page p = {0};
    struct error e = {""};
    kit_sql(db, "CREATE TABLE \"App\" (id integer PRIMARY KEY, \"userId\" bigint, \"appId\" integer, n text)");
    kit_sql(db, "CREATE TABLE \"Page\" (id text PRIMARY KEY, \"appId\" integer, \"Token\" text, word text)");
    kit_sql(db, "INSERT INTO \"App\" VALUES (1, 70, 2, 'x'), (2, 80, 1, 'y'), (3, NULL, 3, 'z')");
    kit_sql(db, "INSERT INTO \"Page\" VALUES ('a', 1, 't', ''), ('b', 2, 't', ''), ('c', 3, 't', ''),"
                " ('d', 9, 't', ''), ('e', NULL, 't', '')");
    CU_ASSERT_EQUAL_FATAL(owned(db, "appId", "id", &t, &e), 0);
    CU_ASSERT_EQUAL_FATAL(store_page(db, t, NULL, 10, &p, &e), 0);
    CU_ASSERT_EQUAL_FATAL(p.count, 5);
    CU_ASSERT_STRING_EQUAL(row_cell(t, &p.rows[0], "owner")->text, "70");
    CU_ASSERT_STRING_EQUAL(row_cell(t, &p.rows[1], "owner")->text, "80");
    for (size_t i = 2; i < 5; i++)
        CU_ASSERT_PTR_NULL(row_cell(t, &p.rows[i], "owner")->text);
    page_done(&p);
    table_free(t);
    CU_ASSERT_EQUAL(owned(db, "word", "id", &t, &e), -EINVAL);
    CU_ASSERT_TRUE(says(e.text, "different types"));
    CU_ASSERT_EQUAL(owned(db, "word", "n", &t, &e), -EINVAL);
    CU_ASSERT_TRUE(says(e.text, "no unique index"));
    if (kit_postgresql()) {
        kit_sql(db, "ALTER TABLE \"Page\" ADD u uuid");
        kit_sql(db, "CREATE TYPE mood AS ENUM ('well')");
        kit_sql(db, "ALTER TABLE \"App\" ADD m mood UNIQUE");
        CU_ASSERT_NOT_EQUAL(owned(db, "u", "m", &t, &e), 0);
        CU_ASSERT_TRUE(says(e.text, "the owner cannot be read in table App by its column m"));
    }
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
        {"rehearsals", rehearsals},
        {"rehearsals with any row", rehearsals_of_any},
        {"renewd's own table", own_table},
        {"a view that shows a key twice", twins_of_a_view},
        {"owners in another table", owners_in_another_table},
        {NULL, NULL},
    };
    return run_tests(kit_suite("store tables"), tests);
}
