/* SPDX-License-Identifier: MIT
 * When a job's runs begin: at the ticks of its cron expressions, and, with "auto", when the next record's own time
 * comes. A tick missed while renewd was down is made up once.
 */
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/refresh/refresh.h"

enum { WAIT_MAX_S = 600 };

int64_t schedule_next(const struct job *j, int64_t now)
{
    int64_t best = 0, at;
    for (size_t i = 0; i < j->config->cron_count; i++)
        if (cron_next(&j->config->crons[i], j->config->zone, now, &at) >= 0 && (!best || at < best))
            best = at;
    return best;
}

int64_t schedule_prev(const struct job *j, int64_t now)
{
    int64_t best = 0, at;
    for (size_t i = 0; i < j->config->cron_count; i++)
        if (cron_prev(&j->config->crons[i], j->config->zone, now, &at) >= 0 && at > best)
            best = at;
    return best;
}

struct tick_task {
    struct job *job;
    int64_t tick, next;
};

static int tick_work(struct db *db, void *arg, struct error *e)
{
    struct tick_task *t = arg;
    return store_job_tick(db, t->job->config->job, t->tick, t->next, e);
}

static void tick_done(void *arg, int result, const struct error *e)
{
    struct tick_task *t = arg;
    if (result < 0)
        log_line(LEVEL_WARNING,
                 "the time of the last tick could not be written to the database; after a restart that tick may "
                 "run once more",
                 "job", t->job->config->job, "reason", e->text, NULL);
    free(t);
}

static void note_tick(struct job *j, int64_t tick)
{
    struct tick_task *t = malloc(sizeof *t);
    if (!t)
        abort();
    *t = (struct tick_task){j, tick, schedule_next(j, tick)};
    j->last_tick = tick;
    engine_async(j->engine, tick_work, t, tick_done);
}

static void arm_tick(struct job *j);

static void tick_now(void *ctx)
{
    struct job *j = ctx;
    j->tick_timer = NULL;
    int64_t now = clock_now();
    int64_t tick = schedule_prev(j, now);
    if (tick > j->last_tick && job_may_claim(j)) {
        note_tick(j, tick);
        limits_tick(j);
        run_start(j, CLAIM_TICK, "tick", NULL, 0, NULL, NULL);
    }
    arm_tick(j);
}

/* Long waits are split, so that a clock that was set is noticed. */
static void arm_tick(struct job *j)
{
    loop_cancel(&j->tick_timer);
    if (!j->config->cron_count || !j->engine->setup.daemon)
        return;
    int64_t now_ms = clock_now_ms();
    j->next_tick = schedule_next(j, now_ms / 1000);
    if (!j->next_tick)
        return;
    int64_t wait = j->next_tick * 1000 - now_ms;
    if (wait > WAIT_MAX_S * 1000)
        wait = WAIT_MAX_S * 1000;
    j->tick_timer = loop_after(j->engine->loop, wait, tick_now, j);
}

struct due_task {
    struct job *job;
    int64_t due_at;
    bool held;
};

static int schedule_due_work(struct db *db, void *arg, struct error *e)
{
    struct due_task *t = arg;
    return store_next_due(db, t->job->table, t->job->safe, t->held ? t->job->settings_id : NULL, &t->due_at, e);
}

static void arm_auto(struct job *j, int64_t due_at);

static void schedule_due_done(void *arg, int result, const struct error *e)
{
    (void)e;
    struct due_task *t = arg;
    struct job *j = t->job;
    if (result >= 0 && job_may_claim(j))
        arm_auto(j, t->due_at);
    free(t);
}

/* The timer fired, or something changed: the store knows the next due time. */
static void ask_due(struct job *j)
{
    struct due_task *t = calloc(1, sizeof *t);
    if (!t)
        abort();
    t->job = j;
    t->held = breaker_holds(j);
    engine_async(j->engine, schedule_due_work, t, schedule_due_done);
}

static void auto_now(void *ctx)
{
    struct job *j = ctx;
    j->auto_timer = NULL;
    j->auto_at = 0;
    if (job_may_claim(j))
        ask_due(j);
}

static struct run *auto_run(struct job *j)
{
    for (struct run *r = j->runs; r; r = r->next)
        if (r->mode == CLAIM_AUTO && !r->finishing)
            return r;
    return NULL;
}

static void arm_auto(struct job *j, int64_t due_at)
{
    loop_cancel(&j->auto_timer);
    j->auto_at = due_at;
    int64_t wait = WAIT_MAX_S * 1000;
    if (due_at) {
        wait = due_at * 1000 - clock_now_ms();
        if (wait <= 0) {
            struct run *r = auto_run(j);
            if (r) {
                r->exhausted = false; /* of this minute, but more is due by now */
                run_pump(r);
            } else {
                run_start(j, CLAIM_AUTO, "auto", NULL, 0, NULL, NULL);
            }
            wait = 1000;
        }
    }
    if (wait > WAIT_MAX_S * 1000)
        wait = WAIT_MAX_S * 1000;
    j->auto_timer = loop_after(j->engine->loop, wait, auto_now, j);
}

void schedule_due(struct job *j, int64_t due_at)
{
    if (!j->engine->setup.daemon || !j->discovered || !job_may_claim(j))
        return;
    if (!due_at) {
        ask_due(j);
        return;
    }
    if (j->auto_timer && j->auto_at && j->auto_at <= due_at)
        return;
    arm_auto(j, due_at);
}

void schedule_start(struct job *j)
{
    if (!j->engine->setup.daemon || !job_may_claim(j))
        return;
    int64_t tick = schedule_prev(j, clock_now());
    if (!j->last_tick && tick)
        note_tick(j, tick); /* a new job waits for its first tick */
    else if (tick > j->last_tick) {
        log_line(LEVEL_INFO, "a tick of the schedule was missed while renewd was down; its run begins now", "job",
                 j->config->job, NULL);
        note_tick(j, tick);
        run_start(j, CLAIM_TICK, "tick", NULL, 0, NULL, NULL);
    }
    arm_tick(j);
    ask_due(j);
}

void schedule_stop(struct job *j)
{
    loop_cancel(&j->tick_timer);
    loop_cancel(&j->auto_timer);
    j->auto_at = j->next_tick = 0;
}
