/* SPDX-License-Identifier: MIT
 * One turn of the loop, its descriptors and its timers. Work from other threads and signals is in loop_inbox.c.
 *
 * epoll_wait does not count the time that the machine sleeps, so a far timer is set on a timerfd of
 * the boot clock as well: it fires as soon as the machine wakes up.
 */
#include "core/loop/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/loop/loop_internal.h"

#define EVENTS_PER_TURN 128
#define FAR_MS 1000

struct loop_watch {
    struct loop *loop;
    struct loop_watch *next_dead;
    loop_fd_fn *cb; /* NULL once unwatched */
    void *ctx;
    int fd;
    uint32_t events;
};

struct loop_timer {
    struct heap_item item; /* first: the heap returns items by it */
    struct loop *loop;
    loop_fn *cb;
    void *ctx;
};

static void far_timer_fired(void *ctx, uint32_t events)
{
    struct loop *loop = ctx;
    uint64_t times;

    (void)events;
    loop->far_at = 0;
    (void)!read(loop->far_fd, &times, sizeof times);
}

struct loop *loop_new(void)
{
    struct loop *loop = xcalloc(1, sizeof *loop);

    loop->inbox_fd = loop->signal_fd = -1;
    heap_init(&loop->timers);
    pthread_mutex_init(&loop->lock, NULL);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->far_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->far_fd < 0 ||
        loop_watch(loop, loop->far_fd, LOOP_READ, far_timer_fired, loop, &loop->far_watch) ||
        loop_inbox_open(loop)) {
        int saved = errno;
        loop_free(loop);
        errno = saved;
        return NULL;
    }
    return loop;
}

static void bury(struct loop *loop)
{
    while (loop->dead) {
        struct loop_watch *watch = loop->dead;
        loop->dead = watch->next_dead;
        free(watch);
    }
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    loop_inbox_close(loop);
    loop_unwatch(&loop->far_watch);
    bury(loop);
    heap_done(&loop->timers);
    if (loop->far_fd >= 0)
        close(loop->far_fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

/* epoll reports hang-ups even for an empty set, so a watch without events is not added to it. */
static int watch_set(struct loop_watch *watch, uint32_t events)
{
    struct epoll_event e = {.data.ptr = watch};
    int op = !watch->events ? EPOLL_CTL_ADD : events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;

    if (events == watch->events)
        return 0;
    if (events & LOOP_READ)
        e.events |= EPOLLIN;
    if (events & LOOP_WRITE)
        e.events |= EPOLLOUT;
    if (epoll_ctl(watch->loop->epoll_fd, op, watch->fd, &e) != 0)
        return -errno;
    watch->events = events;
    return 0;
}

int loop_watch(struct loop *loop, int fd, uint32_t events, loop_fd_fn *cb, void *ctx, struct loop_watch **ret_watch)
{
    struct loop_watch *watch = xcalloc(1, sizeof *watch);

    *watch = (struct loop_watch){.loop = loop, .cb = cb, .ctx = ctx, .fd = fd};
    int r = watch_set(watch, events);
    if (r < 0) {
        free(watch);
        return r;
    }
    *ret_watch = watch;
    return 0;
}

int loop_watch_change(struct loop_watch *watch, uint32_t events)
{
    return watch_set(watch, events);
}

void loop_unwatch(struct loop_watch **watch_ptr)
{
    struct loop_watch *watch = *watch_ptr;

    if (!watch)
        return;
    *watch_ptr = NULL;
    (void)watch_set(watch, 0);
    struct loop *loop = watch->loop;
    if (loop->depth == 0) {
        free(watch);
        return;
    }
    watch->cb = NULL; /* its event may be in this turn's batch */
    watch->next_dead = loop->dead;
    loop->dead = watch;
}

struct loop_timer *loop_at(struct loop *loop, int64_t boot_ms, loop_fn *cb, void *ctx)
{
    struct loop_timer *timer = xcalloc(1, sizeof *timer);

    timer->item.at = boot_ms;
    timer->loop = loop;
    timer->cb = cb;
    timer->ctx = ctx;
    heap_push(&loop->timers, &timer->item);
    return timer;
}

struct loop_timer *loop_after(struct loop *loop, int64_t ms, loop_fn *cb, void *ctx)
{
    int64_t now = clock_boot_ms();

    if (ms < 0)
        ms = 0;
    return loop_at(loop, ms > INT64_MAX - now ? INT64_MAX : now + ms, cb, ctx);
}

void loop_cancel(struct loop_timer **timer_ptr)
{
    struct loop_timer *timer = *timer_ptr;

    if (!timer)
        return;
    *timer_ptr = NULL;
    heap_remove(&timer->loop->timers, &timer->item);
    free(timer);
}

/* Runs at most as many timers as there were, so that a timer that re-arms itself cannot block the turn. */
static void run_timers(struct loop *loop)
{
    int64_t now = clock_boot_ms();

    for (size_t n = loop->timers.count; n > 0; n--) {
        struct heap_item *first = heap_first(&loop->timers);
        if (!first || first->at > now)
            return;
        struct loop_timer *timer = (struct loop_timer *)first;
        loop_fn *cb = timer->cb;
        void *ctx = timer->ctx;
        loop_cancel(&timer);
        cb(ctx);
    }
}

static void set_far_timer(struct loop *loop, int64_t at, int64_t wait_ms)
{
    struct itimerspec spec = {.it_value = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000}};

    if (loop->far_at == at)
        return;
    if (timerfd_settime(loop->far_fd, 0, &spec, NULL) == 0)
        loop->far_at = at;
}

/* How long epoll may wait, in milliseconds; -1: forever. */
static int turn_wait(struct loop *loop, int64_t max_wait_ms)
{
    const struct heap_item *first = heap_first(&loop->timers);

    if (first && max_wait_ms != 0) {
        int64_t now = clock_boot_ms();
        int64_t wait = first->at > now ? first->at - now : 0;
        if (max_wait_ms < 0 || wait < max_wait_ms) {
            max_wait_ms = wait;
            if (wait > FAR_MS)
                set_far_timer(loop, first->at, wait);
        }
    }
    return max_wait_ms < 0 ? -1 : max_wait_ms > INT_MAX ? INT_MAX : (int)max_wait_ms;
}

static void loop_dispatch(const struct epoll_event *event)
{
    struct loop_watch *watch = event->data.ptr;
    uint32_t events = 0;

    if (event->events & (EPOLLERR | EPOLLHUP))
        events = LOOP_READ | LOOP_WRITE;
    if (event->events & EPOLLIN)
        events |= LOOP_READ;
    if (event->events & EPOLLOUT)
        events |= LOOP_WRITE;
    events &= watch->events;
    if (watch->cb && events)
        watch->cb(watch->ctx, events);
}

int loop_turn(struct loop *loop, int64_t max_wait_ms)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, turn_wait(loop, max_wait_ms));

    if (n < 0 && errno != EINTR)
        return -errno;
    loop->depth++;
    for (int i = 0; i < n; i++)
        loop_dispatch(&events[i]);
    run_timers(loop);
    if (--loop->depth == 0)
        bury(loop);
    return 0;
}

int loop_run(struct loop *loop)
{
    while (!atomic_exchange(&loop->stop, false)) {
        int r = loop_turn(loop, -1);
        if (r < 0)
            return r;
    }
    return 0;
}
