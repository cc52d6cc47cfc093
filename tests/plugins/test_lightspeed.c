/* SPDX-License-Identifier: MIT
 * lightspeed.so without renewd: the exact requests of both series, their replay contracts, the
 * settings that do not fit, the times it wants to be asked at. Its verdicts are in answers.txt.
 */
#include <string.h>

#include "tests/plugins/fake_services.h"
#include "tests/unit/runner.h"

enum { HOUR = 3600, DAY = 86400 };

static void settings(struct fake *f, const char *series, const char *secret, const char *pattern)
{
    fake_init(f);
    fake_setting(f, "series", series, 0);
    fake_setting(f, "client_id", "id 1", 0);
    if (secret)
        fake_setting(f, "client_secret", secret, 0);
    fake_setting(f, "base_url", "https://cloud.lightspeedapp.com", 0);
    fake_setting(f, "x_base_url", pattern, 0);
    fake_slot(f, "refresh_token", "def50/+");
}

static const char pattern[] = "https://{domain_prefix}.retail.lightspeed.app";

static void test_r_series(void)
{
    struct fake f;

    settings(&f, "r", "s&1", pattern);
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
    CU_ASSERT_EQUAL(f.replay, RENEWD_REPLAY_GRACE);
    CU_ASSERT_EQUAL(f.replay_grace, 0);
    CU_ASSERT_EQUAL(fake_ask(&f, 1000), RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(f.request, "POST https://cloud.lightspeedapp.com/auth/oauth/token\n"
                                      "Accept: application/json\n\n"
                                      "grant_type=refresh_token&refresh_token=def50%2F%2B"
                                      "&client_id=id%201&client_secret=s%261");
    fake_close(&f);
    settings(&f, "r", NULL, pattern); /* a publicly distributed client */
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
    CU_ASSERT_EQUAL(fake_ask(&f, 1000), RENEWD_WAIT);
    CU_ASSERT_PTR_NULL(strstr(f.request, "client_secret"));
    fake_close(&f);
}

static void test_x_series(void)
{
    struct fake f;

    settings(&f, "x", "s", pattern);
    fake_slot(&f, "domain_prefix", "my-store2");
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
    CU_ASSERT_EQUAL(f.replay, RENEWD_REPLAY_SINGLE_USE);
    CU_ASSERT_EQUAL(fake_ask(&f, 1000), RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(f.request, "POST https://my-store2.retail.lightspeed.app/api/1.0/token\n"
                                      "Accept: application/json\n\n"
                                      "grant_type=refresh_token&refresh_token=def50%2F%2B"
                                      "&client_id=id%201&client_secret=s");
    fake_close(&f);
    settings(&f, "x", "s", "http://127.0.0.1:8000/x/{domain_prefix}/y");
    fake_slot(&f, "domain_prefix", "a");
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
    fake_ask(&f, 1000);
    CU_ASSERT_EQUAL(strncmp(f.request, "POST http://127.0.0.1:8000/x/a/y/api/1.0/token\n", 47), 0);
    fake_close(&f);
}

/* Nothing is asked of a host that a row could choose. */
static void test_bad_prefixes(void)
{
    static const char *const bad[] = {"",     "A",   "a.b",      "a/b", "a b",         "a_b",
                                      "a%2e", "a\n", "\xc3\xa4", "a@b", "evil.com/?#", NULL};
    struct fake f;

    settings(&f, "x", "s", pattern);
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
    for (size_t i = 0; bad[i]; i++) {
        fake_slot(&f, "domain_prefix", bad[i]);
        CU_ASSERT_EQUAL(fake_ask(&f, 1000), RENEWD_FAILED);
        CU_ASSERT_EQUAL(f.outcome, RENEWD_MISCONFIGURED);
        CU_ASSERT_STRING_EQUAL(f.request, "");
    }
    fake_close(&f);
}

static void test_refused_settings(void)
{
    struct fake f;

    settings(&f, "x", NULL, pattern);
    CU_ASSERT_NOT_EQUAL(fake_open(&f), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "client_secret"));
    settings(&f, "x", "s", "https://retail.lightspeed.app");
    CU_ASSERT_NOT_EQUAL(fake_open(&f), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "{domain_prefix}"));
}

static void window_is(struct fake *f, int64_t now, int64_t before, int64_t preferred, int64_t latest, int64_t death)
{
    struct renewd_needs_refresh_out w;

    CU_ASSERT_EQUAL(fake_window(f, now, before, &w), 0);
    CU_ASSERT_EQUAL(w.earliest, 0);
    CU_ASSERT_EQUAL(w.preferred, preferred);
    CU_ASSERT_EQUAL(w.latest, latest);
    CU_ASSERT_EQUAL(w.death, death);
}

static void test_r_window(void)
{
    const int64_t now = 100 * DAY;
    struct fake f;

    settings(&f, "r", "s", pattern);
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
    f.record.first_seen = now - DAY;
    window_is(&f, now, 600, now - DAY, now - DAY, now + 29 * DAY); /* nothing is known: now */
    f.record.refreshed_at = now;
    f.record.life = 1800;
    fake_time(&f, "expires_at", now + 1800);
    window_is(&f, now, 600, now + 750, now + 1200, now + 30 * DAY);
    f.record.life = 3600;
    fake_time(&f, "expires_at", now + 3600);
    window_is(&f, now, 600, now + 2100, now + 3000, now + 30 * DAY);
    /* However long an access token lives, its refresh token is used a week before it dies. */
    f.record.life = 0;
    fake_time(&f, "expires_at", now + 90 * DAY);
    window_is(&f, now, 600, now + 22 * DAY, now + 23 * DAY, now + 30 * DAY);
    fake_time(&f, "refresh_expires_at", now + 10 * DAY); /* sooner is told */
    window_is(&f, now, 600, now + 10 * DAY - 1500, now + 10 * DAY - 600, now + 10 * DAY);
    fake_close(&f);
}

static void test_x_window(void)
{
    const int64_t now = 100 * DAY;
    struct fake f;

    settings(&f, "x", "s", pattern);
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
    f.record.refreshed_at = now;
    f.record.life = 7 * DAY;
    fake_time(&f, "expires_at", now + 7 * DAY);
    window_is(&f, now, 600, now + 6 * DAY - 600, now + 7 * DAY - 600, 0); /* no limit is known */
    fake_close(&f);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"R-Series: the request", test_r_series},
        {"X-Series: the request", test_x_series},
        {"X-Series: bad prefixes", test_bad_prefixes},
        {"settings that do not fit", test_refused_settings},
        {"R-Series: the window", test_r_window},
        {"X-Series: the window", test_x_window},
        {NULL, NULL},
    };
    return run_tests("lightspeed", tests);
}
