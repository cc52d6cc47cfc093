/* SPDX-License-Identifier: MIT
 * See suspect.h.
 */
#include "core/rules/suspect.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
enum {
    ASKINGS_LEAST = 5,     /* before an unusual verdict */
    RECOVERING = HOUR / 2, /* after so long recoveries count as never stopping, until an hour without one */
    LONG = 6 * HOUR,       /* of refusals alone, where recoveries never stop */
    CANARY_FIRST = 10 * SECOND,
    ONE_IN = 10, /* requests at least one is a suspect's */
};

/* 10 s, 1, 2, 4 ... minutes, at most an hour; after it was shown, hourly for a day, then daily. A suspect that
 * is not presented again is checked at the same times. */
static int64_t wait_after(const struct suspect *s, bool unanswered, int64_t now)
{
    int64_t passed = now - s->asked_at;
    if (s->told_at)
        return now - s->told_at < DAY ? HOUR : DAY;
    if (unanswered && passed > 10 * SECOND)
        return passed < HOUR ? passed : HOUR;
    if (s->refusals <= 1)
        return 10 * SECOND;
    return s->refusals >= 8 ? HOUR : (int64_t)MINUTE << (s->refusals - 2);
}

static bool witnessed(const struct suspect_job *job, int64_t since)
{
    return job->success_at > since;
}

/* Ten new suspects within an hour are more likely an outage of the provider than ten revoked grants. */
static bool many(const struct suspect_limits *l, const struct suspect *s, const struct suspect_others *o)
{
    return o->began(o->ctx, s->began_at - HOUR, s->began_at) + 1 >= l->records ||
           o->began(o->ctx, s->began_at, s->began_at + HOUR) + 1 >= l->records;
}

static bool recoveries_never_stop(const struct suspect_job *job, int64_t now)
{
    return now - job->recovery_at < HOUR && job->recovery_at - job->recovering_from >= RECOVERING;
}

/* The provider's refusals are unreliable. They must last long, and be twice as many as any recovered credential
 * had. */
static bool refused_for_long(const struct suspect_job *job, const struct suspect *s, int64_t now)
{
    return now - s->began_at >= LONG && s->refusals >= ASKINGS_LEAST && s->refusals >= 2 * job->streak &&
           witnessed(job, s->began_at);
}

/* True when no other credential is left that could be a witness. */
static bool refused_alone(const struct suspect_limits *l, const struct suspect_job *job, const struct suspect *s,
                          const struct suspect_refusal *r, const struct suspect_others *o, int64_t now)
{
    int64_t passed = now - s->began_at;
    if (!job->success_at || (s->refusals < ASKINGS_LEAST && !r->unanswered) ||
        passed < (l->alone_ms < DAY ? l->alone_ms : DAY) || o->fine_left(o->ctx))
        return false;
    int64_t suspects = o->count(o->ctx) + 1;
    return suspects == 1 ? passed >= l->alone_ms : suspects < l->records && passed >= DAY;
}

static int verdict_of(const struct suspect_limits *l, const struct suspect_job *job, struct suspect *s,
                      const struct suspect_refusal *r, const struct suspect_others *o, int64_t now)
{
    if (!r->dead_grant) {
        int64_t from = s->struck_at ? s->struck_at : s->began_at;
        if (now - from < DAY || !witnessed(job, from))
            return SUSPECT_WITHHELD;
        s->struck_at = now;
        return SUSPECT_STRIKE;
    }
    if (l->off || (job->believed_at && job->believed_at >= s->began_at))
        return SUSPECT_FINAL;
    if (witnessed(job, s->since) && r->unanswered)
        return SUSPECT_FINAL;
    if (witnessed(job, s->since) && !recoveries_never_stop(job, now) && s->refusals >= 2 &&
        now - s->since >= l->again_ms && (now - s->since >= l->apart_ms || !many(l, s, o)))
        return SUSPECT_FINAL;
    if (refused_for_long(job, s, now))
        return SUSPECT_FINAL;
    return s->told_at || refused_alone(l, job, s, r, o, now) ? SUSPECT_NOT_FINAL : SUSPECT_WITHHELD;
}

/* True when the job must be held: credentials that were fine are refused in the same way, and no refresh
 * succeeded since, nor within `within`. */
static void look_at_work(const struct suspect_limits *l, struct suspect_job *job, const struct suspect_others *o,
                         int64_t now, struct suspect_ruling *ret)
{
    if (l->off || job->held_at || !job->turned || now - job->success_at < l->within_ms)
        return;
    if (job->turned < l->records && (!job->success_at || o->fine_left(o->ctx)))
        return;
    ret->held = true;
    ret->alarm = !job->alarmed_at || !job->ended_at || now - job->ended_at >= HOUR;
    if (ret->alarm)
        job->alarmed_at = now;
    job->held_at = now;
    job->canaries = 0;
    job->canary_at = now + CANARY_FIRST;
}

void suspect_judge(const struct suspect_limits *l, struct suspect_job *job, struct suspect *s,
                   const struct suspect_refusal *r, const struct suspect_others *o, int64_t now,
                   struct suspect_ruling *ret)
{
    *ret = (struct suspect_ruling){.verdict = verdict_of(l, job, s, r, o, now)};
    look_at_work(l, job, o, now, ret);
    ret->wants_witness = ret->verdict != SUSPECT_FINAL && r->dead_grant && !witnessed(job, s->since) &&
                         (s->refusals >= 2 || r->unanswered);
    if (ret->verdict == SUSPECT_FINAL) {
        *s = (struct suspect){0};
        return;
    }
    if (ret->verdict == SUSPECT_NOT_FINAL && !s->told_at)
        s->told_at = now;
    ret->at_once = l->again_ms == 0 && s->refusals == 1 && !r->unanswered;
    s->next_at = ret->next_at = ret->at_once ? now : now + wait_after(s, r->unanswered, now);
}

void suspect_refused(const struct suspect_limits *l, struct suspect_job *job, struct suspect *s,
                     const struct suspect_refusal *r, const struct suspect_others *o, int64_t now,
                     struct suspect_ruling *ret)
{
    if (!s->began_at) {
        *s = (struct suspect){.began_at = now, .since = now};
        job->turned += r->was_fine || !job->success_at;
    } else if (s->since <= job->recovery_at) {
        s->since = now;
    }
    s->refusals++;
    s->asked_at = now;
    suspect_judge(l, job, s, r, o, now, ret);
}

static bool end_hold(struct suspect_job *job, int64_t now)
{
    bool held = job->held_at != 0;
    job->turned = 0;
    job->held_at = 0;
    if (held)
        job->ended_at = now;
    return held;
}

bool suspect_succeeded(struct suspect_job *job, struct suspect *s, int64_t now)
{
    if (s->began_at) {
        if (now - job->recovery_at >= HOUR) {
            job->recovering_from = now;
            job->streak = 0;
        }
        if (job->streak < s->refusals)
            job->streak = s->refusals;
        job->recovery_at = now;
    }
    *s = (struct suspect){0};
    if (job->success_at < now)
        job->success_at = now;
    return end_hold(job, now);
}

bool suspect_resumed(struct suspect_job *job, bool believe, int64_t now)
{
    if (believe)
        job->believed_at = now;
    return end_hold(job, now) || believe;
}

bool suspect_canary(struct suspect_job *job, int64_t now)
{
    if (!job->held_at || now < job->canary_at)
        return false;
    int64_t wait = CANARY_FIRST;
    job->canaries++;
    for (int64_t i = 0; i < job->canaries && wait < HOUR; i++)
        wait += wait / 10;
    job->canary_at = now + (wait < HOUR ? wait : HOUR);
    return true;
}

bool suspect_alarm_again(struct suspect_job *job, int64_t repeat_ms, int64_t now)
{
    if (!job->held_at || now - job->alarmed_at < repeat_ms)
        return false;
    job->alarmed_at = now;
    return true;
}

size_t suspect_share(size_t room, size_t others)
{
    size_t share = (others + room) / ONE_IN;
    return share < room ? share : room;
}
