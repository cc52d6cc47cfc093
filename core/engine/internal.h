/* SPDX-License-Identifier: MIT
 * What the engine's own files share. Nobody outside core/engine includes it.
 */
#ifndef CORE_ENGINE_INTERNAL_H
#define CORE_ENGINE_INTERNAL_H

#include "core/engine/engine.h"
#include "core/http/client/client.h"
#include "core/journal/retention.h"
#include "core/journal/spool.h"
#include "core/json/json.h"
#include "core/plugin/instance.h"
#include "core/rules/pace.h"
#include "core/store/leases.h"
#include "core/store/suspects.h"
#include "core/store/thread.h"
#include "core/store/under_way.h"

enum { CLAIM_BATCH = 100, PAGE_ROWS = 500, ASK_AGAIN_MAX = 1000 /* of one record in one run */ };

struct settled_waiter {
    void (*done)(void *ctx);
    void *ctx;
    struct settled_waiter *next;
};

struct engine {
    struct engine_setup setup;
    struct loop *loop;
    struct job **jobs;
    size_t job_count;
    struct job_config **disabled;    /* files with enabled = false, which are no jobs */
    size_t disabled_count;
    struct http_client *http;
    struct store_thread *store, *reader;
    struct spool *spool;
    struct keep *keep;               /* what the store has taken, for a day */
    enum { SET_BACK_TO_LOOK, SET_BACK_LOOKING, SET_BACK_WRITING } set_back;
    int64_t left_alone;              /* spool files that are not for us */
    unsigned char fingerprint_key[32];
    bool keys_known[KEYRING_MAX];    /* in the ring's order: the database has a check value of theirs */
    int64_t started_at;
    bool store_up, reader_up, checking, checked, recovering, drained, ready_told, stopping, stop_begun;
    int threads;                     /* of those being stopped, how many still run */
    struct job *retired;             /* taken out by a reload, still at work */
    struct loop_timer *check_timer, *recover_timer;
    char *store_why;                 /* why it is away, or refused */
    bool refused;                    /* the clone guard: it is there, and only read (phase.c) */
    char installation[ID_SIZE];
    unsigned beats;                  /* of the heartbeat */
    struct loop_timer *heartbeat, *stop_timer, *resume_timer, *keep_timer, *again_timer, *requests_timer, *history_timer;
    struct loop_timer *secrets_timer, *secrets_soon;
    struct conf_mistakes *job_notes; /* of the jobs, as they were read last; its warnings are shown */
    struct commit_task *commits;     /* submitted, or waiting for the store to come back */
    size_t twins;                    /* records that share a credential are looked up, so often at once */
    int64_t stored;                  /* of them, how many are over */
    struct spool_file *leftovers;
    size_t leftover_count;
    size_t dead_files;               /* spool files of processes that are over, as last counted */
    struct settled_waiter *settled;  /* who waits for all jobs to be discovered or held */
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    struct tokens *tokens;           /* remembered for those who ask */
    struct demand *demands;          /* who waits for a token */
    struct notes *notes;             /* what calls with tokens were answered */
    struct forwards *forwards;       /* calls that are passed on */
    size_t busy;                     /* store work under way that refers to jobs or runs */
    size_t claims;                   /* of it, claims, until they are attempts or given back */
    bool lost, lost_asked;           /* leases may be out that nobody works on */
    bool blocked;                    /* something waits for the store, and that was said */
    struct kept_counts aside;        /* as last counted */
    bool gone_asked;                 /* leases of processes that are gone are being looked for */
    struct loop_timer *lost_timer;
    struct listener *listener;       /* NULL = the poll finds requests alone */
    bool history_started;
    struct changed *changed;         /* rows to be looked at */
    struct loop_watch *hints_watch;
    struct loop_timer *hints_timer;
    int64_t requests_boot_ms;        /* when requests were looked for last */
};

/* What one round has seen. */
struct round {
    int64_t rows, changed, removed;
    int64_t unreadable;
    int64_t wrong_key;               /* of them: sealed with another key, as it seems */
    int64_t opened;                  /* rows of which a value opened, or that hold plain ones */
    struct commit **later;           /* of wrong_key, seen before anything opened: to be noted if it is not the key */
    size_t later_count;
};

struct discovery {
    bool running, full, again;
    bool changed_behind;             /* rows were changed that this round may have passed already */
    bool held;                       /* the job is held because none of its rows opened */
    char *after;                     /* key of the last row seen; in the sweep, of the last record */
    bool sweeping;
    struct round round;
    bool opened;                     /* a value of the job's table has opened, now or before */
    int64_t unreadable;              /* of the last full round */
    int64_t page_started_ms;
    int64_t pages, furthest, steps;  /* of this round; the most of any since one was done; see engine_steps() */
    bool restart;                    /* from the first row again, when what was asked is answered */
    int64_t table_rows;              /* in the last round that came to its end */
    char *last_key;                  /* of the table then; NULL = it was empty */
    struct look_waiter *looking, *waiting_look; /* discover/look_first.c: who waits for this round, for the next */
    struct loop_timer *timer;
};

struct run;

/* What rule 10 knows of a job, as the store had it last; its newest success is the newest here. */
struct breaker {
    struct breaker_row row;
    int64_t told_ms;                 /* when a success was told to the store last */
    bool refused;                    /* somebody was since */
    struct loop_timer *canary_timer, *witness_timer;
    bool asking;                     /* a canary is on its way */
};

struct also_update {             /* SQL; NULL = nothing to write */
    char *on_reconnect;
    char **well;                     /* on_ok, a column each */
    char *tell, *forget;             /* which records on_reconnect was written for */
    char *plain;                     /* on_ok of commits that an older renewd left on the spool */
};

struct job {
    struct engine *engine;
    struct job_config *config;
    struct instance *instance;
    struct table *table;
    char *read_source;               /* job_find_source */
    struct also_update *also;        /* as many as the configuration's */
    int *slot_column;                /* slot -> column of the table, or -1 */
    int expires_slot, credential_slot;
    int replay;
    int64_t grace_s;
    bool safe;
    char *held;
    bool zone_told;                  /* that times of its table seem to be of another zone */
    char *hidden;                    /* row security that keeps its rows from it */
    struct job_config *next_config;  /* secrets.c: takes the place of config in a moment */
    char *secret_why;                /* why a changed secret is not in force; NULL = none is */
    bool paused, resolving, discovered, rehearsed, removed;
    bool ran;                        /* before a reload, under another configuration */
    struct discovery discovery;
    struct loop_timer *tick_timer, *auto_timer, *retry_timer;
    int64_t last_tick, next_tick;    /* Unix seconds; 0 = none */
    int64_t auto_at;
    struct pace pace;
    int cut, slow;                   /* runs in a row that `limit` ended too early; ticks that met the run before them */
    char *warning;                   /* about one of these, or NULL */
    struct breaker breaker;
    struct {
        char *why;                   /* NULL = it is not, as last seen */
        int64_t records;
        struct loop_timer *timer;
    } failing;
    char settings_id[FINGERPRINT_SIZE]; /* a hash of the settings and their secrets' values */
    size_t others;                   /* requests since the last one for a suspect */
    size_t gentle;                   /* after a hold at most so many attempts at once; grows; 0 = no matter */
    size_t active;                   /* attempts under way */
    struct run *runs;
    struct attempt *attempts;
    struct granted granted;
    bool granted_known;              /* read from the store */
    int unlike;                      /* successes in a row that rotate otherwise than `granted` says */
    struct job_events *events;       /* NULL: it takes none */
    struct job *next_retired;
};

struct run {
    struct job *job;
    struct run_row row;
    int mode;                        /* enum claim_mode */
    struct token_wish wish;          /* CLAIM_DEMAND */
    struct secret *refused_token;    /* the wish's */
    char *trigger;
    int64_t tick, next_tick;
    char **keys;
    size_t key_count, keys_asked;
    int64_t left, failing_left;      /* of the job's limit; INT64_MAX = no limit */
    size_t active;
    bool looked_all;                 /* the whole of its table was looked at, as far as it has to be */
    bool started, claiming, exhausted, finishing;
    int64_t locked_ms;               /* by the boot clock: since when others keep what is due locked; 0 = they do not */
    bool impatient;                  /* what waits after a failure does not */
    bool general;                    /* nobody means the very record: by hand with a key alone does */
    bool twice;                      /* all were asked; who was refused is asked a second time */
    bool shares_minute;              /* attempts at their own time, one run a minute */
    struct map *repeats;             /* key -> how often it was ok here and due again; NULL = none */
    char *refused;                   /* why it could not run */
    int refused_error;
    struct claim_request left_query;
    struct left undone;           /* for those who wait, like its failures */
    struct reason_count skipped_because[REASONS_MAX];
    struct failure_row *failures; /* for those who wait, when it has ended */
    size_t failure_count;
    struct under_way *joined;        /* attempts of others whose result is its own (refresh/joined.c) */
    size_t joined_count;
    bool joining;                    /* they are being looked at */
    struct loop_timer *joined_timer;
    struct map *joined_keys;         /* whose have ended */
    bool counted, failures_read;     /* those that it skipped; its failures */
    struct run_waiter *waiters;
    struct loop_timer *timer;
    struct run *next;
};

/* The opened values of a row, one for each slot of the plugin. */
struct values {
    struct slot_value *list;
    struct secret **owned;
    size_t count;
    size_t opened;                   /* sealed values that opened; also where values_open() fails */
};

struct attempt {
    struct job *job;
    struct run *run;
    struct claimed claim;            /* record, row, attempt id: owned */
    struct values values;
    void *memo;
    struct plugin_attempt *plugin;
    struct http_transfer *transfer;
    struct loop_timer *timer;
    int64_t started_at;
    int64_t lease_boot_ms, deadline_boot_ms;
    int status;                      /* of the last reply */
    int64_t retry_after;
    bool sent, token_set;
    struct step_result step;         /* the request that waits for the disk */
    struct attempt *next;
};

/* A commit under way, kept until the store has it. */
struct commit_task {
    struct engine *engine;
    struct job *job;
    struct run *run;                 /* NULL for leftovers and retries */
    struct commit *commit;
    bool submitted, from_spool;      /* from_spool: of a dead incarnation */
    bool kept;                       /* a pending pair that is tried again */
    char lost[FINGERPRINT_SIZE];     /* one that the database had lost (recovery/restored_database.c): its name there; or "" */
    int rounds;
    struct commit_task *next;
};

/* engine.c */
void engine_drained(struct engine *e);
void engine_check_ready(struct engine *e);
void engine_tell_settled(struct engine *e);
void engine_check_stopped(struct engine *e);
void engine_forget_disabled(struct engine *e);
bool engine_may_work(const struct engine *e);

/* Said once until something is stored again. */
void engine_blocked(struct engine *e, const char *what, const char *job, const char *why);

/* phase.c: what happens when the store answers. */
void startup_up(void *ctx);
void startup_down(void *ctx, const char *why);
void startup_denied(void *ctx, const char *why);
int startup_admit(void *ctx, struct db *db, struct error *e); /* on the store's thread */
void startup_refused(void *ctx, const char *why);
void startup_show(struct engine *e);

/* recovery/crashed_process.c */
void recover_start(struct engine *e);
void recover_check(struct engine *e);
void recover_siblings(struct engine *e);
/* A commit from its text, ready to be submitted; NULL when its job is not here. */
struct commit *recover_revive(struct engine *e, const char *text, size_t len, struct job **ret_job,
                              struct error *why);
void recover_kept(struct engine *e, bool all);

/* recovery/restored_database.c */
void set_back_check(struct engine *e);
/* What dead processes of this installation kept, before anything more is kept. */
void set_back_take(struct engine *e);
/* Whether a kept commit is of this installation: the fingerprint of what it brought is made with our key. */
bool set_back_ours(void *engine, const char *newest, const char *text, size_t len);

/* job.c */
struct job *job_new(struct engine *e, struct job_config *c);
void job_free(struct job *j);
/* The sentence without "job NAME: " before it. */
const char *job_unnamed(const struct job *j, const char *why);
void job_hold(struct job *j, const char *why);
void job_release_hold(struct job *j);
void job_resolve(struct job *j);
/* Where its records stand, so that they can be shown while the store is only read. */
void job_find_source(struct job *j);
/* What a pause, ours or another's, means here. */
void job_set_paused(struct job *j, bool paused);
/* See table_still_fits(); a right that is missing is told with all others. */
int job_still_fits(struct db *db, const struct job *j, int result, struct error *e);
/* -EACCES with the GRANTs that are missing on the tables of a job, and what its statements are refused. */
int job_rights(struct db *db, const struct job_config *c, const struct table *table, bool statements, struct error *e);
/* The named statements of its plugin, held against the database. */
int job_check_statements(struct db *db, const struct job_config *c, struct error *e);
/* Which column of the job's table holds which slot. */
void job_map_slots(struct job *j);
int64_t job_count_sealed(struct db *db, const struct job *j, const char *prefix);
bool job_may_claim(const struct job *j);
struct job *job_by_source(const struct engine *e, const char *source);
int64_t job_lease_s(const struct job *j);
/* Of one request: the configured one, or a third of a grace that is given in seconds. */
int64_t job_timeout_ms(const struct job *j);

/* commit/status_columns.c */
void also_make(struct job *j);
void also_free(struct job *j);
int also_check(struct db *db, const struct job *j, struct error *e);
/* The same without renewd's own tables, which may not be there yet. */
int also_check_names(struct db *db, const struct job *j, struct error *e);
/* Writes what the entry would write for a row, and rolls it back. 0: the row names none; 1: *ret_any, whether one was hit. */
int also_rehearse(struct db *db, const struct job *j, const struct row *row, size_t index, bool *ret_any, struct error *e);
/* Appends the GRANTs that are missing for `also`. */
int also_rights(struct db *db, const struct job_config *c, struct buf *grants, struct error *e);
const char *also_sql(const struct job *j, const char *name);
void also_add(struct commit *c, const struct job *j);
/* The record wants its person: on_reconnect was written for it. */
bool also_person(const struct job *j, const struct record *r);
/* What on_reconnect wrote, undone by on_ok, unless another record needs its person still. */
void also_take_back(struct commit *c, const struct job *j);
/* on_reconnect for a record that needs its person, though nothing happened now. */
void also_tell(struct commit *c, const struct job *j);
/* On the store's thread: columns that were told of records that are gone, or well again. */
int also_settle(struct db *db, const struct job *j, struct error *e);

/* commit/sibling_jobs.c: other jobs that write this one's rows. */
void siblings_add(struct commit *c, const struct job *j);
/* The status column's text for a state; NULL = left alone. */
const char *status_value(const struct job_config *c, int state);

/* commit/grant_monitor.c */
int granted_read(struct db *db, const char *job, struct granted *ret, struct error *e);
void granted_take(struct job *j, const struct commit *c);

/* rows/row_values.c */
int values_open(const struct job *j, const struct row *r, struct values *ret, struct error *e);
void values_done(struct values *v);
void values_view(const struct job *j, const struct record *rec, const struct row *r,
                 const struct values *v, struct record_view *ret);
int value_seal(const struct job *j, const char *key, const char *slot, const char *plain, size_t len,
               bool secret, char **ret);
const char *job_seal_table(const struct job *j);

/* rows/interpret_row.c: what a row means. */
int look_fingerprint(const struct job *j, const char *key, const struct values *v,
                     char ret[FINGERPRINT_SIZE]);
/* known may be NULL. ret is the record as it should stand; what was seen is added to `of`, which may be NULL. */
void look_row(struct job *j, const struct row *row, const struct record *known, struct record *ret,
              struct round *of);
int64_t look_point(const struct record *r); /* when it is due by itself */
void look_schedule(const struct job *j, struct record *r);
/* The memo's bytes, malloc'd; NULL for none. */
void *look_memo(const struct record *r, size_t *ret_len);
int look_window(struct job *j, struct record *r, const struct row *row, const struct values *v,
                struct error *e);
/* True when the row is not a record (any more): its status was changed by somebody else. */
bool look_left_out(const struct job *j, const struct row *row, const struct record *known);
/* The owner may stand in another table, out of the row's hash. */
bool look_same_owner(const struct job *j, const struct row *row, const struct record *known);
bool look_differs(const struct record *a, const struct record *b);

/* keys.c */
struct keys_check {
    struct job **jobs;               /* those of the moment: a reload frees none meanwhile */
    size_t job_count;
    bool wrong;                      /* fatal */
    bool known[KEYRING_MAX];
    unsigned char fingerprint_key[32];
};
int keys_check(struct engine *e, struct db *db, struct keys_check *c, struct error *err);
void keys_checked(struct engine *e, const struct keys_check *c);
/* The key has opened or sealed a value: from now on it is the database's. */
void keys_proven(struct engine *e, const char *id);

/* discover/changes.c: what a look finds. */
/* What a row has become; false: nothing that its record does not say. of: NULL for a single look. */
bool change_look(struct job *j, const struct row *row, const struct record *known, struct record_change *ret,
                 struct round *of);
/* discover/discovery.c */
void discovery_start(struct job *j, bool full);
/* A slow round now, and another one after that which runs. */
void discovery_again(struct job *j);
void discovery_stop(struct job *j);
void discovery_hold(struct job *j, const char *why);
/* The table no longer is what the configuration says; looked at again soon. */
void discovery_misfit(struct job *j, const char *why);
/* One record again: its row changed, or somebody asks for it. then may be NULL. */
void discovery_one(struct job *j, const char *key, loop_fn *then, void *ctx);

/* refresh/schedule.c */
void schedule_start(struct job *j);
void schedule_stop(struct job *j);
void schedule_due(struct job *j, int64_t due_at); /* a record wants its own time */
int64_t schedule_prev(const struct job *j, int64_t now);
int64_t schedule_next(const struct job *j, int64_t now);

/* refresh/run.c */
struct run *run_start(struct job *j, int mode, const char *trigger, const char *const *keys,
                      size_t count, run_done done, void *ctx);
/* CLAIM_DEMAND: what is wanted; w's token is copied. */
void run_wishes(struct run *r, const struct token_wish *w);
/* Why no run of the job can begin now; NULL = it can. */
const char *run_cannot(const struct job *j, int *ret_error);
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

/* refresh/claim_check.c */
void claims_take(struct run *r, struct claimed *list, size_t count, int64_t lease_boot_ms);
void claim_release(struct engine *e, const struct record *rec, const char *attempt_id);

/* recovery/unowned_leases.c */
void lost_leases(struct engine *e);

/* commit/parked_count.c: what was set aside. */
enum { ORPHANS_S = 30 * 86400 }; /* a late one is kept for so long */
void aside_count(struct engine *e);

/* recovery/expired_leases.c: leases whose holder is gone. */
/* What is noted of an attempt whose end nobody knows, under its own attempt id. */
struct commit *gone_commit(struct engine *e, struct job *j, const struct lease_row *l, const char *code,
                           const char *text);
void gone_check(struct engine *e);

/* refresh/attempt.c */
void attempt_begin(struct run *r, struct claimed *c, int64_t lease_boot_ms);
void attempt_abandon_unsent(struct job *j);
/* No answer comes to any of them any more; they stay until the job goes. */
void attempts_give_up(struct job *j);
void attempt_free(struct attempt *a);

/* refresh/failure_policy.c */
/* What of a failure is the matter of a gateway. Its code and text may be replaced. */
void verdict_read(const struct attempt *a, const struct http_reply *reply, struct failure *f);
void verdict_default(const struct attempt *a, const struct failure *f, struct decision *ret);
struct silence {
    int64_t expires_at;
    int failures;        /* of the record, in a row, with this one */
    int presented;       /* how often its credential was presented without an answer, with this one */
    int64_t lease_left_s;
    uint64_t jitter;
};
int64_t verdict_after_silence(const struct job *j, const struct silence *s);
void verdict_bound(const struct attempt *a, struct decision *d);

/* refresh/breaker.c: refusals before they are committed (rule 10). */
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
/* What the store says, which another host or somebody in SQL may have changed. rivals: hosts with other secrets are
 * refused, too. */
void breaker_seen(struct job *j, bool held, bool rivals);
/* secrets.c: a secret in a file is another one by now. True: this job ends in a moment and another takes its place under
 * the new one, so that nothing should be concluded from what the old one met. To be asked before a job is held and
 * before each canary. */
bool secrets_changed(struct job *j);
void secrets_start(struct engine *e);
void secrets_stop(struct engine *e);
/* reload.c: c takes the place of j's configuration; both become the engine's. */
void engine_replace_job(struct engine *e, struct job *j, struct job_config *c);
void breaker_done(struct job *j);

/* refresh/failing.c: is anybody refreshed? */
void failing_look(struct job *j, bool soon);
void failing_done(struct job *j);

/* refresh/canary.c: whom a job asks beside those that are due. */
void canary_arm(struct job *j);
void canary_start(struct job *j);
void canary_want_witness(struct job *j);

/* commit/share_credential.c: the newer pair into rows that hold what it replaced. */
void newest_share(struct engine *e, struct job *j, const struct commit *c);
void newest_check(struct engine *e, const char *fingerprint);

/* commit/build_commit.c builds commits from finished attempts. */
struct commit *outcome_begin(const struct job *j, const struct record *rec, const struct row *row);
int outcome_write_slot(struct commit *c, const struct job *j, int slot, const char *text, size_t len);
void outcome_settle_ok(struct commit *c, struct job *j, const struct values *after);
struct commit *outcome_ok(struct attempt *a);
/* Of a commit that was kept: what could not be sealed then. What cannot be now either is kept again. */
void outcome_seal_plain(struct commit *c, const struct job *j);
/* reply: what it was read from; NULL: nothing came. */
struct commit *outcome_failed(struct attempt *a, const struct failure *f, const struct decision *d,
                              const struct http_reply *reply);
/* commit/outside_text.c */
/* Text that came from elsewhere, without the job's secrets and what v holds, which may be NULL. */
char *outcome_clean(const struct job *j, const struct slot_value *v, const char *text, size_t max);
/* To be called before the failure is noted: its text says what is kept. */
void outcome_keep_answer(struct commit *c, const struct job *j, const struct http_reply *reply);
/* What the database says of c, without the secrets that c writes; the caller frees it. */
char *outcome_said(const struct job *j, const struct commit *c, const char *text);
/* Its effects were refused: what was ok becomes this record's own failure. */
void outcome_turn_failed(const struct job *j, struct commit *c, const char *code, const char *text);
/* A refusal that is no verdict: nobody is told, the row and the credential stay as they are. */
void outcome_withhold(const struct job *j, struct commit *c, const struct suspect_ruling *r);
/* A verdict that is asked again all the same. */
void outcome_not_final(const struct job *j, struct commit *c, int64_t next_at_ms);
/* A verdict without an attempt of its own: what the provider said before. */
void outcome_reconnect(const struct job *j, struct commit *c, const char *code, const char *text);
/* What another record with this credential came to (fate), for this one. tells: also in the row. */
struct commit *outcome_share(const struct job *j, const struct record *rec, const struct row *row,
                             const struct record *fate, bool tells);
/* What renewd wrote about a trouble that is over: "ok", NULL and 0 in its place. */
void outcome_take_back(struct commit *c, const struct job *j, bool status, bool error, bool strikes);
/* commit/recovered_record.c. The record is well again, as `now` says, without an attempt: what renewd itself had written about its trouble is
 * taken back. NULL = there is nothing to take back, and nobody has written it. */
struct commit *outcome_recovered(const struct job *j, const struct record *known, const struct record *now,
                                 const struct row *row);
/* The row cannot be read: text into its last_error, and the status of misconfigured where renewd keeps that. NULL = it
 * has no such column. */
struct commit *outcome_unreadable(const struct job *j, const struct record *rec, const struct row *row, const char *text);
void outcome_note(struct commit *c, const struct job *j, bool status, const char *text);
/* The record needs its person, and `also` columns were not told: they are by this. NULL = it has none. */
struct commit *outcome_told(const struct job *j, const struct record *rec, const struct row *row);
/* The record as it is when its credential gets another chance. */
void outcome_reopened(const struct job *j, const struct record *known, struct record *ret);
/* A failure without what it would have written into the user's tables. */
void outcome_leave_row(struct commit *c);
void outcome_leave_effects(struct commit *c);
bool outcome_leave_status(struct commit *c); /* false: it writes none */

/* tokens/forward.c */
struct forwards *forwards_new(void);
/* Those that were not sent are answered. */
void forwards_stop(struct engine *e);
void forwards_free(struct engine *e);

/* tokens/request.c */
void demands_free(struct engine *e);

/* sql_requests.c */
void requests_start(struct engine *e);
void requests_serve(struct engine *e); /* notes which jobs are here */
void requests_look(struct engine *e); /* at once, or as soon as is bearable */

/* pg_notify.c */
void hints_start(struct engine *e);
void hints_stop(struct engine *e);

/* recovery/history.c */
void history_start(struct engine *e);

/* discover/change_feed.c */
void changed_start(struct engine *e);
/* "JOB KEY": that row was changed; "JOB": many of its rows were. */
void changed_row(struct engine *e, const char *about);
/* Hints may have been missed: a slow round of every job. */
void changed_missed(struct engine *e);
void changed_free(struct engine *e);

/* events/dispatch.c: events of applications, on their way to the provider. */
void events_new(struct job *j);
void events_free(struct job *j);
void events_start(struct job *j);
void events_stop(struct job *j);
/* As attempts_give_up: the leases of what was sent end by themselves. */
void events_give_up(struct job *j);
/* Some were added. */
void events_came(struct job *j);
/* Those that wait for what only its application or its owner can change may be able to leave. A process that just
 * started, or did not send them itself, does not know what keeps them: it has them tried too, but for those of a
 * record that is_new. */
void events_record_changed(struct job *j, const char *key, bool is_new);
bool events_idle(const struct job *j);
bool events_at_work(const struct job *j);

/* commit/commit_queue.c */
void commits_submit(struct engine *e, struct job *j, struct run *r, struct commit *c, bool from_spool,
                    bool kept);
/* Again what the database has lost: `lost` is its name in engine->keep. */
void commits_submit_lost(struct engine *e, struct job *j, struct commit *c, const char *lost);
void commits_resume(struct engine *e);
void commits_forget(struct engine *e);
size_t commits_waiting(const struct engine *e);

#endif
