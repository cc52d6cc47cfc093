/* SPDX-License-Identifier: MIT
 * The port of the store: everything that renewd asks of a database, as blocking calls on one connection, the same
 * over PostgreSQL and SQLite. The store thread (thread.h) runs them; the read thread and tests may too, each on a
 * connection of its own.
 *
 * Every call returns 0 or a positive count, or a negative errno. -ENOTCONN and -ETIMEDOUT: the database is not
 * available. Nothing was committed, except possibly by a commit: ask again, the attempt ids tell. -EBUSY: a lock
 * that stayed. -ENOSPC: a full disk. Anything else is an error of this request. All times here are Unix seconds.
 * Leases use the database's real clock, everything else the caller's.
 */
#ifndef CORE_STORE_STORE_H
#define CORE_STORE_STORE_H

#include "core/base/error.h"
#include "core/base/secret.h"
#include "core/db/connection.h"
#include "core/db/schema.h"
#include "core/rules/record.h"
#include "core/store/user_table.h"

/* ---- facts about the installation ---- */
/* The value of a name, made with `fresh` when absent (the first host's value stays). *ret_value is the caller's. */
int store_fact(struct db *db, const char *name, const char *fresh, char **ret_value, struct error *e);
int store_fact_set(struct db *db, const char *name, const char *value, struct error *e);
/* "postgresql:SYSTEM IDENTIFIER:DATABASE" or "sqlite:REAL PATH:INODE" (rule 13). */
int store_place(struct db *db, char **ret_place, struct error *e);
/* A number that only increases, by one at each call (rule 13). */
int store_sequence(struct db *db, int64_t *ret, struct error *e);
/* How many sealed values begin with `prefix` ("r1.KEY.") in renewd's own tables. */
int store_count_sealed(struct db *db, const char *prefix, int64_t *ret, struct error *e);
/* The same in a user's table, over its mapped secret columns. */
int store_count_sealed_in(struct db *db, const struct table *t, const char *prefix, int64_t *ret, struct error *e);

/* ---- discovery ---- */
struct page {
    struct row *rows;
    size_t count;
    bool last;         /* no row after these */
    bool parted;       /* the page could not be read as a whole: it includes rows that cannot be read, as unfit */
    char *next;        /* the next page begins after this key; NULL: there is none */
    int64_t long_keys; /* rows that are skipped because their keys are too long; store_long_keys() */
    char *long_key;    /* how the first of them begins */
    char *lengths; /* of a first page: why all of its times are lengths; NULL: some are points, or there are none */
    struct record *records; /* count entries, index as rows: known records; source NULL = unknown */
};
/* Rows with key > after (NULL = from the first), in key order, with renewd's records of them. */
int store_page(struct db *db, const struct table *t, const char *after, size_t limit, struct page *ret,
               struct error *e);
/* Called once a round, with its first page. */
int store_long_keys(struct db *db, const struct table *t, struct page *p, struct error *e);
void page_done(struct page *p);
/* How many rows there seem to be, inside the filter; 0: not known. */
int64_t store_rows_about(struct db *db, const struct table *t);
/* Of the first 1000 rows the first with which most can be tried: within `only`, readable, with a credential. Without
 * its record: works also where renewd's own tables do not exist. */
int store_first_row(struct db *db, const struct table *t, struct row *ret, bool *ret_found, struct error *e);
/* Its column is not empty, or the job has none. */
bool row_has_credential(const struct table *t, const struct row *row);
/* The first row, of the first 1000, that cannot be taken as it is. */
int store_first_unfit(struct db *db, const struct table *t, struct row *ret, bool *ret_found, struct error *e);
/* How many records of a source have rows that cannot be read. */
int store_unreadable(struct db *db, const char *source, int64_t *ret, struct error *e);
/* Rows with their records, in the order of the keys, which differ. */
struct known_row {
    struct row row;       /* key NULL: there is none */
    struct record record; /* source NULL: likewise */
};
/* ret: count of them. Freed by known_rows_free, which ends each of them and the list. */
int store_rows(struct db *db, const struct table *t, const char *const *keys, size_t count, struct known_row *ret,
               struct error *e);
void known_rows_free(struct known_row *list, size_t count);
/* One row with its record. -ENOENT = no such row (its record may exist all the same). */
int store_row(struct db *db, const struct table *t, const char *key, struct row *ret_row, struct record *ret_record,
              bool *ret_known, struct error *e);
/* Inserts new records. Updates those whose generation, hash and last_at still equal `old_*`; otherwise the record
 * is left as it is, because another process changed it, and the next read of the row notices. */
struct commit;
struct record_change {
    struct record now;
    bool is_new;
    char old_hash[FINGERPRINT_SIZE];
    int64_t old_generation, old_last_at;
    bool revives;            /* the row changed: its credential is no longer considered dead */
    struct commit *recovery; /* not NULL: writes the record instead, and takes the row's trouble back */
    struct commit
        *note; /* not NULL: the row cannot be read, and this commit writes that to the row after the record is
                * written */
};
int store_records_put(struct db *db, const struct record_change *changes, size_t count, struct error *e);
int store_records_count(struct db *db, const char *source, int64_t *ret, struct error *e);
/* After many records were added: the database learns about them, so that the first claims have a plan. */
int store_statistics(struct db *db, struct error *e);
/* Removes records of the table whose rows are gone (or were taken out of `only`, not by renewd), unless a lease is
 * running. Checks `limit` records after `after`; *ret_next NULL = all are checked. */
int store_sweep(struct db *db, const struct table *t, const char *after, size_t limit, char **ret_next,
                int64_t *ret_removed, struct error *e);

/* ---- claims (rule 1) ---- */
enum claim_mode {
    CLAIM_AUTO,   /* due_at <= now */
    CLAIM_TICK,   /* earliest <= now, not_before <= now, and (point <= now, or
                    point < next_tick and ok_at < tick) */
    CLAIM_DEMAND, /* these keys: earliest <= now, not_before <= now, not stopped */
    CLAIM_MANUAL, /* these keys: earliest <= now; state, backoff, dead and a missing answer do not stop it */
};
struct claim_request {
    const struct table *table;
    const char *plugin;
    int mode;
    int64_t now, tick, next_tick; /* now: the time at which records must be due, which --at may move */
    int64_t real_now;             /* of waits; 0 = now */
    bool once;                    /* now is moved: records refreshed in this run are due by real_now alone */
    const char *const *keys;      /* CLAIM_MANUAL, CLAIM_DEMAND */
    size_t key_count;
    bool general;         /* CLAIM_MANUAL that names no single record: a missing answer keeps its time */
    bool impatient;       /* CLAIM_TICK: records that wait after a failure of their own are taken, too */
    size_t limit;         /* at most so many */
    size_t failing_limit; /* at most so many of them with attempts > 0 */
    bool limited;         /* the run takes only a part of what is due */
    const char *host, *incarnation;
    int64_t lease_s;
    bool safe; /* an expired lease of any process may be taken over */
    int64_t run_id;
    int64_t since;          /* not 0: skips what this run, which began then, has tried without success */
    bool twice;             /* except those that were refused once: they are presented a second time at once */
    const char *held_under; /* the job is held, under these settings: only records that were fine are taken */
    size_t count_most;      /* counts end at one more; 0 = they do not */
    size_t suspects_least;  /* of the limit: at least so many are suspects, if any are due */
};
struct claimed {
    struct record record;
    struct row row; /* read after the claim committed */
    bool row_found;
    char attempt_id[ID_SIZE];
    int unanswered; /* how often its credential was presented without an answer before */
};
/* Picks due records, of those due first the ones that die first, takes their credential's lease, moves their due_at to
 * the lease's end, commits; then reads their rows. Skips held, spent and dead credentials. 1: none was available, but
 * other processes hold locks on some now, and may leave them. -EOWNERDEAD: this process was declared over, or its host
 * forgotten. */
int store_claim(struct db *db, const struct claim_request *q, struct claimed **ret, size_t *ret_count,
                struct error *e);
void claimed_free(struct claimed *list, size_t count);
/* Counts the credentials that CLAIM_TICK / CLAIM_AUTO would find, leased or not. */
int store_count_due(struct db *db, const struct claim_request *q, int64_t *ret, struct error *e);
/* Gives a claim back unused: the lease is released, due_at is set as the record says. */
int store_release(struct db *db, const struct record *r, const char *attempt_id, struct error *e);
/* The same for many, in one transaction where that can be. */
struct released {
    const struct record *record;
    char attempt_id[ID_SIZE];
};
int store_release_many(struct db *db, const struct released *list, size_t count, struct error *e);
/* When the next record of the table is due at its own time; 0 = none. */
int store_next_due(struct db *db, const struct table *t, bool safe, const char *held_under, int64_t *ret,
                   struct error *e);
/* After a crash in the same boot (rule 2): releases leases of dead incarnations of this host whose
 * attempt is not in `except`; the rest become ambiguous through commits. boot_changed: none is released. */
int store_release_incarnation(struct db *db, const char *host, const char *incarnation, const char *const *except,
                              size_t except_count, int64_t *ret, struct error *e);

/* ---- commits (rules 4 and 5) ---- */
struct write {
    int column; /* index in the table */
    char *text; /* NULL = SQL NULL; times as Unix seconds */
    size_t len;
    bool plain; /* a secret that could not be sealed yet: no row gets it, it is parked (rule 4) */
};
struct bound {  /* a statement's parameter */
    int type;   /* RENEWD_TEXT, RENEWD_INTEGER, RENEWD_TIME or RENEWD_AS_READ */
    int form;   /* enum column_form of the slot, for TIME */
    char *text; /* NULL = SQL NULL; TIME as Unix seconds */
};
enum effect_kind { EFFECT_ONCE = 1, EFFECT_RUN = 2 };
struct commit_effect {
    int kind;
    char *name;      /* ONCE: the key; RUN: the statement's name */
    const char *sql; /* RUN: its text; the job's, outlives the commit */
    const char *const
        *unless; /* RUN: it is left out where one of these finds something (wrote_trouble.h); or NULL */
    int rows;    /* RUN: RENEWD_ROWS_... */
    struct bound *bound;
    size_t bound_count;
};
enum commit_result {
    COMMIT_WAITING = 0,
    COMMIT_DONE,
    COMMIT_ALREADY,  /* the attempt id is in the history: committed before; noticed: another process was first */
    COMMIT_CHANGED,  /* the row holds other credential bytes: see `current`; nothing written */
    COMMIT_GONE,     /* no such row, or taken out of `only`; nothing written */
    COMMIT_ROWS,     /* a statement touched another number of rows: `failed_effect` */
    COMMIT_REJECTED, /* the database refuses this row permanently: `why` (SQLSTATE, constraint, table) */
};
/* Another job that keeps records in the same rows, and which of the columns are the same. */
struct sibling {
    char *source;
    char *key; /* its key's column, where that is another one; NULL: the same */
    bool status, last_error, strikes, refreshed_at;
    char *values[STATES_MAX]; /* its status for each state; NULL = not written */
};
struct commit {
    char attempt_id[ID_SIZE];
    int64_t run_id;
    char *plugin;
    const struct table *table;
    char *host, *incarnation;
    struct record before, after; /* after: what to store when this succeeds */
    struct row row;              /* the row as last read */
    bool touches_row;            /* writes, or the condition on the credential, apply */
    bool replaces;               /* a new credential pair: the condition of rule 4 applies */
    bool safe;
    bool dead;    /* the credential gets marked dead (outcome reconnect) */
    bool alone;   /* does not affect the credential's other records, or follows from one of them */
    bool quiet;   /* a failure that is not written to its row */
    bool noticed; /* made after a row was read, without an attempt: no lease, no history; written only while the
                   * record is as `before` says */
    struct write *writes;
    size_t write_count;
    char **slots; /* of a commit read from text: the slot of each column as it was then */
    size_t slot_count;
    struct commit_effect *effects;
    size_t effect_count;
    char *answer;      /* of a failure: the unreadable answer, sealed; NULL: nothing is parked */
    char *sealed_pair; /* newest pair, sealed; NULL when safe or when no token was set */
    int outcome;       /* enum outcome */
    int http_status;
    char *code, *text; /* cleaned; NULL when ok */
    int64_t started_at, finished_at;
    bool release;  /* clear the lease if it is still this attempt's */
    char *spooled; /* its text as the spool has it, until something changes; NULL: it is not kept */
    size_t spooled_len;
    /* results */
    int result;               /* enum commit_result */
    bool table_locked;        /* it waits because its table seems to be locked as a whole */
    struct sibling *siblings; /* not part of its text */
    size_t sibling_count;
    bool twins;         /* other records held the same credential */
    struct row current; /* COMMIT_CHANGED */
    char *failed_effect;
    bool lacks_right; /* refused for a right that renewd's role lacks */
    char why[256];
};
struct commit *commit_new(void);
void commit_free(struct commit *c); /* wipes */
/* One transaction for all; on a refusal it is halved until the refused commit is alone (its result says so).
 * Returns 0 when every commit has a result, or a negative errno when the database is not available. */
int store_commit(struct db *db, struct commit *const *list, size_t count, struct error *e);
/* As text for the spool and back: everything but `table` and effects' sql, which are looked up again by source and
 * statement name. Holds secrets: the caller must seal it. */
int commit_to_text(const struct commit *c, char **ret_text, size_t *ret_len);
void commit_forget_text(struct commit *c); /* something of it changes */
int commit_from_text(const char *text, size_t len, struct commit **ret, struct error *e);
/* Gives a commit read from text its table, which may have other columns by now: writes and the row are moved by
 * slot. -ENOENT with the slot's name when a slot that must be written is no longer mapped. */
int commit_attach(struct commit *c, const struct table *t, struct error *e);

/* ---- parked pairs and answers ---- */
/* What a row does not take is parked, sealed: a pair as "pending" (tried again) or "orphan" (30 days); and as
 * "answer" (30 days) an unreadable answer as it came, which may contain a pair. */
struct kept {
    char attempt_id[ID_SIZE];
    char *kind; /* "pending" | "orphan" | "answer" */
    char *source, *key, *job;
    char *sealed; /* the commit's text, sealed */
    char *why;
    char *code;    /* of a pending one, for its record's last error; not stored itself */
    char *account; /* store_parked: of its record, if it still has one */
    int64_t created_at, retry_at;
};
/* In one transaction with what c says of the credential: the old one is spent (successor, sealed pair), its lease
 * given back. If an orphan's credential already has a successor, that one stays. "pending" also sets the record to
 * STATE_PENDING, never due; "orphan" leaves a row in the history. An attempt that is parked already is parked
 * again. */
int store_park(struct db *db, const struct kept *k, const struct commit *c, struct error *e);
int store_parked_pair(struct db *db, const char *kind, int64_t retry_before, size_t limit, struct kept **ret,
                      size_t *ret_count, struct error *e);
int store_parked_later(struct db *db, const char *attempt_id, int64_t retry_at, struct error *e);
struct parked_counts {
    int64_t pending, orphans, answers, removed;
};
/* How many of each kind are parked, after orphans and answers from before that time were removed. */
int store_parked_count(struct db *db, int64_t before, struct parked_counts *ret, struct error *e);
/* A pair that was written; an answer of the same attempt stays. */
int store_parked_drop(struct db *db, const char *attempt_id, struct error *e);
void kept_free(struct kept *list, size_t count);
/* The newest pair that replaced `fingerprint`, following successors; -ENOENT = none is known. */
int store_successor(struct db *db, const char *fingerprint, char ret_newest[FINGERPRINT_SIZE], char **ret_sealed,
                    struct error *e);

/* ---- jobs, runs, history ---- */
struct job_row {
    char *job;
    bool paused;
    int64_t last_tick;
    int64_t next_tick; /* after last_tick, of its earlier schedule; store_job_put alone */
    bool rescheduled;  /* the job existed with another schedule; store_job_put alone */
    char *fault_file,
        *fault; /* the plugin's file that broke a rule, by hash, and the reason to hold the job; or NULL */
};
int store_job_put(struct db *db, const char *job, const char *plugin, const char *schedule, const char *legacy_name,
                  int64_t limit, struct job_row *ret, struct error *e);
/* Where its rows are, for renewd.watch(job). */
int store_job_watchable(struct db *db, const struct table *t, struct error *e);
/* An operator who resumes a job does not wait for another plugin. */
int store_job_pause(struct db *db, const char *job, bool paused, struct error *e);
int store_job_fault(struct db *db, const char *job, const char *file, const char *text, struct error *e);
/* Only forward; next_tick is for queries in SQL. */
int store_job_tick(struct db *db, const char *job, int64_t tick, int64_t next_tick, struct error *e);
void job_row_done(struct job_row *j);

struct run_row {
    int64_t id;
    char *job, *trigger;             /* tick auto once hand start */
    int64_t started_at, finished_at; /* 0 = waiting or running */
    bool waiting;                    /* SQL requested it, and no renewd has taken it yet */
    int64_t due, refreshed, failed, skipped;
    char *refused; /* why it could not run, or not to its end; NULL = it could */
};
/* The refused of a run whose process ended before it did. */
#define RUN_INTERRUPTED "interrupted: its renewd ended before the run did; what it had received is stored"
/* Refusals that say nothing of the job: somebody paused it, or renewd starts or stops. */
#define RUN_PAUSED "the job is paused; resume it first"
#define RUN_DISCOVERING "the job's records are still being discovered"
#define RUN_STOPPING "renewd is stopping"
/* Whether a run that ended so, NULL for one that was not refused, says how its job does. */
bool run_tells(const char *refused);
int store_run_start(struct db *db, const char *job, const char *trigger, const char *host, int64_t now,
                    int64_t *ret_id, struct error *e);
int store_run_finish(struct db *db, const struct run_row *r, struct error *e);
/* Ends the runs of this host's dead processes, as interrupted. A run that still continues elsewhere says so again when it ends. */
int store_runs_end(struct db *db, const char *host, int64_t now, struct error *e);
int store_runs(struct db *db, const char *job /* NULL = all */, size_t limit, struct run_row **ret,
               size_t *ret_count, struct error *e);
/* The newest run of a job that has ended; *ret is NULL where there is none. tells: that says how the job does,
 * as one of single records does by what it refreshed alone. Freed
 * with runs_free. */
int store_last_run(struct db *db, const char *job, bool tells, struct run_row **ret, struct error *e);
void runs_free(struct run_row *list, size_t count);
struct failure_row {
    char *key, *outcome, *code, *text, *owner;
};
int store_run_failures(struct db *db, int64_t run_id, size_t limit, struct failure_row **ret, size_t *ret_count,
                       struct error *e);
void failures_free(struct failure_row *list, size_t count);
/* How many different records of a run were attempted, and with which outcome: a record that was ok and failed later
 * counts for both. */
struct run_people {
    int64_t all, ok, failed;
};
int store_run_people(struct db *db, int64_t run_id, struct run_people *ret, struct error *e);

/* ---- reading for operators ---- */
struct records_query {
    const char *source;
    int state;         /* as displayed; 0 = any */
    const char *after; /* NULL = from the first */
    size_t limit;
    const char *owner; /* NULL = of any owner */
};
int store_records(struct db *db, const struct records_query *q, struct record **ret, size_t *ret_count,
                  struct error *e);
int store_record(struct db *db, const char *source, const char *key, struct record *ret, struct error *e);
void records_free(struct record *list, size_t count);
/* How many records were tried, if none of them was refreshed when it was tried last; 0 if one was, or none was
 * tried. With their last messages. */
struct failing_seen {
    int64_t records;
    char *code, *text;
};
int store_failing(struct db *db, const char *source, struct failing_seen *ret, struct error *e);
void failing_seen_done(struct failing_seen *f);
/* counts[state] of a source, as displayed (core/rules/outcome.h); counts[0] = all, counts[COUNT_OVERDUE] = those
 * that should have been refreshed by now: their token has ended, or their latest time has passed. */
enum { COUNT_OVERDUE = 15 };
int store_state_counts(struct db *db, const char *source, int64_t counts[16], struct error *e);

/* ---- renewd's own table ---- */
struct import_row {
    const char *id, *account;
    const struct write *writes; /* columns of the own table as resolved for the job; already sealed */
    size_t write_count;
};
/* -EEXIST = the id exists and replace is false; *ret_at says which row. All or none. */
int store_import(struct db *db, const struct table *t, const struct import_row *rows, size_t count, bool replace,
                 int64_t now, size_t *ret_at, struct error *e);

/* ---- named statements and rehearsal ---- */
/* Prepares sql to check that it parses and takes `parameters` parameters. */
int store_check_statement(struct db *db, const char *sql, size_t parameters, struct error *e);
/* The types of its parameters as PostgreSQL names them, NULL-terminated; NULL: not known. The caller's. */
int store_statement_types(struct db *db, const char *sql, char ***ret, struct error *e);
/* -EACCES: renewd's role may not do what the statement does, as far as PostgreSQL says so without running it. */
int store_statement_rights(struct db *db, const char *name, const char *sql, size_t parameters, struct error *e);
/* A message about a statement's refusal; for a missing right with the GRANT that gives it. Returns result. */
int store_statement_refused(const char *name, const char *sql, int result, const char *words, struct error *e);
/* Runs a statement that returns one text; NULL = ready. */
int store_ready(struct db *db, const char *sql, char **ret_text, struct error *e);
/* Writes the text as the row's status and rolls back; a refusal is reported with its constraint. */
int store_rehearse_status(struct db *db, const struct table *t, const char *key, const char *word, struct error *e);
/* Writes a row's own values back and rolls back: -EPERM/-EACCES/-EIO with a sentence when refused. */
int store_rehearse(struct db *db, const struct table *t, const char *key, struct error *e);
/* The same for a table: 0 as soon as one row accepts it, of those with these keys or else of its first ones.
 * -ENOENT = there is none. */
int store_rehearse_any(struct db *db, const struct table *t, const char *const *keys, size_t count,
                       struct error *e);

#endif
