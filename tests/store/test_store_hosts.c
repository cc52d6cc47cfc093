/* SPDX-License-Identifier: MIT
 * Hosts that come, go and come back: whose lease may be ended by somebody else and when, what the holder's
 * late result is worth, who claims nothing any more, and how often a credential is presented whose answers do
 * not come.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/rules/replay.h"
#include "core/store/hosts.h"
#include "tests/store/commits.h"

enum { NOW = 2000000 };

static struct table *stage(struct db **ret)
{
    struct db *db = *ret = kit_fresh();
    kit_accounts(db, "acc", "integer", "bigint");
    struct table *t = kit_table(db, "acc", "auto", NULL);
    CU_ASSERT_EQUAL(store_heartbeat(db, "h1", "i1", NULL), 0);
    CU_ASSERT_EQUAL(store_heartbeat(db, "h2", "i2", NULL), 0);
    return t;
}

/* A record of which h1 has an attempt "lost" out; over: for how many seconds its lease has been. */
static void leased(struct db *db, const struct table *t, int64_t expires_at, int64_t over)
{
    account_put(db, "acc", "5", "5");
    commit_free(commit_of(db, t, "5", "lost"));
    kit_sql(db, "UPDATE {records} SET expires_at = %lld, earliest = 1, state = 1", (long long)expires_at);
    kit_sql(db, "UPDATE {credentials} SET lease_host = 'h1', lease_incarnation = 'i1', lease_until = %lld",
            (long long)(clock_real() - over));
}

static size_t left(struct db *db, struct lease_row **ret)
{
    size_t count = 0;
    struct error e = {""};
    CU_ASSERT_EQUAL(store_leases_left(db, "h2", "i2", NOW, 100, ret, &count, &e), 0);
    return count;
}

struct left_case {
    int64_t expires_at, over;
    const char *also;
    size_t count;
};

static void whose_lease_is_ended_when(void)
{
    static const struct left_case cases[] = {
        {NOW + 300, 601, NULL, 1}, /* five minutes before the end, ten after the lease */
        {NOW + 302, 601, NULL, 0}, /* the access token lives */
        {NOW + 300, 595, NULL, 0}, /* the lease has not been over for long */
        {NOW - 9999, 595, NULL, 0},
        {NOW - 9999, 601, NULL, 1},
        {0, 601, NULL, 1},                                           /* nobody knows when it ends */
        {NOW + 9999, 5, "DELETE FROM {hosts} WHERE id = 'h1'", 1},   /* forgotten */
        {NOW + 9999, -99, "DELETE FROM {hosts} WHERE id = 'h1'", 0}, /* but its lease runs */
        {0, 601, "UPDATE {credentials} SET lease_host = 'h2', lease_incarnation = 'i2'", 0}, /* our own */
        {0, 601, "UPDATE {credentials} SET lease_host = 'h2', lease_incarnation = 'i0'", 1}, /* our past life's */
        {0, 601, "INSERT INTO {attempts} (attempt_id) VALUES ('lost')", 0},                  /* it is committed */
        {0, 601, "UPDATE {records} SET fingerprint = 'another'", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct db *db = NULL;
        struct lease_row *list = NULL;
        struct table *t = stage(&db);
        leased(db, t, cases[i].expires_at, cases[i].over);
        if (cases[i].also)
            kit_sql(db, "%s", cases[i].also);
        size_t count = left(db, &list);
        if (count != cases[i].count)
            printf("# case %zu: %zu\n", i, count);
        CU_ASSERT_EQUAL(count, cases[i].count);
        if (count) {
            CU_ASSERT_STRING_EQUAL(list[0].attempt_id, "lost");
            CU_ASSERT_STRING_EQUAL(list[0].record.key, "5");
            CU_ASSERT_TRUE(list[0].left_s < -4 && list[0].left_s > -700);
        }
        leases_free(list, count);
        table_free(t);
        db_close(db);
    }
}

/* As the engine makes it of a lease. */
static struct commit *silent(struct db *db, const struct table *t, const char *attempt, int64_t not_before)
{
    struct commit *c = commit_new();
    bool known = false;
    snprintf(c->attempt_id, ID_SIZE, "%s", attempt);
    c->plugin = xstrdup("oauth2");
    c->host = xstrdup("h2");
    c->incarnation = xstrdup("i2");
    c->table = t;
    CU_ASSERT_EQUAL(store_row(db, t, "5", &c->row, &c->before, &known, NULL), 0);
    record_copy(&c->after, &c->before);
    c->after.state = STATE_AMBIGUOUS;
    c->after.not_before = not_before;
    c->outcome = OUTCOME_AMBIGUOUS;
    c->code = xstrdup("host_gone");
    c->release = true;
    return c;
}

static void ended_by_one_alone(void)
{
    struct db *db = NULL, *other = NULL;
    bool done = false;
    struct table *t = stage(&db);
    leased(db, t, 0, 601);
    other = kit_open();
    struct commit *late = commit_of(db, t, "5", "lost"), *failed = commit_of(db, t, "5", "lost");
    struct commit *mine = silent(db, t, "m1", NOW + 7), *theirs = silent(db, t, "m2", NOW + 9);
    CU_ASSERT_EQUAL(store_lease_over(db, "lost", mine, &done, NULL), 0);
    CU_ASSERT_TRUE(done);
    CU_ASSERT_EQUAL(store_lease_over(other, "lost", theirs, &done, NULL), 0);
    CU_ASSERT_FALSE(done);
    CU_ASSERT_TRUE(kit_is(db, "1",
                          "SELECT unanswered FROM {credentials} WHERE lease_until IS NULL"
                          " AND attempt_id IS NULL AND hold_until = %d",
                          NOW + 7));
    CU_ASSERT_TRUE(kit_is(db, "6", "SELECT state FROM {records} WHERE not_before = %d", NOW + 7));
    CU_ASSERT_TRUE(kit_is(db, "m1", "SELECT attempt_id FROM {attempts}"));
    /* what the holder brings late: a failure goes into the history alone, a result is stored */
    commit_failure(failed, OUTCOME_RECONNECT, "late");
    snprintf(failed->attempt_id, ID_SIZE, "lost-too");
    failed->dead = true;
    CU_ASSERT_EQUAL(commit_one(db, failed), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "0", "SELECT dead FROM {credentials}"));
    CU_ASSERT_TRUE(kit_is(db, "6", "SELECT state FROM {records}"));
    CU_ASSERT_TRUE(kit_is(db, "2", "SELECT count(*) FROM {attempts}"));
    commit_new_pair(late, NOW + 99);
    CU_ASSERT_EQUAL(commit_one(db, late), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "refresh-new-5", "SELECT refresh_token FROM acc"));
    commit_free(late);
    commit_free(failed);
    commit_free(mine);
    commit_free(theirs);
    db_close(other);
    table_free(t);
    db_close(db);
}

/* Claims that are given back together; one lease has passed on, and one record has changed meanwhile. */
static void given_back_together(void)
{
    static const char *const ids[] = {"1", "2", "3", "4"};
    struct db *db = NULL;
    struct table *t = stage(&db);
    struct commit *out[4];
    struct released list[4];
    for (size_t i = 0; i < 4; i++) {
        account_put(db, "acc", ids[i], ids[i]);
        out[i] = commit_of(db, t, ids[i], ids[i]);
        kit_sql(db,
                "UPDATE {credentials} SET lease_host = 'h1', lease_incarnation = 'i1', lease_until = 9000,"
                " attempt_id = '%s' WHERE fingerprint = '%s'",
                ids[i], out[i]->before.fingerprint);
        out[i]->before.due_at = 700 + (int)i;
        list[i].record = &out[i]->before;
        snprintf(list[i].attempt_id, ID_SIZE, "%s", ids[i]);
    }
    kit_sql(db, "UPDATE {credentials} SET attempt_id = 'of h2' WHERE attempt_id = '2'");
    kit_sql(db, "UPDATE {records} SET generation = 99 WHERE rkey = '3'");
    kit_sql(db, "UPDATE {records} SET due_at = 9000");
    CU_ASSERT_EQUAL(store_release_many(db, list, 4, NULL), 0);
    CU_ASSERT_TRUE(kit_is(db, "of h2", "SELECT min(attempt_id) FROM {credentials} WHERE lease_until IS NOT NULL"));
    CU_ASSERT_TRUE(kit_is(db, "1", "SELECT count(*) FROM {credentials} WHERE lease_until IS NOT NULL"));
    CU_ASSERT_TRUE(kit_is(db, "700", "SELECT due_at FROM {records} WHERE rkey = '1'"));
    CU_ASSERT_TRUE(kit_is(db, "9000", "SELECT due_at FROM {records} WHERE rkey = '2'"));
    CU_ASSERT_TRUE(kit_is(db, "9000", "SELECT due_at FROM {records} WHERE rkey = '3'"));
    CU_ASSERT_TRUE(kit_is(db, "703", "SELECT due_at FROM {records} WHERE rkey = '4'"));
    for (size_t i = 0; i < 4; i++)
        commit_free(out[i]);
    table_free(t);
    db_close(db);
}

static size_t claims(struct db *db, const struct table *t, int mode, bool general, int64_t now, int *ret_result)
{
    const char *const keys[] = {"5"};
    struct claim_request q = {.table = t,
                              .plugin = "oauth2",
                              .mode = mode,
                              .now = now,
                              .limit = 9,
                              .failing_limit = 9,
                              .host = "h2",
                              .incarnation = "i2",
                              .lease_s = 60,
                              .keys = keys,
                              .key_count = 1,
                              .general = general};
    struct claimed *list = NULL;
    size_t count = 0;
    struct error e = {""};
    *ret_result = store_claim(db, &q, &list, &count, &e);
    for (size_t i = 0; i < count; i++)
        CU_ASSERT_EQUAL(store_release(db, &list[i].record, list[i].attempt_id, NULL), 0);
    claimed_free(list, count);
    return count;
}

static void held_until_its_time(void)
{
    struct db *db = NULL;
    bool done;
    int res;
    struct table *t = stage(&db);
    leased(db, t, 0, 601);
    struct commit *c = silent(db, t, "m1", NOW + 7);
    CU_ASSERT_EQUAL(store_lease_over(db, "lost", c, &done, NULL), 0);
    commit_free(c);
    /* another record of the credential, which knows nothing of it */
    kit_sql(db, "UPDATE {records} SET state = 1, not_before = 0, due_at = 2, point = 2");
    CU_ASSERT_EQUAL(claims(db, t, CLAIM_AUTO, true, NOW + 6, &res), 0);
    CU_ASSERT_EQUAL(claims(db, t, CLAIM_TICK, true, NOW + 6, &res), 0);
    CU_ASSERT_EQUAL(claims(db, t, CLAIM_MANUAL, true, NOW + 6, &res), 0);
    CU_ASSERT_EQUAL(claims(db, t, CLAIM_MANUAL, false, NOW + 6, &res), 1); /* somebody means this one */
    CU_ASSERT_EQUAL(claims(db, t, CLAIM_AUTO, true, NOW + 7, &res), 1);
    int64_t at = 0;
    CU_ASSERT_EQUAL(store_next_due(db, t, false, NULL, &at, NULL), 0);
    CU_ASSERT_EQUAL(at, NOW + 7);
    kit_sql(db, "UPDATE {credentials} SET hold_until = %lld", (long long)SILENCE_FOR_EVER);
    CU_ASSERT_EQUAL(claims(db, t, CLAIM_AUTO, true, 100 * (int64_t)NOW, &res), 0);
    /* a new pair is another matter */
    c = commit_of(db, t, "5", "m3");
    commit_new_pair(c, NOW);
    snprintf(c->after.fingerprint, FINGERPRINT_SIZE, "fp-5"); /* the provider gave the same again */
    CU_ASSERT_EQUAL(commit_one(db, c), COMMIT_DONE);
    CU_ASSERT_TRUE(kit_is(db, "0", "SELECT unanswered + hold_until FROM {credentials}"));
    commit_free(c);
    table_free(t);
    db_close(db);
}

static void a_host_is_forgotten(void)
{
    struct db *db = NULL;
    struct host_row *hosts = NULL;
    size_t count = 0;
    bool forgotten = true;
    int res;
    struct table *t = stage(&db);
    leased(db, t, 0, 5);
    CU_ASSERT_EQUAL(store_hosts(db, &hosts, &count, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(count, 2);
    CU_ASSERT_EQUAL(hosts[0].leases + hosts[1].leases, 1);
    CU_ASSERT_TRUE(hosts[0].now - hosts[0].beat_at < 30);
    hosts_free(hosts, count);
    CU_ASSERT_EQUAL(store_forget_host(db, "h1", &forgotten, NULL), 0);
    CU_ASSERT_FALSE(forgotten); /* it lives */
    kit_sql(db, "UPDATE {hosts} SET beat_at = beat_at - 61 WHERE id = 'h1'");
    CU_ASSERT_EQUAL(store_heartbeat(db, "h1", "i7", NULL), 0);
    CU_ASSERT_EQUAL(store_forget_host(db, "h1", &forgotten, NULL), 0);
    CU_ASSERT_FALSE(forgotten); /* in another process */
    kit_sql(db, "UPDATE {hosts} SET beat_at = beat_at - 61");
    CU_ASSERT_EQUAL(store_forget_host(db, "h1", &forgotten, NULL), 0);
    CU_ASSERT_TRUE(forgotten);
    CU_ASSERT_TRUE(kit_is(db, "h2", "SELECT id FROM {hosts}"));
    CU_ASSERT_EQUAL(store_forget_host(db, "nobody", &forgotten, NULL), 0);
    CU_ASSERT_FALSE(forgotten);
    /* one that comes back claims after it was heard of again */
    kit_sql(db, "DELETE FROM {credentials}");
    kit_sql(db, "UPDATE {records} SET due_at = 2, point = 2");
    CU_ASSERT_EQUAL(store_forget_host(db, "h2", &forgotten, NULL), 0);
    CU_ASSERT_EQUAL(claims(db, t, CLAIM_AUTO, true, NOW, &res), 0);
    CU_ASSERT_EQUAL(res, -EOWNERDEAD);
    CU_ASSERT_EQUAL(store_heartbeat(db, "h2", "i2", NULL), 0);
    CU_ASSERT_EQUAL(claims(db, t, CLAIM_AUTO, true, NOW, &res), 1);
    CU_ASSERT_EQUAL(store_process_over(db, "h2", "i2", NULL), 0);
    CU_ASSERT_EQUAL(store_heartbeat(db, "h2", "i2", NULL), 0);
    CU_ASSERT_EQUAL(claims(db, t, CLAIM_AUTO, true, NOW, &res), 0);
    table_free(t);
    db_close(db);
}

static void old_processes_go(void)
{
    struct db *db = NULL;
    struct table *t = stage(&db);
    leased(db, t, 0, 5);
    CU_ASSERT_EQUAL(store_heartbeat(db, "h1", "i2", NULL), 0);
    CU_ASSERT_EQUAL(store_heartbeat(db, "h1", "i3", NULL), 0);
    kit_sql(db, "UPDATE {hosts} SET beat_at = beat_at - 86401");
    CU_ASSERT_EQUAL(store_hosts_tidy(db, "h1", "i3", NULL), 0);
    CU_ASSERT_TRUE(kit_is(db, "0", "SELECT count(*) FROM {hosts} WHERE id = 'h1' AND incarnation = 'i2'"));
    CU_ASSERT_TRUE(kit_is(db, "3", "SELECT count(*) FROM {hosts}")); /* its lease, itself, another host */
    table_free(t);
    db_close(db);
}

/* ---- a claim whose process dies while the database commits it ---- */

struct late_claim {
    struct table *table;
    pthread_t claimer, gate;
    atomic_bool over;
};

static void *claim_late(void *arg)
{
    struct late_claim *l = arg;
    struct db *db = kit_open();
    struct claim_request q = {.table = l->table,
                              .plugin = "oauth2",
                              .mode = CLAIM_AUTO,
                              .now = NOW,
                              .limit = 9,
                              .failing_limit = 9,
                              .host = "h1",
                              .incarnation = "i1",
                              .lease_s = 60};
    struct claimed *list = NULL;
    size_t count = 0;
    store_claim(db, &q, &list, &count, NULL);
    claimed_free(list, count);
    db_close(db);
    return NULL;
}

static bool waits(struct db *db, int how_many)
{
    char expected[12];
    snprintf(expected, sizeof expected, "%d", how_many);
    char *n = kit_value(db, "SELECT count(*) FROM pg_locks WHERE NOT granted");
    bool so = n && strcmp(n, expected) == 0;
    free(n);
    return so;
}

/* Opens the way for the claim once the heir waits for it, or has not waited. */
static void *open_gate(void *arg)
{
    struct late_claim *l = arg;
    struct db *holds = kit_open(), *looks = kit_open();
    CU_ASSERT_EQUAL(db_begin(holds, NULL), 0);
    kit_sql(holds, "INSERT INTO {credentials} (fingerprint) VALUES ('fp-5')");
    pthread_create(&l->claimer, NULL, claim_late, l);
    while (!waits(looks, 1))
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    atomic_store(&l->over, true);
    for (int i = 0; i < 300 && !waits(looks, 2); i++) /* at most until the claim's own patience ends */
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    db_rollback(holds);
    pthread_join(l->claimer, NULL);
    db_close(holds);
    db_close(looks);
    return NULL;
}

static void a_claim_under_way_is_waited_for(void)
{
    struct db *db = NULL;
    struct late_claim l = {0};
    if (!kit_postgresql())
        return; /* a dead process's transaction dies with it */
    l.table = stage(&db);
    account_put(db, "acc", "5", "5");
    commit_free(commit_of(db, l.table, "5", "x"));
    kit_sql(db, "DELETE FROM {credentials}");
    kit_sql(db, "UPDATE {records} SET due_at = 2, point = 2");
    pthread_create(&l.gate, NULL, open_gate, &l);
    while (!atomic_load(&l.over))
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    CU_ASSERT_EQUAL(store_process_over(db, "h1", "i1", NULL), 0);
    struct lease_row *list = NULL;
    size_t count = 0;
    CU_ASSERT_EQUAL(store_leases(db, "h1", "i1", &list, &count, NULL), 0);
    CU_ASSERT_EQUAL(count, 1);
    leases_free(list, count);
    pthread_join(l.gate, NULL);
    table_free(l.table);
    db_close(db);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"whose lease is ended, and when", whose_lease_is_ended_when},
        {"one host alone ends a lease; the holder's late result", ended_by_one_alone},
        {"a credential without an answer is held until its time", held_until_its_time},
        {"a host is forgotten, and comes back", a_host_is_forgotten},
        {"processes of long ago go", old_processes_go},
        {"a claim under way is waited for", a_claim_under_way_is_waited_for},
        {"claims given back together", given_back_together},
        {NULL, NULL},
    };
    return run_tests(kit_suite("store hosts"), tests);
}
