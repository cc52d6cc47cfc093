/* SPDX-License-Identifier: MIT
 * Claims: who gets a credential and who does not, in what order, what moves, what is given back. Two
 * connections stand for two hosts; the database's clock is the only one that ends a lease.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/store/hosts.h"
#include "tests/store/kit.h"

enum { NOW = 1000000, ALL = 1000, LEASE = 300, HOSTS = 4, RECORDS = 2000 };

struct scene {
    struct db *db;
    struct table *t;
    struct claim_request q;
};

static void scene_begin(struct scene *s)
{
    s->db = kit_fresh();
    kit_accounts(s->db, "t", "text", "bigint");
    s->t = kit_table(s->db, "t", "auto", NULL);
    s->q = (struct claim_request){.table = s->t,
                                  .plugin = "oauth2",
                                  .mode = CLAIM_AUTO,
                                  .now = NOW,
                                  .limit = ALL,
                                  .failing_limit = ALL,
                                  .host = "h1",
                                  .incarnation = "i1",
                                  .lease_s = LEASE};
    static const char *const hosts[] = {"h1", "h2", "h"};
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(store_heartbeat(s->db, hosts[i], "i1", NULL), 0);
        CU_ASSERT_EQUAL(store_heartbeat(s->db, hosts[i], "i", NULL), 0);
    }
}

static void scene_end(struct scene *s)
{
    table_free(s->t);
    db_close(s->db);
}

/* A row and its record, due now; set: "column = value, ..." on the record, or NULL. */
static void put(struct scene *s, const char *key, const char *fingerprint, const char *set)
{
    kit_sql(s->db, "INSERT INTO t (id, refresh_token, expires_at) VALUES ('%s', 'r-%s', 5)", key, key);
    kit_sql(s->db,
            "INSERT INTO {records} (source, rkey, job, state, fingerprint, earliest, point, due_at,"
            " death) VALUES ('%s', '%s', 'kit', 1, '%s', 1, 2, 2, 0)",
            s->t->source, key, fingerprint);
    if (set)
        kit_sql(s->db, "UPDATE {records} SET %s WHERE rkey = '%s'", set, key);
}

static void set_credential(struct scene *s, const char *fingerprint, const char *columns, const char *values)
{
    kit_sql(s->db, "DELETE FROM {credentials} WHERE fingerprint = '%s'", fingerprint);
    kit_sql(s->db, "INSERT INTO {credentials} (fingerprint, %s) VALUES ('%s', %s)", columns, fingerprint, values);
}

/* The keys that a claim gives, joined by blanks; static. */
static const char *claim(struct db *db, const struct claim_request *q)
{
    static char keys[8192];
    struct claimed *list = NULL;
    size_t count = 0;
    struct error e = {""};
    keys[0] = '\0';
    int r = store_claim(db, q, &list, &count, &e);
    if (r < 0)
        snprintf(keys, sizeof(keys), "error: %s", e.text);
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(keys);
        snprintf(keys + len, sizeof(keys) - len, "%s%s", i ? " " : "", list[i].record.key);
        CU_ASSERT_EQUAL(strlen(list[i].attempt_id), 32);
    }
    claimed_free(list, count);
    return keys;
}

static bool gives(struct scene *s, const char *expected)
{
    const char *keys = claim(s->db, &s->q);
    if (!strcmp(keys, expected))
        return true;
    printf("# claimed \"%s\", not \"%s\"\n", keys, expected);
    return false;
}

static void forget_leases(struct scene *s)
{
    kit_sql(s->db, "DELETE FROM {credentials}");
    kit_sql(s->db, "UPDATE {records} SET due_at = 2 WHERE due_at > 0");
}

static void order_and_row(void)
{
    struct scene s;
    struct claimed *list = NULL;
    size_t count = 0;
    struct error e = {""};
    scene_begin(&s);
    put(&s, "never", "f1", "death = 0");
    put(&s, "late", "f2", "death = 900");
    put(&s, "soon", "f3", "death = 100, attempts = 2");
    put(&s, "b", "f4", "death = 500");
    put(&s, "a", "f5", "death = 500");
    kit_sql(s.db, "DELETE FROM t WHERE id = 'late'");
    CU_ASSERT_EQUAL_FATAL(store_claim(s.db, &s.q, &list, &count, &e), 0);
    CU_ASSERT_EQUAL_FATAL(count, 5);
    const char *const order[] = {"soon", "a", "b", "late", "never"};
    for (size_t i = 0; i < 5; i++) {
        CU_ASSERT_STRING_EQUAL(list[i].record.key, order[i]);
        CU_ASSERT_EQUAL(list[i].record.due_at, 2);
        CU_ASSERT_EQUAL(list[i].row_found, i != 3);
    }
    CU_ASSERT_STRING_EQUAL(row_cell(s.t, &list[0].row, "refresh_token")->text, "r-soon");
    CU_ASSERT_EQUAL(list[0].record.attempts, 2);
    CU_ASSERT_EQUAL(list[0].record.window.death, 100);
    CU_ASSERT_TRUE(kit_is(s.db, "5",
                          "SELECT count(*) FROM {records} r JOIN {credentials} c ON"
                          " c.fingerprint = r.fingerprint AND c.lease_until = r.due_at"
                          " AND c.lease_host = 'h1' AND c.lease_incarnation = 'i1'"));
    claimed_free(list, count);
    CU_ASSERT_TRUE(gives(&s, ""));
    scene_end(&s);
}

static void limits(void)
{
    struct scene s;
    scene_begin(&s);
    put(&s, "f1", "p1", "death = 1, attempts = 1");
    put(&s, "f2", "p2", "death = 2, attempts = 7");
    put(&s, "f3", "p3", "death = 3, attempts = 1");
    put(&s, "g1", "p4", "death = 4");
    put(&s, "g2", "p5", "death = 5");
    s.q.limit = 3;
    s.q.failing_limit = 1;
    CU_ASSERT_TRUE(gives(&s, "f1 g1 g2"));
    CU_ASSERT_TRUE(gives(&s, "f2"));
    forget_leases(&s);
    s.q.failing_limit = 0;
    CU_ASSERT_TRUE(gives(&s, "g1 g2"));
    forget_leases(&s);
    s.q.limit = s.q.failing_limit = 2;
    CU_ASSERT_TRUE(gives(&s, "f1 f2"));
    forget_leases(&s);
    s.q.limit = ALL;
    s.q.failing_limit = ALL;
    kit_sql(s.db, "UPDATE {records} SET last_outcome = 2, last_at = %d WHERE rkey = 'f2'", NOW);
    kit_sql(s.db, "UPDATE {records} SET last_outcome = 1, last_at = %d WHERE rkey = 'g1'", NOW);
    s.q.since = NOW;
    s.q.run_id = 7;
    CU_ASSERT_TRUE(gives(&s, "f1 f2 f3 g1 g2")); /* f2 failed in that second, before this run */
    forget_leases(&s);
    kit_sql(s.db,
            "INSERT INTO {attempts} (attempt_id, run_id, source, rkey, started_at)"
            " SELECT 'x', 7, source, rkey, %d FROM {records} WHERE rkey = 'f2'",
            NOW);
    CU_ASSERT_TRUE(gives(&s, "f1 f3 g1 g2"));
    scene_end(&s);
}

/* --at: what this run has refreshed is due again by the real time alone; a wait is real. */
static void moved_time(void)
{
    struct scene s;
    scene_begin(&s);
    put(&s, "again", "x1", NULL);
    put(&s, "waits", "x2", NULL);
    put(&s, "due", "x3", NULL);
    kit_sql(s.db, "UPDATE {records} SET due_at = %d, point = %d, ok_at = %d, last_outcome = 1", NOW + 50, NOW + 50,
            NOW);
    kit_sql(s.db, "UPDATE {records} SET not_before = %d WHERE rkey = 'waits'", NOW + 50);
    CU_ASSERT_TRUE(gives(&s, ""));
    s.q.now = NOW + 100;
    s.q.real_now = s.q.since = NOW;
    s.q.run_id = 7;
    s.q.once = true;
    CU_ASSERT_TRUE(gives(&s, "again due"));
    forget_leases(&s);
    kit_sql(s.db, "UPDATE {records} SET due_at = %d", NOW + 50);
    kit_sql(s.db,
            "INSERT INTO {attempts} (attempt_id, run_id, source, rkey, started_at)"
            " SELECT 'x', 7, source, rkey, %d FROM {records} WHERE rkey = 'again'",
            NOW);
    CU_ASSERT_TRUE(gives(&s, "due"));
    forget_leases(&s);
    kit_sql(s.db, "UPDATE {records} SET due_at = %d, point = %d", NOW - 1, NOW - 1);
    CU_ASSERT_TRUE(gives(&s, "again due")); /* really due again: months behind */
    scene_end(&s);
}

static void one_credential_one_holder(void)
{
    struct scene s;
    scene_begin(&s);
    struct db *other = kit_open();
    struct claim_request theirs = s.q;
    theirs.host = "h2";
    put(&s, "a", "shared", "death = 2");
    put(&s, "b", "shared", "death = 1");
    put(&s, "c", "own", NULL);
    CU_ASSERT_TRUE(gives(&s, "b c")); /* a waits: its credential is out */
    CU_ASSERT_STRING_EQUAL(claim(other, &theirs), "");
    kit_sql(s.db, "UPDATE {records} SET due_at = 2");
    CU_ASSERT_STRING_EQUAL(claim(other, &theirs), "");
    /* held credentials never hide what stands behind them */
    put(&s, "z", "free", "death = 9999");
    theirs.limit = theirs.failing_limit = 1;
    CU_ASSERT_STRING_EQUAL(claim(other, &theirs), "z");
    db_close(other);
    scene_end(&s);
}

struct host {
    pthread_t thread;
    struct table *t;
    struct claimed *list;
    size_t count;
    int result;
};

static void *claiming(void *arg)
{
    struct host *h = arg;
    struct db *db = kit_open();
    struct claim_request q = {.table = h->t,
                              .plugin = "oauth2",
                              .mode = CLAIM_AUTO,
                              .now = NOW,
                              .limit = 50,
                              .failing_limit = 50,
                              .host = "h",
                              .incarnation = "i",
                              .lease_s = LEASE};
    for (int idle = 0; idle < 3;) {
        struct claimed *some = NULL;
        size_t count = 0;
        struct error e = {""};
        int r = store_claim(db, &q, &some, &count, &e);
        if (r == -EBUSY)
            continue;
        if (r < 0) {
            printf("# %s\n", e.text);
            h->result = r;
            break;
        }
        idle = count ? 0 : idle + 1;
        h->list = xrealloc(h->list, (h->count + count + 1) * sizeof(*h->list));
        if (count)
            memcpy(h->list + h->count, some, count * sizeof(*some));
        h->count += count;
        free(some);
    }
    db_close(db);
    return NULL;
}

/* Four hosts, 2,000 records of 1,000 credentials: each credential is given once. */
static void hosts_at_once(void)
{
    struct scene s;
    struct host hosts[HOSTS];
    size_t sum = 0;
    memset(hosts, 0, sizeof(hosts));
    scene_begin(&s);
    CU_ASSERT_EQUAL(db_begin(s.db, NULL), 0);
    for (int i = 0; i < RECORDS; i++) {
        char key[24], fingerprint[24];
        snprintf(key, sizeof(key), "k%d", i);
        snprintf(fingerprint, sizeof(fingerprint), "f%d", i * 7 % (RECORDS / 2));
        put(&s, key, fingerprint, NULL);
    }
    CU_ASSERT_EQUAL(db_commit(s.db, NULL), 0);
    for (int i = 0; i < HOSTS; i++) {
        hosts[i].t = s.t;
        pthread_create(&hosts[i].thread, NULL, claiming, &hosts[i]);
    }
    for (int i = 0; i < HOSTS; i++) {
        pthread_join(hosts[i].thread, NULL);
        CU_ASSERT_EQUAL(hosts[i].result, 0);
        for (size_t k = 0; k < hosts[i].count; k++) /* the lease in the table is the one that was told */
            sum += (size_t)kit_is(s.db, hosts[i].list[k].attempt_id,
                                  "SELECT attempt_id FROM {credentials} WHERE fingerprint = '%s'",
                                  hosts[i].list[k].record.fingerprint);
        claimed_free(hosts[i].list, hosts[i].count);
    }
    CU_ASSERT_EQUAL(sum, RECORDS / 2);
    CU_ASSERT_TRUE(kit_is(s.db, "1000", "SELECT count(*) FROM {credentials}"));
    scene_end(&s);
}

static void leases_end_by_the_databases_clock(void)
{
    struct scene s;
    scene_begin(&s);
    put(&s, "a", "f", NULL);
    set_credential(&s, "f", "lease_host, lease_incarnation, attempt_id, lease_until",
                   "'h2', 'i2', 'old', 77"); /* long over */
    CU_ASSERT_TRUE(gives(&s, ""));           /* but not ours to take: it may have been spent */
    s.q.safe = true;
    s.q.now = 1; /* our own clock has no say */
    kit_sql(s.db, "UPDATE {records} SET due_at = 1");
    CU_ASSERT_TRUE(gives(&s, "a"));
    kit_sql(s.db, "UPDATE {records} SET due_at = 1");
    CU_ASSERT_TRUE(gives(&s, ""));
    CU_ASSERT_TRUE(kit_is(s.db, "h1", "SELECT lease_host FROM {credentials}"));
    /* an attempt that is in the history holds nothing any more */
    s.q.safe = false;
    set_credential(&s, "f", "lease_host, lease_incarnation, attempt_id, lease_until",
                   "'h2', 'i2', 'done', 99999999999");
    CU_ASSERT_TRUE(gives(&s, ""));
    kit_sql(s.db, "INSERT INTO {attempts} (attempt_id) VALUES ('done')");
    CU_ASSERT_TRUE(gives(&s, "a"));
    scene_end(&s);
}

static void dead_and_spent(void)
{
    struct scene s;
    scene_begin(&s);
    put(&s, "dead", "f1", NULL);
    put(&s, "spent", "f2", NULL);
    put(&s, "same", "f3", NULL);
    set_credential(&s, "f1", "dead", "1");
    set_credential(&s, "f2", "successor", "'f9'");
    set_credential(&s, "f3", "successor", "'f3'");
    CU_ASSERT_TRUE(gives(&s, "same"));
    s.q.safe = true;
    CU_ASSERT_TRUE(gives(&s, "spent"));
    s.q.safe = false;
    s.q.mode = CLAIM_MANUAL;
    const char *const keys[] = {"dead", "spent", "nobody"};
    s.q.keys = keys;
    s.q.key_count = 3;
    set_credential(&s, "f2", "successor", "'f9'");
    CU_ASSERT_TRUE(gives(&s, "dead")); /* by hand dead is tried again, spent never */
    CU_ASSERT_TRUE(kit_is(s.db, "0", "SELECT dead FROM {credentials} WHERE fingerprint = 'f1'"));
    scene_end(&s);
}

struct tick_case {
    const char *set;
    bool due;
};

static void ticks(void)
{
    static const struct tick_case cases[] = {
        {"point = 999999", true},
        {"point = 1000000", true},
        {"point = 1000001", true}, /* before the next tick, no ok since this one */
        {"point = 1000001, ok_at = 999989", true},
        {"point = 1000001, ok_at = 999990", false},
        {"point = 999999, ok_at = 999995", true},
        {"point = 1000100", false}, /* the next tick's own */
        {"point = 1000099", true},
        {"point = 5, earliest = 1000000", true},
        {"point = 5, earliest = 1000001", false},
        {"point = 5, not_before = 1000001", false},
        {"point = 5, not_before = 1000000", true},
        {"point = 0", false},
        {"point = 5, due_at = 0", true},
        {"point = 5, without_credential = 1", false},
        {"point = 5, fingerprint = ''", false},
        {"point = 5, state = 2", true},
        {"point = 5, state = 3", true},
        {"point = 5, state = 4, due_at = 0", false}, /* reconnect */
        {"point = 5, state = 5", true},              /* a suspect whose time has come */
        {"point = 5, state = 5, not_before = 1086400, due_at = 1086400", false},
        {"point = 5, state = 6", true},
        {"point = 5, state = 7", false}, /* pending */
        {"point = 5, state = 8", false}, /* paused */
        {"point = 5, source = 'another'", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct scene s;
        struct error e = {""};
        int64_t due = -1;
        scene_begin(&s);
        s.q.mode = CLAIM_TICK;
        s.q.tick = 999990;
        s.q.next_tick = 1000100;
        put(&s, "a", "f", cases[i].set);
        CU_ASSERT_EQUAL(store_count_due(s.db, &s.q, &due, &e), 0);
        CU_ASSERT_EQUAL(due, cases[i].due);
        if (!gives(&s, cases[i].due ? "a" : "")) {
            printf("# %s\n", cases[i].set);
            CU_FAIL("a tick");
        }
        CU_ASSERT_EQUAL(store_count_due(s.db, &s.q, &due, &e), 0);
        CU_ASSERT_EQUAL(due, cases[i].due); /* leased or not */
        scene_end(&s);
    }
}

static void without_a_next_tick(void)
{
    struct scene s;
    scene_begin(&s);
    s.q.mode = CLAIM_TICK;
    put(&s, "a", "f1", "point = 1000000");
    put(&s, "b", "f2", "point = 1000001");
    CU_ASSERT_TRUE(gives(&s, "a"));
    scene_end(&s);
}

static void automatic(void)
{
    struct scene s;
    struct error e = {""};
    int64_t at = -1;
    scene_begin(&s);
    CU_ASSERT_EQUAL(store_next_due(s.db, s.t, false, NULL, &at, &e), 0);
    CU_ASSERT_EQUAL(at, 0);
    put(&s, "later", "f1", "due_at = 1000500");
    put(&s, "never", "f2", "due_at = 0");
    put(&s, "gone", "f3", "due_at = 0, state = 4");
    put(&s, "none", "f4", "due_at = 5, without_credential = 1");
    CU_ASSERT_EQUAL(store_next_due(s.db, s.t, false, NULL, &at, &e), 0);
    CU_ASSERT_EQUAL(at, 1000500);
    CU_ASSERT_TRUE(gives(&s, ""));
    s.q.now = 1000500;
    CU_ASSERT_TRUE(gives(&s, "later"));
    CU_ASSERT_EQUAL(store_next_due(s.db, s.t, false, NULL, &at, &e), 0);
    CU_ASSERT_TRUE(at >= clock_real() + LEASE - 5);
    put(&s, "twin", "f1", "due_at = 7"); /* another record of the credential that is out */
    CU_ASSERT_EQUAL(store_next_due(s.db, s.t, false, NULL, &at, &e), 0);
    CU_ASSERT_TRUE(at >= clock_real() + LEASE - 5);
    put(&s, "spent", "f9", "due_at = 7");
    set_credential(&s, "f9", "successor", "'f10'");
    CU_ASSERT_EQUAL(store_next_due(s.db, s.t, false, NULL, &at, &e), 0);
    CU_ASSERT_TRUE(at > clock_real() + 30);
    scene_end(&s);
}

static void by_hand(void)
{
    struct scene s;
    scene_begin(&s);
    static char long_key[1025];
    memset(long_key, 'k', 1024);
    const char *const keys[] = {"reconnect", "backoff", "early", "pending", "\xc3\xa4\"{}\\", long_key};
    put(&s, "reconnect", "f1", "state = 4, due_at = 0");
    put(&s, "backoff", "f2", "state = 2, not_before = 99999999");
    put(&s, "early", "f3", "earliest = 1000001");
    put(&s, "pending", "f4", "state = 7");
    put(&s, "\xc3\xa4\"{}\\", "f5", "death = 1");
    put(&s, long_key, "f6", "death = 2");
    put(&s, "other", "f7", NULL);
    s.q.mode = CLAIM_MANUAL;
    s.q.keys = keys;
    s.q.key_count = 6;
    cleanup(free_p) char *expected = xasprintf("\xc3\xa4\"{}\\ %s backoff reconnect", long_key);
    CU_ASSERT_TRUE(gives(&s, expected));
    CU_ASSERT_TRUE(kit_is(s.db, "0", "SELECT due_at FROM {records} WHERE rkey = 'reconnect'"));
    scene_end(&s);
}

static void giving_back(void)
{
    struct scene s;
    struct claimed *list = NULL;
    size_t count = 0;
    struct error e = {""};
    scene_begin(&s);
    put(&s, "a", "f", "due_at = 3");
    CU_ASSERT_EQUAL_FATAL(store_claim(s.db, &s.q, &list, &count, &e), 0);
    CU_ASSERT_EQUAL_FATAL(count, 1);
    CU_ASSERT_EQUAL(store_release(s.db, &list[0].record, "another", &e), 0);
    CU_ASSERT_TRUE(gives(&s, "")); /* not by somebody else */
    CU_ASSERT_EQUAL(store_release(s.db, &list[0].record, list[0].attempt_id, &e), 0);
    CU_ASSERT_TRUE(kit_is(s.db, "3", "SELECT due_at FROM {records}"));
    CU_ASSERT_TRUE(kit_is(s.db, NULL, "SELECT lease_until FROM {credentials}"));
    claimed_free(list, count);

    CU_ASSERT_EQUAL_FATAL(store_claim(s.db, &s.q, &list, &count, &e), 0);
    CU_ASSERT_EQUAL_FATAL(count, 1);
    list[0].record.window.earliest = NOW + 50; /* the plugin has another mind now */
    list[0].record.point = list[0].record.due_at = NOW + 60;
    CU_ASSERT_EQUAL(store_release(s.db, &list[0].record, list[0].attempt_id, &e), 0);
    CU_ASSERT_TRUE(gives(&s, ""));
    CU_ASSERT_TRUE(kit_is(s.db, "1000050", "SELECT earliest FROM {records}"));
    claimed_free(list, count);

    s.q.now = NOW + 60;
    CU_ASSERT_EQUAL_FATAL(store_claim(s.db, &s.q, &list, &count, &e), 0);
    CU_ASSERT_EQUAL_FATAL(count, 1);
    kit_sql(s.db, "UPDATE {records} SET generation = 5, due_at = 8");
    CU_ASSERT_EQUAL(store_release(s.db, &list[0].record, list[0].attempt_id, &e), 0);
    CU_ASSERT_TRUE(kit_is(s.db, "8", "SELECT due_at FROM {records}"));
    claimed_free(list, count);
    scene_end(&s);
}

static void a_dead_process_leaves_leases(void)
{
    struct scene s;
    struct claimed *list = NULL;
    size_t count = 0;
    int64_t released = -1;
    struct error e = {""};
    scene_begin(&s);
    put(&s, "a", "f1", "point = 11, due_at = 11");
    put(&s, "b", "f2", "point = 11, due_at = 40, not_before = 40, state = 2");
    put(&s, "c", "f3", NULL);
    CU_ASSERT_EQUAL_FATAL(store_claim(s.db, &s.q, &list, &count, &e), 0);
    CU_ASSERT_EQUAL_FATAL(count, 3);
    const char *const intents[] = {list[2].attempt_id, "unknown"};
    CU_ASSERT_EQUAL(store_release_incarnation(s.db, "h1", "other", intents, 2, &released, &e), 0);
    CU_ASSERT_EQUAL(released, 0);
    CU_ASSERT_EQUAL(store_release_incarnation(s.db, "h2", "i1", intents, 2, &released, &e), 0);
    CU_ASSERT_EQUAL(released, 0);
    CU_ASSERT_EQUAL(store_release_incarnation(s.db, "h1", "i1", intents, 2, &released, &e), 0);
    CU_ASSERT_EQUAL(released, 2);
    CU_ASSERT_TRUE(kit_is(s.db, "11", "SELECT due_at FROM {records} WHERE rkey = 'a'"));
    CU_ASSERT_TRUE(kit_is(s.db, "40", "SELECT due_at FROM {records} WHERE rkey = 'b'"));
    CU_ASSERT_TRUE(kit_is(s.db, "i1", "SELECT lease_incarnation FROM {credentials} WHERE fingerprint = 'f3'"));
    CU_ASSERT_TRUE(gives(&s, "a b"));
    CU_ASSERT_EQUAL(store_release_incarnation(s.db, "h1", "i1", NULL, 0, &released, &e), 0);
    CU_ASSERT_EQUAL(released, 3);
    claimed_free(list, count);
    scene_end(&s);
}

static void put_many(struct scene *s, int count)
{
    kit_sql(s->db,
            kit_postgresql() ? "INSERT INTO t (id, refresh_token) SELECT 'k' || n, 'r' || n"
                               " FROM generate_series(1, %d) n"
                             : "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < %d)"
                               " INSERT INTO t (id, refresh_token) SELECT 'k' || n, 'r' || n FROM s",
            count);
    kit_sql(s->db,
            "INSERT INTO {records} (source, rkey, job, state, fingerprint, earliest, point, due_at,"
            " death) SELECT '%s', id, 'kit', 1, 'f' || id, 1, 2, 2, 500 + length(id) FROM t",
            s->t->source);
}

/* A batch stays quick while many wait: a bound far above what it takes, to notice a lost index. */
static void a_batch_is_quick(void)
{
    struct scene s;
    int64_t started, took[2] = {0, 0};
    const int modes[] = {CLAIM_AUTO, CLAIM_TICK};
    scene_begin(&s);
    put_many(&s, 20000);
    s.q.limit = s.q.failing_limit = 100;
    s.q.tick = NOW;
    for (int m = 0; m < 2; m++) {
        s.q.mode = modes[m];
        started = clock_boot_ms();
        for (int i = 0; i < 20; i++) {
            struct claimed *list = NULL;
            size_t count = 0;
            CU_ASSERT_EQUAL(store_claim(s.db, &s.q, &list, &count, NULL), 0);
            CU_ASSERT_EQUAL(count, 100);
            claimed_free(list, count);
        }
        took[m] = clock_boot_ms() - started;
    }
    printf("# 20 batches of 100 among 20,000: auto %d ms, tick %d ms\n", (int)took[0], (int)took[1]);
    CU_ASSERT_TRUE(took[0] < 20000 && took[1] < 20000);
    scene_end(&s);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a moved time moves what is due and no wait, and counts once", moved_time},
        {"soonest death first, no death last; the row is read", order_and_row},
        {"limits: all, failing, failed in this run", limits},
        {"one credential has one holder", one_credential_one_holder},
        {"four hosts at once, each credential given once", hosts_at_once},
        {"leases end by the database's clock", leases_end_by_the_databases_clock},
        {"dead and spent credentials are not presented", dead_and_spent},
        {"what a tick takes", ticks},
        {"a tick without a next one", without_a_next_tick},
        {"records at their own time, and when the next is", automatic},
        {"by hand", by_hand},
        {"a claim given back", giving_back},
        {"leases that a dead process left", a_dead_process_leaves_leases},
        {"a batch is quick while many wait", a_batch_is_quick},
        {NULL, NULL},
    };
    return run_tests(kit_suite("store claims"), tests);
}
