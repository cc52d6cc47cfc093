/* SPDX-License-Identifier: MIT
 * A binary heap of items with a time, embedded in their owners: timers, due records.
 */
#ifndef CORE_BASE_HEAP_H
#define CORE_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* index is private to the heap: 0 = in no heap. Change at only while the item is in no heap. */
struct heap_item {
    int64_t at;
    size_t index;
};

struct heap {
    struct heap_item **items;
    size_t count, cap;
};

void heap_init(struct heap *h);
/* Frees the array, not the items; afterwards they are in no heap. */
void heap_done(struct heap *h);
/* The caller owns the item and must not free it while it is in the heap. An item that is already in the heap is
 * moved to its new time. */
void heap_push(struct heap *h, struct heap_item *item);
/* Does nothing for an item that is in no heap. */
void heap_remove(struct heap *h, struct heap_item *item);
/* The item with the smallest at, or NULL. */
struct heap_item *heap_first(const struct heap *h);

#endif
