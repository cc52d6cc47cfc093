/* SPDX-License-Identifier: MIT
 * youtube.so without renewd: what it sends, what it makes of every answer, when it wants to be
 * asked.
 */
#include <string.h>

#include "tests/plugins/oauth_answers.h"
#include "tests/unit/runner.h"

static void start(struct fake *f)
{
    fake_init(f);
    fake_setting(f, "client_id", "id.apps.googleusercontent.com", 0);
    fake_setting(f, "client_secret", "GOCSPX-a b", 0);
    fake_setting(f, "base_url", "http://127.0.0.1:8000", 0);
    fake_slot(f, "refresh_token", "1//0g-x/y");
    CU_ASSERT_EQUAL_FATAL(fake_open(f), 0);
}

static void test_request(void)
{
    struct fake f;

    start(&f);
    CU_ASSERT_EQUAL(fake_ask(&f, 1000), RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(f.request, "POST http://127.0.0.1:8000/token\n"
                                      "Accept: application/json\n\n"
                                      "grant_type=refresh_token&refresh_token=1%2F%2F0g-x%2Fy"
                                      "&client_id=id.apps.googleusercontent.com"
                                      "&client_secret=GOCSPX-a%20b");
    fake_slot(&f, "refresh_token", NULL);
    CU_ASSERT_EQUAL(fake_ask(&f, 1000), RENEWD_FAILED);
    CU_ASSERT_EQUAL(f.outcome, RENEWD_RECONNECT);
    fake_close(&f);
}

static void test_documented_errors(void)
{
    static const struct answer answers[] = {
        {400,
         "{\"error\":\"invalid_grant\",\"error_description\":\"Token has been expired or "
         "revoked.\"}",
         RENEWD_RECONNECT, "invalid_grant"},
        {400, "{\"error\":\"invalid_grant\",\"error_description\":\"Bad Request\"}", RENEWD_RECONNECT,
         "invalid_grant"},
        {400, "{\"error\":\"invalid_grant\",\"error_description\":\"Account has been deleted\"}", RENEWD_RECONNECT,
         "invalid_grant"},
        {400,
         "{\"error\":\"invalid_grant\",\"error_description\":\"reauth related error "
         "(invalid_rapt)\","
         "\"error_subtype\":\"invalid_rapt\"}",
         RENEWD_RECONNECT, "invalid_grant"},
        {400, "{\"error\":\"invalid_request\",\"error_description\":\"LEAK\"}", RENEWD_MISCONFIGURED,
         "invalid_request"},
        {400, "{\"error\":\"unsupported_grant_type\"}", RENEWD_MISCONFIGURED, "unsupported_grant_type"},
        {400, "{\"error\":\"invalid_scope\"}", RENEWD_MISCONFIGURED, "invalid_scope"},
        {401, "{\"error\":\"invalid_client\",\"error_description\":\"Unauthorized\"}", RENEWD_MISCONFIGURED,
         "invalid_client"},
        {401, "{\"error\":\"deleted_client\"}", RENEWD_MISCONFIGURED, "deleted_client"},
        {400, "{\"error\":\"deleted_client\"}", RENEWD_MISCONFIGURED, "deleted_client"},
        {401, "{\"error\":\"unauthorized_client\"}", RENEWD_MISCONFIGURED, "unauthorized_client"},
        {400, "{\"error\":\"admin_policy_enforced\"}", RENEWD_RECONNECT, "admin_policy_enforced"},
        {403, "{\"error\":\"access_denied\"}", RENEWD_RECONNECT, "access_denied"},
        {403, "{\"error\":\"org_internal\"}", RENEWD_RECONNECT, "org_internal"},
        {429, "", RENEWD_RATE_LIMITED, NULL},
        {429, "{\"error\":\"invalid_grant\"}", RENEWD_RATE_LIMITED, NULL},
        {408, "", RENEWD_TRANSIENT, NULL},
        {500, "{\"error\":\"invalid_grant\"}", RENEWD_TRANSIENT, NULL},
        {503, "{}", RENEWD_TRANSIENT, NULL},
        {504, "", RENEWD_TRANSIENT, NULL},
        {400, "{\"error\":\"internal_failure\"}", RENEWD_TRANSIENT, "internal_failure"},
        {200, "{\"error\":\"server_error\"}", RENEWD_TRANSIENT, "server_error"},
        {401, "{\"error\":\"temporarily_unavailable\"}", RENEWD_TRANSIENT, NULL},
        {400, "{\"error\":\"invalid_grant\",\"error_description\":\"internal_failure\"}", RENEWD_TRANSIENT, NULL},
        {502, "<html>Bad Gateway</html>", RENEWD_TRANSIENT, NULL},
        {-1, NULL, 0, NULL},
    };
    struct fake f;

    start(&f);
    check_answers(&f, answers);
    fake_close(&f);
}

static void test_nasty_answers(void)
{
    static const struct answer answers[] = {
        {200, "", RENEWD_TRANSIENT, NULL},
        {200, "<html>hello</html>", RENEWD_TRANSIENT, NULL},
        {200, "{\"access_token\":\"ya29", RENEWD_TRANSIENT, NULL},
        {200, "[]", RENEWD_TRANSIENT, NULL},
        {200, "null", RENEWD_TRANSIENT, NULL},
        {200, "{\"access_token\":\"\"}", RENEWD_TRANSIENT, NULL},
        {200, "{\"access_token\":null}", RENEWD_TRANSIENT, NULL},
        {200, "{\"access_token\":5}", RENEWD_TRANSIENT, NULL},
        {200, "{\"access_token\":{\"a\":1}}", RENEWD_TRANSIENT, NULL},
        {200, "{\"access_token\":\"a\\r\\nX: b\"}", RENEWD_TRANSIENT, NULL},
        {200, "{\"access_token\":\"a\\u0000b\"}", RENEWD_TRANSIENT, NULL},
        {200, "{\"access_token\":\"\xff\"}", RENEWD_TRANSIENT, NULL},
        {200, "{\"access_token\":\"a\",\"error\":\"invalid_grant\"}", RENEWD_RECONNECT, "invalid_grant"},
        {200, "{\"access_token\":\"a\",\"error\":{\"code\":7}}", RENEWD_TRANSIENT, "error"},
        {200, "{\"access_token\":\"a\",\"error\":null}", 0, NULL},
        {401, "", RENEWD_TRANSIENT, NULL},
        {403, "<html></html>", RENEWD_TRANSIENT, NULL},
        {404, "<html></html>", RENEWD_TRANSIENT, NULL},
        {302, "", RENEWD_TRANSIENT, NULL},
        {400, "{\"error\":\"something_new\"}", RENEWD_TRANSIENT, "something_new"},
        {400, "{\"error\":\"LEAK of a token?\"}", RENEWD_TRANSIENT, "error"},
        {401, "{\"error\":{\"code\":401,\"status\":\"UNAUTHENTICATED\"}}", RENEWD_TRANSIENT, "UNAUTHENTICATED"},
        {400, "{\"error\":\"\",\"access_token\":\"a\"}", RENEWD_TRANSIENT, NULL},
        {400, "{\"error_description\":\"invalid_grant\"}", RENEWD_TRANSIENT, NULL},
        {-1, NULL, 0, NULL},
    };
    struct fake f;

    start(&f);
    check_answers(&f, answers);
    fake_close(&f);
}

static void test_lifetimes(void)
{
    static const char assumed[] = "access_token=new\nexpires_at=4600\n";
    static const struct lifetime lifetimes[] = {
        {",\"expires_in\":3599", "access_token=new\nexpires_at=4599\n"},
        {",\"expires_in\":\"3600\"", assumed},
        {",\"expires_in\":3599.9", "access_token=new\nexpires_at=4599\n"},
        {",\"expires_in\":1", "access_token=new\nexpires_at=1001\n"},
        {"", assumed},
        {",\"expires_in\":0", assumed},
        {",\"expires_in\":-5", assumed},
        {",\"expires_in\":null", assumed},
        {",\"expires_in\":\"soon\"", assumed},
        {",\"expires_in\":0.5", assumed},
        {",\"expires_in\":1e18", assumed},
        {",\"expires_in\":1e999", assumed},
        {",\"expires_in\":99999999999999999999999", assumed},
        {",\"expires_in\":31536001", assumed},
        {",\"expires_in\":[1]", assumed},
        {",\"expires_in\":5,\"refresh_token\":\"\",\"scope\":\"\"", "access_token=new\nexpires_at=1005\n"},
        {",\"expires_in\":5,\"refresh_token\":null,\"scope\":\"a b\"",
         "access_token=new\nexpires_at=1005\nscope=a b\n"},
        {",\"expires_in\":5,\"refresh_token\":\"1//new\"",
         "access_token=new\nrefresh_token=1//new\nexpires_at=1005\n"},
        {",\"expires_in\":5,\"refresh_token_expires_in\":604799",
         "access_token=new\nexpires_at=1005\nrefresh_expires_at=605799\n"},
        {NULL, NULL},
    };
    struct fake f;

    start(&f);
    check_lifetimes(&f, lifetimes);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.host.logged, "Testing"));
    f.host.logged[0] = '\0';
    check_lifetimes(&f, lifetimes);
    CU_ASSERT_STRING_EQUAL(f.host.logged, ""); /* said once */
    fake_close(&f);
}

/* A grant's end stands until it has passed without being named again. */
static void test_grant_end(void)
{
    static const struct lifetime stands[] = {{",\"expires_in\":5", "access_token=new\nexpires_at=1005\n"},
                                             {NULL, NULL}};
    static const struct lifetime passed[] = {{",\"expires_in\":5",
                                              "access_token=new\nexpires_at=1005\nrefresh_expires_at=NULL\n"},
                                             {NULL, NULL}};
    struct fake f;

    start(&f);
    fake_time(&f, "refresh_expires_at", 5000);
    check_lifetimes(&f, stands);
    fake_time(&f, "refresh_expires_at", 999);
    check_lifetimes(&f, passed);
    fake_close(&f);
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

static void test_window(void)
{
    struct fake f;

    start(&f);
    window_is(&f, 5000, 0, 5000, 5000, 0); /* nothing is known: now, once */
    f.record.first_seen = 4000;
    window_is(&f, 5000, 0, 4000, 4000, 0);
    f.record.refreshed_at = 4900; /* an hour is assumed */
    window_is(&f, 5000, 0, 4900 + 3600 - 300 - 900, 4900 + 3600 - 300, 0);
    f.record.life = 3600;
    fake_time(&f, "expires_at", 100000);
    window_is(&f, 5000, 0, 100000 - 300 - 900, 100000 - 300, 0);
    window_is(&f, 5000, 600, 100000 - 600 - 900, 100000 - 600, 0);
    window_is(&f, 5000, 86400, 100000 - 1800 - 900, 100000 - 1800, 0); /* half a life at most */
    fake_time(&f, "refresh_expires_at", 500000);
    window_is(&f, 5000, 0, 100000 - 300 - 900, 100000 - 300, 500000);
    fake_time(&f, "refresh_expires_at", 90000); /* used once more before it ends */
    window_is(&f, 5000, 0, 90000 - 300 - 900, 90000 - 300, 90000);
    f.record.refreshed_at = 89000; /* and not again and again */
    window_is(&f, 89001, 0, 100000 - 300 - 900, 100000 - 300, 90000);
    fake_close(&f);
}

/* However short the life, or a table that keeps an old expiry: never twice within seconds. */
static void test_window_floor(void)
{
    struct fake f;

    start(&f);
    f.record.refreshed_at = 5000;
    f.record.life = 1;
    fake_time(&f, "expires_at", 5001);
    window_is(&f, 5000, 0, 5010, 5010, 0);
    f.record.life = 60;
    fake_time(&f, "expires_at", 5060);
    window_is(&f, 5000, 0, 5015, 5030, 0);
    fake_time(&f, "expires_at", 100);
    window_is(&f, 5000, 0, 5010, 5010, 0);
    fake_close(&f);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"the request", test_request},
        {"documented errors", test_documented_errors},
        {"nasty answers", test_nasty_answers},
        {"lifetimes", test_lifetimes},
        {"the grant's end", test_grant_end},
        {"the window", test_window},
        {"the window's floor", test_window_floor},
        {NULL, NULL},
    };
    return run_tests("youtube", tests);
}
