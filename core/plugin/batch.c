/* SPDX-License-Identifier: MIT
 * Sends one batch of events: calls send_events for its request, then for its result. If a plugin breaks a rule, no
 * event counts as sent.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/plugin/instance_internal.h"

enum {
    SEND_BODY_MAX = 4 * 1024 * 1024, /* a full batch, also where a form writes %22 for each quote */
    WAIT_MAX_S = 3600
};

struct plugin_batch {
    struct instance *instance;
    struct view *view;
    struct arena *arena; /* the events' texts */
    struct renewd_event *events;
    const struct renewd_event **list;
    size_t count;
    struct renewd_request *request;
    struct batch_result decided; /* without asking */
    char code[CODE_SIZE];
    char text[TEXT_SIZE];
};

struct plugin_batch *plugin_batch_new(struct instance *i, const struct record_view *r,
                                      const struct batch_event *events, size_t count)
{
    struct plugin_batch *b = xcalloc(1, sizeof(*b));

    b->instance = i;
    b->view = view_new(i->host.plugin, r);
    b->arena = arena_new(SIZE_MAX);
    b->events = xcalloc(count + 1, sizeof(*b->events));
    b->list = xcalloc(count + 1, sizeof(*b->list));
    b->count = count;
    for (size_t k = 0; k < count; k++) {
        b->events[k] = (struct renewd_event){.size = sizeof(b->events[k]),
                                             .text = arena_copy(b->arena, events[k].text, events[k].len),
                                             .length = events[k].len,
                                             .event_time = events[k].event_time,
                                             .sends = events[k].sends};
        b->list[k] = &b->events[k];
    }
    return b;
}

void plugin_batch_free(struct plugin_batch *b)
{
    if (!b)
        return;
    request_free(b->request);
    view_free(b->view);
    arena_free(b->arena);
    free(b->events);
    free(b->list);
    explicit_bzero(b, sizeof(*b));
    free(b);
}

/* Checks the rules of a result; a violation is stored in the call. */
static void batch_judge(struct renewd_call *c, int32_t result, bool asked)
{
    if (result != RENEWD_DONE && result != RENEWD_FAILED && (asked || result != RENEWD_WAIT))
        call_break(c, "returned %d where only %sRENEWD_DONE and RENEWD_FAILED make sense", result,
                   asked ? "" : "RENEWD_WAIT, ");
    else if (result == RENEWD_DONE && c->request)
        call_break(c, "returned RENEWD_DONE beside a request");
    else if (result == RENEWD_WAIT && !c->request)
        call_break(c, "returned RENEWD_WAIT without a request");
    call_judge_fail(c, result == RENEWD_FAILED, "RENEWD_FAILED");
}

/* The caller frees view, since out may point into it. */
static int32_t batch_ask(struct plugin_batch *b, struct renewd_call *c, const struct http_reply *reply, int64_t now,
                         struct reply_view *view, struct renewd_send_events_out *out)
{
    struct renewd_send_events_in in = {.size = sizeof(in),
                                       .call = c,
                                       .records = view_records(b->view),
                                       .events = b->list,
                                       .count = b->count,
                                       .reply = reply_view_init(view, reply),
                                       .retry_after = retry_after_seconds(reply),
                                       .now = now};
    c->view = b->view;
    c->reply = reply;
    int32_t result = b->instance->host.plugin->descriptor.send_events(b->instance->state, &in, out);

    call_returned(c);
    return result;
}

/* Copies the valid members of out. */
static void judge_word(struct renewd_call *c, const struct renewd_send_events_out *out, bool asked, bool answered)
{
    if (out->became < RENEWD_SENT || out->became > RENEWD_SENT_UNKNOWN)
        call_break(c, "returned an unknown result for the events (%d)", out->became);
    else if (out->became == RENEWD_SENT && !answered)
        call_break(c, "says that the events arrived, and no answer came");
    else if (out->became == RENEWD_SENT_UNKNOWN && !asked)
        call_break(c, "says that the events may have arrived, and asked for no request");
}

/* While the call runs: what it was shown is taken out of them. */
static void keep_texts(struct plugin_batch *b, const char *code, const char *text, struct batch_result *ret)
{
    host_outside(&b->instance->host, code, b->code, sizeof(b->code));
    host_outside(&b->instance->host, text, b->text, sizeof(b->text));
    ret->code = b->code[0] ? b->code : NULL;
    ret->text = b->text;
}

static int64_t bounded_wait(int64_t wait)
{
    return wait < 0 ? 0 : wait > WAIT_MAX_S ? WAIT_MAX_S : wait;
}

static void keep_word(struct plugin_batch *b, const struct renewd_send_events_out *out, struct batch_result *ret)
{
    bool silent = !out->text && out->became != RENEWD_SENT;

    ret->became = out->became;
    ret->wait = bounded_wait(out->wait);
    keep_texts(b, out->code, silent ? "the plugin gives no reason" : out->text, ret);
}

int plugin_batch_request(struct plugin_batch *b, int64_t now, struct http_request *ret, struct error *e)
{
    struct renewd_send_events_out out = {.size = sizeof(out)};
    struct reply_view view;
    struct renewd_call c;
    int r = 0;

    call_begin(&c, &b->instance->host, "send_events");
    c.may_request = true;
    c.body_max = SEND_BODY_MAX;
    int32_t result = batch_ask(b, &c, NULL, now, &view, &out);
    batch_judge(&c, result, false);
    if (result == RENEWD_DONE)
        judge_word(&c, &out, false, false);
    if (c.broken[0]) {
        r = error_set(e, -EBADMSG, "%s", c.broken);
    } else if (result == RENEWD_FAILED) {
        r = error_set(e, -EBADMSG, "the plugin %s could not make a request of the events of the job %s: %s",
                      c.host->plugin->name, c.host->job, call_why(&c));
    } else if (result == RENEWD_DONE) {
        keep_word(b, &out, &b->decided);
        r = error_set(e, -ECANCELED, "%s", b->text);
    } else if (out.first > b->count) {
        r = error_set(e, -EBADMSG, "the plugin %s says that its request carries more events than there are",
                      c.host->plugin->name);
    } else {
        b->count = out.first ? out.first : b->count;
        b->list[b->count] = NULL;
        request_free(b->request);
        b->request = c.request;
        c.request = NULL;
        request_fill(b->request, ret);
    }
    call_done(&c);
    reply_view_done(&view);
    return r;
}

size_t plugin_batch_carried(const struct plugin_batch *b)
{
    return b->count;
}

void plugin_batch_decided(const struct plugin_batch *b, struct batch_result *ret)
{
    *ret = b->decided;
}

static void say_broken(const struct renewd_call *c)
{
    log_line(LEVEL_WARNING, "a plugin's send_events failed; its events are sent again later", "plugin",
             c->host->plugin->name, "job", c->host->job, "record", view_key(c->view), "account",
             view_account(c->view), "why", c->broken, NULL);
}

void plugin_batch_reply(struct plugin_batch *b, const struct http_reply *reply, int64_t now,
                        struct batch_result *ret)
{
    struct renewd_send_events_out out = {.size = sizeof(out)};
    struct reply_view view;
    struct renewd_call c;

    *ret = (struct batch_result){.became = RENEWD_SENT_LATER};
    call_begin(&c, &b->instance->host, "send_events");
    int32_t result = batch_ask(b, &c, reply, now, &view, &out);
    batch_judge(&c, result, true);
    if (result == RENEWD_DONE)
        judge_word(&c, &out, true, reply && reply->failure == HTTP_OK_REPLY);
    if (c.broken[0]) {
        say_broken(&c);
        keep_texts(b, "plugin", c.broken, ret);
    } else if (result == RENEWD_FAILED) {
        ret->wait = retry_after_seconds(reply);
        keep_texts(b, c.code, call_why(&c), ret);
    } else {
        keep_word(b, &out, ret);
    }
    call_done(&c);
    reply_view_done(&view);
}
