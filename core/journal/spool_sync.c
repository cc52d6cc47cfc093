/* SPDX-License-Identifier: MIT
 * The sync thread of the spool: one fdatasync at a time, for all requests made before it began. An eventfd tells
 * the loop that it ended. After a failed sync it is unknown what is on the disk, so all later requests get the same
 * error.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/fault.h"
#include "core/journal/spool_internal.h"

static void *sync_thread(void *arg)
{
    struct spool_sync *s = arg;
    uint64_t one = 1;

    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->wanted && !s->stop)
            pthread_cond_wait(&s->wake, &s->lock);
        if (!s->wanted)
            break;
        s->wanted = false;
        pthread_mutex_unlock(&s->lock);
        int r = fault_error(FAULT_SYNC, NULL);
        if (r == 0 && fdatasync(s->fd) < 0)
            r = -errno;
        fault_point(FAULT_SYNCED, NULL);
        pthread_mutex_lock(&s->lock);
        s->result = r;
        (void)!write(s->bell, &one, sizeof one);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void spool_sync_tell(struct spool_waiter *list, int result)
{
    for (struct spool_waiter *w = list, *next; w; w = next) {
        next = w->next;
        w->done(w->ctx, result);
        free(w);
    }
}

static struct spool_waiter *take_waiting(struct spool_sync *s)
{
    struct spool_waiter *list = s->waiting;

    s->waiting = NULL;
    s->waiting_end = &s->waiting;
    s->hurry = false;
    return list;
}

static void spool_sync_begin(struct spool_sync *s)
{
    loop_cancel(&s->timer);
    s->running = take_waiting(s);
    s->busy = true;
    pthread_mutex_lock(&s->lock);
    s->wanted = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

static void timer_over(void *ctx)
{
    struct spool_sync *s = ctx;

    s->timer = NULL;
    if (!s->busy)
        spool_sync_begin(s);
}

static void plan(struct spool_sync *s)
{
    if (s->busy || s->waiting == NULL)
        return;
    if (s->hurry)
        spool_sync_begin(s);
    else if (s->timer == NULL)
        s->timer = loop_after(s->loop, SPOOL_SYNC_MS, timer_over, s);
}

static void bell_rang(void *ctx, uint32_t events)
{
    struct spool_sync *s = ctx;
    uint64_t count;

    (void)events;
    if (read(s->bell, &count, sizeof count) != (ssize_t)sizeof count)
        return;
    pthread_mutex_lock(&s->lock);
    int r = s->result;
    pthread_mutex_unlock(&s->lock);
    if (s->broken == 0)
        s->broken = r;
    struct spool_waiter *list = s->running;
    s->running = NULL;
    s->busy = false;
    plan(s);
    spool_sync_tell(list, s->broken);
}

int spool_sync_start(struct spool_sync *s, struct loop *loop, int fd)
{
    *s = (struct spool_sync){.loop = loop, .fd = fd, .bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    s->waiting_end = &s->waiting;
    if (s->bell < 0)
        return -errno;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    int r = loop_watch(loop, s->bell, LOOP_READ, bell_rang, s, &s->watch);
    if (r == 0) {
        r = -pthread_create(&s->thread, NULL, sync_thread, s);
        if (r == 0)
            return 0;
        loop_unwatch(&s->watch);
    }
    close(s->bell);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    return r;
}

void spool_sync_ask(struct spool_sync *s, bool now, void (*done)(void *ctx, int result), void *ctx)
{
    struct spool_waiter *w = xcalloc(1, sizeof *w);

    w->done = done;
    w->ctx = ctx;
    *s->waiting_end = w;
    s->waiting_end = &w->next;
    s->hurry = s->hurry || now;
    plan(s);
}

void spool_sync_end(struct spool_sync *s)
{
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    loop_cancel(&s->timer);
    loop_unwatch(&s->watch);
    if (s->broken == 0)
        s->broken = s->result;
    if (s->waiting != NULL && s->broken == 0 && fdatasync(s->fd) < 0)
        s->broken = -errno;
    spool_sync_tell(s->running, s->broken);
    spool_sync_tell(take_waiting(s), s->broken);
    close(s->bell);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
}
