/* SPDX-License-Identifier: MIT
 * The loop's internal state; only loop.c and loop_inbox.c include it.
 */
#ifndef CORE_LOOP_LOOP_INTERNAL_H
#define CORE_LOOP_LOOP_INTERNAL_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/heap.h"
#include "core/loop/loop.h"

#define LOOP_SIGNALS 65

struct loop_posted;

struct loop_handler {
    loop_signal_fn *cb;
    void *ctx;
};

struct loop {
    int epoll_fd;
    int depth; /* number of nested turns */
    struct loop_watch *dead;

    struct heap timers;
    int far_fd;
    int64_t far_at; /* what far_fd is set to, 0 when it is not */
    struct loop_watch *far_watch;

    int inbox_fd;
    struct loop_watch *inbox_watch;
    pthread_mutex_t lock; /* of the three below */
    struct loop_posted *first, **last;
    size_t posted;
    atomic_bool stop;

    int signal_fd;
    struct loop_watch *signal_watch;
    sigset_t signals;
    sigset_t newly_blocked;
    struct loop_handler handlers[LOOP_SIGNALS];
};

int loop_inbox_open(struct loop *loop);
void loop_inbox_close(struct loop *loop);

#endif
