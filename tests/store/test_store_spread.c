/* SPDX-License-Identifier: MIT
 * 100,000 records that end at the same moment, half with numbers as keys and half with uuids: put
 * in through the store as discovery does, each at its point in the window, and taken by claims
 * minute by minute. No minute of the window gives more than 1.2 times the average. No HTTP, virtual
 * time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/store/hosts.h"
#include "tests/store/kit.h"

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* Under the sanitizers fewer records, in fewer minutes: as many to a minute. */
enum { MINUTES = SANITIZED ? 15 : 60, RECORDS = MINUTES * 100000 / 60 };
enum { PUT = 500, CLAIM = 400, LEASE = 300 };
enum { EXPIRES = 10000000, LATEST = EXPIRES - 300, PREFERRED = LATEST - MINUTES * 60 };

struct spread {
    struct db *db;
    struct table *t;
    int64_t due[MINUTES], claimed[MINUTES]; /* by the minute of the window */
};

static int64_t now_ms(void)
{
    return clock_boot_ms();
}

static int minute_of(int64_t at)
{
    int minute = (int)((at - PREFERRED) / 60);
    return minute < MINUTES ? minute : MINUTES - 1; /* `latest` itself */
}

static void tell(const char *what, const int64_t counts[MINUTES], int64_t started)
{
    int64_t most = 0, least = INT64_MAX;
    for (int i = 0; i < MINUTES; i++) {
        most = counts[i] > most ? counts[i] : most;
        least = counts[i] < least ? counts[i] : least;
    }
    double average = (double)RECORDS / MINUTES;
    printf("# %s on %s: %d records%s in %d minutes, %.0f a minute; the fullest %.3f times that, the"
           " emptiest %.3f; %.1f s\n",
           what, kit_postgresql() ? "PostgreSQL" : "SQLite", RECORDS,
           SANITIZED ? " (fewer, for the sanitizers)" : "", MINUTES, average, (double)most / average,
           (double)least / average, (double)(now_ms() - started) / 1000);
}

static bool is_even(const int64_t counts[MINUTES])
{
    int64_t sum = 0;
    bool even = true;
    for (int i = 0; i < MINUTES; i++) {
        sum += counts[i];
        even = even && (double)counts[i] <= 1.2 * RECORDS / MINUTES;
    }
    return even && sum == RECORDS;
}

/* A number, or something that looks like a uuid and says nothing. */
static char *key_of(int i)
{
    uint64_t mixed = (uint64_t)(i + 1) * UINT64_C(0xd6e8feb86659fd93);
    if (i % 2)
        return xasprintf("%d", i / 2 + 1);
    mixed = (mixed ^ mixed >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return xasprintf("%08" PRIx64 "-0000-4000-8000-%012" PRIx64, mixed >> 32,
                     (mixed ^ mixed >> 29) & UINT64_C(0xffffffffffff));
}

static void fill(const struct table *t, int i, struct record *r)
{
    memset(r, 0, sizeof(*r));
    r->source = xstrdup(t->source);
    r->key = key_of(i);
    r->job = xstrdup("kit");
    r->state = STATE_OK;
    snprintf(r->fingerprint, sizeof(r->fingerprint), "fingerprint-%d", i);
    snprintf(r->hash, sizeof(r->hash), "hash-%d", i);
    r->expires_at = EXPIRES;
    r->window = (struct window){.preferred = PREFERRED, .latest = LATEST};
    window_clean(&r->window);
    r->due_at = r->point = window_point(&r->window, r->source, r->key, r->generation);
}

static void put_some(struct spread *s, int from, int count)
{
    struct record_change changes[PUT];
    struct error e = {""};
    memset(changes, 0, sizeof(changes));
    for (int i = 0; i < count; i++) {
        fill(s->t, from + i, &changes[i].now);
        changes[i].is_new = true;
    }
    CU_ASSERT_EQUAL(store_records_put(s->db, changes, (size_t)count, &e), count);
    for (int i = 0; i < count; i++) {
        s->due[minute_of(changes[i].now.due_at)]++;
        record_done(&changes[i].now);
    }
}

static void put_all(struct spread *s)
{
    int64_t started = now_ms();
    s->db = kit_fresh();
    kit_accounts(s->db, "t", "text", "bigint");
    CU_ASSERT_EQUAL(store_heartbeat(s->db, "h", "i", NULL), 0);
    s->t = kit_table(s->db, "t", "auto", NULL);
    for (int i = 0; i < RECORDS; i += PUT)
        put_some(s, i, RECORDS - i < PUT ? RECORDS - i : PUT);
    tell("due times", s->due, started);
    for (int i = 0; i < 10; i++) /* the user's rows, which a claim reads */
        kit_sql(s->db,
                "INSERT INTO t (id, refresh_token, expires_at) SELECT rkey, 'r', 5"
                " FROM {records} WHERE hash LIKE '%%%d'",
                i);
}

/* All that is due by the end of the minute. */
static void claim_minute(struct spread *s, int minute)
{
    struct claim_request q = {.table = s->t,
                              .plugin = "oauth2",
                              .mode = CLAIM_AUTO,
                              .limit = CLAIM,
                              .failing_limit = CLAIM,
                              .host = "h",
                              .incarnation = "i",
                              .lease_s = LEASE};
    struct error e = {""};
    size_t count = 0;
    q.now = PREFERRED + minute * 60 + (minute == MINUTES - 1 ? 60 : 59);
    do {
        struct claimed *list = NULL;
        if (store_claim(s->db, &q, &list, &count, &e) < 0) {
            printf("# %s\n", e.text);
            CU_FAIL("a claim fails");
            return;
        }
        for (size_t i = 0; i < count; i++)
            CU_ASSERT_TRUE(list[i].row_found && list[i].record.point <= q.now);
        s->claimed[minute] += (int64_t)count;
        claimed_free(list, count);
    } while (count);
}

static void spread(void)
{
    struct spread s = {0};
    put_all(&s);
    CU_ASSERT_TRUE(is_even(s.due));
    int64_t started = now_ms();
    for (int i = 0; i < MINUTES; i++)
        claim_minute(&s, i);
    tell("claims", s.claimed, started);
    CU_ASSERT_TRUE(is_even(s.claimed));
    CU_ASSERT_EQUAL(memcmp(s.due, s.claimed, sizeof(s.due)), 0);
    table_free(s.t);
    db_close(s.db);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"100,000 records of one expiry are spread evenly over their window", spread},
        {NULL, NULL},
    };
    return run_tests(kit_suite("spread"), tests);
}
