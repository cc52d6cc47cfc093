/* SPDX-License-Identifier: MIT
 * A plugin that broke a rule when the provider had given it something: its job is held before another credential is
 * spent. The store keeps that with a hash of the plugin's file, so that restarts and other hosts know it, until
 * another file is installed or an operator resumes the job.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/engine/refresh/refresh.h"
#include "core/engine/state/state.h"

struct fault_note {
    char *job, *file, *text;
};

static int note_work(struct db *db, void *arg, struct error *e)
{
    const struct fault_note *n = arg;
    return store_job_fault(db, n->job, n->file, n->text, e);
}

static void note_done(void *arg, int result, const struct error *e)
{
    struct fault_note *n = arg;
    if (result < 0)
        log_line(LEVEL_WARNING,
                 "that a job is held for its plugin could not be stored: only this process knows it, until it ends",
                 "job", n->job, "reason", e->text, NULL);
    free(n->job);
    free(n->file);
    free(n->text);
    free(n);
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
    job_hold(j, text);
    j->at_fault = true;
    struct fault_note *n = xcalloc(1, sizeof *n);
    *n = (struct fault_note){xstrdup(j->config->job), xstrdup(plugin_file_hash(j->config->plugin)), text};
    engine_async(j->engine, note_work, n, note_done);
}

bool job_fault_ended(const struct job *j, const struct job_row *row)
{
    return j->at_fault && j->fault_stored && !row->fault_file;
}

bool job_fault_seen(struct job *j, const struct job_row *row)
{
    if (!row->fault_file || strcmp(row->fault_file, plugin_file_hash(j->config->plugin)) != 0)
        return false;
    if (!j->held)
        job_hold(j, row->fault);
    j->at_fault = j->fault_stored = true;
    attempt_abandon_unsent(j);
    return true;
}
