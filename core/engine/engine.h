/* SPDX-License-Identifier: MIT
 * The engine keeps the records of all jobs fresh. The programs make it, the API asks it. Everything here runs on
 * the loop thread; what takes time ends in a callback.
 *
 * The way of one record: discovery -> due -> claim -> step(s) -> spool -> commit. Each has its file.
 */
#ifndef CORE_ENGINE_ENGINE_H
#define CORE_ENGINE_ENGINE_H

#include <stdbool.h>

#include "core/base/error.h"
#include "core/config/config.h"
#include "core/journal/state_dir.h"
#include "core/loop/loop.h"
#include "core/rules/progress.h"
#include "core/store/due_records.h"
#include "core/store/explain.h"
#include "core/store/store.h"

struct engine;
struct job;

struct engine_setup {
    struct loop *loop;
    struct config *config;    /* the caller's, outlives the engine */
    struct plugins *plugins;  /* likewise */
    struct job_config **jobs; /* the list and its items become the engine's */
    size_t job_count;
    struct state_dir *state; /* the caller's */
    bool daemon;             /* false: --once; no schedules of its own */
    /* An error that waiting cannot resolve: the program ends with `status`. */
    void (*fatal)(void *ctx, int status, const char *why);
    /* The store was opened, checked and drained for the first time, and every job has either done its
     * first discovery or is held. */
    void (*ready)(void *ctx);
    void *ctx;
    const struct conf_mistakes
        *config_notes;               /* of renewd.conf, with its warnings; the caller's, and kept by the caller as
                                      * long as the engine */
    struct conf_mistakes *job_notes; /* of the jobs; taken, unless it fails */
};

int engine_new(const struct engine_setup *s, struct engine **ret, struct error *e);
void engine_start(struct engine *e);
/* Takes no more work, releases what was not sent, finishes attempts (at most 45 s), and flushes. */
void engine_stop(struct engine *e, void (*stopped)(void *ctx), void *ctx);
void engine_free(struct engine *e);

/* ---- what the API and --once ask ---- */
struct run_result {
    const char *job;
    int64_t id; /* 0: the run did not start, see `why` */
    int64_t due, refreshed, failed, skipped;
    const char *why; /* NULL, or a sentence */
    int error; /* 0, -ENOTCONN database not available, -EROFS only read, -ESHUTDOWN stopping, -EBUSY held, paused,
                * -EINVAL not ready, -ENOENT manual: no such record */
    struct failure_row *failures;
    size_t failure_count;
    const struct reason_count *skipped_because; /* REASONS_MAX of them: why records were skipped; or NULL */
    bool stopping;                              /* renewd stops, and leaves what was skipped */
    struct left left;                           /* undone when the run ended; not of a manual run */
};
typedef void (*run_done)(void *ctx, const struct run_result *r);
/* why: a sentence, where result is negative. The second: of how many records or events. */
typedef void action_done(void *ctx, int result, const char *why);
typedef void action_counted_done(void *ctx, int64_t count, int result, const char *why);
typedef void look_done(void *ctx, bool all, const char *why);

/* As at a tick. trigger: "run", "once" or "function". now: records that wait after a failure are taken too, except
 * where their provider asked for the wait, or no answer came. */
void engine_run(struct engine *e, struct job *j, const char *trigger, bool now, run_done done, void *ctx);
/* Reads the job's table, so that what is read of its records next is current. all: a large table is read
 * completely, too. done is called once, maybe at once; why: NULL, or why the table could not be read. */
void engine_look(struct job *j, bool all, look_done *done, void *ctx);
/* The progress of the run that reports to ctx; false when it has not begun. No failures are listed. */
bool engine_run_so_far(const struct job *j, const void *ctx, struct run_result *ret);
/* Increases with each page of a table that is read for the first time in its round, and with each stored result.
 * While it does not change, there is no progress. */
int64_t engine_steps(const struct engine *e);
/* A sentence about row security that hides all rows of its table from renewd; NULL: none does. */
const char *job_row_security(const struct job *j);
/* A sentence about values of its `only` that no row of its table holds; NULL: none, or it may be as it should be.
 * mistyped: rows hold a value that is meant, as it seems. */
const char *job_only_unheld(const struct job *j, bool *ret_mistyped);
/* Rows that could not be read, as its last full round counted them. */
int64_t job_unreadable(const struct job *j);
/* How far a reading of its whole table is. False: none is under way, or the job is held. */
bool job_reading(const struct job *j, struct progress *ret);
void job_log_reading(const struct job *j, const struct progress *p);
/* Manual refresh of the records with these keys; count 0 = all of the job. */
void engine_refresh(struct engine *e, struct job *j, const char *const *keys, size_t count, run_done done,
                    void *ctx);
/* believe: of those that are suspects now, the next refusal that calls the grant dead is accepted. */
void engine_pause(struct engine *e, struct job *j, bool paused, bool believe, action_done *done, void *ctx);
struct reload_result {
    size_t loaded, unchanged, removed, held;
    char *text;
};
void engine_reload(struct engine *e, struct reload_result *ret);
void reload_result_done(struct reload_result *r);
/* done is called once, when every job's records are discovered or the job is held; at once when the database is not
 * available or renewd stops. After a reload: a request that follows finds the jobs. */
void engine_when_jobs_ready(struct engine *e, void (*done)(void *ctx), void *ctx);

/* ---- parked pairs and answers ---- */
struct parked {
    const char *id, *kind;                    /* "orphan" | "pending" | "answer" */
    const char *job, *record, *account, *why; /* account may be NULL */
    int64_t created_at;
    int64_t until;   /* it is deleted then; 0 = it stays until its row takes it */
    int64_t next_at; /* a pending one is tried again then; 0 = not automatically */
};
typedef void parked_done(void *ctx, const struct parked *list, size_t count, int result, const char *why);
/* job NULL = all. The pointers are valid during the callback. */
void engine_parked(struct engine *e, const char *job, parked_done *done, void *ctx);
typedef void parked_apply_done(void *ctx, const struct parked *p, int result, const char *why);
/* -ENOENT: there is none; -EBUSY: its row does not take it; why says the reason. */
void engine_parked_apply(struct engine *e, const char *id, parked_apply_done *done, void *ctx);

/* ---- a token on demand ---- */
struct token_requirement {
    int64_t min_valid; /* remaining lifetime that is wanted, in seconds */
    bool as_tick;      /* due as at a tick, instead */
    bool refused;      /* the provider refused the token of refused_generation: unless the record has a newer one,
                        * it is refreshed whatever its remaining lifetime, once a generation */
    int64_t refused_generation;
    const char *refused_token; /* the refused token itself, where it is known; else NULL. Copied */
    int64_t serve_ms, wait_ms; /* how long to wait while the present token is valid, and while there is none */
};
enum token_status {
    TOKEN_SERVED = 1,
    TOKEN_UNKNOWN,   /* no such record */
    TOKEN_PERSON,    /* only a person can help */
    TOKEN_LATER,     /* again after retry_after */
    TOKEN_UNDER_WAY, /* wait_ms has passed; the work goes on */
    TOKEN_AWAY,      /* the database is not available, or renewd stops */
};
struct token_answer {
    int status;
    const char *access_token; /* served, or what the row holds all the same; may be NULL */
    int64_t expires_at, generation;
    int state;                             /* enum state; 0 = not known */
    bool lives, without_credential, tried; /* tried: an attempt has ended since the request */
    const char *code, *why;                /* may be NULL */
    int64_t retry_after;                   /* seconds */
};
/* The pointers are valid during the callback, which may be called before engine_token returns. */
typedef void (*token_done)(void *ctx, const struct token_answer *t);
/* The access token of a record, refreshed first when that is due. The token is in the store before it is handed
 * out. */
void engine_token(struct engine *e, struct job *j, const char *key, const struct token_requirement *w,
                  token_done done, void *ctx);

/* ---- calls of a provider's API with a record's token ---- */
struct forward_call {
    const char *method;
    const char *path, *query;   /* as received; the path without the "/" before it */
    const char *const *headers; /* "Name: value" as received, NULL-terminated */
    const char *body;
    size_t body_len;
};
enum forward_status {
    FORWARD_ANSWERED = 1, /* any answer of the provider */
    FORWARD_NO_TOKEN,     /* `token` says why */
    FORWARD_BAD,          /* the call cannot be built from this request */
    FORWARD_NOT_ALLOWED,
    FORWARD_TYPE,   /* put = "form", and the body is not a form */
    FORWARD_SLOWED, /* the provider accepts no calls of this record until retry_after has passed */
    FORWARD_BUSY,   /* too many at the same time, or renewd stops */
    FORWARD_NO_ANSWER,
    FORWARD_TIMED_OUT,
};
struct forward_answer {
    int status;
    int http_status;            /* ANSWERED; what may be passed on of the answer */
    const char *content_type;   /* NULL = none */
    const char *const *headers; /* "Name: value", NULL-terminated */
    const char *body;
    size_t body_len;
    const struct token_answer *token;
    const char *code, *why; /* a code for programs and a sentence, for all but ANSWERED and NO_TOKEN */
    int64_t retry_after;
};
/* The pointers are valid during the callback, which may be called before engine_forward returns. */
typedef void (*forward_done)(void *ctx, const struct forward_answer *a);
/* c is copied. The call is completed even if its caller has disconnected. */
void engine_forward(struct engine *e, struct job *j, const char *key, const struct forward_call *c,
                    forward_done done, void *ctx);

/* The answer that an application itself received with the token of a generation. */
struct refused_claim {
    int64_t generation;
    int status;
    const char *body; /* NUL-terminated after its length */
    size_t body_len;
    const char *headers; /* as http_reply's */
    size_t headers_len;
};
/* refused: the answer refuses the token; t is the newer token or why there is none, else NULL. */
typedef void (*refused_done)(void *ctx, bool refused, int64_t slow_for, const struct token_answer *t);
void engine_refused(struct engine *e, struct job *j, const char *key, const struct refused_claim *c,
                    const struct token_requirement *w, refused_done done, void *ctx);

/* ---- Events ---- */
struct event_message;
struct taken_event;
bool job_takes_events(const struct job *j);
/* Whether a member of that name may be given beside the list of events in a body. */
bool job_event_member(const struct job *j, const char *name);
/* The plugin's description of one event; as instance_take_event(). */
int engine_take_event(struct job *j, const struct event_message *m, struct taken_event *ret, struct error *e);
struct added_event {
    int64_t id;
    const char *event_id;
    bool duplicate;
};
/* result 0: the store holds all of them. -ENOENT no such record, -EDQUOT too many are waiting already; otherwise
 * the database is not available, or renewd stops. Unless it is 0, none is stored. */
typedef void (*events_added)(void *ctx, const struct added_event *list, size_t count, int result, const char *why);
/* The contents of list are taken over, and list is left empty. done may be called before it returns. */
void engine_events_add(struct engine *e, struct job *j, const char *key, struct taken_event *list, size_t count,
                       events_added done, void *ctx);
/* Held events, and those in the states aside and expired, are sent again (ids NULL: all held ones of the job). */
void engine_events_retry(struct engine *e, struct job *j, const int64_t *ids, size_t count,
                         action_counted_done *done, void *ctx);

/* Which of the jobs (count > 0) has a row of that key with its credential column filled; else one that has the
 * row. */
enum filled { FILLED_NO_ROW, FILLED_EMPTY, FILLED };
typedef void job_chosen(void *ctx, struct job *j, int filled, int result, const char *why);
void engine_choose_job(struct engine *e, struct job *const *jobs, size_t count, const char *key, job_chosen *done,
                       void *ctx);

/* JSON lines of one record each: {"id": "...", "account": "...", "access_token": "...", ...}. */
void engine_import(struct engine *e, struct job *j, const char *lines, size_t len, bool replace,
                   action_counted_done *done, void *ctx);

/* Runs work on the read connection, done on the loop. */
void engine_read(struct engine *e, int (*work)(struct db *db, void *arg, struct error *e), void *arg,
                 void (*done)(void *arg, int result, const struct error *e));

/* Accepts the database that was refused as a copy or as older than the state directory. -EINVAL: it is not
 * refused. */
void engine_adopt(struct engine *e, action_done *done, void *ctx);

typedef void explanation_done(void *ctx, const struct explanation *x, int result, const char *why);
/* Why nothing of a job is refreshed now; the job's table is resolved (job_source). */
void engine_explain(struct engine *e, struct job *j, explanation_done *done, void *ctx);
/* For several records, as the end of a sentence. */
const char *reason_of_many(enum reason reason);
/* The same for one record, as a sentence; its row is read first. -ENODATA: the row is filtered out, why says the
 * reason. */
typedef void (*why_done)(void *ctx, const struct record *r, int result, const char *why);
void engine_explain_record(struct engine *e, struct job *j, const char *key, why_done done, void *ctx);

/* host: its id or name. The callback's struct is only valid during the callback; why: a sentence when refused. */
struct host_row;
typedef void host_done(void *ctx, const struct host_row *h, int result, const char *why);
void engine_forget_host(struct engine *e, const char *host, host_done *done, void *ctx);

struct engine_status {
    const char *host, *incarnation, *store_driver;
    bool store_up;
    const char *store_why; /* why it is not available or only read; NULL when it is available */
    bool migrates;         /* its tables are being brought up to date first */
    bool read_only;        /* it is available, but a copy or an older state (clone guard) */
    int64_t started_at;
    size_t jobs, held, failing, paused, in_flight, waiting_commits;
    int64_t orphans, pending, answers; /* parked: too late for their rows, refused by them; unreadable answers */
    int64_t spool_entries, spool_bytes, spool_oldest_at;
    int64_t kept, kept_bytes; /* pairs that the store has, retained for a day */
    int64_t left_alone;       /* spool files of another host, installation or key */
};
void engine_status(const struct engine *e, struct engine_status *ret);
/* For a log line: the account of that record, where it is known; or NULL. */
const char *engine_account(const struct engine *e, const struct job *j, const char *key);
/* Warnings about configuration and secrets, as sentences that name places and no values; NULL past the end. */
const char *engine_warning(const struct engine *e, size_t index);

/* Jobs in the order of their files. */
struct job *engine_job(const struct engine *e, size_t index); /* NULL past the end */
/* Jobs with enabled = false: their files exist, and they do not run. NULL past the end, or when there is none of
 * that name (as above). */
const struct job_config *engine_disabled(const struct engine *e, size_t index);
const struct job_config *engine_disabled_called(const struct engine *e, const char *name);
/* By its name, else by its earlier name (legacy_name). */
struct job *engine_job_called(const struct engine *e, const char *name);
struct job *engine_job_by_name(const struct engine *e, const char *name);
const struct job_config *job_configuration(const struct job *j);
const char *job_held(const struct job *j); /* why it does not run, or NULL */
/* Its table is being resolved, and the result may hold the job. */
bool job_is_looked_up(const struct job *j);
bool job_held_by_breaker(const struct job *j); /* the hold ends by itself, or when an operator ends it */
const char *job_stands(const struct job *j);   /* why nothing of it runs; its breaker only holds some records */
/* Why it counts as failing: no record was refreshed when all were tried last; NULL = it does not. */
const char *job_failing(const struct job *j, int64_t *ret_records);
/* Why its last run over what was due was refused, and when; NULL = it was not. */
const char *job_last_refused(const struct job *j, int64_t *ret_at);
bool job_paused(const struct job *j);
const char *job_warning(const struct job *j); /* what its settings leave undone, with ones that suffice; or NULL */
const char *job_source(const struct job *j);  /* NULL before its table was resolved */
int64_t job_next_at(const struct job *j);     /* next tick or own time; 0 = none */
/* What its provider grants, as last observed. */
struct granted {
    int64_t life;       /* of an access token, in seconds; 0 = not known */
    int rotates;        /* 1: a refresh replaces the credential, 0: it does not, -1: not known */
    int64_t changed_at; /* when that changed; 0 = never */
};
bool job_granted(const struct job *j, struct granted *ret); /* false: nothing was observed yet */
size_t job_in_flight(const struct job *j);

#endif
