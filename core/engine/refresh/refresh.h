/* SPDX-License-Identifier: MIT
 * From a due record to its result: schedule, runs, claims, attempts, failures, the breaker. The interface of this
 * folder for the engine's other folders.
 */
#ifndef CORE_ENGINE_REFRESH_REFRESH_H
#define CORE_ENGINE_REFRESH_REFRESH_H

#include "core/engine/state/state.h"

/* schedule.c */
void schedule_start(struct job *j);
void schedule_stop(struct job *j);
void schedule_due(struct job *j, int64_t due_at); /* a record wants its own time */
int64_t schedule_prev(const struct job *j, int64_t now);
int64_t schedule_next(const struct job *j, int64_t now);

/* run.c */
struct run *run_start(struct job *j, int mode, const char *trigger, const char *const *keys, size_t count,
                      run_done done, void *ctx);
/* CLAIM_DEMAND: w is the requirement; its token is copied. */
void run_set_requirement(struct run *r, const struct token_requirement *w);
/* A run whose row was made in SQL. */
void run_requested(struct job *j, int64_t row_id);
int job_run_mode(const struct job *j);
void run_pump(struct run *r);
void run_attempt_ended(struct run *r, int outcome, bool ask_again);
/* An attempt that was not begun is given back to be claimed again; failing: it counts as one of those. */
void run_attempt_returned(struct run *r, bool failing);
void run_stop_all(struct job *j);
/* These attempts will not end: the database is not available. */
void runs_tell_stopping(struct job *j);
void runs_forget(struct job *j);
void job_pump(struct job *j);
void jobs_pump(struct engine *e);

/* ready.c */
/* How many attempts may be under way at once, and how many are. */
size_t ready_limit(const struct job *j);
size_t ready_under_way(const struct job *j);
/* How many more may be claimed, to begin when those end. */
size_t ready_ahead(const struct job *j);
void ready_attempt_ended(struct job *j);
/* How many records the run may claim now. */
size_t ready_room(const struct run *r);
/* False: it may begin at once. */
bool ready_add(struct attempt *a);
/* A caller asks for the record: if its attempt waits for room or for the pace, it is next. */
void ready_wanted(struct job *j, const char *key);
void ready_soon(struct job *j);
/* again: their runs claim them again. */
void ready_give_back(struct job *j, bool again);
/* None begins any more. */
void ready_close(struct job *j);

/* claim_check.c */
void claims_take(struct run *r, struct claimed *list, size_t count, int64_t lease_boot_ms);

/* refused_token.c */
enum { FORCED_APART_S = 60 }; /* between two refreshes that only a refusal requests */
/* The facts about a record with which a provider's refusal is compared. */
struct token_held {
    const char *token; /* may be NULL */
    int64_t generation, ok_at, first_seen;
};
/* Whether the refusal in w concerns the present token, so that no refresh has followed it. Where a refresh does not
 * replace the credential and the token is not known, a refresh within the last minute counts as having followed. */
bool token_refused(const struct token_requirement *w, const struct token_held *h, int64_t now);
/* A refresh succeeded within the last minute. */
bool refreshed_just_now(int64_t ok_at, int64_t now);

/* attempt.c */
void attempt_begin(struct run *r, struct claimed *c, int64_t lease_boot_ms);
void attempt_abandon_unsent(struct job *j);
/* No answer will reach any of them; they stay allocated until the job is freed. */
void attempts_give_up(struct job *j);
void attempt_free(struct attempt *a);
void attempt_start(struct attempt *a);
/* Nothing was sent: its claim is given back. again: its run claims it again, unless it named it by key; otherwise the
 * run has skipped it. */
void attempt_give_up_unsent(struct attempt *a, bool again);

/* at_fault.c: the plugin broke a rule, and may have lost what the provider gave: no further credential is spent. */
void job_plugin_at_fault(struct job *j, const struct attempt *a, const char *why);
/* What the store says of it: another process held the job, or this one did before; or an operator has resumed it at
 * another host. */
void job_fault_look(struct job *j, const struct job_row *row);
/* An operator takes the risk: the plugin is asked again. Other reasons to hold the job stay. */
void job_fault_over(struct job *j);
/* fresh replaces old, with the same plugin: what is not stored yet is not forgotten. */
void job_fault_follow(struct job *fresh, const struct job *old);
/* The engine stops: it is stored now, or never. */
void job_fault_stop(struct job *j);

/* failure_policy.c */
/* Whether the failure came from a gateway. Its code and text may be replaced. */
void failure_policy_read(const struct attempt *a, const struct http_reply *reply, struct failure *f);
void failure_policy_default(const struct attempt *a, const struct failure *f, struct decision *ret);
struct no_answer {
    int64_t expires_at;
    int failures;  /* of the record, in a row, with this one */
    int presented; /* how often its credential was presented without an answer, including this one */
    int64_t lease_left_s;
    uint64_t jitter;
};
int64_t failure_policy_after_no_answer(const struct job *j, const struct no_answer *s);
/* The same for this attempt, whose access token lives until expires_at. */
int64_t failure_policy_after_silence(const struct attempt *a, int64_t expires_at);
void failure_policy_bound(const struct attempt *a, struct decision *d);

/* breaker.c: refusals before they are committed (rule 10). */
void breaker_fine(struct job *j, const struct commit *c);
/* Takes c over: submits it when it is decided what the refusal is. unanswered: it was presented before without an
 * answer. */
void breaker_failed(struct job *j, struct run *r, struct commit *c, bool unanswered);
/* A claimed suspect that is not presented again: its refusal becomes a verdict, or it waits. */
void breaker_judge(struct job *j, struct run *r, struct claimed *c);
bool breaker_holds(const struct job *j);
/* Takes row over. */
void breaker_take(struct job *j, struct breaker_row *row);
void breaker_key_of(const struct job *j, struct breaker_key *ret);
void breaker_resume(struct job *j, bool believe);
void breaker_done(struct job *j);
/* Applies the store's state, which another host or a statement in SQL may have changed. rivals: hosts with other
 * secrets are refused, too. */
void breaker_seen(struct job *j, bool held, bool rivals);
/* failing.c: whether any record is refreshed. */
void failing_look(struct job *j, bool soon);
void failing_done(struct job *j);
/* A run over what was due has ended; refused: why it attempted nothing, or NULL. */
void last_run_note(struct job *j, const char *refused, int64_t started_at);

/* canary.c: the records that a job tries beside those that are due. */
void canary_arm(struct job *j);
void canary_start(struct job *j);
void canary_want_witness(struct job *j);

/* How runs begin and end: shared by run.c, run_start.c, discover/look_first.c, limits.c and discover/discovery.c.
 */
struct run_waiter {
    run_done done;
    void *ctx;
    struct run_waiter *next;
};

/* run.c */
/* Its records are named by key; what is due for it; it never began. */
bool run_names_keys(const struct run *r);
enum { COUNT_MOST = 100000 }; /* a count of one more stands for that many or more */
void run_query(const struct run *r, struct claim_request *q);
void run_refuse(struct run *r, int error, const char *why);
void run_note_progress(struct run *r);

/* run_start.c */
/* As at a tick, but records that wait after a failure are taken, too. */
void run_start_now(struct job *j, const char *trigger, run_done done, void *ctx);

/* joined.c */
/* Whether the run waits for what is under way already. */
bool joins(const struct run *r);
/* Takes list over. */
void joined_add(struct run *r, struct under_way *list, size_t count);
bool joined_waits(const struct run *r);
/* After its end: why records were skipped; those whose token was parked have failed instead. On the store's
 * thread. */
int joined_count_skipped(struct db *db, struct run *r, struct error *e);
/* Each failure of it. */
int joined_failures(struct db *db, struct run *r, struct error *e);
void joined_free(struct run *r);

/* others.c */
/* Whether somebody asked for the run, and no record is named. */
bool others_matter(const struct run *r);
/* On the store's thread, before what is due is counted; and after it. */
int others_begin(struct db *db, struct run *r, const struct claim_request *q, struct error *e);
int others_add_due(struct db *db, struct run *r, const struct claim_request *q, struct error *e);
/* Attempts of others at its due records are under way, or are being looked up: the run is not over. */
bool others_wait(struct run *r);
/* After its end, on the store's thread: what others brought is not skipped. */
int others_count(struct db *db, struct run *r, struct error *e);
int others_failures(struct db *db, struct run *r, struct failure_row **ret, size_t *ret_count, struct error *e);

/* limits.c: settings that leave due records undone. */
/* When a run is over. */
void limits_run(struct run *r);
/* When a tick comes. */
void limits_tick(struct job *j);

#endif
