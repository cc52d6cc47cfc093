/* SPDX-License-Identifier: MIT
 * Unit tests of events through a plugin: what it may take, how a batch is made and read, and that no
 * plugin at fault makes an event pass as something that it is not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "tests/unit/runner.h"
#include "tests/unit/tester.h"

/* ---- take_event ---------------------------------------------------------------------------- */

static struct renewd_take_event_out given; /* what the plugin gives back; its size is the host's */
static int32_t given_result;
static const char *given_why;

static int32_t gives(const struct renewd_take_event_in *in, struct renewd_take_event_out *out)
{
    CU_ASSERT_EQUAL(out->size, sizeof(*out));
    given.size = out->size;
    *out = given;
    if (given_why)
        tester.table->fail(in->call, RENEWD_MISCONFIGURED, NULL, given_why);
    return given_result;
}

static const struct event_message an_event = {.source = "", .body = "{}", .body_len = 2, .key = "9"};

static struct renewd_take_event_out good(void)
{
    given_why = NULL;
    given_result = RENEWD_EVENT_TAKE;
    return (struct renewd_take_event_out){.event = "{\"a\":1}",
                                          .event_length = 7,
                                          .event_id = "order-1",
                                          .event_time = 1794999000,
                                          .last_at = 1795600000};
}

/* part NULL: it is taken; else the plugin is at fault and the sentence holds part. */
static void taking(struct renewd_take_event_out out, const char *part)
{
    struct taken_event t;
    struct error e = {""};

    given = out;
    tester_begin();
    tester.take = gives;
    int r = instance_take_event(tester.instance, &an_event, 1795000000, &t, &e);
    CU_ASSERT_EQUAL(r, part ? -EBADMSG : 0);
    if (part && !strstr(e.text, part))
        printf("# expected \"%s\", got \"%s\"\n", part, e.text);
    CU_ASSERT(!part || (strstr(e.text, part) && strstr(e.text, "tester") && strstr(e.text, "take_event")));
    CU_ASSERT(!part || (!t.what && !t.event && !t.event_id && !t.same));
    taken_event_done(&t);
    tester_end();
}

static int32_t reads_message(const struct renewd_take_event_in *in, struct renewd_take_event_out *out)
{
    static const char *const same[] = {"webhook-7", "event-8", NULL};
    const struct renewd_services *s = tester.table;

    CU_ASSERT_STRING_EQUAL(in->source, "shopify");
    CU_ASSERT_STRING_EQUAL(in->job, "job-1");
    CU_ASSERT_STRING_EQUAL(in->key, "9");
    CU_ASSERT_EQUAL(in->now, 1795000000);
    CU_ASSERT_STRING_EQUAL(in->secrets[0], "hush");
    CU_ASSERT_PTR_NULL(in->secrets[1]);
    CU_ASSERT_EQUAL(in->message->status, 0);
    CU_ASSERT_EQUAL(in->message->length, 11);
    CU_ASSERT_STRING_EQUAL(s->reply_header(in->message, "x-topic"), "orders/create");
    CU_ASSERT_PTR_NULL(s->reply_header(in->message, "X-Other"));
    CU_ASSERT_PTR_NULL(in->message->json); /* a webhook is not read before its signature is */
    CU_ASSERT_STRING_EQUAL(s->json_text(s->json_parse(in->call, in->message->body, in->message->length), "id"),
                           "42");
    /* Memory of the callback, without a NUL at its end: renewd copies it in time. */
    char *event = s->memory(in->call, 8);
    memcpy(event, "{\"b\":2}x", 8);
    *out = (struct renewd_take_event_out){.size = out->size,
                                          .event = event,
                                          .event_length = 7,
                                          .event_id = s->join(in->call, (const char *[]){"order-", "42", NULL}),
                                          .name = "Purchase",
                                          .same = same};
    return RENEWD_EVENT_TAKE;
}

static void test_take(void)
{
    static const char headers[] = "X-Topic: orders/create\0";
    const struct event_message m = {.source = "shopify",
                                    .body = "{\"id\":\"42\"}",
                                    .body_len = 11,
                                    .headers = headers,
                                    .headers_len = sizeof(headers) - 1,
                                    .secrets = (const char *[]){"hush", NULL},
                                    .key = "9"};
    struct taken_event t;
    struct error e = {""};

    tester_begin();
    tester.take = reads_message;
    CU_ASSERT_TRUE(instance_takes_events(tester.instance));
    CU_ASSERT_EQUAL(instance_event_batch(tester.instance), 1);
    CU_ASSERT_EQUAL_FATAL(instance_take_event(tester.instance, &m, 1795000000, &t, &e), 0);
    CU_ASSERT_EQUAL(t.what, RENEWD_EVENT_TAKE);
    CU_ASSERT_STRING_EQUAL(t.event, "{\"b\":2}");
    CU_ASSERT_EQUAL(t.event_len, 7);
    CU_ASSERT_STRING_EQUAL(t.event_id, "order-42");
    CU_ASSERT_STRING_EQUAL(t.name, "Purchase");
    CU_ASSERT_STRING_EQUAL(t.same[1], "event-8");
    CU_ASSERT_PTR_NULL(t.same[2]);
    CU_ASSERT_EQUAL(t.event_time, 1795000000);
    CU_ASSERT_EQUAL(t.last_at, 0);
    CU_ASSERT_PTR_NULL(t.why);
    taken_event_done(&t);
    tester_end();
}

static int32_t has_no_json(const struct renewd_take_event_in *in, struct renewd_take_event_out *out)
{
    (void)out;
    CU_ASSERT_PTR_NULL(in->message->json);
    CU_ASSERT_EQUAL(in->message->length, 9);
    CU_ASSERT_EQUAL(memcmp(in->message->body, "{\"a\":\"\xff\"}", 9), 0);
    CU_ASSERT_PTR_NULL(tester.table->reply_header(in->message, "X-Topic"));
    CU_ASSERT_PTR_NOT_NULL(in->secrets);
    return RENEWD_EVENT_IGNORE;
}

/* What came in is signed byte by byte: nothing is repaired on the way. */
static void test_raw(void)
{
    const struct event_message m = {.source = "", .body = "{\"a\":\"\xff\"}", .body_len = 9, .key = "9"};
    struct taken_event t;
    struct error e = {""};

    tester_begin();
    tester.take = has_no_json;
    CU_ASSERT_EQUAL(instance_take_event(tester.instance, &m, 1795000000, &t, &e), 0);
    CU_ASSERT_EQUAL(t.what, RENEWD_EVENT_IGNORE);
    taken_event_done(&t);
    tester_end();
}

static void refusing(int32_t result, const char *why, const char *expected)
{
    struct taken_event t;
    struct error e = {""};

    given = good();
    given_result = result;
    given_why = why;
    tester_begin();
    tester.take = gives;
    CU_ASSERT_EQUAL(instance_take_event(tester.instance, &an_event, 1795000000, &t, &e), 0);
    CU_ASSERT_EQUAL(t.what, result);
    CU_ASSERT(t.why && strcmp(t.why, expected) == 0);
    CU_ASSERT_PTR_NULL(t.event);
    taken_event_done(&t);
    tester_end();
}

static void test_refuse(void)
{
    refusing(RENEWD_EVENT_REFUSE, "the event has no name", "the event has no name");
    refusing(RENEWD_EVENT_REFUSE, "", "no reason given");
    refusing(RENEWD_EVENT_FORGED, NULL, "its signature is absent or wrong");
    refusing(RENEWD_EVENT_FORGED, "no signature came", "no signature came");
}

static void test_take_results(void)
{
    struct renewd_take_event_out out = good();

    given_result = RENEWD_EVENT_REFUSE;
    taking(out, "without fail()");
    given_result = 0;
    taking(out, "unknown result (0)");
    given_result = 77;
    taking(out, "unknown result (77)");
    given_result = RENEWD_EVENT_TAKE;
    given_why = "no";
    taking(out, "called fail()");
    given_result = RENEWD_EVENT_IGNORE;
    taking(out, "called fail()");
    given_result = RENEWD_EVENT_UNKNOWN;
    taking(out, "called fail()");
}

static void test_take_texts(void)
{
    cleanup(free_p) char *huge = xmalloc(EVENT_TEXT_MAX + 2);
    struct renewd_take_event_out out = good();

    taking(out, NULL);
    out.event = NULL;
    taking(out, "gave none");
    out = good(), out.event_length = 0;
    taking(out, "gave none");
    out = good(), out.event_length = 6;
    taking(out, "not one JSON object");
    out = good(), out.event = "[\"a\"]  ";
    taking(out, "not one JSON object");
    out = good(), out.event = "{}{}   ";
    taking(out, "not one JSON object");
    out = good(), out.event = "{\"\xff\":1}";
    taking(out, "not one JSON object");
    out = good(), out.event = "{}\0    ";
    taking(out, "not one JSON object");
    snprintf(huge, EVENT_TEXT_MAX + 2, "{\"a\":1%*s}", EVENT_TEXT_MAX - 6, "");
    out = good(), out.event = huge, out.event_length = EVENT_TEXT_MAX + 1;
    taking(out, "more than 256 KiB");
    huge[EVENT_TEXT_MAX - 1] = '}';
    out.event_length = EVENT_TEXT_MAX;
    taking(out, NULL);
    out = good(), out.event_length = SIZE_MAX;
    taking(out, "more than 256 KiB");
}

static void test_take_keys(void)
{
    static const char *many[EVENT_SAME_MAX + 2], *const bad[] = {"fine", "not\nfine", NULL};
    struct renewd_take_event_out out = good();
    char key[EVENT_KEY_MAX + 2];

    memset(key, 'k', sizeof(key));
    key[sizeof(key) - 1] = '\0';
    out.event_id = NULL;
    taking(out, "an event_id that is absent");
    out.event_id = "";
    taking(out, "an event_id that is absent");
    out.event_id = key;
    taking(out, "an event_id of more than 200 bytes");
    out.event_id = key + 1;
    taking(out, NULL);
    out.event_id = "a\x1b[2J";
    taking(out, "an event_id that has control characters");
    out.event_id = "a\xc3";
    taking(out, "is not UTF-8");
    out = good(), out.name = key;
    taking(out, "a name of more than 200 bytes");
    out.name = "";
    taking(out, "a name that is absent or empty");
    out = good(), out.same = bad;
    taking(out, "a further key that has control characters");
    for (size_t i = 0; i <= EVENT_SAME_MAX; i++)
        many[i] = "k";
    out.same = many;
    taking(out, "more than 16 further keys");
    out.same = many + 1;
    taking(out, NULL);
}

static void test_take_times(void)
{
    struct renewd_take_event_out out = good();

    out.event_time = INT64_C(1795000000000);
    taking(out, "milliseconds");
    out.event_time = -1;
    taking(out, "before 1970");
    out = good(), out.last_at = INT64_MAX;
    taking(out, "after 9999");
    out.last_at = INT64_MIN;
    taking(out, "before 1970");
}

/* ---- send_events --------------------------------------------------------------------------- */

static const struct batch_event two[] = {{"{\"a\":1}", 7, 1794999000, 0}, {"{\"b\":2}", 7, 1794999001, 3}};

static struct plugin_batch *batch(act_send_fn *f)
{
    tester_begin();
    tester.send = f;
    return plugin_batch_new(tester.instance, &tester_record, two, 2);
}

static void batch_end(struct plugin_batch *b)
{
    plugin_batch_free(b);
    tester_end();
}

static int32_t sends_well(const struct renewd_send_events_in *in, struct renewd_send_events_out *out)
{
    const struct renewd_services *s = tester.table;

    CU_ASSERT_EQUAL(in->count, 2);
    CU_ASSERT_EQUAL(in->events[1]->length, 7);
    CU_ASSERT_EQUAL(in->events[1]->event_time, 1794999001);
    CU_ASSERT_EQUAL(in->events[1]->sends, 3);
    CU_ASSERT_PTR_NULL(in->events[2]);
    if (!in->reply) {
        const char *url[] = {"https://x/", s->slot(in->records[0], "shop")->text, "/events", NULL};
        struct renewd_request *r = s->request(in->call, "POST", s->join(in->call, url));
        s->header(r, "X-Token", s->slot(in->records[0], "access_token")->text);
        s->body(r, "application/json", in->events[0]->text, in->events[0]->length);
        return RENEWD_WAIT;
    }
    CU_ASSERT_EQUAL(in->retry_after, 7);
    /* Both texts live in what the callback was given. */
    out->became = in->reply->status == 200 ? RENEWD_SENT : RENEWD_SENT_BAD;
    out->code = s->json_text(in->reply->json, "code");
    out->text = s->json_text(in->reply->json, "text");
    out->wait = in->reply->status;
    return RENEWD_DONE;
}

static void reply_to(struct plugin_batch *b, int status, const char *body, struct batch_result *ret)
{
    const struct http_reply reply = {.status = status,
                                     .body = body,
                                     .body_len = strlen(body),
                                     .headers = "Retry-After: 7\0",
                                     .headers_len = 15};
    plugin_batch_reply(b, &reply, 1795000000, ret);
}

static void test_batch(void)
{
    struct plugin_batch *b = batch(sends_well);
    struct http_request q;
    struct batch_result r;
    struct error e = {""};

    CU_ASSERT_EQUAL_FATAL(plugin_batch_request(b, 1795000000, &q, &e), 0);
    CU_ASSERT_STRING_EQUAL(q.url, "https://x/shop-1/events");
    CU_ASSERT_STRING_EQUAL(q.headers[0], "X-Token: old");
    CU_ASSERT_EQUAL(q.body_len, 7);
    reply_to(b, 200, "{}", &r);
    CU_ASSERT(r.became == RENEWD_SENT && r.wait == 200 && !r.code && strcmp(r.text, "") == 0);
    reply_to(b, 400, "{\"code\":\"2804003\",\"text\":\"the event is bad\"}", &r);
    CU_ASSERT(r.became == RENEWD_SENT_BAD && r.wait == 400);
    CU_ASSERT(r.code && strcmp(r.code, "2804003") == 0);
    CU_ASSERT_STRING_EQUAL(r.text, "the event is bad");
    batch_end(b);
}

static int32_t send_result;
static struct renewd_send_events_out send_out;
static const char *send_why;
static bool send_requests;

static int32_t sends_as_told(const struct renewd_send_events_in *in, struct renewd_send_events_out *out)
{
    if (send_requests)
        tester.table->request(in->call, "POST", "https://x/");
    if (send_why)
        tester.table->fail(in->call, RENEWD_TRANSIENT, "word", send_why);
    send_out.size = out->size;
    *out = send_out;
    return send_result;
}

/* Making the request fails with a sentence that holds part. */
static void asking(int32_t result, bool requests, const char *why, const char *part)
{
    struct plugin_batch *b = batch(sends_as_told);
    struct http_request q;
    struct error e = {""};

    send_result = result;
    send_requests = requests;
    send_why = why;
    CU_ASSERT_EQUAL(plugin_batch_request(b, 1795000000, &q, &e), part ? -EBADMSG : 0);
    if (part && !strstr(e.text, part))
        printf("# expected \"%s\", got \"%s\"\n", part, e.text);
    CU_ASSERT(!part || (strstr(e.text, part) && strstr(e.text, "tester")));
    batch_end(b);
}

static void test_batch_requests(void)
{
    asking(RENEWD_WAIT, true, NULL, NULL);
    asking(RENEWD_WAIT, false, NULL, "without a request");
    send_out = (struct renewd_send_events_out){.became = RENEWD_SENT_HOLD};
    asking(RENEWD_DONE, true, NULL, "RENEWD_DONE beside a request");
    send_out.became = RENEWD_SENT;
    asking(RENEWD_DONE, false, NULL, "no answer came");
    send_out.became = RENEWD_SENT_UNKNOWN;
    asking(RENEWD_DONE, false, NULL, "may have arrived");
    asking(RENEWD_FAILED, true, NULL, "without fail()");
    asking(RENEWD_FAILED, false, "no pixel is mapped", "no pixel is mapped");
    asking(RENEWD_WAIT, true, "no", "called fail()");
    asking(-3, false, NULL, "returned -3");
}

static void test_batch_decided(void)
{
    struct plugin_batch *b = batch(sends_as_told);
    struct http_request q;
    struct batch_result r;
    struct error e = {""};

    send_result = RENEWD_DONE;
    send_requests = false;
    send_why = NULL;
    send_out = (struct renewd_send_events_out){.became = RENEWD_SENT_HOLD, .code = "no_pixel", .text = "where to?"};
    CU_ASSERT_EQUAL(plugin_batch_request(b, 1795000000, &q, &e), -ECANCELED);
    CU_ASSERT_STRING_EQUAL(e.text, "where to?");
    plugin_batch_decided(b, &r);
    CU_ASSERT(r.became == RENEWD_SENT_HOLD && strcmp(r.code, "no_pixel") == 0 && strcmp(r.text, "where to?") == 0);
    batch_end(b);
}

/* Reading the answer, with what the plugin says, leads to this. */
static void reading(int32_t result, struct renewd_send_events_out out, const char *why, int became,
                    const char *code, const char *part)
{
    struct plugin_batch *b = batch(sends_as_told);
    struct batch_result r;

    send_result = result;
    send_requests = false;
    send_why = why;
    send_out = out;
    reply_to(b, 200, "{}", &r);
    CU_ASSERT_EQUAL(r.became, became);
    CU_ASSERT(code ? r.code && strcmp(r.code, code) == 0 : !r.code);
    if (!strstr(r.text, part))
        printf("# expected \"%s\", got \"%s\"\n", part, r.text);
    CU_ASSERT_PTR_NOT_NULL(strstr(r.text, part));
    CU_ASSERT(r.wait >= 0 && r.wait <= 3600);
    batch_end(b);
}

static void test_batch_readings(void)
{
    cleanup(free_p) char *huge = xmalloc(100001);
    struct renewd_send_events_out out = {.became = RENEWD_SENT_HOLD, .wait = INT64_MAX, .code = "33"};

    memset(huge, 'h', 100000);
    huge[100000] = '\0';
    reading(RENEWD_DONE, out, NULL, RENEWD_SENT_HOLD, "33", "gives no reason");
    out.wait = INT64_MIN, out.code = NULL, out.text = "a\nb\xff";
    reading(RENEWD_DONE, out, NULL, RENEWD_SENT_HOLD, NULL, "a b?");
    out.text = huge;
    reading(RENEWD_DONE, out, NULL, RENEWD_SENT_HOLD, NULL, "hhhh");
    out.became = 0;
    reading(RENEWD_DONE, out, NULL, RENEWD_SENT_LATER, "plugin", "returned an unknown result");
    out.became = RENEWD_SENT_UNKNOWN + 1;
    reading(RENEWD_DONE, out, NULL, RENEWD_SENT_LATER, "plugin", "returned an unknown result");
    out.became = RENEWD_SENT;
    reading(RENEWD_WAIT, out, NULL, RENEWD_SENT_LATER, "plugin", "only RENEWD_DONE");
    reading(RENEWD_FAILED, out, NULL, RENEWD_SENT_LATER, "plugin", "without fail()");
    reading(RENEWD_DONE, out, "no", RENEWD_SENT_LATER, "plugin", "called fail()");
    reading(RENEWD_FAILED, out, "come back", RENEWD_SENT_LATER, "word", "come back");
}

/* Nothing counts as sent on a plugin's word alone. */
static void test_batch_silence(void)
{
    const struct http_reply cut = {.failure = HTTP_NO_ANSWER, .body = ""};
    struct plugin_batch *b = batch(sends_as_told);
    struct batch_result r;

    send_result = RENEWD_DONE;
    send_requests = false;
    send_why = NULL;
    send_out = (struct renewd_send_events_out){.became = RENEWD_SENT};
    plugin_batch_reply(b, &cut, 1795000000, &r);
    CU_ASSERT(r.became == RENEWD_SENT_LATER && strstr(r.text, "no answer came"));
    send_out.became = RENEWD_SENT_UNKNOWN;
    plugin_batch_reply(b, &cut, 1795000000, &r);
    CU_ASSERT_EQUAL(r.became, RENEWD_SENT_UNKNOWN);
    batch_end(b);
}

static int32_t sends_all(const struct renewd_send_events_in *in, struct renewd_send_events_out *out)
{
    const struct renewd_services *s = tester.table;
    struct renewd_writer *w = s->json_write(in->call);
    size_t len = 0;

    (void)out;
    s->write_open(w, "data", RENEWD_JSON_ARRAY);
    for (size_t i = 0; in->events[i]; i++)
        s->write_raw(w, NULL, in->events[i]->text);
    s->write_close(w);
    const char *text = s->written(w, &len);
    s->form(s->request(in->call, "POST", "https://x/"), "data", text);
    return RENEWD_WAIT;
}

/* As many and as long events as a batch may have, as a form too. */
static void test_batch_full(void)
{
    enum { COUNT = BATCH_TEXT_MAX / 64 };
    cleanup(free_p) struct batch_event *events = xcalloc(COUNT, sizeof(*events));
    struct plugin_batch *b;
    struct http_request q;
    struct error e = {""};

    for (size_t i = 0; i < COUNT; i++)
        events[i] =
            (struct batch_event){"{\"a\":[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]   }", 64, 1, 0};
    tester_begin();
    tester.send = sends_all;
    b = plugin_batch_new(tester.instance, &tester_record, events, COUNT);
    int r = plugin_batch_request(b, 1795000000, &q, &e);
    if (r < 0)
        printf("# %s\n", e.text);
    CU_ASSERT_EQUAL_FATAL(r, 0);
    CU_ASSERT(q.body_len > 2 * BATCH_TEXT_MAX);
    batch_end(b);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"an event is taken", test_take},           {"what came in is not repaired", test_raw},
        {"an event is refused", test_refuse},       {"taken: results", test_take_results},
        {"taken: texts", test_take_texts},          {"taken: keys", test_take_keys},
        {"taken: times", test_take_times},          {"a batch is sent", test_batch},
        {"a batch: requests", test_batch_requests}, {"a batch: decided without asking", test_batch_decided},
        {"a batch: readings", test_batch_readings}, {"a batch: no answer", test_batch_silence},
        {"a batch: full", test_batch_full},         {NULL, NULL},
    };
    return run_tests("instance_events", tests);
}
