/* SPDX-License-Identifier: MIT
 * Every plugin of the build, loaded as renewd does, is shown answers and messages that nobody would send
 * in good faith. None may crash, break a rule of the interface, call an event sent on an error, or slow
 * a record for ever. Random, from a seed that is printed and that HOSTILE_SEED sets; HOSTILE_ROUNDS sets
 * how much, PLUGIN_DIR where the plugins are.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/crypto/crypto.h"
#include "core/crypto/encoding.h"
#include "core/plugin/check.h"
#include "core/plugin/instance.h"
#include "tests/unit/runner.h"

enum { ROUNDS = 5000, PIECE_MAX = 200 * 1024, SLOTS_MAX = 32 };

/* ---- Chance ------------------------------------------------------------------------------ */

static uint64_t state;

static size_t chance(size_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return below ? (size_t)(state % below) : 0;
}

#define PICK(list) (list)[chance(sizeof(list) / sizeof((list)[0]))]

/* ---- What is sent -------------------------------------------------------------------------- */

static const char *const bodies[] = {
    "",
    "{\"error\":{\"message\":\"m\",\"type\":\"OAuthException\",\"code\":190,\"error_subcode\":463,\"is_transient\":true}}",
    "{\"error\":{\"code\":100,\"error_subcode\":2804003,\"error_user_msg\":\"old\"}}",
    "{\"error\":{\"code\":368}}",
    "{\"events_received\":2,\"messages\":[],\"fbtrace_id\":\"A\"}",
    "{\"data\":{},\"error\":{\"code\":\"access_token_invalid\",\"message\":\"\",\"log_id\":\"1\"}}",
    "{\"data\":{\"error_code\":10010},\"message\":\"error\"}",
    "{\"error\":\"access_denied\",\"hint\":\"Access token could not be verified\"}",
    "{\"error\":{\"code\":403,\"errors\":[{\"reason\":\"quotaExceeded\"}],\"details\":[{\"reason\":\"x\"}]}}",
    "{\"error\":\"invalid_token\"}",
    "<html>502</html>",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    ("{\"event_name\":\"Purchase\",\"event_time\":1795000000,\"event_id\":\"e1\",\"action_source\":\"website\","
     "\"event_source_url\":\"https://s.example/\",\"user_data\":{\"em\":\"a@example.com\",\"client_user_agent\":\"M\"},"
     "\"custom_data\":{\"currency\":\"USD\",\"value\":403.0}}"),
    ("{\"id\":820982911946154508,\"name\":\"#9999\",\"currency\":\"USD\",\"total_price\":\"403.00\",\"email\":\"a@b.c\","
     "\"created_at\":\"2026-11-18T11:00:00Z\",\"line_items\":[{\"product_id\":1,\"quantity\":1,\"price\":\"1.00\"}]}"),
};
static const char *const words[] = {
    "190",
    "-1",
    "0",
    "1e999",
    "-0.0",
    "99999999999999999999",
    "9007199254740993",
    "null",
    "true",
    "{}",
    "[]",
    "\"\"",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\\",
    "\\u0000",
    "\\ud800",
    "\xff",
    "\xc3\xa9",
    "\x01",
    "error",
    "code",
    "errors",
    "data",
    "hint",
    "access_token_invalid",
    "\"error\":",
    "\"code\":",
    "190/463",
    "%00",
    "\r\n",
};
static const char *const names[] = {
    "Retry-After",
    "X-App-Usage",
    "X-Ad-Account-Usage",
    "X-Business-Use-Case-Usage",
    "X-LS-API-Bucket-Level",
    "X-LS-API-Drip-Rate",
    "X-LS-API-Request-Cost",
    "X-LS-API-Burst-Level",
    "X-LS-API-RateLimit-Type",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "WWW-Authenticate",
    "Content-Type",
    "X-Shopify-Hmac-Sha256",
    "X-Shopify-Topic",
    "X-Shopify-Webhook-Id",
    "X-Shopify-Event-Id",
    "X-Shopify-Triggered-At",
    "X-Shopify-Shop-Domain",
};
static const char *const values[] = {
    "",
    "0",
    "3",
    "-5",
    "99999999999999999999",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Wed, 18 Nov 2026 11:08:20 GMT",
    "{\"call_count\":100,\"total_time\":99.9}",
    "{\"acc_id_util_pct\":101,\"reset_time_duration\":-7}",
    "{\"1\":[{\"call_count\":100,\"estimated_time_to_regain_access\":9223372036854775807}]}",
    "92.57/90",
    "1/0",
    "1.9999999999999999999/0.00000000001",
    "api-burst-limiter",
    "Bearer realm=\"a\\\"b\", error=\"insufficient_scope\"",
    "Bearer error=\"",
    "Bearer error=",
    "KoyC8Kkaqzwb/VHokf4AAstp/gHI8IurQfMinOtinX4=",
    "orders/create",
    "2026-11-18T11:00:00Z",
};
static const int statuses[] = {200, 200, 201, 204, 302, 400, 400, 401, 403, 404, 408, 422, 429, 500, 503, 999};

static void put(struct buf *to, const void *data, size_t len)
{
    if (to->len + len < PIECE_MAX)
        (void)buf_append(to, data, len);
}

/* One piece of `from` and something beside it, or instead of it. */
static void spoil(const char *from, struct buf *to)
{
    size_t len = strlen(from), at = chance(len + 1), gone = chance(4) ? 0 : chance(len - at + 1);
    size_t times = chance(40) ? 1 + chance(3) : 500 + chance(2000);
    const char *word = PICK(words);

    put(to, from, at);
    for (size_t i = 0; i < times; i++)
        put(to, word, strlen(word));
    put(to, from + at + gone, chance(5) ? len - at - gone : 0);
}

static void piece(const char *from, struct buf *to)
{
    struct buf one, other;

    buf_init(&one, PIECE_MAX);
    buf_init(&other, PIECE_MAX);
    (void)buf_text(&one, from);
    for (size_t n = chance(4); n > 0; n--) {
        buf_clear(&other);
        (void)buf_text(&other, "");
        spoil(one.data, &other);
        struct buf swap = one;
        one = other;
        other = swap;
    }
    (void)buf_append(to, one.data, strlen(one.data));
    buf_done(&one);
    buf_done(&other);
}

/* Usage of accounts whose names are as long as a header may be. */
static void long_names(struct buf *to)
{
    (void)buf_text(to, "X-Business-Use-Case-Usage: {\"");
    for (int i = 0; i < 50000; i++)
        (void)buf_char(to, 'n');
    (void)buf_text(to, "\":[");
    for (int i = 0; i < 20; i++)
        (void)buf_printf(to, "%s{\"call_count\":1,\"total_time\":2,\"total_cputime\":3,\"a\":4}", i ? "," : "");
    (void)buf_text(to, "]}");
    (void)buf_char(to, '\0');
}

/* Lines as the HTTP client and server hand them on: no control characters, 64 KiB in all. */
static void some_headers(struct buf *to)
{
    if (chance(50) == 0)
        long_names(to);
    for (size_t n = chance(6); n > 0; n--) {
        struct buf value;
        buf_init(&value, PIECE_MAX);
        piece(PICK(values), &value);
        for (size_t i = 0; i < value.len; i++)
            if ((unsigned char)value.data[i] < ' ')
                value.data[i] = ' ';
        if (to->len + value.len < 64 * 1024 - 64) {
            (void)buf_printf(to, "%s: %s", PICK(names), value.data ? value.data : "");
            (void)buf_char(to, '\0');
        }
        buf_done(&value);
    }
}

struct sent {
    struct buf body, headers;
    struct http_reply reply;
};

static struct sent *sent_new(void)
{
    struct sent *s = xcalloc(1, sizeof(*s));

    buf_init(&s->body, 2 * PIECE_MAX);
    buf_init(&s->headers, 2 * PIECE_MAX);
    (void)buf_text(&s->body, "");
    (void)buf_text(&s->headers, "");
    piece(PICK(bodies), &s->body);
    some_headers(&s->headers);
    s->reply = (struct http_reply){.status = PICK(statuses),
                                   .body = s->body.data,
                                   .body_len = s->body.len,
                                   .headers = s->headers.data,
                                   .headers_len = s->headers.len};
    if (chance(20) == 0)
        s->reply = (struct http_reply){.failure = HTTP_CUT,
                                       .status = s->reply.status,
                                       .body = "",
                                       .headers = s->headers.data,
                                       .headers_len = s->headers.len};
    return s;
}

static void sent_free(struct sent *s)
{
    buf_done(&s->body);
    buf_done(&s->headers);
    free(s);
}

/* ---- Whom it is sent to -------------------------------------------------------------------- */

struct target {
    const struct plugin *plugin;
    struct instance *instance;
    struct slot_value row[SLOTS_MAX];
    struct record_view record;
    unsigned wrong, sent;
};

static void complain(struct target *t, const char *what, const char *why, const struct sent *s)
{
    if (t->wrong++ > 3)
        return;
    printf("# %s: %s: %s\n#   HTTP %d, body \"%.300s\", headers", plugin_name(t->plugin), what, why,
           s->reply.status, s->body.data);
    for (size_t at = 0; at < s->headers.len && at < 600; at += strlen(s->headers.data + at) + 1)
        printf(" (%.200s)", s->headers.data + at);
    printf("\n");
}

static void answer(struct target *t, const struct sent *s)
{
    const struct record_view bare = {.key = "1", .refreshed_at = 5};
    struct answer_says says;

    instance_answer(t->instance, &bare, &s->reply, 1795000000, &says);
    if (says.slow_for < 0 || says.slow_for > 86400)
        complain(t, "on_answer", "slows for ever", s);
    if (says.token_refused && s->reply.status < 400 && !strstr(s->body.data, "error"))
        complain(t, "on_answer", "refuses the token of a success", s);
}

static const char hush[] = "hush-shopify-secret";

/* A signature that is good, so that what it signs is read. */
static void sign(struct sent *s)
{
    uint8_t mac[CRYPTO_HASH];

    CU_ASSERT_EQUAL(crypto_hmac_sha256(hush, strlen(hush), s->body.data, s->body.len, mac), 0);
    (void)buf_text(&s->headers, "X-Shopify-Hmac-Sha256: ");
    (void)base64_encode(&s->headers, mac, sizeof(mac));
    (void)buf_char(&s->headers, '\0');
    s->reply.headers = s->headers.data;
    s->reply.headers_len = s->headers.len;
}

/* What could be a good webhook or event, or nearly. Returns its source. */
static const char *nearly_good(struct sent *s)
{
    bool order = chance(2);
    const char *text = bodies[sizeof(bodies) / sizeof(bodies[0]) - (order ? 1 : 2)];

    buf_clear(&s->body);
    buf_clear(&s->headers);
    (void)buf_text(&s->body, "");
    (void)buf_text(&s->headers, "");
    if (chance(2))
        spoil(text, &s->body);
    else
        (void)buf_text(&s->body, text);
    for (size_t i = 0; order && i < 4; i++) {
        static const char *const good[] = {"X-Shopify-Topic: orders/create", "X-Shopify-Webhook-Id: w1",
                                           "X-Shopify-Shop-Domain: s.example",
                                           "X-Shopify-Triggered-At: 2026-11-18T11:00:00Z"};
        (void)buf_text(&s->headers, good[i]);
        (void)buf_char(&s->headers, '\0');
    }
    if (chance(3) == 0)
        some_headers(&s->headers);
    sign(s);
    return order ? "shopify" : "";
}

static void send(struct target *t, const struct taken_event *taken)
{
    struct sent *s = sent_new();

    const struct batch_event two[] = {{taken->event, taken->event_len, taken->event_time, 0},
                                      {taken->event, taken->event_len, 1, 3}};
    struct plugin_batch *b = plugin_batch_new(t->instance, &t->record, two, 1 + chance(2));
    struct http_request q;
    struct batch_result r = {0};
    struct error e = {""};
    bool whole = s->reply.failure == HTTP_OK_REPLY;
    int asked = plugin_batch_request(b, 1795000000, &q, &e);

    t->sent++;
    if (asked == 0)
        plugin_batch_reply(b, &s->reply, 1795000000, &r);
    else if (asked == -ECANCELED)
        plugin_batch_decided(b, &r);
    else
        complain(t, "send_events", e.text, s);
    if (r.code && strcmp(r.code, "plugin") == 0)
        complain(t, "send_events", r.text, s);
    if (r.became == RENEWD_SENT && (!whole || s->reply.status < 200 || s->reply.status > 299))
        complain(t, "send_events", "calls events sent that were not", s);
    if (r.became && r.became != RENEWD_SENT && (!r.text || !*r.text))
        complain(t, "send_events", "says nothing to people", s);
    plugin_batch_free(b);
    sent_free(s);
}

static void take(struct target *t, struct sent *s)
{
    static const char *const secrets[] = {hush, NULL};
    static const char *const sources[] = {"", "shopify", "x", "../x"};
    const char *source = chance(2) ? nearly_good(s) : PICK(sources);
    if (chance(2))
        sign(s);
    const struct event_message m = {.source = source,
                                    .body = s->body.data,
                                    .body_len = s->body.len,
                                    .headers = s->headers.data,
                                    .headers_len = s->headers.len,
                                    .secrets = secrets + chance(2),
                                    .key = "1"};
    struct taken_event taken;
    struct error e = {""};

    if (instance_take_event(t->instance, &m, 1795000000, &taken, &e) < 0)
        complain(t, "take_event", e.text, s);
    if (taken.what == RENEWD_EVENT_TAKE)
        send(t, &taken);
    taken_event_done(&taken);
}

/* ---- Each plugin --------------------------------------------------------------------------- */

static struct settings *some_settings(const struct renewd_plugin *d, const char *series)
{
    struct settings *set = settings_new();

    for (size_t i = 0; d->settings && d->settings[i]; i++) {
        const struct renewd_setting *s = d->settings[i];
        const char *value = s->default_value ? s->default_value : s->type == RENEWD_URL ? "https://x.example" : "x";
        if (strcmp(s->name, "series") == 0)
            value = series;
        if (s->type != RENEWD_GROUP && (s->default_value || s->required || s->type == RENEWD_TEXT))
            settings_put(set, s->name, value, s->type == RENEWD_DURATION ? 3600 : 0);
    }
    return set;
}

static void fill_row(struct target *t, const struct renewd_plugin *d)
{
    for (size_t i = 0; d->slots && d->slots[i] && i < SLOTS_MAX; i++) {
        bool number = d->slots[i]->type == RENEWD_TIME || d->slots[i]->type == RENEWD_INTEGER;
        t->row[i] =
            number ? (struct slot_value){"1795600000", 10, 1795600000} : (struct slot_value){"1234567890", 10, 0};
    }
    t->record = (struct record_view){.key = "1", .values = t->row};
}

/* The destination is a text of the application's table: it may be anything, or nothing. */
static void take_anywhere(struct target *t, struct sent *s)
{
    const struct renewd_plugin *d = plugin_descriptor(t->plugin);
    struct buf text;

    buf_init(&text, 2 * PIECE_MAX);
    (void)buf_text(&text, "");
    piece(PICK(words), &text);
    for (size_t i = 0; d->slots[i] && i < SLOTS_MAX; i++)
        if (d->slots[i]->destination && chance(3) == 0)
            t->row[i] = (struct slot_value){text.data, text.len, 0};
    take(t, s);
    fill_row(t, d);
    buf_done(&text);
}

static void show(const struct plugin *p, const char *series, long rounds)
{
    struct target t = {.plugin = p};
    struct settings *set = some_settings(plugin_descriptor(p), series);
    struct error e = {""};

    fill_row(&t, plugin_descriptor(p));
    int r = instance_open(p, "job-1", set, &t.instance, &e);
    if (r < 0)
        printf("# %s\n", e.text);
    CU_ASSERT_EQUAL_FATAL(r, 0);
    for (long i = 0; i < rounds; i++) {
        struct sent *s = sent_new();
        answer(&t, s);
        if (instance_takes_events(t.instance))
            take_anywhere(&t, s);
        sent_free(s);
    }
    CU_ASSERT_EQUAL(t.wrong, 0);
    if (instance_takes_events(t.instance))
        printf("# %s: %u batches\n", plugin_name(p), t.sent);
    CU_ASSERT(!instance_takes_events(t.instance) || rounds < 1000 || t.sent > 50);
    instance_free(t.instance);
    settings_free(set);
}

static long number_from(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 10) : otherwise;
}

static void show_all(void)
{
    const char *dir = getenv("PLUGIN_DIR");
    struct plugins *all = NULL;
    const struct plugin *p;
    struct error e = {""};
    int shown = 0;

    dir = dir && *dir ? dir : "plugins/.libs";
    DIR *d = opendir(dir);
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT_EQUAL_FATAL(plugins_new(dir, &all), 0);
    for (struct dirent *f; (f = readdir(d));) {
        size_t len = strlen(f->d_name);
        if (len < 4 || strcmp(f->d_name + len - 3, ".so") != 0)
            continue;
        cleanup(free_p) char *name = xstrndup(f->d_name, len - 3);
        CU_ASSERT_EQUAL_FATAL(plugins_get(all, name, &p, &e), 0);
        state = (uint64_t)number_from("HOSTILE_SEED", 20261121); /* the order of the folder is of no matter */
        show(p, "r", number_from("HOSTILE_ROUNDS", ROUNDS));
        if (strcmp(name, "lightspeed") == 0)
            show(p, "x", number_from("HOSTILE_ROUNDS", ROUNDS));
        shown++;
    }
    closedir(d);
    plugins_free(all);
    CU_ASSERT(shown >= 7);
}

/* What on_answer does wrong is told in the log alone. */
static void test_all(void)
{
    FILE *file = tmpfile();
    int saved = dup(2);
    char line[2048];
    int told = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    printf("# HOSTILE_SEED=%ld\n", number_from("HOSTILE_SEED", 20261121));
    fflush(stderr);
    dup2(fileno(file), 2);
    show_all();
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    rewind(file);
    while (fgets(line, sizeof(line), file))
        if (!strstr(line, "was slow") && told++ < 5) /* machines are */
            printf("# %s", line);
    CU_ASSERT_EQUAL(told, 0);
    fclose(file);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"answers and messages that nobody sends in good faith", test_all},
        {NULL, NULL},
    };
    return run_tests("hostile", tests);
}
