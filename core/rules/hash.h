/* SPDX-License-Identifier: MIT
 * Fixed, well mixed hashes for spreading. Not for secrets and not against adversaries.
 * The values are part of what is stored (a record's point): they never change.
 */
#ifndef CORE_RULES_HASH_H
#define CORE_RULES_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The finalizer of splitmix64. */
static inline uint64_t hash_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* FNV-1a of len bytes on top of seed, mixed. */
static inline uint64_t hash_bytes(uint64_t seed, const char *data, size_t len)
{
    uint64_t h = seed ^ UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)data[i]) * UINT64_C(0x100000001b3);
    return hash_mix(h);
}

#endif
