/* SPDX-License-Identifier: MIT
 * Unit tests of the service table: each service used rightly once, and each way to use it wrongly,
 * which has to end in a sentence about the plugin and nothing else.
 */
#include <string.h>

#include "core/rules/outcome.h"
#include "tests/unit/runner.h"
#include "tests/unit/tester.h"

/* ---- Right use ---------------------------------------------------------------------------- */

static int32_t ask_everything(const struct renewd_services *s, const struct renewd_refresh_in *in)
{
    const char *name, *value;
    size_t len;

    CU_ASSERT_EQUAL(in->step, 0);
    CU_ASSERT_EQUAL(in->purpose, RENEWD_PURPOSE_REFRESH);
    CU_ASSERT_STRING_EQUAL(s->setting_text(tester.host, "word"), "hello");
    CU_ASSERT_PTR_NULL(s->setting_text(tester.host, "no_such"));
    CU_ASSERT_EQUAL(s->setting_integer(tester.host, "number"), 300);
    CU_ASSERT_EQUAL(s->setting_member(tester.host, "extra", 0, &name, &value), 1);
    CU_ASSERT_STRING_EQUAL(name, "b");
    CU_ASSERT_EQUAL(s->setting_member(tester.host, "extra", 2, &name, &value), 0);
    CU_ASSERT_EQUAL(s->now(tester.host), 1795000000);
    const struct renewd_record *r = in->records[0];
    CU_ASSERT_PTR_NULL(in->records[1]);
    CU_ASSERT_STRING_EQUAL(r->key, "9");
    CU_ASSERT_EQUAL(r->memo_length, 1);
    CU_ASSERT_EQUAL(s->slot(r, "expires_at")->number, 1795000500);
    CU_ASSERT_EQUAL(s->slot(r, "note")->present, 0); /* it is only written */
    CU_ASSERT_EQUAL(s->slot(r, "no_such")->present, 0);
    struct renewd_request *q = s->request(in->call, "PUT", "https://a.example/x?y=1");
    s->query(q, "a b", "\xc3\xa9&=+/~");
    s->header(q, "X-One", "1");
    s->body(q, "application/json", "{}", 2);
    CU_ASSERT(memcmp(s->request_bytes(q, &len), "{}", 2) == 0 && len == 2);
    memcpy(in->scratch, "kept", 5);
    return RENEWD_WAIT;
}

static int32_t read_everything(const struct renewd_services *s, const struct renewd_refresh_in *in)
{
    const struct renewd_json *j = in->reply->json;
    int64_t n = 0;

    CU_ASSERT_EQUAL(in->step, 1);
    CU_ASSERT_STRING_EQUAL(in->scratch, "kept");
    CU_ASSERT_EQUAL(in->reply->status, 200);
    CU_ASSERT_STRING_EQUAL(s->json_text(j, "a.0.t"), "x");
    CU_ASSERT_EQUAL(s->json_kind(j, "f"), RENEWD_JSON_NUMBER);
    CU_ASSERT_EQUAL(s->json_integer(j, "f", &n), RENEWD_FOUND_ROUNDED);
    CU_ASSERT_EQUAL(n, 3);
    CU_ASSERT_EQUAL(s->json_integer(j, "s", &n), RENEWD_FOUND_IN_STRING);
    CU_ASSERT_EQUAL(s->json_integer(j, "big", &n), RENEWD_FOUND_BIG);
    CU_ASSERT_EQUAL(n, INT64_C(9007199254740995));
    CU_ASSERT_EQUAL(s->json_integer(j, "huge", &n), RENEWD_OUT_OF_RANGE);
    CU_ASSERT_STRING_EQUAL(s->json_digits(in->call, j, "huge"), "18446744073709551614");
    CU_ASSERT_EQUAL(s->json_integer(j, "null", &n), RENEWD_NULL);
    CU_ASSERT_EQUAL(s->json_integer(j, "none", &n), RENEWD_ABSENT);
    CU_ASSERT_EQUAL(s->json_integer(j, "a", &n), RENEWD_WRONG_TYPE);
    CU_ASSERT_EQUAL(s->json_boolean(j, "yes"), 1);
    CU_ASSERT_EQUAL(s->json_count(j, "a"), 1);
    CU_ASSERT_EQUAL(s->json_count(j, ""), 7);
    CU_ASSERT_STRING_EQUAL(s->json_name(j, "", 1), "f");
    CU_ASSERT_PTR_NULL(s->json_name(j, "", 7));
    CU_ASSERT_EQUAL(s->json_kind(NULL, "a"), RENEWD_JSON_ABSENT);
    CU_ASSERT_PTR_NULL(s->json_parse(in->call, "{", 1));
    CU_ASSERT_STRING_EQUAL(s->reply_header(in->reply, "x-usage"), "90");
    CU_ASSERT_PTR_NULL(s->reply_header(in->reply, "x-none"));
    s->memo(in->call, "read", 4);
    return RENEWD_DONE;
}

static void test_two_steps(void)
{
    static const char headers[] = "X-Usage: 90";
    static const char body[] = "{\"a\":[{\"t\":\"x\"}],\"f\":3.9,\"s\":\"12\",\"big\":9007199254740995,"
                               "\"huge\":18446744073709551614,\"null\":null,\"yes\":true}";
    struct http_reply reply = {.status = 200,
                               .body = body,
                               .body_len = sizeof(body) - 1,
                               .headers = headers,
                               .headers_len = sizeof(headers)};

    tester_begin();
    struct step_result r = tester_step(ask_everything, NULL);
    CU_ASSERT_EQUAL_FATAL(r.what, RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(r.request.method, "PUT");
    CU_ASSERT_STRING_EQUAL(r.request.url, "https://a.example/x?y=1&a%20b=%C3%A9%26%3D%2B%2F~");
    CU_ASSERT_STRING_EQUAL(r.request.headers[0], "X-One: 1");
    CU_ASSERT_STRING_EQUAL(r.request.headers[1], "Content-Type: application/json");
    CU_ASSERT_PTR_NULL(r.request.headers[2]);
    CU_ASSERT_EQUAL(r.request.body_len, 2);
    r = tester_step(read_everything, &reply);
    CU_ASSERT_EQUAL(r.what, RENEWD_DONE);
    CU_ASSERT_EQUAL(r.slow_for, 7);
    tester_end();
}

static int32_t make_texts(const struct renewd_services *s, const struct renewd_refresh_in *in)
{
    uint8_t hash[32];
    int64_t t = 0;
    size_t len;

    s->sha256("abc", 3, hash);
    CU_ASSERT_STRING_EQUAL(s->hex(in->call, hash, 4), "ba7816bf");
    s->hmac_sha256("key", 3, "The quick brown fox jumps over the lazy dog", 43, hash);
    CU_ASSERT_STRING_EQUAL(s->hex(in->call, hash, 4), "f7bc83f4");
    CU_ASSERT_STRING_EQUAL(s->base64(in->call, "\xff\xfe", 2), "//4=");
    CU_ASSERT_STRING_EQUAL(s->base64url(in->call, "\xff\xfe", 2), "__4");
    CU_ASSERT_EQUAL(s->random(hash, sizeof(hash)), 0);
    CU_ASSERT_EQUAL(s->equal("ab", "ab", 2), 1);
    CU_ASSERT_EQUAL(s->equal("ab", "ac", 2), 0);
    CU_ASSERT_EQUAL(s->parse_time("2026-11-21T14:00:00Z", &t), 0);
    CU_ASSERT_STRING_EQUAL(s->format_time(in->call, t), "2026-11-21T14:00:00Z");
    CU_ASSERT_EQUAL(s->parse_time("soon", &t), -1);
    CU_ASSERT_STRING_EQUAL(s->format_http_date(in->call, t), "Sat, 21 Nov 2026 14:00:00 GMT");
    CU_ASSERT_EQUAL(s->parse_http_date("Sat, 21 Nov 2026 14:00:01 GMT", &t), 0);
    CU_ASSERT_STRING_EQUAL(s->format_time(in->call, s->add_months(t, 31, 3)), "2027-02-28T14:00:01Z");
    CU_ASSERT_STRING_EQUAL(s->percent_encode(in->call, "a b/\xff"), "a%20b%2F%FF");
    struct renewd_writer *w = s->json_write(in->call);
    s->write_text(w, "t", "a\"b");
    s->write_open(w, "list", RENEWD_JSON_ARRAY);
    s->write_integer(w, NULL, 5);
    s->write_raw(w, NULL, "{\"x\":1}");
    s->write_close(w);
    const char *text = s->written(w, &len);
    CU_ASSERT_STRING_EQUAL(text, "{\"t\":\"a\\\"b\",\"list\":[5,{\"x\":1}]}");
    CU_ASSERT_EQUAL(len, strlen(text));
    return RENEWD_DONE;
}

static void test_texts(void)
{
    tester_begin();
    struct step_result r = tester_step(make_texts, NULL);
    CU_ASSERT_EQUAL(r.what, RENEWD_DONE);
    CU_ASSERT_PTR_NULL(r.text);
    tester_end();
}

static int32_t record_effects(const struct renewd_services *s, const struct renewd_refresh_in *in)
{
    const struct renewd_parameter a = {sizeof(a), RENEWD_TEXT, 0, "x", 0};
    const struct renewd_parameter b = {sizeof(b), RENEWD_INTEGER, 0, NULL, 5};
    const struct renewd_parameter c = {sizeof(c), RENEWD_TIME, 1, NULL, 0};
    const struct renewd_parameter d = {sizeof(d), RENEWD_AS_READ, 0, "expires_at", 0};
    const struct renewd_parameter *const all[] = {&a, &b, &c, &d, NULL};

    s->set_text(in->call, "refresh_token", "");   /* ignored */
    s->set_text(in->call, "refresh_token", NULL); /* ignored */
    s->set_null(in->call, "refresh_token");       /* ignored */
    s->set_text(in->call, "access_token", "first");
    s->set_text(in->call, "access_token", "new");
    s->set_time(in->call, "expires_at", 1795003600);
    s->once(in->call, "k");
    s->set_time(in->call, "expires_at", 0);
    s->set_integer(in->call, "count", -3);
    s->memo(in->call, "memo", 4);
    s->run(in->call, "credit", all);
    return RENEWD_DONE;
}

static void test_effects(void)
{
    tester_begin();
    CU_ASSERT_EQUAL(tester_step(record_effects, NULL).what, RENEWD_DONE);
    const struct effects *e = plugin_attempt_effects(tester.attempt);
    CU_ASSERT_EQUAL_FATAL(e->count, 7);
    CU_ASSERT(e->token_set);
    CU_ASSERT(e->list[0].type == EFFECT_SET && e->list[0].index == 0);
    CU_ASSERT_STRING_EQUAL(e->list[0].text, "new");
    CU_ASSERT_EQUAL(e->list[1].number, 1795003600);
    CU_ASSERT_STRING_EQUAL(e->list[1].text, "1795003600");
    CU_ASSERT(e->list[2].type == EFFECT_KEY && strcmp(e->list[2].text, "k") == 0);
    CU_ASSERT(e->list[3].type == EFFECT_SET && e->list[3].index == 2 && e->list[3].is_null);
    CU_ASSERT_EQUAL(e->list[4].number, -3);
    CU_ASSERT(e->list[5].type == EFFECT_MEMO && e->list[5].len == 4);
    CU_ASSERT(e->list[6].type == EFFECT_STATEMENT && e->list[6].parameter_count == 4);
    CU_ASSERT_STRING_EQUAL(e->list[6].parameters[0].text, "x");
    CU_ASSERT(e->list[6].parameters[2].is_null);
    CU_ASSERT_STRING_EQUAL(e->list[6].parameters[3].text, "expires_at");
    tester_end();
}

/* ---- Wrong use: each is one thing that a careless plugin does ----------------------------- */

WRONG(unknown_slot, s->set_text(c, "no_such", "x"); return RENEWD_DONE;)
WRONG(in_slot, s->set_text(c, "shop", "x"); return RENEWD_DONE;)
WRONG(wrong_type, s->set_time(c, "note", 5); return RENEWD_DONE;)
WRONG(wrong_text, s->set_text(c, "count", "5"); return RENEWD_DONE;)
WRONG(before_1970, s->set_time(c, "expires_at", -1); return RENEWD_DONE;)
WRONG(after_9999, s->set_time(c, "expires_at", INT64_MAX); return RENEWD_DONE;)
WRONG(empty_access, s->set_text(c, "access_token", ""); return RENEWD_DONE;)
WRONG(not_utf8, s->set_text(c, "note", "\xff"); return RENEWD_DONE;)
WRONG(long_memo, static char m[1025]; s->memo(c, m, sizeof(m)); return RENEWD_DONE;)
WRONG(no_statement, s->run(c, "no_such", NULL); return RENEWD_DONE;)
WRONG(few_parameters, s->run(c, "credit", NULL); return RENEWD_DONE;)
WRONG(wrong_parameter, const struct renewd_parameter p = {sizeof(p), RENEWD_INTEGER, 0, NULL, 0};
      const struct renewd_parameter *const all[] = {&p, &p, &p, &p, NULL}; s->run(c, "credit", all);
      return RENEWD_DONE;)
WRONG(empty_key, s->once(c, ""); return RENEWD_DONE;)
WRONG(many_effects, for (int i = 0; i < 65; i++) s->once(c, "k"); return RENEWD_DONE;)
WRONG(no_request, return RENEWD_WAIT;)
WRONG(unsent, s->request(c, "GET", "https://x/"); return RENEWD_DONE;)
WRONG(two_requests, s->request(c, "GET", "https://x/"); s->request(c, "GET", "https://y/"); return RENEWD_WAIT;)
WRONG(no_fail, return RENEWD_FAILED;)
WRONG(fail_and_done, s->fail(c, RENEWD_RECONNECT, NULL, "x"); return RENEWD_DONE;)
WRONG(unknown_outcome, return s->fail(c, 99, NULL, "x");)
WRONG(unknown_result, return 17;)
WRONG(bad_method, s->request(c, "get it", "https://x/"); return RENEWD_WAIT;)
WRONG(no_url, s->request(c, "GET", NULL); return RENEWD_WAIT;)
WRONG(file_url, s->request(c, "GET", "file:///etc/passwd"); return RENEWD_WAIT;)
WRONG(url_break, s->request(c, "GET", "https://x/ HTTP/1.1\r\nX: y"); return RENEWD_WAIT;)
WRONG(header_break, s->header(s->request(c, "GET", "https://x/"), "X", "a\r\nY: b"); return RENEWD_WAIT;)
WRONG(header_name, s->header(s->request(c, "GET", "https://x/"), "X: y\nZ", "a"); return RENEWD_WAIT;)
WRONG(header_ours, s->header(s->request(c, "GET", "https://x/"), "content-length", "5"); return RENEWD_WAIT;)
WRONG(many_headers, struct renewd_request *r = s->request(c, "GET", "https://x/");
      for (int i = 0; i < 33; i++) s->header(r, "X", "y"); return RENEWD_WAIT;)
WRONG(form_and_body, struct renewd_request *r = s->request(c, "POST", "https://x/"); s->form(r, "a", "b");
      s->body(r, NULL, "x", 1); return RENEWD_WAIT;)
WRONG(long_url, struct renewd_request *r = s->request(c, "POST", "https://x/");
      for (int i = 0; i < 5000; i++) s->query(r, "a", "bb"); return RENEWD_WAIT;)
WRONG(long_body, struct renewd_request *r = s->request(c, "POST", "https://x/"); static char b[1 << 20];
      memset(b, 'x', sizeof(b) - 1); s->form(r, "a", b); return RENEWD_WAIT;)
WRONG(much_memory, CU_ASSERT_PTR_NULL(s->memory(c, (1 << 20) + 1)); CU_ASSERT_PTR_NOT_NULL(s->memory(c, 1 << 19));
      static char b[1 << 19]; s->hex(c, b, sizeof(b)); return RENEWD_DONE;)
WRONG(bad_raw, size_t n; struct renewd_writer *w = s->json_write(c); s->write_raw(w, "a", "{"); s->written(w, &n);
      return RENEWD_DONE;)
WRONG(open_json, size_t n; struct renewd_writer *w = s->json_write(c); s->write_open(w, "a", RENEWD_JSON_ARRAY);
      s->written(w, &n); return RENEWD_DONE;)
WRONG(bad_date, s->format_time(c, INT64_MAX); return RENEWD_DONE;)

static void test_wrong_effects(void)
{
    tester_breaks(unknown_slot, "no_such");
    tester_breaks(in_slot, "only read");
    tester_breaks(wrong_type, "another type");
    tester_breaks(wrong_text, "another type");
    tester_breaks(before_1970, "before 1970");
    tester_breaks(after_9999, "after 9999");
    tester_breaks(empty_access, "empty secret");
    tester_breaks(not_utf8, "UTF-8");
    tester_breaks(long_memo, "1 KiB");
    tester_breaks(no_statement, "no_such");
    tester_breaks(few_parameters, "number of parameters");
    tester_breaks(wrong_parameter, "parameter 1");
    tester_breaks(empty_key, "once()");
    tester_breaks(many_effects, "more than 64 effects");
}

static void test_wrong_results(void)
{
    tester_breaks(no_request, "without a request");
    tester_breaks(unsent, "not sent");
    tester_breaks(no_fail, "without fail()");
    tester_breaks(fail_and_done, "did not return RENEWD_FAILED");
    tester_breaks(unknown_outcome, "unknown outcome");
    tester_breaks(unknown_result, "unknown result");
    tester_breaks(much_memory, "1 MiB");
    tester_breaks(bad_raw, "raw JSON");
    tester_breaks(open_json, "JSON");
    tester_breaks(bad_date, "years 1 to 9999");
}

static void test_wrong_requests(void)
{
    tester_breaks(two_requests, "two requests");
    tester_breaks(bad_method, "method");
    tester_breaks(no_url, "URL");
    tester_breaks(file_url, "URL");
    tester_breaks(url_break, "URL");
    tester_breaks(header_break, "line break");
    tester_breaks(header_name, "name HTTP does not allow");
    tester_breaks(header_ours, "sets itself");
    tester_breaks(many_headers, "32 headers");
    tester_breaks(form_and_body, "two bodies");
    tester_breaks(long_url, "16 KiB");
    tester_breaks(long_body, "1 MiB");
}

static void test_wrong_after_success(void)
{
    struct http_reply reply = {.status = 200, .body = ""};

    tester_begin();
    struct step_result r = tester_step(wrong_text, &reply);
    CU_ASSERT(r.what == RENEWD_FAILED && r.outcome == OUTCOME_AMBIGUOUS);
    reply.status = 500;
    r = tester_step(wrong_text, &reply);
    CU_ASSERT(r.what == RENEWD_FAILED && r.outcome == OUTCOME_TRANSIENT);
    tester_end();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"two steps", test_two_steps},
        {"texts, crypto and time", test_texts},
        {"effects", test_effects},
        {"wrong effects", test_wrong_effects},
        {"wrong results", test_wrong_results},
        {"wrong requests", test_wrong_requests},
        {"wrong after a success", test_wrong_after_success},
        {NULL, NULL},
    };
    return run_tests("services", tests);
}
