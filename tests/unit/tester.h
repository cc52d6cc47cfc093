/* SPDX-License-Identifier: MIT
 * A plugin inside the test program that does what the test says, and a clock that stands still
 * unless the test moves it. For the tests of the service table and of instances.
 */
#ifndef TESTS_UNIT_TESTER_H
#define TESTS_UNIT_TESTER_H

#include "core/plugin/check.h"
#include "core/plugin/instance.h"
#include "core/plugin/settings.h"

typedef int32_t act_fn(const struct renewd_services *s, const struct renewd_refresh_in *in);
typedef int32_t act_open_fn(const struct renewd_open_in *in, struct renewd_open_out *out);
typedef int32_t act_window_fn(const struct renewd_needs_refresh_in *in, struct renewd_needs_refresh_out *out);
typedef int32_t act_failure_fn(const struct renewd_on_failure_in *in, struct renewd_on_failure_out *out);
typedef int32_t act_answer_fn(const struct renewd_on_answer_in *in, struct renewd_on_answer_out *out);
typedef int32_t act_take_fn(const struct renewd_take_event_in *in, struct renewd_take_event_out *out);
typedef int32_t act_send_fn(const struct renewd_send_events_in *in, struct renewd_send_events_out *out);

struct tester {
    const struct renewd_services *table; /* what open was given */
    struct renewd_host *host;
    /* What its callbacks do; NULL: nothing. tester_end clears them. */
    act_fn *act;
    act_open_fn *open;
    act_window_fn *window;
    act_failure_fn *on_failure;
    act_answer_fn *on_answer;
    act_take_fn *take;
    act_send_fn *send;
    struct plugin *plugin;
    struct settings *settings;
    struct instance *instance;
    struct plugin_attempt *attempt;
    int64_t boot_ms;
};
extern struct tester tester;

/* Slots: access_token, refresh_token, expires_at, shop (in, a destination), count, note (out). */
extern const struct record_view tester_record;

void tester_begin(void);
void tester_end(void);
struct step_result tester_step(act_fn *act, const struct http_reply *reply);
/* Doing it in a first step ends in a failure of the plugin whose sentence holds part. */
void tester_breaks(act_fn *act, const char *part);

/* A step in which a careless plugin does one thing; s is the table, c the call. */
#define WRONG(name, ...)                                                                     \
    static int32_t name(const struct renewd_services *s, const struct renewd_refresh_in *in) \
    {                                                                                        \
        struct renewd_call *c = in->call;                                                    \
        (void)s;                                                                             \
        (void)c;                                                                             \
        __VA_ARGS__                                                                          \
    }

#endif
