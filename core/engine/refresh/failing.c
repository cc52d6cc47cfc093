/* SPDX-License-Identifier: MIT
 * A job is failing when none of its records was refreshed when all were tried last. This is reported everywhere,
 * because each single record may look as if it only waits. The store is asked when attempts have ended since the
 * last time, at most every five seconds.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/engine/state/state.h"
#include "core/engine/refresh/refresh.h"

enum { LOOK_AGAIN_MS = 5000 };

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
    j->last_run.refused = refused ? xstrdup(refused) : NULL;
    j->last_run.started_at = started_at;
    j->last_run.known = true;
}

static int failing_work(struct db *db, void *arg, struct error *e)
{
    struct failing_task *t = arg;
    int res = store_failing(db, t->job->table->source, &t->seen, e);
    return res < 0 || !t->ask_run ? res : store_last_run(db, t->job->config->job, &t->run, e);
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
    if (result >= 0 && t->run && !t->job->last_run.known)
        last_run_note(t->job, t->run->refused && strcmp(t->run->refused, RUN_INTERRUPTED) ? t->run->refused : NULL,
                      t->run->started_at);
    runs_free(t->run, t->run ? 1 : 0);
    failing_seen_done(&t->seen);
    free(t);
}

static void look(void *ctx)
{
    struct job *j = ctx;
    j->failing.timer = NULL;
    if (!engine_may_work(j->engine) || !j->table || j->removed)
        return;
    struct failing_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->ask_run = !j->last_run.known;
    engine_async(j->engine, failing_work, t, failing_look_done);
}

void failing_look(struct job *j, bool soon)
{
    if (!j->failing.timer && j->engine->setup.daemon && !j->engine->stopping && !j->removed)
        j->failing.timer = loop_after(j->engine->loop, soon ? 0 : LOOK_AGAIN_MS, look, j);
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
