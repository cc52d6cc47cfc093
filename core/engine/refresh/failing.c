/* SPDX-License-Identifier: MIT
 * A job is failing when none of its records was refreshed when all were tried last. This is reported everywhere,
 * because each single record may look as if it only waits. The store is asked when attempts have ended since the
 * last time, at most every five seconds, and every minute, because other hosts may make the attempts.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/engine/state/state.h"
#include "core/engine/refresh/refresh.h"

enum { LOOK_AGAIN_MS = 5000, LOOK_FAR_MS = 60000 };

struct failing_task {
    struct job *job;
    struct failing_seen seen;
    bool ask_run; /* the last run, which another process or an earlier one may have had */
    struct run_row *run;
};

void last_run_note(struct job *j, const char *refused, int64_t started_at)
{
    if (j->last_run.known && started_at < j->last_run.started_at)
        return; /* one that began later has ended before it */
    free(j->last_run.refused);
    j->last_run.refused = xstrdup_or_null(refused);
    j->last_run.started_at = started_at;
    j->last_run.known = true;
}

static void failing_arm(struct job *j, int64_t wait_ms);

static int failing_work(struct db *db, void *arg, struct error *e)
{
    struct failing_task *t = arg;
    int res = store_failing(db, t->job->table->source, &t->seen, e);
    return res < 0 || !t->ask_run ? res : store_last_run(db, t->job->config->job, true, &t->run, e);
}

static void failing_take(struct job *j, const struct failing_seen *seen)
{
    bool before = j->failing.why != NULL;
    free(j->failing.why);
    j->failing.why = NULL;
    j->failing.records = seen->records;
    if (seen->records)
        j->failing.why =
            xasprintf("none of the %" PRId64 " records was refreshed at its last attempt%s%s%s%s", seen->records,
                      seen->code || seen->text ? "; the newest answer: " : "", seen->code ? seen->code : "",
                      seen->code && seen->text ? ": " : "", seen->text ? seen->text : "");
    if (!before && j->failing.why)
        log_line(LEVEL_ERROR, "job failing", "job", j->config->job, "reason", j->failing.why, NULL);
    else if (before && !j->failing.why)
        log_line(LEVEL_INFO, "job no longer failing", "job", j->config->job, NULL);
}

static void failing_look_done(void *arg, int result, const struct error *err)
{
    (void)err;
    struct failing_task *t = arg;
    if (result >= 0)
        failing_take(t->job, &t->seen);
    if (result >= 0 && t->run)
        last_run_note(t->job, t->run->refused, t->run->started_at);
    runs_free(t->run, t->run ? 1 : 0);
    failing_seen_done(&t->seen);
    failing_arm(t->job, LOOK_FAR_MS);
    free(t);
}

static void look(void *ctx)
{
    struct job *j = ctx;
    j->failing.timer = NULL;
    if (!engine_may_work(j->engine) || !j->table || j->removed) {
        failing_arm(j, LOOK_FAR_MS);
        return;
    }
    struct failing_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->ask_run = !j->last_run.known || j->last_run.refused || j->failing.far;
    engine_async(j->engine, failing_work, t, failing_look_done);
}

/* What is wanted sooner is not kept back by the minute's look. */
static void failing_arm(struct job *j, int64_t wait_ms)
{
    if (!j->engine->setup.daemon || j->engine->stopping || j->removed)
        return;
    if (j->failing.timer && !j->failing.far)
        return;
    loop_cancel(&j->failing.timer);
    j->failing.far = wait_ms == LOOK_FAR_MS;
    j->failing.timer = loop_after(j->engine->loop, wait_ms, look, j);
}

void failing_look(struct job *j, bool soon)
{
    failing_arm(j, soon ? 0 : LOOK_AGAIN_MS);
}

void failing_done(struct job *j)
{
    loop_cancel(&j->failing.timer);
    free(j->failing.why);
    free(j->last_run.refused);
}

const char *job_last_refused(const struct job *j, int64_t *ret_at)
{
    *ret_at = j->last_run.started_at;
    return j->last_run.refused;
}

const char *job_failing(const struct job *j, int64_t *ret_records)
{
    *ret_records = j->failing.records;
    return j->failing.why;
}
