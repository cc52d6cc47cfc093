/* SPDX-License-Identifier: MIT
 * core/rules: windows, the spread of points, the rules of being due.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/rules/hash.h"
#include "core/rules/refresh_window.h"
#include "tests/unit/runner.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define RECORDS 10000
#define START INT64_C(1795269600)

static void name_integer(int i, char *to, size_t size)
{
    snprintf(to, size, "%d", i + 1);
}

static void name_padded(int i, char *to, size_t size)
{
    snprintf(to, size, "creator_%04d", i);
}

static void name_dashed(int i, char *to, size_t size)
{
    snprintf(to, size, "acct-%d", i + 70000);
}

static void name_tens(int i, char *to, size_t size)
{
    snprintf(to, size, "%d", 1000 + i * 10);
}

static void name_sparse(int i, char *to, size_t size)
{
    snprintf(to, size, "%" PRIu64, (uint64_t)i * 3 + hash_mix((uint64_t)i) % 3);
}

static void name_uuid(int i, char *to, size_t size)
{
    uint64_t a = hash_mix((uint64_t)i), b = hash_mix(a);
    snprintf(to, size, "%08x-%04x-4%03x-9%03x-%012" PRIx64, (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
             (unsigned)(a & 0xfff), (unsigned)(b >> 52), b & UINT64_C(0xffffffffffff));
}

/* The fullest minute over the average, for one expiry and one or several generations. */
static double fullest(void (*name)(int, char *, size_t), int minutes, const char *source, int generations)
{
    static int buckets[7 * 24 * 60];
    struct window w = {.earliest = START,
                       .preferred = START,
                       .latest = START + minutes * 60,
                       .death = START + minutes * 60 + 300};
    char key[64];
    int most = 0;
    memset(buckets, 0, sizeof(buckets));
    for (int i = 0; i < RECORDS; i++) {
        name(i, key, sizeof(key));
        int64_t at = window_point(&w, source, key, i % generations);
        CU_ASSERT_TRUE_FATAL(at >= w.preferred && at <= w.latest);
        int bucket = (int)((at - START) / 60);
        if (bucket < minutes && ++buckets[bucket] > most)
            most = buckets[bucket];
    }
    return (double)most * minutes / RECORDS;
}

static void test_spread(void)
{
    static void (*const names[])(int, char *, size_t) = {name_integer, name_padded, name_dashed, name_tens,
                                                         name_sparse};
    static const int windows[] = {1, 5, 10, 30, 60};
    static const char *const sources[] = {"youtube", "public.accounts", ""};
    for (size_t n = 0; n < COUNT(names); n++)
        for (size_t w = 0; w < COUNT(windows); w++)
            for (size_t s = 0; s < COUNT(sources); s++) {
                double most = fullest(names[n], windows[w], sources[s], 1);
                CU_ASSERT_TRUE(most <= 1.2);
            }
    CU_ASSERT_TRUE(fullest(name_integer, 60, "youtube", 4) <= 1.2);
    CU_ASSERT_TRUE(fullest(name_uuid, 5, "youtube", 1) <= 1.2);
    CU_ASSERT_TRUE(fullest(name_uuid, 10, "youtube", 1) <= 1.2);
    CU_ASSERT_TRUE(fullest(name_uuid, 30, "youtube", 1) <= 1.2);
    CU_ASSERT_TRUE(fullest(name_uuid, 60, "youtube", 1) <= 1.3);
    CU_ASSERT_TRUE(fullest(name_integer, 600, "youtube", 1) <= 1.5);
    CU_ASSERT_TRUE(fullest(name_integer, 7 * 24 * 60, "youtube", 1) <= 4.1);
}

/* A point is stored: it may never move by itself. */
static void test_point_fixed(void)
{
    struct window w = {0, START, START + 600, START + 900};
    int64_t at = window_point(&w, "accounts", "42", 3);
    CU_ASSERT_EQUAL(at, window_point(&w, "accounts", "42", 3));
    CU_ASSERT_NOT_EQUAL(at, window_point(&w, "accounts", "42", 4));
    CU_ASSERT_NOT_EQUAL(at, window_point(&w, "accounts", "43", 3));
    CU_ASSERT_NOT_EQUAL(at, window_point(&w, "others", "42", 3));
    w.latest = w.preferred;
    CU_ASSERT_EQUAL(window_point(&w, "accounts", "42", 3), START);
    w.preferred = INT64_MIN;
    w.latest = INT64_MAX;
    w.death = 0;
    CU_ASSERT_TRUE(window_point(&w, NULL, "99999999999999999999999999999999", -1) > 0);
    CU_ASSERT_TRUE(window_point(&w, NULL, NULL, INT64_MIN) > 0);
    memset(&w, 0, sizeof(w));
    CU_ASSERT_EQUAL(window_point(&w, "a", "b", 1), 0);
}

static void test_clean(void)
{
    static const struct {
        struct window in, out;
    } table[] = {
        {{0, 0, 0, 0}, {0, 0, 0, 0}},
        {{10, 20, 30, 40}, {10, 20, 30, 40}},
        {{10, 30, 20, 40}, {10, 20, 20, 40}},
        {{10, 20, 50, 40}, {10, 20, 40, 40}},
        {{10, 50, 60, 40}, {10, 40, 40, 40}},
        {{35, 20, 30, 40}, {20, 20, 30, 40}},
        {{90, 20, 30, 15}, {15, 15, 15, 15}},
        {{10, 20, 0, 40}, {10, 20, 20, 40}},
        {{10, 0, 30, 40}, {10, 10, 30, 40}},
        {{0, 0, 30, 40}, {0, 30, 30, 40}},
        {{0, 0, 0, 40}, {0, 40, 40, 40}},
        {{10, 0, 0, 40}, {10, 10, 10, 40}},
        {{10, 20, 30, 0}, {10, 20, 30, 0}},
        {{-5, -20, -30, -40}, {0, 0, 0, 0}},
        {{INT64_MIN, 20, 30, INT64_MIN}, {0, 20, 30, 0}},
        {{0, INT64_MAX, INT64_MAX, 0}, {0, 253402300799, 253402300799, 0}},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct window w = table[i].in;
        window_clean(&w);
        CU_ASSERT_EQUAL(w.earliest, table[i].out.earliest);
        CU_ASSERT_EQUAL(w.preferred, table[i].out.preferred);
        CU_ASSERT_EQUAL(w.latest, table[i].out.latest);
        CU_ASSERT_EQUAL(w.death, table[i].out.death);
        CU_ASSERT_EQUAL(window_empty(&w), w.latest == 0);
    }
}

static void test_due_auto(void)
{
    struct due d = {.window = {100, 200, 300, 400}, .point = 250, .ok_at = 50, .expires_at = 400, .life = 350};
    CU_ASSERT_FALSE(due_auto(&d, 249));
    CU_ASSERT_TRUE(due_auto(&d, 250));
    CU_ASSERT_TRUE(due_auto(&d, 100000)); /* past death too */
    d.not_before = 260;
    CU_ASSERT_FALSE(due_auto(&d, 259));
    CU_ASSERT_TRUE(due_auto(&d, 260));
    struct due unknown = {.ok_at = 0};
    CU_ASSERT_TRUE(due_auto(&unknown, 5));
    unknown.ok_at = 5;
    CU_ASSERT_FALSE(due_auto(&unknown, 6));
    struct due later = {.expires_at = 1000};
    CU_ASSERT_FALSE(due_auto(&later, 6));
}

static void test_due_tick(void)
{
    struct due d = {.window = {100, 200, 300, 400}, .point = 250, .ok_at = 50, .expires_at = 400, .life = 350};
    CU_ASSERT_FALSE(due_tick(&d, 99, 90, 260));   /* too early */
    CU_ASSERT_TRUE(due_tick(&d, 100, 100, 260));  /* the point lies before the next tick */
    CU_ASSERT_FALSE(due_tick(&d, 100, 100, 250)); /* it does not */
    CU_ASSERT_FALSE(due_tick(&d, 100, 100, 0));   /* no next tick */
    CU_ASSERT_TRUE(due_tick(&d, 250, 200, 0));    /* the point has passed */
    d.ok_at = 100;
    CU_ASSERT_FALSE(due_tick(&d, 110, 100, 260)); /* was ok since this tick */
    CU_ASSERT_TRUE(due_tick(&d, 250, 100, 260));
    d.ok_at = 50;
    d.not_before = 150;
    CU_ASSERT_FALSE(due_tick(&d, 149, 100, 260));
    CU_ASSERT_TRUE(due_tick(&d, 150, 100, 260));
    struct due unknown = {.ok_at = 0};
    CU_ASSERT_TRUE(due_tick(&unknown, 10, 5, 20));
    unknown.ok_at = 1;
    CU_ASSERT_FALSE(due_tick(&unknown, 10, 5, 20));
}

static void test_due_asked(void)
{
    struct due d = {.window = {100, 200, 300, 400},
                    .point = 250,
                    .ok_at = 50,
                    .not_before = 1000,
                    .expires_at = 400,
                    .life = 350};
    CU_ASSERT_FALSE(due_by_hand(&d, 99));
    CU_ASSERT_TRUE(due_by_hand(&d, 100));
    CU_ASSERT_FALSE(due_on_demand(&d, 399, 300));
    d.not_before = 0;
    CU_ASSERT_FALSE(due_on_demand(&d, 99, 1000));
    CU_ASSERT_FALSE(due_on_demand(&d, 100, 300));
    CU_ASSERT_FALSE(due_on_demand(&d, 120, 300)); /* 280 left, 80 % of 350 is the cap */
    CU_ASSERT_TRUE(due_on_demand(&d, 121, 300));
    CU_ASSERT_FALSE(due_on_demand(&d, 350, 50));
    CU_ASSERT_TRUE(due_on_demand(&d, 351, 50));
    CU_ASSERT_TRUE(due_on_demand(&d, 401, 0));
    CU_ASSERT_FALSE(due_on_demand(&d, 350, -5));
    d.life = 0;
    CU_ASSERT_TRUE(due_on_demand(&d, 101, INT64_MAX));
    d.life = INT64_MAX;
    CU_ASSERT_TRUE(due_on_demand(&d, 101, INT64_MAX));
    d.expires_at = 0;
    CU_ASSERT_FALSE(due_on_demand(&d, 101, 300));
    d.ok_at = 0;
    CU_ASSERT_TRUE(due_on_demand(&d, 101, 300));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"10,000 records of one expiry are spread", test_spread},
        {"a point is fixed", test_point_fixed},
        {"absurd windows", test_clean},
        {"due by itself", test_due_auto},
        {"due at a tick", test_due_tick},
        {"due by hand and on demand", test_due_asked},
        {NULL, NULL},
    };
    return run_tests("domain_window", tests);
}
