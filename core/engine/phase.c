/* SPDX-License-Identifier: MIT
 * What happens when the store answers. The first time, the keys are checked against the installation, and nothing
 * is written when they are wrong (rule 15). Each time, the jobs' tables are checked, the spool of dead processes is
 * drained, and only then is anything claimed.
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
#include "core/crypto/encoding.h"
#include "core/db/schema_rights.h"
#include "core/engine/commit/commit.h"
#include "core/engine/internal.h"
#include "core/engine/recovery/recovery.h"
#include "core/engine/refresh/refresh.h"
#include "core/store/guard.h"
#include "core/store/hosts.h"

enum {
    HEARTBEAT_MS = 15000,
    COUNT_BEATS = 40 /* ten minutes */,
    BUSY_AGAIN_MS = 1000,
    EXIT_CONFIG = 78,
    GRANTS_MAX = 700
};

struct check_task {
    struct engine *engine;
    struct keys_check keys;
    char installation[ID_SIZE];
};

static int own_rights(struct db *db, struct error *e)
{
    cleanup(buf_done) struct buf grants = {0};
    struct error ignored;
    buf_init(&grants, GRANTS_MAX);
    if (rights_own(db, &grants, &ignored) < 0 || !grants.len)
        return -EACCES;
    return error_set(e, -EACCES, "%s; what renewd's role lacks: %s", e->text, grants.data);
}

static int check_work(struct db *db, void *arg, struct error *e)
{
    struct check_task *t = arg;
    const struct state_dir *s = t->engine->setup.state;
    int res = keys_check(t->engine, db, &t->keys, e);
    if (res >= 0)
        res = guard_count(db, s, t->installation, e);
    if (res >= 0 && t->engine->setup.daemon)
        res = store_runs_end(db, s->host, clock_now(), e);
    if (res >= 0)
        res = store_heartbeat(db, s->host, s->incarnation, e);
    if (res >= 0)
        res = store_hosts_tidy(db, s->host, s->incarnation, e);
    return res == -EACCES ? own_rights(db, e) : res;
}

static void phase_go_on(struct engine *e)
{
    for (size_t i = 0; i < e->job_count; i++)
        job_resolve(e->jobs[i]);
    requests_serve(e);
    commits_resume(e);
    unowned_leases_check(e);
    recover_check(e);
}

static void check_done(void *arg, int result, const struct error *err);

static void phase_check_start(struct engine *e)
{
    if (e->phase != ENGINE_CHECKING || e->stopping)
        return;
    struct check_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    t->keys.jobs = xmemdup(e->jobs, (e->job_count + 1) * sizeof *t->keys.jobs);
    t->keys.job_count = e->job_count;
    engine_async(e, check_work, t, check_done);
}

static void check_again(void *ctx)
{
    struct engine *e = ctx;
    e->again_timer = NULL;
    phase_check_start(e);
}

/* The database is ours: from now on it is written. */
static void phase_checked(struct engine *e, const struct check_task *t)
{
    struct error why;
    keys_checked(e, &t->keys);
    memcpy(e->installation, t->installation, sizeof e->installation);
    engine_enter(e, ENGINE_DRAINING);
    if (spool_belongs(e->spool, e->installation, &why) < 0)
        e->setup.fatal(e->setup.ctx, 1, why.text);
    else if (!e->stopping)
        phase_go_on(e);
}

static void check_done(void *arg, int result, const struct error *err)
{
    struct check_task *t = arg;
    struct engine *e = t->engine;
    if (t->keys.wrong) {
        e->setup.fatal(e->setup.ctx, EXIT_CONFIG, err->text);
    } else if (result >= 0) {
        if (e->phase == ENGINE_CHECKING)
            phase_checked(e, t);
    } else if (store_passes(result) && !store_is_away(result)) {
        log_line(LEVEL_WARNING, "the database is busy; renewd tries again", "reason", err->text, NULL);
        if (!e->again_timer && !e->stopping)
            e->again_timer = loop_after(e->loop, BUSY_AGAIN_MS, check_again, e);
    } else if (!store_passes(result)) {
        e->setup.fatal(e->setup.ctx, 1, err->text);
    }
    crypto_wipe(t->keys.fingerprint_key, sizeof t->keys.fingerprint_key);
    free(t->keys.jobs);
    free(t);
}

static int beat_work(struct db *db, void *arg, struct error *e)
{
    const struct state_dir *s = arg;
    return store_heartbeat(db, s->host, s->incarnation, e);
}

static int phase_count_work(struct db *db, void *arg, struct error *e)
{
    const struct state_dir *s = arg;
    char installation[ID_SIZE];
    int res = store_heartbeat(db, s->host, s->incarnation, e);
    return res < 0 ? res : guard_count(db, s, installation, e);
}

static void beat_done(void *arg, int result, const struct error *e)
{
    (void)arg;
    (void)result;
    (void)e;
}

static void beat(void *ctx)
{
    struct engine *e = ctx;
    e->heartbeat = loop_after(e->loop, HEARTBEAT_MS, beat, e);
    bool counts = ++e->beats % COUNT_BEATS == 0;
    if (counts)
        retention_age(e->keep);
    if (e->phase >= ENGINE_DRAINING)
        store_submit(e->store, counts ? phase_count_work : beat_work, e->setup.state, beat_done);
    recover_siblings(e);
    recover_kept(e, false);
    expired_leases_check(e);
    parked_count(e);
}

void startup_up(void *ctx)
{
    struct engine *e = ctx;
    bool known = e->installation[0];
    engine_enter(e, known ? ENGINE_DRAINING : ENGINE_CHECKING);
    free(e->store_why);
    e->store_why = NULL;
    log_line(LEVEL_INFO, "the database answers", "driver", e->setup.config->store_driver, NULL);
    if (!e->heartbeat && !e->stopping)
        e->heartbeat = loop_after(e->loop, HEARTBEAT_MS, beat, e);
    for (size_t i = 0; known && i < e->job_count; i++)
        e->jobs[i]->ramp_up_limit = 1;
    if (!known) {
        phase_check_start(e);
    } else if (e->stopping) {
        commits_resume(e);
        unowned_leases_check(e);
    } else {
        phase_go_on(e);
    }
}

static void lost_store(struct engine *e, const char *why, enum engine_phase phase)
{
    engine_enter(e, phase);
    loop_cancel(&e->again_timer);
    if (e->set_back == SET_BACK_WRITING)
        e->set_back = SET_BACK_TO_LOOK;
    free(e->store_why);
    e->store_why = xstrdup(why);
    for (size_t i = 0; i < e->job_count; i++) /* nothing new is attempted */
        attempt_abandon_unsent(e->jobs[i]);
    for (struct job *j = e->retired; j; j = j->next_retired)
        attempt_abandon_unsent(j);
    engine_tell_jobs_ready(e);
    engine_check_stopped(e);
}

void startup_down(void *ctx, const char *why)
{
    struct engine *e = ctx;
    log_line(LEVEL_ERROR, "the database is not available; nothing new is attempted until it answers", "reason", why,
             NULL);
    lost_store(e, why, ENGINE_AWAY);
}

/* A wrong password, a missing right: waiting does not resolve it. */
void startup_denied(void *ctx, const char *why)
{
    struct engine *e = ctx;
    lost_store(e, why, ENGINE_AWAY);
    if (e->setup.daemon)
        log_line(LEVEL_ERROR,
                 "the database refuses renewd; nothing is attempted until the cause is corrected; renewd tries "
                 "again by itself",
                 "reason", why, NULL);
    else
        e->setup.fatal(e->setup.ctx, 1, why);
}

/* ---- the clone guard (rule 13) ---- */

int startup_admit(void *ctx, struct db *db, struct error *e)
{
    const struct engine *engine = ctx;
    return guard_look(db, engine->setup.state, e);
}

/* The listeners of the API serve what can be read. */
void startup_show(struct engine *e)
{
    for (size_t i = 0; e->reader && e->reader_up && i < e->job_count; i++)
        job_find_source(e->jobs[i]);
}

void startup_refused(void *ctx, const char *why)
{
    struct engine *e = ctx;
    lost_store(e, why, ENGINE_READ_ONLY);
    e->installation[0] = '\0'; /* the adopted database may be another installation's */
    if (!e->setup.daemon) {
        e->setup.fatal(e->setup.ctx, 1, why);
        return;
    }
    log_line(LEVEL_ERROR, "the database is only read; nothing is refreshed", "reason", why, NULL);
    startup_show(e);
}

struct adopt_task {
    struct engine *engine;
    action_done *done;
    void *ctx;
};

static int adopt_work(struct db *db, void *arg, struct error *e)
{
    const struct adopt_task *t = arg;
    return guard_adopt(db, t->engine->setup.state, e);
}

static void adopt_done(void *arg, int result, const struct error *err)
{
    struct adopt_task *t = arg;
    struct engine *e = t->engine;
    e->busy--;
    if (result >= 0)
        log_line(LEVEL_WARNING, "the database was adopted: it is the one in use from now on", NULL);
    t->done(t->ctx, result, err->text);
    free(t);
    engine_check_stopped(e);
}

void engine_adopt(struct engine *e, action_done *done, void *ctx)
{
    if (e->phase != ENGINE_READ_ONLY) {
        bool up = engine_store_up(e);
        done(ctx, up ? -EINVAL : -ENOTCONN,
             up ? "there is nothing to adopt: this database is the one in use" : e->store_why);
        return;
    }
    struct adopt_task *t = xcalloc(1, sizeof *t);
    *t = (struct adopt_task){e, done, ctx};
    e->busy++;
    store_submit_refused(e->store, adopt_work, t, adopt_done);
}
