/* SPDX-License-Identifier: MIT
 * Applies a credential's outcome to every record that holds it: state, row, `also`, and the answer of the token
 * route. A dead grant and a missing answer belong to the credential, in every job. A refused client, a rate limit
 * and a fault of the provider belong to the job. Records of a job that is not loaded follow when their table is
 * read.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/engine/commit/commit.h"
#include "core/engine/rows/rows.h"
#include "core/rules/outcome.h"

struct fate_task {
    struct twins twins;
    struct job *job;    /* of the record whose attempt had this outcome */
    struct record fate; /* that record as it is now; source NULL: to be read from the others */
    bool tells;         /* its row was written */
    bool elsewhere;     /* within the job share_credential.c also writes the token */
};

static void outcome_share_task_free(struct fate_task *t)
{
    twins_done(&t->twins);
    record_done(&t->fate);
    free(t);
}

static int fate_work(struct db *db, void *arg, struct error *e)
{
    struct fate_task *t = arg;
    return twins_find(db, &t->twins, e);
}

/* For a credential that is only known to be dead: a record that already has the verdict, if one is left. */
static void learn(struct fate_task *t)
{
    if (t->fate.source)
        return;
    for (size_t i = 0; i < t->twins.count; i++)
        if (t->twins.list[i].record.state == STATE_RECONNECT) {
            record_copy(&t->fate, &t->twins.list[i].record);
            return;
        }
    t->fate.state = STATE_RECONNECT;
    t->fate.last_outcome = OUTCOME_RECONNECT;
    t->fate.attempts = 1;
    record_set_text(&t->fate.last_code, "dead");
    record_set_text(&t->fate.last_text,
                    "the provider refused this credential for good when another record presented it");
}

static bool follows(const struct fate_task *t, const struct twin *w)
{
    const struct record *r = &w->record, *fate = &t->fate;
    if (fate->source && twin_is(w, fate))
        return false;
    if (fate->state == STATE_OK)
        return r->state != STATE_OK && r->state != STATE_PAUSED && !(t->elsewhere && w->job == t->job);
    if (fate->last_outcome != OUTCOME_RECONNECT && fate->last_outcome != OUTCOME_AMBIGUOUS && w->job != t->job)
        return false;
    return r->state != fate->state || r->not_before != fate->not_before;
}

static struct commit *follow(const struct fate_task *t, struct twin *w)
{
    struct row_values v = {0};
    if (!twin_open(&t->twins, w, &v))
        return NULL;
    row_values_done(&v);
    if (t->fate.state != STATE_OK)
        return outcome_share(w->job, &w->record, &w->row, &t->fate, t->tells);
    struct record now = {0};
    outcome_reopened(w->job, &w->record, &now);
    struct commit *c = outcome_recovered(w->job, &w->record, &now, &w->row);
    if (!c) { /* its row was not written; only its record has to be */
        c = outcome_begin(w->job, &w->record, &w->row);
        c->release = false;
        c->alone = c->noticed = true;
        c->outcome = OUTCOME_NONE;
        record_done(&c->after);
        record_copy(&c->after, &now);
    }
    record_done(&now);
    return c;
}

static void fate_done(void *arg, int result, const struct error *err)
{
    struct fate_task *t = arg;
    struct engine *e = t->twins.engine;
    if (result < 0)
        log_line(LEVEL_WARNING,
                 "the result of a shared credential could not be written to the other records that hold it; "
                 "renewd tries again when it next reads their table",
                 "reason", err->text, NULL);
    else
        learn(t);
    for (size_t i = 0; result >= 0 && i < t->twins.count && engine_may_work(e); i++) {
        struct twin *w = &t->twins.list[i];
        struct commit *c = follows(t, w) ? follow(t, w) : NULL;
        if (!c)
            continue;
        log_line(LEVEL_INFO, "a record takes over the result of the credential that it shares", "job", c->after.job,
                 "record", c->after.key, "account", c->after.account, "state", state_name(c->after.state), NULL);
        commits_submit(e, w->job, NULL, c, false, false);
    }
    outcome_share_task_free(t);
}

static struct fate_task *outcome_share_task_new(struct engine *e, struct job *j, const char *fingerprint)
{
    struct fate_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->tells = true;
    twins_begin(&t->twins, e, fingerprint);
    return t;
}

static void outcome_share_start(struct fate_task *t)
{
    struct engine *e = t->twins.engine;
    engine_async(e, fate_work, t, fate_done);
}

void share_outcome(struct engine *e, struct job *j, const struct commit *c)
{
    struct fate_task *t = outcome_share_task_new(e, j, c->before.fingerprint);
    record_copy(&t->fate, &c->after);
    t->tells = !c->quiet || c->outcome == OUTCOME_RECONNECT; /* a verdict is written to each row once */
    t->elsewhere = c->outcome == OUTCOME_OK;
    outcome_share_start(t);
}

void share_dead_outcome(struct engine *e, const char *fingerprint)
{
    outcome_share_start(outcome_share_task_new(e, NULL, fingerprint));
}

void share_revival(struct job *j, const struct record *rec)
{
    struct fate_task *t = outcome_share_task_new(j->engine, j, rec->fingerprint);
    record_copy(&t->fate, rec);
    outcome_share_start(t);
}
