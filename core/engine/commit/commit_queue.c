/* SPDX-License-Identifier: MIT
 * The queue of commits to the store, and what follows from each result. A commit waits here (and on the spool)
 * while the database is not available. A new pair that its row does not take is parked, sealed, and never dropped
 * (rules 4 and 5).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "core/engine/commit/commit.h"
#include "core/engine/rows/rows.h"
#include "core/rules/outcome.h"
#include "core/rules/replay.h"
#include "core/time/timestamp.h"

static void resume_later(struct engine *e);

enum { RESUME_MS = 1000, KEPT_RETRY_S = 60, ROUNDS_MAX = 8, REPEATS_MAX = 1000 };

static void queue_submit(struct commit_task *t);

static void task_end(struct commit_task *t, int outcome, bool ask_again)
{
    struct engine *e = t->engine;
    if (t->previous)
        t->previous->next = t->next;
    else
        e->commits = t->next;
    if (t->next)
        t->next->previous = t->previous;
    e->commit_count--;
    struct run *r = t->run;
    e->stored++;
    commit_free(t->commit);
    free(t);
    e->on->commit_ended(e, r, outcome, ask_again);
    engine_check_stopped(e);
}

/* The newest pair of a credential that must not be presented twice is retained for a day. */
static int retain(const struct commit_task *t, struct error *e)
{
    struct commit *c = t->commit;
    if (!c->replaces || c->safe || t->lost[0] || !t->engine->keep)
        return 0;
    int res = c->spooled ? 0 : commit_to_text(c, &c->spooled, &c->spooled_len);
    if (res < 0)
        return error_set(e, res, "it could not be encoded");
    return retention_put(t->engine->keep, c->attempt_id, c->before.fingerprint, c->after.fingerprint, c->spooled,
                         c->spooled_len, e);
}

static void queue_settled(struct commit_task *t)
{
    struct error e;
    if (retain(t, &e) < 0) {
        log_line(LEVEL_ERROR,
                 "new tokens are in the database, but the copy that a restored backup would need could not be "
                 "written to state_dir",
                 "job", t->commit->after.job, "record", t->commit->after.key, "account", t->commit->after.account,
                 "reason", e.text, NULL);
        for (size_t i = 0; i < t->engine->leftover_count; i++)
            t->engine->leftovers[i].stays = true;
        return; /* it stays in the spool, and is retained at the next start */
    }
    if (!t->from_spool && t->engine->spool)
        spool_settled(t->engine->spool, t->commit->attempt_id);
}

static void log_committed(const struct commit_task *t)
{
    const struct commit *c = t->commit;
    if (c->noticed)
        return;
    char at[32] = "", generation[24], status[12] = "";
    snprintf(generation, sizeof generation, "%" PRId64, c->after.generation);
    if (c->outcome == OUTCOME_OK) {
        if (c->after.expires_at)
            timestamp_rfc3339(c->after.expires_at, at, sizeof at);
        log_line(LEVEL_INFO, "record refreshed", "job", c->after.job, "record", c->after.key, "account",
                 c->after.account, "expires_at", at[0] ? at : NULL, "generation", generation, NULL);
        return;
    }
    if (c->http_status)
        snprintf(status, sizeof status, "%d", c->http_status);
    if (c->after.due_at)
        timestamp_rfc3339(c->after.due_at, at, sizeof at);
    bool person = c->outcome == OUTCOME_RECONNECT, silent = c->after.not_before == SILENCE_FOR_EVER;
    const char *url = t->job ? t->job->config->reconnect_url : NULL;
    log_line(LEVEL_WARNING, "record not refreshed", "job", c->after.job, "record", c->after.key, "account",
             c->after.account, "outcome", outcome_name(c->outcome), "status", status[0] ? status : NULL, "code",
             c->code, "text", c->text, "next_at", at[0] ? at : NULL, "remedy",
             silent
                 ? "no answer came twice: run renewctl refresh for this record, or have the account connected again"
             : !person ? NULL
             : c->after.state == STATE_RETRYING
                 ? "the account's owner has to do what the text says; renewd tries again by itself"
                 : "the account must be reconnected by its owner",
             "reconnect_url", person || silent ? url : NULL, NULL);
}

struct drop_task {
    struct engine *engine;
    char attempt_id[ID_SIZE];
};

static int drop_work(struct db *db, void *arg, struct error *e)
{
    struct drop_task *t = arg;
    return store_parked_drop(db, t->attempt_id, e);
}

static void drop_done(void *arg, int result, const struct error *e)
{
    struct drop_task *t = arg;
    if (result < 0)
        log_line(LEVEL_WARNING,
                 "parked tokens were written into their row, but their parked copy could not be removed", "reason",
                 e->text, NULL);
    parked_count(t->engine);
    free(t);
}

static void drop_kept(struct engine *e, const char *attempt_id)
{
    struct drop_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    memcpy(t->attempt_id, attempt_id, ID_SIZE);
    engine_async(e, drop_work, t, drop_done);
}

/* A record that is due again after its success, such as one that is months behind, is taken up to REPEATS_MAX times
 * a run. After that its statements clearly do not advance it: the run skips it, and it stays due. */
static void count_repeat(struct run *r, const char *key)
{
    if (!r->repeats)
        r->repeats = map_new();
    intptr_t count = (intptr_t)map_get(r->repeats, key) + 1;
    map_put(r->repeats, key, (void *)count);
    if (count < REPEATS_MAX || r->left == 0)
        return;
    log_line(LEVEL_WARNING,
             "a record is still due after 1,000 successes in one run; the run ends here; check that a success "
             "changes the time from which the record is due",
             "job", r->job->config->job, "record", key, "account", engine_account(r->job->engine, r->job, key),
             NULL);
    r->left = 0;
}

/* A replaced credential is written to the other records that hold it. A credential that stays the same, or that was
 * refused, passes its outcome to them. */
static void queue_twins_follow(struct commit_task *t)
{
    const struct commit *c = t->commit;
    if (c->replaces) /* a refusal may bring a new token, too */
        propagate_credential(t->engine, t->job, c);
    if (strcmp(c->before.fingerprint, c->after.fingerprint) == 0)
        share_outcome(t->engine, t->job, c);
}

static void committed(struct commit_task *t)
{
    struct commit *c = t->commit;
    fault_point(FAULT_COMMITTED, c->after.key);
    queue_settled(t);
    fault_point(FAULT_SETTLED, c->after.key);
    log_committed(t);
    t->engine->on->record_committed(t->engine, t->job, c);
    if (t->kept)
        drop_kept(t->engine, c->attempt_id);
    if (c->answer)
        parked_count(t->engine);
    if (c->twins && !c->alone)
        queue_twins_follow(t);
    bool again = false;
    if (t->job) {
        grant_monitor_take(t->job, c);
        again = c->outcome == OUTCOME_OK && c->after.point && c->after.point <= clock_now();
        t->engine->on->job_committed(t->job, c);
    }
    if (again && t->run)
        count_repeat(t->run, c->after.key);
    task_end(t, c->outcome, again);
}

/* ---- parking what the row did not take ---- */

static void keep_now(void *ctx)
{
    struct engine *e = ctx;
    e->keep_timer = NULL;
    commits_resume(e);
}

/* The lease and the spool entry stay, so that the spent credential is not presented again. --once does not wait for
 * it. */
static void keep_later(struct commit_task *t)
{
    struct engine *e = t->engine;
    if (!e->setup.daemon) {
        task_end(t, OUTCOME_TRANSIENT, false);
        return;
    }
    if (!e->keep_timer)
        e->keep_timer = loop_after(e->loop, KEPT_RETRY_S * 1000, keep_now, e);
    engine_check_stopped(e);
}

struct keep_task {
    struct commit_task *commit;
    struct kept kept;
    char attempt_id[ID_SIZE];
};

static int keep_work(struct db *db, void *arg, struct error *e)
{
    struct keep_task *t = arg;
    fault_point(FAULT_KEEP, t->kept.key);
    int res = store_park(db, &t->kept, t->commit->commit, e);
    if (res >= 0)
        fault_point(FAULT_KEPT, t->kept.key);
    return res;
}

static void keep_task_free(struct keep_task *k)
{
    free(k->kept.kind);
    free(k->kept.sealed);
    free(k->kept.why);
    free(k->kept.code);
    free(k->kept.source);
    free(k->kept.key);
    free(k->kept.job);
    free(k);
}

static void keep_done(void *arg, int result, const struct error *e)
{
    struct keep_task *k = arg;
    struct commit_task *t = k->commit;
    if (result < 0) { /* it is still on the spool: tried again when the database is available */
        log_line(LEVEL_ERROR,
                 "new tokens that their row did not take could not be parked in the database; they stay on the "
                 "spool, and renewd tries again",
                 "job", k->kept.job, "record", k->kept.key, "account", t->commit->after.account, "reason", e->text,
                 NULL);
        keep_task_free(k);
        t->submitted = false;
        resume_later(t->engine);
        return;
    }
    queue_settled(t);
    bool orphan = strcmp(k->kept.kind, "orphan") == 0;
    log_line(LEVEL_WARNING,
             orphan ? "new tokens came after their row had changed or was deleted; they are parked, sealed, for "
                      "30 days: renewctl parked"
                    : "the database refused a row; its new token is parked, and the write is tried again every "
                      "minute: correct the row or its table",
             "job", k->kept.job, "record", k->kept.key, "account", t->commit->after.account, "reason", k->kept.why,
             NULL);
    struct job *j = t->job;
    char *key = xstrdup(k->kept.key);
    keep_task_free(k);
    struct engine *engine = t->engine;
    if (orphan && !t->commit->safe && engine_may_work(engine)) /* others may hold what it replaced */
        restore_newest_credential(engine, t->commit->before.fingerprint);
    task_end(t, OUTCOME_TRANSIENT, false);
    if (j && engine_may_work(engine))
        j->engine->on->row_differs(j, key);
    parked_count(engine);
    free(key);
}

static void queue_keep(struct commit_task *t, const char *kind, const char *code, const char *why)
{
    struct commit *c = t->commit;
    char *text = NULL;
    size_t len = 0;
    struct keep_task *k = xcalloc(1, sizeof *k);
    k->commit = t;
    memcpy(k->kept.attempt_id, c->attempt_id, ID_SIZE);
    k->kept.kind = xstrdup(kind);
    k->kept.source = xstrdup(c->after.source);
    k->kept.key = xstrdup(c->after.key);
    k->kept.job = xstrdup(c->after.job);
    k->kept.why = xstrdup(why);
    k->kept.code = code ? xstrdup(code) : NULL;
    k->kept.created_at = clock_now();
    k->kept.retry_at = clock_now() + KEPT_RETRY_S;
    int res = commit_to_text(c, &text, &len);
    if (res >= 0)
        res = seal(t->engine->setup.config->keys, "kept", c->attempt_id, "commit", text, len, &k->kept.sealed);
    if (text) {
        explicit_bzero(text, len);
        free(text);
    }
    if (res < 0) {
        log_line(LEVEL_ERROR,
                 "new tokens could not be sealed to be parked; they stay in memory and on the spool, and their "
                 "record is not refreshed meanwhile",
                 "job", c->after.job, "record", c->after.key, "account", c->after.account, "reason", strerror(-res),
                 NULL);
        keep_task_free(k);
        keep_later(t);
        return;
    }
    engine_async(t->engine, keep_work, k, keep_done);
}

/* ---- results that are not a success ---- */

static bool current_fingerprint(struct commit_task *t, char ret[FINGERPRINT_SIZE])
{
    struct commit *c = t->commit;
    struct job *j = t->job;
    struct row_values now = {0};
    struct error e;
    ret[0] = '\0';
    if (!j || j->table->credential < 0 || row_values_decrypt(j, &c->current, &now, &e) < 0)
        return false;
    row_fingerprint(j, c->current.key, &now, ret);
    row_values_done(&now);
    return ret[0] != '\0';
}

/* The stored bytes differ. The same value in another sealing is the same credential: the commit is submitted again
 * with the new bytes. Any other value is the application's, and wins (rule 5). */
static bool queue_same_credential(struct commit_task *t)
{
    char fp[FINGERPRINT_SIZE];
    return current_fingerprint(t, fp) && strcmp(fp, t->commit->before.fingerprint) == 0;
}

/* The row of a lost credential holds that credential, or one that it replaced: the row is overwritten. */
static bool went_back(struct commit_task *t)
{
    char fp[FINGERPRINT_SIZE];
    if (!t->lost[0] || !current_fingerprint(t, fp) || !retention_came_after(t->engine->keep, t->lost, fp))
        return false;
    memcpy(t->commit->before.fingerprint, fp, sizeof fp);
    return true;
}

/* A pair carried from another row is already there: another commit wrote it first. */
static bool carried_before(struct commit_task *t)
{
    const struct commit *c = t->commit;
    char fp[FINGERPRINT_SIZE];
    return c->code && strcmp(c->code, "shared") == 0 && current_fingerprint(t, fp) &&
           strcmp(fp, c->after.fingerprint) == 0;
}

static void row_changed(struct commit_task *t)
{
    struct commit *c = t->commit;
    if (t->rounds++ < ROUNDS_MAX && (queue_same_credential(t) || went_back(t))) {
        commit_forget_text(c);
        row_done(&c->row);
        c->row = c->current;
        memset(&c->current, 0, sizeof c->current);
        c->result = COMMIT_WAITING;
        queue_submit(t);
        return;
    }
    if (c->replaces && !carried_before(t)) {
        queue_keep(t, "orphan", NULL, "the row holds another credential now");
        return;
    }
    queue_settled(t);
    struct job *j = t->job;
    char *key = xstrdup(c->after.key);
    if (j)
        claim_release(j->engine, &c->before, c->attempt_id);
    task_end(t, OUTCOME_NONE, false);
    if (j)
        j->engine->on->row_differs(j, key);
    free(key);
}

static void row_gone(struct commit_task *t)
{
    struct commit *c = t->commit;
    if (c->replaces) {
        queue_keep(t, "orphan", NULL, "the row is gone or was disconnected");
        return;
    }
    queue_settled(t);
    if (t->job)
        claim_release(t->job->engine, &c->before, c->attempt_id);
    task_end(t, OUTCOME_NONE, false);
}

static char *queue_said(const struct commit_task *t)
{
    return t->job ? outside_text_of_database(t->job, t->commit, t->commit->why) : xstrdup(t->commit->why);
}

/* Not even the verdict can be stored, so it stays unknown whether the credential is spent. The lease and the intent
 * stay, so that it is not presented again before an operator has looked. */
static void verdict_refused(struct commit_task *t)
{
    struct commit *c = t->commit;
    char *why = queue_said(t);
    log_line(LEVEL_ERROR,
             "renewd's own tables refuse a record's outcome; its credential stays leased until "
             "renewd is started again",
             "job", c->after.job, "record", c->after.key, "account", c->after.account, "outcome",
             outcome_name(c->outcome), "reason", why, NULL);
    free(why);
    task_end(t, OUTCOME_TRANSIENT, false);
}

/* No further credential is spent: the next claim rehearses first. */
static void right_lost(const struct commit_task *t)
{
    struct job *j = t->job;
    bool news = j->rehearsed;
    j->rehearsed = false;
    if (!news || !engine_may_work(j->engine))
        return;
    j->engine->on->right_lost(j);
}

/* A failure without the part that was refused: its statements, else its status, else its row. */
static void without_refused(struct commit_task *t, const char *why)
{
    struct commit *c = t->commit;
    const char *left_out = c->failed_effect ? "its statements" : outcome_leave_status(c) ? "its status" : "its row";
    if (c->failed_effect)
        outcome_leave_effects(c);
    log_line(LEVEL_ERROR,
             "the database refused to write a record's failure; it is written without what is left out", "job",
             c->after.job, "record", c->after.key, "account", c->after.account, "outcome", outcome_name(c->outcome),
             "left_out", left_out, "reason", why, NULL);
    if (strcmp(left_out, "its row") == 0) {
        commit_drop_user_writes(c);
        c->quiet = false; /* only this row refused the write */
    }
    queue_submit(t);
}

/* The database refused this record and wrote nothing. A success without a new token becomes a failure of this
 * record. A failure stays the same failure, without the part that was refused. */
static void effects_refused(struct commit_task *t)
{
    struct commit *c = t->commit;
    bool rows = c->result == COMMIT_ROWS;
    char *code = rows ? xasprintf("effect:%s", c->failed_effect ? c->failed_effect : "") : xstrdup("store");
    char *text = queue_said(t);
    if (c->lacks_right && t->job)
        right_lost(t);
    if (c->replaces) {
        queue_keep(t, "pending", code, text);
    } else if (t->job && c->outcome == OUTCOME_OK) {
        commit_demote_to_failure(t->job, c, code, text);
        queue_submit(t);
    } else if (c->touches_row || c->effect_count) {
        without_refused(t, text);
    } else {
        verdict_refused(t);
    }
    free(code);
    free(text);
}

static void resume_now(void *ctx)
{
    struct engine *e = ctx;
    e->resume_timer = NULL;
    commits_resume(e);
}

/* A locked row is tried again in a second; so is a database that is not available, once it is back. */
static void resume_later(struct engine *e)
{
    if (!e->resume_timer)
        e->resume_timer = loop_after(e->loop, RESUME_MS, resume_now, e);
}

static void arrived(void *arg, struct commit *c, int result, const struct error *err)
{
    struct commit_task *t = arg;
    struct engine *e = t->engine;
    bool freed = false;
    t->submitted = false;
    if (t->job)
        locked_table_tried(t->job);
    if (result < 0) {
        if (t->job && (c->table_locked || locked_table_holds(t->job)) && !store_is_away(result))
            locked_table_found(t->job, err->text);
        engine_blocked(e, "results wait for the database", c->after.job, err->text);
        resume_later(e);
        engine_check_stopped(e);
        return;
    }
    e->blocked = false;
    if (t->job && (c->touches_row || c->effect_count)) /* a view's results are in its statements alone */
        freed = locked_table_free(t->job);
    switch (c->result) {
    case COMMIT_DONE:
    case COMMIT_ALREADY:
        committed(t);
        break;
    case COMMIT_CHANGED:
        row_changed(t);
        break;
    case COMMIT_GONE:
        row_gone(t);
        break;
    default:
        effects_refused(t);
    }
    if (freed)
        commits_resume(e);
}

static void queue_submit(struct commit_task *t)
{
    if (t->submitted || !engine_store_up(t->engine))
        return;
    if (t->job && locked_table_waits(t->job)) {
        resume_later(t->engine);
        return;
    }
    t->submitted = true;
    if (t->job)
        locked_table_try(t->job);
    store_submit_commit(t->engine->store, t->commit, arrived, t);
}

static void queue_add(struct commit_task *t)
{
    struct engine *e = t->engine;
    t->next = e->commits;
    if (t->next)
        t->next->previous = t;
    e->commits = t;
    e->commit_count++;
    queue_submit(t);
}

void commits_submit(struct engine *e, struct job *j, struct run *r, struct commit *c, bool from_spool, bool kept)
{
    struct commit_task *t = xcalloc(1, sizeof *t);
    if (j)
        siblings_add(c, j);
    *t = (struct commit_task){.engine = e, .job = j, .run = r, .commit = c, .from_spool = from_spool, .kept = kept};
    queue_add(t);
}

void commits_submit_lost(struct engine *e, struct job *j, struct commit *c, const char *lost)
{
    struct commit_task *t = xcalloc(1, sizeof *t);
    if (j)
        siblings_add(c, j);
    *t = (struct commit_task){.engine = e, .job = j, .commit = c, .from_spool = true};
    snprintf(t->lost, sizeof t->lost, "%s", lost);
    queue_add(t);
}

void commits_resume(struct engine *e)
{
    for (struct commit_task *t = e->commits, *next; t; t = next) {
        next = t->next;
        queue_submit(t);
    }
}

size_t commits_waiting(const struct engine *e)
{
    return e->commit_count;
}

void commits_forget(struct engine *e)
{
    while (e->commits) {
        struct commit_task *t = e->commits;
        e->commits = t->next;
        commit_free(t->commit);
        free(t);
    }
    e->commit_count = 0;
}
