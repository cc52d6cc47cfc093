/* SPDX-License-Identifier: MIT
 * What follows from a failure unless the plugin decides otherwise: when the record is tried again.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/domain/backoff.h"
#include "core/domain/outcome.h"
#include "core/domain/silence.h"
#include "core/engine/internal.h"

enum {
    RETRY_BASE_S = 30,
    RETRY_CAP_S = 3600,
    RATE_BASE_S = 60,
    MISCONFIGURED_AGAIN_S = 86400,
    GRACE_REPEATS = 3,        /* at once; with the backoff that follows no more than that in a minute */
    GRACE_BASE_S = 120,
    PRESENTED_MAX = 2,        /* of a single_use credential whose answers do not come */
};

static uint64_t seed(const struct attempt *a)
{
    return strtoull(a->claim.attempt_id + 16, NULL, 16);
}

/* When a credential of which nobody knows whether it is spent is presented again (rule 11). */
int64_t verdict_after_silence(const struct job *j, const struct silence *s)
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

static int64_t after_silence(const struct attempt *a)
{
    const struct record *r = &a->claim.record;
    struct silence s = {.expires_at = r->expires_at,
                        .failures = r->attempts + 1,
                        .presented = a->claim.unanswered + 1,
                        .lease_left_s = (a->lease_boot_ms - clock_boot_ms()) / 1000,
                        .jitter = seed(a)};
    return verdict_after_silence(a->job, &s);
}

/* A plugin may put an unanswered presentation off, never bring it forward. */
void verdict_bound(const struct attempt *a, struct decision *d)
{
    if (d->outcome != OUTCOME_AMBIGUOUS || a->job->safe)
        return;
    int64_t soonest = after_silence(a);
    if (d->next_at < soonest)
        d->next_at = soonest;
}

void verdict_default(const struct attempt *a, const struct failure *f, struct decision *ret)
{
    int64_t now = clock_now();
    int failures = a->claim.record.attempts + 1;
    *ret = (struct decision){.outcome = f->outcome};
    switch (f->outcome) {
    case OUTCOME_RATE_LIMITED:
        ret->next_at = now + (f->retry_after ? f->retry_after
                                             : backoff_next(failures, seed(a), RATE_BASE_S, RETRY_CAP_S));
        break;
    case OUTCOME_RECONNECT:
        ret->notify = true;
        break;
    case OUTCOME_MISCONFIGURED:
        ret->next_at = now + MISCONFIGURED_AGAIN_S;
        break;
    case OUTCOME_AMBIGUOUS:
        ret->next_at = after_silence(a);
        ret->notify = a->job->replay == RENEWD_REPLAY_SINGLE_USE;
        break;
    default:
        ret->outcome = OUTCOME_TRANSIENT;
        ret->next_at = now + (f->retry_after ? f->retry_after
                                             : backoff_next(failures, seed(a), RETRY_BASE_S, RETRY_CAP_S));
        break;
    }
}
