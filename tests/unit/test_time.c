/* SPDX-License-Identifier: MIT
 * core/time: dates, timestamps, HTTP dates, calendar months.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/time/calendar.h"
#include "core/time/civil.h"
#include "core/time/timestamp.h"
#include "tests/unit/runner.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define NOW INT64_C(1795269600) /* 2026-11-21T14:00:00Z */

static void test_civil(void)
{
    struct civil c;
    int64_t day = civil_days(-800, 1, 1), last = civil_days(3200, 1, 1);
    int64_t year = -800;
    int month = 1, date = 1, weekday = (int)((day % 7 + 11) % 7);
    for (; day < last; day++) { /* every day of 4,000 years, counted by hand */
        civil_from_seconds(day * 86400 + 86399, &c);
        CU_ASSERT_TRUE_FATAL(c.year == year && c.month == month && c.day == date && c.weekday == weekday &&
                             c.hour == 23 && c.second == 59);
        CU_ASSERT_EQUAL_FATAL(civil_seconds(&c), day * 86400 + 86399);
        weekday = (weekday + 1) % 7;
        if (++date > civil_month_days(year, month)) {
            date = 1;
            if (++month > 12) {
                month = 1;
                year++;
            }
        }
    }
    civil_from_seconds(0, &c);
    CU_ASSERT_TRUE(c.year == 1970 && c.month == 1 && c.day == 1 && c.weekday == 4);
    civil_from_seconds(-1, &c);
    CU_ASSERT_TRUE(c.year == 1969 && c.month == 12 && c.day == 31 && c.second == 59);
    CU_ASSERT_TRUE(civil_leap(2000) && !civil_leap(1900) && civil_leap(2024) && !civil_leap(2026));
    civil_from_seconds(CIVIL_FIRST, &c);
    CU_ASSERT_TRUE(c.year == 1 && c.month == 1 && c.day == 1 && c.hour == 0);
    civil_from_seconds(CIVIL_LAST, &c);
    CU_ASSERT_TRUE(c.year == 9999 && c.month == 12 && c.day == 31 && c.second == 59);
}

/* Read, and written back in the form that was read. */
static void test_timestamp(void)
{
    static const struct {
        const char *text;
        int64_t at;
        const char *back;
    } good[] = {
        {"2026-11-21T14:00:00Z", NOW, "2026-11-21T14:00:00Z"},
        {"2026-11-21t14:00:00z", NOW, "2026-11-21t14:00:00z"},
        {"2026-11-21 14:00:00+00", NOW, "2026-11-21 14:00:00+00"},
        {"2026-11-21T15:00:00.123+01:00", NOW, "2026-11-21T14:00:00.000+00:00"},
        {"2026-11-21T09:30:00-0430", NOW, "2026-11-21T14:00:00+0000"},
        {"2026-11-21 14:00:00", NOW, "2026-11-21 14:00:00"},
        {"2026-11-21 14:00", NOW, "2026-11-21 14:00"},
        {"2026-11-21T14:00Z", NOW, "2026-11-21T14:00Z"},
        {"2026-11-21 14:00:00.999999+00", NOW, "2026-11-21 14:00:00.000000+00"},
        {"2026-11-21T14:00:00,5Z", NOW, "2026-11-21T14:00:00,0Z"},
        {"2026-11-21T14:00:00.1234567890123456789012345Z", NOW, "2026-11-21T14:00:00.000000000000000000Z"},
        {"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"},
        {"1969-12-31T23:59:59.9Z", -1, "1969-12-31T23:59:59.0Z"},
        {"0001-01-01T00:00:00Z", CIVIL_FIRST, "0001-01-01T00:00:00Z"},
        {"9999-12-31T23:59:59Z", CIVIL_LAST, "9999-12-31T23:59:59Z"},
        {"2038-01-19T03:14:08Z", INT64_C(2147483648), "2038-01-19T03:14:08Z"},
        {"2024-02-29T00:00:00Z", 1709164800, "2024-02-29T00:00:00Z"},
        {"2016-12-31T23:59:60Z", 1483228800, "2017-01-01T00:00:00Z"},
        {"2017-01-01T00:59:60+01:00", 1483228800, "2017-01-01T00:00:00+00:00"},
        {"2026-11-21T14:00:00-00:00", NOW, "2026-11-21T14:00:00+00:00"},
        {"2026-11-22T13:59:00+23:59", NOW, "2026-11-21T14:00:00+00:00"},
    };
    char text[TIMESTAMP_SIZE];
    for (size_t i = 0; i < COUNT(good); i++) {
        struct timestamp_form form;
        int64_t at = 77;
        CU_ASSERT_EQUAL_FATAL(timestamp_parse(good[i].text, &at, &form), 0);
        CU_ASSERT_EQUAL(at, good[i].at);
        CU_ASSERT_EQUAL(timestamp_format(at, &form, text, sizeof(text)), 0);
        CU_ASSERT_STRING_EQUAL(text, good[i].back);
    }
}

static void test_timestamp_bad(void)
{
    static const char *const bad[] = {
        "",
        "now",
        "2026",
        "2026-11-21",
        "2026-11-21T",
        "2026-11-21T14",
        "2026-11-21T14:00:00Zx",
        "2026-13-21T14:00:00Z",
        "2026-00-21T14:00:00Z",
        "2026-02-30T14:00:00Z",
        "2025-02-29T14:00:00Z",
        "1900-02-29T14:00:00Z",
        "2026-11-31T14:00:00Z",
        "2026-11-00T14:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T14:60:00Z",
        "2026-11-21T14:00:61Z",
        "2026-11-21T14:00:60Z",
        "2026-11-21T23:59:60+01:00",
        "2026-11-21T14:00:00.Z",
        "2026-11-21T14:00:00+1",
        "2026-11-21T14:00:00+24:00",
        "2026-11-21T14:00:00+01:60",
        "2026-11-21T14:00:00+01:",
        "2026-11-21T14:00:00+01:0",
        "2026-11-21T14:00:00+01:000",
        "2026-11-21_14:00:00Z",
        "0000-01-01T00:00:00Z",
        "-001-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        " 2026-11-21T14:00:00Z",
        "2026-11-21T14:00:00Z ",
        "2026-11-21  14:00:00Z",
        "2026-1-1T00:00:00Z",
        "20261121T140000Z",
        "1795269600",
        "2026-11-21T14:00.5Z",
        "2026-11-21T+4:00:00Z",
        "2026-11-21T14:00:00 +01:00",
        "2026-11-21T14::00Z",
    };
    char text[TIMESTAMP_SIZE];
    int64_t at = 77;
    for (size_t i = 0; i < COUNT(bad); i++) {
        CU_ASSERT_EQUAL(timestamp_parse(bad[i], &at, NULL), -EINVAL);
        CU_ASSERT_EQUAL(at, 77);
    }
    CU_ASSERT_EQUAL(timestamp_parse(NULL, &at, NULL), -EINVAL);
    CU_ASSERT_EQUAL(timestamp_parse("0001-01-01T00:00:00+01:00", &at, NULL), -ERANGE);
    CU_ASSERT_EQUAL(timestamp_parse("9999-12-31T23:59:59-01:00", &at, NULL), -ERANGE);
    CU_ASSERT_EQUAL(timestamp_rfc3339(CIVIL_LAST + 1, text, sizeof(text)), -ERANGE);
    CU_ASSERT_EQUAL(timestamp_rfc3339(CIVIL_FIRST - 1, text, sizeof(text)), -ERANGE);
    CU_ASSERT_EQUAL(timestamp_rfc3339(INT64_MIN, text, sizeof(text)), -ERANGE);
    CU_ASSERT_EQUAL(timestamp_rfc3339(NOW, text, 20), -ENOBUFS);
    CU_ASSERT_EQUAL(timestamp_rfc3339(NOW, text, 21), 0);
    CU_ASSERT_STRING_EQUAL(text, "2026-11-21T14:00:00Z");
}

static void test_httpdate(void)
{
    static const struct {
        const char *text;
        int64_t at;
    } good[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Sat, 21 Nov 2026 14:00:00 GMT", NOW},
        {"Saturday, 21-Nov-26 14:00:00 GMT", NOW},
        {"Sat Nov 21 14:00:00 2026", NOW},
        {"Saturday, 01-Jan-77 00:00:00 GMT", 220924800}, /* 51 years ahead: the past */
        {"Saturday, 01-Jan-76 00:00:00 GMT", INT64_C(3345062400)},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
    };
    static const char *const bad[] = {
        "",
        "Sat",
        "Sat,",
        "21 Nov 2026 14:00:00 GMT",
        "Sat, 21 Nov 2026 14:00:00",
        "Sat, 21 Nov 2026 14:00:00 UTC",
        "Sat, 21 Nov 2026 14:00:00 GMT ",
        "Sat, 31 Nov 2026 14:00:00 GMT",
        "Sat, 00 Nov 2026 14:00:00 GMT",
        "Sat, 21 Foo 2026 14:00:00 GMT",
        "Sat, 21 Nov 26 14:00:00 GMT",
        "Sat, 21 Nov 2026 24:00:00 GMT",
        "Sat, 21 Nov 2026 14:61:00 GMT",
        "Sat, 21 Nov 2026 14:00:60 GMT",
        "Xyz, 21 Nov 2026 14:00:00 GMT",
        "Sat, 21 Nov 0000 14:00:00 GMT",
        "Saturday 21-Nov-26 14:00:00 GMT",
        "Sat Nov 21 14:00:00 26",
        "Sat Nov 21 14:00:00 2026x",
        "120",
        "-1",
    };
    char text[TIMESTAMP_SIZE];
    int64_t at = 77;
    for (size_t i = 0; i < COUNT(good); i++) {
        CU_ASSERT_EQUAL(httpdate_parse(good[i].text, NOW, &at), 0);
        CU_ASSERT_EQUAL(at, good[i].at);
    }
    at = 77;
    for (size_t i = 0; i < COUNT(bad); i++) {
        CU_ASSERT_EQUAL(httpdate_parse(bad[i], NOW, &at), -EINVAL);
        CU_ASSERT_EQUAL(at, 77);
    }
    CU_ASSERT_EQUAL(httpdate_parse(NULL, NOW, &at), -EINVAL);
    CU_ASSERT_EQUAL(httpdate_format(784111777, text, sizeof(text)), 0);
    CU_ASSERT_STRING_EQUAL(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    CU_ASSERT_EQUAL(httpdate_format(784111777, text, 29), -ENOBUFS);
    CU_ASSERT_EQUAL(httpdate_format(INT64_MAX, text, sizeof(text)), -ERANGE);
}

static int64_t at_of(const char *text)
{
    int64_t at = INT64_MIN;
    CU_ASSERT_EQUAL_FATAL(timestamp_parse(text, &at, NULL), 0);
    return at;
}

static void test_calendar(void)
{
    static const struct {
        const char *from;
        int anchor, months;
        const char *to;
    } table[] = {
        {"2026-01-31T10:20:30Z", 0, 1, "2026-02-28T10:20:30Z"},
        {"2024-01-31T10:20:30Z", 0, 1, "2024-02-29T10:20:30Z"},
        {"2026-02-28T10:20:30Z", 31, 1, "2026-03-31T10:20:30Z"},
        {"2026-02-28T10:20:30Z", 0, 1, "2026-03-28T10:20:30Z"},
        {"2026-11-21T00:00:00Z", 0, 2, "2027-01-21T00:00:00Z"},
        {"2026-01-31T00:00:00Z", 0, -2, "2025-11-30T00:00:00Z"},
        {"2026-01-15T00:00:00Z", 15, -13, "2024-12-15T00:00:00Z"},
        {"2026-01-15T00:00:00Z", 30, 0, "2026-01-30T00:00:00Z"},
        {"2024-02-29T23:59:59Z", 0, 12, "2025-02-28T23:59:59Z"},
        {"2024-02-29T23:59:59Z", 99, 48, "2028-02-29T23:59:59Z"},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        CU_ASSERT_EQUAL(calendar_add_months(at_of(table[i].from), table[i].anchor, table[i].months),
                        at_of(table[i].to));
    CU_ASSERT_EQUAL(calendar_day(at_of("2026-11-21T23:59:59Z")), 21);
    CU_ASSERT_EQUAL(calendar_day(at_of("1969-12-31T23:59:59Z")), 31);
    CU_ASSERT_EQUAL(calendar_add_months(INT64_MAX, 0, INT32_MAX), CIVIL_LAST);
    CU_ASSERT_EQUAL(calendar_add_months(INT64_MIN, 0, INT32_MIN), CIVIL_FIRST);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"civil dates", test_civil},
        {"timestamps keep their form", test_timestamp},
        {"bad timestamps", test_timestamp_bad},
        {"HTTP dates", test_httpdate},
        {"calendar months", test_calendar},
        {NULL, NULL},
    };
    return run_tests("domain_time", tests);
}
