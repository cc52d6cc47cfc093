/* SPDX-License-Identifier: MIT
 * How many attempts of a job are under way at once (in_flight), and claims ahead of need. What a job can begin within
 * a moment is claimed before there is room for it, so that its requests never wait for the store; each of these
 * attempts begins when another one ends, those that a caller waits for first. How many are claimed ahead follows from
 * how many ended in the moment before: a slow provider or a slow pace gets none.
 */
#include <string.h>

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

/* What claims under way may bring counts as if it were there. What comes ahead comes in halves, so that claims stay few;
 * what a caller or an operator named does not wait for it. */
size_t ready_room(const struct run *r)
{
    const struct job *j = r->job;
    size_t most = ready_limit(j), ahead = ready_ahead(j), taken = j->active + j->claiming;
    if (r->mode == CLAIM_DEMAND) /* one record: it begins before all that waits here */
        return 1;
    if (r->mode == CLAIM_MANUAL && j->ready.count)
        return r->active < most ? most - r->active : 0;
    size_t room = taken < most + ahead ? most + ahead - taken : 0;
    return room * 2 < ahead && !run_names_keys(r) ? 0 : room;
}

static int class_of(const struct attempt *a)
{
    if (a->caller || a->run->mode == CLAIM_DEMAND)
        return READY_CALLERS;
    return run_names_keys(a->run) ? READY_NAMED : READY_OTHERS;
}

static void ready_put(struct attempt *a)
{
    struct ready *q = &a->job->ready;
    int class = class_of(a);
    *(q->last[class] ? &q->last[class]->next_ready : &q->first[class]) = a;
    q->last[class] = a;
    q->count++;
}

/* The first of the class, or the one after `before`. */
static struct attempt *ready_remove(struct ready *q, int class, struct attempt *before)
{
    struct attempt **from = before ? &before->next_ready : &q->first[class], *a = *from;
    *from = a->next_ready;
    if (q->last[class] == a)
        q->last[class] = before;
    a->next_ready = NULL;
    q->count--;
    return a;
}

static struct attempt *ready_take(struct job *j)
{
    for (int class = 0; class < READY_CLASSES; class ++)
        if (j->ready.first[class])
            return ready_remove(&j->ready, class, NULL);
    return NULL;
}

/* It may also have begun, and wait for the pace. */
void ready_wanted(struct job *j, const char *key)
{
    for (int class = READY_CALLERS + 1; class < READY_CLASSES; class ++)
        for (struct attempt *a = j->ready.first[class], *before = NULL; a; before = a, a = a->next_ready)
            if (strcmp(a->claim.record.key, key) == 0) {
                ready_remove(&j->ready, class, before);
                a->caller = true;
                ready_put(a);
                ready_soon(j);
                return;
            }
    for (struct attempt *a = j->attempts; a; a = a->next)
        if (!a->caller && strcmp(a->claim.record.key, key) == 0) {
            a->caller = true;
            j->callers_paced += a->paced;
        }
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
            attempt_give_up_unsent(a, true);
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
    bool first = true;
    for (int class = 0; class <= class_of(a); class ++)
        first = first && !j->ready.first[class];
    if (first && ready_under_way(j) <= ready_limit(j)) /* a is one of those under way already */
        return false;
    ready_put(a);
    ready_soon(j);
    return true;
}

void ready_close(struct job *j)
{
    j->ready.closed = true;
    loop_cancel(&j->ready.timer);
}

void ready_give_back(struct job *j, bool again)
{
    bool closed = j->ready.closed;
    ready_close(j);
    for (struct attempt *a = ready_take(j); a; a = ready_take(j))
        attempt_give_up_unsent(a, again);
    j->ready.closed = closed;
}
