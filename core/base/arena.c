/* SPDX-License-Identifier: MIT
 * See arena.h. A chain of blocks; a big allocation gets its own block.
 */
#include "core/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"

#define BLOCK_SIZE ((size_t)4096)

struct block {
    struct block *next;
    size_t size, used;
    alignas(max_align_t) char data[];
};

struct arena {
    struct block *blocks;
    size_t left;
};

struct arena *arena_new(size_t max)
{
    struct arena *a = xcalloc(1, sizeof(*a));
    a->left = max;
    return a;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    for (struct block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        explicit_bzero(b->data, b->size);
        free(b);
    }
    free(a);
}

void *arena_alloc(struct arena *a, size_t n)
{
    const size_t align = alignof(max_align_t);
    if (n > a->left)
        return NULL;
    a->left -= n;
    size_t size = (n + align - 1) / align * align;
    struct block *b = a->blocks;
    if (!b || b->size - b->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        b = xcalloc(1, sizeof(*b) + room);
        b->size = room;
        b->next = a->blocks;
        a->blocks = b;
    }
    void *p = b->data + b->used;
    b->used += size;
    return p;
}

char *arena_copy(struct arena *a, const void *data, size_t len)
{
    char *p = len + 1 > len ? arena_alloc(a, len + 1) : NULL;
    if (p && len)
        memcpy(p, data, len);
    return p;
}

char *arena_text(struct arena *a, const char *text)
{
    return text ? arena_copy(a, text, strlen(text)) : NULL;
}
