/* SPDX-License-Identifier: MIT
 * Makes, starts, stops and frees the engine. The order of the stop loses no result.
 */
#include "core/engine/commit/commit.h"
#include "core/engine/discover/discover.h"
#include "core/engine/engine.h"
#include "core/engine/events/events.h"
#include "core/engine/internal.h"
#include "core/engine/recovery/recovery.h"
#include "core/engine/refresh/refresh.h"
#include "core/engine/tokens/tokens.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/tokens/internal.h"
#include "core/engine/tokens/tokens.h"

int engine_new(const struct engine_setup *s, struct engine **ret, struct error *e)
{
    struct engine *en = xcalloc(1, sizeof *en);
    en->setup = *s;
    en->on = &engine_listeners;
    en->loop = s->loop;
    en->started_at = clock_now();
    en->tokens = tokens_new();
    en->job_notes = s->job_notes;
    int res = http_client_new(s->loop, NULL, &en->http);
    if (res < 0) {
        tokens_free(en->tokens);
        free(en);
        return error_set(e, res, "starting the HTTP client failed: %s", strerror(-res));
    }
    res =
        spool_open(s->loop, s->state->path, s->state->host, s->state->incarnation, s->config->keys, &en->spool, e);
    if (res < 0) {
        http_client_free(en->http);
        tokens_free(en->tokens);
        free(en);
        return res;
    }
    const struct retention_setup keep = {s->state->path,
                                         s->state->host,
                                         s->state->incarnation,
                                         s->config->keys,
                                         s->config->spool_keep,
                                         restored_database_ours,
                                         en};
    en->keep = retention_new(&keep);
    en->rate_limits = rate_limits_new();
    en->forwards = forwards_new();
    en->jobs = xcalloc(s->job_count + 1, sizeof *en->jobs);
    en->disabled = xcalloc(s->job_count + 1, sizeof *en->disabled);
    for (size_t i = 0; i < s->job_count; i++)
        if (s->jobs[i]->enabled)
            en->jobs[en->job_count++] = job_new(en, s->jobs[i]);
        else
            en->disabled[en->disabled_count++] = s->jobs[i];
    free(s->jobs);
    *ret = en;
    return 0;
}

static void reader_up(void *ctx)
{
    struct engine *e = ctx;
    e->reader_up = true;
    if (e->phase == ENGINE_READ_ONLY)
        startup_show(e);
}

static void reader_down(void *ctx, const char *why)
{
    struct engine *e = ctx;
    (void)why;
    e->reader_up = false;
}

void engine_start(struct engine *e)
{
    if (e->setup.daemon)
        secrets_start(e);
    const struct config *c = e->setup.config;
    struct store_options o = {.driver = c->store_driver,
                              .path = c->store_path,
                              .dsn = c->store_dsn,
                              .wal = c->store_wal,
                              .network = c->store_network};
    struct store_events ev = {.up = startup_up,
                              .down = startup_down,
                              .ctx = e,
                              .admit = startup_admit,
                              .refused = startup_refused,
                              .denied = startup_denied};
    struct store_events quiet = {.up = reader_up, .down = reader_down, .ctx = e};
    struct error err;
    int res = store_thread_start(e->loop, &o, &ev, &e->store, &err);
    o.read_only = true;
    if (res >= 0 && e->setup.daemon)
        res = store_thread_start(e->loop, &o, &quiet, &e->reader, &err);
    if (res < 0)
        e->setup.fatal(e->setup.ctx, 1, err.text);
}

/* ---- stopping ---- */

/* While the database is not available, runs wait only for it: what they received is on the spool, and the next
 * start ends their rows. */
static bool works(const struct job *j)
{
    return j->active || (j->runs && engine_store_up(j->engine)) || events_at_work(j);
}

static bool quiet(const struct engine *e)
{
    if (e->busy || (e->commits && engine_store_up(e)))
        return false;
    for (size_t i = 0; i < e->job_count; i++)
        if (works(e->jobs[i]))
            return false;
    for (const struct job *j = e->retired; j; j = j->next_retired)
        if (works(j))
            return false;
    return !e->retired || !engine_store_up(e);
}

/* Answers callers that wait for a run whose end the store would have to record. */
static void tell_waiting(struct engine *e)
{
    for (size_t i = 0; i < e->job_count; i++)
        runs_tell_stopping(e->jobs[i]);
    for (struct job *j = e->retired; j; j = j->next_retired)
        runs_tell_stopping(j);
}

static void thread_stopped(void *ctx)
{
    struct engine *e = ctx;
    if (--e->threads)
        return;
    if (e->lost)
        spool_stay(e->spool);
    spool_close(e->spool);
    e->spool = NULL;
    retention_free(e->keep);
    e->keep = NULL;
    e->stopped(e->stopped_ctx);
}

static void stop_threads(void *ctx)
{
    struct engine *e = ctx;
    loop_cancel(&e->stop_timer);
    loop_cancel(&e->heartbeat);
    loop_cancel(&e->resume_timer);
    loop_cancel(&e->keep_timer);
    loop_cancel(&e->lost_timer);
    loop_cancel(&e->again_timer);
    loop_cancel(&e->recover_timer);
    loop_cancel(&e->requests_timer);
    loop_cancel(&e->history_timer);
    pg_notify_stop(e);
    secrets_stop(e);
    e->threads = (e->store != NULL) + (e->reader != NULL) + 1;
    if (e->store)
        store_thread_stop(e->store, thread_stopped, e);
    if (e->reader)
        store_thread_stop(e->reader, thread_stopped, e);
    thread_stopped(e);
}

/* Called before the spool and the store end: nothing that needs them may arrive any more. What was sent has its
 * intent on the spool. */
static void give_up(struct engine *e)
{
    for (size_t i = 0; i < e->job_count; i++) {
        attempts_give_up(e->jobs[i]);
        events_give_up(e->jobs[i]);
    }
    for (struct job *j = e->retired; j; j = j->next_retired) {
        attempts_give_up(j);
        events_give_up(j);
    }
}

static void waited_long_enough(void *ctx)
{
    struct engine *e = ctx;
    e->stop_timer = NULL;
    log_line(LEVEL_WARNING, "stopping while attempts are still under way; what they received is on the spool",
             NULL);
    e->stopping = STOP_BEGUN;
    give_up(e);
    if (e->setup.daemon)
        tell_waiting(e);
    stop_threads(e);
}

static bool job_idle(const struct job *j)
{
    return !j->active && !j->runs && !j->discovery.running && events_idle(j);
}

/* Jobs that a reload removed are freed when nothing refers to them any more. */
static void free_retired(struct engine *e)
{
    if (e->busy || e->commits)
        return;
    for (struct job **p = &e->retired; *p;) {
        struct job *j = *p;
        if (!job_idle(j)) {
            p = &j->next_retired;
            continue;
        }
        *p = j->next_retired;
        job_free(j);
    }
}

void engine_check_later(void *ctx)
{
    struct engine *e = ctx;
    e->check_timer = NULL;
    free_retired(e);
    if (e->stopping == STOP_ASKED && quiet(e)) {
        e->stopping = STOP_BEGUN;
        if (e->setup.daemon)
            tell_waiting(e);
        stop_threads(e);
    }
}

void engine_stop(struct engine *e, void (*stopped)(void *ctx), void *ctx)
{
    if (e->stopping)
        return;
    e->stopping = STOP_ASKED;
    e->stopped = stopped;
    e->stopped_ctx = ctx;
    engine_tell_jobs_ready(e);
    forwards_stop(e);
    e->stop_timer = loop_after(e->loop, e->setup.config->stop_wait_ms, waited_long_enough, e);
    for (size_t i = 0; i < e->job_count; i++) {
        schedule_stop(e->jobs[i]);
        discovery_stop(e->jobs[i]);
        events_stop(e->jobs[i]);
        loop_cancel(&e->jobs[i]->retry_timer);
        job_fault_stop(e->jobs[i]);
        attempt_abandon_unsent(e->jobs[i]);
        run_stop_all(e->jobs[i]);
    }
    for (struct job *j = e->retired; j; j = j->next_retired)
        run_stop_all(j);
    engine_check_stopped(e);
}

void engine_forget_disabled(struct engine *e)
{
    for (size_t i = 0; i < e->disabled_count; i++)
        job_config_free(e->disabled[i]);
    free(e->disabled);
    e->disabled = NULL;
    e->disabled_count = 0;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    token_requests_free(e);
    forwards_free(e);
    change_feed_free(e);
    loop_cancel(&e->check_timer);
    retention_free(e->keep);
    for (size_t i = 0; i < e->job_count; i++)
        job_free(e->jobs[i]);
    while (e->retired) {
        struct job *j = e->retired;
        e->retired = j->next_retired;
        job_free(j);
    }
    http_client_free(e->http); /* after everything that holds one of its transfers */
    commits_forget(e);
    store_thread_free(e->store);
    store_thread_free(e->reader);
    tokens_free(e->tokens);
    rate_limits_free(e->rate_limits);
    spool_files_free(e->leftovers, e->leftover_count);
    explicit_bzero(e->fingerprint_key, sizeof e->fingerprint_key);
    free(e->store_why);
    conf_mistakes_free(e->job_notes);
    engine_forget_disabled(e);
    free(e->jobs);
    free(e);
}

/* ---- for the API ---- */

void engine_status(const struct engine *e, struct engine_status *ret)
{
    struct spool_counts spool = {0};
    struct retention_counts kept = {0};
    if (e->spool)
        spool_counts(e->spool, &spool);
    if (e->keep)
        retention_counts(e->keep, &kept);
    *ret = (struct engine_status){
        .host = e->setup.state->host,
        .incarnation = e->setup.state->incarnation,
        .store_driver = e->setup.config->store_driver,
        .store_up = engine_store_up(e),
        .migrates = store_thread_migrates(e->store),
        .store_why = engine_store_up(e) ? NULL : e->store_why,
        .read_only = e->phase == ENGINE_READ_ONLY,
        .started_at = e->started_at,
        .jobs = e->job_count,
        .waiting_commits = commits_waiting(e),
        .orphans = e->parked.orphans,
        .answers = e->parked.answers,
        .pending = e->parked.pending,
        .spool_entries = spool.entries,
        .spool_bytes = spool.bytes,
        .spool_oldest_at = spool.oldest_at,
        .kept = kept.entries,
        .kept_bytes = kept.bytes,
        .left_alone = e->left_alone + kept.left_alone,
    };
    for (size_t i = 0; i < e->job_count; i++) {
        ret->held += job_held(e->jobs[i]) != NULL;
        ret->failing += e->jobs[i]->failing.why != NULL;
        ret->paused += e->jobs[i]->paused;
        ret->in_flight += e->jobs[i]->active;
    }
}

const char *engine_warning(const struct engine *e, size_t index)
{
    const struct conf_mistakes *const notes[] = {e->setup.config_notes, e->job_notes};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; notes[k] && conf_warnings_at(notes[k], i); i++)
            if (index-- == 0)
                return conf_warnings_at(notes[k], i);
    for (size_t i = 0; i < e->job_count; i++)
        if (e->jobs[i]->secret_why && index-- == 0)
            return e->jobs[i]->secret_why;
    for (size_t i = 0; i < e->job_count; i++)
        if (e->jobs[i]->unheld.text && index-- == 0)
            return e->jobs[i]->unheld.text;
    return NULL;
}

struct job *engine_job(const struct engine *e, size_t index)
{
    return index < e->job_count ? e->jobs[index] : NULL;
}

struct job *engine_job_called(const struct engine *e, const char *name)
{
    struct job *j = engine_job_by_name(e, name);

    for (size_t i = 0; !j && i < e->job_count; i++)
        if (e->jobs[i]->config->legacy_name && strcmp(e->jobs[i]->config->legacy_name, name) == 0)
            j = e->jobs[i];
    return j;
}

const struct job_config *engine_disabled(const struct engine *e, size_t index)
{
    return index < e->disabled_count ? e->disabled[index] : NULL;
}

const struct job_config *engine_disabled_called(const struct engine *e, const char *name)
{
    for (size_t i = 0; i < e->disabled_count; i++) {
        const struct job_config *c = e->disabled[i];
        if (strcmp(c->job, name) == 0 || (c->legacy_name && strcmp(c->legacy_name, name) == 0))
            return c;
    }
    return NULL;
}
