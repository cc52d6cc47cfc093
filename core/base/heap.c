/* SPDX-License-Identifier: MIT
 * See heap.h. items[] begins at 0; an item's index is its position + 1.
 */
#include "core/base/heap.h"

#include <stdlib.h>

#include "core/base/alloc.h"

void heap_init(struct heap *h)
{
    *h = (struct heap){0};
}

void heap_done(struct heap *h)
{
    for (size_t i = 0; i < h->count; i++)
        h->items[i]->index = 0;
    free(h->items);
    heap_init(h);
}

static void heap_put(struct heap *h, size_t place, struct heap_item *item)
{
    h->items[place] = item;
    item->index = place + 1;
}

static void heap_settle(struct heap *h, size_t place, struct heap_item *item)
{
    while (place > 0 && h->items[(place - 1) / 2]->at > item->at) {
        heap_put(h, place, h->items[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (;;) {
        size_t child = place * 2 + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && h->items[child + 1]->at < h->items[child]->at)
            child++;
        if (h->items[child]->at >= item->at)
            break;
        heap_put(h, place, h->items[child]);
        place = child;
    }
    heap_put(h, place, item);
}

void heap_push(struct heap *h, struct heap_item *item)
{
    heap_remove(h, item);
    if (h->count == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        h->items = xrealloc(h->items, h->cap * sizeof(struct heap_item *));
    }
    heap_put(h, h->count++, item);
    heap_settle(h, h->count - 1, item);
}

void heap_remove(struct heap *h, struct heap_item *item)
{
    if (item->index == 0)
        return;
    size_t place = item->index - 1;
    struct heap_item *last = h->items[--h->count];
    item->index = 0;
    if (last != item)
        heap_settle(h, place, last);
}

struct heap_item *heap_first(const struct heap *h)
{
    return h->count ? h->items[0] : NULL;
}
