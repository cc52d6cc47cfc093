/* SPDX-License-Identifier: MIT
 * What people ask for in SQL: a run (its row is there already), a pause, a resume. Looked for every five
 * seconds; the daemon alone does it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/internal.h"
#include "core/store/requests.h"

enum { POLL_MS = 5000 };

struct poll_task {
    struct engine *engine;
    struct sql_request *requests;
    size_t request_count;
    struct job_row *jobs;
    size_t job_count;
};

static int poll_work(struct db *db, void *arg, struct error *e)
{
    struct poll_task *t = arg;
    int res = store_paused_jobs(db, &t->jobs, &t->job_count, e);
    if (res >= 0)
        res = store_requests_take(db, clock_real(), &t->requests, &t->request_count, e);
    return res;
}

static void poll_done(void *arg, int result, const struct error *err)
{
    (void)result;
    (void)err;
    struct poll_task *t = arg;
    struct engine *e = t->engine;
    e->busy--;
    for (size_t i = 0; i < t->job_count; i++) {
        struct job *j = engine_job_by_name(e, t->jobs[i].job);
        if (j)
            job_set_paused(j, t->jobs[i].paused);
    }
    for (size_t i = 0; i < t->request_count; i++) {
        struct job *j = engine_job_by_name(e, t->requests[i].job);
        if (j)
            run_requested(j, t->requests[i].run_id);
        else
            log_line(LEVEL_WARNING, "a run was asked for in SQL of a job that is not here", "job",
                     t->requests[i].job, NULL);
    }
    job_rows_free(t->jobs, t->job_count);
    sql_requests_free(t->requests, t->request_count);
    free(t);
    engine_check_stopped(e);
}

static void poll(void *ctx)
{
    struct engine *e = ctx;
    e->requests_timer = loop_after(e->loop, POLL_MS, poll, e);
    if (!engine_may_work(e))
        return;
    struct poll_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    e->busy++;
    store_submit(e->store, poll_work, t, poll_done);
}

void requests_start(struct engine *e)
{
    if (!e->requests_timer)
        e->requests_timer = loop_after(e->loop, POLL_MS, poll, e);
}
