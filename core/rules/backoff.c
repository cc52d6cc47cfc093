/* SPDX-License-Identifier: MIT
 * See backoff.h.
 */
#include "core/rules/backoff.h"

#include "core/rules/hash.h"

int64_t backoff_next(int attempts, uint64_t jitter_seed, int64_t base_s, int64_t cap_s)
{
    int64_t full = base_s > 1 ? base_s : 1;
    int64_t cap = cap_s > 1 ? cap_s : 1;
    for (int i = 1; i < attempts && full < cap; i++)
        full = full > cap / 2 ? cap : full * 2;
    if (full > cap)
        full = cap;
    int64_t half = full / 2;
    uint64_t roll = hash_mix(jitter_seed ^ hash_mix((uint64_t)(attempts > 0 ? attempts : 0)));
    int64_t wait = full - (int64_t)(roll % ((uint64_t)half + 1));
    return wait > 1 ? wait : 1;
}

int64_t backoff_rate_limited(int64_t asked_s)
{
    return asked_s < 1 ? 1 : asked_s > 3600 ? 3600 : asked_s;
}
