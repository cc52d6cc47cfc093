/* SPDX-License-Identifier: MIT
 * What the engine's state says: whether it may work, which jobs it has, whether all of them are ready.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/engine/state/state.h"

enum { CHECK_MS = 20 };

void engine_blocked(struct engine *e, const char *what, const char *job, const char *why)
{
    if (!e->blocked)
        log_line(LEVEL_WARNING, what, "job", job, "reason", why, NULL);
    e->blocked = true;
}

void engine_enter(struct engine *e, enum engine_phase phase)
{
    static const char *const names[] = {"away", "read only", "checking", "draining", "working"};
    if (e->phase == phase)
        return;
    log_line(LEVEL_DEBUG, "the engine enters another phase", "phase", names[phase], "before", names[e->phase],
             NULL);
    e->phase = phase;
}

bool engine_may_work(const struct engine *e)
{
    return e->phase == ENGINE_WORKING && !e->stopping;
}

static bool engine_jobs_ready(const struct engine *e)
{
    for (size_t i = 0; i < e->job_count; i++)
        if (!e->jobs[i]->held && (!e->jobs[i]->discovered || e->jobs[i]->breaker.asking))
            return false;
    return true;
}

void engine_tell_jobs_ready(struct engine *e)
{
    while (e->ready_waiters) {
        struct jobs_ready_waiter *w = e->ready_waiters;
        e->ready_waiters = w->next;
        w->done(w->ctx);
        free(w);
    }
}

void engine_when_jobs_ready(struct engine *e, void (*done)(void *ctx), void *ctx)
{
    if (e->stopping || e->phase < ENGINE_CHECKING || (engine_may_work(e) && engine_jobs_ready(e))) {
        done(ctx);
        return;
    }
    struct jobs_ready_waiter *w = xcalloc(1, sizeof *w);
    *w = (struct jobs_ready_waiter){done, ctx, e->ready_waiters};
    e->ready_waiters = w;
}

void engine_check_ready(struct engine *e)
{
    if (e->phase != ENGINE_WORKING || !engine_jobs_ready(e))
        return;
    engine_tell_jobs_ready(e);
    if (e->ready_told)
        return;
    e->ready_told = true;
    e->setup.ready(e->setup.ctx);
}

/* The reader connects a little later than the store when the database is new. */
void engine_read(struct engine *e, store_work work, void *arg, store_done done)
{
    store_submit(e->reader && e->reader_up ? e->reader : e->store, work, arg, done);
}

struct job *engine_job_by_name(const struct engine *e, const char *name)
{
    for (size_t i = 0; i < e->job_count; i++)
        if (strcmp(e->jobs[i]->config->job, name) == 0)
            return e->jobs[i];
    return NULL;
}

/* Called after everything that may have been the last work. The check runs from a timer, so no caller further up
 * the stack still uses the engine. */
void engine_check_stopped(struct engine *e)
{
    if (e->stopping == STOP_ASKED || e->retired)
        if (!e->check_timer)
            e->check_timer = loop_after(e->loop, CHECK_MS, e->on->check_stopped, e);
}

const char *engine_account(const struct engine *e, const struct job *j, const char *key)
{
    return j && key ? e->on->account(e, j, key) : NULL;
}

/* ---- work for the store ---- */

struct async_task {
    struct engine *engine;
    store_work work;
    store_done done;
    void *arg;
};

static int async_work(struct db *db, void *arg, struct error *e)
{
    struct async_task *t = arg;
    return t->work(db, t->arg, e);
}

static void async_done(void *arg, int result, const struct error *err)
{
    struct async_task t = *(struct async_task *)arg;
    free(arg);
    t.engine->busy--;
    t.done(t.arg, result, err);
    engine_check_stopped(t.engine);
}

static struct async_task *async_begin(struct engine *e, store_work work, void *arg, store_done done)
{
    struct async_task *t = xcalloc(1, sizeof *t);
    *t = (struct async_task){e, work, done, arg};
    e->busy++;
    return t;
}

void engine_async(struct engine *e, store_work work, void *arg, store_done done)
{
    store_submit(e->store, async_work, async_begin(e, work, arg, done), async_done);
}

void engine_async_read(struct engine *e, store_work work, void *arg, store_done done)
{
    engine_read(e, async_work, async_begin(e, work, arg, done), async_done);
}
