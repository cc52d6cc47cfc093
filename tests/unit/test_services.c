/* SPDX-License-Identifier: MIT
 * Unit tests of the service table and of attempts: a plugin inside this program does one thing a
 * test, right or wrong; youtube.so is then taken through the real table once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock_source.h"
#include "core/domain/outcome.h"
#include "core/host/instance.h"
#include "core/host/plugin_check.h"
#include "core/host/settings.h"
#include "tests/unit/runner.h"

/* ---- A clock that stands still unless a test moves it ------------------------------------- */

static int64_t boot_ms = 1000;

int64_t clock_source_real_ms(void)
{
    return INT64_C(1795000000000);
}

int64_t clock_source_boot_ms(void)
{
    return boot_ms;
}

/* ---- A plugin that does what the test says ------------------------------------------------ */

typedef int32_t act_fn(const struct renewd_services *s, const struct renewd_refresh_in *in);

static const struct renewd_services *table;
static struct renewd_host *host;
static act_fn *act;
static int32_t (*act_failure)(const struct renewd_on_failure_in *in, struct renewd_on_failure_out *out);
static int32_t (*act_open)(const struct renewd_open_in *in, struct renewd_open_out *out);
static int32_t (*act_window)(const struct renewd_needs_refresh_in *in,
                             struct renewd_needs_refresh_out *out);

static int32_t t_open(void *instance, const struct renewd_open_in *in, struct renewd_open_out *out)
{
    (void)instance;
    table = in->services;
    host = in->host;
    return act_open ? act_open(in, out) : 0;
}

static int32_t t_window(void *instance, const struct renewd_needs_refresh_in *in,
                        struct renewd_needs_refresh_out *out)
{
    (void)instance;
    return act_window ? act_window(in, out) : 0;
}

static int32_t t_refresh(void *instance, const struct renewd_refresh_in *in,
                         struct renewd_refresh_out *out)
{
    (void)instance;
    out->slow_for = 7;
    return act(table, in);
}

static int32_t t_failure(void *instance, const struct renewd_on_failure_in *in,
                         struct renewd_on_failure_out *out)
{
    (void)instance;
    return act_failure ? act_failure(in, out) : 0;
}

static const struct renewd_slot s_token = { sizeof(s_token), "access_token", RENEWD_SECRET,
                                            RENEWD_INOUT, 1, 0, NULL };
static const struct renewd_slot s_grant = { sizeof(s_grant), "refresh_token", RENEWD_SECRET,
                                            RENEWD_INOUT, 1, 1, NULL };
static const struct renewd_slot s_end = { sizeof(s_end), "expires_at", RENEWD_TIME, RENEWD_INOUT, 0, 0,
                                          NULL };
static const struct renewd_slot s_shop = { sizeof(s_shop), "shop", RENEWD_TEXT, RENEWD_IN, 0, 0, NULL };
static const struct renewd_slot s_count = { sizeof(s_count), "count", RENEWD_INTEGER, RENEWD_INOUT, 0, 0,
                                            NULL };
static const struct renewd_slot s_note = { sizeof(s_note), "note", RENEWD_TEXT, RENEWD_OUT, 0, 0, NULL };
static const struct renewd_slot *const slots[] = { &s_token, &s_grant, &s_end,  &s_shop,
                                                   &s_count, &s_note,  NULL };
static const int32_t credit_parameters[] = { RENEWD_TEXT, RENEWD_INTEGER, RENEWD_TIME, RENEWD_AS_READ, 0 };
static const struct renewd_statement s_credit = { sizeof(s_credit), "credit", credit_parameters,
                                                  RENEWD_ROWS_ONE, 0, NULL };
static const struct renewd_statement *const statements[] = { &s_credit, NULL };

static const struct renewd_plugin tester = {
    .size = sizeof(struct renewd_plugin),
    .replay = RENEWD_REPLAY_GRACE,
    .replay_grace = 30,
    .name = "tester",
    .version = "1",
    .slots = slots,
    .statements = statements,
    .scratch_size = 16,
    .open = t_open,
    .needs_refresh = t_window,
    .refresh = t_refresh,
    .on_failure = t_failure,
};

/* ---- Before and after each test ----------------------------------------------------------- */

static const struct slot_value values[] = {
    { "old", 3, 0 }, { "grant", 5, 0 }, { "1795000500", 10, 1795000500 }, { "shop-1", 6, 0 },
    { "42", 2, 42 }, { "hidden", 6, 0 },
};
static const struct record_view record = { .key = "9", .values = values, .refreshed_at = 5, .attempts = 2,
                                           .strikes = 1, .memo = "m", .memo_len = 1 };
static struct plugin *plugin;
static struct settings *settings;
static struct instance *instance;
static struct plugin_attempt *attempt;

static void begin(void)
{
    struct error e;

    settings = settings_new();
    settings_put(settings, "word", "hello", 0);
    settings_put(settings, "number", "5m", 300);
    settings_put_member(settings, "extra", "b", "2");
    settings_put_member(settings, "extra", "a", "1");
    CU_ASSERT_EQUAL_FATAL(plugin_check(&tester, "tester", "/x/tester.so", &plugin, &e), 0);
    CU_ASSERT_EQUAL_FATAL(instance_open(plugin, "job-1", settings, &instance, &e), 0);
    attempt = plugin_attempt_new(instance, &record);
}

static void end(void)
{
    plugin_attempt_free(attempt);
    instance_free(instance);
    plugin_free(plugin);
    settings_free(settings);
    act_failure = NULL;
    act_open = NULL;
    act_window = NULL;
}

static struct step_result step(act_fn *f, const struct http_reply *reply)
{
    struct step_result r;

    act = f;
    plugin_attempt_step(attempt, reply, 1795000000, &r);
    return r;
}

/* Doing it ends in a failure of the plugin whose sentence holds part. */
static void breaks(act_fn *f, const char *part)
{
    begin();
    struct step_result r = step(f, NULL);
    CU_ASSERT_EQUAL(r.what, RENEWD_FAILED);
    CU_ASSERT_EQUAL(r.outcome, OUTCOME_TRANSIENT);
    CU_ASSERT(r.code && strcmp(r.code, "plugin") == 0);
    if (!r.text || !strstr(r.text, part))
        printf("# expected \"%s\", got \"%s\"\n", part, r.text ? r.text : "(nothing)");
    CU_ASSERT(r.text && strstr(r.text, part) && strstr(r.text, "tester"));
    end();
}

/* ---- Right use ---------------------------------------------------------------------------- */

static int32_t ask_everything(const struct renewd_services *s, const struct renewd_refresh_in *in)
{
    const char *name, *value;
    size_t len;

    CU_ASSERT_EQUAL(in->step, 0);
    CU_ASSERT_EQUAL(in->purpose, RENEWD_PURPOSE_REFRESH);
    CU_ASSERT_STRING_EQUAL(s->setting_text(host, "word"), "hello");
    CU_ASSERT_PTR_NULL(s->setting_text(host, "no_such"));
    CU_ASSERT_EQUAL(s->setting_integer(host, "number"), 300);
    CU_ASSERT_EQUAL(s->setting_member(host, "extra", 0, &name, &value), 1);
    CU_ASSERT_STRING_EQUAL(name, "b");
    CU_ASSERT_EQUAL(s->setting_member(host, "extra", 2, &name, &value), 0);
    CU_ASSERT_EQUAL(s->now(host), 1795000000);
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
    return RENEWD_DONE;
}

static void test_two_steps(void)
{
    static const char headers[] = "X-Usage: 90";
    static const char body[] = "{\"a\":[{\"t\":\"x\"}],\"f\":3.9,\"s\":\"12\",\"big\":9007199254740995,"
                               "\"huge\":18446744073709551614,\"null\":null,\"yes\":true}";
    struct http_reply reply = { .status = 200, .body = body, .body_len = sizeof(body) - 1,
                                .headers = headers, .headers_len = sizeof(headers) };

    begin();
    struct step_result r = step(ask_everything, NULL);
    CU_ASSERT_EQUAL_FATAL(r.what, RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(r.request.method, "PUT");
    CU_ASSERT_STRING_EQUAL(r.request.url, "https://a.example/x?y=1&a%20b=%C3%A9%26%3D%2B%2F~");
    CU_ASSERT_STRING_EQUAL(r.request.headers[0], "X-One: 1");
    CU_ASSERT_STRING_EQUAL(r.request.headers[1], "Content-Type: application/json");
    CU_ASSERT_PTR_NULL(r.request.headers[2]);
    CU_ASSERT_EQUAL(r.request.body_len, 2);
    r = step(read_everything, &reply);
    CU_ASSERT_EQUAL(r.what, RENEWD_DONE);
    CU_ASSERT_EQUAL(r.slow_for, 7);
    end();
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
    begin();
    struct step_result r = step(make_texts, NULL);
    CU_ASSERT_EQUAL(r.what, RENEWD_DONE);
    CU_ASSERT_PTR_NULL(r.text);
    end();
}

static int32_t record_effects(const struct renewd_services *s, const struct renewd_refresh_in *in)
{
    const struct renewd_parameter a = { sizeof(a), RENEWD_TEXT, 0, "x", 0 };
    const struct renewd_parameter b = { sizeof(b), RENEWD_INTEGER, 0, NULL, 5 };
    const struct renewd_parameter c = { sizeof(c), RENEWD_TIME, 1, NULL, 0 };
    const struct renewd_parameter d = { sizeof(d), RENEWD_AS_READ, 0, "expires_at", 0 };
    const struct renewd_parameter *const all[] = { &a, &b, &c, &d, NULL };

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
    begin();
    CU_ASSERT_EQUAL(step(record_effects, NULL).what, RENEWD_DONE);
    const struct effects *e = plugin_attempt_effects(attempt);
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
    end();
}

/* ---- Wrong use: each is one thing that a careless plugin does ----------------------------- */

#define WRONG(name, ...)                                                                         \
    static int32_t name(const struct renewd_services *s, const struct renewd_refresh_in *in)     \
    {                                                                                            \
        struct renewd_call *c = in->call;                                                        \
        (void)s;                                                                                 \
        (void)c;                                                                                 \
        __VA_ARGS__                                                                              \
    }

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
WRONG(wrong_parameter, const struct renewd_parameter p = { sizeof(p), RENEWD_INTEGER, 0, NULL, 0 };
      const struct renewd_parameter *const all[] = { &p, &p, &p, &p, NULL };
      s->run(c, "credit", all); return RENEWD_DONE;)
WRONG(empty_key, s->once(c, ""); return RENEWD_DONE;)
WRONG(many_effects, for (int i = 0; i < 65; i++) s->once(c, "k"); return RENEWD_DONE;)
WRONG(no_request, return RENEWD_WAIT;)
WRONG(unsent, s->request(c, "GET", "https://x/"); return RENEWD_DONE;)
WRONG(two_requests, s->request(c, "GET", "https://x/"); s->request(c, "GET", "https://y/");
      return RENEWD_WAIT;)
WRONG(no_fail, return RENEWD_FAILED;)
WRONG(fail_and_done, s->fail(c, RENEWD_RECONNECT, NULL, "x"); return RENEWD_DONE;)
WRONG(unknown_outcome, return s->fail(c, 99, NULL, "x");)
WRONG(unknown_result, return 17;)
WRONG(bad_method, s->request(c, "get it", "https://x/"); return RENEWD_WAIT;)
WRONG(no_url, s->request(c, "GET", NULL); return RENEWD_WAIT;)
WRONG(file_url, s->request(c, "GET", "file:///etc/passwd"); return RENEWD_WAIT;)
WRONG(url_break, s->request(c, "GET", "https://x/ HTTP/1.1\r\nX: y"); return RENEWD_WAIT;)
WRONG(header_break, s->header(s->request(c, "GET", "https://x/"), "X", "a\r\nY: b");
      return RENEWD_WAIT;)
WRONG(header_name, s->header(s->request(c, "GET", "https://x/"), "X: y\nZ", "a"); return RENEWD_WAIT;)
WRONG(header_ours, s->header(s->request(c, "GET", "https://x/"), "content-length", "5");
      return RENEWD_WAIT;)
WRONG(many_headers, struct renewd_request *r = s->request(c, "GET", "https://x/");
      for (int i = 0; i < 33; i++) s->header(r, "X", "y"); return RENEWD_WAIT;)
WRONG(form_and_body, struct renewd_request *r = s->request(c, "POST", "https://x/");
      s->form(r, "a", "b"); s->body(r, NULL, "x", 1); return RENEWD_WAIT;)
WRONG(long_url, struct renewd_request *r = s->request(c, "POST", "https://x/");
      for (int i = 0; i < 5000; i++) s->query(r, "a", "bb"); return RENEWD_WAIT;)
WRONG(long_body, struct renewd_request *r = s->request(c, "POST", "https://x/");
      static char b[1 << 20]; memset(b, 'x', sizeof(b) - 1); s->form(r, "a", b); return RENEWD_WAIT;)
WRONG(much_memory, CU_ASSERT_PTR_NULL(s->memory(c, (1 << 20) + 1));
      CU_ASSERT_PTR_NOT_NULL(s->memory(c, 1 << 19)); static char b[1 << 19];
      s->hex(c, b, sizeof(b)); return RENEWD_DONE;)
WRONG(bad_raw, size_t n; struct renewd_writer *w = s->json_write(c); s->write_raw(w, "a", "{");
      s->written(w, &n); return RENEWD_DONE;)
WRONG(open_json, size_t n; struct renewd_writer *w = s->json_write(c);
      s->write_open(w, "a", RENEWD_JSON_ARRAY); s->written(w, &n); return RENEWD_DONE;)
WRONG(bad_date, s->format_time(c, INT64_MAX); return RENEWD_DONE;)

static void test_wrong_effects(void)
{
    breaks(unknown_slot, "no_such");
    breaks(in_slot, "only read");
    breaks(wrong_type, "another type");
    breaks(wrong_text, "another type");
    breaks(before_1970, "before 1970");
    breaks(after_9999, "after 9999");
    breaks(empty_access, "empty secret");
    breaks(not_utf8, "UTF-8");
    breaks(long_memo, "1 KiB");
    breaks(no_statement, "no_such");
    breaks(few_parameters, "number of parameters");
    breaks(wrong_parameter, "parameter 1");
    breaks(empty_key, "once()");
    breaks(many_effects, "more than 64 effects");
}

static void test_wrong_results(void)
{
    breaks(no_request, "without a request");
    breaks(unsent, "not sent");
    breaks(no_fail, "without fail()");
    breaks(fail_and_done, "did not return RENEWD_FAILED");
    breaks(unknown_outcome, "unknown outcome");
    breaks(unknown_result, "unknown result");
    breaks(much_memory, "1 MiB");
    breaks(bad_raw, "raw JSON");
    breaks(open_json, "JSON");
    breaks(bad_date, "years 1 to 9999");
}

static void test_wrong_requests(void)
{
    breaks(two_requests, "two requests");
    breaks(bad_method, "method");
    breaks(no_url, "URL");
    breaks(file_url, "URL");
    breaks(url_break, "URL");
    breaks(header_break, "line break");
    breaks(header_name, "name HTTP does not allow");
    breaks(header_ours, "sets itself");
    breaks(many_headers, "32 headers");
    breaks(form_and_body, "two bodies");
    breaks(long_url, "16 KiB");
    breaks(long_body, "1 MiB");
}

/* ---- A token is never lost by what comes after it ------------------------------------------ */

WRONG(token_then_fail, s->set_text(c, "access_token", "new");
      return s->fail(c, RENEWD_RECONNECT, NULL, "later");)
WRONG(token_then_wrong, s->set_text(c, "access_token", "new"); s->set_text(c, "no_such", "x");
      return RENEWD_WAIT;)

static void test_token_kept(void)
{
    act_fn *const acts[] = { token_then_fail, token_then_wrong };

    for (size_t i = 0; i < 2; i++) {
        begin();
        CU_ASSERT_EQUAL(step(acts[i], NULL).what, RENEWD_DONE);
        CU_ASSERT(plugin_attempt_effects(attempt)->token_set);
        CU_ASSERT_EQUAL(plugin_attempt_effects(attempt)->count, 1);
        end();
    }
}

/* ---- on_failure ---------------------------------------------------------------------------- */

static int32_t change_decision(const struct renewd_on_failure_in *in, struct renewd_on_failure_out *out)
{
    CU_ASSERT_EQUAL(in->status, 500);
    CU_ASSERT_EQUAL(in->attempts, 2);
    CU_ASSERT_EQUAL(in->strikes, 1);
    CU_ASSERT_EQUAL(out->next_at, 100);
    out->outcome = RENEWD_RECONNECT;
    out->next_at = 0;
    out->strike = 1;
    table->set_text(in->call, "note", "dead");
    return 0;
}

static int32_t break_decision(const struct renewd_on_failure_in *in, struct renewd_on_failure_out *out)
{
    table->set_text(in->call, "note", "dead");
    table->set_text(in->call, "no_such", "dead");
    out->next_at = 7;
    return 0;
}

static int32_t absurd_decision(const struct renewd_on_failure_in *in, struct renewd_on_failure_out *out)
{
    (void)in;
    out->outcome = 77;
    out->next_at = -5;
    return 0;
}

WRONG(note_then_fail, s->set_text(c, "note", "dropped"); return s->fail(c, RENEWD_TRANSIENT, "e", "t");)

static struct decision decide(int32_t (*f)(const struct renewd_on_failure_in *,
                                           struct renewd_on_failure_out *))
{
    const struct failure failure = { .outcome = OUTCOME_TRANSIENT, .status = 500, .code = "e", .text = "t" };
    struct decision d = { .outcome = OUTCOME_TRANSIENT, .next_at = 100 };

    CU_ASSERT_EQUAL(step(note_then_fail, NULL).what, RENEWD_FAILED);
    act_failure = f;
    plugin_attempt_failed(attempt, &failure, NULL, 50, &d);
    return d;
}

static void test_on_failure(void)
{
    begin();
    struct decision d = decide(change_decision);
    CU_ASSERT(d.outcome == OUTCOME_RECONNECT && d.next_at == 0 && d.strike && !d.notify);
    CU_ASSERT_EQUAL_FATAL(plugin_attempt_effects(attempt)->count, 1);
    CU_ASSERT_STRING_EQUAL(plugin_attempt_effects(attempt)->list[0].text, "dead");
    end();
    begin();
    d = decide(break_decision);
    CU_ASSERT(d.outcome == OUTCOME_TRANSIENT && d.next_at == 100);
    CU_ASSERT_EQUAL(plugin_attempt_effects(attempt)->count, 0);
    end();
    begin();
    d = decide(absurd_decision);
    CU_ASSERT(d.outcome == OUTCOME_TRANSIENT && d.next_at == 100);
    end();
}

/* ---- open and needs_refresh ---------------------------------------------------------------- */

static int32_t refuse_open(const struct renewd_open_in *in, struct renewd_open_out *out)
{
    (void)out;
    return in->services->fail(in->call, RENEWD_MISCONFIGURED, NULL, "the region is unknown");
}

static int32_t single_use_open(const struct renewd_open_in *in, struct renewd_open_out *out)
{
    (void)in;
    out->replay = RENEWD_REPLAY_SINGLE_USE;
    return 0;
}

static int32_t request_in_open(const struct renewd_open_in *in, struct renewd_open_out *out)
{
    (void)out;
    in->services->request(in->call, "GET", "https://x/");
    return 0;
}

static int open_with(int32_t (*f)(const struct renewd_open_in *, struct renewd_open_out *), int *ret_replay,
                     struct error *e)
{
    struct instance *i = NULL;

    act_open = f;
    int r = instance_open(plugin, "job-2", settings, &i, e);
    if (r == 0)
        *ret_replay = instance_replay(i, NULL);
    instance_free(i);
    act_open = NULL;
    return r;
}

static void test_open(void)
{
    struct error e = { "" };
    int64_t grace = 0;
    int replay = 0;

    begin();
    CU_ASSERT_EQUAL(instance_replay(instance, &grace), RENEWD_REPLAY_GRACE);
    CU_ASSERT_EQUAL(grace, 30);
    CU_ASSERT_EQUAL(open_with(refuse_open, &replay, &e), -EBADMSG);
    CU_ASSERT(strstr(e.text, "the region is unknown") && strstr(e.text, "job-2"));
    CU_ASSERT_EQUAL(open_with(request_in_open, &replay, &e), -EBADMSG);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "only refresh may"));
    CU_ASSERT_EQUAL(open_with(single_use_open, &replay, &e), 0);
    CU_ASSERT_EQUAL(replay, RENEWD_REPLAY_SINGLE_USE);
    end();
}

static int32_t some_window(const struct renewd_needs_refresh_in *in, struct renewd_needs_refresh_out *out)
{
    out->earliest = 1;
    out->preferred = in->now;
    out->latest = in->now + in->refresh_before;
    out->death = table->slot(in->records[0], "expires_at")->number;
    return 0;
}

static int32_t effect_in_window(const struct renewd_needs_refresh_in *in,
                                struct renewd_needs_refresh_out *out)
{
    (void)out;
    table->set_time(in->call, "expires_at", 5);
    return 0;
}

static int32_t slow_window(const struct renewd_needs_refresh_in *in, struct renewd_needs_refresh_out *out)
{
    (void)in;
    (void)out;
    boot_ms += 51;
    return 0;
}

static void test_window(void)
{
    struct error e = { "" };
    struct window w;

    begin();
    act_window = some_window;
    CU_ASSERT_EQUAL(instance_window(instance, &record, 100, 20, &w, &e), 0);
    CU_ASSERT(w.earliest == 1 && w.preferred == 100 && w.latest == 120 && w.death == 1795000500);
    act_window = effect_in_window;
    CU_ASSERT_EQUAL(instance_window(instance, &record, 100, 20, &w, &e), -EBADMSG);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "only refresh and on_failure may"));
    end();
}

static void test_slow(void)
{
    char line[1024] = "";
    struct error e;
    struct window w;
    FILE *file = tmpfile();
    int saved = dup(2);

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    begin();
    act_window = slow_window;
    fflush(stderr);
    dup2(fileno(file), 2);
    CU_ASSERT_EQUAL(instance_window(instance, &record, 100, 20, &w, &e), 0);
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    rewind(file);
    CU_ASSERT_PTR_NOT_NULL(fgets(line, sizeof(line), file));
    CU_ASSERT(strstr(line, "plugin=tester") && strstr(line, "callback=needs_refresh") &&
              strstr(line, "job=job-1") && strstr(line, "ms=51"));
    fclose(file);
    end();
}

/* ---- youtube.so through the real table ------------------------------------------------------ */

static void youtube_attempt(struct instance *i)
{
    static const struct slot_value row[] = { { "old", 3, 0 }, { "1//g", 4, 0 }, { 0 }, { 0 }, { 0 } };
    const struct record_view r = { .key = "1", .values = row };
    struct plugin_attempt *a = plugin_attempt_new(i, &r);
    struct step_result s;

    plugin_attempt_step(a, NULL, 1000, &s);
    CU_ASSERT_EQUAL_FATAL(s.what, RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(s.request.url, "http://127.0.0.1:1/token");
    CU_ASSERT_STRING_EQUAL(s.request.headers[1], "Content-Type: application/x-www-form-urlencoded");
    CU_ASSERT_STRING_EQUAL((const char *)s.request.body, "grant_type=refresh_token&refresh_token=1%2F%2Fg"
                                                         "&client_id=c&client_secret=s");
    struct http_reply reply = { .status = 200, .body = "{\"access_token\":\"ya29\",\"expires_in\":3599}" };
    reply.body_len = strlen(reply.body);
    plugin_attempt_step(a, &reply, 1000, &s);
    CU_ASSERT_EQUAL(s.what, RENEWD_DONE);
    const struct effects *e = plugin_attempt_effects(a);
    CU_ASSERT_EQUAL_FATAL(e->count, 2);
    CU_ASSERT_STRING_EQUAL(e->list[0].text, "ya29");
    CU_ASSERT_EQUAL(e->list[1].number, 4599);
    plugin_attempt_free(a);
}

static void test_youtube(void)
{
    struct settings *set = settings_new();
    struct plugins *all = NULL;
    struct instance *i = NULL;
    const struct plugin *p;
    struct error e = { "" };

    settings_put(set, "client_id", "c", 0);
    settings_put(set, "client_secret", "s", 0);
    settings_put(set, "base_url", "http://127.0.0.1:1", 0);
    CU_ASSERT_EQUAL_FATAL(plugins_new("plugins/.libs", &all), 0);
    CU_ASSERT_EQUAL_FATAL(plugins_get(all, "youtube", &p, &e), 0);
    CU_ASSERT_EQUAL_FATAL(instance_open(p, "yt", set, &i, &e), 0);
    youtube_attempt(i);
    instance_free(i);
    plugins_free(all);
    settings_free(set);
}

int main(void)
{
    static const struct unit_test tests[] = {
        { "two steps", test_two_steps },
        { "texts, crypto and time", test_texts },
        { "effects", test_effects },
        { "wrong effects", test_wrong_effects },
        { "wrong results", test_wrong_results },
        { "wrong requests", test_wrong_requests },
        { "a token is kept", test_token_kept },
        { "on_failure", test_on_failure },
        { "open", test_open },
        { "the window", test_window },
        { "a slow callback is named", test_slow },
        { "youtube through the real table", test_youtube },
        { NULL, NULL },
    };
    return run_tests("services", tests);
}
