/* SPDX-License-Identifier: MIT
 * Leases that belong to no work. If the connection is lost in the middle of a claim, the claim may have been
 * committed without an answer. If it is lost before a lease is given back, the lease stays. Such leases of this
 * process are given back before anything else is claimed. If renewd ends before the store answers, its spool file
 * stays, and the next process gives them back (rule 2).
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/engine/state/state.h"
#include "core/engine/recovery/recovery.h"
#include "core/engine/refresh/refresh.h"

enum { AGAIN_MS = 1000 };

struct unowned_leases_task {
    struct engine *engine;
    char **held; /* attempts that are under way, or whose result is being committed */
    size_t count, room;
    int64_t released;
};

static void unowned_add(struct unowned_leases_task *t, const char *attempt_id)
{
    if (t->count == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->held = xrealloc(t->held, t->room * sizeof *t->held);
    }
    t->held[t->count++] = xstrdup(attempt_id);
}

static void add_wanted(void *ctx, const char *attempt_id)
{
    unowned_add(ctx, attempt_id);
}

static void add_attempts(struct unowned_leases_task *t, const struct job *j)
{
    for (const struct attempt *a = j->attempts; a; a = a->next)
        unowned_add(t, a->claim.attempt_id);
}

static void unowned_task_free(struct unowned_leases_task *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->held[i]);
    free(t->held);
    free(t);
}

static int unowned_leases_work(struct db *db, void *arg, struct error *e)
{
    struct unowned_leases_task *t = arg;
    const struct state_dir *s = t->engine->setup.state;
    return store_release_incarnation(db, s->host, s->incarnation, (const char *const *)t->held, t->count,
                                     &t->released, e);
}

static void unowned_again(void *ctx)
{
    struct engine *e = ctx;
    e->lost_timer = NULL;
    unowned_leases_check(e);
}

static void unowned_leases_done(void *arg, int result, const struct error *err)
{
    struct unowned_leases_task *t = arg;
    struct engine *e = t->engine;
    e->lost_asked = false;
    if (result >= 0) {
        e->lost = false;
        for (size_t i = 0; i < e->job_count; i++) {
            job_pump(e->jobs[i]);
            schedule_due(e->jobs[i], 0);
        }
    } else {
        log_line(LEVEL_WARNING, "leases without an attempt could not be released yet; renewd tries again", "reason",
                 err->text, NULL);
        if (!e->lost_timer && !e->stopping)
            e->lost_timer = loop_after(e->loop, AGAIN_MS, unowned_again, e);
    }
    unowned_task_free(t);
}

/* The store runs work in order: a claim submitted after this is not affected, and no earlier claim may be under
 * way. */
void unowned_leases_check(struct engine *e)
{
    if (!e->lost || e->lost_asked || e->claims || !engine_store_up(e) || !e->spool)
        return;
    e->lost_asked = true;
    struct unowned_leases_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    for (size_t i = 0; i < e->job_count; i++)
        add_attempts(t, e->jobs[i]);
    for (const struct job *j = e->retired; j; j = j->next_retired)
        add_attempts(t, j);
    for (const struct commit_task *c = e->commits; c; c = c->next)
        unowned_add(t, c->commit->attempt_id);
    spool_wanted(e->spool, add_wanted, t);
    engine_async(e, unowned_leases_work, t, unowned_leases_done);
}
