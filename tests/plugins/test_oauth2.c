/* SPDX-License-Identifier: MIT
 * oauth2.so without renewd: both ways of client authentication, the errors of RFC 6749, and what
 * real servers send instead.
 */
#include <string.h>

#include "tests/plugins/oauth_answers.h"
#include "tests/unit/runner.h"

static void settings(struct fake *f, const char *auth, const char *secret)
{
    fake_init(f);
    fake_setting(f, "token_url", "https://example.com/t", 0);
    fake_setting(f, "client_id", "my id", 0);
    if (secret)
        fake_setting(f, "client_secret", secret, 0);
    fake_setting(f, "client_auth", auth, 0);
    fake_setting(f, "assumed_life", "1h", 3600);
    fake_slot(f, "refresh_token", "r1");
}

static void test_post(void)
{
    struct fake f;

    settings(&f, "post", "s&t");
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
    CU_ASSERT_EQUAL(fake_ask(&f, 1000), RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(f.request, "POST https://example.com/t\nAccept: application/json\n\n"
                                      "grant_type=refresh_token&refresh_token=r1&client_id=my%20id"
                                      "&client_secret=s%26t");
    fake_slot(&f, "refresh_token", NULL);
    CU_ASSERT_EQUAL(fake_ask(&f, 1000), RENEWD_FAILED);
    fake_close(&f);
}

static void test_public_client_with_extras(void)
{
    struct fake f;

    settings(&f, "post", NULL);
    fake_setting(&f, "scope", "a b", 0);
    fake_member(&f, "extra", "audience", "https://x");
    fake_member(&f, "extra", "tenant", "7");
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
    CU_ASSERT_EQUAL(fake_ask(&f, 1000), RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(f.request, "POST https://example.com/t\nAccept: application/json\n\n"
                                      "grant_type=refresh_token&refresh_token=r1&client_id=my%20id"
                                      "&scope=a%20b&audience=https%3A%2F%2Fx&tenant=7");
    fake_close(&f);
}

static void test_basic(void)
{
    struct fake f;

    settings(&f, "basic", "a:b");
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
    CU_ASSERT_EQUAL(fake_ask(&f, 1000), RENEWD_WAIT);
    /* my%20id:a%3Ab */
    CU_ASSERT_STRING_EQUAL(f.request, "POST https://example.com/t\nAccept: application/json\n"
                                      "Authorization: Basic bXklMjBpZDphJTNBYg==\n\n"
                                      "grant_type=refresh_token&refresh_token=r1");
    fake_close(&f);
}

static void test_refused_settings(void)
{
    struct fake f;

    settings(&f, "basic", NULL);
    CU_ASSERT_EQUAL(fake_open(&f), RENEWD_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "client_secret"));
    settings(&f, "post", "x");
    fake_member(&f, "extra", "grant_type", "password");
    CU_ASSERT_EQUAL(fake_open(&f), RENEWD_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "extra"));
    settings(&f, "post", "x");
    f.host.settings[f.host.setting_count - 1].number = 0;
    CU_ASSERT_EQUAL(fake_open(&f), RENEWD_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "assumed_life"));
    CU_ASSERT_EQUAL(renewd_plugin_v1()->replay, RENEWD_REPLAY_SINGLE_USE);
}

static void test_errors(void)
{
    static const struct answer answers[] = {
        {400, "{\"error\":\"invalid_grant\"}", RENEWD_RECONNECT, "invalid_grant"},
        {401, "{\"error\":\"invalid_client\"}", RENEWD_MISCONFIGURED, "invalid_client"},
        {400, "{\"error\":\"unauthorized_client\"}", RENEWD_MISCONFIGURED, "unauthorized_client"},
        {400, "{\"error\":\"invalid_request\"}", RENEWD_MISCONFIGURED, "invalid_request"},
        {400, "{\"error\":\"unsupported_grant_type\"}", RENEWD_MISCONFIGURED, NULL},
        {400, "{\"error\":\"invalid_scope\"}", RENEWD_RECONNECT, "invalid_scope"},
        {400, "{\"error\":\"server_error\"}", RENEWD_TRANSIENT, "server_error"},
        {400, "{\"error\":\"temporarily_unavailable\"}", RENEWD_TRANSIENT, NULL},
        {200, "{\"error\":\"invalid_grant\"}", RENEWD_RECONNECT, "invalid_grant"},
        {400, "{\"error\":{\"code\":\"invalid_grant\",\"message\":\"LEAK\"}}", RENEWD_RECONNECT, "invalid_grant"},
        {400, "{\"error\":{\"type\":\"invalid_client\"}}", RENEWD_MISCONFIGURED, "invalid_client"},
        {403, "<html>LEAK</html>", RENEWD_TRANSIENT, NULL},
        {404, "<html>LEAK</html>", RENEWD_TRANSIENT, NULL},
        {500, "<html>LEAK</html>", RENEWD_TRANSIENT, NULL},
        {502, "{\"error\":\"invalid_grant\"}", RENEWD_TRANSIENT, NULL},
        {429, "{\"error\":\"slow_down\"}", RENEWD_RATE_LIMITED, "slow_down"},
        {400, "{\"error\":\"LEAK me: r1\"}", RENEWD_TRANSIENT, "error"},
        {401, "", RENEWD_TRANSIENT, NULL},
        /* A success that cannot be read has perhaps spent the token. */
        {200, "", RENEWD_AMBIGUOUS, NULL},
        {200, "<html>LEAK</html>", RENEWD_AMBIGUOUS, NULL},
        {200, "{\"access_token\":\"new\",\"refresh_to", RENEWD_AMBIGUOUS, NULL},
        {200, "{\"refresh_token\":\"r2\"}", RENEWD_AMBIGUOUS, NULL},
        {0, "", RENEWD_AMBIGUOUS, NULL},
        {201, "{\"access_token\":\"new\"}", 0, NULL},
        {-1, NULL, 0, NULL},
    };
    struct fake f;

    settings(&f, "post", "s");
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
    check_answers(&f, answers);
    fake_close(&f);
}

static void test_lifetimes(void)
{
    static const struct lifetime lifetimes[] = {
        {",\"expires_in\":\"7200\",\"refresh_token\":\"r2\"",
         "access_token=new\nrefresh_token=r2\nexpires_at=8200\nrefresh_expires_at=NULL\n"},
        {",\"expires_in\":7200,\"refresh_token\":\"r2\",\"refresh_expires_in\":\"9000\"",
         "access_token=new\nrefresh_token=r2\nexpires_at=8200\nrefresh_expires_at=10000\n"},
        {",\"expires_in\":7200,\"refresh_token\":\"r1\"", "access_token=new\nrefresh_token=r1\nexpires_at=8200\n"},
        {",\"expires_in\":31536001", "access_token=new\nexpires_at=31537001\n"},
        {",\"expires_in\":315360001", "access_token=new\nexpires_at=4600\n"},
        {"", "access_token=new\nexpires_at=4600\n"},
        {NULL, NULL},
    };
    struct fake f;

    settings(&f, "post", "s");
    fake_time(&f, "refresh_expires_at", 5000);
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
    check_lifetimes(&f, lifetimes);
    fake_close(&f);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"client in the body", test_post},
        {"public client, scope and extra", test_public_client_with_extras},
        {"client in the header", test_basic},
        {"settings that do not fit", test_refused_settings},
        {"errors", test_errors},
        {"lifetimes", test_lifetimes},
        {NULL, NULL},
    };
    return run_tests("oauth2", tests);
}
