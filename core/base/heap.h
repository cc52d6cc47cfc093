/* SPDX-License-Identifier: MIT
 * A binary heap of timed items that are embedded in their owners: timers, due records.
 */
#ifndef CORE_BASE_HEAP_H
#define CORE_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

/* index is the heap's own: 0 = in no heap. Change at only while the item is in none. */
struct heap_item {
    int64_t at;
    size_t index;
};

struct heap {
    struct heap_item **items;
    size_t count, cap;
};

void heap_init(struct heap *h);
/* Frees the array, not the items; they are in no heap afterwards. */
void heap_done(struct heap *h);
/* The item stays the caller's and must outlive its stay. An item already in is moved to its at. */
void heap_push(struct heap *h, struct heap_item *item);
/* Nothing happens to an item that is in no heap. */
void heap_remove(struct heap *h, struct heap_item *item);
/* The item with the smallest at, or NULL. */
struct heap_item *heap_first(const struct heap *h);

#endif
