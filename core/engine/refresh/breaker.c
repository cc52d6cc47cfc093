/* SPDX-License-Identifier: MIT
 * Rule 10: each refusal is decided in the store (core/store/suspects.h) before it is committed, as a suspect's or
 * as a verdict. Each success that matters is reported to the store. While a job is held, the claims keep its other
 * records going, and canary.c asks the canaries.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/engine/commit/commit.h"
#include "core/engine/state/state.h"
#include "core/engine/refresh/refresh.h"
#include "core/engine/rows/rows.h"
#include "core/rules/outcome.h"

enum { TELL_EACH_MS = 5000 /* successes whose result no caller waits for */, AGAIN_MS = 10000 };

bool breaker_holds(const struct job *j)
{
    return j->breaker.row.state.held_at != 0;
}

void breaker_key_of(const struct job *j, struct breaker_key *ret)
{
    *ret = (struct breaker_key){j->config->job, j->settings_id, j->table->source};
}

static void limits_of(const struct job *j, struct suspect_limits *ret)
{
    const struct job_config *c = j->config;
    *ret = (struct suspect_limits){.records = c->breaker_records,
                                   .within_ms = c->breaker_within_s * 1000,
                                   .again_ms = c->breaker_again_s * 1000,
                                   .apart_ms = c->breaker_apart_s * 1000,
                                   .alone_ms = c->breaker_alone_s * 1000,
                                   .off = defence_off(DEFENCE_BREAKER)};
}

void breaker_take(struct job *j, struct breaker_row *row)
{
    bool held = breaker_holds(j), seen = j->breaker.row.state.success_at > row->state.success_at;
    int64_t success_at = j->breaker.row.state.success_at;
    breaker_row_done(&j->breaker.row);
    j->breaker.row = *row;
    memset(row, 0, sizeof *row);
    if (seen) /* by this process, and not reported yet */
        j->breaker.row.state.success_at = success_at;
    if (held && !breaker_holds(j))
        log_line(LEVEL_INFO, "the breaker no longer holds the job; each suspected record is tried once", "job",
                 j->config->job, NULL);
    canary_arm(j);
    if (!j->removed) {
        job_pump(j);
        schedule_due(j, 0);
    }
}

static void tell_held(const struct job *j, const struct suspect_ruling *r)
{
    log_line(
        r->alarm ? LEVEL_ERROR : LEVEL_WARNING,
        r->alarm ? "job held by its breaker" : "job held by its breaker again", "job", j->config->job, "reason",
        j->breaker.row.why, "remedy",
        "correct the settings and run renewctl reload (restart renewd for a secret of env:); the job goes on by itself "
        "when a record is refreshed; renewctl resume tries now; renewctl resume --believe accepts refusals of dead grants as final",
        NULL);
}

/* ---- refusals ---- */

struct refused_task {
    struct job *job;
    struct run *run;
    struct commit *commit;
    struct suspect_limits limits;
    struct refusal refusal;
    int64_t now;
    char lease[ID_SIZE]; /* of a suspect that is looked at without a presentation */
    struct refused_ruling result;
};

static int refused_work(struct db *db, void *arg, struct error *e)
{
    struct refused_task *t = arg;
    struct breaker_key k;
    breaker_key_of(t->job, &k);
    return store_breaker_refused(db, &k, &t->limits, &t->refusal, t->now, &t->result, e);
}

/* The job and its commit as the decision needs them. While the database is not available there is no decision: the
 * call is repeated soon. */
static void rule(struct refused_task *t, int result)
{
    struct job *j = t->job;
    struct suspect_ruling r = t->result.ruling;
    if (result < 0)
        r = (struct suspect_ruling){.verdict = SUSPECT_WITHHELD, .next_at = t->now + AGAIN_MS};
    else
        breaker_take(j, &t->result.job);
    if (result >= 0 && r.held && !j->engine->on->secrets_changed(j)) /* else the job starts anew */
        tell_held(j, &r);
    if (r.verdict < SUSPECT_NOT_FINAL)
        outcome_withhold(j, t->commit, &r);
    else if (r.verdict == SUSPECT_NOT_FINAL)
        outcome_not_final(j, t->commit, r.next_at);
    if (r.wants_witness)
        canary_want_witness(j);
    j->breaker.refused = true;
}

static void breaker_refused_done(void *arg, int result, const struct error *err)
{
    struct refused_task *t = arg;
    struct engine *e = t->job->engine;
    if (result < 0)
        log_line(LEVEL_WARNING,
                 "a refusal could not be recorded for the breaker; it is not treated as final, and the record "
                 "is tried again",
                 "job", t->job->config->job, "record", t->commit->before.key, "account", t->commit->before.account,
                 "reason", err->text, NULL);
    rule(t, result);
    commits_submit(e, t->job, t->run, t->commit, false, false);
    refused_ruling_done(&t->result);
    free(t);
}

static struct refused_task *breaker_task_new(struct job *j, struct run *r, struct commit *c)
{
    struct refused_task *t = xcalloc(1, sizeof *t);
    *t = (struct refused_task){.job = j, .run = r, .commit = c, .now = clock_now_ms()};
    limits_of(j, &t->limits);
    t->refusal = (struct refusal){.fingerprint = c->before.fingerprint,
                                  .rkey = c->before.key,
                                  .fine_before = strcmp(c->before.ok_under, j->settings_id) == 0,
                                  .success_at = j->breaker.row.state.success_at};
    return t;
}

void breaker_failed(struct job *j, struct run *r, struct commit *c, bool unanswered)
{
    bool stands = c->outcome == OUTCOME_RECONNECT && c->before.state == STATE_RECONNECT && !c->before.not_before;
    if (stands || (c->outcome != OUTCOME_RECONNECT && c->outcome != OUTCOME_MISCONFIGURED)) {
        commits_submit(j->engine, j, r, c, false, false);
        return;
    }
    struct refused_task *t = breaker_task_new(j, r, c);
    t->refusal.asked = true;
    t->refusal.dead_grant = c->outcome == OUTCOME_RECONNECT;
    t->refusal.unanswered = unanswered && !j->safe;
    t->refusal.code = c->code;
    t->refusal.text = c->text;
    engine_async(j->engine, refused_work, t, breaker_refused_done);
}

/* ---- a suspect that is not presented again: its refusal followed a presentation without an answer (rule 11)
 * ---- */

static void breaker_judge_done(void *arg, int result, const struct error *err)
{
    (void)err;
    struct refused_task *t = arg;
    struct job *j = t->job;
    struct engine *e = j->engine;
    struct run *r = t->run;
    const struct suspect_ruling *ruling = &t->result.ruling;
    if (result >= 0 && ruling->verdict >= SUSPECT_NOT_FINAL) {
        outcome_reconnect(j, t->commit, t->result.code, t->result.text);
        rule(t, result);
        commits_submit(e, j, r, t->commit, false, false);
    } else {
        t->commit->before.due_at = (result < 0 ? t->now + AGAIN_MS : ruling->next_at + 999) / 1000;
        claim_release(e, &t->commit->before, t->lease);
        if (result >= 0) {
            if (ruling->wants_witness)
                canary_want_witness(j);
            breaker_take(j, &t->result.job);
        }
        commit_free(t->commit);
        run_attempt_ended(r, OUTCOME_NONE, false);
    }
    refused_ruling_done(&t->result);
    free(t);
}

void breaker_judge(struct job *j, struct run *r, struct claimed *c)
{
    struct commit *commit = outcome_begin(j, &c->record, &c->row);
    memcpy(commit->attempt_id, c->attempt_id, ID_SIZE);
    commit->run_id = r->row.id;
    struct refused_task *t = breaker_task_new(j, r, commit);
    t->refusal.unanswered = true;
    memcpy(t->lease, c->attempt_id, ID_SIZE);
    r->active++;
    engine_async(j->engine, refused_work, t, breaker_judge_done);
}

/* ---- successes ---- */

struct fine_task {
    struct job *job;
    char fingerprint[FINGERPRINT_SIZE];
    int64_t now;
    struct breaker_row row;
    bool over;
};

static int fine_work(struct db *db, void *arg, struct error *e)
{
    struct fine_task *t = arg;
    struct breaker_key k;
    breaker_key_of(t->job, &k);
    return store_breaker_succeeded(db, &k, t->fingerprint, t->now, &t->row, &t->over, e);
}

static void fine_done(void *arg, int result, const struct error *err)
{
    struct fine_task *t = arg;
    struct job *j = t->job;
    if (result >= 0)
        breaker_take(j, &t->row);
    else
        log_line(LEVEL_DEBUG, "a success could not be recorded for the breaker", "job", j->config->job, "reason",
                 err->text, NULL);
    breaker_row_done(&t->row);
    free(t);
}

/* Called before its commit: if this process ends between the two, the success is known and its result is on the
 * spool. */
void breaker_fine(struct job *j, const struct commit *c)
{
    struct breaker *b = &j->breaker;
    int64_t now = clock_now_ms();
    bool suspected = c->before.state == STATE_MISCONFIGURED || c->before.state == STATE_RECONNECT;
    b->row.state.success_at = now;
    if (!suspected && !breaker_holds(j) && !b->refused && now - b->told_ms < TELL_EACH_MS && now >= b->told_ms)
        return;
    b->told_ms = now;
    b->refused = false;
    struct fine_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->now = now;
    memcpy(t->fingerprint, c->before.fingerprint, sizeof t->fingerprint);
    engine_async(j->engine, fine_work, t, fine_done);
}

/* ---- an operator's word, here or on another host ---- */

struct resume_task {
    struct job *job;
    bool believe;
    struct breaker_row row;
};

static int resume_work(struct db *db, void *arg, struct error *e)
{
    struct resume_task *t = arg;
    struct breaker_key k;
    breaker_key_of(t->job, &k);
    return store_breaker_resumed(db, &k, t->believe, clock_now_ms(), &t->row, e);
}

static int breaker_read_work(struct db *db, void *arg, struct error *e)
{
    struct resume_task *t = arg;
    struct breaker_key k;
    breaker_key_of(t->job, &k);
    return store_breaker_read(db, &k, &t->row, e);
}

static void resume_done(void *arg, int result, const struct error *err)
{
    struct resume_task *t = arg;
    if (result >= 0)
        breaker_take(t->job, &t->row);
    else
        log_line(LEVEL_WARNING, "the breaker's state could not be read or written", "job", t->job->config->job,
                 "reason", err->text, NULL);
    breaker_row_done(&t->row);
    free(t);
}

static void breaker_submit(struct job *j, bool believe, store_work work)
{
    struct resume_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->believe = believe;
    engine_async(j->engine, work, t, resume_done);
}

void breaker_resume(struct job *j, bool believe)
{
    if (j->table)
        breaker_submit(j, believe, resume_work);
}

struct free_task {
    struct job *job;
    int64_t freed;
};

static int free_work(struct db *db, void *arg, struct error *e)
{
    struct free_task *t = arg;
    struct breaker_key k;
    breaker_key_of(t->job, &k);
    return store_breaker_free(db, &k, clock_now_ms(), &t->freed, e);
}

static void free_done(void *arg, int result, const struct error *err)
{
    (void)err;
    struct free_task *t = arg;
    struct job *j = t->job;
    if (result >= 0 && t->freed && !j->removed) {
        job_pump(j);
        schedule_due(j, 0);
    }
    free(t);
}

void breaker_seen(struct job *j, bool held, bool rivals)
{
    if (!j->table || !j->discovered || j->removed)
        return;
    if (breaker_holds(j) != held)
        breaker_submit(j, false, breaker_read_work);
    if (!rivals || held)
        return;
    struct free_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    engine_async(j->engine, free_work, t, free_done);
}

void breaker_done(struct job *j)
{
    loop_cancel(&j->breaker.canary_timer);
    loop_cancel(&j->breaker.witness_timer);
    breaker_row_done(&j->breaker.row);
}
