/* SPDX-License-Identifier: MIT
 * core/rules: outcomes, durations and sizes, backoff, pacing, names of tables.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/rules/backoff.h"
#include "core/rules/ident.h"
#include "core/rules/outcome.h"
#include "core/rules/pace.h"
#include "core/rules/progress.h"
#include "core/rules/record.h"
#include "core/time/duration.h"
#include "tests/unit/runner.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void test_outcome(void)
{
    for (int i = OUTCOME_OK; i <= OUTCOME_AMBIGUOUS; i++) {
        CU_ASSERT_EQUAL(outcome_from_name(outcome_name(i)), i);
        CU_ASSERT_PTR_NOT_NULL(state_name(state_after(i)));
    }
    for (int i = STATE_OK; i <= STATE_DISCONNECTED; i++)
        CU_ASSERT_EQUAL(state_from_name(state_name(i)), i);
    CU_ASSERT_STRING_EQUAL(outcome_name(OUTCOME_NONE), "none");
    CU_ASSERT_STRING_EQUAL(outcome_name(4), "reconnect");
    CU_ASSERT_STRING_EQUAL(state_name(state_after(OUTCOME_TRANSIENT)), "retrying");
    CU_ASSERT_EQUAL(state_after(OUTCOME_NONE), 0);
    CU_ASSERT_EQUAL(state_after(99), 0);
    CU_ASSERT_PTR_NULL(outcome_name(7));
    CU_ASSERT_PTR_NULL(outcome_name(-1));
    CU_ASSERT_PTR_NULL(state_name(0));
    CU_ASSERT_PTR_NULL(state_name(STATE_DISCONNECTED + 1));
    CU_ASSERT_EQUAL(outcome_from_name("OK"), -EINVAL);
    CU_ASSERT_EQUAL(outcome_from_name(""), -EINVAL);
    CU_ASSERT_EQUAL(outcome_from_name(NULL), -EINVAL);
    CU_ASSERT_EQUAL(state_from_name("none"), -EINVAL);
}

/* Nobody is to blame yet for what was ok, or is a suspect (rule 10); whoever is, stays what it is. */
static void test_expired(void)
{
    static const struct {
        int state;
        const char *code;
        bool expires;
    } list[] = {
        {STATE_OK, NULL, true},
        {STATE_OK, "row", true},
        {STATE_RETRYING, "transient", false},
        {STATE_RATE_LIMITED, NULL, false},
        {STATE_RECONNECT, "invalid_grant", false},
        {STATE_MISCONFIGURED, "withheld", true},
        {STATE_MISCONFIGURED, "invalid_client", true},
        {STATE_MISCONFIGURED, NULL, true},
        {STATE_MISCONFIGURED, "row", false}, /* its row's own */
        {STATE_AMBIGUOUS, "no_answer", false},
        {STATE_PENDING, "store", false},
        {STATE_PAUSED, NULL, false},
    };
    for (size_t i = 0; i < COUNT(list); i++) {
        int ended = list[i].expires ? STATE_EXPIRED : list[i].state;
        struct record r = {.state = list[i].state,
                           .last_code = (char *)(uintptr_t)list[i].code,
                           .hash = "h",
                           .expires_at = 1000};
        CU_ASSERT_EQUAL(record_shown(&r, 999), list[i].state);
        CU_ASSERT_EQUAL(record_shown(&r, 1000), ended);
        r.expires_at = 0;
        CU_ASSERT_EQUAL(record_shown(&r, 1000), list[i].state);
    }
}

static void test_duration(void)
{
    static const struct {
        const char *text;
        int64_t ms;
        const char *back;
    } good[] = {
        {"200ms", 200, "200ms"},
        {"10m", 600000, "10m"},
        {"7d", 604800000, "7d"},
        {"60s", 60000, "1m"},
        {"6h", 21600000, "6h"},
        {"1w", 604800000, "7d"},
        {"0", 0, "0s"},
        {"0s", 0, "0s"},
        {"90s", 90000, "90s"},
        {"000", 0, "0s"},
        {"1500ms", 1500, "1500ms"},
        {"24h", 86400000, "1d"},
        {"9223372036854775807ms", INT64_MAX, "9223372036854775807ms"},
    };
    static const char *const bad[] = {"",   "5",   "m",  "-5m",  "+5m",   " 5m",  "5m ",   "5 m",
                                      "5x", "5mm", "5M", "1.5h", "1h30m", "0x5s", "00005", "ms"};
    char text[32];
    int64_t ms;
    for (size_t i = 0; i < COUNT(good); i++) {
        ms = -1;
        CU_ASSERT_EQUAL(duration_parse(good[i].text, &ms), 0);
        CU_ASSERT_EQUAL(ms, good[i].ms);
        CU_ASSERT_EQUAL(duration_format(ms, text, sizeof(text)), 0);
        CU_ASSERT_STRING_EQUAL(text, good[i].back);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        ms = -1;
        CU_ASSERT_EQUAL(duration_parse(bad[i], &ms), -EINVAL);
        CU_ASSERT_EQUAL(ms, -1);
    }
    CU_ASSERT_EQUAL(duration_parse(NULL, &ms), -EINVAL);
    CU_ASSERT_EQUAL(duration_parse("9223372036854775808ms", &ms), -ERANGE);
    CU_ASSERT_EQUAL(duration_parse("9223372036854775807s", &ms), -ERANGE);
    CU_ASSERT_EQUAL(duration_parse("99999999999999999999999999w", &ms), -ERANGE);
    CU_ASSERT_EQUAL(duration_format(600000, text, 3), -ENOBUFS);
    CU_ASSERT_EQUAL(duration_format(INT64_MIN, text, sizeof(text)), 0);
}

static void test_progress(void)
{
    static const struct {
        int64_t rows, about, ms;
        const char *text;
    } cases[] = {
        {0, 0, 0, "0 rows read"},
        {120000, 400000, 17143, "120,000 of about 400,000 rows read, 40 s left"},
        {999, 0, 1000, "999 rows read"},
        {1000, 1000, 1000, "1,000 rows read"}, /* the estimate was too low: nothing is known any more */
        {1001, 1000, 1000, "1,001 rows read"},
        {0, 1234567, 5000, "0 of about 1,234,567 rows read"},
        {500, 1000, 0, "500 of about 1,000 rows read"},
        {500, 1000, 119000, "500 of about 1,000 rows read, 119 s left"},
        {500, 1000, 120000, "500 of about 1,000 rows read, 2 min left"},
        {1000, 1000000, 7208, "1,000 of about 1,000,000 rows read, 2 h left"},
        {1, INT64_MAX, 1, "1 of about 9,223,372,036,854,775,807 rows read, 2562047788015 h left"},
    };
    struct progress p;
    char text[PROGRESS_TEXT];
    for (size_t i = 0; i < COUNT(cases); i++) {
        progress_make(cases[i].rows, cases[i].about, cases[i].ms, &p);
        progress_text(&p, text);
        CU_ASSERT_STRING_EQUAL(text, cases[i].text);
    }
}

static void test_size(void)
{
    static const char *const bad[] = {"", "1", "g", "1gb", "1 g", "-1g", "1t", "1.5g"};
    int64_t bytes;
    CU_ASSERT_EQUAL(size_parse("1g", &bytes), 0);
    CU_ASSERT_EQUAL(bytes, INT64_C(1073741824));
    CU_ASSERT_EQUAL(size_parse("64K", &bytes), 0);
    CU_ASSERT_EQUAL(bytes, 65536);
    CU_ASSERT_EQUAL(size_parse("7b", &bytes), 0);
    CU_ASSERT_EQUAL(bytes, 7);
    CU_ASSERT_EQUAL(size_parse("0", &bytes), 0);
    CU_ASSERT_EQUAL(bytes, 0);
    for (size_t i = 0; i < COUNT(bad); i++)
        CU_ASSERT_EQUAL(size_parse(bad[i], &bytes), -EINVAL);
    CU_ASSERT_EQUAL(size_parse("9000000000g", &bytes), -ERANGE);
}

static void test_backoff(void)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        int64_t full = 30;
        for (int attempts = 1; attempts < 70; attempts++) {
            int64_t wait = backoff_next(attempts, seed, 30, 3600);
            CU_ASSERT_TRUE_FATAL(wait >= full / 2 && wait <= full);
            CU_ASSERT_EQUAL(wait, backoff_next(attempts, seed, 30, 3600));
            full = full * 2 > 3600 ? 3600 : full * 2;
        }
    }
    int different = 0;
    for (uint64_t seed = 0; seed < 100; seed++)
        different += backoff_next(8, seed, 30, 3600) != backoff_next(8, seed + 1, 30, 3600);
    CU_ASSERT_TRUE(different > 90);
    CU_ASSERT_EQUAL(backoff_next(0, 1, 0, 0), 1);
    CU_ASSERT_EQUAL(backoff_next(-5, 1, -7, -9), 1);
    CU_ASSERT_TRUE(backoff_next(INT32_MAX, 1, INT64_MAX, INT64_MAX) >= INT64_MAX / 2);
    CU_ASSERT_TRUE(backoff_next(INT32_MAX, 1, 3, INT64_MAX) >= INT64_MAX / 2);
    CU_ASSERT_EQUAL(backoff_rate_limited(-1), 1);
    CU_ASSERT_EQUAL(backoff_rate_limited(0), 1);
    CU_ASSERT_EQUAL(backoff_rate_limited(77), 77);
    CU_ASSERT_EQUAL(backoff_rate_limited(INT64_MAX), 3600);
}

static void test_pace(void)
{
    struct pace p;
    pace_init(&p, 200);
    CU_ASSERT_EQUAL(pace_wait(&p, 1000), 0);
    pace_take(&p, 1000);
    CU_ASSERT_EQUAL(pace_wait(&p, 1000), 200);
    CU_ASSERT_EQUAL(pace_wait(&p, 1150), 50);
    CU_ASSERT_EQUAL(pace_wait(&p, 1200), 0);
    pace_slow(&p, 1200, 10000);
    pace_slow(&p, 1200, 10);
    pace_take(&p, 1200);
    CU_ASSERT_EQUAL(pace_wait(&p, 1200), 1600);
    pace_take(&p, 11200);
    CU_ASSERT_EQUAL(pace_wait(&p, 11200), 200);
    pace_hold(&p, 11200, INT64_MAX);
    CU_ASSERT_EQUAL(pace_wait(&p, 11200), 3600000);
    pace_hold(&p, 11200, -5);
    pace_take(&p, 11200);
    CU_ASSERT_EQUAL(pace_wait(&p, 11200), 3600000);
    pace_init(&p, 0);
    pace_take(&p, 5);
    CU_ASSERT_EQUAL(pace_wait(&p, 5), 0);
    pace_slow(&p, 5, 100);
    pace_take(&p, 5);
    CU_ASSERT_EQUAL(pace_wait(&p, 5), 1000);
}

static void test_ident_split(void)
{
    static const struct {
        const char *text, *schema, *name;
    } good[] = {
        {"accounts", NULL, "accounts"},
        {"public.accounts", "public", "accounts"},
        {"\"App\"", NULL, "App"},
        {"public.\"App\"", "public", "App"},
        {"\"My Schema\".\"a.b\"", "My Schema", "a.b"},
        {"MixedCase", NULL, "MixedCase"},
        {"\"say \"\"hi\"\"\"", NULL, "say \"hi\""},
        {"gr\xc3\xbc"
         "n",
         NULL,
         "gr\xc3\xbc"
         "n"},
        {"a;drop table x", NULL, "a;drop table x"},
    };
    static const char *const bad[] =
        {"",       ".",      "a.",
         ".a",     "a..b",   "a.b.c",
         "\"",     "\"a",    "\"\"",
         "a\"b\"", "\"a\"b", "\"a\".\"b",
         "a.\"\"", "\xff",   "a234567890123456789012345678901234567890123456789012345678901234"};
    for (size_t i = 0; i < COUNT(good); i++) {
        cleanup(free_p) char *schema = NULL;
        cleanup(free_p) char *name = NULL;
        struct error e = {""};
        CU_ASSERT_EQUAL_FATAL(ident_split(good[i].text, &schema, &name, &e), 0);
        CU_ASSERT_STRING_EQUAL(name, good[i].name);
        if (good[i].schema && schema)
            CU_ASSERT_STRING_EQUAL(schema, good[i].schema);
        CU_ASSERT_EQUAL(schema == NULL, good[i].schema == NULL);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        char *schema = NULL, *name = NULL;
        struct error e = {""};
        CU_ASSERT_EQUAL(ident_split(bad[i], &schema, &name, &e), -EINVAL);
        CU_ASSERT_TRUE(strncmp(e.text, "the name `", 10) == 0);
        CU_ASSERT_TRUE(schema == NULL && name == NULL);
    }
}

static void test_ident_quote(void)
{
    cleanup(buf_done) struct buf b;
    buf_init(&b, 20);
    CU_ASSERT_EQUAL(ident_quote("a\"b", &b), 0);
    CU_ASSERT_STRING_EQUAL(b.data, "\"a\"\"b\"");
    CU_ASSERT_EQUAL(ident_quote("0123456789012345", &b), -ENOBUFS);
    CU_ASSERT_TRUE(ident_valid("a"));
    CU_ASSERT_FALSE(ident_valid(""));
    CU_ASSERT_TRUE(ident_valid("a23456789012345678901234567890123456789012345678901234567890123"));
    CU_ASSERT_FALSE(ident_valid("a234567890123456789012345678901234567890123456789012345678901234"));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"outcomes and states", test_outcome},
        {"what has expired", test_expired},
        {"durations", test_duration},
        {"how far a reading is", test_progress},
        {"sizes", test_size},
        {"backoff", test_backoff},
        {"pace", test_pace},
        {"names are split", test_ident_split},
        {"names are quoted", test_ident_quote},
        {NULL, NULL},
    };
    return run_tests("domain", tests);
}
