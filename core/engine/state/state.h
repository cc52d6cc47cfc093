/* SPDX-License-Identifier: MIT
 * What the engine, its jobs, runs and attempts are, and what their state alone says. Used by every file of
 * core/engine, and by none outside it.
 */
#ifndef CORE_ENGINE_STATE_STATE_H
#define CORE_ENGINE_STATE_STATE_H

#include "core/engine/engine.h"
#include "core/engine/state/listeners.h"
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

enum {
    CLAIM_BATCH = 500,
    PAGE_ROWS = 500,
    FULL_PAGE_ROWS = 1000 /* at full speed */
};

/* How the engine stands with the database. */
enum engine_phase {
    ENGINE_AWAY,      /* it is not available */
    ENGINE_READ_ONLY, /* it is available, and only read: the clone guard (rule 13) */
    ENGINE_CHECKING,  /* it answers; before anything is written, the keys are checked (rule 15) */
    ENGINE_DRAINING,  /* what dead processes left is stored (rule 6) */
    ENGINE_WORKING,   /* records are discovered and claimed */
};

struct jobs_ready_waiter {
    void (*done)(void *ctx);
    void *ctx;
    struct jobs_ready_waiter *next;
};

struct engine {
    struct engine_setup setup;
    const struct engine_listeners *on; /* the higher folders' functions that are called */
    struct loop *loop;
    struct job **jobs;
    size_t job_count;
    struct job_config **disabled; /* files with enabled = false, which are no jobs */
    size_t disabled_count;
    struct http_client *http;
    struct store_thread *store, *reader;
    struct spool *spool;
    struct retention *keep; /* what the store has, retained for a day */
    enum { SET_BACK_TO_LOOK, SET_BACK_LOOKING, SET_BACK_WRITING } set_back;
    int64_t left_alone; /* spool files of another host, installation or key */
    unsigned char fingerprint_key[32];
    bool keys_known[KEYRING_MAX]; /* in the ring's order: the database has a check value of the key */
    int64_t started_at;
    enum engine_phase phase;
    enum { STOP_NOT_ASKED, STOP_ASKED, STOP_BEGUN } stopping;
    bool reader_up, recovering, ready_told;
    int threads;         /* of the jobs being stopped, how many still run */
    struct job *retired; /* removed by a reload, still at work */
    struct loop_timer *check_timer, *recover_timer;
    char *store_why;            /* why it is not available, or refused */
    char installation[ID_SIZE]; /* "" = the database was not checked yet */
    unsigned beats;             /* of the heartbeat */
    struct loop_timer *heartbeat, *stop_timer, *resume_timer, *keep_timer, *again_timer, *requests_timer,
        *history_timer;
    struct loop_timer *secrets_timer, *secrets_soon;
    struct conf_mistakes *job_notes; /* of the jobs, as last read; its warnings are shown */
    struct commit_task *commits;     /* submitted, or waiting for the database to be available again */
    size_t commit_count;
    size_t twins;   /* lookups of records that share a credential, under way at the same time */
    int64_t stored; /* of them, how many are over */
    struct spool_file *leftovers;
    size_t leftover_count;
    size_t dead_files;                       /* spool files of processes that are over, as last counted */
    struct jobs_ready_waiter *ready_waiters; /* callers that wait for all jobs to be discovered or held */
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    struct tokens *tokens;                /* remembered for callers that ask */
    struct token_request *token_requests; /* callers that wait for a token */
    struct rate_limits *rate_limits;      /* how calls with tokens were answered */
    struct forwards *forwards;            /* calls that are passed on */
    size_t busy;                          /* store work under way that refers to jobs or runs */
    size_t claims;                        /* of it, claims, until they are attempts or given back */
    bool lost, lost_asked;                /* leases may exist that belong to no work */
    bool blocked;                         /* something waits for the store, and this was logged */
    struct parked_counts parked;          /* as last counted */
    bool gone_asked;                      /* leases of processes that are gone are being searched */
    struct loop_timer *lost_timer;
    struct listener *listener; /* NULL = the poll finds requests alone */
    bool history_started;
    struct change_feed *changed; /* rows to be read */
    struct loop_watch *hints_watch;
    struct loop_timer *hints_timer;
    int64_t requests_boot_ms; /* when requests were last polled */
};

/* What one round has found. */
struct round {
    int64_t rows, changed, removed;
    int64_t taken;    /* rows that `only` does not leave out */
    int64_t standing; /* of the rows: those that have a record now */
    int64_t unreadable;
    int64_t wrong_key;     /* of them: sealed with another key, as it seems */
    int64_t opened;        /* rows of which a value opened, or that hold plain ones */
    struct commit **later; /* of wrong_key, seen before anything opened: to be noted if it is not the key */
    size_t later_count;
};

/* Values of `only` that no row holds (discover/only_unheld.c). */
struct only_unheld {
    char *text;    /* a sentence; NULL = there are none */
    char *unknown; /* a sentence; NULL = all could be looked for */
    bool doubtful; /* that may be a mistake: operators are told */
    bool mistyped; /* and a value that rows hold is so like one of them that it must be */
};

struct page_task;

struct discovery {
    bool running, full, again;
    bool changed_behind; /* rows were changed that this round may already have passed */
    char *after;         /* key of the last row seen; in the sweep, of the last record */
    bool sweeping;
    struct round round;
    bool opened;        /* a value of the job's table has opened, now or before */
    int64_t unreadable; /* of the last full round */
    int64_t page_started_ms;
    int64_t about, started_ms,
        said_ms;                    /* of a full round: how many rows there seem to be; since when; last logged */
    int64_t pages, furthest, steps; /* of this round; the most of any since one was done; see engine_steps() */
    bool restart;                   /* from the first row again, when what was asked is answered */
    int64_t table_rows;             /* in the last round that finished */
    bool none_taken;                /* all rows were left out then */
    char *last_key;                 /* of the table then; NULL = it was empty */
    struct look_waiter *looking, *waiting_look; /* discover/look_first.c: waiting for this round, for the next */
    struct page_task *ahead; /* the next page, asked for or there already, while this one is looked through */
    struct loop_timer *timer;
};

struct run;

/* What rule 10 knows of a job, as last read from the store; its newest success is the newest of this process. */
struct breaker {
    struct breaker_row row;
    int64_t told_ms; /* when a success was last reported to the store */
    bool refused;    /* a record was refused since */
    struct loop_timer *canary_timer, *witness_timer;
    bool asking; /* a canary is under way */
};

struct status_columns_update { /* SQL; NULL = nothing to write */
    char *on_reconnect;
    char **well;         /* on_ok, a column each */
    char ***unless;      /* for each of them: it is not written where one of these finds something; or NULL */
    char *tell, *forget; /* which records on_reconnect was written for */
    char *plain;         /* on_ok of commits that an older renewd left on the spool */
};

/* Attempts that are claimed and begin as soon as others end: those that a caller waits for, then those that an operator
 * named. */
enum { READY_CALLERS, READY_NAMED, READY_OTHERS, READY_CLASSES };
struct ready {
    struct attempt *first[READY_CLASSES], *last[READY_CLASSES];
    size_t count;
    bool closed; /* all are being given back */
    struct loop_timer *timer;
};

/* Why a job is held. Each reason ends by what ends it, whatever other reasons there are. */
enum hold {
    HOLD_SETTINGS, /* its file or plugin: ends when the file is read again */
    HOLD_TABLE,    /* its table or statements: when they fit */
    HOLD_ROWS,     /* what its rows contain or refuse: after a full round (discover/discovery.c) */
    HOLD_PLUGIN,   /* its plugin broke a rule (refresh/at_fault.c) */
    HOLDS
};

struct job {
    struct engine *engine;
    struct job_config *config;
    struct instance *instance;
    struct table *table;
    char *read_source;                  /* job_find_source */
    struct status_columns_update *also; /* as many as the configuration's */
    int *slot_column;                   /* slot -> column of the table, or -1 */
    int expires_slot, credential_slot;
    int replay;
    int64_t grace_s;
    bool safe;
    char *holds[HOLDS];             /* the reasons; NULL = not for this one */
    char *held;                     /* all of them as one text; NULL = it is not held */
    bool fault_stored;              /* the store knows of HOLD_PLUGIN */
    struct loop_timer *fault_timer; /* else: when it is told again */
    bool zone_told;                 /* that times of its table seem to be of another zone */
    char *hidden;                   /* row security that hides its rows from renewd */
    struct only_unheld unheld;
    struct job_config *next_config; /* secrets.c: replaces config in a moment */
    char *secret_why;               /* why a changed secret is not in force; NULL = there is none */
    bool paused, resolving, discovered, rehearsed, removed;
    struct discovery discovery;
    struct loop_timer *tick_timer, *auto_timer, *retry_timer;
    int64_t last_tick, next_tick; /* Unix seconds; 0 = none */
    int64_t auto_at;
    struct pace pace;
    int cut, slow; /* runs in a row that `limit` ended too early; ticks that met the run before them */
    char *warning; /* about one of these, or NULL */
    char *blind;   /* commit/also_blind.c */
    struct breaker breaker;
    struct {
        char *why; /* NULL = it is not failing, as last observed */
        int64_t records;
        struct loop_timer *timer;
        bool far; /* that is the look of each minute */
    } failing;
    struct {
        char *refused; /* why the last run over its due records was refused; NULL = it was not */
        int64_t started_at;
        bool known; /* from the store, or by a run of this process */
    } last_run;
    char settings_id[FINGERPRINT_SIZE]; /* a hash of the settings and their secrets' values */
    size_t others;                      /* requests since the last one for a suspect */
    size_t ramp_up_limit;               /* after a hold, the limit of attempts under way; grows; 0 = none */
    size_t active;                      /* attempts, claimed or under way */
    struct ready ready;                 /* of them, those that wait for room */
    size_t claiming;                    /* records that claims under way may bring */
    size_t callers_paced;               /* attempts that a caller waits for, and that wait for the pace */
    size_t rate, ended;                 /* attempts that ended in the moment before, and in this one */
    int64_t moment_ms;                  /* since when */
    struct {                            /* commit/locked_table.c */
        int64_t wait_ms, until_ms;      /* wait_ms 0 = its table is not locked, as far as is known */
        size_t trying;                  /* its results on their way to the store */
    } locked_table;
    struct run *runs;
    struct attempt *attempts;
    struct granted granted;
    bool granted_known;        /* read from the store */
    int unlike;                /* successes in a row whose rotation differs from `granted` */
    struct job_events *events; /* NULL: it takes none */
    struct job *next_retired;
};

struct run {
    struct job *job;
    struct run_row row;
    int mode;                             /* enum claim_mode */
    struct token_requirement requirement; /* CLAIM_DEMAND */
    struct secret *refused_token;         /* the requirement's */
    char *trigger;
    int64_t tick, next_tick;
    char **keys;
    size_t key_count, keys_asked;
    int64_t left, failing_left; /* of the job's limit; INT64_MAX = no limit */
    size_t active;
    int64_t returned; /* given back unsent, and not claimed again yet */
    bool ask_again;   /* some of them while a claim was under way, which may have missed them */
    bool looked_all;  /* the whole of its table was read, as far as necessary */
    bool started, claiming, exhausted, finishing;
    int64_t locked_ms;   /* by the boot clock: since when other hosts have locked what is due; 0 = they have not */
    bool impatient;      /* records that wait after a failure are not taken */
    bool general;        /* no single record is meant: a manual run that names a key means it */
    bool twice;          /* all were tried; those that were refused are tried a second time */
    bool shares_minute;  /* attempts at their own time, one run a minute */
    struct map *repeats; /* key -> how often it was ok here and due again; NULL = none */
    char *refused;       /* why it could not run */
    int refused_error;
    struct claim_request left_query;
    struct left undone; /* for callers that wait, like its failures */
    struct reason_count skipped_because[REASONS_MAX];
    struct failure_row *failures; /* for callers that wait, when it has ended */
    size_t failure_count;
    struct under_way *joined; /* attempts of other runs whose result it takes over (refresh/joined.c) */
    size_t joined_count;
    bool joining; /* they are being looked up */
    struct loop_timer *joined_timer;
    struct map *joined_keys;      /* those that have ended */
    bool counted, failures_read;  /* the skipped ones; the failures */
    struct others_results others; /* of other runs, before this one (refresh/others.c) */
    int64_t others_failed;        /* failures of theirs that it counts */
    bool others_looking, others_noted, others_over, others_counted;
    struct loop_timer *others_timer;
    struct run_waiter *waiters;
    struct loop_timer *timer;
    struct run *next;
};

/* The opened values of a row, one for each slot of the plugin. */
struct row_values {
    struct slot_value *list;
    struct secret **owned;
    size_t count;
    size_t opened; /* sealed values that opened; also where row_values_decrypt() fails */
};

struct attempt {
    struct job *job;
    struct run *run;
    struct claimed claim; /* record, row, attempt id: owned */
    struct row_values values;
    void *memo;
    struct plugin_attempt *plugin;
    struct http_transfer *transfer;
    struct loop_timer *timer;
    int64_t started_at;
    int64_t lease_boot_ms, deadline_boot_ms;
    int status; /* of the last reply */
    int64_t retry_after;
    bool sent, token_set;
    bool caller;             /* somebody waits for its token */
    bool paced;              /* it waits for the pace */
    struct step_result step; /* the request that waits for the disk */
    char *not_sent; /* why a further request of the plugin's was not made: the plugin is at fault; or NULL */
    struct attempt *next, *previous;
    struct attempt *next_ready;
};

/* A commit under way, kept until the store has it. */
struct commit_task {
    struct engine *engine;
    struct job *job;
    struct run *run; /* NULL for leftovers and retries */
    struct commit *commit;
    bool submitted, from_spool; /* from_spool: of a dead incarnation */
    bool kept;                  /* a pending pair that is tried again */
    char lost
        [FINGERPRINT_SIZE]; /* one that the database had lost (recovery/restored_database.c): its name there; or "" */
    int rounds;
    struct commit_task *next, *previous;
};

/* engine_state.c */
/* Call this after anything that may have been the last work. */
void engine_check_stopped(struct engine *e);
/* Work for the store: the engine is busy until done has run, and then checks whether it may stop. _read: on the
 * reader, where it is available. */
void engine_async(struct engine *e, store_work work, void *arg, store_done done);
void engine_async_read(struct engine *e, store_work work, void *arg, store_done done);
/* The only way in which the phase changes; the change is logged. */
void engine_enter(struct engine *e, enum engine_phase phase);
static inline bool engine_store_up(const struct engine *e)
{
    return e->phase >= ENGINE_CHECKING;
}
bool engine_may_work(const struct engine *e);
/* All jobs are discovered or held, as far as that is the news. */
void engine_check_ready(struct engine *e);
void engine_tell_jobs_ready(struct engine *e);
/* Logged once until something is stored again. */
void engine_blocked(struct engine *e, const char *what, const char *job, const char *why);

/* job_state.c */
/* The sentence without "job NAME: " before it. */
const char *job_unnamed(const struct job *j, const char *why);
void job_hold(struct job *j, enum hold hold, const char *why);
/* The same without a line in the log. */
void job_hold_silently(struct job *j, enum hold hold, const char *why);
void job_release_hold(struct job *j, enum hold hold);
void job_holds_free(struct job *j);
/* No hold keeps its table from being read: a hold that only its rows can end, or that keeps it from spending. */
bool job_may_read(const struct job *j);
/* Why the job may not work now, and how a caller is answered; NULL = it may: a run may begin. */
const char *job_why_not(const struct job *j, int *ret_error);
/* It may work, and nothing older is pending: neither a dead process's spool, nor its own end. */
bool job_may_claim(const struct job *j);
struct job *job_by_source(const struct engine *e, const char *source);
int64_t job_lease_s(const struct job *j);
/* Timeout of one request: the configured one, or a third of a grace that is given in seconds. */
int64_t job_timeout_ms(const struct job *j);

#endif
