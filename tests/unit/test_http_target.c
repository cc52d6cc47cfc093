/* SPDX-License-Identifier: MIT
 * Where forwarded calls go: paths that stay under their prefix however they are written, members of queries and
 * forms, headers that end here, endpoints that are nobody's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/http/headers.h"
#include "core/http/url.h"
#include "core/rules/token_endpoints.h"
#include "tests/unit/runner.h"

static char v1[] = "https://api.example/v1", v1_slash[] = "https://api.example/v1/",
            port[] = "https://api.example:8443", first[] = "https://a.example/v1",
            second[] = "https://b.example:8443/", third[] = "http://[::1]:80/x/";

static void expect_url(char *const *prefixes, const char *path, const char *expected)
{
    const char *why = NULL;
    char *url = NULL;

    CU_ASSERT_EQUAL(target_url(prefixes, path, &url, &why), 0);
    CU_ASSERT_PTR_NOT_NULL(url);
    if (url && strcmp(url, expected) != 0)
        printf("  %s: expected %s, seen %s\n", path, expected, url);
    CU_ASSERT(url && strcmp(url, expected) == 0);
    free(url);
}

static void expect_refused(char *const *prefixes, const char *path, int error)
{
    const char *why = NULL;
    char *url = NULL;
    int r = target_url(prefixes, path, &url, &why);

    if (r != error)
        printf("  %s: expected %d, seen %d\n", path, error, r);
    CU_ASSERT_EQUAL(r, error);
    CU_ASSERT_PTR_NULL(url);
    CU_ASSERT_PTR_NOT_NULL(why);
}

static void test_one_prefix(void)
{
    char *const one[] = {v1, NULL}, *const slash[] = {v1_slash, NULL}, *const bare[] = {port, NULL};

    expect_url(one, "me", "https://api.example/v1/me");
    expect_url(slash, "me/", "https://api.example/v1/me/");
    expect_url(one, "", "https://api.example/v1");
    expect_url(slash, "", "https://api.example/v1/");
    expect_url(bare, "", "https://api.example:8443/");
    expect_url(bare, "a/b", "https://api.example:8443/a/b");
    expect_url(bare, "@evil.example/x", "https://api.example:8443/@evil.example/x");
    expect_url(bare, ":1@evil.example", "https://api.example:8443/:1@evil.example");
    expect_url(one, "v1/me", "https://api.example/v1/me");
    expect_url(one, "%761/me", "https://api.example/v1/me");
    expect_url(one, "v1x/me", "https://api.example/v1/v1x/me");
    expect_url(one, "api.example/v1/me", "https://api.example/v1/me");
    expect_url(one, "other.example/v1/me", "https://api.example/v1/other.example/v1/me");
    expect_url(one, "a%20b/%c3%a9/%7e%41;v=1/x%3fy%23z", "https://api.example/v1/a%20b/%C3%A9/~A;v=1/x%3Fy%23z");
    expect_url(one, "\xc3\xa9", "https://api.example/v1/%C3%A9");
    expect_url(one, "100%25", "https://api.example/v1/100%25");
    expect_url(one, "...", "https://api.example/v1/...");
    expect_url(one, ".well-known", "https://api.example/v1/.well-known");
}

static void test_escapes(void)
{
    static const char *const wrong[] = {
        "..",    ".",      "../x",   "a/..",       "a/../b",   "%2e%2e",    "%2E.", ".%2e/x",
        "..;/x", "..;a=b", ".;",     "a%2fb",      "a%2Fb",    "a%5cb",     "a\\b", "a%00b",
        "%",     "a%2",    "%zz",    "%252e%252e", "a%252fb",  "%25%32%65", "//a",  "a//b",
        "/a",    "%ff",    "%c0%ae", "%ed%a0%80",  "a%0d%0ab", "a%09",      "a%7f", "https://evil.example/x",
    };
    char *const one[] = {v1, NULL};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_refused(one, wrong[i], -EINVAL);
}

static void test_several(void)
{
    char *const list[] = {first, second, third, NULL};

    expect_url(list, "a.example/v1/me", "https://a.example/v1/me");
    expect_url(list, "A.Example/v1", "https://a.example/v1");
    expect_url(list, "b.example:8443/any", "https://b.example:8443/any");
    expect_url(list, "b.example:8443", "https://b.example:8443/");
    expect_url(list, "b.example%3A8443/any", "https://b.example:8443/any");
    expect_url(list, "[::1]:80/x/y", "http://[::1]:80/x/y");
    expect_refused(list, "a.example/v2/me", -EPERM);
    expect_refused(list, "a.example/v1x", -EPERM);
    expect_refused(list, "a.example", -EPERM);
    expect_refused(list, "a.example:443/v1/me", -EPERM);
    expect_refused(list, "b.example/any", -EPERM);
    expect_refused(list, "a.example.evil/v1/me", -EPERM);
    expect_refused(list, "u@a.example/v1/me", -EPERM);
    expect_url(list, "v1/me", "https://a.example/v1/me");
    expect_url(list, "x/y", "http://[::1]:80/x/y");
    expect_refused(list, "v1x/me", -EPERM);
    expect_refused(list, "me", -EPERM);
    expect_refused(list, "", -EPERM);
    expect_refused(list, "a.example/v1/../v2", -EINVAL);
    expect_refused(list, "a.example/v1%2fx", -EINVAL);
}

static void test_prefixes(void)
{
    CU_ASSERT_PTR_NULL(target_prefix_wrong("https://a.example"));
    CU_ASSERT_PTR_NULL(target_prefix_wrong("https://a.example/v1/"));
    CU_ASSERT_PTR_NOT_NULL(target_prefix_wrong("https://a.example/v1?x=1"));
    CU_ASSERT_PTR_NOT_NULL(target_prefix_wrong("https://a.example?x"));
    CU_ASSERT_PTR_NOT_NULL(target_prefix_wrong("https://a.example/#x"));
    CU_ASSERT_PTR_NOT_NULL(target_prefix_wrong("https://a.example/../x"));
    CU_ASSERT_PTR_NOT_NULL(target_prefix_wrong("https://a.example//x"));
    CU_ASSERT_PTR_NOT_NULL(target_prefix_wrong("https://a.example/a%2fb"));
}

static void expect_members(const char *text, const char *name, const char *expected)
{
    struct buf b;

    buf_init(&b, 1024);
    CU_ASSERT_EQUAL(target_members(text, strlen(text), name, &b), 0);
    CU_ASSERT_STRING_EQUAL(b.data ? b.data : "", expected);
    buf_done(&b);
}

static void test_members(void)
{
    struct buf b;

    expect_members("a=1&b=%2f+x", NULL, "a=1&b=%2f+x");
    expect_members("token=x&a=1&t%6fken=y&token", "token", "a=1");
    expect_members("a=1&&b", "token", "a=1&b");
    expect_members("to+ken=1&x=2", "to ken", "x=2");
    expect_members("", "token", "");
    buf_init(&b, 1024);
    CU_ASSERT_EQUAL(target_members("a%=1", 4, "token", &b), -EINVAL);
    CU_ASSERT_EQUAL(target_members("a%00=1", 6, "token", &b), -EINVAL);
    buf_clear(&b);
    CU_ASSERT_EQUAL(target_member("access token", "a&b=c/%\xc3\xa9", &b), 0);
    CU_ASSERT_STRING_EQUAL(b.data, "access%20token=a%26b%3Dc%2F%25%C3%A9");
    CU_ASSERT_EQUAL(target_member("n", "", &b), 0);
    CU_ASSERT_STRING_EQUAL(b.data, "access%20token=a%26b%3Dc%2F%25%C3%A9&n=");
    buf_done(&b);
    CU_ASSERT_EQUAL(target_query_check("a=1&b=%20?/"), 0);
    CU_ASSERT_EQUAL(target_query_check("a=1#x"), -EINVAL);
    CU_ASSERT_EQUAL(target_query_check("a b"), -EINVAL);
    CU_ASSERT_EQUAL(target_query_check("\xc3\xa9"), -EINVAL);
}

static bool in(const char *name, const char *connection)
{
    return hop_drops_request(name, strlen(name), connection);
}

static bool back(const char *name, const char *connection)
{
    return hop_drops_reply(name, strlen(name), connection);
}

static void test_headers(void)
{
    static const char *const here[] =
        {"Connection",     "keep-alive",    "TE", "Trailer", "transfer-encoding", "Upgrade", "Proxy-Authorization",
         "proxy-anything", "Content-Length"};

    for (size_t i = 0; i < sizeof here / sizeof *here; i++) {
        CU_ASSERT(in(here[i], NULL));
        CU_ASSERT(back(here[i], NULL));
    }
    CU_ASSERT(in("host", NULL) && in("AUTHORIZATION", NULL) && in("Cookie", NULL) && in("Expect", NULL));
    CU_ASSERT(in("X-Forwarded-For", NULL) && in("x-forwarded-anything", NULL) && in("Forwarded", NULL));
    CU_ASSERT(!in("Content-Type", NULL) && !in("X-Forward", NULL) && !in("Accept", NULL));
    CU_ASSERT(in("X-Once", "close, x-once ,a") && in("a", "close, x-once ,a") && !in("X-On", "close, x-once"));
    CU_ASSERT(back("Set-Cookie", NULL) && back("Renewd-Error", NULL) && back("X-Hop", "X-Hop"));
    CU_ASSERT(!back("ETag", NULL) && !back("WWW-Authenticate", NULL) && !back("Retry-After", "close"));
}

static void test_endpoints(void)
{
    CU_ASSERT(endpoint_of_tokens("https://a/oauth/access_token"));
    CU_ASSERT(endpoint_of_tokens("https://a/v26.0/debug_token"));
    CU_ASSERT(endpoint_of_tokens("https://a/v2/oauth/token/"));
    CU_ASSERT(endpoint_of_tokens("https://a/api/1.0/Token"));
    CU_ASSERT(endpoint_of_tokens("https://a/oauth/access_token.php"));
    CU_ASSERT(endpoint_of_tokens("https://a/oauth2/v3/tokeninfo"));
    CU_ASSERT(endpoint_of_tokens("https://a/auth/oauth/introspect;x/y"));
    CU_ASSERT(!endpoint_of_tokens("https://token/me"));
    CU_ASSERT(!endpoint_of_tokens("https://a"));
    CU_ASSERT(!endpoint_of_tokens("https://a/devices/token/7"));
    CU_ASSERT(!endpoint_of_tokens("https://a/access_tokens_of_mine"));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a path under one prefix", test_one_prefix},
        {"paths that would leave it", test_escapes},
        {"several prefixes", test_several},
        {"prefixes themselves", test_prefixes},
        {"members of queries and forms", test_members},
        {"headers that end here", test_headers},
        {"endpoints of tokens", test_endpoints},
        {NULL, NULL},
    };
    return run_tests("http_target", tests);
}
