/* SPDX-License-Identifier: MIT
 * What follows from a failure unless the plugin decides otherwise: when the record is tried again.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/engine/state/state.h"
#include "core/engine/refresh/refresh.h"
#include "core/rules/backoff.h"
#include "core/rules/outcome.h"
#include "core/rules/replay.h"

enum {
    RETRY_BASE_S = 30,
    RETRY_CAP_S = 3600,
    RATE_BASE_S = 60,
    MISCONFIGURED_AGAIN_S = 86400,
    GRACE_REPEATS = 3, /* at once; with the backoff that follows at most that many in a minute */
    GRACE_BASE_S = 120,
    PRESENTED_MAX = 2, /* of a single_use credential without an answer */
};

static uint64_t seed(const struct attempt *a)
{
    return strtoull(a->claim.attempt_id + 16, NULL, 16);
}

/* An answer that does not come from the provider but from a gateway before it: a proxy, a load balancer, a CDN. The
 * provider may have processed the request. A 503 is a gateway's when it neither says when to come again nor is
 * JSON. */
static bool from_gateway(const struct http_reply *reply)
{
    switch (reply->status) {
    case 502:
    case 504:
    case 520: /* Cloudflare: there was no valid answer */
    case 524: /* the answer did not come in time */
        return true;
    case 503:
        return !http_reply_header(reply, "Retry-After") &&
               !(reply->body_len && reply->body[strspn(reply->body, " \t\r\n")] == '{');
    default:
        return false;
    }
}

/* After a gateway's answer a single-use credential may be spent, as after no answer (rule 11). At its last safe
 * moment the same answer ends nothing: a repeat can lose nothing more by then, and the grant may still be valid. */
void failure_policy_read(const struct attempt *a, const struct http_reply *reply, struct failure *f)
{
    const struct job *j = a->job;
    if (!reply || j->safe || !from_gateway(reply) ||
        (f->outcome != OUTCOME_TRANSIENT && f->outcome != OUTCOME_AMBIGUOUS))
        return;
    bool last = j->replay == RENEWD_REPLAY_SINGLE_USE && a->claim.unanswered > 0;
    f->outcome = last ? OUTCOME_TRANSIENT : OUTCOME_AMBIGUOUS;
    if (!f->code)
        f->code = "gateway";
    f->text =
        last
            ? "a gateway answered again instead of the provider; the refresh is tried until the provider itself answers"
            : "a gateway answered instead of the provider; the provider may have processed the request";
}

/* When a credential is presented again if it is unknown whether it is spent (rule 11). */
int64_t failure_policy_after_no_answer(const struct job *j, const struct no_answer *s)
{
    int64_t now = clock_now();
    if (j->replay == RENEWD_REPLAY_SAFE)
        return now + backoff_next(s->failures, s->jitter, RETRY_BASE_S, RETRY_CAP_S);
    if (j->replay == RENEWD_REPLAY_GRACE)
        return s->presented <= GRACE_REPEATS
                   ? now + 1
                   : now + backoff_next(s->presented - GRACE_REPEATS, s->jitter, GRACE_BASE_S, RETRY_CAP_S);
    if (defence_off(DEFENCE_SILENCE))
        return now + 1;
    if (s->presented >= PRESENTED_MAX && !defence_off(DEFENCE_ONCE))
        return SILENCE_FOR_EVER;
    int64_t at = silence_last_moment(s->expires_at, now + s->lease_left_s);
    return at > now ? at : now;
}

/* If a process slept past its lease, its request was under way until it woke: the time counts from then on. */
int64_t failure_policy_after_silence(const struct attempt *a, int64_t expires_at)
{
    const struct record *r = &a->claim.record;
    int64_t left_s = (a->lease_boot_ms - clock_boot_ms()) / 1000;
    struct no_answer s = {.expires_at = expires_at,
                          .failures = r->attempts + 1,
                          .presented = a->claim.unanswered + 1,
                          .lease_left_s = left_s > 0 ? left_s : 0,
                          .jitter = seed(a)};
    return failure_policy_after_no_answer(a->job, &s);
}

/* A plugin may delay an unanswered presentation, never advance it. */
void failure_policy_bound(const struct attempt *a, struct decision *d)
{
    if (d->outcome != OUTCOME_AMBIGUOUS || a->job->safe)
        return;
    int64_t soonest = failure_policy_after_silence(a, a->claim.record.expires_at);
    if (d->next_at < soonest)
        d->next_at = soonest;
}

void failure_policy_default(const struct attempt *a, const struct failure *f, struct decision *ret)
{
    int64_t now = clock_now();
    int failures = a->claim.record.attempts + 1;
    *ret = (struct decision){.outcome = f->outcome};
    switch (f->outcome) {
    case OUTCOME_RATE_LIMITED:
        ret->next_at =
            now + (f->retry_after ? f->retry_after : backoff_next(failures, seed(a), RATE_BASE_S, RETRY_CAP_S));
        break;
    case OUTCOME_RECONNECT:
        ret->notify = true;
        break;
    case OUTCOME_MISCONFIGURED:
        ret->next_at = now + MISCONFIGURED_AGAIN_S;
        break;
    case OUTCOME_AMBIGUOUS:
        ret->next_at = failure_policy_after_silence(a, a->claim.record.expires_at);
        ret->notify = a->job->replay == RENEWD_REPLAY_SINGLE_USE;
        break;
    default:
        ret->outcome = OUTCOME_TRANSIENT;
        ret->next_at =
            now + (f->retry_after ? f->retry_after : backoff_next(failures, seed(a), RETRY_BASE_S, RETRY_CAP_S));
        break;
    }
}
