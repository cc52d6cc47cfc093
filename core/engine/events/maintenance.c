/* SPDX-License-Identifier: MIT
 * Gives up events that are too old to be sent. Removes sent events after 30 days, and those that were refused
 * (state aside), dropped or given up after 90 days.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/events/internal.h"

enum {
    MINUTE_MS = 60000,
    AGAIN_MS = 1000,
    AT_ONCE = 1000,
    SWEEP_EVERY = 60, /* an hour */
    SENT_S = 30 * 86400,
    FAILED_S = 90 * 86400,
};

struct tidy_task {
    struct job_events *of;
    bool sweep;
    int64_t expired, removed;
};

static void tidy(void *ctx);

void events_say_expired(const struct job *j, int64_t count)
{
    char text[24];
    if (count <= 0)
        return;
    snprintf(text, sizeof text, "%" PRId64, count);
    log_line(LEVEL_ERROR, "events were dropped: they became too old before they could be sent", "job",
             j->config->job, "events", text, NULL);
}

static int sweep(struct db *db, struct tidy_task *t, struct error *e)
{
    static const struct {
        int state;
        int64_t kept_s;
    } lives[] = {{EVENT_SENT, SENT_S},
                 {EVENT_ASIDE, FAILED_S},
                 {EVENT_EXPIRED, FAILED_S},
                 {EVENT_DROPPED, FAILED_S}};
    int res = 0;
    for (size_t i = 0; i < sizeof lives / sizeof lives[0] && res >= 0; i++) {
        int64_t removed = 0;
        res = store_events_sweep(db, lives[i].state, clock_real() - lives[i].kept_s, AT_ONCE, &removed, e);
        t->removed += removed;
    }
    return res;
}

static int tidy_work(struct db *db, void *arg, struct error *e)
{
    struct tidy_task *t = arg;
    int res = store_events_expire(db, t->of->job->config->job, clock_now(), AT_ONCE, &t->expired, e);
    return res < 0 || !t->sweep ? res : sweep(db, t, e);
}

static void tidy_done(void *arg, int result, const struct error *err)
{
    struct tidy_task *t = arg;
    struct job_events *je = t->of;
    struct engine *e = je->job->engine;
    bool more = result >= 0 && (t->expired >= AT_ONCE || t->removed >= AT_ONCE);
    if (result < 0 && !store_is_away(result))
        log_line(LEVEL_WARNING,
                 "the events that are too old could not be read from the database; renewd tries again", "job",
                 je->job->config->job, "reason", err->text, NULL);
    events_say_expired(je->job, t->expired);
    if (!e->stopping && !je->job->removed) {
        loop_cancel(&je->tidy_timer);
        je->tidied -= more && t->sweep; /* the sweep goes on */
        je->tidy_timer = loop_after(e->loop, more ? AGAIN_MS : MINUTE_MS, tidy, je);
    }
    free(t);
}

static void tidy(void *ctx)
{
    struct job_events *je = ctx;
    struct engine *e = je->job->engine;
    je->tidy_timer = NULL;
    if (!engine_may_work(e)) {
        if (!e->stopping)
            je->tidy_timer = loop_after(e->loop, MINUTE_MS, tidy, je);
        return;
    }
    struct tidy_task *t = xcalloc(1, sizeof *t);
    t->of = je;
    t->sweep = je->tidied++ % SWEEP_EVERY == 0;
    engine_async(e, tidy_work, t, tidy_done);
}

void tidy_start(struct job_events *je)
{
    if (!je->tidy_timer && !je->tidied)
        tidy(je);
}
