/* SPDX-License-Identifier: MIT
 * How the lower folders of core/engine report to the higher ones, and ask the few questions that only those can
 * answer. It is one constant struct, which engine.c sets when the engine is made. Nothing is registered, and each
 * member is called directly. The caller is responsible for the order of the calls, and for reporting some only
 * after a commit.
 */
#ifndef CORE_ENGINE_STATE_LISTENERS_H
#define CORE_ENGINE_STATE_LISTENERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/loop/loop.h"

struct commit;
struct engine;
struct job;
struct run;

struct engine_listeners {
    /* The store has a commit: first what is remembered of its record is updated (j may be NULL), then its job. */
    void (*record_committed)(struct engine *e, const struct job *j, const struct commit *c);
    void (*job_committed)(struct job *j, const struct commit *c);
    /* A commit has left the queue, whatever its result. r: of which run; may be NULL. */
    void (*commit_ended)(struct engine *e, struct run *r, int outcome, bool ask_again);
    /* The database refused a write because a right is missing: no further credential may be spent. */
    void (*right_lost)(struct job *j);
    /* A row differs from its record: it must be read again. */
    void (*row_differs)(struct job *j, const char *key);

    /* A record wants its own time; 0: whichever is next. */
    void (*record_due)(struct job *j, int64_t due_at);
    void (*record_changed)(struct job *j, const char *key, bool is_new);
    /* What a run waited for may be available. */
    void (*job_may_go_on)(struct job *j);

    /* After each round of discovery that leaves the job able to work; then, when its timers are set, after its
     * end. */
    void (*job_discovered)(struct job *j);
    void (*round_ended)(struct job *j, bool first);
    /* A hold by discovery is over. */
    void (*hold_ended)(struct job *j);

    void (*leases_unowned)(struct engine *e);
    /* The store has what dead processes left. */
    void (*drained)(struct engine *e);
    /* A key has opened or sealed a value. */
    void (*key_proven)(struct engine *e, const char *id);
    /* Question: will the job be replaced under another secret in a moment? Then nothing may be concluded from the
     * old one. */
    bool (*secrets_changed)(struct job *j);
    /* Question: a record's account, for a log line; NULL = it is not remembered. */
    const char *(*account)(const struct engine *e, const struct job *j, const char *key);
    /* Fires when the last work may be done; ctx is the engine. */
    loop_fn *check_stopped;
};

#endif
