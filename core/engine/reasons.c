/* SPDX-License-Identifier: MIT
 * The reasons why records are refreshed or not (core/store/reason.h), as sentences: for one record, and for many.
 */
#include "core/engine/reasons.h"
#include "core/engine/refresh/refresh.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/rules/outcome.h"
#include "core/rules/replay.h"
#include "core/time/timestamp.h"

static const char *at_text(int64_t at, char ret[TIMESTAMP_SIZE])
{
    if (timestamp_rfc3339(at, ret, TIMESTAMP_SIZE) < 0)
        snprintf(ret, TIMESTAMP_SIZE, "an unknown time");
    return ret;
}

/* When a due record is taken: nothing of its own keeps it back. */
static void due_text(const struct job *j, char *ret, size_t size)
{
    char at[TIMESTAMP_SIZE];
    int error;
    const char *why = job_why_not(j, &error);
    if (why)
        snprintf(ret, size, "due, but the job may not work now: %s", why);
    else if (j->config->automatic)
        snprintf(ret, size, "due: the next run takes it, as soon as limit, pace and in_flight of the job allow");
    else if (schedule_next(j, clock_now()))
        snprintf(ret, size, "due: the next run takes it, at %s; renewctl run %s takes it now",
                 at_text(schedule_next(j, clock_now()), at), j->config->job);
    else
        snprintf(ret, size, "due: the next run takes it");
}

static const char *why_unknown(const struct record *r)
{
    return r->last_code && !strcmp(r->last_code, "plugin") ? "its plugin broke a rule when it read the answer"
                                                           : "no usable answer came";
}

/* Nothing about its job keeps it back. */
static void own_text(const struct job *j, const struct record *r, enum reason reason, int64_t lease_until,
                     char *ret, size_t size)
{
    static const char *const fixed[REASONS_MAX] = {
        [REASON_PENDING] =
            "its new token is parked: the database refused the row; the write is tried again every minute",
        [REASON_SPENT] =
            "its row holds a credential that was replaced already and is never presented again; the newest one "
            "is written back when the row is read next, if renewd still has it",
        [REASON_DEAD] =
            "the provider refused its credential for good; it is not presented again by itself; a changed "
            "row or renewctl refresh clears that",
    };
    char at[TIMESTAMP_SIZE];
    if (fixed[reason]) {
        snprintf(ret, size, "%s", fixed[reason]);
        return;
    }
    switch (reason) {
    case REASON_UNREADABLE:
        snprintf(ret, size, "its row cannot be read: %s", r->last_text ? r->last_text : "see its last error");
        break;
    case REASON_NEVER:
        snprintf(ret, size, "nothing to do: plugin %s says that it does not expire",
                 plugin_name(j->config->plugin));
        break;
    case REASON_LEASED_HERE:
        snprintf(ret, size, "leased here until %s: an attempt is under way", at_text(lease_until, at));
        break;
    case REASON_LEASED_ELSEWHERE:
        snprintf(ret, size,
                 "leased elsewhere until %s: another host or process presents its credential, or has not recorded "
                 "the result yet; if that host does not come back: renewctl forget-host",
                 at_text(lease_until, at));
        break;
    case REASON_NO_ANSWER:
        if (r->not_before == SILENCE_FOR_EVER)
            snprintf(
                ret, size,
                "its credential was presented twice and no usable answer came; it is not presented again by itself: "
                "run renewctl refresh for this record, or have the account connected again");
        else
            snprintf(ret, size, "%s, and its credential may be spent; it is presented again at %s", why_unknown(r),
                     at_text(r->not_before, at));
        break;
    case REASON_SUSPECT:
        snprintf(ret, size,
                 "the provider refused it, which is not treated as final yet (withheld); it is tried again at %s%s",
                 at_text(r->not_before, at),
                 record_shown(r, clock_now()) == STATE_EXPIRED ? "; its access token has expired meanwhile" : "");
        break;
    case REASON_BACKOFF:
        if (r->not_before == SILENCE_FOR_EVER || r->state == STATE_AMBIGUOUS)
            own_text(j, r, REASON_NO_ANSWER, lease_until, ret, size);
        else
            snprintf(ret, size, "it failed and is tried again at %s", at_text(r->not_before, at));
        break;
    case REASON_EARLY:
        snprintf(ret, size, "not before %s: plugin %s wants no refresh earlier", at_text(r->window.earliest, at),
                 plugin_name(j->config->plugin));
        break;
    case REASON_LATER:
        snprintf(ret, size, "not due: its time is %s", at_text(r->point, at));
        break;
    default:
        due_text(j, ret, size);
        break;
    }
}

void reason_of_one(const struct job *j, const struct record *r, enum reason reason, int64_t lease_until, char *ret,
                   size_t size)
{
    if (reason == REASON_DISCONNECTED)
        snprintf(ret, size,
                 "disconnected: its row is gone, or `only` leaves it out; nothing is refreshed until its "
                 "application changes that");
    else if (reason == REASON_WITHOUT_CREDENTIAL)
        snprintf(ret, size, "without credential: the row holds none");
    else if (reason == REASON_UNREADABLE)
        own_text(j, r, reason, lease_until, ret, size);
    else if (reason == REASON_RECONNECT)
        snprintf(ret, size, "only a person can help: the account must be reconnected by its owner");
    else if (j->paused)
        snprintf(ret, size, "paused, with its job: renewctl resume %s", j->config->job);
    else if (j->held)
        snprintf(ret, size, "held, with its job: %s", j->held);
    else if (reason == REASON_HELD)
        snprintf(ret, size, "held by the breaker, with its job: %s", j->breaker.row.why);
    else
        own_text(j, r, reason, lease_until, ret, size);
}

const char *reason_of_many(enum reason reason)
{
    static const char *const texts[REASONS_MAX] = {
        [REASON_DUE] = "due: the next run takes them",
        [REASON_DISCONNECTED] = "disconnected: the row is gone, or `only` leaves it out",
        [REASON_WITHOUT_CREDENTIAL] = "without credential",
        [REASON_UNREADABLE] = "cannot be read; see their last error",
        [REASON_RECONNECT] = "wait for their owner to reconnect",
        [REASON_PENDING] = "their new token is parked; the database refused the row",
        [REASON_NEVER] = "nothing to do: they do not expire",
        [REASON_LEASED_HERE] = "an attempt is under way",
        [REASON_LEASED_ELSEWHERE] = "leased elsewhere: another host or process presents their credential",
        [REASON_SPENT] = "hold a credential that was replaced; the newest is written back where it is known",
        [REASON_DEAD] = "hold a credential that the provider refused for good",
        [REASON_NO_ANSWER] = "presented without an answer; not presented again before the last safe moment",
        [REASON_HELD] = "held by the breaker",
        [REASON_SUSPECT] = "refused, which is not treated as final yet; they are tried again",
        [REASON_BACKOFF] = "failed, and wait for their next try",
        [REASON_EARLY] = "too early: the plugin wants no refresh yet",
        [REASON_LATER] = "not due yet",
    };
    return texts[reason];
}
