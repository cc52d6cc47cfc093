/* SPDX-License-Identifier: MIT
 * See map.h. The entries are in one array in insertion order. A table of their numbers finds them by a seeded hash,
 * so that a peer that chooses keys cannot produce collisions.
 */
#include "core/base/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/alloc.h"

struct entry {
    char *key; /* NULL: removed */
    void *value;
    uint64_t hash;
};

struct map {
    struct entry *entries;
    size_t used, cap, count; /* used entries (including removed ones), capacity, live entries */
    uint32_t *table;         /* entry number + 1, 0 = empty; 2 * cap places */
    uint64_t seed;
};

struct map *map_new(void)
{
    struct map *m = xcalloc(1, sizeof(*m));
    if (getrandom(&m->seed, sizeof(m->seed), GRND_NONBLOCK) != (ssize_t)sizeof(m->seed))
        m->seed = (uint64_t)(uintptr_t)m * UINT64_C(0x9e3779b97f4a7c15);
    return m;
}

void map_free(struct map *m, void (*free_value)(void *))
{
    if (!m)
        return;
    for (size_t i = 0; i < m->used; i++) {
        if (m->entries[i].key && free_value)
            free_value(m->entries[i].value);
        free(m->entries[i].key);
    }
    free(m->entries);
    free(m->table);
    free(m);
}

static uint64_t hash_of(const struct map *m, const char *key)
{
    uint64_t h = m->seed ^ UINT64_C(0xcbf29ce484222325);
    for (; *key; key++) {
        h = (h ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
        h ^= h >> 29;
    }
    h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return h ^ (h >> 31);
}

static struct entry *map_find(const struct map *m, const char *key, uint64_t hash)
{
    if (m->cap == 0)
        return NULL;
    size_t mask = m->cap * 2 - 1;
    for (size_t at = hash & mask; m->table[at]; at = (at + 1) & mask) {
        struct entry *e = &m->entries[m->table[at] - 1];
        if (e->key && e->hash == hash && strcmp(e->key, key) == 0)
            return e;
    }
    return NULL;
}

static void place(struct map *m, size_t number)
{
    size_t mask = m->cap * 2 - 1, at = m->entries[number].hash & mask;
    while (m->table[at])
        at = (at + 1) & mask;
    m->table[at] = (uint32_t)number + 1;
}

/* Removes the gaps of removed entries, and doubles the capacity when more than half are live. */
static void rebuild(struct map *m)
{
    size_t cap = m->cap == 0 ? 8 : m->count * 2 > m->cap ? m->cap * 2 : m->cap;
    if (cap > UINT32_MAX / 2)
        abort();
    struct entry *entries = xcalloc(cap, sizeof(*entries));
    size_t used = 0;
    for (size_t i = 0; i < m->used; i++)
        if (m->entries[i].key)
            entries[used++] = m->entries[i];
    free(m->entries);
    free(m->table);
    m->entries = entries;
    m->used = used;
    m->cap = cap;
    m->table = xcalloc(cap * 2, sizeof(*m->table));
    for (size_t i = 0; i < used; i++)
        place(m, i);
}

void *map_get(const struct map *m, const char *key)
{
    struct entry *e = map_find(m, key, hash_of(m, key));
    return e ? e->value : NULL;
}

void *map_put(struct map *m, const char *key, void *value)
{
    uint64_t hash = hash_of(m, key);
    struct entry *e = map_find(m, key, hash);
    if (e) {
        void *old = e->value;
        e->value = value;
        return old;
    }
    if (m->used == m->cap)
        rebuild(m);
    m->entries[m->used] = (struct entry){.key = xstrdup(key), .value = value, .hash = hash};
    place(m, m->used++);
    m->count++;
    return NULL;
}

void *map_remove(struct map *m, const char *key)
{
    struct entry *e = map_find(m, key, hash_of(m, key));
    if (!e)
        return NULL;
    void *value = e->value;
    free(e->key);
    e->key = NULL;
    e->value = NULL;
    m->count--;
    return value;
}

size_t map_count(const struct map *m)
{
    return m->count;
}

bool map_next(const struct map *m, size_t *cursor, const char **ret_key, void **ret_value)
{
    while (*cursor < m->used) {
        const struct entry *e = &m->entries[(*cursor)++];
        if (!e->key)
            continue;
        if (ret_key)
            *ret_key = e->key;
        if (ret_value)
            *ret_value = e->value;
        return true;
    }
    return false;
}
