/* SPDX-License-Identifier: MIT
 * A database that was restored from a backup, or a standby that lagged: credentials that it had are missing, and
 * its rows hold those that were spent for them. What the spool retains for a day (core/journal/retention.h) is
 * compared with the history before anything is claimed, at start and after every reconnection. A commit that the
 * history does not have is made again, under its own attempt id (rule 6).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/engine/commit/commit.h"
#include "core/engine/state/state.h"
#include "core/engine/recovery/recovery.h"
#include "core/engine/rows/rows.h"
#include "core/store/shared_credential.h"

enum { AGAIN_MS = 1000 };

struct restored_database_task {
    struct engine *engine;
    char **attempts, **newest;
    bool *known;
    size_t count, room;
};

static void restored_task_free(struct restored_database_task *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->attempts[i]);
        free(t->newest[i]);
    }
    free(t->attempts);
    free(t->newest);
    free(t->known);
    free(t);
}

static void restored_add(void *ctx, const struct retention_entry *entry)
{
    struct restored_database_task *t = ctx;
    if (t->count == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->attempts = xrealloc(t->attempts, t->room * sizeof *t->attempts);
        t->newest = xrealloc(t->newest, t->room * sizeof *t->newest);
    }
    t->attempts[t->count] = xstrdup(entry->attempt_id);
    t->newest[t->count++] = xstrdup(entry->newest);
}

static void write_back(struct engine *e, const char *newest)
{
    struct secret *text = NULL;
    struct job *j = NULL;
    struct error why;
    struct commit *c = NULL;
    if (retention_text(e->keep, newest, &text, &why) >= 0)
        c = commit_revive(e, secret_text(text), secret_len(text), &j, &why);
    secret_free(text);
    if (!c) {
        log_line(LEVEL_WARNING,
                 "the database has lost a credential that it had, and the newest cannot be "
                 "written back",
                 "reason", why.text, NULL);
        return;
    }
    log_line(LEVEL_WARNING, "the database has lost a credential that it had; the newest is written back", "job",
             c->after.job, "record", c->after.key, "account", c->after.account, NULL);
    commits_submit_lost(e, j, c, newest);
}

static int restored_look_work(struct db *db, void *arg, struct error *e)
{
    struct restored_database_task *t = arg;
    return store_attempts_known(db, (const char *const *)t->attempts, t->count, t->known, e);
}

static void restored_again(void *ctx)
{
    struct engine *e = ctx;
    e->recover_timer = NULL;
    restored_database_check(e);
}

static void restored_look_done(void *arg, int result, const struct error *err)
{
    struct restored_database_task *t = arg;
    struct engine *e = t->engine;
    e->set_back = SET_BACK_TO_LOOK;
    if (result >= 0 && !e->stopping) {
        e->set_back = SET_BACK_WRITING;
        for (size_t i = 0; i < t->count; i++)
            if (!t->known[i])
                write_back(e, t->newest[i]);
        recover_check(e);
    } else if (!e->stopping && engine_store_up(e)) {
        log_line(LEVEL_WARNING,
                 "renewd could not check whether the database was restored from a backup; it tries again", "reason",
                 err->text, NULL);
        if (!e->recover_timer)
            e->recover_timer = loop_after(e->loop, AGAIN_MS, restored_again, e);
    }
    restored_task_free(t);
}

bool restored_database_ours(void *ctx, const char *newest, const char *text, size_t len)
{
    const struct engine *e = ctx;
    struct commit *c = NULL;
    cleanup(secret_free_p) struct secret *plain = NULL;
    cleanup(json_free_p) struct json *pair = NULL;
    const char *why = NULL, *value;
    char fp[FINGERPRINT_SIZE] = "";
    size_t n;
    const struct job *j = commit_from_text(text, len, &c, NULL) < 0 ? NULL : job_by_source(e, c->after.source);
    if (j && j->credential_slot >= 0 && c->sealed_pair &&
        seal_open(e->setup.config->keys, "credentials", newest, "pair", c->sealed_pair, &plain, &why) >= 0 &&
        json_parse(secret_text(plain), secret_len(plain), &pair, NULL) >= 0) {
        const struct renewd_plugin *d = plugin_descriptor(j->config->plugin);
        const char *slot = d->slots[j->credential_slot]->name;
        if (json_text(pair, slot, &value, &n) >= 0)
            fingerprint(e->fingerprint_key, d->name, slot, value, n, fp);
    }
    commit_free(c);
    return fp[0] && strcmp(fp, newest) == 0;
}

void restored_database_take(struct engine *e)
{
    struct error err;
    if (retention_take(e->keep, e->installation, &err) < 0)
        log_line(LEVEL_WARNING,
                 "a file of retained credentials (*.kept) in state_dir could not be used and is left as it is",
                 "reason", err.text, NULL);
}

void restored_database_check(struct engine *e)
{
    if (e->set_back != SET_BACK_TO_LOOK || e->phase != ENGINE_DRAINING)
        return;
    struct restored_database_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    if (!defence_off(DEFENCE_RETENTION))
        retention_each(e->keep, restored_add, t);
    t->known = xcalloc(t->count + 1, sizeof *t->known);
    e->set_back = SET_BACK_LOOKING;
    engine_async(e, restored_look_work, t, restored_look_done);
}
