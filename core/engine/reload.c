/* SPDX-License-Identifier: MIT
 * Reload: conf.d is read again. Each file is handled alone. A changed file replaces its job, unless it has
 * mistakes. A job whose file and secrets did not change continues undisturbed. Attempts under way end under the old
 * configuration.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/log.h"
#include "core/engine/discover/discover.h"
#include "core/engine/events/events.h"
#include "core/engine/internal.h"
#include "core/engine/refresh/refresh.h"

static void retire(struct engine *e, struct job *j)
{
    j->removed = true;
    schedule_stop(j);
    discovery_stop(j);
    events_stop(j);
    loop_cancel(&j->retry_timer);
    loop_cancel(&j->fault_timer);
    attempt_abandon_unsent(j);
    run_stop_all(j);
    j->next_retired = e->retired;
    e->retired = j;
    engine_check_stopped(e);
}

static struct job *reload_take_out(struct job **jobs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (jobs[i] && strcmp(jobs[i]->config->job, name) == 0) {
            struct job *j = jobs[i];
            jobs[i] = NULL;
            return j;
        }
    return NULL;
}

/* A held job starts anew: the reason for the hold may be over. A hold of its breaker is not ended: only a success
 * ends it. */
static bool goes_on(const struct job *old, const struct job_config *c)
{
    return old && !old->config->mistake && !c->mistake && !old->held &&
           strcmp(old->config->content_hash, c->content_hash) == 0 && job_also_keys_same(old->config, c);
}

/* before: the jobs that are not replaced yet. */
static struct job *next_job(struct engine *e, struct job **before, struct job_config *c, struct reload_result *ret)
{
    struct job *old = reload_take_out(before, e->job_count, c->job);
    if (old && !old->config->mistake && c->mistake) {
        log_line(LEVEL_ERROR, "the changed file has mistakes; the job stays as it was", "job", c->job, "reason",
                 c->mistake, NULL);
        job_config_free(c);
        ret->held++;
        return old;
    }
    if (goes_on(old, c)) {
        old->config->shares = c->shares;
        old->config->file_time = c->file_time;
        job_config_free(c);
        ret->unchanged++;
        return old;
    }
    if (c->mistake)
        ret->held++;
    else if (old && strcmp(old->config->content_hash, c->content_hash) == 0)
        ret->unchanged++;
    else
        ret->loaded++;
    struct job *fresh = job_new(e, c);
    if (old) {
        job_fault_follow(fresh, old);
        retire(e, old);
    }
    return fresh;
}

void engine_replace_job(struct engine *e, struct job *j, struct job_config *c)
{
    for (size_t i = 0; i < e->job_count; i++) {
        if (e->jobs[i] != j)
            continue;
        struct job *fresh = job_new(e, c);
        job_fault_follow(fresh, j);
        e->jobs[i] = fresh;
        retire(e, j);
        job_resolve(fresh);
        requests_serve(e);
        engine_check_ready(e);
        return;
    }
    job_config_free(c);
}

void engine_reload(struct engine *e, struct reload_result *ret)
{
    memset(ret, 0, sizeof *ret);
    struct conf_mistakes *m = conf_mistakes_new();
    struct secret_uses uses = {0};
    struct job_config **list = NULL;
    size_t count = 0;
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_text(&text, "");
    jobs_load(e->setup.config, e->setup.plugins, m, &uses, &list, &count);
    for (size_t i = 0; i < conf_mistakes_count(m); i++)
        buf_printf(&text, "%s\n", conf_mistakes_at(m, i));
    for (size_t i = 0; conf_warnings_at(m, i); i++)
        log_line(LEVEL_WARNING, conf_warnings_at(m, i), NULL);
    struct job **jobs = xcalloc(count + 1, sizeof *jobs);
    engine_forget_disabled(e);
    e->disabled = xcalloc(count + 1, sizeof *e->disabled);
    /* the engine's own list stays complete until the next one is: a held job searches it */
    struct job **before = xmemdup(e->jobs, (e->job_count + 1) * sizeof *before);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (list[i]->enabled)
            jobs[n++] = next_job(e, before, list[i], ret);
        else
            e->disabled[e->disabled_count++] = list[i];
    }
    for (size_t i = 0; i < e->job_count; i++)
        if (before[i]) {
            ret->removed++;
            retire(e, before[i]);
        }
    free(before);
    free(e->jobs);
    free(list);
    e->jobs = jobs;
    e->job_count = n;
    ret->text = buf_steal(&text);
    buf_done(&text);
    conf_mistakes_free(e->job_notes);
    e->job_notes = m;
    secret_uses_done(&uses);
    for (size_t i = 0; i < n; i++)
        job_resolve(jobs[i]);
    requests_serve(e);
    engine_check_ready(e);
    log_line(LEVEL_INFO, "configuration read again", NULL);
}

void reload_result_done(struct reload_result *r)
{
    free(r->text);
    r->text = NULL;
}
