/* SPDX-License-Identifier: MIT
 * See queue.h. A ring that grows up to its limit, one mutex, one condition.
 */
#include "core/base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/alloc.h"

#define WAIT_MAX_MS INT64_C(86400000) /* a longer wait is cut: waiters loop anyway */

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void **ring;
    size_t first, count, cap, limit;
    bool closed;
};

struct queue *queue_new(size_t limit)
{
    struct queue *q = xcalloc(1, sizeof(*q));
    q->limit = limit;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, &attr);
    pthread_condattr_destroy(&attr);
    return q;
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    free(q->ring);
    free(q);
}

static void grow(struct queue *q)
{
    size_t cap = q->cap ? q->cap * 2 : 16;
    void **ring = xcalloc(cap, sizeof(void *));
    for (size_t i = 0; i < q->count; i++)
        ring[i] = q->ring[(q->first + i) % q->cap];
    free(q->ring);
    q->ring = ring;
    q->first = 0;
    q->cap = cap;
}

int queue_push(struct queue *q, void *item)
{
    int r = 0;
    pthread_mutex_lock(&q->lock);
    if (q->closed) {
        r = -EPIPE;
    } else if (q->count >= q->limit) {
        r = -EAGAIN;
    } else {
        if (q->count == q->cap)
            grow(q);
        q->ring[(q->first + q->count++) % q->cap] = item;
        pthread_cond_signal(&q->changed);
    }
    pthread_mutex_unlock(&q->lock);
    return r;
}

static struct timespec deadline_in(int64_t wait_ms)
{
    struct timespec t;
    if (wait_ms > WAIT_MAX_MS)
        wait_ms = WAIT_MAX_MS;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(wait_ms / 1000);
    t.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

void *queue_pop(struct queue *q, int64_t wait_ms)
{
    struct timespec end = {0};
    if (wait_ms > 0)
        end = deadline_in(wait_ms);
    void *item = NULL;
    int r = 0;
    pthread_mutex_lock(&q->lock);
    while (q->count == 0 && !q->closed && wait_ms != 0 && r == 0)
        r = wait_ms < 0 ? pthread_cond_wait(&q->changed, &q->lock)
                        : pthread_cond_timedwait(&q->changed, &q->lock, &end);
    if (q->count > 0) {
        item = q->ring[q->first];
        q->first = (q->first + 1) % q->cap;
        q->count--;
    }
    pthread_mutex_unlock(&q->lock);
    return item;
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

size_t queue_count(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    size_t count = q->count;
    pthread_mutex_unlock(&q->lock);
    return count;
}
