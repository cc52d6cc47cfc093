/* SPDX-License-Identifier: MIT
 * One refresh of one record by a plugin, step by step. If the plugin breaks a rule, its attempt fails with a
 * sentence about the plugin; a token that it has set, before or after, is never lost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/base/redact.h"
#include "core/plugin/instance_internal.h"
#include "core/rules/outcome.h"
#include "core/time/civil.h"

struct plugin_attempt {
    struct instance *instance;
    struct view *view;
    void *scratch;
    struct effects effects;
    struct renewd_request *request; /* of the step before, until the next one */
    struct redact *earlier;         /* secrets in the replies to the steps before, NULL = none */
    int step;
    int status;     /* of the reply that the current step reads; 0 = none */
    bool succeeded; /* a step read a reply that is a success */
    bool renewed;   /* and one had another credential than the record's */
    bool left;      /* RENEWD_DONE left behind what a success gave */
    char code[CODE_SIZE];
    char text[TEXT_SIZE];
};

struct plugin_attempt *plugin_attempt_new(struct instance *i, const struct record_view *r)
{
    struct plugin_attempt *a = xcalloc(1, sizeof(*a));

    a->instance = i;
    a->view = view_new(i->host.plugin, r);
    a->scratch = xcalloc(1, i->host.plugin->descriptor.scratch_size + 1);
    return a;
}

void plugin_attempt_free(struct plugin_attempt *a)
{
    if (!a)
        return;
    explicit_bzero(a->scratch, a->instance->host.plugin->descriptor.scratch_size);
    free(a->scratch);
    effects_done(&a->effects);
    request_free(a->request);
    view_free(a->view);
    redact_free(a->earlier);
    explicit_bzero(a, sizeof(*a));
    free(a);
}

const struct effects *plugin_attempt_effects(const struct plugin_attempt *a)
{
    return &a->effects;
}

static const struct renewd_slot *credential_slot(const struct plugin *p)
{
    return p->credential < 0 ? NULL : &p->slots[p->credential];
}

/* Whether the reply has a new credential, by the slot's own name. What a provider that does not rotate leaves out, or
 * repeats, is none. */
static bool brings_credential(const struct plugin_attempt *a, const struct renewd_reply *reply)
{
    const struct renewd_slot *s = credential_slot(a->instance->host.plugin);

    if (!s || !(s->direction & RENEWD_OUT) || a->instance->replay == RENEWD_REPLAY_SAFE)
        return false;
    const char *text = service_json_text(reply->json, s->name);
    const struct renewd_value *old = service_slot(view_records(a->view)[0], s->name);
    return text && *text && (!old->present || strcmp(text, old->text) != 0);
}

static void plugin_attempt_read(struct plugin_attempt *a, const struct renewd_reply *reply)
{
    a->status = reply ? reply->status : 0;
    if (a->status < 200 || a->status > 299)
        return;
    a->succeeded = true;
    a->renewed = a->renewed || brings_credential(a, reply);
}

/* once() alone changes nothing. */
static bool records_something(const struct effects *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].type != EFFECT_KEY)
            return true;
    return false;
}

static bool sets_credential(const struct plugin_attempt *a)
{
    for (size_t i = 0; i < a->effects.count; i++)
        if (a->effects.list[i].type == EFFECT_SET &&
            a->effects.list[i].index == a->instance->host.plugin->credential)
            return true;
    return false;
}

/* RENEWD_DONE after a reply: a refresh of a credential that changes nothing is none, and the credential that
 * the provider gave must not be left behind. */
static void judge_done(struct plugin_attempt *a, struct renewd_call *c)
{
    const struct renewd_slot *s = credential_slot(c->host->plugin);

    if (!s || !c->reply)
        return;
    if (!records_something(&a->effects))
        call_break(c, "returned RENEWD_DONE and recorded nothing of the answer");
    else if (a->renewed && !sets_credential(a))
        call_break(c, "returned RENEWD_DONE and did not set the slot %.63s, although the answer has a new one",
                   s->name);
    else
        return;
    a->left = a->succeeded;
}

/* Checks the rules of a step's result; a violation is stored in the call. */
static void plugin_attempt_judge(struct renewd_call *c, int32_t result)
{
    if (result == RENEWD_WAIT && !c->request)
        call_break(c, "returned RENEWD_WAIT without a request");
    else if (result == RENEWD_DONE && c->request)
        call_break(c, "returned RENEWD_DONE with a request that was not sent");
    else if (result < RENEWD_DONE || result > RENEWD_FAILED)
        call_break(c, "returned an unknown result (%d)", result);
    call_judge_fail(c, result == RENEWD_FAILED, "RENEWD_FAILED");
}

static bool after_success(const struct plugin_attempt *a)
{
    return a->left || (a->status >= 200 && a->status <= 299);
}

/* A plugin that fails on a success may have lost the new credential. */
static int broken_outcome(const struct plugin_attempt *a)
{
    return after_success(a) ? OUTCOME_AMBIGUOUS : OUTCOME_TRANSIENT;
}

static void fill_failed(struct plugin_attempt *a, const struct renewd_call *c, struct step_result *ret)
{
    bool broken = c->broken[0] != '\0';

    snprintf(a->code, sizeof(a->code), "%s", broken ? "plugin" : c->code);
    snprintf(a->text, sizeof(a->text), "%s", broken ? c->broken : c->text);
    *ret = (struct step_result){.what = RENEWD_FAILED,
                                .outcome = broken ? broken_outcome(a) : c->outcome,
                                .code = a->code[0] ? a->code : NULL,
                                .text = a->text,
                                .misused = c->misused && (a->effects.token_set || after_success(a))};
}

static void fill_result(struct plugin_attempt *a, struct renewd_call *c, int32_t result, int64_t slow_for,
                        struct step_result *ret)
{
    if (a->effects.credential_refused) {
        fill_failed(a, c, ret);
        ret->outcome = OUTCOME_AMBIGUOUS;
        effects_done(&a->effects);
    } else if (c->broken[0] || result == RENEWD_FAILED) {
        fill_failed(a, c, ret);
        if (!a->effects.token_set || c->broken[0])
            return;
        log_line(LEVEL_WARNING, "a step failed after it had a new token, which is kept", "plugin",
                 c->host->plugin->name, "job", c->host->job, "record", view_key(c->view), "account",
                 view_account(c->view), "why", a->text, NULL);
        *ret = (struct step_result){.what = RENEWD_DONE};
    } else if (result == RENEWD_WAIT) {
        *ret = (struct step_result){.what = RENEWD_WAIT};
        a->request = c->request;
        c->request = NULL;
        request_fill(a->request, &ret->request);
    } else {
        *ret = (struct step_result){.what = RENEWD_DONE, .slow_for = slow_for > 0 ? slow_for : 0};
    }
}

void plugin_attempt_step(struct plugin_attempt *a, const struct http_reply *reply, int64_t now,
                         struct step_result *ret)
{
    struct renewd_refresh_out out = {.size = sizeof(out)};
    struct reply_view view;
    struct renewd_call c;

    request_free(a->request);
    a->request = NULL;
    call_begin(&c, &a->instance->host, "refresh");
    c.effects = &a->effects;
    c.may_request = true;
    c.view = a->view;
    c.reply = reply;
    c.earlier = a->earlier;
    struct renewd_refresh_in in = {.size = sizeof(in),
                                   .call = &c,
                                   .purpose = RENEWD_PURPOSE_REFRESH,
                                   .step = a->step++,
                                   .token_set = a->effects.token_set,
                                   .records = view_records(a->view),
                                   .reply = reply_view_init(&view, reply),
                                   .now = now,
                                   .scratch = a->scratch};
    c.spoiled = reply ? view.spoiled.data : NULL;
    plugin_attempt_read(a, in.reply);
    int32_t result = a->instance->host.plugin->descriptor.refresh(a->instance->state, &in, &out);
    call_returned(&c);
    plugin_attempt_judge(&c, result);
    if (result == RENEWD_DONE && !c.broken[0])
        judge_done(a, &c);
    fill_result(a, &c, result, out.slow_for, ret);
    if (ret->what == RENEWD_DONE && c.spoiled && *c.spoiled)
        log_line(LEVEL_WARNING, "an answer has bytes that are not text; it is stored without them", "job",
                 c.host->job, "record", view_key(c.view), "account", view_account(c.view), "members", c.spoiled,
                 NULL);
    call_done(&c);
    reply_view_done(&view);
    if (!reply || ret->what != RENEWD_WAIT)
        return;
    if (!a->earlier)
        a->earlier = redact_new();
    outside_learn(a->earlier, reply);
}

/* A changed decision is used if it is valid; otherwise the core's own is. */
static void take_decision(const struct renewd_on_failure_out *out, struct decision *io)
{
    if (out->outcome >= OUTCOME_TRANSIENT && out->outcome <= OUTCOME_AMBIGUOUS)
        io->outcome = out->outcome;
    if (out->next_at >= 0 && out->next_at <= CIVIL_LAST)
        io->next_at = out->next_at;
    io->strike = out->strike != 0;
    io->notify = out->notify != 0;
}

/* Drops what on_failure recorded before it broke a rule. */
static void drop_after(struct effects *e, size_t count)
{
    struct effects rest = {.count = e->count - count};

    if (rest.count == 0)
        return;
    rest.list = xmemdup(e->list + count, rest.count * sizeof(*rest.list));
    e->count = count;
    effects_done(&rest);
}

void plugin_attempt_failed(struct plugin_attempt *a, const struct failure *f, const struct http_reply *reply,
                           int64_t now, struct decision *io)
{
    const struct renewd_plugin *d = &a->instance->host.plugin->descriptor;
    struct reply_view view;
    struct renewd_call c;

    if (!a->effects.token_set)
        effects_done(&a->effects);
    if (!d->on_failure)
        return;
    size_t before = a->effects.count;
    bool had_token = a->effects.token_set;
    call_begin(&c, &a->instance->host, "on_failure");
    c.effects = &a->effects;
    c.view = a->view;
    c.reply = reply;
    c.earlier = a->earlier;
    struct renewd_on_failure_in in = {.size = sizeof(in),
                                      .call = &c,
                                      .records = view_records(a->view),
                                      .reply = reply_view_init(&view, reply),
                                      .outcome = f->outcome,
                                      .status = f->status,
                                      .code = f->code,
                                      .text = f->text,
                                      .attempts = view_records(a->view)[0]->attempts,
                                      .strikes = view_records(a->view)[0]->strikes,
                                      .seconds_to_death = f->seconds_to_death,
                                      .retry_after = f->retry_after,
                                      .now = now,
                                      .scratch = a->scratch};
    struct renewd_on_failure_out out = {.size = sizeof(out),
                                        .outcome = io->outcome,
                                        .strike = io->strike,
                                        .notify = io->notify,
                                        .next_at = io->next_at};
    int32_t result = d->on_failure(a->instance->state, &in, &out);
    call_returned(&c);
    if (result == 0 && !c.broken[0]) {
        take_decision(&out, io);
    } else {
        log_line(LEVEL_WARNING, "a plugin's on_failure failed; renewd decides by itself", "plugin",
                 c.host->plugin->name, "job", c.host->job, "record", view_key(c.view), "account",
                 view_account(c.view), "why",
                 c.broken[0] ? c.broken
                 : c.text[0] ? c.text
                             : NULL,
                 NULL);
        bool token = a->effects.token_set && !had_token;
        if (token && c.misused) {
            snprintf(a->text, sizeof(a->text), "%s", c.broken);
            io->misused = a->text;
        }
        if (!token)
            drop_after(&a->effects, before);
    }
    call_done(&c);
    reply_view_done(&view);
}
