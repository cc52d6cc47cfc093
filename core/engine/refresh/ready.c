/* SPDX-License-Identifier: MIT
 * Claims ahead of need. What a job can begin within a moment is claimed before there is room for it, so that its
 * requests never wait for the store; each of these attempts begins when another one ends. How many these are follows
 * from how many ended in the moment before: a slow provider or a slow pace gets none.
 */
#include "core/base/clock.h"
#include "core/engine/refresh/refresh.h"

enum { MOMENT_MS = 200, LEAST = 8, TURN = 50 /* begin in one turn of the loop */ };

size_t ready_limit(const struct job *j)
{
    size_t most = (size_t)j->config->in_flight;
    return j->ramp_up_limit && j->ramp_up_limit < most ? j->ramp_up_limit : most;
}

size_t ready_under_way(const struct job *j)
{
    return j->active - j->ready.count;
}

void ready_attempt_ended(struct job *j)
{
    int64_t now = clock_boot_ms(), passed = now - j->moment_ms;
    j->ended++;
    if (passed < MOMENT_MS)
        return;
    j->rate = passed < 2 * MOMENT_MS ? j->ended * MOMENT_MS / (size_t)passed : 0;
    j->ended = 0;
    j->moment_ms = now;
}

size_t ready_ahead(const struct job *j)
{
    size_t most = j->safe ? CLAIM_BATCH : ready_limit(j); /* each is in doubt if this machine is lost */
    bool lately = clock_boot_ms() - j->moment_ms < 2 * MOMENT_MS;
    if (j->ramp_up_limit || breaker_holds(j) || j->rate < LEAST || !lately)
        return 0;
    most = most < CLAIM_BATCH ? most : CLAIM_BATCH;
    return j->rate < most ? j->rate : most;
}

static struct attempt *ready_take(struct job *j)
{
    struct ready *q = &j->ready;
    int which = q->first[0] ? 0 : 1;
    struct attempt *a = q->first[which];
    if (!a)
        return NULL;
    q->first[which] = a->next_ready;
    if (!q->first[which])
        q->last[which] = NULL;
    a->next_ready = NULL;
    q->count--;
    return a;
}

/* Its lease must be long enough for all that may follow, and the job as it was when it was claimed. */
static bool may_begin(const struct attempt *a)
{
    const struct job *j = a->job;
    return job_may_claim(j) && (!breaker_holds(j) || run_names_keys(a->run)) &&
           clock_boot_ms() + 3 * j->config->timeout_ms < a->lease_boot_ms;
}

static void ready_begin(void *ctx)
{
    struct job *j = ctx;
    j->ready.timer = NULL;
    for (int i = 0; i < TURN && ready_under_way(j) < ready_limit(j); i++) {
        struct attempt *a = ready_take(j);
        if (!a)
            return;
        if (may_begin(a))
            attempt_start(a);
        else
            attempt_give_up_unsent(a);
    }
    ready_soon(j);
}

void ready_soon(struct job *j)
{
    if (j->ready.count && !j->ready.closed && !j->ready.timer && ready_under_way(j) < ready_limit(j))
        j->ready.timer = loop_after(j->engine->loop, 0, ready_begin, j);
}

bool ready_add(struct attempt *a)
{
    struct job *j = a->job;
    struct ready *q = &j->ready;
    int which = run_names_keys(a->run) ? 0 : 1;
    /* a is one of those under way already */
    if (a->run->mode == CLAIM_DEMAND || (ready_under_way(j) <= ready_limit(j) && !q->count))
        return false;
    *(q->last[which] ? &q->last[which]->next_ready : &q->first[which]) = a;
    q->last[which] = a;
    q->count++;
    ready_soon(j);
    return true;
}

void ready_close(struct job *j)
{
    j->ready.closed = true;
    loop_cancel(&j->ready.timer);
}

void ready_give_back(struct job *j)
{
    bool closed = j->ready.closed;
    ready_close(j);
    for (struct attempt *a = ready_take(j); a; a = ready_take(j))
        attempt_give_up_unsent(a);
    j->ready.closed = closed;
}
