/* SPDX-License-Identifier: MIT
 * Explains why nothing is refreshed: a job's records counted by what keeps them back, and one record's reason.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/engine/discover/discover.h"
#include "core/engine/reasons.h"
#include "core/engine/refresh/refresh.h"
#include "core/engine/rows/rows.h"
#include "core/rules/outcome.h"
#include "core/store/pg_cron.h"

enum { WHY_MAX = 800, CALLS_MAX = 16 };

struct explain_task {
    struct job *job;
    struct claim_request query;
    struct explanation explanation;
    explanation_done *done;
    void *ctx;
};

/* As a run of the schedule would decide, here and now. */
static void explain_fill(const struct job *j, int64_t now, struct claim_request *ret)
{
    const struct state_dir *s = j->engine->setup.state;
    *ret = (struct claim_request){.table = j->table,
                                  .mode = CLAIM_TICK,
                                  .host = s->host,
                                  .incarnation = s->incarnation,
                                  .safe = j->safe,
                                  .now = now,
                                  .real_now = now,
                                  .tick = schedule_prev(j, now),
                                  .next_tick = schedule_next(j, now),
                                  .held_under = breaker_holds(j) ? j->settings_id : NULL};
}

/* When a record whose point is in the future is taken: at its own time, or at the last tick before the point (the
 * next tick when there is none before it). */
static int64_t taken_at(const struct job *j, int64_t point, int64_t now)
{
    if (!point || j->config->automatic)
        return point;
    int64_t next = schedule_next(j, now), last = schedule_prev(j, point);
    return last > next ? last : next;
}

static char *with_underscores(const char *name)
{
    char *text = xstrdup(name);
    for (char *p = text; *p; p++)
        *p = *p == '-' ? '_' : *p;
    return text;
}

/* The endpoints that the job answers, and the SQL functions of these names and of its old name. The endpoint that
 * several jobs share is selected by the platform, which is the plugin. */
static void find_pg_cron(struct db *db, const struct job_config *c, char *ret, size_t size)
{
    struct cron_call calls[CALLS_MAX] = {{0}};
    char *own[CALLS_MAX];
    size_t n = 0, owned = 0;
    for (size_t i = 0; c->functions && c->functions[i] && n + 3 < CALLS_MAX; i++) {
        const char *platform = strcmp(c->functions[i], "refresh-token") == 0 ? c->plugin_name : NULL;
        calls[n++] = (struct cron_call){c->functions[i], platform};
        own[owned] = with_underscores(c->functions[i]);
        calls[n++] = (struct cron_call){own[owned++], platform};
    }
    if (c->legacy_name) {
        own[owned] = with_underscores(c->legacy_name);
        calls[n++] = (struct cron_call){own[owned++], NULL};
    }
    store_pg_cron(db, calls, n, ret, size);
    while (owned)
        free(own[--owned]);
}

static int explain_work(struct db *db, void *arg, struct error *e)
{
    struct explain_task *t = arg;
    int res = store_explain(db, &t->query, &t->explanation, e);
    if (res >= 0)
        find_pg_cron(db, t->job->config, t->explanation.pg_cron, sizeof t->explanation.pg_cron);
    return res;
}

static void explain_done(void *arg, int result, const struct error *e)
{
    struct explain_task *t = arg;
    t->explanation.later_at = taken_at(t->job, t->explanation.reasons[REASON_LATER].soonest, t->query.now);
    t->done(t->ctx, &t->explanation, result, e->text);
    free(t);
}

void engine_explain(struct engine *e, struct job *j, explanation_done *done, void *ctx)
{
    struct explain_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->done = done;
    t->ctx = ctx;
    explain_fill(j, clock_now(), &t->query);
    engine_async(e, explain_work, t, explain_done);
}

struct why_task {
    struct job *job;
    struct claim_request query;
    char *key;
    struct record record;
    enum reason reason;
    int64_t lease_until;
    why_done done;
    void *ctx;
};

static int why_work(struct db *db, void *arg, struct error *e)
{
    struct why_task *t = arg;
    int res = record_stands(db, t->job, t->key, e);
    if (res == -ENOENT || res == -ENODATA)
        return res;
    /* a table that cannot be read holds its job, and that is the reason */
    return store_reason(db, &t->query, t->key, &t->record, &t->reason, &t->lease_until, e);
}

static void explain_why_done(void *arg, int result, const struct error *e)
{
    struct why_task *t = arg;
    char why[WHY_MAX] = "";
    if (result >= 0)
        reason_of_one(t->job, &t->record, t->reason, t->lease_until, why, sizeof why);
    t->done(t->ctx, &t->record, result, result < 0 ? e->text : why);
    if (result >= 0)
        record_done(&t->record);
    free(t->key);
    free(t);
}

static void why_ask(void *ctx)
{
    struct why_task *t = ctx;
    explain_fill(t->job, clock_now(), &t->query);
    engine_async(t->job->engine, why_work, t, explain_why_done);
}

/* The row is read first, so that the answer is true of the row as it is. */
void engine_explain_record(struct engine *e, struct job *j, const char *key, why_done done, void *ctx)
{
    struct why_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->key = xstrdup(key);
    t->done = done;
    t->ctx = ctx;
    if (j->discovered && engine_may_work(e))
        discovery_one(j, key, why_ask, t);
    else
        why_ask(t);
}
