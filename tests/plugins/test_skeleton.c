/* SPDX-License-Identifier: MIT
 * skeleton.so without renewd: the example that people copy must itself be right.
 */
#include <string.h>

#include "tests/plugins/oauth_answers.h"
#include "tests/unit/runner.h"

static void start(struct fake *f)
{
    fake_init(f);
    fake_setting(f, "api_key", "k", 0);
    fake_setting(f, "base_url", "https://auth.example.com", 0);
    fake_slot(f, "refresh_token", "r1");
    CU_ASSERT_EQUAL_FATAL(fake_open(f), 0);
}

static void test_refresh(void)
{
    static const struct answer answers[] = {
        {400, "{\"error\":\"invalid_grant\"}", RENEWD_RECONNECT, "invalid_grant"},
        {401, "{\"error\":\"invalid_key\"}", RENEWD_MISCONFIGURED, "invalid_key"},
        {429, "", RENEWD_RATE_LIMITED, NULL},
        {500, "{\"error\":\"invalid_grant\"}", RENEWD_TRANSIENT, NULL},
        {200, "<html>", RENEWD_TRANSIENT, NULL},
        {0, "", RENEWD_TRANSIENT, NULL},
        {-1, NULL, 0, NULL},
    };
    static const struct lifetime lifetimes[] = {
        {",\"expires_in\":60,\"refresh_token\":\"r2\"", "access_token=new\nrefresh_token=r2\nexpires_at=1060\n"},
        {",\"expires_in\":1e18", "access_token=new\nexpires_at=4600\n"},
        {NULL, NULL},
    };
    struct fake f;

    start(&f);
    CU_ASSERT_EQUAL(fake_ask(&f, 1000), RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(f.request, "POST https://auth.example.com/v1/token\nX-Api-Key: k\n\n"
                                      "grant_type=refresh_token&refresh_token=r1");
    check_answers(&f, answers);
    check_lifetimes(&f, lifetimes);
    fake_close(&f);
}

static void test_window(void)
{
    struct renewd_needs_refresh_out w;
    struct fake f;

    start(&f);
    CU_ASSERT_EQUAL(fake_window(&f, 5000, 0, &w), 0);
    CU_ASSERT_EQUAL(w.preferred, 5000);
    f.record.refreshed_at = 5000;
    CU_ASSERT_EQUAL(fake_window(&f, 5001, 0, &w), 0);
    CU_ASSERT_EQUAL(w.preferred, 8600);
    fake_time(&f, "expires_at", 9000);
    CU_ASSERT_EQUAL(fake_window(&f, 5001, 0, &w), 0);
    CU_ASSERT_EQUAL(w.preferred, 8400);
    CU_ASSERT_EQUAL(w.latest, 8700);
    fake_close(&f);
}

static void test_on_failure(void)
{
    struct fake f;

    start(&f);
    f.decision =
        (struct renewd_on_failure_out){.size = sizeof(f.decision), .outcome = RENEWD_TRANSIENT, .next_at = 9000};
    CU_ASSERT_EQUAL(fake_failed(&f, 500, NULL, 1000), 0);
    CU_ASSERT_EQUAL(f.decision.next_at, 9000);
    CU_ASSERT_EQUAL(fake_failed(&f, 503, NULL, 1000), 0);
    CU_ASSERT_EQUAL(f.decision.next_at, 1600);
    fake_close(&f);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"refresh", test_refresh},
        {"the window", test_window},
        {"on_failure", test_on_failure},
        {NULL, NULL},
    };
    return run_tests("skeleton", tests);
}
