/* SPDX-License-Identifier: MIT
 * A plugin that broke a rule when the provider had given it something: its job is held before another credential is
 * spent. The store keeps that with a hash of the plugin's file, so that restarts and other hosts know it, until
 * another file is installed or an operator resumes the job.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/engine/discover/discover.h"
#include "core/engine/refresh/refresh.h"
#include "core/engine/state/state.h"

enum { STORE_AGAIN_MS = 5000 };

struct fault_note {
    struct job *job;
    char *name, *file, *text;
    bool again; /* it failed before, which was said */
};

static int note_work(struct db *db, void *arg, struct error *e)
{
    const struct fault_note *n = arg;
    return store_job_fault(db, n->name, n->file, n->text, e);
}

static void note_again(void *ctx);

static void note_failed(struct job *j, const struct fault_note *n, const char *why)
{
    bool stopping = j->engine->stopping;
    if (stopping || !n->again)
        log_line(stopping ? LEVEL_ERROR : LEVEL_WARNING,
                 stopping ? "that a job is held for its plugin is not stored: the next start does not know it"
                          : "that a job is held for its plugin could not be stored yet: only this process knows "
                            "it; renewd tries again",
                 "job", n->name, "reason", why, NULL);
    if (!stopping && !j->removed && !j->fault_timer)
        j->fault_timer = loop_after(j->engine->loop, STORE_AGAIN_MS, note_again, j);
}

static void note_done(void *arg, int result, const struct error *e)
{
    struct fault_note *n = arg;
    struct job *j = n->job;
    if (j->holds[HOLD_PLUGIN] && result < 0)
        note_failed(j, n, e->text);
    else if (j->holds[HOLD_PLUGIN])
        j->fault_stored = true;
    if (result >= 0 && n->again)
        log_line(LEVEL_INFO, "that a job is held for its plugin is stored now", "job", n->name, NULL);
    free(n->name);
    free(n->file);
    free(n->text);
    free(n);
}

static void note_fault(struct job *j, const char *text, bool again)
{
    struct fault_note *n = xcalloc(1, sizeof *n);
    *n = (struct fault_note){j, xstrdup(j->config->job), xstrdup(plugin_file_hash(j->config->plugin)),
                             xstrdup(text), again};
    engine_async(j->engine, note_work, n, note_done);
}

static void note_again(void *ctx)
{
    struct job *j = ctx;
    j->fault_timer = NULL;
    if (j->holds[HOLD_PLUGIN] && !j->fault_stored)
        note_fault(j, j->holds[HOLD_PLUGIN], true);
}

void job_fault_stop(struct job *j)
{
    if (!j->fault_timer)
        return;
    loop_cancel(&j->fault_timer);
    note_again(j);
}

/* An attempt may outlive its job, which a reload replaced. */
static struct job *in_force(struct job *j)
{
    struct job *now = j->removed ? engine_job_by_name(j->engine, j->config->job) : j;
    return now && now->config->plugin == j->config->plugin ? now : j;
}

void job_plugin_at_fault(struct job *j, const struct attempt *a, const char *why)
{
    char *text = xasprintf("%s; correct the plugin, install it and start renewd again", why);
    log_line(LEVEL_ERROR,
             a->token_set
                 ? "a plugin broke a rule when it had a new token: the token is stored, the attempt counts "
                   "as failed, and its job is held so that no other credential is spent"
                 : "a plugin broke a rule when the provider had answered with a success: its job is held so "
                   "that no other credential is spent",
             "job", j->config->job, "record", a->claim.record.key, "account", a->claim.record.account, "plugin",
             plugin_name(j->config->plugin), "reason", why, "remedy", "correct the plugin and install it", NULL);
    struct job *now = in_force(j);
    job_hold(now, HOLD_PLUGIN, text);
    note_fault(now, text, false);
    if (now != j)
        attempt_abandon_unsent(now);
    free(text);
}

void job_fault_look(struct job *j, const struct job_row *row)
{
    bool stored = j->instance && row->fault_file && !strcmp(row->fault_file, plugin_file_hash(j->config->plugin));
    if (stored) {
        if (!j->holds[HOLD_PLUGIN])
            job_hold(j, HOLD_PLUGIN, row->fault);
        j->fault_stored = true;
        attempt_abandon_unsent(j);
    } else if (j->fault_stored && !row->fault_file) {
        job_fault_over(j);
    }
}

void job_fault_over(struct job *j)
{
    if (!j->holds[HOLD_PLUGIN])
        return;
    j->fault_stored = false;
    loop_cancel(&j->fault_timer);
    job_release_hold(j, HOLD_PLUGIN);
    if (!j->discovered)
        discovery_start(j, true);
    else if (!j->paused)
        schedule_start(j);
}

void job_fault_follow(struct job *fresh, const struct job *old)
{
    if (!old->holds[HOLD_PLUGIN] || !fresh->instance || fresh->config->plugin != old->config->plugin)
        return;
    job_hold_silently(fresh, HOLD_PLUGIN, old->holds[HOLD_PLUGIN]);
    fresh->fault_stored = old->fault_stored;
    if (!fresh->fault_stored)
        note_fault(fresh, fresh->holds[HOLD_PLUGIN], true);
}
