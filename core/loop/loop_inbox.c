/* SPDX-License-Identifier: MIT
 * The inbox of the loop: work posted by other threads, and signals.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/loop/loop_internal.h"

#define POSTED_MAX 1000000

struct loop_posted {
    struct loop_posted *next;
    loop_fn *fn;
    void *ctx;
};

static struct loop_posted *inbox_take(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct loop_posted *first = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    loop->posted = 0;
    pthread_mutex_unlock(&loop->lock);
    return first;
}

static void inbox_ready(void *ctx, uint32_t events)
{
    struct loop *loop = ctx;
    uint64_t count;

    (void)events;
    (void)!read(loop->inbox_fd, &count, sizeof count);
    for (struct loop_posted *p = inbox_take(loop), *next; p; p = next) {
        next = p->next;
        p->fn(p->ctx);
        free(p);
    }
}

static void inbox_ring(struct loop *loop)
{
    uint64_t one = 1;

    (void)!write(loop->inbox_fd, &one, sizeof one); /* a full counter is already readable */
}

int loop_post(struct loop *loop, loop_fn *fn, void *ctx)
{
    struct loop_posted *p = xmalloc(sizeof *p);

    *p = (struct loop_posted){.fn = fn, .ctx = ctx};
    pthread_mutex_lock(&loop->lock);
    bool full = loop->posted >= POSTED_MAX, was_empty = !loop->first;
    if (!full) {
        *loop->last = p;
        loop->last = &p->next;
        loop->posted++;
        if (was_empty)
            inbox_ring(loop);
    }
    pthread_mutex_unlock(&loop->lock);
    if (full)
        free(p);
    return full ? -ENOBUFS : 0;
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stop, true);
    inbox_ring(loop);
}

static void signal_ready(void *ctx, uint32_t events)
{
    struct loop *loop = ctx;
    struct signalfd_siginfo info;

    (void)events;
    if (read(loop->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo < LOOP_SIGNALS && loop->handlers[info.ssi_signo].cb) {
        const struct loop_handler *h = &loop->handlers[info.ssi_signo];
        h->cb(h->ctx, (int)info.ssi_signo);
    }
}

int loop_signal(struct loop *loop, int signo, loop_signal_fn *cb, void *ctx)
{
    sigset_t one, before;

    if (signo <= 0 || signo >= LOOP_SIGNALS)
        return -EINVAL;
    if (loop->handlers[signo].cb)
        return -EEXIST;
    sigemptyset(&one);
    if (sigaddset(&one, signo) != 0 || sigaddset(&loop->signals, signo) != 0)
        return -EINVAL;
    int r = pthread_sigmask(SIG_BLOCK, &one, &before);
    if (r != 0)
        return -r;
    if (!sigismember(&before, signo))
        sigaddset(&loop->newly_blocked, signo);
    int fd = signalfd(loop->signal_fd, &loop->signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    loop->signal_fd = fd;
    loop->handlers[signo] = (struct loop_handler){.cb = cb, .ctx = ctx};
    if (loop->signal_watch)
        return 0;
    return loop_watch(loop, fd, LOOP_READ, signal_ready, loop, &loop->signal_watch);
}

int loop_inbox_open(struct loop *loop)
{
    loop->last = &loop->first;
    sigemptyset(&loop->signals);
    sigemptyset(&loop->newly_blocked);
    loop->inbox_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->inbox_fd < 0)
        return -errno;
    return loop_watch(loop, loop->inbox_fd, LOOP_READ, inbox_ready, loop, &loop->inbox_watch);
}

void loop_inbox_close(struct loop *loop)
{
    loop_unwatch(&loop->inbox_watch);
    loop_unwatch(&loop->signal_watch);
    for (struct loop_posted *p = inbox_take(loop), *next; p; p = next) {
        next = p->next;
        free(p);
    }
    if (loop->inbox_fd >= 0)
        close(loop->inbox_fd);
    if (loop->signal_fd >= 0) {
        close(loop->signal_fd);
        pthread_sigmask(SIG_UNBLOCK, &loop->newly_blocked, NULL);
    }
}
