/* SPDX-License-Identifier: MIT
 * Requests in SQL: a run (its row exists already), a pause, a resume. The store is polled for them every five
 * seconds, and at once after a notification (pg_notify.c). Only the daemon does this, for the jobs that it has.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/internal.h"
#include "core/engine/refresh/refresh.h"
#include "core/store/requests.h"

/* NOTIFY needs no privilege, so the rate is limited here. */
enum { POLL_MS = 5000, PAUSE_MS = 200 };

struct poll_task {
    struct engine *engine;
    char **names; /* of our jobs that can take requests */
    size_t name_count;
    struct sql_request *requests;
    size_t request_count;
    struct job_row *jobs;
    size_t job_count;
    struct held_job *held;
    size_t held_count;
    struct disabled_job *disabled; /* the texts are owned here */
    size_t disabled_count;
};

static void name_jobs(struct poll_task *t, bool that_can_run)
{
    struct engine *e = t->engine;
    t->names = xcalloc(e->job_count + 1, sizeof *t->names);
    for (size_t i = 0; i < e->job_count; i++)
        if (!that_can_run || e->jobs[i]->discovered || e->jobs[i]->held)
            t->names[t->name_count++] = xstrdup(e->jobs[i]->config->job);
}

static void name_disabled(struct poll_task *t)
{
    const struct job_config *c;
    t->disabled = xcalloc(t->engine->disabled_count + 1, sizeof *t->disabled);
    for (; (c = engine_disabled(t->engine, t->disabled_count)); t->disabled_count++)
        t->disabled[t->disabled_count] =
            (struct disabled_job){xstrdup_or_null(c->job), xstrdup_or_null(c->plugin_name),
                                  xstrdup_or_null(c->schedule_text), xstrdup_or_null(c->legacy_name),
                                  xstrdup_or_null(c->file)};
}

static void disabled_free(struct disabled_job *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((char *)list[i].job);
        free((char *)list[i].plugin);
        free((char *)list[i].schedule);
        free((char *)list[i].legacy_name);
        free((char *)list[i].file);
    }
    free(list);
}

static int poll_work(struct db *db, void *arg, struct error *e)
{
    struct poll_task *t = arg;
    int res = store_paused_jobs(db, &t->jobs, &t->job_count, e);
    if (res >= 0)
        res = store_breakers_held(db, clock_now_ms(), &t->held, &t->held_count, e);
    if (res >= 0)
        res = store_requests_take(db, t->engine->setup.state->host, (const char *const *)t->names, t->name_count,
                                  clock_real(), &t->requests, &t->request_count, e);
    return res;
}

static void sql_requests_task_free(struct poll_task *t)
{
    for (size_t i = 0; i < t->name_count; i++)
        free(t->names[i]);
    free(t->names);
    job_rows_free(t->jobs, t->job_count);
    held_jobs_free(t->held, t->held_count);
    disabled_free(t->disabled, t->disabled_count);
    sql_requests_free(t->requests, t->request_count);
    free(t);
}

/* What the breakers' rows say of a job: its own row, and those of hosts with other secrets. */
static void look_at_breaker(const struct poll_task *t, struct job *j)
{
    bool held = false, rivals = false;
    for (size_t i = 0; i < t->held_count; i++) {
        const struct held_job *h = &t->held[i];
        bool own = strcmp(h->settings, j->settings_id) == 0;
        if (strcmp(h->job, j->config->job) != 0)
            continue;
        held = held || (own && h->held);
        rivals = rivals || (!own && h->active);
    }
    breaker_seen(j, held, rivals);
}

static void poll_done(void *arg, int result, const struct error *err)
{
    (void)err;
    struct poll_task *t = arg;
    struct engine *e = t->engine;
    for (size_t i = 0; i < t->job_count; i++) {
        struct job *j = engine_job_by_name(e, t->jobs[i].job);
        if (j)
            job_set_paused(j, t->jobs[i].paused);
        if (j)
            job_fault_look(j, &t->jobs[i]);
    }
    for (size_t i = 0; result >= 0 && i < e->job_count; i++)
        look_at_breaker(t, e->jobs[i]);
    for (size_t i = 0; i < t->request_count; i++) {
        struct job *j = engine_job_by_name(e, t->requests[i].job);
        if (j)
            run_requested(j, t->requests[i].run_id);
        else
            log_line(LEVEL_WARNING,
                     "SQL requested a run of a job that was just removed from conf.d; it does not run", "job",
                     t->requests[i].job, NULL);
    }
    sql_requests_task_free(t);
}

static void poll(void *ctx)
{
    struct engine *e = ctx;
    e->requests_timer = loop_after(e->loop, POLL_MS, poll, e);
    e->requests_boot_ms = clock_boot_ms();
    if (!engine_may_work(e))
        return;
    struct poll_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    name_jobs(t, true); /* requests for the other jobs wait until these can run */
    engine_async(e, poll_work, t, poll_done);
}

void requests_start(struct engine *e)
{
    if (e->requests_timer)
        return;
    e->requests_timer = loop_after(e->loop, 0, poll, e);
    pg_notify_start(e);
}

void requests_look(struct engine *e)
{
    if (!e->requests_timer || e->stopping)
        return;
    loop_cancel(&e->requests_timer);
    e->requests_timer = loop_at(e->loop, e->requests_boot_ms + PAUSE_MS, poll, e);
}

static int serve_work(struct db *db, void *arg, struct error *e)
{
    struct poll_task *t = arg;
    const struct state_dir *s = t->engine->setup.state;
    return store_jobs_served(db, s->host, s->incarnation, (const char *const *)t->names, t->name_count, t->disabled,
                             t->disabled_count, e);
}

static void serve_done(void *arg, int result, const struct error *err)
{
    struct poll_task *t = arg;
    if (result < 0 && !store_is_away(result))
        log_line(LEVEL_WARNING,
                 "this host could not record in the database which jobs it serves; renewd.job in SQL may show "
                 "others as active",
                 "reason", err->text, NULL);
    sql_requests_task_free(t);
}

void requests_serve(struct engine *e)
{
    if (!e->setup.daemon || e->phase < ENGINE_DRAINING || e->stopping)
        return;
    struct poll_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    name_jobs(t, false);
    name_disabled(t);
    engine_async(e, serve_work, t, serve_done);
}
