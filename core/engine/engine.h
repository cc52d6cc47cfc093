/* SPDX-License-Identifier: MIT
 * The engine: keeps the records of all jobs fresh. Made by the programs, asked by the API. Everything
 * here runs on the loop thread; what takes time ends in a callback.
 *
 * The way of one record: discovery -> due -> claim -> step(s) -> spool -> commit. Each has its file.
 */
#ifndef CORE_ENGINE_ENGINE_H
#define CORE_ENGINE_ENGINE_H

#include <stdbool.h>

#include "core/adapters/loop.h"
#include "core/base/error.h"
#include "core/host/config.h"
#include "core/store/state_dir.h"
#include "core/store/explain.h"
#include "core/store/store.h"

struct engine;
struct job;

struct engine_setup {
    struct loop *loop;
    struct config *config;       /* the caller's, outlives the engine */
    struct plugins *plugins;     /* likewise */
    struct job_config **jobs;    /* the list and its items become the engine's */
    size_t job_count;
    struct state_dir *state;     /* the caller's */
    bool daemon;                 /* false: --once; no schedules of its own */
    /* Something that waiting cannot heal: the program ends with `status`. */
    void (*fatal)(void *ctx, int status, const char *why);
    /* The store was opened, checked and drained for the first time, and every job has either done its
     * first discovery or is held. */
    void (*ready)(void *ctx);
    void *ctx;
};

int engine_new(const struct engine_setup *s, struct engine **ret, struct error *e);
void engine_start(struct engine *e);
/* Stops taking work, releases what was not sent, finishes attempts (at most 45 s), flushes. */
void engine_stop(struct engine *e, void (*stopped)(void *ctx), void *ctx);
void engine_free(struct engine *e);

/* ---- What the API and --once ask ---- */
struct run_result {
    int64_t id;                  /* 0: the run did not start, see `why` */
    int64_t due, refreshed, failed, skipped;
    const char *why;             /* NULL, or a sentence */
    int error;                   /* 0, -ENOTCONN store away, -ESHUTDOWN stopping, -EBUSY held, paused, -EINVAL not ready */
    struct failure_row *failures;
    size_t failure_count;
};
typedef void (*run_done)(void *ctx, const struct run_result *r);

/* As a tick. trigger: "run" or "once". */
void engine_run(struct engine *e, struct job *j, const char *trigger, run_done done, void *ctx);
/* By hand: the records of these keys; count 0 = all of the job. */
void engine_refresh(struct engine *e, struct job *j, const char *const *keys, size_t count,
                    run_done done, void *ctx);
void engine_pause(struct engine *e, struct job *j, bool paused,
                  void (*done)(void *ctx, int result, const char *why), void *ctx);
struct reload_result { size_t loaded, unchanged, removed, held; char *text; };
void engine_reload(struct engine *e, struct reload_result *ret);
void reload_result_done(struct reload_result *r);
/* done once, when every job's records are discovered or the job is held; at once when the store is away or
 * renewd stops. After a reload: what is asked next finds the jobs. */
void engine_when_settled(struct engine *e, void (*done)(void *ctx), void *ctx);

/* JSON lines of one record each: {"id": "...", "account": "...", "access_token": "...", ...}. */
void engine_import(struct engine *e, struct job *j, const char *lines, size_t len, bool replace,
                   void (*done)(void *ctx, int64_t imported, int result, const char *why), void *ctx);

/* Runs work on the read connection, done on the loop. */
void engine_read(struct engine *e, int (*work)(struct db *db, void *arg, struct error *e), void *arg,
                 void (*done)(void *arg, int result, const struct error *e));

/* Why nothing of a job is refreshed now; the job has its table (job_source). */
void engine_explain(struct engine *e, struct job *j,
                    void (*done)(void *ctx, const struct explanation *x, int result, const char *why),
                    void *ctx);
/* The same for one record, as a sentence. */
void record_why(const struct record *r, int64_t now, char *ret, size_t size);

struct engine_status {
    const char *host, *incarnation, *store_driver;
    bool store_up;
    const char *store_why;       /* why it is down; NULL when up */
    int64_t started_at;
    size_t jobs, held, paused, in_flight, waiting_commits;
    int64_t spool_entries, spool_bytes, spool_oldest_at;
};
void engine_status(const struct engine *e, struct engine_status *ret);

/* Jobs in the order of their files. */
struct job *engine_job(const struct engine *e, size_t index); /* NULL past the end */
struct job *engine_job_by_name(const struct engine *e, const char *name);
const struct job_config *job_configuration(const struct job *j);
const char *job_held(const struct job *j);   /* why it does not run, or NULL */
bool job_paused(const struct job *j);
const char *job_source(const struct job *j); /* NULL before its table was resolved */
int64_t job_next_at(const struct job *j);    /* next tick or own time; 0 = none */
/* What its provider grants, as last seen. */
struct granted {
    int64_t life;                /* of an access token, in seconds; 0 = not known */
    int rotates;                 /* 1: a refresh replaces the credential, 0: it does not, -1: not known */
    int64_t changed_at;          /* when that changed; 0 = never */
};
bool job_granted(const struct job *j, struct granted *ret); /* false: nothing was seen yet */
size_t job_in_flight(const struct job *j);

#endif
