/* SPDX-License-Identifier: MIT
 * Ends leases whose holder is gone (rule 6). A lease that is not `safe` belongs to the process that took it, even
 * after its end, because only that process may know the result of its request. It is ended here at the record's
 * last safe moment, or when the host was forgotten: the attempt is noted as one without an answer, and rule 11 says
 * when the credential is presented again. `safe` leases are simply claimed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/state/state.h"
#include "core/engine/recovery/recovery.h"
#include "core/engine/refresh/refresh.h"
#include "core/engine/rows/rows.h"
#include "core/rules/outcome.h"
#include "core/store/hosts.h"
#include "core/time/timestamp.h"

enum { AT_ONCE = 1000 };

struct commit *expired_lease_commit(struct engine *e, struct job *j, const struct lease_row *l, const char *code,
                                    const char *text)
{
    struct commit *c = commit_new();
    memcpy(c->attempt_id, l->attempt_id, ID_SIZE);
    c->plugin = xstrdup(plugin_name(j->config->plugin));
    c->table = j->table;
    c->host = xstrdup(e->setup.state->host);
    c->incarnation = xstrdup(e->setup.state->incarnation);
    record_copy(&c->before, &l->record);
    record_copy(&c->after, &l->record);
    c->safe = j->safe;
    c->release = true;
    c->outcome = OUTCOME_AMBIGUOUS;
    c->code = xstrdup(code);
    c->text = xstrdup(text);
    c->started_at = c->finished_at = clock_now() + (l->left_s < 0 ? l->left_s : 0); /* it ended with its lease */
    struct record *r = &c->after;
    r->state = STATE_AMBIGUOUS;
    r->attempts++;
    r->last_outcome = OUTCOME_AMBIGUOUS;
    record_set_text(&r->last_code, code);
    record_set_text(&r->last_text, text);
    r->last_at = c->finished_at;
    struct no_answer s = {.expires_at = r->expires_at,
                          .failures = r->attempts,
                          .presented = l->unanswered + 1,
                          .lease_left_s = l->left_s};
    r->not_before = failure_policy_after_no_answer(j, &s);
    record_schedule(j, r);
    return c;
}

struct expired_leases_task {
    struct engine *engine;
    struct lease_row *list;
    size_t count;
};

struct over_task {
    struct engine *engine;
    char attempt_id[ID_SIZE], host[ID_SIZE];
    struct commit *commit;
    bool done;
};

static int over_work(struct db *db, void *arg, struct error *e)
{
    struct over_task *t = arg;
    return store_lease_over(db, t->attempt_id, t->commit, &t->done, e);
}

static void over_done(void *arg, int result, const struct error *err)
{
    struct over_task *t = arg;
    struct engine *e = t->engine;
    const struct record *r = &t->commit->after;
    char at[TIMESTAMP_SIZE] = "";
    if (r->due_at)
        timestamp_rfc3339(r->due_at, at, sizeof at);
    if (result < 0)
        log_line(LEVEL_WARNING,
                 "the leases of a process that has ended could not be taken over yet; renewd tries again", "job",
                 r->job, "record", r->key, "account", r->account, "reason", err->text, NULL);
    else if (t->done)
        log_line(LEVEL_WARNING,
                 "the process that attempted this record ended without a result; its credential may be spent",
                 "job", r->job, "record", r->key, "account", r->account, "host", t->host, "next_at",
                 at[0] ? at : NULL, NULL);
    struct job *j = t->done ? job_by_source(e, r->source) : NULL;
    if (j && r->due_at)
        schedule_due(j, r->due_at);
    commit_free(t->commit);
    free(t);
}

/* What a process of this host left is on the spool, as long as its file exists. */
static bool file_is_there(const struct engine *e, const struct lease_row *l)
{
    if (strcmp(l->host, e->setup.state->host) != 0)
        return false;
    cleanup(free_p) char *path = xasprintf("%s/spool/%s.spool", e->setup.state->path, l->incarnation);
    return access(path, F_OK) == 0;
}

static void end_lease(struct engine *e, const struct lease_row *l)
{
    struct job *j = job_by_source(e, l->record.source);
    if (!j || j->safe || file_is_there(e, l))
        return;
    struct over_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    memcpy(t->attempt_id, l->attempt_id, ID_SIZE);
    memcpy(t->host, l->host, ID_SIZE);
    t->commit = expired_lease_commit(e, j, l, "host_gone", "the process that attempted it ended without a result");
    crypto_id(t->commit->attempt_id);
    engine_async(e, over_work, t, over_done);
}

static int expired_leases_work(struct db *db, void *arg, struct error *e)
{
    struct expired_leases_task *t = arg;
    const struct state_dir *s = t->engine->setup.state;
    return store_leases_left(db, s->host, s->incarnation, clock_now(), AT_ONCE, &t->list, &t->count, e);
}

static void expired_leases_done(void *arg, int result, const struct error *err)
{
    struct expired_leases_task *t = arg;
    struct engine *e = t->engine;
    e->gone_asked = false;
    if (result < 0)
        log_line(LEVEL_WARNING,
                 "the leases of processes that have ended could not be read from the database; renewd tries "
                 "again",
                 "reason", err->text, NULL);
    for (size_t i = 0; result >= 0 && i < t->count && engine_may_work(e); i++)
        end_lease(e, &t->list[i]);
    leases_free(t->list, t->count);
    free(t);
}

/* At start and with each heartbeat. */
void expired_leases_check(struct engine *e)
{
    if (!engine_may_work(e) || e->gone_asked)
        return;
    struct expired_leases_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    e->gone_asked = true;
    engine_async(e, expired_leases_work, t, expired_leases_done);
}
