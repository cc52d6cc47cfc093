/* SPDX-License-Identifier: MIT
 * From a result to the store: what is written, the queue of commits, the effects on other records. The interface of
 * this folder for the engine's other folders.
 */
#ifndef CORE_ENGINE_COMMIT_COMMIT_H
#define CORE_ENGINE_COMMIT_COMMIT_H

#include "core/engine/state/state.h"

/* status_columns.c */
void status_columns_make(struct job *j);
void status_columns_free(struct job *j);
int status_columns_check(struct db *db, const struct job *j, struct error *e);
/* The same without renewd's own tables, which may not exist yet. */
int status_columns_check_names(struct db *db, const struct job *j, struct error *e);
/* Writes what the entry would write for a row, and rolls it back. Returns 0 when the row names no other row, 1 when
 * it does; *ret_any says whether a row was updated. */
int status_columns_rehearse(struct db *db, const struct job *j, const struct row *row, size_t index, bool *ret_any,
                            struct error *e);
/* Appends the missing GRANTs for `also`. */
int status_columns_rights(struct db *db, const struct job_config *c, struct buf *grants, struct error *e);
/* Sets the effect's SQL, and the questions before it, by its name; nothing is set where there is none. */
void status_columns_sql(const struct job *j, struct commit_effect *f);
/* also_blind.c: which key of another job's `also` cannot be read, and what that means; NULL: none. Allocated. _take: it
 * is taken over, and told when it is news. */
char *status_columns_blind(struct db *db, const struct job *j);
void status_columns_blind_take(struct job *j, char *why);
void status_columns_add(struct commit *c, const struct job *j);
/* on_reconnect was written for the record: it needs its owner. */
bool status_columns_person(const struct job *j, const struct record *r);
/* on_ok undoes what on_reconnect wrote, unless another record still needs its owner. */
void status_columns_take_back(struct commit *c, const struct job *j);
/* on_reconnect for a record that needs its owner although no attempt was made now. */
void status_columns_tell(struct commit *c, const struct job *j);
/* On the store's thread: columns written for records that are gone, or well again. */
int status_columns_settle(struct db *db, const struct job *j, struct error *e);

/* sibling_jobs.c: other jobs that write this job's rows. */
void siblings_add(struct commit *c, const struct job *j);
/* The status column's text for a state; NULL = the column is not written. */
const char *status_value(const struct job_config *c, int state);

/* grant_monitor.c */
int grant_monitor_read(struct db *db, const char *job, struct granted *ret, struct error *e);
void grant_monitor_take(struct job *j, const struct commit *c);

/* parked_count.c: what is parked. */
enum { ORPHANS_S = 30 * 86400 }; /* how long a late pair is parked */
void parked_count(struct engine *e);

/* share_credential.c: writes the newer pair into rows that hold a credential that it replaced. */
void propagate_credential(struct engine *e, struct job *j, const struct commit *c);
void restore_newest_credential(struct engine *e, const char *fingerprint);

/* build_commit.c builds commits from finished attempts. */
struct commit *outcome_begin(const struct job *j, const struct record *rec, const struct row *row);
int outcome_write_slot(struct commit *c, const struct job *j, int slot, const char *text, size_t len);
void outcome_settle_ok(struct commit *c, struct job *j, const struct row_values *after);
struct commit *outcome_ok(struct attempt *a);
/* For a parked commit: seals what could not be sealed then. A value that still cannot be sealed is parked again. */
void outcome_seal_plain(struct commit *c, const struct job *j);
/* reply: the answer from which it was read; NULL: there was no answer. */
struct commit *outcome_failed(struct attempt *a, const struct failure *f, const struct decision *d,
                              const struct http_reply *reply);
/* What an attempt set whose plugin broke a rule; then its failure: the rule is in the attempt's last step. lost: the
 * credential that was presented may have a successor that was not taken; it is presented again at next_at. */
struct commit *outcome_with_token(struct attempt *a);
void outcome_broken(struct commit *c, const struct attempt *a, bool lost, int64_t next_at,
                    const struct http_reply *reply);
/* statement_times.c: gives b the time in the form of the column that the statement's parameter stands for. statement:
 * its index. */
void statement_time(struct bound *b, const struct attempt *a, size_t statement, size_t number, int64_t at);
/* cleaned_text.c */
/* Text from outside, without the job's secrets and the values in v, which may be NULL. */
char *outside_text_clean(const struct job *j, const struct slot_value *v, const char *text, size_t max);
/* Call this before the failure is noted: its text mentions the parked answer. */
void outcome_keep_answer(struct commit *c, const struct job *j, const struct http_reply *reply);
/* The database's message about c, without the secrets that c writes. The caller frees it. */
char *outside_text_of_database(const struct job *j, const struct commit *c, const char *text);
/* The effects were refused: an `ok` becomes a failure of this record alone. */
void commit_demote_to_failure(const struct job *j, struct commit *c, const char *code, const char *text);
/* A refusal without a verdict: nothing is reported, the row and the credential stay as they are. */
void outcome_withhold(const struct job *j, struct commit *c, const struct suspect_ruling *r);
/* A verdict that is not final: its credential is presented again. */
void outcome_not_final(const struct job *j, struct commit *c, int64_t next_at_ms);
/* A verdict without an attempt of its own: it repeats the provider's earlier answer. */
void outcome_reconnect(const struct job *j, struct commit *c, const char *code, const char *text);
/* Applies the outcome of another record with this credential (fate) to this record. tells: it is written to the
 * row, too. */
struct commit *outcome_share(const struct job *j, const struct record *rec, const struct row *row,
                             const struct record *fate, bool tells);
/* Replaces what renewd wrote about a trouble that is over by "ok", NULL and 0. */
void outcome_take_back(struct commit *c, const struct job *j, bool status, bool error, bool strikes);
/* recovered_record.c. The record is well again without an attempt, as `now` shows: what renewd itself had written
 * about its trouble is taken back. NULL = there is nothing to take back, because renewd wrote nothing. */
struct commit *outcome_recovered(const struct job *j, const struct record *known, const struct record *now,
                                 const struct row *row);
/* The row cannot be read: writes text into its last_error, and the status of misconfigured where renewd writes a
 * status. NULL = it has no such column. */
struct commit *outcome_unreadable(const struct job *j, const struct record *rec, const struct row *row,
                                  const char *text);
void outcome_note(struct commit *c, const struct job *j, bool status, const char *text);
/* The record needs its owner, and its `also` columns have not been written: this commit writes them. NULL = it has
 * none. */
struct commit *outcome_told(const struct job *j, const struct record *rec, const struct row *row);
/* The record as it is when its credential may be presented again. */
void outcome_reopened(const struct job *j, const struct record *known, struct record *ret);
/* A failure without its writes to the user's tables. */
void commit_drop_user_writes(struct commit *c);
void outcome_leave_effects(struct commit *c);
bool outcome_leave_status(struct commit *c); /* false: it writes none */

/* share_outcome.c: applies a credential's outcome to the other records that hold it. j may be NULL. */
void share_outcome(struct engine *e, struct job *j, const struct commit *c);
/* A record holds a credential that is dead; or a credential may be presented again, with this record. */
void share_dead_outcome(struct engine *e, const char *fingerprint);
void share_revival(struct job *j, const struct record *rec);

/* release_claim.c */
void claim_release(struct engine *e, const struct record *rec, const char *attempt_id);

/* revive.c */
/* A commit read from its text, ready to be submitted; NULL when its job is not loaded. */
struct commit *commit_revive(struct engine *e, const char *text, size_t len, struct job **ret_job,
                             struct error *why);

/* locked_table.c */
/* The job's table seems to be locked as a whole, or still to be. */
void locked_table_found(struct job *j, const char *why);
bool locked_table_holds(const struct job *j);
/* No further one of its results may be tried now. */
bool locked_table_waits(const struct job *j);
/* One goes to the store, and has come back. */
void locked_table_try(struct job *j);
void locked_table_tried(struct job *j);
/* A result was stored in it. True: it was locked before. */
bool locked_table_free(struct job *j);

/* commit_queue.c */
void commits_submit(struct engine *e, struct job *j, struct run *r, struct commit *c, bool from_spool, bool kept);
/* Commits again what the database has lost. `lost` is its name in engine->keep. */
void commits_submit_lost(struct engine *e, struct job *j, struct commit *c, const char *lost);
void commits_resume(struct engine *e);
void commits_forget(struct engine *e);
size_t commits_waiting(const struct engine *e);

/* twins.c: Records that hold one credential, with their rows.
 */
struct twin {
    struct job *job;
    struct record record;
    struct row row;
};

struct twins {
    struct engine *engine;
    char fingerprint[FINGERPRINT_SIZE];
    struct job **jobs; /* jobs whose tables are known, as they are now; for the store's thread */
    size_t job_count;
    struct twin *list;
    size_t count;
};

/* On the loop. The engine stays busy until twins_done(). t is zeroed. */
void twins_begin(struct twins *t, struct engine *e, const char *fingerprint);
/* On the store's thread. Records of jobs that are not loaded are left to the hosts that have these jobs. */
int twins_find(struct db *db, struct twins *t, struct error *e);
void twins_done(struct twins *t);

/* w is the record itself. */
bool twin_is(const struct twin *w, const struct record *rec);
/* Whether its row still holds the credential and renewd may write it. Returns its values, which the caller then
 * owns. */
bool twin_open(const struct twins *t, struct twin *w, struct row_values *ret);

#endif
