/* SPDX-License-Identifier: MIT
 * The store thread: one connection, one queue. It runs what the engine submits, gathers commits into batches (those
 * in the list, at most 500 or 3 ms), reconnects by itself with growing pauses (0.2 s to 5 s), and returns every
 * result to the loop thread. It decides nothing.
 */
#ifndef CORE_STORE_THREAD_H
#define CORE_STORE_THREAD_H

#include "core/loop/loop.h"
#include "core/store/store.h"

struct store_thread;

/* up: the store answers (first or again) and store_work can be submitted; on the loop thread. down: with a sentence
 * without secrets. The same report never comes twice in a row. */
struct store_events {
    void (*up)(void *ctx);
    void (*down)(void *ctx, const char *why);
    void *ctx;
    /* Optional. Called on the store's thread before anything is written, at each connection and every five seconds
     * while it returns -EROFS: then the database is available and takes no work, and refused is called with the
     * reason. */
    int (*admit)(void *ctx, struct db *db, struct error *e);
    void (*refused)(void *ctx, const char *why);
    /* Optional, else down: the database answers and does not admit renewd, which an operator has to correct (a
     * password, a right, the dsn). Called again when the reason has changed. The connection is tried again all the
     * same. */
    void (*denied)(void *ctx, const char *why);
};

int store_thread_start(struct loop *loop, const struct store_options *o, const struct store_events *ev,
                       struct store_thread **ret, struct error *e);

/* The database answers, and renewd's tables in it are being brought up to date before anything else is done. */
bool store_thread_migrates(const struct store_thread *st);

/* work runs on the store thread with an open connection; done on the loop thread with its result. When the database
 * is not available work is not run and done gets -ENOTCONN. work fills e, done reads it. */
typedef int (*store_work)(struct db *db, void *arg, struct error *e);
typedef void (*store_done)(void *arg, int result, const struct error *e);
void store_submit(struct store_thread *st, store_work work, void *arg, store_done done);
/* Work of one kind that directly follows itself in the list is run together, at most 500: args are theirs, in order.
 * Each has its own done, with the result of all. */
typedef int (*store_work_many)(struct db *db, void *const *args, size_t count, struct error *e);
void store_submit_many(struct store_thread *st, store_work_many work, void *arg, store_done done);

/* The same while the database is refused, for work that ends the refusal: admission is checked again at once
 * afterwards. */
void store_submit_refused(struct store_thread *st, store_work work, void *arg, store_done done);

/* Batched with its neighbours; done gets 0 when c->result is set, else the database is not available and c is
 * unchanged. c stays the caller's. */
void store_submit_commit(struct store_thread *st, struct commit *c,
                         void (*done)(void *arg, struct commit *c, int result, const struct error *e), void *arg);

/* Finishes what was submitted, then ends. The loop must still run meanwhile: call this, then run the loop until
 * stopped is called. */
void store_thread_stop(struct store_thread *st, void (*stopped)(void *ctx), void *ctx);
void store_thread_free(struct store_thread *st);

#endif
