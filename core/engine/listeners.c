/* SPDX-License-Identifier: MIT
 * What the higher folders do when the lower ones report something (state/listeners.h).
 */
#include "core/base/clock.h"
#include "core/engine/commit/commit.h"
#include "core/engine/discover/discover.h"
#include "core/engine/events/events.h"
#include "core/engine/internal.h"
#include "core/engine/recovery/recovery.h"
#include "core/engine/refresh/refresh.h"
#include "core/engine/tokens/internal.h"
#include "core/rules/outcome.h"

static void record_committed(struct engine *e, const struct job *j, const struct commit *c)
{
    tokens_follow(e->tokens, j, c);
}

static void job_committed(struct job *j, const struct commit *c)
{
    failing_look(j, j->failing.why && c->outcome == OUTCOME_OK);
    if (c->outcome == OUTCOME_OK && j->last_run.refused)
        last_run_note(j, NULL, clock_now());
    if (c->after.due_at)
        schedule_due(j, c->after.due_at);
    if (c->outcome == OUTCOME_OK)
        events_record_changed(j, c->after.key, false);
}

static void commit_ended(struct engine *e, struct run *r, int outcome, bool ask_again)
{
    if (r)
        run_attempt_ended(r, outcome, ask_again);
    else if (!e->setup.daemon)
        jobs_pump(e); /* a run may have waited for it */
    recover_check(e);
}

/* Claims that were not sent are given back. A round checks the rights at once, so that the job is held even when
 * nothing is due. */
static void stop_for_lost_right(struct job *j)
{
    attempt_abandon_unsent(j);
    if (j->engine->setup.daemon)
        discovery_again(j);
}

static void read_again(struct job *j, const char *key)
{
    discovery_one(j, key, NULL, NULL);
}

static void round_ended(struct job *j, bool first)
{
    if (first)
        canary_start(j);
    failing_look(j, first); /* rows that were fine may be gone */
    if (first || j->discovery.full)
        schedule_start(j);
    else
        schedule_due(j, 0);
}

/* What its rows refused meanwhile. */
static void hold_ended(struct job *j)
{
    recover_kept(j->engine, true);
}

/* Everything is drained: from now on records may be discovered and claimed. */
static void all_drained(struct engine *e)
{
    engine_enter(e, ENGINE_WORKING);
    recover_kept(e, true);
    expired_leases_check(e);
    parked_count(e);
    for (size_t i = 0; i < e->job_count; i++) {
        discovery_start(e->jobs[i], true);
        job_pump(e->jobs[i]);
        schedule_due(e->jobs[i], 0);
    }
    engine_check_ready(e);
    if (e->setup.daemon)
        requests_start(e);
    history_start(e);
}

static const char *account_of(const struct engine *e, const struct job *j, const char *key)
{
    return tokens_account(e->tokens, j, key);
}

const struct engine_listeners engine_listeners = {
    .record_committed = record_committed,
    .job_committed = job_committed,
    .commit_ended = commit_ended,
    .right_lost = stop_for_lost_right,
    .row_differs = read_again,
    .record_due = schedule_due,
    .record_changed = events_record_changed,
    .job_may_go_on = job_pump,
    .job_discovered = events_start,
    .round_ended = round_ended,
    .hold_ended = hold_ended,
    .leases_unowned = unowned_leases_check,
    .drained = all_drained,
    .key_proven = keys_proven,
    .secrets_changed = secrets_changed,
    .account = account_of,
    .check_stopped = engine_check_later,
};
