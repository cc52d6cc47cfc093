/* SPDX-License-Identifier: MIT
 * A job from its configuration to the moment when it may claim: its plugin is opened, its table and statements are
 * checked against the live database. A mismatch holds the job, with the reason, and is checked again every half
 * minute.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/commit/commit.h"
#include "core/engine/discover/discover.h"
#include "core/engine/events/events.h"
#include "core/engine/internal.h"
#include "core/engine/recovery/recovery.h"
#include "core/engine/refresh/refresh.h"
#include "core/store/sources.h"

enum { RESOLVE_AGAIN_MS = 30000, RESOLVE_SOON_MS = 3000 };

static void open_instance(struct job *j)
{
    struct error e;
    const struct job_config *c = j->config;
    if (c->mistake && !j->engine->setup.daemon) { /* --once has reported it with all others */
        job_hold_silently(j, HOLD_SETTINGS, c->mistake);
        return;
    }
    if (c->mistake) {
        job_hold(j, HOLD_SETTINGS, c->mistake);
        return;
    }
    if (instance_open(c->plugin, c->job, c->settings, &j->instance, &e) < 0) {
        job_hold(j, HOLD_SETTINGS, e.text);
        return;
    }
    instance_zone(j->instance, c->zone);
    j->replay = instance_replay(j->instance, &j->grace_s);
    if (c->replay) {
        j->replay = c->replay;
        j->grace_s = c->replay_grace_s;
    }
    j->safe = j->replay == RENEWD_REPLAY_SAFE;
    j->credential_slot = plugin_credential(c->plugin);
    j->expires_slot = plugin_slot(c->plugin, "expires_at");
    pace_init(&j->pace, c->pace_ms);
    events_new(j);
}

struct job *job_new(struct engine *e, struct job_config *c)
{
    struct job *j = xcalloc(1, sizeof *j);
    j->engine = e;
    j->config = c;
    status_columns_make(j);
    open_instance(j);
    return j;
}

void job_free(struct job *j)
{
    if (!j)
        return;
    schedule_stop(j);
    discovery_stop(j);
    free(j->discovery.last_key);
    free(j->warning);
    free(j->blind);
    loop_cancel(&j->retry_timer);
    loop_cancel(&j->fault_timer);
    ready_close(j);
    while (j->attempts)
        attempt_free(j->attempts);
    runs_forget(j);
    breaker_done(j);
    failing_done(j);
    events_free(j);
    instance_free(j->instance);
    table_free(j->table);
    status_columns_free(j);
    job_config_free(j->config);
    free(j->slot_column);
    free(j->read_source);
    if (j->next_config)
        job_config_free(j->next_config);
    free(j->secret_why);
    free(j->hidden);
    only_unheld_done(&j->unheld);
    job_holds_free(j);
    free(j);
}

struct resolve_task {
    struct job *job;
    bool shares; /* its configuration's */
    struct table *table;
    struct job_row row;
    struct granted granted;
    struct breaker_row breaker;
    char *blind;
};

static int open_breaker(struct db *db, struct resolve_task *t, struct error *e)
{
    const struct job *j = t->job;
    const struct breaker_key k = {j->config->job, j->settings_id, t->table->source};
    return store_breaker_open(db, &k, clock_now_ms(), &t->breaker, e);
}

/* A changed schedule counts from now on: its earlier ticks belong to no run. A tick that the old schedule missed
 * while renewd was down is still made up. */
static int take_schedule(struct db *db, struct resolve_task *t, struct error *e)
{
    const struct job *j = t->job;
    int64_t now = clock_now(), tick = schedule_prev(j, now);
    bool missed = t->row.next_tick && t->row.next_tick <= now;
    if (!t->row.last_tick || !tick)
        return 0;
    if (missed) {
        t->row.last_tick = t->row.last_tick < tick ? t->row.last_tick : tick - 1;
        return 0;
    }
    if (tick > t->row.last_tick)
        t->row.last_tick = tick;
    return store_job_tick(db, j->config->job, t->row.last_tick, schedule_next(j, now), e);
}

static int resolve_work(struct db *db, void *arg, struct error *e)
{
    struct resolve_task *t = arg;
    const struct job_config *c = t->job->config;
    struct table_requirement wish;
    job_wish(c, &wish);
    int res = table_resolve(db, &wish, &t->table, e);
    if (res >= 0)
        res = store_source_take(db, t->table, t->shares, e);
    if (res >= 0)
        res = job_rights(db, c, t->table, true, e);
    if (res >= 0)
        res = job_check_statements(db, c, e);
    if (res >= 0)
        res = job_note_statements(db, c, t->table, e);
    if (res >= 0)
        res = status_columns_check(db, t->job, e);
    if (res >= 0)
        res = grant_monitor_read(db, c->job, &t->granted, e);
    if (res >= 0)
        res = store_job_put(db, c->job, c->plugin_name, c->schedule_text, c->legacy_name, c->limit, &t->row, e);
    if (res >= 0 && t->row.rescheduled)
        res = take_schedule(db, t, e);
    if (res >= 0)
        res = store_job_watchable(db, t->table, e);
    if (res >= 0)
        res = open_breaker(db, t, e);
    if (res >= 0)
        t->blind = status_columns_blind(db, t->job);
    return res;
}

/* For the refusal of a wrong key: how many values of the job's table the key should open. */
int64_t job_count_sealed(struct db *db, const struct job *j, const char *prefix)
{
    if (!j->instance)
        return 0;
    struct table_requirement wish;
    struct table *table = NULL;
    struct error e;
    int64_t count = 0;
    job_wish(j->config, &wish);
    if (table_resolve(db, &wish, &table, &e) >= 0 && !table->own)
        store_count_sealed_in(db, table, prefix, &count, &e);
    table_free(table);
    return count;
}

void job_map_slots(struct job *j)
{
    const struct renewd_plugin *d = plugin_descriptor(j->config->plugin);
    size_t n = 0;
    while (d->slots[n])
        n++;
    free(j->slot_column);
    j->slot_column = xcalloc(n + 1, sizeof *j->slot_column);
    for (size_t i = 0; i < n; i++)
        j->slot_column[i] = table_column(j->table, d->slots[i]->name);
}

static void resolve_again(void *ctx)
{
    struct job *j = ctx;
    j->retry_timer = NULL;
    job_resolve(j);
}

static void resolved(struct job *j, struct resolve_task *t)
{
    table_free(j->table);
    j->table = t->table;
    t->table = NULL;
    j->paused = t->row.paused;
    j->last_tick = t->row.last_tick;
    j->granted = t->granted;
    j->granted_known = true;
    breaker_row_done(&j->breaker.row);
    j->breaker.row = t->breaker;
    memset(&t->breaker, 0, sizeof t->breaker);
    job_map_slots(j);
    status_columns_blind_take(j, t->blind);
    t->blind = NULL;
    job_release_hold(j, HOLD_TABLE);
    job_fault_look(j, &t->row);
}

/* Which rows both take, as the database compares values; NULL: none. */
static char *overlap_of(const struct job *j, const struct table *table, const struct job *other)
{
    char *overlap = NULL;
    if (jobs_parted_by(j->engine->setup.config, j->config, table, other->config, other->table, &overlap) &&
        strcmp(table->source, other->table->source) == 0)
        overlap = xasprintf("its table has the same name in renewd's records");
    return overlap;
}

/* One table in two notations ("tokens", "public.tokens"), and values that differ in their capitals alone, are
 * detected only here. The job of the newer file is held; also one that runs. True: j is held. */
static bool overlaps(struct job *j, const struct table *table)
{
    struct engine *e = j->engine;
    bool held = false;
    for (size_t i = 0; table->base && i < e->job_count && !held; i++) {
        struct job *other = e->jobs[i];
        if (other == j || other->holds[HOLD_TABLE] || !other->table || !other->table->base ||
            strcmp(other->table->base, table->base) != 0)
            continue;
        cleanup(free_p) char *overlap = overlap_of(j, table, other);
        if (!overlap)
            continue;
        struct job *newer = job_is_newer(j->config, other->config) ? j : other, *older = newer == j ? other : j;
        cleanup(free_p) char *why = jobs_overlap_text(newer->config, older->config, overlap);
        job_hold(newer, HOLD_TABLE, why);
        if (newer == other)
            attempt_abandon_unsent(other);
        held = newer == j;
    }
    return held;
}

static void resolve_done(void *arg, int result, const struct error *e)
{
    struct resolve_task *t = arg;
    struct job *j = t->job;
    struct engine *en = j->engine;
    j->resolving = false;
    if (result >= 0 && !j->removed && overlaps(j, t->table)) {
        recover_check(en);
    } else if (result >= 0 && !j->removed) {
        resolved(j, t);
        if (en->phase == ENGINE_WORKING)
            discovery_start(j, true);
        else
            recover_check(en);
    } else if (!store_is_away(result) && !j->removed) { /* also for a lock: the other jobs do not wait for it */
        job_hold(j, HOLD_TABLE, e->text);
        if (!en->stopping)
            j->retry_timer =
                loop_after(en->loop, store_passes(result) ? RESOLVE_SOON_MS : RESOLVE_AGAIN_MS, resolve_again, j);
        recover_check(en);
    }
    table_free(t->table);
    job_row_done(&t->row);
    breaker_row_done(&t->breaker);
    free(t->blind);
    free(t);
}

/* Identifies the settings under which the provider answers (rule 10). The hash's key is the database's own. */
static void name_settings(struct job *j)
{
    unsigned char hash[32] = {0};
    settings_hash(j->config->settings, hash);
    if (fingerprint(j->engine->fingerprint_key, plugin_name(j->config->plugin), "settings", (const char *)hash,
                    sizeof hash, j->settings_id) < 0)
        j->settings_id[0] = '\0';
    explicit_bzero(hash, sizeof hash);
}

void job_resolve(struct job *j)
{
    struct engine *en = j->engine;
    loop_cancel(&j->retry_timer);
    if (!j->instance || j->table || j->resolving || en->phase < ENGINE_DRAINING || en->stopping)
        return;
    j->resolving = true;
    name_settings(j);
    struct resolve_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->shares = j->config->shares;
    engine_async(en, resolve_work, t, resolve_done);
}

static int source_work(struct db *db, void *arg, struct error *e)
{
    struct resolve_task *t = arg;
    struct table_requirement wish;
    job_wish(t->job->config, &wish);
    int res = table_resolve(db, &wish, &t->table, e);
    struct error ignored;
    if (res >= 0)
        (void)store_source_find(db, t->table, &ignored); /* an older store knows none */
    return res;
}

static void source_done(void *arg, int result, const struct error *err)
{
    (void)err;
    struct resolve_task *t = arg;
    if (result >= 0) {
        free(t->job->read_source);
        t->job->read_source = xstrdup(t->table->source);
    }
    table_free(t->table);
    free(t);
}

void job_find_source(struct job *j)
{
    if (!j->instance || j->table || j->engine->stopping)
        return;
    struct resolve_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    engine_async_read(j->engine, source_work, t, source_done);
}

/* ---- pause and resume ---- */

void job_set_paused(struct job *j, bool paused)
{
    if (j->paused == paused)
        return;
    j->paused = paused;
    log_line(LEVEL_INFO, paused ? "job paused" : "job resumed", "job", j->config->job, NULL);
    if (paused)
        schedule_stop(j);
    else if (j->discovered)
        schedule_start(j);
    events_came(j);
}

struct pause_task {
    struct job *job;
    bool paused, believe;
    action_done *done;
    void *ctx;
};

static int pause_work(struct db *db, void *arg, struct error *e)
{
    struct pause_task *t = arg;
    return store_job_pause(db, t->job->config->job, t->paused, e);
}

static void job_pause_done(void *arg, int result, const struct error *e)
{
    struct pause_task *t = arg;
    struct job *now = t->job->removed ? engine_job_by_name(t->job->engine, t->job->config->job) : NULL;
    struct job *j = now ? now : t->job; /* a reload may have put another in its place */
    if (result >= 0 && !t->paused)
        breaker_resume(j, t->believe);
    if (result >= 0)
        job_set_paused(j, t->paused);
    if (result >= 0 && !t->paused)
        job_fault_over(j);
    t->done(t->ctx, result, e->text);
    free(t);
}

void engine_pause(struct engine *e, struct job *j, bool paused, bool believe, action_done *done, void *ctx)
{
    if (e->phase == ENGINE_READ_ONLY) {
        done(ctx, -EROFS, e->store_why);
        return;
    }
    struct pause_task *t = xcalloc(1, sizeof *t);
    *t = (struct pause_task){j, paused, believe, done, ctx};
    engine_async(e, pause_work, t, job_pause_done);
}

const struct job_config *job_configuration(const struct job *j)
{
    return j->config;
}

const char *job_held(const struct job *j)
{
    return j->held ? j->held : breaker_holds(j) ? j->breaker.row.why : NULL;
}

bool job_is_looked_up(const struct job *j)
{
    return j->resolving;
}

bool job_held_by_breaker(const struct job *j)
{
    return !j->held && breaker_holds(j);
}

bool job_paused(const struct job *j)
{
    return j->paused;
}

const char *job_source(const struct job *j)
{
    return j->table ? j->table->source : j->engine->phase == ENGINE_READ_ONLY ? j->read_source : NULL;
}

int64_t job_next_at(const struct job *j)
{
    if (j->next_tick && j->auto_at)
        return j->next_tick < j->auto_at ? j->next_tick : j->auto_at;
    return j->next_tick ? j->next_tick : j->auto_at;
}

size_t job_in_flight(const struct job *j)
{
    return ready_under_way(j);
}
