/* SPDX-License-Identifier: MIT
 * From a due record to its result: schedule, runs, claims, attempts, failures, the breaker. What the engine's other folders may call.
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
/* CLAIM_DEMAND: what is wanted; w's token is copied. */
void run_set_requirement(struct run *r, const struct token_requirement *w);
/* A run whose row was made in SQL. */
void run_requested(struct job *j, int64_t row_id);
int job_run_mode(const struct job *j);
void run_pump(struct run *r);
void run_attempt_ended(struct run *r, int outcome, bool ask_again);
void run_stop_all(struct job *j);
/* They do not end any more: the store is away. */
void runs_tell_stopping(struct job *j);
void runs_forget(struct job *j);
void job_pump(struct job *j);
void jobs_pump(struct engine *e);

/* claim_check.c */
void claims_take(struct run *r, struct claimed *list, size_t count, int64_t lease_boot_ms);

/* refused_token.c */
enum { FORCED_APART_S = 60 }; /* from one refresh to the next that only a refusal asks for */
/* What a provider's refusal is held against: a record as it stands. */
struct token_held {
    const char *token; /* may be NULL */
    int64_t generation, ok_at, first_seen;
};
/* The refusal that w tells of is one of this token: no refresh has followed it. Where a refresh replaces no
 * credential and the token is not known, one of the last minute counts as having followed. */
bool token_refused(const struct token_requirement *w, const struct token_held *h, int64_t now);
/* A refresh succeeded within the last minute. */
bool refreshed_just_now(int64_t ok_at, int64_t now);

/* attempt.c */
void attempt_begin(struct run *r, struct claimed *c, int64_t lease_boot_ms);
void attempt_abandon_unsent(struct job *j);
/* No answer comes to any of them any more; they stay until the job goes. */
void attempts_give_up(struct job *j);
void attempt_free(struct attempt *a);

/* failure_policy.c */
/* What of a failure is the matter of a gateway. Its code and text may be replaced. */
void failure_policy_read(const struct attempt *a, const struct http_reply *reply, struct failure *f);
void failure_policy_default(const struct attempt *a, const struct failure *f, struct decision *ret);
struct no_answer {
    int64_t expires_at;
    int failures;  /* of the record, in a row, with this one */
    int presented; /* how often its credential was presented without an answer, with this one */
    int64_t lease_left_s;
    uint64_t jitter;
};
int64_t failure_policy_after_no_answer(const struct job *j, const struct no_answer *s);
void failure_policy_bound(const struct attempt *a, struct decision *d);

/* breaker.c: refusals before they are committed (rule 10). */
void breaker_fine(struct job *j, const struct commit *c);
/* Takes c over: submits it when it is clear what it is. unanswered: it was presented before without an answer. */
void breaker_failed(struct job *j, struct run *r, struct commit *c, bool unanswered);
/* A claimed suspect that is not asked again: its refusal becomes a verdict, or it waits. */
void breaker_judge(struct job *j, struct run *r, struct claimed *c);
bool breaker_holds(const struct job *j);
/* Takes row over. */
void breaker_take(struct job *j, struct breaker_row *row);
void breaker_key_of(const struct job *j, struct breaker_key *ret);
void breaker_resume(struct job *j, bool believe);
void breaker_done(struct job *j);
/* What the store says, which another host or somebody in SQL may have changed. rivals: hosts with other secrets are
 * refused, too. */
void breaker_seen(struct job *j, bool held, bool rivals);
/* failing.c: is anybody refreshed? */
void failing_look(struct job *j, bool soon);
void failing_done(struct job *j);

/* canary.c: whom a job asks beside those that are due. */
void canary_arm(struct job *j);
void canary_start(struct job *j);
void canary_want_witness(struct job *j);

/* runs.c: How runs begin and end: what run.c, run_start.c, discover/look_first.c, limits.c and discover/discovery.c share.
 */
struct run_waiter {
    run_done done;
    void *ctx;
    struct run_waiter *next;
};

/* run.c */
/* Its records are named by key; what is due for it; it never took place. */
bool run_names_keys(const struct run *r);
void run_query(const struct run *r, struct claim_request *q);
void run_refuse(struct run *r, int error, const char *why);

/* run_start.c */
/* As at a tick, and what waits after a failure does not. */
void run_start_now(struct job *j, const char *trigger, run_done done, void *ctx);

/* joined.c */
/* Whether what is under way already is waited for. */
bool joins(const struct run *r);
/* Takes list over. */
void joined_add(struct run *r, struct under_way *list, size_t count);
bool joined_waits(const struct run *r);
/* When it has ended: what kept those that it skipped; those whose token was set aside have failed instead. On the
 * store's thread. */
int joined_count_skipped(struct db *db, struct run *r, struct error *e);
/* Each failure of it. */
int joined_failures(struct db *db, struct run *r, struct error *e);
void joined_free(struct run *r);

/* limits.c: settings that leave due records undone. */
/* When a run is over. */
void limits_run(struct run *r);
/* When a tick comes. */
void limits_tick(struct job *j);

#endif
