/* SPDX-License-Identifier: MIT
 * A run: one pass of a job over its due records. It takes claims in batches while the job has room, counts the
 * results, writes its row, and notifies those that wait for it. Attempts at a record's own time share one run a
 * minute.
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
#include "core/engine/commit/commit.h"
#include "core/engine/discover/discover.h"
#include "core/engine/refresh/refresh.h"
#include "core/rules/outcome.h"

enum {
    HOLD_MS = 30000 /* less than the margin of a lease */,
    FINISH_AGAIN_MS = 1000,
    CLAIM_AGAIN_MS = 500,
    CLAIM_AGAIN_MAX_MS = 10000,
    LOCKED_LOOK_MS = 1000
};

struct claim_task {
    struct run *run;
    struct claim_request query;
    struct claimed *list;
    size_t count;
    struct under_way *others; /* of its keys, those that other runs of this process present */
    size_t other_count;
    int64_t lease_boot_ms;
};

static void run_check(struct run *r);

/* Manual and on demand: records are named by key, each taken once. */
bool run_names_keys(const struct run *r)
{
    return r->mode == CLAIM_MANUAL || r->mode == CLAIM_DEMAND;
}

void run_query(const struct run *r, struct claim_request *q)
{
    const struct job *j = r->job;
    *q = (struct claim_request){
        .table = j->table,
        .plugin = j->instance ? plugin_name(j->config->plugin) : NULL,
        .mode = r->mode,
        .now = clock_due(),
        .real_now = clock_now(),
        .once = clock_due_moved(),
        .tick = r->tick,
        .next_tick = r->next_tick,
        .host = j->engine->setup.state->host,
        .incarnation = j->engine->setup.state->incarnation,
        .lease_s = job_lease_s(j),
        .safe = j->safe,
        .general = r->general,
        .impatient = r->impatient,
        .run_id = r->row.id,
        .count_most = COUNT_MOST,
        .since = run_names_keys(r) || r->shares_minute ? 0 : r->row.started_at,
        .twice = r->twice,
        .held_under = breaker_holds(j) && r->mode != CLAIM_MANUAL ? j->settings_id : NULL,
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
    loop_cancel(&r->others_timer);
    for (size_t i = 0; i < r->key_count; i++)
        free(r->keys[i]);
    free(r->keys);
    free(r->trigger);
    free(r->refused);
    secret_free(r->refused_token);
    map_free(r->repeats, NULL);
    joined_free(r);
    failures_free(r->failures, r->failure_count);
    while (r->waiters) {
        struct run_waiter *w = r->waiters;
        r->waiters = w->next;
        free(w);
    }
    free(r);
}

/* A stop leaves what is due, also what other runs of this process have under way. */
static void run_tell(struct run *r)
{
    bool stopping = r->job->engine->stopping && r->row.skipped;
    bool reasons = r->row.skipped && (!stopping || run_names_keys(r));
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
        .left = r->undone,
        .skipped_because = reasons ? r->skipped_because : NULL,
        .stopping = stopping,
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
             r->job->config->job, "run", id, "trigger", r->trigger, "due", due, "refreshed", refreshed, "failed",
             failed, "skipped", skipped, "reason", r->refused, NULL);
}

/* A run of named records says nothing of the job. */
static void run_over(struct run *r)
{
    log_run(r);
    if (!run_names_keys(r) && run_tells(r->refused))
        last_run_note(r->job, r->refused, r->row.started_at);
    run_tell(r);
    run_free(r);
}

static int finish_work(struct db *db, void *arg, struct error *e)
{
    struct run *r = arg;
    int res = 0;
    if (!r->job->table) /* it is held, and was when this run was refused */
        return store_run_finish(db, &r->row, e);
    if (r->waiters && run_names_keys(r) && !r->counted)
        res = joined_count_skipped(db, r, e);
    if (res < 0 && !store_passes(res))
        res = 0; /* its row is written all the same */
    r->counted = r->counted || res >= 0;
    if (res >= 0)
        res = others_count(db, r, e);
    if (res >= 0)
        res = store_run_finish(db, &r->row, e);
    if (res >= 0 && r->waiters && r->row.failed && !r->failures_read)
        res = joined_failures(db, r, e);
    if (res >= 0 && r->waiters && !run_names_keys(r))
        res = store_left(db, &r->left_query, &r->undone, e);
    if (res >= 0 && r->waiters && !run_names_keys(r) && strcmp(r->trigger, "function") != 0)
        res = store_left_empty(db, r->left_query.table->source, &r->undone, e);
    if (res >= 0 && !run_names_keys(r)) {
        r->skipped_because[REASON_DUE].count = r->undone.due < r->row.skipped ? r->undone.due : r->row.skipped;
        r->skipped_because[REASON_LEASED_ELSEWHERE].count = r->undone.elsewhere;
    }
    return res;
}

static void finish_done(void *arg, int result, const struct error *e);

static void finish_submit(void *ctx)
{
    struct run *r = ctx;
    r->timer = NULL;
    run_query(r, &r->left_query);
    if (!r->left_query.once)
        r->left_query.since = 0;
    r->left_query.impatient = false;
    engine_async(r->job->engine, finish_work, r, finish_done);
}

static void finish_done(void *arg, int result, const struct error *e)
{
    struct run *r = arg;
    struct engine *engine = r->job->engine;
    if (store_passes(result) && !engine->stopping) { /* otherwise it would look as if it ran for ever */
        r->timer = loop_after(engine->loop, FINISH_AGAIN_MS, finish_submit, r);
        return;
    }
    if (result < 0)
        log_line(LEVEL_WARNING, "the run has ended, but its row of the history could not be written", "job",
                 r->job->config->job, "reason", e->text, NULL);
    run_over(r);
}

static void run_finish(struct run *r)
{
    r->finishing = true;
    loop_cancel(&r->timer);
    r->row.finished_at = clock_now();
    r->row.skipped += r->returned;
    if (r->mode == CLAIM_AUTO && !others_matter(r)) /* all that was due was claimed */
        r->row.due = r->row.refreshed + r->row.failed + r->row.skipped;
    else if (r->row.due > r->row.refreshed + r->row.failed)
        r->row.skipped = r->row.due - r->row.refreshed - r->row.failed;
    else
        r->row.due = r->row.refreshed + r->row.failed + r->row.skipped;
    limits_run(r);
    finish_submit(r);
}

/* It has no row where none could be written. */
void run_refuse(struct run *r, int error, const char *why)
{
    r->refused_error = error;
    free(r->refused);
    r->refused = xstrdup(why);
    if (r->row.id) {
        r->row.refused = r->refused;
        run_finish(r);
        return;
    }
    run_over(r);
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
    free(t);
}

/* A run that waits shows what it did so far. */
void run_note_progress(struct run *r)
{
    struct progress_task *t = xcalloc(1, sizeof *t);
    t->engine = r->job->engine;
    t->row.id = r->row.id;
    t->row.refreshed = r->row.refreshed;
    t->row.failed = r->row.failed;
    t->row.skipped = r->row.skipped;
    t->row.due = r->row.refreshed + r->row.failed + r->row.skipped;
    if (r->row.due > t->row.due)
        t->row.due = r->row.due;
    engine_async(t->engine, progress_work, t, progress_done);
}

/* Twins of a refreshed record get its pair in a moment: --once, which counts what is left over, waits for it. */
static bool run_twins_follow(const struct job *j)
{
    const struct engine *e = j->engine;
    if (e->setup.daemon || !engine_store_up(e) || e->stopping)
        return false;
    for (const struct commit_task *t = e->commits; t; t = t->next)
        if (t->job == j && !t->run && !t->from_spool && !t->kept)
            return true;
    return e->twins > 0;
}

static void run_check(struct run *r)
{
    if (!r->started || r->claiming || r->active || joined_waits(r) || !r->exhausted || r->finishing ||
        run_twins_follow(r->job))
        return;
    if (r->shares_minute && r->left > 0 &&
        job_may_claim(r->job)) { /* what its limit leaves is taken by the next run, soon */
        int64_t left = 60 - clock_now() % 60;
        if (clock_now() / 60 == r->row.started_at / 60) {
            loop_cancel(&r->timer);
            r->timer = loop_after(r->job->engine->loop, left * 1000, minute_over, r);
            run_note_progress(r);
            return;
        }
    }
    if (!r->twice && !r->shares_minute && !run_names_keys(r) && r->row.failed && !r->job->config->breaker_again_s) {
        r->twice = true; /* records that were refused in this run are presented once more, after all others (rule
                          * 10) */
        r->exhausted = false;
        run_pump(r);
        return;
    }
    if (!others_wait(r))
        run_finish(r);
}

/* A record that this claim itself took is not another run's. */
static void drop_own(struct claim_task *t)
{
    size_t left = 0;
    for (size_t i = 0; i < t->other_count; i++) {
        bool own = false;
        for (size_t k = 0; k < t->count && !own; k++)
            own = strcmp(t->list[k].record.key, t->others[i].key) == 0;
        if (own)
            under_way_done(&t->others[i]);
        else
            t->others[left++] = t->others[i];
    }
    t->other_count = left;
}

static int run_claim_work(struct db *db, void *arg, struct error *e)
{
    struct claim_task *t = arg;
    struct error others;
    t->lease_boot_ms = clock_boot_ms() + t->query.lease_s * 1000;
    int res = store_claim(db, &t->query, &t->list, &t->count, e);
    if (res >= 0 && joins(t->run) && t->query.key_count > t->count)
        (void)store_under_way(db, &t->query, &t->others, &t->other_count, &others); /* else they are skipped */
    drop_own(t);
    return res < 0 ? job_still_fits(db, t->run->job, res, e) : res;
}

static void run_give_back(struct job *j, struct claimed *list, size_t count)
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
        log_line(LEVEL_ERROR, "the due records could not be claimed in the database; the next run takes them",
                 "job", j->config->job, "reason", why, NULL);
}

static void hold_over(void *ctx)
{
    struct run *r = ctx;
    r->timer = NULL;
    run_pump(r);
}

/* Another transaction locks what is due: it is not known yet which host will have it. Or it locks a whole table
 * (busy). A daemon, whose next run takes what other hosts leave, asks again in the second case alone, more and more
 * rarely, because the store's thread waits each time. Both ask for as long as a lease lasts: what is locked for longer
 * is not a claim. */
static bool claim_later(struct run *r, bool busy)
{
    struct job *j = r->job;
    int64_t now = clock_boot_ms();
    bool daemon = j->engine->setup.daemon;
    if ((daemon && !busy) || run_names_keys(r))
        return false;
    if (!r->locked_ms) {
        r->locked_ms = now;
        log_line(LEVEL_INFO, "what is due is locked by another transaction; the run asks again until that ends",
                 "job", j->config->job, NULL);
    }
    int64_t passed = now - r->locked_ms, wait = CLAIM_AGAIN_MS;
    if (passed >= job_lease_s(j) * 1000 && !(daemon && r->shares_minute))
        return false;
    if (daemon && passed > wait)
        wait = passed < CLAIM_AGAIN_MAX_MS ? passed : CLAIM_AGAIN_MAX_MS;
    loop_cancel(&r->timer);
    r->timer = loop_after(j->engine->loop, wait, hold_over, r);
    return true;
}

static void claim_done(void *arg, int result, const struct error *e)
{
    struct claim_task *t = arg;
    struct run *r = t->run;
    struct job *j = r->job;
    r->claiming = false;
    j->claiming -= t->query.limit;
    joined_add(r, t->others, t->other_count);
    if (result < 0) {
        bool passes = store_passes(result) && !store_is_away(result);
        r->exhausted = r->exhausted || !passes || !claim_later(r, true);
        j->engine->lost = true; /* it may have been committed all the same */
        if (passes)
            engine_blocked(j->engine, "claiming due records waits for the database", j->config->job, e->text);
        else if (!store_passes(result))
            claim_refused(r, result, e->text);
    } else if (t->count == 0) {
        if (!r->ask_again)
            r->exhausted = r->exhausted || (!run_names_keys(r) && (result == 0 || !claim_later(r, false)));
    } else if (!job_may_claim(r->job)) {
        r->exhausted = true;
        run_give_back(j, t->list, t->count);
    } else {
        r->locked_ms = 0;
        claims_take(r, t->list, t->count, t->lease_boot_ms);
    }
    free(t);
    r->ask_again = false;
    struct engine *engine = j->engine;
    engine->claims--;
    engine->on->leases_unowned(engine);
    job_pump(j); /* what this claim did not bring is room for another run's */
}

static void next_keys(struct run *r, struct claim_request *q)
{
    size_t left = r->key_count - r->keys_asked;
    q->keys = (const char *const *)r->keys + r->keys_asked;
    q->key_count = left < q->limit ? left : q->limit;
    r->keys_asked += q->key_count;
    r->exhausted = r->keys_asked == r->key_count;
}

/* A job whose provider asked it to wait, or with a pace slower than the length of a lease, or whose results wait for
 * its locked table, claims nothing meanwhile: it would only have to give the claim back. --once does not wait for it. */
static bool run_held_back(struct run *r)
{
    struct job *j = r->job;
    int64_t wait = pace_wait(&j->pace, clock_boot_ms());
    bool locked = locked_table_holds(j) && j->engine->setup.daemon;
    if (r->exhausted || run_names_keys(r) || (wait < HOLD_MS && !locked))
        return false;
    if (wait < HOLD_MS)
        wait = LOCKED_LOOK_MS;
    if (!j->engine->setup.daemon) {
        r->exhausted = true;
        return false;
    }
    loop_cancel(&r->timer);
    r->timer = loop_after(j->engine->loop, wait, hold_over, r);
    return true;
}

/* What a run of an earlier tick had to give back is its own to claim again. */
static bool run_goes_after(const struct run *r)
{
    for (const struct run *o = r->mode == CLAIM_TICK ? r->next : NULL; o; o = o->next)
        if (o->mode == CLAIM_TICK && o->returned && !o->exhausted && !o->finishing)
            return true;
    return false;
}

void run_pump(struct run *r)
{
    struct job *j = r->job;
    if (!r->started || r->claiming || r->finishing)
        return;
    if (!job_may_claim(r->job) || r->left <= 0)
        r->exhausted = true;
    if ((!r->exhausted && run_goes_after(r)) || run_held_back(r) || (!r->exhausted && r->locked_ms && r->timer))
        return;
    size_t room = ready_room(r);
    if (r->exhausted || !room) {
        run_check(r);
        return;
    }
    if (j->engine->lost) { /* pumped again when this is known */
        j->engine->on->leases_unowned(j->engine);
        return;
    }
    struct claim_task *t = xcalloc(1, sizeof *t);
    t->run = r;
    run_query(r, &t->query);
    t->query.limit = room < CLAIM_BATCH ? room : CLAIM_BATCH;
    if ((int64_t)t->query.limit > r->left)
        t->query.limit = (size_t)r->left;
    t->query.limited = r->left != INT64_MAX;
    t->query.suspects_least = suspect_share(t->query.limit, j->others);
    t->query.failing_limit = r->failing_left < CLAIM_BATCH ? (size_t)r->failing_left : CLAIM_BATCH;
    if (run_names_keys(r))
        next_keys(r, &t->query);
    r->claiming = true;
    j->claiming += t->query.limit;
    j->engine->claims++;
    engine_async(j->engine, run_claim_work, t, claim_done);
}

void jobs_pump(struct engine *e)
{
    for (size_t i = 0; i < e->job_count; i++)
        job_pump(e->jobs[i]);
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
    if (outcome != OUTCOME_NONE)
        ready_attempt_ended(r->job);
    if (r->job->ramp_up_limit && outcome != OUTCOME_NONE)
        r->job->ramp_up_limit =
            r->job->ramp_up_limit < (size_t)r->job->config->in_flight ? r->job->ramp_up_limit + 1 : 0;
    if (outcome == OUTCOME_OK)
        r->row.refreshed++;
    else if (outcome == OUTCOME_NONE)
        r->row.skipped++;
    else
        r->row.failed++;
    if (ask_again && !run_names_keys(r))
        r->exhausted = false;
    job_pump(r->job);
}

void run_attempt_returned(struct run *r, bool failing)
{
    r->active--;
    r->returned++;
    r->exhausted = false;
    r->ask_again = r->claiming;
    if (r->left != INT64_MAX) {
        r->left++;
        r->failing_left += failing;
    }
    job_pump(r->job);
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
        r->refused =
            xstrdup("renewd is stopping while the database is not available; what was received is on the spool");
        run_tell(r);
    }
}

void runs_forget(struct job *j)
{
    while (j->runs)
        run_free(j->runs);
}
