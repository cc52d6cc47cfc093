/* SPDX-License-Identifier: MIT
 * How the lower folders of core/engine tell the higher ones what happened, and ask the little that only those know. One
 * constant struct, which engine.c sets when the engine is made; nothing is registered, and each member is called
 * directly. The order of the calls, and what is told only after a commit, is the caller's.
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
    /* The store has a commit: first what is remembered of its record follows (j may be NULL), then its job. */
    void (*record_committed)(struct engine *e, const struct job *j, const struct commit *c);
    void (*job_committed)(struct job *j, const struct commit *c);
    /* A commit has left the queue, whatever became of it. r: of which run; may be NULL. */
    void (*commit_ended)(struct engine *e, struct run *r, int outcome, bool ask_again);
    /* The database refused a write for lack of a right: nothing more is to be spent. */
    void (*right_lost)(struct job *j);
    /* A row is not what its record says: to be read again. */
    void (*row_differs)(struct job *j, const char *key);

    /* A record wants its own time; 0: whichever is next. */
    void (*record_due)(struct job *j, int64_t due_at);
    void (*record_changed)(struct job *j, const char *key, bool is_new);
    /* What a run waited for may be there. */
    void (*job_may_go_on)(struct job *j);

    /* Each round of discovery that leaves the job able to work; then, when its timers are set, its end. */
    void (*job_discovered)(struct job *j);
    void (*round_ended)(struct job *j, bool first);
    /* A hold of discovery is over. */
    void (*hold_ended)(struct job *j);

    void (*leases_unowned)(struct engine *e);
    /* What dead processes left is in the store. */
    void (*drained)(struct engine *e);
    /* A key has opened or sealed a value. */
    void (*key_proven)(struct engine *e, const char *id);
    /* Asks: does the job go on under another secret in a moment? Then nothing is to be concluded from the old one. */
    bool (*secrets_changed)(struct job *j);
    /* Asks: a record's account, for a line of the log; NULL = it is not remembered. */
    const char *(*account)(const struct engine *e, const struct job *j, const char *key);
    /* Fires when the last work may be over; ctx is the engine. */
    loop_fn *check_stopped;
};

#endif
