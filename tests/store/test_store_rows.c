/* SPDX-License-Identifier: MIT
 * Rows read from a job's table: what their hash tells, which of them are the job's, pages, records that
 * somebody else wrote first, the sweep.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "tests/store/kit.h"

enum { MANY = 20000 };

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
    static const struct {
        const char *sql;
        bool differs;
    } changes[] = {
        {"last_error = 'whatever'", false},
        {"access_token = 'other'", true},
        {"access_token = 'at'", false},
        {"refresh_token = NULL", true},
        {"refresh_token = ''", true},
        {"refresh_token = 'rt'", false},
        {"account = 'B'", true},
        {"account = 'A'", false},
        {"expires_at = '2026-11-21T14:00:01Z'", true},
        {"expires_at = 'nonsense'", true},
        {"expires_at = '2026-11-21T14:00:00Z'", false},
        {"status = 'expired'", true},
        {"status = NULL", true},
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
    const struct table_requirement wish = {.job = "kit",
                                           .table = "t",
                                           .key = "id",
                                           .columns = columns,
                                           .column_count = 1,
                                           .times = "auto",
                                           .only = only,
                                           .only_count = 2};
    kit_sql(db, "CREATE TABLE t (id integer PRIMARY KEY, refresh_token text, kind text, active boolean)");
    kit_sql(db,
            "INSERT INTO t VALUES (1, 'a', 'google', %s), (2, 'b', 'meta', %s), (3, 'c', 'it''s', %s),"
            " (4, 'd', 'google', %s), (5, 'e', NULL, %s)",
            pg ? "true" : "1", pg ? "true" : "1", pg ? "true" : "1", pg ? "false" : "0", pg ? "true" : "1");
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

/* In one statement, each at its key's place; a key without a row and one that is no number are not found. */
static void rows_by_their_keys(void)
{
    struct db *db = kit_fresh();
    struct error e = {""};
    const char *const keys[] = {"3", "9", "me", "1"}, *seven = "007";
    struct known_row *list = xcalloc(4, sizeof(*list)), *one = xcalloc(1, sizeof(*one));
    kit_accounts(db, "t", "bigint", "text");
    kit_sql(db, "INSERT INTO t (id, refresh_token) VALUES (1, 'a'), (2, 'b'), (3, 'c'), (7, 'g')");
    struct table *t = kit_table(db, "t", "auto", NULL);
    kit_sql(db,
            "INSERT INTO {records} (source, rkey, job, state) VALUES ('%s', '3', 'kit', 1), ('%s', '9', 'kit', 1)",
            t->source, t->source);
    CU_ASSERT_EQUAL_FATAL(store_rows(db, t, keys, 4, list, &e), 0);
    CU_ASSERT_STRING_EQUAL(list[0].row.key, "3");
    CU_ASSERT_STRING_EQUAL(list[0].record.key, "3");
    CU_ASSERT_PTR_NULL(list[1].row.key);
    CU_ASSERT_STRING_EQUAL(list[1].record.key, "9");
    CU_ASSERT_PTR_NULL(list[2].row.key);
    CU_ASSERT_STRING_EQUAL(list[3].row.key, "1");
    CU_ASSERT_PTR_NULL(list[3].record.source);
    known_rows_free(list, 4);
    CU_ASSERT_EQUAL(store_rows(db, t, &seven, 1, one, &e), 0);
    CU_ASSERT_STRING_EQUAL(one->row.key, "7");
    known_rows_free(one, 1);
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
    kit_sql(db, kit_postgresql() ? "INSERT INTO t (id, refresh_token, expires_at) SELECT n, 'r' || n, 5"
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
                changes[i].now = (struct record){.source = t->source,
                                                 .key = p.rows[i].key,
                                                 .job = t->job,
                                                 .state = STATE_OK,
                                                 .generation = 1};
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
    struct record_change c =
        {.is_new = true, .now = {.source = source, .key = key, .job = job, .state = STATE_OK, .generation = 1}};
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

/* Texts that a list of many would get wrong, and a page in which every column has its own value or the same. */
static void a_page_of_records(void)
{
    static const char *const accounts[] = {"plain",   NULL,      "NULL",        "",        "a,b",
                                           "{x}",     "qu\"ote", "back\\slash", "a\nline", "gr\xc3\xbc\xc3\x9f",
                                           "'; DROP", " "};
    enum { KINDS = sizeof accounts / sizeof *accounts };
    struct db *db = kit_fresh();
    struct error e = {""};
    struct record_change list[KINDS + 1] = {0};
    char source[] = "s", job[] = "j", keys[KINDS + 1][8], copies[KINDS][16];
    int64_t count = -1;
    for (size_t i = 0; i <= KINDS; i++) {
        struct record *r = &list[i].now;
        snprintf(keys[i], sizeof keys[i], "k\"%zu", i);
        *r = (struct record){.source = source,
                             .key = keys[i],
                             .job = job,
                             .state = STATE_OK,
                             .generation = -(int64_t)i};
        snprintf(r->hash, sizeof r->hash, "h%zu", i);
        r->due_at = INT64_MAX - (int64_t)i;
        if (i < KINDS && accounts[i])
            r->account = strcpy(copies[i], accounts[i]);
        list[i].is_new = true;
    }
    CU_ASSERT_EQUAL(store_records_put(db, list, KINDS, &e), KINDS);
    CU_ASSERT_EQUAL(store_records_put(db, list, KINDS, &e), 0);
    for (size_t i = 0; i < KINDS; i++) {
        struct record r;
        CU_ASSERT_EQUAL_FATAL(store_record(db, "s", keys[i], &r, &e), 0);
        CU_ASSERT_EQUAL(r.generation, -(int64_t)i);
        CU_ASSERT_EQUAL(r.due_at, INT64_MAX - (int64_t)i);
        CU_ASSERT_EQUAL(r.state, STATE_OK);
        CU_ASSERT_STRING_EQUAL(r.hash, list[i].now.hash);
        CU_ASSERT_EQUAL(!r.account, !accounts[i]);
        if (r.account && accounts[i])
            CU_ASSERT_STRING_EQUAL(r.account, accounts[i]);
        CU_ASSERT_PTR_NULL(r.memo);
        record_done(&r);
    }
    CU_ASSERT_EQUAL(store_records_count(db, "s", &count, &e), 0);
    CU_ASSERT_EQUAL(count, KINDS);
    CU_ASSERT_EQUAL(store_records_count(db, "t", &count, &e), 0);
    CU_ASSERT_EQUAL(count, 0);
    /* One is new, one another process changed, one has another state, one is as it was; the others change. */
    for (size_t i = 0; i < KINDS; i++) {
        list[i].is_new = false;
        memcpy(list[i].old_hash, list[i].now.hash, sizeof list[i].old_hash);
        list[i].old_generation = list[i].now.generation;
        list[i].now.strikes = (int)i;
        list[i].now.state = i == 3 ? STATE_RETRYING : STATE_OK;
    }
    kit_sql(db, "UPDATE {records} SET hash = 'other' WHERE rkey = 'k\"5'");
    CU_ASSERT_EQUAL(store_records_put(db, list, KINDS + 1, &e), KINDS);
    CU_ASSERT_TRUE(kit_is(db, "61", "SELECT sum(strikes) FROM {records}")); /* 0 + ... + 11, without 5 */
    CU_ASSERT_TRUE(kit_is(db, "k\"3", "SELECT min(rkey) FROM {records} WHERE state = %d", STATE_RETRYING));
    CU_ASSERT_TRUE(kit_is(db, "other", "SELECT hash FROM {records} WHERE rkey = 'k\"5'"));
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
        kit_sql(db,
                "INSERT INTO {records} (source, rkey, job, state, fingerprint, wrote_status)"
                " VALUES ('%s', '%d', 'kit', 1, 'f%d', %s)",
                t->source, i, i, i == 2 ? "'expired'" : "NULL");
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
    CU_ASSERT_TRUE(kit_is(db, "3",
                          "SELECT count(*) FROM {records} WHERE source <> 'elsewhere'"
                          " AND rkey IN ('1', '2', '6')"));
    CU_ASSERT_TRUE(kit_is(db, "4", "SELECT count(*) FROM {records}"));
    table_free(t);
    db_close(db);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"the hash tells what counts", the_hash_tells_what_counts},
        {"only", filters},
        {"rows by their keys", rows_by_their_keys},
        {"20,000 rows in pages, taken up again", many_rows_in_pages},
        {"a record that somebody was quicker with", somebody_was_quicker},
        {"a page of records, each its own", a_page_of_records},
        {"the sweep", the_sweep},
        {NULL, NULL},
    };
    return run_tests(kit_suite("store rows"), tests);
}
