/* SPDX-License-Identifier: MIT
 * The records that a job tries beside those that are due (rule 10). While its breaker holds it: one suspect or new
 * record after the other, the canaries. Where a suspect has no witness: a good record ahead of its time.
 */
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/state/state.h"
#include "core/engine/refresh/refresh.h"

enum { WAIT_MAX_MS = 3600 * 1000, WAIT_MIN_MS = 100, REPEAT_MS = 24 * 3600 * 1000 };

/* ---- canaries ---- */

struct turn_task {
    struct job *job;
    int64_t now;
    char *key;
    bool alarm;
    struct breaker_row row;
};

static int turn_work(struct db *db, void *arg, struct error *e)
{
    struct turn_task *t = arg;
    struct breaker_key k;
    breaker_key_of(t->job, &k);
    return store_breaker_canary(db, &k, t->now, REPEAT_MS, &t->row, &t->key, &t->alarm, e);
}

static void asked(void *ctx, const struct run_result *r)
{
    struct job *j = ctx;
    (void)r;
    j->breaker.asking = false;
    canary_arm(j);
    engine_check_ready(j->engine);
}

static void turn_done(void *arg, int result, const struct error *err)
{
    (void)err;
    struct turn_task *t = arg;
    struct job *j = t->job;
    if (result >= 0)
        breaker_take(j, &t->row);
    if (result >= 0 && t->alarm)
        log_line(LEVEL_ERROR, "job still held by its breaker", "job", j->config->job, "reason", j->breaker.row.why,
                 NULL);
    const char *keys[] = {t->key};
    if (t->key && breaker_holds(j) && job_may_claim(j))
        run_start(j, CLAIM_MANUAL, "canary", keys, 1, asked, j);
    else
        asked(j, NULL);
    free(t->key);
    breaker_row_done(&t->row);
    free(t);
}

static void canary_ask(void *ctx)
{
    struct job *j = ctx;
    struct breaker *b = &j->breaker;
    b->canary_timer = NULL;
    if (!breaker_holds(j) || b->asking || !job_may_claim(j)) {
        canary_arm(j);
        return;
    }
    if (j->engine->on->secrets_changed(j))
        return;
    struct turn_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->now = clock_now_ms();
    b->asking = true;
    engine_async(j->engine, turn_work, t, turn_done);
}

/* A clock that was set back does not stop the canaries. */
void canary_arm(struct job *j)
{
    struct breaker *b = &j->breaker;
    loop_cancel(&b->canary_timer);
    if (!breaker_holds(j) || b->asking || j->engine->stopping || j->removed || !j->engine->setup.daemon)
        return;
    int64_t wait = b->row.state.canary_at - clock_now_ms();
    wait = wait > WAIT_MAX_MS ? WAIT_MAX_MS : wait < WAIT_MIN_MS ? WAIT_MIN_MS : wait;
    b->canary_timer = loop_after(j->engine->loop, wait, canary_ask, j);
}

/* Called once its records are discovered. --once tries one whose time has come, and then works. */
void canary_start(struct job *j)
{
    if (!breaker_holds(j))
        return;
    if (j->engine->setup.daemon || j->breaker.row.state.canary_at > clock_now_ms())
        canary_arm(j);
    else
        canary_ask(j);
}

/* ---- witnesses ---- */

struct witness_task {
    struct job *job;
    char *key;
    int64_t wait_ms;
};

static int witness_work(struct db *db, void *arg, struct error *e)
{
    struct witness_task *t = arg;
    struct breaker_key k;
    breaker_key_of(t->job, &k);
    return store_breaker_witness(db, &k, clock_now_ms(), &t->key, &t->wait_ms, e);
}

static void witness_ask(void *ctx);

static void witness_done(void *arg, int result, const struct error *err)
{
    (void)err;
    struct witness_task *t = arg;
    struct job *j = t->job;
    struct engine *e = j->engine;
    const char *keys[] = {t->key};
    if (result >= 0 && t->key && job_may_claim(j))
        run_start(j, CLAIM_MANUAL, "witness", keys, 1, NULL, NULL);
    else if (result >= 0 && t->wait_ms && !j->breaker.witness_timer && !e->stopping && !j->removed)
        j->breaker.witness_timer = loop_after(e->loop, t->wait_ms, witness_ask, j);
    free(t->key);
    free(t);
}

static void witness_ask(void *ctx)
{
    struct job *j = ctx;
    j->breaker.witness_timer = NULL;
    if (!job_may_claim(j) || !j->engine->setup.daemon)
        return;
    struct witness_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    engine_async(j->engine, witness_work, t, witness_done);
}

/* The commit of the refusal goes first. */
void canary_want_witness(struct job *j)
{
    if (!j->breaker.witness_timer && j->engine->setup.daemon && !j->engine->stopping && !j->removed)
        j->breaker.witness_timer = loop_after(j->engine->loop, WAIT_MIN_MS, witness_ask, j);
}
