/* SPDX-License-Identifier: MIT
 * What a job's state says: held or not, what it may do, how long its attempts may take.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/engine/state/state.h"

enum { STORE_TIMEOUT_S = 5, LEASE_SPARE_S = 60 };

/* Callers that show the reason name the job. */
const char *job_unnamed(const struct job *j, const char *why)
{
    size_t len = strlen(j->config->job);
    bool named =
        !strncmp(why, "job ", 4) && !strncmp(why + 4, j->config->job, len) && !strncmp(why + 4 + len, ": ", 2);
    return named ? why + 4 + len + 2 : why;
}

/* Replaces a reason; NULL ends it. */
static void set_hold(struct job *j, enum hold hold, const char *why)
{
    free(j->holds[hold]);
    j->holds[hold] = why ? xstrdup(why) : NULL;
    free(j->held);
    j->held = NULL;
    for (size_t i = 0; i < HOLDS; i++) {
        char *before = j->held;
        if (!j->holds[i])
            continue;
        j->held = before ? xasprintf("%s; also held: %s", before, j->holds[i]) : xstrdup(j->holds[i]);
        free(before);
    }
}

void job_hold_silently(struct job *j, enum hold hold, const char *why)
{
    set_hold(j, hold, job_unnamed(j, why));
}

void job_hold(struct job *j, enum hold hold, const char *why)
{
    why = job_unnamed(j, why);
    if (j->holds[hold] && strcmp(j->holds[hold], why) == 0)
        return;
    set_hold(j, hold, why);
    log_line(LEVEL_ERROR, "job held", "job", j->config->job, "reason", j->holds[hold], NULL);
    engine_check_ready(j->engine);
}

void job_release_hold(struct job *j, enum hold hold)
{
    if (!j->holds[hold])
        return;
    set_hold(j, hold, NULL);
    if (j->held)
        log_line(LEVEL_INFO, "one reason to hold the job is over, another one is not", "job", j->config->job,
                 "reason", j->held, NULL);
    else
        log_line(LEVEL_INFO, "job no longer held", "job", j->config->job, NULL);
}

void job_holds_free(struct job *j)
{
    for (size_t i = 0; i < HOLDS; i++)
        free(j->holds[i]);
    free(j->held);
}

bool job_may_read(const struct job *j)
{
    return !j->holds[HOLD_SETTINGS] && !j->holds[HOLD_TABLE];
}

const char *job_why_not(const struct job *j, int *ret_error)
{
    *ret_error = -EBUSY;
    if (j->held)
        return j->held;
    if (j->paused)
        return RUN_PAUSED;
    *ret_error = -ESHUTDOWN;
    if (j->engine->stopping)
        return RUN_STOPPING;
    *ret_error = -EROFS;
    if (j->engine->phase == ENGINE_READ_ONLY)
        return j->engine->store_why;
    *ret_error = -ENOTCONN;
    if (!engine_store_up(j->engine))
        return "the database is not available; nothing is attempted until it answers";
    if (!j->discovered)
        return RUN_DISCOVERING;
    *ret_error = 0;
    return NULL;
}

bool job_may_claim(const struct job *j)
{
    int error;
    return !job_why_not(j, &error) && engine_may_work(j->engine) && !j->removed && j->table;
}

int64_t job_timeout_ms(const struct job *j)
{
    int64_t most = j->replay == RENEWD_REPLAY_GRACE ? j->grace_s * 1000 / 3 : 0;
    return most && most < j->config->timeout_ms ? most : j->config->timeout_ms;
}

int64_t job_lease_s(const struct job *j)
{
    return 3 * j->config->timeout_ms / 1000 + STORE_TIMEOUT_S + LEASE_SPARE_S;
}

/* Of two that name the same table, the one that is not held for it. */
struct job *job_by_source(const struct engine *e, const char *source)
{
    struct job *found = NULL;
    for (size_t i = 0; source && i < e->job_count; i++) /* a pair parked by an old version names none */
        if (e->jobs[i]->table && strcmp(e->jobs[i]->table->source, source) == 0 && (!found || found->held))
            found = e->jobs[i];
    return found;
}

const char *job_stands(const struct job *j)
{
    return j->held;
}
