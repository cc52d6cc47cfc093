/* SPDX-License-Identifier: MIT
 * An operator's retry of events: what blocked their records' events is forgotten.
 */
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/engine/events/events.h"
#include "core/engine/events/internal.h"

struct retry_task {
    struct job *job;
    int64_t *ids; /* NULL: all held ones */
    size_t count;
    int64_t moved;
    action_counted_done *done;
    void *ctx;
};

static int retry_work(struct db *db, void *arg, struct error *e)
{
    struct retry_task *t = arg;
    return store_events_retry(db, t->job->config->job, t->ids, t->count, clock_now(), &t->moved, e);
}

static void event_retry_done(void *arg, int result, const struct error *e)
{
    struct retry_task *t = arg;
    if (result >= 0 && t->job->events) {
        blocked_records_forget(t->job->events);
        events_came(t->job);
    }
    t->done(t->ctx, t->moved, result, e->text);
    free(t->ids);
    free(t);
}

void engine_events_retry(struct engine *e, struct job *j, const int64_t *ids, size_t count,
                         action_counted_done *done, void *ctx)
{
    struct retry_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->ids = ids ? xmemdup(ids, count * sizeof *ids) : NULL;
    t->count = count;
    t->done = done;
    t->ctx = ctx;
    engine_async(e, retry_work, t, event_retry_done);
}
