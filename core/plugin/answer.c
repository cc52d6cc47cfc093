/* SPDX-License-Identifier: MIT
 * Decides what a reply of the provider's API says about the access token that was used: the plugin's decision, or a
 * default if it has none.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/plugin/instance_internal.h"
#include "core/rules/backoff.h"
#include "core/time/timestamp.h"

enum {
    SLOW_USUAL_S = 60,  /* a 429 that does not say how long */
    SLOW_MOST_S = 86400 /* no plugin silences a record for longer */
};

int64_t retry_after_seconds(const struct http_reply *reply)
{
    const char *text = reply ? http_reply_header(reply, "Retry-After") : NULL;
    if (!text || !*text)
        return 0;
    int64_t seconds, at;
    if (strspn(text, "0123456789") == strlen(text))
        seconds = strlen(text) < 10 ? strtoll(text, NULL, 10) : INT64_MAX;
    else if (httpdate_parse(text, clock_now(), &at) >= 0)
        seconds = at - clock_now();
    else
        return 0;
    return seconds > 0 ? backoff_rate_limited(seconds) : 0; /* a wait of 0 must not cause a storm of requests */
}

static struct answer_says answer_usual(const struct http_reply *reply, int64_t retry_after)
{
    struct answer_says says = {.token_refused = reply->status == 401};

    if (reply->status == 429)
        says.slow_for = retry_after ? retry_after : SLOW_USUAL_S;
    return says;
}

static void take_word(const struct renewd_on_answer_out *out, struct answer_says *ret)
{
    ret->token_refused = out->token_refused != 0;
    ret->slow_for = out->slow_for < 0 ? 0 : out->slow_for > SLOW_MOST_S ? SLOW_MOST_S : out->slow_for;
}

static void answer_ask(struct instance *i, const struct record_view *r, const struct http_reply *reply, int64_t now,
                       struct answer_says *io)
{
    const struct renewd_plugin *d = &i->host.plugin->descriptor;
    struct view *view = view_new(i->host.plugin, r);
    struct reply_view reply_view;
    struct renewd_call c;

    call_begin(&c, &i->host, "on_answer");
    c.reply = reply;
    c.view = view;
    c.hidden = r->hidden;
    struct renewd_on_answer_in in = {.size = sizeof(in),
                                     .call = &c,
                                     .records = view_records(view),
                                     .reply = reply_view_init(&reply_view, reply),
                                     .retry_after = retry_after_seconds(reply),
                                     .now = now};
    struct renewd_on_answer_out out = {.size = sizeof(out),
                                       .token_refused = io->token_refused,
                                       .slow_for = io->slow_for};
    int32_t result = d->on_answer(i->state, &in, &out);
    call_returned(&c);
    if (result == 0 && !c.broken[0])
        take_word(&out, io);
    else
        log_line(LEVEL_WARNING, "a plugin's on_answer failed; renewd judges the answer by itself", "plugin",
                 c.host->plugin->name, "job", c.host->job, "record", view_key(c.view), "account",
                 view_account(c.view), "why", call_why(&c), NULL);
    call_done(&c);
    reply_view_done(&reply_view);
    view_free(view);
}

void instance_answer(struct instance *i, const struct record_view *r, const struct http_reply *reply, int64_t now,
                     struct answer_says *ret)
{
    *ret = (struct answer_says){0};
    if (reply->failure != HTTP_OK_REPLY)
        return;
    *ret = answer_usual(reply, retry_after_seconds(reply));
    if (i->host.plugin->descriptor.on_answer)
        answer_ask(i, r, reply, now, ret);
}
