/* SPDX-License-Identifier: MIT
 * See tester.h.
 */
#include "tests/unit/tester.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock_source.h"
#include "core/rules/outcome.h"
#include "tests/unit/runner.h"

/* ---- A clock that stands still unless a test moves it ------------------------------------- */

struct tester tester = {.boot_ms = 1000};

int64_t clock_source_real_ms(void)
{
    return INT64_C(1795000000000);
}

int64_t clock_source_boot_ms(void)
{
    return tester.boot_ms;
}

/* ---- A plugin that does what the test says ------------------------------------------------ */

static int32_t t_open(void *instance, const struct renewd_open_in *in, struct renewd_open_out *out)
{
    (void)instance;
    tester.table = in->services;
    tester.host = in->host;
    return tester.open ? tester.open(in, out) : 0;
}

static int32_t t_window(void *instance, const struct renewd_needs_refresh_in *in,
                        struct renewd_needs_refresh_out *out)
{
    (void)instance;
    return tester.window ? tester.window(in, out) : 0;
}

static int32_t t_refresh(void *instance, const struct renewd_refresh_in *in, struct renewd_refresh_out *out)
{
    (void)instance;
    out->slow_for = 7;
    return tester.act(tester.table, in);
}

static int32_t t_failure(void *instance, const struct renewd_on_failure_in *in, struct renewd_on_failure_out *out)
{
    (void)instance;
    return tester.on_failure ? tester.on_failure(in, out) : 0;
}

static int32_t t_answer(void *instance, const struct renewd_on_answer_in *in, struct renewd_on_answer_out *out)
{
    (void)instance;
    return tester.on_answer ? tester.on_answer(in, out) : 0;
}

static int32_t t_take(void *instance, const struct renewd_take_event_in *in, struct renewd_take_event_out *out)
{
    (void)instance;
    return tester.take(in, out);
}

static int32_t t_send(void *instance, const struct renewd_send_events_in *in, struct renewd_send_events_out *out)
{
    (void)instance;
    return tester.send(in, out);
}

static const struct renewd_slot s_token =
    {sizeof(s_token), "access_token", RENEWD_SECRET, RENEWD_INOUT, 1, 0, NULL, 0, 0};
static const struct renewd_slot s_grant =
    {sizeof(s_grant), "refresh_token", RENEWD_SECRET, RENEWD_INOUT, 1, 1, NULL, 0, 0};
static const struct renewd_slot s_end = {sizeof(s_end), "expires_at", RENEWD_TIME, RENEWD_INOUT, 0, 0, NULL, 0, 0};
static const struct renewd_slot s_shop = {sizeof(s_shop), "shop", RENEWD_TEXT, RENEWD_IN, 0, 0, NULL, 1, 0};
static const struct renewd_slot s_count =
    {sizeof(s_count), "count", RENEWD_INTEGER, RENEWD_INOUT, 0, 0, NULL, 0, 0};
static const struct renewd_slot s_note = {sizeof(s_note), "note", RENEWD_TEXT, RENEWD_OUT, 0, 0, NULL, 0, 0};
static const struct renewd_slot *const slots[] = {&s_token, &s_grant, &s_end, &s_shop, &s_count, &s_note, NULL};
static const int32_t credit_parameters[] = {RENEWD_TEXT, RENEWD_INTEGER, RENEWD_TIME, RENEWD_AS_READ, 0};
static const struct renewd_statement s_credit = {sizeof(s_credit), "credit", credit_parameters,
                                                 RENEWD_ROWS_ONE,  0,        NULL};
static const struct renewd_statement *const statements[] = {&s_credit, NULL};

static const struct renewd_plugin descriptor = {
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
    .on_answer = t_answer,
    .take_event = t_take,
    .send_events = t_send,
};

/* ---- Before and after each test ----------------------------------------------------------- */

static const struct slot_value values[] = {
    {"old", 3, 0},    {"grant", 5, 0}, {"1795000500", 10, 1795000500},
    {"shop-1", 6, 0}, {"42", 2, 42},   {"hidden", 6, 0},
};
const struct record_view tester_record =
    {.key = "9", .values = values, .refreshed_at = 5, .attempts = 2, .strikes = 1, .memo = "m", .memo_len = 1};

void tester_begin(void)
{
    struct error e;

    tester.settings = settings_new();
    settings_put(tester.settings, "word", "hello", 0);
    settings_put(tester.settings, "number", "5m", 300);
    settings_put_member(tester.settings, "extra", "b", "2", false);
    settings_put_member(tester.settings, "extra", "a", "1", false);
    CU_ASSERT_EQUAL_FATAL(plugin_check(&descriptor, "tester", "/x/tester.so", &tester.plugin, &e), 0);
    CU_ASSERT_EQUAL_FATAL(instance_open(tester.plugin, "job-1", tester.settings, &tester.instance, &e), 0);
    tester.attempt = plugin_attempt_new(tester.instance, &tester_record);
}

void tester_end(void)
{
    plugin_attempt_free(tester.attempt);
    instance_free(tester.instance);
    plugin_free(tester.plugin);
    settings_free(tester.settings);
    tester.on_failure = NULL;
    tester.on_answer = NULL;
    tester.take = NULL;
    tester.send = NULL;
    tester.open = NULL;
    tester.window = NULL;
}

struct step_result tester_step(act_fn *act, const struct http_reply *reply)
{
    struct step_result r;

    tester.act = act;
    plugin_attempt_step(tester.attempt, reply, 1795000000, &r);
    return r;
}

void tester_breaks(act_fn *act, const char *part)
{
    tester_begin();
    struct step_result r = tester_step(act, NULL);
    CU_ASSERT_EQUAL(r.what, RENEWD_FAILED);
    CU_ASSERT_EQUAL(r.outcome, OUTCOME_TRANSIENT);
    CU_ASSERT(r.code && strcmp(r.code, "plugin") == 0);
    if (!r.text || !strstr(r.text, part))
        printf("# expected \"%s\", got \"%s\"\n", part, r.text ? r.text : "(nothing)");
    CU_ASSERT(r.text && strstr(r.text, part) && strstr(r.text, "tester"));
    tester_end();
}
