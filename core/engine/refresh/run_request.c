/* SPDX-License-Identifier: MIT
 * Requested runs that act as at a tick; and the progress of runs, and of the rounds before them.
 */
#include "core/engine/discover/discover.h"
#include "core/engine/refresh/refresh.h"

void engine_run(struct engine *e, struct job *j, const char *trigger, bool now, run_done done, void *ctx)
{
    (void)e;
    if (now)
        run_start_now(j, trigger, done, ctx);
    else
        run_start(j, job_run_mode(j), trigger, NULL, 0, done, ctx);
}

void engine_look(struct job *j, bool all, look_done *done, void *ctx)
{
    if (all)
        look_all(j, done, ctx);
    else
        look_first(j, done, ctx);
}

bool engine_run_so_far(const struct job *j, const void *ctx, struct run_result *ret)
{
    for (const struct run *r = j->runs; r; r = r->next)
        for (const struct run_waiter *w = r->waiters; w; w = w->next)
            if (w->ctx == ctx && r->row.id) {
                *ret = (struct run_result){.id = r->row.id,
                                           .due = r->row.due,
                                           .refreshed = r->row.refreshed,
                                           .failed = r->row.failed};
                return true;
            }
    return false;
}

int64_t engine_steps(const struct engine *e)
{
    int64_t steps = e->stored;
    for (size_t i = 0; i < e->job_count; i++)
        steps += e->jobs[i]->discovery.steps;
    return steps;
}

int64_t job_unreadable(const struct job *j)
{
    return j->discovery.unreadable;
}
