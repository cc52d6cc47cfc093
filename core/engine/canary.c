/* SPDX-License-Identifier: MIT
 * A job that its breaker holds: told once, kept in the store for all hosts and the next start, asked after
 * at growing spacing with one record, the canary. When that one is refreshed the job goes on by itself, with
 * one attempt at a time at first. A reload, a resume and a refresh of all records by hand end it too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/domain/backoff.h"
#include "core/domain/hash.h"
#include "core/engine/internal.h"

enum { ASK_BASE_S = 60, ASK_CAP_S = 3600, ASK_APART_S = 60, TELL_AGAIN_MS = 1000, GO_ON_MS = 100 };

static int64_t ask_at(const struct job *j, int64_t now)
{
    const struct breaker_row *b = &j->breaker.row;
    const char *name = j->config->job;
    uint64_t seed = hash_bytes((uint64_t)b->held_at, name, strlen(name));
    return now + backoff_next((int)b->tries + 1, seed, ASK_BASE_S, ASK_CAP_S);
}

/* ---- asking ---- */

struct turn_task {
    struct job *job;
    int64_t now, next_at;
    char *key;
    struct breaker_row row;
};

static void arm(struct job *j);

static int turn_work(struct db *db, void *arg, struct error *e)
{
    struct turn_task *t = arg;
    const struct job *j = t->job;
    int res = store_breaker_turn(db, j->config->job, j->table->source, t->now, t->next_at, &t->key, e);
    return res < 0 ? res : store_breaker_read(db, j->config->job, &t->row, e);
}

static void asked(void *ctx, const struct run_result *r)
{
    struct job *j = ctx;
    (void)r;
    j->breaker.asking = false;
    arm(j);
    engine_check_ready(j->engine);
}

static void take_row(struct job *j, struct breaker_row *row)
{
    breaker_row_done(&j->breaker.row);
    j->breaker.row = *row;
    memset(row, 0, sizeof *row);
}

static void turn_known(void *arg, int result, const struct error *err)
{
    (void)err;
    struct turn_task *t = arg;
    struct job *j = t->job;
    struct engine *e = j->engine;
    e->busy--;
    if (result >= 0 && !j->breaker.telling && t->row.held_at)
        take_row(j, &t->row);
    const char *keys[] = {t->key};
    if (t->key && breaker_holds(j) && !j->removed)
        run_start(j, CLAIM_HAND, "canary", keys, 1, asked, j);
    else
        asked(j, NULL);
    free(t->key);
    breaker_row_done(&t->row);
    free(t);
    engine_check_stopped(e);
}

static void ask(void *ctx)
{
    struct job *j = ctx;
    struct breaker *b = &j->breaker;
    b->canary_timer = NULL;
    if (!breaker_holds(j) || b->asking || b->telling || !engine_may_work(j->engine) || j->paused || j->held ||
        j->removed) {
        arm(j);
        return;
    }
    if (secrets_changed(j))
        return;
    struct turn_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->now = clock_now();
    b->row.tries++;
    t->next_at = ask_at(j, t->now);
    b->asking = true;
    j->engine->busy++;
    store_submit(j->engine->store, turn_work, t, turn_known);
}

/* A clock that was set back does not keep it from asking. */
static void arm(struct job *j)
{
    struct breaker *b = &j->breaker;
    loop_cancel(&b->canary_timer);
    if (!breaker_holds(j) || b->asking || j->engine->stopping || j->removed || !j->engine->setup.daemon)
        return;
    int64_t wait = b->row.next_at - clock_now();
    if (wait > ASK_CAP_S)
        wait = ASK_CAP_S;
    b->canary_timer = loop_after(j->engine->loop, wait < 1 ? 1000 : wait * 1000, ask, j);
}

/* At a start it may be asked sooner: that may be why renewd was started again. */
void canary_start(struct job *j)
{
    struct breaker *b = &j->breaker;
    if (!breaker_holds(j))
        return;
    breaker_reopen(j);
    int64_t now = clock_now();
    if (b->row.next_at > now && b->row.asked_at + ASK_APART_S > now && b->row.asked_at <= now) {
        arm(j);
        return;
    }
    ask(j);
}

/* ---- told to the store ---- */

struct tell_task {
    struct job *job;
    struct breaker_row row;          /* held_at 0: it goes on */
    int64_t proved_at;
    bool first;
};

static int tell_work(struct db *db, void *arg, struct error *e)
{
    struct tell_task *t = arg;
    const char *job = t->job->config->job;
    if (!t->row.held_at)
        return store_breaker_release(db, job, t->job->table->source, &t->row, t->proved_at, e);
    int res = store_breaker_hold(db, job, &t->row, &t->first, e);
    if (res < 0 || t->first)
        return res;
    breaker_row_done(&t->row);
    return store_breaker_read(db, job, &t->row, e);
}

static void tell(struct job *j);

static void tell_again(void *ctx)
{
    struct job *j = ctx;
    j->breaker.tell_timer = NULL;
    tell(j);
}

static void told_held(struct job *j, struct tell_task *t)
{
    if (t->first)
        log_line(LEVEL_ERROR, "job held by its breaker", "job", j->config->job, "reason", t->row.why, "remedy",
                 "correct the settings and reload (restart renewd for a secret of env:), or renewctl resume; it also "
                 "goes on by itself when a canary is refreshed", NULL);
    else
        take_row(j, &t->row);
    breaker_reopen(j);
    arm(j);
}

/* A refresh of all by hand goes first, and tells whoever asked for it what became of them. */
static void go_on(void *ctx)
{
    struct job *j = ctx;
    j->breaker.tell_timer = NULL;
    if (breaker_holds(j) || j->removed || !j->discovered)
        return;
    job_pump(j);
    if (j->runs)
        j->breaker.tell_timer = loop_after(j->engine->loop, GO_ON_MS, go_on, j);
    else
        schedule_start(j);
}

static void tell_done(void *arg, int result, const struct error *err)
{
    struct tell_task *t = arg;
    struct job *j = t->job;
    struct engine *e = j->engine;
    bool held = t->row.held_at != 0;
    e->busy--;
    if (result < 0 && !e->stopping && !j->removed) {
        log_line(LEVEL_DEBUG, "the breaker's state waits for the store", "job", j->config->job, "reason",
                 err->text, NULL);
        j->breaker.tell_timer = loop_after(e->loop, TELL_AGAIN_MS, tell_again, j);
    } else {
        j->breaker.telling = false;
        if (result >= 0 && held != breaker_holds(j)) /* it changed meanwhile */
            tell(j);
        else if (result >= 0 && held)
            told_held(j, t);
        else if (result >= 0)
            go_on(j);
    }
    breaker_row_done(&t->row);
    free(t);
    engine_check_stopped(e);
}

static void tell(struct job *j)
{
    const struct breaker_row *b = &j->breaker.row;
    struct tell_task *t = xcalloc(1, sizeof *t);
    loop_cancel(&j->breaker.tell_timer);
    j->breaker.telling = true;
    t->job = j;
    t->row = *b;
    t->row.why = b->why ? xstrdup(b->why) : NULL;
    t->proved_at = b->held_at ? 0 : b->proved_at;
    j->engine->busy++;
    store_submit(j->engine->store, tell_work, t, tell_done);
}

void canary_hold(struct job *j, struct breaker_row *row)
{
    take_row(j, row);
    j->breaker.row.next_at = ask_at(j, j->breaker.row.held_at);
    j->breaker.row.asked_at = j->breaker.row.held_at;
    schedule_stop(j);
    if (!j->breaker.telling)
        tell(j);
}

/* One attempt at a time at first: should the first answers be refusals again, few were asked. */
void canary_release(struct job *j, int64_t proved_at)
{
    struct breaker *b = &j->breaker;
    if (!breaker_holds(j))
        return;
    b->row.held_at = b->row.tries = 0;
    b->row.proved_at = proved_at;
    j->gentle = 1;
    breaker_window_done(&b->window);
    loop_cancel(&b->canary_timer);
    log_line(LEVEL_INFO, "the breaker no longer holds the job", "job", j->config->job, "because",
             proved_at ? "a canary was refreshed" : "somebody said so", NULL);
    if (!b->telling)
        tell(j);
}

/* ---- what other hosts, and people in SQL, did ---- */

struct seen_task {
    struct job *job;
    struct breaker_row row;
};

static int seen_work(struct db *db, void *arg, struct error *e)
{
    struct seen_task *t = arg;
    return store_breaker_read(db, t->job->config->job, &t->row, e);
}

static void seen_done(void *arg, int result, const struct error *err)
{
    (void)err;
    struct seen_task *t = arg;
    struct job *j = t->job;
    struct engine *e = j->engine;
    e->busy--;
    bool differs = result >= 0 && breaker_holds(j) != (t->row.held_at != 0);
    if (!differs || j->breaker.telling || j->removed) {
        /* our own doing, or over */
    } else if (!t->row.held_at) {
        canary_release(j, t->row.proved_at);
    } else {
        take_row(j, &t->row);
        log_line(LEVEL_WARNING, "job held by its breaker on another host", "job", j->config->job, "reason",
                 j->breaker.row.why, NULL);
        schedule_stop(j);
        breaker_held_elsewhere(j);
        breaker_reopen(j);
        arm(j);
    }
    breaker_row_done(&t->row);
    free(t);
    engine_check_stopped(e);
}

void canary_seen(struct job *j, int64_t held_at)
{
    if (j->breaker.telling || !j->discovered || j->removed || breaker_holds(j) == (held_at != 0))
        return;
    struct seen_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    j->engine->busy++;
    store_submit(j->engine->store, seen_work, t, seen_done);
}
