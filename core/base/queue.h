/* SPDX-License-Identifier: MIT
 * A bounded queue that hands pointers from any number of threads to any number of others.
 */
#ifndef CORE_BASE_QUEUE_H
#define CORE_BASE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct queue;

struct queue *queue_new(size_t limit);
/* No thread may be inside any more; items still queued are the caller's to drain before. */
void queue_free(struct queue *q);

/* Hands item (not NULL) over. -EAGAIN when full, -EPIPE when closed: then it stays the caller's. */
int queue_push(struct queue *q, void *item);
/* The oldest item, which is the caller's. NULL on timeout, or when closed and empty.
 * wait_ms: 0 does not wait, -1 waits for ever, more than a day is a day. */
void *queue_pop(struct queue *q, int64_t wait_ms);
/* No more pushes; what is queued can still be popped; all waiters wake. */
void queue_close(struct queue *q);
size_t queue_count(struct queue *q);

#endif
