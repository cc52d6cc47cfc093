/* SPDX-License-Identifier: MIT
 * core/time: time zones, held against the C library's own reading of the same database.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/rules/hash.h"
#include "core/time/tzrule.h"
#include "core/time/zone.h"
#include "tests/unit/runner.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct zone *load(const char *name)
{
    struct zone *z = NULL;
    struct error e = {""};
    if (zone_load(name, &z, &e) < 0)
        printf("# %s\n", e.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(z);
    return z;
}

static void test_offsets(void)
{
    static const char *const names[] = {
        "Europe/Berlin",       "America/New_York", "America/Sao_Paulo", "Asia/Kolkata",  "Asia/Tehran",
        "Australia/Lord_Howe", "Pacific/Apia",     "Pacific/Chatham",   "Europe/Dublin", "Asia/Kathmandu",
        "Africa/Casablanca",   "America/St_Johns", "Asia/Gaza",         "UTC",           "Etc/GMT+5",
        "Asia/Manila",
    };
    for (size_t n = 0; n < COUNT(names); n++) {
        cleanup(zone_free_p) struct zone *z = load(names[n]);
        setenv("TZ", names[n], 1);
        tzset();
        int wrong = 0;
        for (uint64_t i = 0; i < 20000; i++) {
            /* 1850 .. 2400 */
            int64_t at = -INT64_C(3786825600) + (int64_t)(hash_mix(i) % UINT64_C(17356000000));
            time_t t = (time_t)at;
            struct tm tm;
            localtime_r(&t, &tm);
            if (zone_offset(z, at) != tm.tm_gmtoff && wrong++ == 0)
                printf("# %s at %lld: %lld, not %ld\n", names[n], (long long)at, (long long)zone_offset(z, at),
                       tm.tm_gmtoff);
        }
        CU_ASSERT_EQUAL(wrong, 0);
    }
    unsetenv("TZ");
    tzset();
}

static void test_to_unix(void)
{
    cleanup(zone_free_p) struct zone *z = load("Europe/Berlin");
    struct civil c = {.year = 2026, .month = 3, .day = 29, .hour = 2, .minute = 30};
    int64_t first, last;
    CU_ASSERT_EQUAL(zone_to_unix(z, civil_seconds(&c), &first, &last), 0);
    CU_ASSERT_EQUAL(first, 1774746000); /* 01:00 UTC, 03:00 in Berlin */
    CU_ASSERT_EQUAL(last, first);
    zone_to_local(z, first, &c);
    CU_ASSERT_TRUE(c.hour == 3 && c.minute == 0 && c.weekday == 0);
    c = (struct civil){.year = 2026, .month = 10, .day = 25, .hour = 2, .minute = 30};
    CU_ASSERT_EQUAL(zone_to_unix(z, civil_seconds(&c), &first, &last), 2);
    CU_ASSERT_EQUAL(last - first, 3600);
    CU_ASSERT_EQUAL(first, 1792888200);
    c = (struct civil){.year = 2300, .month = 7, .day = 1, .hour = 12};
    CU_ASSERT_EQUAL(zone_to_unix(z, civil_seconds(&c), &first, &last), 1);
    CU_ASSERT_EQUAL(first, civil_seconds(&c) - 7200);
    cleanup(zone_free_p) struct zone *apia = load("Pacific/Apia"); /* had no 30 December 2011 */
    c = (struct civil){.year = 2011, .month = 12, .day = 30, .hour = 12};
    CU_ASSERT_EQUAL(zone_to_unix(apia, civil_seconds(&c), &first, &last), 0);
    CU_ASSERT_EQUAL(first, 1325239200);
}

static void test_load_bad(void)
{
    static const char *const bad[] =
        {"",
         "/etc/passwd",
         "../../etc/passwd",
         "Europe/../UTC",
         ".",
         "Europe/Ber lin",
         "Europe/",
         "a\nb",
         "\xff",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct zone *z = NULL;
    struct error e = {""};
    for (size_t i = 0; i < COUNT(bad); i++)
        CU_ASSERT_EQUAL(zone_load(bad[i], &z, &e), -EINVAL);
    CU_ASSERT_EQUAL(zone_load("Europe/Berln", &z, &e), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "Europe/Berln"));
    CU_ASSERT_EQUAL(zone_load("Europe", &z, &e), -ENOENT);
    CU_ASSERT_EQUAL(zone_load("Europe/Berlin/x", &z, NULL), -ENOENT);
    CU_ASSERT_PTR_NULL(z);
    setenv("TZDIR", "/nonexistent", 1);
    CU_ASSERT_EQUAL(zone_load("Europe/Berlin", &z, &e), -ENOENT);
    CU_ASSERT_EQUAL(zone_load("UTC", &z, &e), 0);
    CU_ASSERT_EQUAL(zone_offset(z, 0), 0);
    CU_ASSERT_STRING_EQUAL(zone_name(z), "UTC");
    unsetenv("TZDIR");
    zone_free(z);
    zone_free(NULL);
}

/* A time zone file cut or with any one byte changed is refused or read, never more. */
static void test_bytes(void)
{
    struct buf b;
    struct zone *z;
    CU_ASSERT_EQUAL_FATAL(file_read("/usr/share/zoneinfo/Europe/Berlin", 100000, &b), 0);
    for (size_t len = 0; len < b.len; len++) {
        cleanup(free_p) char *cut = malloc(len + 1);
        memcpy(cut, b.data, len);
        CU_ASSERT_EQUAL(zone_from_bytes("cut", cut, len, &z), -EBADMSG);
    }
    for (size_t at = 0; at < b.len; at++)
        for (int flip = 1; flip < 256; flip *= 2) {
            int64_t from, to;
            b.data[at] ^= (char)flip;
            if (zone_from_bytes("flipped", b.data, b.len, &z) == 0) {
                zone_stretch(z, 1795269600, &from, &to);
                zone_to_unix(z, 1795269600, &from, &to);
                zone_free(z);
            }
            b.data[at] ^= (char)flip;
        }
    buf_done(&b);
}

static void test_rules(void)
{
    static const struct {
        const char *text;
        int64_t at, offset;
    } good[] = {
        {"UTC0", 0, 0},
        {"<+0330>-3:30", 0, 12600},
        {"CET-1CEST,M3.5.0,M10.5.0/3", 1774745999, 3600},
        {"CET-1CEST,M3.5.0,M10.5.0/3", 1774746000, 7200},
        {"CET-1CEST,M3.5.0,M10.5.0/3", 1792889999, 7200},
        {"CET-1CEST,M3.5.0,M10.5.0/3", 1792890000, 3600},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", 1774746000, 3600},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", 1774745999, 0},
        {"EST5EDT", 1783000000, -14400},
        {"XXX3EDT4,0/0,J365/23", 1783000000, -14400}, /* summer all year */
        {"XXX3EDT4,0/0,J365/23", 1798775999, -14400},
        {"XXX3EDT4,0/0,J365/23", 1798776000, -14400},
        {"AAA0BBB-1,J60/0,J61/0", 1709251199, 0}, /* 29 Feb 2024: J60 is 1 March */
        {"AAA0BBB-1,J60/0,J61/0", 1709251200, 3600},
        {"AAA0BBB-1,59/0,60/0", 1709164800, 3600}, /* day 59 of a leap year is 29 Feb */
    };
    static const char *const bad[] = {
        "",
        "U",
        "UT0",
        "UTC",
        "<UTC0",
        "CET-1CEST,",
        "CET-1CEST,M3.5.0",
        "CET-25",
        "CET-1:60",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J5",
        "CET-1CEST,366,1",
        "CET-1CEST,M3.5.0,M10.5.0/168",
        "CET-1CEST,M3.5.0,M10.5.0x",
        "CET-1CE,M3.5.0,M10.5.0",
        "CET-1CEST,M3,M10.5.0",
    };
    struct tzrule r;
    int64_t from, to;
    for (size_t i = 0; i < COUNT(good); i++) {
        CU_ASSERT_EQUAL_FATAL(tzrule_parse(good[i].text, (int)strlen(good[i].text), &r), 0);
        CU_ASSERT_EQUAL(tzrule_stretch(&r, good[i].at, &from, &to), good[i].offset);
        CU_ASSERT_TRUE(from <= good[i].at && good[i].at < to);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        CU_ASSERT_EQUAL(tzrule_parse(bad[i], (int)strlen(bad[i]), &r), -EINVAL);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"offsets are those of the C library", test_offsets},
        {"wall clock to UTC", test_to_unix},
        {"names that are no zone", test_load_bad},
        {"damaged files", test_bytes},
        {"rules", test_rules},
        {NULL, NULL},
    };
    return run_tests("domain_zone", tests);
}
