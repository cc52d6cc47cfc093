/* SPDX-License-Identifier: MIT
 * A call of the provider's API: first the record's token, refreshed when it ends soon; then the call, a few at the
 * same time; and once more with a fresh token when the provider refuses the one it got. Nothing else is repeated: a
 * request that was sent and not answered may have been executed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/secret.h"
#include "core/engine/tokens/internal.h"
#include "core/engine/tokens/tokens.h"

enum {
    AT_ONCE = 128,                 /* calls under way; more wait for their turn */
    BODIES_MAX = 32 * 1024 * 1024, /* of all calls together */
    SLOW_WAIT_MS = 3000,           /* a slowed record's call waits at most so long in all */
    SERVE_MS = 4500,               /* then a token that is still valid is used, whatever its refresh does */
    TOKEN_WAIT_MS = 25000,
    UNSAFE_IDLE_MS = 2000, /* no reused connection carries what must not be sent twice */
};

struct forward {
    struct engine *engine;
    struct job *job;
    char *key;
    struct forward_parts parts;
    struct secret *token;
    int64_t generation;
    bool repeated;         /* a fresh token was asked for after a refusal */
    bool sending;          /* has one of the places */
    bool queued, asking;   /* asking: for its token */
    int64_t slow_until_ms; /* how long it waits at most for a slowed record; 0 = not yet */
    struct http_transfer *transfer;
    struct loop_timer *timer;
    forward_done done;
    void *ctx;
    struct forward *next;
};

struct forwards {
    struct forward *first; /* in the order of their turns */
    size_t sending, bytes;
    struct loop_timer *pump_timer;
};

struct forwards *forwards_new(void)
{
    return xcalloc(1, sizeof(struct forwards));
}

/* ---- answers ---- */

static void forward_free(struct forward *f)
{
    struct engine *e = f->engine;
    struct forwards *all = e->forwards;

    for (struct forward **p = &all->first; *p; p = &(*p)->next)
        if (*p == f) {
            *p = f->next;
            break;
        }
    all->sending -= f->sending;
    all->bytes -= f->parts.body.len;
    loop_cancel(&f->timer);
    http_transfer_cancel(&f->transfer);
    forward_parts_done(&f->parts);
    secret_free(f->token);
    free(f->key);
    free(f);
    e->busy--;
    engine_check_stopped(e);
}

static void pump_soon(struct engine *e);

static void answer(struct forward *f, const struct forward_answer *a)
{
    struct engine *e = f->engine;

    f->done(f->ctx, a);
    forward_free(f);
    pump_soon(e);
}

static void forward_refuse(struct forward *f, int status, const char *code, const char *why, int64_t retry_after)
{
    const struct forward_answer a = {.status = status, .code = code, .why = why, .retry_after = retry_after};
    answer(f, &a);
}

static void pass_on(struct forward *f, const struct http_reply *reply)
{
    struct forward_reply r;

    forward_reply_of(reply, secret_text(f->token), &r);
    const struct forward_answer a = {
        .status = FORWARD_ANSWERED,
        .http_status = reply->status,
        .content_type = r.content_type,
        .headers = (const char *const *)r.headers.list,
        .body = r.body,
        .body_len = reply->body_len,
    };
    answer(f, &a);
    forward_reply_done(&r);
}

static void no_answer(struct forward *f, const struct http_reply *reply)
{
    const char *code = reply->failure == HTTP_NOT_SENT    ? "not_sent"
                       : reply->failure == HTTP_TOO_LARGE ? "reply_too_large"
                       : reply->failure == HTTP_CUT       ? "reply_cut"
                                                          : "no_answer";
    log_line(LEVEL_WARNING, "a forwarded call was not answered", "job", f->job->config->job, "record", f->key,
             "account", tokens_account(f->engine->tokens, f->job, f->key), "code",
             reply->timed_out ? "timeout" : code, "reason", reply->why, NULL);
    if (reply->timed_out)
        forward_refuse(f, FORWARD_TIMED_OUT, reply->sent ? "timeout" : "not_sent", reply->why, 0);
    else
        forward_refuse(f, FORWARD_NO_ANSWER, code, reply->why, 0);
}

/* ---- the token ---- */

static void take_turn(struct forward *f);

static void forward_token_known(void *ctx, const struct token_answer *t)
{
    struct forward *f = ctx;

    f->asking = false;
    if (t->status != TOKEN_SERVED) {
        const struct forward_answer a = {.status = FORWARD_NO_TOKEN, .token = t};
        answer(f, &a);
        return;
    }
    secret_free(f->token);
    f->token = secret_from_text(t->access_token);
    f->generation = t->generation;
    take_turn(f);
}

static void forward_ask_token(struct forward *f, bool refused)
{
    struct secret *was = refused ? f->token : NULL;
    const struct token_requirement w = {
        .min_valid = f->job->config->forward_refresh_before_s,
        .refused = refused,
        .refused_generation = f->generation,
        .refused_token = secret_text(was),
        .serve_ms = SERVE_MS,
        .wait_ms = TOKEN_WAIT_MS,
    };
    f->asking = true;
    if (refused)
        f->token = NULL;
    engine_token(f->engine, f->job, f->key, &w, forward_token_known, f);
    secret_free(was);
}

/* ---- the call ---- */

static void forward_begin(void *ctx);

/* A slowed record: its call waits a little, or is told when to come back. True: it must not be sent. */
static bool forward_held_back(struct forward *f, int64_t wait)
{
    int64_t now = clock_boot_ms();

    if (!f->slow_until_ms)
        f->slow_until_ms = now + SLOW_WAIT_MS;
    if (!wait || f->repeated)
        return false;
    if (now + wait > f->slow_until_ms)
        forward_refuse(f, FORWARD_SLOWED, "slowed",
                       "the provider limits this record's calls; renewd makes none before the time given",
                       (wait + 999) / 1000);
    else
        f->timer = loop_after(f->engine->loop, wait, forward_begin, f);
    return true;
}

static void forward_begin(void *ctx)
{
    struct forward *f = ctx;

    f->timer = NULL;
    if (!forward_held_back(f, rate_limits_wait_ms(f->job, f->key)))
        forward_ask_token(f, false);
}

static void give_place_back(struct forward *f)
{
    f->engine->forwards->sending -= f->sending;
    f->sending = false;
}

static void forward_replied(void *ctx, const struct http_reply *reply)
{
    struct forward *f = ctx;
    struct answer_says says = {0};

    f->transfer = NULL;
    give_place_back(f);
    pump_soon(f->engine);
    if (reply->failure != HTTP_OK_REPLY) {
        no_answer(f, reply);
        return;
    }
    rate_limits_take(f->job, f->key, reply, &says);
    if (says.token_refused && !f->repeated && !rate_limits_refused_lately(f->job, f->key)) {
        f->repeated = true;
        forward_ask_token(f, true);
        return;
    }
    if (says.token_refused && f->repeated)
        rate_limits_refused_again(f->job, f->key);
    pass_on(f, reply);
}

static bool is_safe(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "OPTIONS") == 0;
}

static void send_call(struct forward *f)
{
    const struct job_config *c = f->job->config;
    struct forward_request r;
    struct error e = {"the call is too large with its token"};

    int res = forward_request_of(f->job, &f->parts, secret_text(f->token), &r);
    if (res >= 0) {
        r.http.deadline_boot_ms = clock_boot_ms() + c->timeout_ms;
        r.http.resend_allowed = is_safe(f->parts.method);
        r.http.idle_limit_ms = r.http.resend_allowed ? 0 : UNSAFE_IDLE_MS;
        r.http.ca_file = c->ca_file;
        r.http.allow_insecure = c->allow_insecure;
        res = http_client_send(f->engine->http, &r.http, forward_replied, f, &f->transfer, &e);
    }
    forward_request_done(&r);
    if (res == -EAGAIN)
        forward_refuse(f, FORWARD_BUSY, "busy", e.text, 1);
    else if (res < 0)
        forward_refuse(f, FORWARD_BAD, "bad_call", e.text, 0);
}

static struct forward *next_of(const struct forwards *all)
{
    struct forward *f = all->first;
    while (f && !f->queued)
        f = f->next;
    return f;
}

static void forward_pump(void *ctx)
{
    struct engine *e = ctx;
    struct forwards *all = e->forwards;
    struct forward *f;

    all->pump_timer = NULL;
    while (all->sending < AT_ONCE && (f = next_of(all))) {
        f->queued = false;
        if (forward_held_back(f,
                              rate_limits_limited_ms(f->job, f->key))) /* a call that waits its turn is not late */
            continue;
        f->sending = true;
        all->sending++;
        send_call(f);
    }
}

/* Runs from a timer, so no caller further up the stack still uses the call. */
static void pump_soon(struct engine *e)
{
    if (!e->forwards->pump_timer && next_of(e->forwards))
        e->forwards->pump_timer = loop_after(e->loop, 0, forward_pump, e);
}

static void take_turn(struct forward *f)
{
    f->queued = true;
    pump_soon(f->engine);
}

/* ---- requests ---- */

static void forward_add(struct engine *e, struct forward *f)
{
    struct forward **last = &e->forwards->first;
    while (*last)
        last = &(*last)->next;
    *last = f;
    e->forwards->bytes += f->parts.body.len;
    e->busy++;
}

void engine_forward(struct engine *e, struct job *j, const char *key, const struct forward_call *c,
                    forward_done done, void *ctx)
{
    struct forward_answer refusal = {.status = FORWARD_BUSY, .retry_after = 1};
    struct forward_parts parts;

    if (e->stopping || e->forwards->bytes + c->body_len > BODIES_MAX) {
        refusal.code = e->stopping ? "stopping" : "busy";
        refusal.why = e->stopping ? "renewd is stopping" : "too many calls are being forwarded; try again later";
        done(ctx, &refusal);
        return;
    }
    if (forward_parts_of(j, c, &parts, &refusal)) {
        done(ctx, &refusal);
        return;
    }
    struct forward *f = xcalloc(1, sizeof *f);
    *f = (struct forward){.engine = e, .job = j, .key = xstrdup(key), .parts = parts, .done = done, .ctx = ctx};
    forward_add(e, f);
    forward_begin(f);
}

void forwards_stop(struct engine *e)
{
    for (struct forward *f = e->forwards->first, *next; f; f = next) {
        next = f->next;
        if (!f->transfer && !f->asking)
            forward_refuse(f, FORWARD_BUSY, "stopping", "renewd is stopping", 1);
    }
}

void forwards_free(struct engine *e)
{
    while (e->forwards->first)
        forward_refuse(e->forwards->first, FORWARD_BUSY, "stopping", "renewd is stopping", 1);
    loop_cancel(&e->forwards->pump_timer);
    free(e->forwards);
}
