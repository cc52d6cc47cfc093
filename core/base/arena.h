/* SPDX-License-Identifier: MIT
 * An arena: allocations that are freed and wiped together, such as an attempt's scratch memory or a reply's
 * strings. Its size is limited.
 */
#ifndef CORE_BASE_ARENA_H
#define CORE_BASE_ARENA_H

#include <stddef.h>

struct arena;

/* max limits the sum of all allocations. */
struct arena *arena_new(size_t max);
void arena_free(struct arena *a);

/* Zeroed, aligned for any type, valid until arena_free; NULL past max. */
void *arena_alloc(struct arena *a, size_t n);
/* A copy of len bytes with a NUL after them; NULL past max. */
char *arena_copy(struct arena *a, const void *data, size_t len);
/* A copy of a text; NULL for NULL and past max. */
char *arena_text(struct arena *a, const char *text);

#endif
