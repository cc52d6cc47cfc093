/* SPDX-License-Identifier: MIT
 * core/time: cron expressions, their ticks, and the hours that clocks skip or repeat.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/cleanup.h"
#include "core/rules/hash.h"
#include "core/time/cron.h"
#include "core/time/timestamp.h"
#include "tests/unit/runner.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static int64_t at_of(const char *text)
{
    int64_t at = INT64_MIN;
    CU_ASSERT_EQUAL_FATAL(timestamp_parse(text, &at, NULL), 0);
    return at;
}

static struct zone *load(const char *name)
{
    struct zone *z = NULL;
    CU_ASSERT_EQUAL_FATAL(zone_load(name, &z, NULL), 0);
    return z;
}

static struct cron parse(const char *expr)
{
    struct cron c = {0};
    struct error e = {""};
    if (cron_parse(expr, &c, &e) < 0)
        printf("# %s\n", e.text);
    CU_ASSERT_TRUE_FATAL(c.minutes != 0);
    return c;
}

struct ticks {
    const char *expr, *zone, *from;
    const char *want[6]; /* the ticks after from, UTC, one after the other */
};

static const struct ticks plain[] = {
    {"*/15 * * * *",
     "UTC",
     "2026-11-21T14:07:00Z",
     {"2026-11-21T14:15:00Z", "2026-11-21T14:30:00Z", "2026-11-21T14:45:00Z", "2026-11-21T15:00:00Z"}},
    {"0 */6 * * *", "UTC", "2026-11-21T18:00:00Z", {"2026-11-22T00:00:00Z", "2026-11-22T06:00:00Z"}},
    {"5/20 8-10/2 * * *",
     "UTC",
     "2026-11-21T00:00:00Z",
     {"2026-11-21T08:05:00Z", "2026-11-21T08:25:00Z", "2026-11-21T08:45:00Z", "2026-11-21T10:05:00Z"}},
    {"0 0 1,15 * MON",
     "UTC",
     "2026-11-01T00:00:00Z",
     {"2026-11-02T00:00:00Z", "2026-11-09T00:00:00Z", "2026-11-15T00:00:00Z", "2026-11-16T00:00:00Z"}},
    {"0 0 */2 * 1",
     "UTC",
     "2026-11-01T00:00:00Z", /* a star: both must match */
     {"2026-11-09T00:00:00Z", "2026-11-23T00:00:00Z", "2026-12-07T00:00:00Z"}},
    {"0 12 * JAN,Jul sun", "UTC", "2026-11-21T00:00:00Z", {"2027-01-03T12:00:00Z", "2027-01-10T12:00:00Z"}},
    {"0 12 * * 7", "UTC", "2026-11-21T00:00:00Z", {"2026-11-22T12:00:00Z"}},
    {"0 12 * * 5-7",
     "UTC",
     "2026-11-21T00:00:00Z",
     {"2026-11-21T12:00:00Z", "2026-11-22T12:00:00Z", "2026-11-27T12:00:00Z"}},
    {"0 0 29 2 *", "UTC", "2096-02-29T00:00:00Z", {"2104-02-29T00:00:00Z"}},
    {"0 0 29 feb */7", "UTC", "2026-01-01T00:00:00Z", {"2032-02-29T00:00:00Z"}},
    {"0 0 31 * *",
     "UTC",
     "2026-01-31T00:00:00Z",
     {"2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z", "2026-07-31T00:00:00Z"}},
    {" 59  23\t31 12 * ", "UTC", "2026-11-21T00:00:59Z", {"2026-12-31T23:59:00Z"}},
    {"@hourly", "UTC", "2026-11-21T14:00:00Z", {"2026-11-21T15:00:00Z"}},
    {"@daily", "UTC", "2026-11-21T14:00:00Z", {"2026-11-22T00:00:00Z"}},
    {"@midnight", "Asia/Kolkata", "2026-11-21T14:00:00Z", {"2026-11-21T18:30:00Z"}},
    {"@weekly", "UTC", "2026-11-21T14:00:00Z", {"2026-11-22T00:00:00Z"}},
    {"@monthly", "UTC", "2026-11-21T14:00:00Z", {"2026-12-01T00:00:00Z"}},
    {"@yearly", "UTC", "2026-11-21T14:00:00Z", {"2027-01-01T00:00:00Z"}},
    {"@annually", "UTC", "1969-11-21T14:00:00Z", {"1970-01-01T00:00:00Z"}},
};

/* Berlin: 29 March 2026 02:00 -> 03:00, 25 October 2026 03:00 -> 02:00. */
static const struct ticks turned[] = {
    {"30 2 * * *",
     "Europe/Berlin",
     "2026-03-28T00:00:00Z",
     {"2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
    {"0,30 2,3 * * *",
     "Europe/Berlin",
     "2026-03-29T00:00:00Z",
     {"2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z"}},
    {"30 2 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z", {"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
    {"0 3 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z", {"2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z"}},
    {"30 * * * *",
     "Europe/Berlin",
     "2026-10-24T23:00:00Z",
     {"2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}},
    {"30 * * * *",
     "Europe/Berlin",
     "2026-03-29T00:00:00Z",
     {"2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z"}},
    {"0 */2 * * *",
     "Europe/Berlin",
     "2026-03-28T22:00:00Z", /* 02:00 is not there */
     {"2026-03-28T23:00:00Z", "2026-03-29T02:00:00Z", "2026-03-29T04:00:00Z"}},
    {"0 */2 * * *",
     "Europe/Berlin",
     "2026-10-24T22:00:00Z", /* 02:00 comes twice */
     {"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T03:00:00Z"}},
    {"30 2 * * *", "America/New_York", "2027-03-13T12:00:00Z", {"2027-03-14T07:00:00Z", "2027-03-15T06:30:00Z"}},
    {"15 2 * * *",
     "Australia/Lord_Howe",
     "2026-10-03T00:00:00Z", /* half an hour */
     {"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
    {"0 12 30 12 *",
     "Pacific/Apia",
     "2011-01-01T00:00:00Z", /* a whole day skipped */
     {"2011-12-30T10:00:00Z", "2012-12-29T22:00:00Z"}},
    {"30 2 * * *", "Europe/Berlin", "2300-01-01T00:00:00Z", {"2300-01-01T01:30:00Z"}},
};

static void run_table(const struct ticks *table, size_t count)
{
    char text[TIMESTAMP_SIZE];
    for (size_t i = 0; i < count; i++) {
        struct cron c = parse(table[i].expr);
        cleanup(zone_free_p) struct zone *z = load(table[i].zone);
        int64_t at = at_of(table[i].from), back;
        for (int n = 0; n < 6 && table[i].want[n]; n++) {
            CU_ASSERT_EQUAL_FATAL(cron_next(&c, z, at, &at), 0);
            timestamp_rfc3339(at, text, sizeof(text));
            CU_ASSERT_STRING_EQUAL(text, table[i].want[n]);
            if (strcmp(text, table[i].want[n]) != 0)
                printf("# %s in %s: %s, not %s\n", table[i].expr, table[i].zone, text, table[i].want[n]);
            CU_ASSERT_EQUAL(cron_prev(&c, z, at, &back), 0);
            CU_ASSERT_EQUAL(back, at);
            CU_ASSERT_EQUAL(cron_prev(&c, z, at + 59, &back), 0);
            CU_ASSERT_EQUAL(back, at);
        }
    }
}

static void test_plain(void)
{
    run_table(plain, COUNT(plain));
}

static void test_turned(void)
{
    run_table(turned, COUNT(turned));
}

static void test_bad(void)
{
    static const struct {
        const char *expr, *says;
    } bad[] = {
        {"", "0 fields"},
        {"* * * *", "4 fields"},
        {"* * * * * *", "6 fields"},
        {"60 * * * *", "the minute field"},
        {"-1 * * * *", "the minute field"},
        {"5-1 * * * *", "the minute field"},
        {"*/0 * * * *", "the minute field"},
        {"*/61 * * * *", "the minute field"},
        {"1,,2 * * * *", "the minute field"},
        {"1, * * * *", "the minute field"},
        {"x * * * *", "the minute field"},
        {"1/ * * * *", "the minute field"},
        {"1- * * * *", "the minute field"},
        {"*5 * * * *", "the minute field"},
        {"1-2-3 * * * *", "the minute field"},
        {"99999999999999999999 * * * *", "the minute field"},
        {"1.5 * * * *", "the minute field"},
        {"0 24 * * *", "the hour field"},
        {"0 mon * * *", "the hour field"},
        {"0 0 0 * *", "the day of month field"},
        {"0 0 32 * *", "the day of month field"},
        {"0 0 L * *", "the day of month field"},
        {"0 0 ? * *", "the day of month field"},
        {"0 0 * 0 *", "the month field"},
        {"0 0 * 13 *", "the month field"},
        {"0 0 * foo *", "the month field"},
        {"0 0 * january *", "the month field"},
        {"0 0 * * 8", "the day of week field"},
        {"0 0 * * jan", "the day of week field"},
        {"0 0 * * fri-mon", "the day of week field"},
        {"0 0 * * 5#2", "the day of week field"},
        {"0 0 30 2 *", "can never fire"},
        {"0 0 31 2,4,6,9,11 *", "can never fire"},
        {"0 0 30 feb */2", "can never fire"},
        {"@reboot", "@reboot"},
        {"@", "not known"},
    };
    struct cron c = {0};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct error e = {""};
        CU_ASSERT_EQUAL(cron_parse(bad[i].expr, &c, &e), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(e.text, bad[i].says));
        if (!strstr(e.text, bad[i].says))
            printf("# \"%s\": %s\n", bad[i].expr, e.text);
    }
    CU_ASSERT_EQUAL(c.minutes, 0);
    char big[1000];
    struct error e;
    memset(big, '1', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    CU_ASSERT_EQUAL(cron_parse(big, &c, &e), -EINVAL);
    CU_ASSERT_EQUAL(cron_parse("0 0 30 2 1", &c, &e), 0); /* Mondays of February */
}

/* The slow definition: every minute of the wall clock as it passes. */
static bool shows(const struct cron *c, const struct zone *z, int64_t at)
{
    struct civil d;
    zone_to_local(z, at, &d);
    bool day = c->days >> d.day & 1, weekday = c->weekdays >> d.weekday & 1;
    bool both = c->day_star || c->weekday_star;
    return d.second == 0 && (c->minutes >> d.minute & 1) && (c->hours >> d.hour & 1) &&
           (c->months >> d.month & 1) && (both ? day && weekday : day || weekday);
}

static void test_slow_definition(void)
{
    static const char *const exprs[] = {"*/7 * * * *", "0 */5 * * *", "13,47 * 1-9 3,10,11 mon", "*/10 0-23 * 3 *",
                                        "* * 29 3 *"};
    static const char *const zones[] = {"Europe/Berlin", "America/St_Johns", "Asia/Kathmandu",
                                        "Australia/Lord_Howe", "UTC"};
    for (size_t x = 0; x < COUNT(exprs); x++)
        for (size_t n = 0; n < COUNT(zones); n++) {
            struct cron c = parse(exprs[x]);
            cleanup(zone_free_p) struct zone *z = load(zones[n]);
            int64_t from = at_of("2026-03-07T00:00:00Z"), tick = 0, back = 0;
            CU_ASSERT_EQUAL(cron_next(&c, z, from - 1, &tick), 0);
            int64_t last = tick;
            for (int64_t at = from; at < from + 40 * 86400; at += 60) {
                if (!shows(&c, z, at))
                    continue;
                CU_ASSERT_EQUAL_FATAL(tick, at);
                last = tick;
                CU_ASSERT_EQUAL(cron_next(&c, z, at, &tick), 0);
                CU_ASSERT_EQUAL(cron_prev(&c, z, tick - 1, &back), 0);
                CU_ASSERT_EQUAL_FATAL(back, last);
            }
        }
}

/* A fixed job runs once each local day, and prev undoes next. */
static void test_once_a_day(void)
{
    static const char *const zones[] = {"Europe/Berlin",       "America/New_York", "America/Sao_Paulo",
                                        "Australia/Lord_Howe", "Asia/Gaza",        "Africa/Casablanca"};
    static const char *const exprs[] = {"30 2 * * *", "0 0 * * *", "59 1 * * *", "15 3 * * *"};
    for (size_t n = 0; n < COUNT(zones); n++)
        for (size_t x = 0; x < COUNT(exprs); x++) {
            struct cron c = parse(exprs[x]);
            cleanup(zone_free_p) struct zone *z = load(zones[n]);
            int64_t at = at_of("2005-01-01T00:00:00Z"), before = 0, back = 0;
            int count = 0;
            for (int64_t end = at_of("2045-01-01T00:00:00Z"); at < end; count++) {
                before = at;
                CU_ASSERT_EQUAL_FATAL(cron_next(&c, z, at, &at), 0);
                CU_ASSERT_TRUE(at - before <= 90000 + 86400 * (count == 0));
                CU_ASSERT_EQUAL_FATAL(cron_prev(&c, z, at - 1, &back), 0);
                CU_ASSERT_TRUE_FATAL(count == 0 || back == before);
            }
            CU_ASSERT_TRUE(count >= 14610 && count <= 14612);
        }
}

static void test_ends_and_speed(void)
{
    cleanup(zone_free_p) struct zone *z = load("Europe/Berlin");
    struct cron rare = parse("0 * 29 2 */7"), fixed = parse("0 3 29 2 */7");
    int64_t at = 0, tick;
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(cron_next(i % 2 ? &rare : &fixed, z, at, &at), 0);
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(cron_prev(i % 2 ? &rare : &fixed, z, at - 1, &at), 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    CU_ASSERT_TRUE(end.tv_sec - begin.tv_sec < 10);
    CU_ASSERT_EQUAL(cron_next(&rare, z, CIVIL_LAST, &tick), -ENOENT);
    CU_ASSERT_EQUAL(cron_next(&fixed, z, CIVIL_LAST, &tick), -ENOENT);
    CU_ASSERT_EQUAL(cron_next(&rare, z, INT64_MAX, &tick), -ERANGE);
    CU_ASSERT_EQUAL(cron_prev(&rare, z, INT64_MIN, &tick), -ERANGE);
    CU_ASSERT_EQUAL(cron_prev(&rare, z, CIVIL_FIRST, &tick), -ENOENT);
    CU_ASSERT_EQUAL(cron_prev(&fixed, z, CIVIL_FIRST, &tick), -ENOENT);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"ticks", test_plain},
        {"ticks where clocks are turned", test_turned},
        {"bad expressions name their field", test_bad},
        {"the same as minute by minute", test_slow_definition},
        {"a fixed job runs once a day", test_once_a_day},
        {"the ends of time, and rare ticks are quick", test_ends_and_speed},
        {NULL, NULL},
    };
    return run_tests("domain_cron", tests);
}
