/* SPDX-License-Identifier: MIT
 * The epoll loop of one thread: descriptors, timers, signals, and work posted by other threads. Used by core/http
 * and by the engine, whose callbacks all run on it. It does not limit the time that a callback takes.
 *
 * All functions must be called on the loop's own thread, except loop_post and loop_stop.
 */
#ifndef CORE_LOOP_LOOP_H
#define CORE_LOOP_LOOP_H

#include <stddef.h>
#include <stdint.h>

enum loop_event {
    LOOP_READ = 1,
    LOOP_WRITE = 2, /* an error or a hang-up is reported as both that were asked for */
};

struct loop;
struct loop_watch;
struct loop_timer;

typedef void loop_fd_fn(void *ctx, uint32_t events);
typedef void loop_fn(void *ctx);
typedef void loop_signal_fn(void *ctx, int signo);

/* NULL when the system has no descriptors left (errno is set). */
struct loop *loop_new(void);

/* Every watch and timer must be removed before; posted work that has not run is dropped. The signals of
 * loop_signal are unblocked again. */
void loop_free(struct loop *loop);

/* The caller owns the descriptor and closes it only after removing the watch. */
int loop_watch(struct loop *loop, int fd, uint32_t events, loop_fd_fn *cb, void *ctx,
               struct loop_watch **ret_watch);
int loop_watch_change(struct loop_watch *watch, uint32_t events);

/* Removes the watch and sets the pointer to NULL; it may be NULL already. Allowed in any callback, including the
 * watch's own: no event follows. */
void loop_unwatch(struct loop_watch **watch);

/* Runs cb once, ms from now (0 or less: in the next turn), by a clock that counts suspension. The timer is freed
 * before cb is called, so cb must clear the caller's pointer. */
struct loop_timer *loop_after(struct loop *loop, int64_t ms, loop_fn *cb, void *ctx);

/* The same at a moment of clock_boot_ms(). */
struct loop_timer *loop_at(struct loop *loop, int64_t boot_ms, loop_fn *cb, void *ctx);

/* Cancels the timer and sets the pointer to NULL; it may be NULL already. */
void loop_cancel(struct loop_timer **timer);

/* From any thread: fn runs on the loop's thread, in the order of posting. -ENOBUFS when a million
 * calls wait already. */
int loop_post(struct loop *loop, loop_fn *fn, void *ctx);

/* Blocks the signal in this thread (call it before other threads start) and delivers it as a call. */
int loop_signal(struct loop *loop, int signo, loop_signal_fn *cb, void *ctx);

/* Runs the loop until loop_stop; 0, or a negative errno when epoll fails. */
int loop_run(struct loop *loop);

/* From any thread or callback: loop_run returns after the current turn. */
void loop_stop(struct loop *loop);

/* One turn: waits at most max_wait_ms (-1: until something happens), then runs what is due. */
int loop_turn(struct loop *loop, int64_t max_wait_ms);

#endif
