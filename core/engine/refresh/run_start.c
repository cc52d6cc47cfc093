/* SPDX-License-Identifier: MIT
 * How a run begins: whether it may, the read of the job's table before it, what is due then, and its row.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/map.h"
#include "core/engine/discover/discover.h"
#include "core/engine/refresh/refresh.h"
#include "core/rules/outcome.h"

struct start_task {
    struct run *run;
    struct claim_request query;
    char *not_ready;
    int error; /* the job may not run, not_ready says why; 0 = its own statement says it, if anything */
};

/* Of records with one credential, one is presented. */
static void add_keys(struct run *r, const struct record *list, size_t count, struct map *seen)
{
    r->keys = xrealloc(r->keys, (r->key_count + count + 1) * sizeof *r->keys);
    for (size_t i = 0; i < count; i++) {
        bool able = list[i].fingerprint[0] && list[i].state != STATE_PENDING && list[i].state != STATE_PAUSED;
        if (able && map_put(seen, list[i].fingerprint, r))
            continue;
        r->keys[r->key_count++] = xstrdup(list[i].key);
    }
}

/* A manual run without keys means all records of the job. */
static int all_keys(struct db *db, struct run *r, struct map *seen, struct error *e)
{
    cleanup(free_p) char *after = NULL;
    struct records_query q = {.source = r->job->table->source, .limit = 1000};
    for (;;) {
        struct record *list = NULL;
        size_t count = 0;
        int res = store_records(db, &q, &list, &count, e);
        if (res < 0)
            return res;
        add_keys(r, list, count, seen);
        free(after);
        q.after = after = count ? xstrdup(list[count - 1].key) : NULL;
        records_free(list, count);
        if (count < q.limit)
            return 0;
    }
}

/* A caller learns what the run found, or acts on it. A run at a record's own time concerns that record alone, which
 * is read when it is claimed; --once has just read the whole table. */
static bool looks_first(const struct run *r)
{
    return r->job->engine->setup.daemon && !r->shares_minute && r->mode != CLAIM_DEMAND && !r->key_count;
}

static int start_work(struct db *db, void *arg, struct error *e)
{
    struct start_task *t = arg;
    struct run *r = t->run;
    const struct job_config *c = r->job->config;
    int res = r->row.id ? 0 /* requested in SQL: its row exists */
                        : store_run_start(db, c->job, r->trigger, t->query.host, r->row.started_at, &r->row.id, e);
    if (t->not_ready)
        return res;
    if (res >= 0 && c->ready_sql)
        res = store_ready(db, c->ready_sql, &t->not_ready, e);
    if (res >= 0)
        res = others_begin(db, r, &t->query, e);
    if (res >= 0 && (r->mode == CLAIM_TICK || (r->mode == CLAIM_AUTO && !r->shares_minute)))
        res = store_count_due(db, &t->query, &r->row.due, e);
    if (res >= 0)
        res = others_add_due(db, r, &t->query, e);
    if (res >= 0 && r->mode == CLAIM_MANUAL && !r->key_count) {
        struct map *seen = map_new();
        res = all_keys(db, r, seen, e);
        map_free(seen, NULL);
    }
    return res;
}

static void run_start_looked(void *ctx, bool all, const char *why);

static void start_done(void *arg, int result, const struct error *e)
{
    struct start_task *t = arg;
    struct run *r = t->run;
    if (result >= 0 && !t->not_ready && !r->looked_all && !r->row.due && strcmp(r->trigger, "tick") != 0) {
        free(t);
        look_all(r->job, run_start_looked, r); /* before the caller hears that nothing is due */
        return;
    }
    r->started = true;
    if (t->error) {
        run_refuse(r, t->error, t->not_ready);
    } else if (result < 0) {
        run_refuse(r, result, e->text[0] ? e->text : "the database is not available");
    } else if (t->not_ready) {
        run_refuse(r, -EINVAL, t->not_ready);
    } else {
        if (run_names_keys(r))
            r->row.due = (int64_t)r->key_count;
        r->exhausted = run_names_keys(r) && !r->key_count;
        run_pump(r);
    }
    free(t->not_ready);
    free(t);
}

/* cannot: why the job may not run, known already and taken over; the history has the run all the same. */
static void run_start_start(struct run *r, int error, char *cannot)
{
    struct start_task *t = xcalloc(1, sizeof *t);
    t->run = r;
    t->not_ready = cannot;
    t->error = error;
    run_query(r, &t->query);
    engine_async(r->job->engine, start_work, t, start_done);
}

/* It is in the history too, where that can be written. A caller who only wants a token did not ask for a run. */
static void refuse_at_start(struct run *r, int error, const char *why)
{
    if (engine_may_work(r->job->engine) && r->mode != CLAIM_DEMAND && !r->row.id)
        run_start_start(r, error, xstrdup(why));
    else
        run_refuse(r, error, why);
}

static void run_start_looked(void *ctx, bool all, const char *why)
{
    struct run *r = ctx;
    int error;
    const char *cannot = job_why_not(r->job, &error);
    r->looked_all = all;
    if (cannot) {
        refuse_at_start(r, error, cannot);
    } else if (why && strcmp(r->trigger, "tick") != 0) {
        run_start_start(r, -EBUSY, xasprintf("the job's table could not be read before the run: %s", why));
    } else {
        run_start_start(r, 0, NULL);
    }
}

struct run_wanted {
    int64_t row_id; /* 0: its row is made */
    int mode;
    bool impatient;
    const char *trigger;
    const char *const *keys;
    size_t count;
    run_done done;
    void *ctx;
};

static struct run *run_start_wanted(struct job *j, const struct run_wanted *w)
{
    struct run *r = xcalloc(1, sizeof *r);
    r->job = j;
    r->row.id = w->row_id;
    r->mode = w->mode;
    r->impatient = w->impatient;
    r->trigger = xstrdup(w->trigger);
    r->row.job = j->config->job;
    r->row.trigger = r->trigger;
    r->row.started_at = clock_now();
    r->left = j->config->limit && !run_names_keys(r) ? j->config->limit : INT64_MAX;
    r->failing_left = r->left == INT64_MAX ? INT64_MAX : (r->left + 1) / 2;
    r->keys = xcalloc(w->count + 1, sizeof *r->keys);
    for (size_t i = 0; i < w->count; i++)
        r->keys[i] = xstrdup(w->keys[i]);
    r->key_count = w->count;
    r->general = strcmp(r->trigger, "hand") != 0 || !w->count;
    r->shares_minute = strcmp(r->trigger, "auto") == 0;
    r->waiters = xcalloc(1, sizeof *r->waiters);
    r->waiters->done = w->done;
    r->waiters->ctx = w->ctx;
    r->next = j->runs;
    j->runs = r;
    int error;
    const char *why = job_why_not(j, &error);
    if (why) {
        refuse_at_start(r, error, why);
        return NULL;
    }
    if (r->mode == CLAIM_DEMAND)
        ready_wanted(j, r->keys[0]);
    r->tick = schedule_prev(j, clock_due());
    r->next_tick = schedule_next(j, clock_due());
    r->looked_all = !looks_first(r);
    if (r->looked_all)
        run_start_start(r, 0, NULL);
    else if (r->mode == CLAIM_MANUAL)
        look_all(j, run_start_looked, r);
    else
        look_first(j, run_start_looked, r);
    return r;
}

struct run *run_start(struct job *j, int mode, const char *trigger, const char *const *keys, size_t count,
                      run_done done, void *ctx)
{
    return run_start_wanted(j, &(struct run_wanted){.mode = mode,
                                                    .trigger = trigger,
                                                    .keys = keys,
                                                    .count = count,
                                                    .done = done,
                                                    .ctx = ctx});
}

void run_start_now(struct job *j, const char *trigger, run_done done, void *ctx)
{
    run_start_wanted(j, &(struct run_wanted){.mode = CLAIM_TICK,
                                             .impatient = true,
                                             .trigger = trigger,
                                             .done = done,
                                             .ctx = ctx});
}

void run_set_requirement(struct run *r, const struct token_requirement *w)
{
    r->requirement = *w;
    r->refused_token = secret_from_text(w->refused_token);
    r->requirement.refused_token = secret_text(r->refused_token);
}

int job_run_mode(const struct job *j)
{
    return j->config->cron_count ? CLAIM_TICK : CLAIM_AUTO;
}

void run_requested(struct job *j, int64_t row_id)
{
    run_start_wanted(j, &(struct run_wanted){.row_id = row_id, .mode = job_run_mode(j), .trigger = "sql"});
}
