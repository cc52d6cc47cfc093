/* SPDX-License-Identifier: MIT
 * core/base/redact: random secrets in every encoding, cut at every place, before and behind; what by its name is a
 * secret; what is none and must stay readable.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/redact.h"
#include "tests/unit/runner.h"

enum { ROUNDS = 60, LONGEST = 40 };

static uint64_t state = 20261129;

static unsigned draw(unsigned below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % below;
}

static size_t make_secret(char *ret)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=%&;\"'\\ <>:";
    size_t len = 16 + draw(LONGEST - 16);
    for (size_t i = 0; i < len; i++)
        ret[i] = letters[draw(sizeof letters - 1)];
    ret[0] = ret[len - 1] = 'q';
    ret[len] = '\0';
    return len;
}

/* ---- encodings: append the secret to b ---- */

typedef void encode_fn(struct buf *b, const char *s);

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

static void raw(struct buf *b, const char *s)
{
    buf_text(b, s);
}

static void percent_with(struct buf *b, const char *s, const char *form, bool all, bool plus)
{
    for (; *s; s++)
        if (plus && *s == ' ')
            buf_char(b, '+');
        else if (plain(*s) && !all)
            buf_char(b, *s);
        else
            buf_printf(b, form[0] == 'X' ? "%%%02X" : "%%%02x", (unsigned char)*s);
}

static void percent_upper(struct buf *b, const char *s)
{
    percent_with(b, s, "X", false, false);
}
static void percent_lower(struct buf *b, const char *s)
{
    percent_with(b, s, "x", false, false);
}
static void percent_all(struct buf *b, const char *s)
{
    percent_with(b, s, "x", true, false);
}
static void percent_form(struct buf *b, const char *s)
{
    percent_with(b, s, "X", false, true);
}

static void json(struct buf *b, const char *s)
{
    for (; *s; s++)
        if (strchr("\"\\", *s))
            buf_printf(b, "\\%c", *s);
        else
            buf_char(b, *s);
}

static void json_slashes(struct buf *b, const char *s)
{
    for (; *s; s++)
        if (strchr("\"\\/", *s))
            buf_printf(b, "\\%c", *s);
        else if (strchr("<>&'", *s))
            buf_printf(b, "\\u%04x", *s);
        else
            buf_char(b, *s);
}

static void json_upper(struct buf *b, const char *s)
{
    for (; *s; s++)
        buf_printf(b, "\\u%04X", *s);
}

static void html(struct buf *b, const char *s)
{
    for (; *s; s++)
        if (*s == '&')
            buf_text(b, "&amp;");
        else if (*s == '"')
            buf_text(b, "&quot;");
        else if (strchr("'/<>=", *s))
            buf_printf(b, "&#x%X;", *s);
        else
            buf_char(b, *s);
}

static void base64_with(struct buf *b, const char *before, const char *s, const char *last_two)
{
    char letters[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char all[4 * LONGEST] = "";
    memcpy(letters + 62, last_two, 2);
    snprintf(all, sizeof all, "%s%s", before, s);
    size_t n = strlen(all);
    for (size_t i = 0; i < n; i += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (i + k < n ? (unsigned char)all[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            buf_char(b, i + k > n ? '=' : letters[bits >> (18 - 6 * k) & 63]);
    }
}

static void base64_0(struct buf *b, const char *s)
{
    base64_with(b, "", s, "+/");
}
static void base64_1(struct buf *b, const char *s)
{
    base64_with(b, ":", s, "+/");
}
static void base64_2(struct buf *b, const char *s)
{
    base64_with(b, "i:", s, "-_");
}

static void base64_of_percent(struct buf *b, const char *s) /* RFC 6749, 2.3.1 */
{
    struct buf inner;
    buf_init(&inner, 4 * LONGEST);
    percent_form(&inner, s);
    base64_with(b, "id:", inner.data, "+/");
    buf_done(&inner);
}

static void json_of_percent(struct buf *b, const char *s)
{
    struct buf inner;
    buf_init(&inner, 4 * LONGEST);
    percent_upper(&inner, s);
    json(b, inner.data);
    buf_done(&inner);
}

static void json_of_json(struct buf *b, const char *s)
{
    struct buf inner;
    buf_init(&inner, 4 * LONGEST);
    json_slashes(&inner, s);
    json(b, inner.data);
    buf_done(&inner);
}

/* shown: bytes that a cut may leave of it, those of three letters of the secret with one escape begun; base64
 * holds up to two letters before it. */
static const struct {
    const char *name;
    encode_fn *encode;
    size_t shown;
} encodings[] = {
    {"raw", raw, 3},
    {"percent", percent_upper, 11},
    {"percent, small letters", percent_lower, 11},
    {"percent, all", percent_all, 11},
    {"form", percent_form, 11},
    {"JSON", json, 7},
    {"JSON, slashes", json_slashes, 23},
    {"JSON, all", json_upper, 23},
    {"HTML", html, 23},
    {"base64", base64_0, 6},
    {"base64, second alignment", base64_1, 7},
    {"base64url, third alignment", base64_2, 8},
    {"base64 of percent", base64_of_percent, 21},
    {"percent in JSON", json_of_percent, 11},
    {"JSON in JSON", json_of_json, 27},
};
enum { ENCODINGS = sizeof encodings / sizeof *encodings };

/* What is left of text behind `said: ` once its stars are out. */
static size_t left_of(const char *shown)
{
    const char *p = strncmp(shown, "said: ", 6) == 0 ? shown + 6 : shown;
    size_t n = strlen(p);
    for (const char *star = p; (star = strstr(star, "***")); star += 3)
        n -= 3;
    return n;
}

static void check_one(const char *secret, size_t i)
{
    struct redact *r = redact_new();
    struct buf text;
    char *shown;

    redact_add(r, secret, strlen(secret));
    buf_init(&text, 1 << 16);
    buf_text(&text, "said: ");
    encodings[i].encode(&text, secret);
    size_t len = text.len;
    for (size_t cut = len; cut > 6; cut--) { /* behind */
        text.data[cut] = '\0';
        shown = redact_text(r, text.data, 500);
        if (left_of(shown) > encodings[i].shown) {
            printf("# %s, cut at %zu: %s\n", encodings[i].name, cut, shown);
            CU_FAIL("a piece is shown");
        }
        if (cut == len && left_of(shown) > (strncmp(encodings[i].name, "base64", 6) == 0 ? 6 : 0))
            CU_FAIL("not all of a whole one is taken out");
        free(shown);
    }
    buf_done(&text);
    buf_init(&text, 1 << 16);
    encodings[i].encode(&text, secret);
    for (size_t cut = 0; cut < text.len; cut++) { /* before */
        shown = redact_text(r, text.data + cut, 500);
        if (left_of(shown) > encodings[i].shown + 6) {
            printf("# %s, begun at %zu: %s\n", encodings[i].name, cut, shown);
            CU_FAIL("a piece is shown");
        }
        free(shown);
    }
    buf_done(&text);
    redact_free(r);
}

static void test_random_secrets(void)
{
    char secret[LONGEST + 1];

    for (int round = 0; round < ROUNDS; round++) {
        make_secret(secret);
        for (size_t i = 0; i < ENCODINGS; i++)
            check_one(secret, i);
    }
}

/* The limit falls into the secret, at every place. */
static void test_limit(void)
{
    char secret[LONGEST + 1], text[1024];
    struct redact *r = redact_new();

    make_secret(secret);
    redact_add(r, secret, strlen(secret));
    for (int words = 400; words < 500; words++) {
        snprintf(
            text, sizeof text, "%.*s%s and more", words,
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            secret);
        char *shown = redact_text(r, text, 500);
        CU_ASSERT(strlen(shown) <= 500);
        CU_ASSERT_EQUAL(strspn(shown, "a*dnmore "), strlen(shown));
        free(shown);
    }
    redact_free(r);
}

static void shows(struct redact *r, const char *text, const char *expected)
{
    char *shown = redact_text(r, text, 500);
    if (strcmp(shown, expected) != 0)
        printf("# %s\n#   gave  %s\n#   wants %s\n", text, shown, expected);
    CU_ASSERT_STRING_EQUAL(shown, expected);
    free(shown);
}

/* Nobody knows these; their names say what they are. */
static void test_names(void)
{
    struct redact *r = redact_new();

    shows(r, "{\"error\":\"x\",\"refresh_token\":\"1//0gNew-Token\",\"expires_in\":3600}",
          "{\"error\":\"x\",\"refresh_token\":\"***\",\"expires_in\":3600}");
    shows(r, "{\"new\\\":{\\\"access_token\\\":\\\"abcdef\\\",\\\"n\\\":1}}",
          "{\"new\\\":{\\\"access_token\\\":\\\"***\\\",\\\"n\\\":1}}");
    shows(r, "grant_type=refresh_token&refresh_token=r-1%2F23&client_secret=ab.cd.ef&scope=a",
          "grant_type=refresh_token&refresh_token=***&client_secret=***&scope=a");
    shows(r, "{'clientSecret': 'aaaa bbbb'}", "{'clientSecret': 'aaaa bbbb'}");
    shows(r, "{'clientSecret': 'aaaabbbb'}", "{'clientSecret': '***'}");
    shows(r, "?code=4/0AX4XfWjTqpQ8&state=1", "?code=***&state=1");
    shows(r, "Authorization: Bearer EAAGm0PX4ZCpsBA", "Authorization: Bearer ***");
    shows(r, "id eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dGVzdA is old", "id *** is old");
    redact_free(r);
}

static void test_learned(void)
{
    static const char body[] =
        "{\"error\":\"later\",\"token\":{\"refresh_token\":\"new\\/token+1\"},\"code\":\"E1\"}";
    struct redact *r = redact_new();

    redact_learn(r, body, strlen(body));
    shows(r, "it says new/token+1", "it says ***");
    shows(r, "it says new%2ftoken%2b1!", "it says ***!");
    shows(r, "E1 later", "E1 later");
    redact_free(r);
}

/* Members whose names say nothing: what looks like a token is known; what people must read is not. */
static void test_looks(void)
{
    static const char body[] =
        "{\"ok\":true,\"access\":\"fresh-access-with-words-only\",\"refresh\":\"at9/QxK\\/77+zz==\",\"list\":[\"one0two0three0\","
        "\"kQpZrWmXvBtYsLdNfGhJ\"],\"plan\":\"unlimited_calls\",\"error\":\"invalid_oauth2_client\",\"trace_id\":"
        "\"5f8bd2c1-91aa-4e0f-8a77-0c1d2e3f4a5b\",\"when\":\"2026-11-30T10:00:00Z\",\"page\":\"https://login.example/h3lp\","
        "\"message\":\"Account acct-100200-x is closed. Trace ID: 0123456789abcdef\",\"owner\":\"ann.2026@shop.example\"}";
    static const char headers[] = "X-Request-Id: req-0123456789ab\0Set-Cookie: sid=Ck71Ck72Ck73Ck74; Path=/\0"
                                  "X-New: n3wn3wn3wn3w";
    static const char form[] = "a=F0rmF0rmF0rmF0rm&b=1&error=invalid_grant_v2_x";
    struct redact *r = redact_new();

    redact_learn(r, body, strlen(body));
    redact_learn(r, headers, sizeof headers);
    redact_learn(r, form, strlen(form));
    shows(r, "got fresh-access-with-words-only, at9/QxK/77+zz==", "got ***, ***");
    shows(r, "got at9/QxK%2F77%2Bzz%3D%3D and at9\\/QxK\\/77+zz==!", "got *** and ***!");
    shows(r, "{\"a\":\"b25lMHR3bzB0aHJlZTA=\"}", "{\"a\":\"***=\"}"); /* base64 */
    shows(r, "one0two0three0 kQpZrWmXvBtYsLdNfGhJ", "*** ***");
    shows(r, "cut: kQpZrWmXvBt", "cut: ***");
    shows(r, "cookie Ck71Ck72Ck73Ck74, n3wn3wn3wn3w, F0rmF0rmF0rmF0rm", "cookie ***, ***, ***");
    static const char *const kept[] = {
        "invalid_oauth2_client, unlimited_calls, invalid_grant_v2_x",
        "trace 5f8bd2c1-91aa-4e0f-8a77-0c1d2e3f4a5b, request req-0123456789ab",
        "2026-11-30T10:00:00Z, see https://login.example/h3lp, ann.2026@shop.example",
        "Account acct-100200-x is closed. Trace ID: 0123456789abcdef",
    };
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        shows(r, kept[i], kept[i]);
    redact_free(r);
}

/* Sentences of ours and codes of theirs are read by people. */
static void test_readable(void)
{
    static const char *const texts[] = {
        "the provider no longer accepts this grant; the account has to be connected again (HTTP 400, invalid_grant)",
        "the provider refuses this client or its request; check client_id and client_secret (HTTP 401, invalid_client)",
        "{\"error\":{\"code\":\"ORGANIZATION_SUSPENDED_PERMANENT\",\"message\":\"Token is expired\"}}",
        "{\"error\":\"invalid_grant\",\"error_codes\":[70008],\"code\":\"AADSTS50079\",\"token_type\":\"Bearer\"}",
        "{\"error_description\":\"The refresh_token has expired\",\"token_error\":\"expired_or_revoked\"}",
        "{\"access_token\":null,\"refresh_token\":\"\",\"token_expires_in\":\"86400\"}",
        "the refresh_token: it was not accepted",
        "no connection to https://login.example:443: Could not resolve host: login.example",
        "statement credit: 3 rows & more; 100% of \\\"them\\\"",
        "",
    };
    char secret[LONGEST + 1];
    struct redact *r = redact_new();

    for (int i = 0; i < 20; i++) {
        make_secret(secret);
        redact_add(r, secret, strlen(secret));
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        shows(r, texts[i], texts[i]);
    shows(r, "caf\xc3\xa9 \xff\x01", "caf\xc3\xa9 ? ");
    CU_ASSERT_PTR_NULL(redact_text(r, NULL, 10));
    redact_free(r);
}

static void test_pieces_within(void)
{
    struct redact *r = redact_new();

    redact_add(r, "strict.rt.acct-1.Zm9vYmFyYmF6", 29);
    shows(r, "it said 'strict.rt.acct-1.Zm9v' (cut)", "it said '***' (cut)");
    shows(r, "it said strict.rt... and so on", "it said ***.. and so on");
    shows(r, "it said \"stric...\"", "it said \"***...\"");
    shows(r, "...YmF6", "...***");
    shows(r, "be strict with them", "be strict with them");
    redact_add(r, "hush-google", 11);
    shows(r, "Google could not refresh now", "Google could not refresh now");
    shows(r, "it ends in Zm9vYmFy, says the provider", "it ends in ***, says the provider");
    shows(r, "(x-1.Zm9vYmFyx)", "(x-1.Zm9vYmFyx)"); /* eleven bytes of one, in another word */
    shows(r, "(xct-1.Zm9vYmFyx)", "(x***x)");
    redact_free(r);
}

/* What these have in common with secrets are words. */
static void test_words_within(void)
{
    struct redact *r = redact_new();

    redact_add(r, "facebook.at.acct-1.Zm9vYmFyYmF6", 31);
    redact_add(r, "hush-lightspeed", 15);
    redact_add(r, "EAAGm0PX4ZCpsBAKq", 17);
    redact_add(r, "ya29.a0AfH6SMBx-7Qk", 19);
    shows(r, "log in at facebook.com as their owner", "log in at facebook.com as their owner");
    shows(r, "Lightspeed and lightspeed refuse it", "Lightspeed and lightspeed refuse it");
    shows(r, "hush-lightspeed and ush-lightspeed", "*** and ***");
    shows(r, "it begins with EAAGm0PX4Z... and ya29.a0Af, as it was", "it begins with ***... and ***, as it was");
    shows(r, "a token of ya29.", "a token of ***");
    redact_free(r);
}

/* Data that is passed on keeps its length and everything that is no whole secret. */
static void test_bytes(void)
{
    char body[] = "{\"next\":\"tok\\/en\\u002d77\",\"id\":\"tok/en-7\",\"raw\":\"tok/en-77\"}";
    struct redact *r = redact_new();

    redact_add(r, "tok/en-77", 9);
    redact_bytes(r, body, strlen(body));
    CU_ASSERT_STRING_EQUAL(body, "{\"next\":\"***************\",\"id\":\"tok/en-7\",\"raw\":\"*********\"}");
    redact_free(r);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"random secrets in every encoding, cut at every place", test_random_secrets},
        {"the limit falls into a secret", test_limit},
        {"secrets by their names", test_names},
        {"what an answer holds is known", test_learned},
        {"what looks like a token in an answer is known", test_looks},
        {"other text stays readable", test_readable},
        {"pieces", test_pieces_within},
        {"words that secrets have too", test_words_within},
        {"data that is passed on", test_bytes},
        {NULL, NULL},
    };
    return run_tests("redact", tests);
}
