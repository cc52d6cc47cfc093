/* SPDX-License-Identifier: MIT
 * A map from text to pointers that keeps the insertion order. Not to be shared between threads.
 */
#ifndef CORE_BASE_MAP_H
#define CORE_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

struct map;

struct map *map_new(void);
/* free_value may be NULL: then the caller owns the values. */
void map_free(struct map *m, void (*free_value)(void *));

/* NULL when there is none. */
void *map_get(const struct map *m, const char *key);
/* Copies key; value must not be NULL. Returns the previous value, which the caller then owns. */
void *map_put(struct map *m, const char *key, void *value);
/* Returns the removed value or NULL. */
void *map_remove(struct map *m, const char *key);
size_t map_count(const struct map *m);

/* Iterates in insertion order; start with a cursor of 0. Removing while iterating is allowed, putting is not. */
bool map_next(const struct map *m, size_t *cursor, const char **ret_key, void **ret_value);

#endif
