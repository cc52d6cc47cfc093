/* SPDX-License-Identifier: MIT
 * What follows from a failure unless the plugin decides otherwise: when the record is tried again.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/domain/backoff.h"
#include "core/domain/outcome.h"
#include "core/domain/timestamp.h"
#include "core/engine/internal.h"

enum {
    RETRY_BASE_S = 30,
    RETRY_CAP_S = 3600,
    RATE_BASE_S = 60,
    MISCONFIGURED_AGAIN_S = 86400,
    LAST_MOMENT_S = 300,      /* before the access token ends */
    AFTER_LEASE_S = 600,
    GRACE_REPEATS = 3,        /* at once, then backoff */
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
    return seconds > 0 ? backoff_rate_limited(seconds) : 0; /* "at once" is no invitation to a storm */
}

static uint64_t seed(const struct attempt *a)
{
    return strtoull(a->claim.attempt_id + 16, NULL, 16);
}

/* When a credential of which nobody knows whether it is spent is presented again (rule 11). */
int64_t verdict_after_silence(const struct job *j, const struct record *r, int failures, uint64_t jitter)
{
    int64_t now = clock_now();
    if (j->replay == RENEWD_REPLAY_SAFE)
        return now + backoff_next(failures, jitter, RETRY_BASE_S, RETRY_CAP_S);
    if (j->replay == RENEWD_REPLAY_GRACE)
        return failures <= GRACE_REPEATS
                   ? now + 1
                   : now + backoff_next(failures - GRACE_REPEATS, jitter, RETRY_BASE_S, RETRY_CAP_S);
    int64_t at = r->expires_at - LAST_MOMENT_S;
    int64_t soonest = now + job_lease_s(j) + AFTER_LEASE_S;
    return at > soonest ? at : soonest;
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
        ret->next_at = verdict_after_silence(a->job, &a->claim.record, failures, seed(a));
        ret->notify = a->job->replay == RENEWD_REPLAY_SINGLE_USE;
        break;
    default:
        ret->outcome = OUTCOME_TRANSIENT;
        ret->next_at = now + (f->retry_after ? f->retry_after
                                             : backoff_next(failures, seed(a), RETRY_BASE_S, RETRY_CAP_S));
        break;
    }
}
