/* SPDX-License-Identifier: MIT
 * The store thread: one connection, one queue. Runs what the engine submits, gathers commits into
 * batches (what has come, at most 100 or 3 ms), reconnects by itself with growing pauses (0.2 s to
 * 5 s), and hands every result back to the loop thread. It never decides anything.
 */
#ifndef CORE_STORE_THREAD_H
#define CORE_STORE_THREAD_H

#include "core/loop/loop.h"
#include "core/store/store.h"

struct store_thread;

/* up: the store answers (first or again) and store_work can be submitted; on the loop thread.
 * down: with a sentence without secrets. None is told twice in a row. */
struct store_events {
    void (*up)(void *ctx);
    void (*down)(void *ctx, const char *why);
    void *ctx;
    /* Optional. Asked on the store's thread before anything is written, at each connection and every five
     * seconds while it answers -EROFS: then the store is there and takes no work, and refused is told why. */
    int (*admit)(void *ctx, struct db *db, struct error *e);
    void (*refused)(void *ctx, const char *why);
    /* Optional, else down: it is there and does not take renewd, which a person mends (a password, a right, the
     * dsn), and again when the reason has changed. It is tried again all the same. */
    void (*denied)(void *ctx, const char *why);
};

int store_thread_start(struct loop *loop, const struct store_options *o, const struct store_events *ev,
                       struct store_thread **ret, struct error *e);

/* work runs on the store thread with a live connection; done on the loop thread with its result.
 * When the store is away work is not run and done gets -ENOTCONN. e is work's to fill, done's to
 * read. */
typedef int (*store_work)(struct db *db, void *arg, struct error *e);
typedef void (*store_done)(void *arg, int result, const struct error *e);
void store_submit(struct store_thread *st, store_work work, void *arg, store_done done);

/* The same while the store is refused, for what ends that: it is asked for admission again at once. */
void store_submit_refused(struct store_thread *st, store_work work, void *arg, store_done done);

/* Batched with its neighbours; done gets 0 when c->result is set, else the store is away and c is
 * unchanged. c stays the caller's. */
void store_submit_commit(struct store_thread *st, struct commit *c,
                         void (*done)(void *arg, struct commit *c, int result, const struct error *e), void *arg);

/* Finishes what was submitted, then ends. The loop must still turn while it does: call, then turn
 * the loop until stopped runs. */
void store_thread_stop(struct store_thread *st, void (*stopped)(void *ctx), void *ctx);
void store_thread_free(struct store_thread *st);

#endif
