/* SPDX-License-Identifier: MIT
 * A run: one pass of a job over its due records. Takes claims in batches while the job has room,
 * counts what became of them, writes its row, and tells those who wait for it. Attempts at a record's
 * own time share one run a minute.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "core/domain/outcome.h"
#include "core/engine/internal.h"

enum { HOLD_MS = 30000 /* less than what a lease has to spare */, FINISH_AGAIN_MS = 1000 };

struct start_task {
    struct run *run;
    struct claim_request query;
    char *not_ready;
};

struct claim_task {
    struct run *run;
    struct claim_request query;
    struct claimed *list;
    size_t count;
    int64_t lease_boot_ms;
};

static void run_check(struct run *r);

/* By hand and on demand: records are named by key, each asked for once. */
static bool names_keys(const struct run *r)
{
    return r->mode == CLAIM_HAND || r->mode == CLAIM_DEMAND;
}

static void fill_query(const struct run *r, struct claim_request *q)
{
    const struct job *j = r->job;
    *q = (struct claim_request){
        .table = j->table,
        .plugin = plugin_name(j->config->plugin),
        .mode = r->mode,
        .now = clock_now(),
        .tick = r->tick,
        .next_tick = r->next_tick,
        .host = j->engine->setup.state->host,
        .incarnation = j->engine->setup.state->incarnation,
        .lease_s = job_lease_s(j),
        .safe = j->safe,
        .general = r->general,
        .run_id = r->row.id,
        .failed_since = names_keys(r) || r->shares_minute ? 0 : r->row.started_at,
        .twice = r->twice,
        .held_under = breaker_holds(j) && r->mode != CLAIM_HAND ? j->settings_id : NULL,
    };
}

static void run_free(struct run *r)
{
    for (struct run **p = &r->job->runs; *p; p = &(*p)->next)
        if (*p == r) {
            *p = r->next;
            break;
        }
    loop_cancel(&r->timer);
    for (size_t i = 0; i < r->key_count; i++)
        free(r->keys[i]);
    free(r->keys);
    free(r->trigger);
    free(r->refused);
    secret_free(r->refused_token);
    map_free(r->repeats, NULL);
    failures_free(r->failures, r->failure_count);
    while (r->waiters) {
        struct run_waiter *w = r->waiters;
        r->waiters = w->next;
        free(w);
    }
    free(r);
}

static void tell(struct run *r)
{
    struct run_result res = {
        .job = r->row.job,
        .id = r->row.id,
        .due = r->row.due,
        .refreshed = r->row.refreshed,
        .failed = r->row.failed,
        .skipped = r->row.skipped,
        .why = r->refused,
        .error = r->refused_error,
        .failures = r->failures,
        .failure_count = r->failure_count,
    };
    while (r->waiters) {
        struct run_waiter *w = r->waiters;
        r->waiters = w->next;
        if (w->done)
            w->done(w->ctx, &res);
        free(w);
    }
}

static void log_run(const struct run *r)
{
    char id[24], due[24], refreshed[24], failed[24], skipped[24];
    snprintf(id, sizeof id, "%" PRId64, r->row.id);
    snprintf(due, sizeof due, "%" PRId64, r->row.due);
    snprintf(refreshed, sizeof refreshed, "%" PRId64, r->row.refreshed);
    snprintf(failed, sizeof failed, "%" PRId64, r->row.failed);
    snprintf(skipped, sizeof skipped, "%" PRId64, r->row.skipped);
    log_line(r->refused ? LEVEL_WARNING : LEVEL_INFO, r->refused ? "run refused" : "run finished", "job",
             r->job->config->job, "run", id, "trigger", r->trigger, "due", due, "refreshed", refreshed,
             "failed", failed, "skipped", skipped, "reason", r->refused, NULL);
}

static int finish_work(struct db *db, void *arg, struct error *e)
{
    struct run *r = arg;
    int res = store_run_finish(db, &r->row, e);
    if (res >= 0 && r->waiters && r->row.failed && !r->failures)
        res = store_run_failures(db, r->row.id, 1000, &r->failures, &r->failure_count, e);
    return res;
}

static void finish_done(void *arg, int result, const struct error *e);

static void finish_submit(void *ctx)
{
    struct run *r = ctx;
    r->timer = NULL;
    r->job->engine->busy++;
    store_submit(r->job->engine->store, finish_work, r, finish_done);
}

static void finish_done(void *arg, int result, const struct error *e)
{
    struct run *r = arg;
    struct engine *engine = r->job->engine;
    if (store_passes(result) && !engine->stopping) { /* else it would look as if it ran for ever */
        engine->busy--;
        r->timer = loop_after(engine->loop, FINISH_AGAIN_MS, finish_submit, r);
        return;
    }
    if (result < 0)
        log_line(LEVEL_WARNING, "the run has ended, but its row of the history could not be written", "job", r->job->config->job, "reason",
                 e->text, NULL);
    log_run(r);
    tell(r);
    engine->busy--;
    run_free(r);
    engine_check_stopped(engine);
}

static void run_finish(struct run *r)
{
    r->finishing = true;
    loop_cancel(&r->timer);
    r->row.finished_at = clock_now();
    if (r->mode == CLAIM_AUTO) /* what was due is what was taken up */
        r->row.due = r->row.refreshed + r->row.failed + r->row.skipped;
    else if (r->row.due > r->row.refreshed + r->row.failed)
        r->row.skipped = r->row.due - r->row.refreshed - r->row.failed;
    else
        r->row.due = r->row.refreshed + r->row.failed + r->row.skipped;
    finish_submit(r);
}

/* It never got a row: the store is away, the job is held, its ready statement said no. */
static void run_refuse(struct run *r, int error, const char *why)
{
    r->refused_error = error;
    free(r->refused);
    r->refused = xstrdup(why);
    if (r->row.id) {
        r->row.refused = r->refused;
        run_finish(r);
        return;
    }
    log_run(r);
    tell(r);
    run_free(r);
}

static void minute_over(void *ctx)
{
    struct run *r = ctx;
    r->timer = NULL;
    run_check(r);
}

struct progress_task {
    struct engine *engine;
    struct run_row row;
};

static int progress_work(struct db *db, void *arg, struct error *e)
{
    return store_run_finish(db, &((struct progress_task *)arg)->row, e);
}

static void progress_done(void *arg, int result, const struct error *e)
{
    (void)result;
    (void)e;
    struct progress_task *t = arg;
    struct engine *engine = t->engine;
    engine->busy--;
    free(t);
    engine_check_stopped(engine);
}

/* A run that waits for its minute's end shows what it did so far. */
static void note_progress(struct run *r)
{
    struct progress_task *t = xcalloc(1, sizeof *t);
    t->engine = r->job->engine;
    t->row.id = r->row.id;
    t->row.refreshed = r->row.refreshed;
    t->row.failed = r->row.failed;
    t->row.skipped = r->row.skipped;
    t->row.due = r->row.refreshed + r->row.failed + r->row.skipped;
    t->engine->busy++;
    store_submit(t->engine->store, progress_work, t, progress_done);
}

static void run_check(struct run *r)
{
    if (!r->started || r->claiming || r->active || !r->exhausted || r->finishing)
        return;
    if (r->shares_minute && job_may_claim(r->job)) {
        int64_t left = 60 - clock_now() % 60;
        if (clock_now() / 60 == r->row.started_at / 60) {
            loop_cancel(&r->timer);
            r->timer = loop_after(r->job->engine->loop, left * 1000, minute_over, r);
            note_progress(r);
            return;
        }
    }
    if (!r->twice && !r->shares_minute && !names_keys(r) && r->row.failed && !r->job->config->breaker_again_s) {
        r->twice = true; /* who was refused here is asked once more, now that all others were (rule 10) */
        r->exhausted = false;
        run_pump(r);
        return;
    }
    run_finish(r);
}

static int claim_work(struct db *db, void *arg, struct error *e)
{
    struct claim_task *t = arg;
    t->lease_boot_ms = clock_boot_ms() + t->query.lease_s * 1000;
    int res = store_claim(db, &t->query, &t->list, &t->count, e);
    return res < 0 ? job_still_fits(db, t->run->job, res, e) : res;
}

static void give_back(struct job *j, struct claimed *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        claim_release(j->engine, &list[i].record, list[i].attempt_id);
    claimed_free(list, count);
}

static void claim_refused(struct run *r, int result, const char *why)
{
    struct job *j = r->job;
    r->refused_error = -EBUSY;
    free(r->refused);
    r->refused = xstrdup(job_unnamed(j, why));
    r->row.refused = r->refused;
    if (result == -ESTALE)
        discovery_misfit(j, why);
    else
        log_line(LEVEL_ERROR, "the database did not hand out the records that are due; the next run takes them", "job", j->config->job, "reason", why, NULL);
}

static void claim_done(void *arg, int result, const struct error *e)
{
    struct claim_task *t = arg;
    struct run *r = t->run;
    struct job *j = r->job;
    j->engine->busy--;
    r->claiming = false;
    if (result < 0) {
        r->exhausted = true;
        j->engine->lost = true; /* it may have been committed all the same */
        if (store_passes(result) && !store_is_away(result))
            engine_blocked(j->engine, "claiming due records waits for the store", j->config->job, e->text);
        else if (!store_passes(result))
            claim_refused(r, result, e->text);
    } else if (t->count == 0) {
        r->exhausted = r->exhausted || !names_keys(r);
    } else if (!job_may_claim(r->job)) {
        r->exhausted = true;
        give_back(j, t->list, t->count);
    } else {
        claims_take(r, t->list, t->count, t->lease_boot_ms);
    }
    free(t);
    struct engine *engine = j->engine;
    engine->claims--;
    lost_leases(engine);
    run_pump(r);
    engine_check_stopped(engine);
}

static void next_keys(struct run *r, struct claim_request *q)
{
    size_t left = r->key_count - r->keys_asked;
    q->keys = (const char *const *)r->keys + r->keys_asked;
    q->key_count = left < q->limit ? left : q->limit;
    r->keys_asked += q->key_count;
    r->exhausted = r->keys_asked == r->key_count;
}

static void hold_over(void *ctx)
{
    struct run *r = ctx;
    r->timer = NULL;
    run_pump(r);
}

/* A job that its provider told to wait, or of a pace slower than leases live, claims nothing meanwhile: it
 * would only have to give it back. --once does not stay for it. */
static bool held_back(struct run *r)
{
    struct job *j = r->job;
    int64_t wait = pace_wait(&j->pace, clock_boot_ms());
    if (r->exhausted || names_keys(r) || wait < HOLD_MS)
        return false;
    if (!j->engine->setup.daemon) {
        r->exhausted = true;
        return false;
    }
    loop_cancel(&r->timer);
    r->timer = loop_after(j->engine->loop, wait, hold_over, r);
    return true;
}

static size_t room_of(const struct job *j)
{
    size_t most = (size_t)j->config->in_flight;
    if (j->gentle && j->gentle < most)
        most = j->gentle;
    return j->active < most ? most - j->active : 0;
}

void run_pump(struct run *r)
{
    struct job *j = r->job;
    if (!r->started || r->claiming || r->finishing)
        return;
    if (!job_may_claim(r->job) || r->left <= 0)
        r->exhausted = true;
    if (held_back(r))
        return;
    size_t room = room_of(j);
    if (r->mode == CLAIM_DEMAND && !room) /* somebody waits for it */
        room = 1;
    if (r->exhausted || !room) {
        run_check(r);
        return;
    }
    if (j->engine->lost) { /* pumped again when it is clear */
        lost_leases(j->engine);
        return;
    }
    struct claim_task *t = xcalloc(1, sizeof *t);
    t->run = r;
    fill_query(r, &t->query);
    t->query.limit = room < CLAIM_BATCH ? room : CLAIM_BATCH;
    if ((int64_t)t->query.limit > r->left)
        t->query.limit = (size_t)r->left;
    t->query.suspects_least = suspect_share(t->query.limit, j->others);
    t->query.failing_limit = r->failing_left < CLAIM_BATCH ? (size_t)r->failing_left : CLAIM_BATCH;
    if (names_keys(r))
        next_keys(r, &t->query);
    r->claiming = true;
    j->engine->busy++;
    j->engine->claims++;
    store_submit(j->engine->store, claim_work, t, claim_done);
}

void job_pump(struct job *j)
{
    for (struct run *r = j->runs, *next; r; r = next) {
        next = r->next;
        run_pump(r);
    }
}

void run_attempt_ended(struct run *r, int outcome, bool ask_again)
{
    r->active--;
    if (r->job->gentle && outcome != OUTCOME_NONE)
        r->job->gentle = r->job->gentle < (size_t)r->job->config->in_flight ? r->job->gentle + 1 : 0;
    if (outcome == OUTCOME_OK)
        r->row.refreshed++;
    else if (outcome == OUTCOME_NONE)
        r->row.skipped++;
    else
        r->row.failed++;
    if (ask_again && !names_keys(r))
        r->exhausted = false;
    job_pump(r->job);
}

/* Records of one credential are asked for by one of them. */
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

/* By hand without keys means all records of the job. */
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

static int start_work(struct db *db, void *arg, struct error *e)
{
    struct start_task *t = arg;
    struct run *r = t->run;
    const struct job_config *c = r->job->config;
    int res = r->row.id ? 0 /* asked for in SQL: its row is there */
                        : store_run_start(db, c->job, r->trigger, t->query.host, r->row.started_at,
                                          &r->row.id, e);
    if (res >= 0 && c->ready_sql)
        res = store_ready(db, c->ready_sql, &t->not_ready, e);
    if (res >= 0 && r->mode == CLAIM_TICK)
        res = store_count_due(db, &t->query, &r->row.due, e);
    if (res >= 0 && r->mode == CLAIM_HAND && !r->key_count) {
        struct map *seen = map_new();
        res = all_keys(db, r, seen, e);
        map_free(seen, NULL);
    }
    return res;
}

static void start_done(void *arg, int result, const struct error *e)
{
    struct start_task *t = arg;
    struct run *r = t->run;
    struct engine *engine = r->job->engine;
    engine->busy--;
    r->started = true;
    if (result < 0) {
        run_refuse(r, result, e->text[0] ? e->text : "the store is away");
    } else if (t->not_ready) {
        run_refuse(r, -EINVAL, t->not_ready);
    } else {
        if (names_keys(r))
            r->row.due = (int64_t)r->key_count;
        r->exhausted = names_keys(r) && !r->key_count;
        run_pump(r);
    }
    free(t->not_ready);
    free(t);
    engine_check_stopped(engine);
}

const char *run_cannot(const struct job *j, int *ret_error)
{
    *ret_error = -EBUSY;
    if (j->held)
        return j->held;
    if (j->paused)
        return "the job is paused; resume it first";
    *ret_error = -ESHUTDOWN;
    if (j->engine->stopping)
        return "renewd is stopping";
    *ret_error = -EROFS;
    if (j->engine->refused)
        return j->engine->store_why;
    *ret_error = -ENOTCONN;
    if (!j->engine->store_up)
        return "the store is away; nothing is attempted until it answers";
    if (!j->discovered)
        return "the job's records are still being discovered";
    *ret_error = 0;
    return NULL;
}

static struct run *run_start_row(struct job *j, int64_t row_id, int mode, const char *trigger,
                                 const char *const *keys, size_t count, run_done done, void *ctx)
{
    struct run *r = xcalloc(1, sizeof *r);
    r->job = j;
    r->row.id = row_id;
    r->mode = mode;
    r->trigger = xstrdup(trigger);
    r->row.job = j->config->job;
    r->row.trigger = r->trigger;
    r->row.started_at = clock_now();
    r->tick = schedule_prev(j, r->row.started_at);
    r->next_tick = schedule_next(j, r->row.started_at);
    r->left = j->config->limit && !names_keys(r) ? j->config->limit : INT64_MAX;
    r->failing_left = r->left == INT64_MAX ? INT64_MAX : (r->left + 1) / 2;
    r->keys = xcalloc(count + 1, sizeof *r->keys);
    for (size_t i = 0; i < count; i++)
        r->keys[i] = xstrdup(keys[i]);
    r->key_count = count;
    r->general = strcmp(trigger, "hand") != 0 || !count;
    r->shares_minute = strcmp(trigger, "auto") == 0;
    r->waiters = xcalloc(1, sizeof *r->waiters);
    r->waiters->done = done;
    r->waiters->ctx = ctx;
    r->next = j->runs;
    j->runs = r;
    int error;
    const char *why = run_cannot(j, &error);
    if (why) {
        run_refuse(r, error, why);
        return NULL;
    }
    struct start_task *t = xcalloc(1, sizeof *t);
    t->run = r;
    fill_query(r, &t->query);
    j->engine->busy++;
    store_submit(j->engine->store, start_work, t, start_done);
    return r;
}

struct run *run_start(struct job *j, int mode, const char *trigger, const char *const *keys,
                      size_t count, run_done done, void *ctx)
{
    return run_start_row(j, 0, mode, trigger, keys, count, done, ctx);
}

void run_wishes(struct run *r, const struct token_wish *w)
{
    r->wish = *w;
    r->refused_token = secret_from_text(w->refused_token);
    r->wish.refused_token = secret_text(r->refused_token);
}

int job_run_mode(const struct job *j)
{
    return j->config->cron_count ? CLAIM_TICK : CLAIM_AUTO;
}

void run_requested(struct job *j, int64_t row_id)
{
    run_start_row(j, row_id, job_run_mode(j), "sql", NULL, 0, NULL, NULL);
}

void run_stop_all(struct job *j)
{
    for (struct run *r = j->runs, *next; r; r = next) {
        next = r->next;
        r->exhausted = true;
        run_check(r);
    }
}

void runs_tell_stopping(struct job *j)
{
    for (struct run *r = j->runs; r; r = r->next) {
        r->refused_error = -ESHUTDOWN;
        free(r->refused);
        r->refused = xstrdup("renewd is stopping while the store is away; what was received is on the spool");
        tell(r);
    }
}

void runs_forget(struct job *j)
{
    while (j->runs)
        run_free(j->runs);
}
