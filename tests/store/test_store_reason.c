/* SPDX-License-Identifier: MIT
 * The reason that is told of a record against what a claim does with it: records of every kind, and in every
 * combination, are claimed exactly where their reason is "due". And each reason by an example of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/rules/outcome.h"
#include "core/store/hosts.h"
#include "core/store/reason.h"
#include "tests/store/kit.h"

enum { NOW = 1000000, LEASE = 300, RECORDS = 400, ROUNDS = 3 };

static struct db *db;
static struct table *table;

static void begin(void)
{
    db = kit_fresh();
    kit_accounts(db, "t", "text", "bigint");
    table = kit_table(db, "t", "auto", NULL);
    CU_ASSERT_EQUAL(store_heartbeat(db, "h1", "i1", NULL), 0);
    CU_ASSERT_EQUAL(store_heartbeat(db, "h2", "i2", NULL), 0);
}

static void end(void)
{
    table_free(table);
    db_close(db);
}

static struct claim_request asked(int mode, bool safe)
{
    return (struct claim_request){.table = table,
                                  .plugin = "oauth2",
                                  .mode = mode,
                                  .now = NOW,
                                  .real_now = NOW,
                                  .tick = mode == CLAIM_TICK ? NOW - 100 : 0,
                                  .next_tick = mode == CLAIM_TICK ? NOW + 100 : 0,
                                  .limit = 10000,
                                  .failing_limit = 10000,
                                  .host = "h1",
                                  .incarnation = "i1",
                                  .lease_s = LEASE,
                                  .safe = safe,
                                  .general = true};
}

static void put(const char *key, const char *fingerprint, const char *set)
{
    kit_sql(db, "INSERT INTO t (id, refresh_token, expires_at) VALUES ('%s', 'r-%s', 5)", key, key);
    kit_sql(db,
            "INSERT INTO {records} (source, rkey, job, state, hash, fingerprint, earliest, point, due_at, death)"
            " VALUES ('%s', '%s', 'kit', 1, 'seen', '%s', 1, 2, 2, 0)",
            table->source, key, fingerprint);
    if (set)
        kit_sql(db, "UPDATE {records} SET %s WHERE rkey = '%s'", set, key);
}

static int reason_of(const struct claim_request *q, const char *key)
{
    struct record r = {0};
    enum reason why = REASONS_MAX;
    int64_t until = 0;
    struct error e = {""};
    if (store_reason(db, q, key, &r, &why, &until, &e) < 0)
        return -1;
    record_done(&r);
    return (int)why;
}

static unsigned number(unsigned *seed, unsigned below)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed / 65536u % below;
}

/* Times before, at and after now and the next tick. */
static int64_t some_time(unsigned *seed)
{
    static const int64_t times[] = {1, NOW - 200, NOW - 50, NOW, NOW + 50, NOW + 99, NOW + 100, NOW + 5000};
    return times[number(seed, 8)];
}

static void put_random(unsigned *seed, int i)
{
    static const int states[] = {STATE_OK,        STATE_RETRYING,      STATE_RATE_LIMITED,
                                 STATE_RECONNECT, STATE_MISCONFIGURED, STATE_AMBIGUOUS,
                                 STATE_PENDING};
    char key[24], set[400];
    snprintf(key, sizeof key, "k%04d", i);
    int64_t point = number(seed, 8) ? some_time(seed) : 0, not_before = number(seed, 3) ? 0 : some_time(seed);
    int state = number(seed, 2) ? STATE_OK : states[number(seed, 7)];
    int64_t due = point && state != STATE_RECONNECT ? (not_before > point ? not_before : point) : 0;
    snprintf(set, sizeof set,
             "state = %d, point = %lld, not_before = %lld, due_at = %lld, earliest = %lld, ok_at = %lld,"
             " attempts = %u, without_credential = %d, last_outcome = %d, ok_under = '%s'",
             state, (long long)point, (long long)not_before, (long long)due,
             (long long)(number(seed, 3) ? 1 : some_time(seed)), (long long)(number(seed, 2) ? 0 : some_time(seed)),
             state == STATE_OK ? 0u : 1u + number(seed, 3), number(seed, 12) == 0,
             state == STATE_OK ? OUTCOME_OK : OUTCOME_TRANSIENT, number(seed, 4) ? "s1" : "");
    put(key, key, set);
    const char *now = db_now(db);
    switch (number(seed, 10)) {
    case 0:
        kit_sql(db, "INSERT INTO {credentials} (fingerprint, dead) VALUES ('%s', 1)", key);
        break;
    case 1:
        kit_sql(db, "INSERT INTO {credentials} (fingerprint, successor) VALUES ('%s', 'other')", key);
        break;
    case 2:
        kit_sql(db, "INSERT INTO {credentials} (fingerprint, hold_until) VALUES ('%s', %d)", key, NOW + 500);
        break;
    case 3:
        kit_sql(db,
                "INSERT INTO {credentials} (fingerprint, lease_host, lease_incarnation, attempt_id, lease_until)"
                " VALUES ('%s', 'h2', 'i2', 'a-%s', %s + 100)",
                key, key, now);
        break;
    case 4:
        kit_sql(db,
                "INSERT INTO {credentials} (fingerprint, lease_host, lease_incarnation, attempt_id, lease_until)"
                " VALUES ('%s', 'h2', 'i2', 'a-%s', %s - 100)",
                key, key, now);
        break;
    default:
        break;
    }
}

/* Whether each record that a claim takes is one whose reason is "due", and the other way round. */
static void compare(unsigned seed, int mode, bool safe, const char *held_under)
{
    struct claim_request q = asked(mode, safe);
    struct claimed *list = NULL;
    struct reason_count counts[REASONS_MAX];
    size_t count = 0, due = 0, wrong = 0;
    struct error e = {""};
    bool taken[RECORDS] = {false}, is_due[RECORDS];
    begin();
    q.table = table;
    q.held_under = held_under;
    for (int i = 0; i < RECORDS; i++)
        put_random(&seed, i);
    for (int i = 0; i < RECORDS; i++) {
        char key[24];
        snprintf(key, sizeof key, "k%04d", i);
        is_due[i] = reason_of(&q, key) == REASON_DUE;
        due += is_due[i];
    }
    CU_ASSERT_EQUAL_FATAL(store_reasons(db, &q, 0, counts, &e), 0);
    CU_ASSERT_EQUAL((size_t)counts[REASON_DUE].count, due);
    int64_t all = 0;
    for (int i = 0; i < REASONS_MAX; i++)
        all += counts[i].count;
    CU_ASSERT_EQUAL(all, RECORDS);
    CU_ASSERT_EQUAL_FATAL(store_claim(db, &q, &list, &count, &e), 0);
    for (size_t i = 0; i < count; i++)
        taken[atoi(list[i].record.key + 1)] = true;
    for (int i = 0; i < RECORDS; i++) {
        char key[24];
        snprintf(key, sizeof key, "k%04d", i);
        if (taken[i] == is_due[i])
            continue;
        wrong++;
        printf("# mode %d: %s is %s, and is told as %s\n", mode, key, taken[i] ? "taken" : "not taken",
               is_due[i] ? "due" : "not due");
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(due > 10 && due < RECORDS - 10); /* else nothing was compared */
    claimed_free(list, count);
    end();
}

static void same_as_claims(void)
{
    for (unsigned seed = 1; seed <= ROUNDS; seed++) {
        compare(seed, CLAIM_TICK, false, NULL);
        compare(seed + 10, CLAIM_TICK, true, NULL);
        compare(seed + 20, CLAIM_TICK, false, "s1");
    }
}

static void each_reason(void)
{
    begin();
    struct claim_request q = asked(CLAIM_TICK, false);
    static const struct {
        const char *key, *set;
        int reason;
    } cases[] = {
        {"due", NULL, REASON_DUE},
        {"without", "without_credential = 1", REASON_WITHOUT_CREDENTIAL},
        {"row", "state = 5, point = 0, due_at = 0, last_code = 'row'", REASON_UNREADABLE},
        {"reconnect", "state = 4, due_at = 0", REASON_RECONNECT},
        {"pending", "state = 7", REASON_PENDING},
        {"gone", "hash = '', point = 0, due_at = 0", REASON_DISCONNECTED},
        {"never", "point = 0, due_at = 0", REASON_NEVER},
        {"suspect", "state = 5, not_before = 1000060, due_at = 1000060", REASON_SUSPECT},
        {"backoff", "state = 2, not_before = 1000060", REASON_BACKOFF},
        {"early", "earliest = 1000060, point = 1000070", REASON_EARLY},
        {"later", "point = 1000500, ok_at = 999950", REASON_LATER},
        {"spent", NULL, REASON_SPENT},
        {"dead", NULL, REASON_DEAD},
        {"silent", NULL, REASON_NO_ANSWER},
        {"here", NULL, REASON_LEASED_HERE},
        {"there", NULL, REASON_LEASED_ELSEWHERE},
    };
    kit_sql(db, "INSERT INTO {credentials} (fingerprint, successor) VALUES ('spent', 'x')");
    kit_sql(db, "INSERT INTO {credentials} (fingerprint, dead) VALUES ('dead', 1)");
    kit_sql(db, "INSERT INTO {credentials} (fingerprint, hold_until) VALUES ('silent', %d)", NOW + 9);
    kit_sql(db,
            "INSERT INTO {credentials} (fingerprint, lease_incarnation, attempt_id, lease_until) VALUES"
            " ('here', 'i1', 'a1', %s + 9), ('there', 'i2', 'a2', %s + 9)",
            db_now(db), db_now(db));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put(cases[i].key, cases[i].key, cases[i].set);
        int seen = reason_of(&q, cases[i].key);
        if (seen != cases[i].reason)
            printf("# %s: %d, not %d\n", cases[i].key, seen, cases[i].reason);
        CU_ASSERT_EQUAL(seen, cases[i].reason);
    }
    CU_ASSERT_EQUAL(reason_of(&q, "nobody"), -1);
    end();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"what is told is what claims do", same_as_claims},
        {"each reason", each_reason},
        {NULL, NULL},
    };
    return run_tests(kit_suite("store_reason"), tests);
}
