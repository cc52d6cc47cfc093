/* SPDX-License-Identifier: MIT
 * See refresh_window.h.
 */
#include "core/rules/refresh_window.h"

#include <stddef.h>
#include <string.h>

#include "core/rules/hash.h"
#include "core/time/civil.h"

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15) /* 2^64 / golden ratio */
#define BLOCK_BITS 12
#define DIGITS_MAX 18

static int64_t sane(int64_t at)
{
    return at < 0 ? 0 : at > CIVIL_LAST ? CIVIL_LAST : at;
}

static int64_t at_most(int64_t at, int64_t bound)
{
    return bound > 0 && at > bound ? bound : at;
}

void window_clean(struct window *w)
{
    w->earliest = sane(w->earliest);
    w->preferred = sane(w->preferred);
    w->latest = sane(w->latest);
    w->death = sane(w->death);
    if (w->preferred == 0)
        w->preferred = w->earliest ? w->earliest : w->latest;
    if (w->latest == 0)
        w->latest = w->preferred;
    if (w->latest == 0)
        w->preferred = w->latest = w->death;
    w->latest = at_most(w->latest, w->death);
    w->preferred = at_most(w->preferred, w->latest);
    w->earliest = at_most(w->earliest, w->preferred);
}

bool window_empty(const struct window *w)
{
    return w->preferred == 0 && w->latest == 0;
}

/* Where in the window: 64 bits of fraction, of which the upper 32 are used. */
static uint64_t position(const char *source, const char *key, int64_t generation)
{
    size_t len = strlen(key), prefix = len;
    uint64_t number = 0;
    while (prefix > 0 && len - prefix < DIGITS_MAX && key[prefix - 1] >= '0' && key[prefix - 1] <= '9')
        prefix--;
    for (size_t i = prefix; i < len; i++)
        number = number * 10 + (uint64_t)(key[i] - '0');
    uint64_t start = hash_bytes(0, source, strlen(source));
    start = hash_bytes(start, key, prefix);
    start = hash_mix(start ^ hash_mix(number >> BLOCK_BITS));
    start = hash_mix(start ^ hash_mix((uint64_t)generation));
    return start + (number & ((UINT64_C(1) << BLOCK_BITS) - 1)) * GOLDEN;
}

int64_t window_point(const struct window *w, const char *source, const char *key, int64_t generation)
{
    struct window clean = *w;
    window_clean(&clean);
    if (window_empty(&clean))
        return 0;
    uint64_t span = (uint64_t)(clean.latest - clean.preferred);
    uint64_t at = position(source ? source : "", key ? key : "", generation) >> 32;
    uint64_t part = at * (span >> 32) + (at * (span & UINT32_MAX) >> 32);
    return clean.preferred + (int64_t)part;
}

/* The expiry is unknown: due until its first ok. */
static bool unknown_and_new(const struct due *d)
{
    return d->expires_at == 0 && d->ok_at == 0;
}

bool due_auto(const struct due *d, int64_t now)
{
    if (now < d->not_before)
        return false;
    if (window_empty(&d->window))
        return unknown_and_new(d);
    return now >= d->point;
}

bool due_tick(const struct due *d, int64_t now, int64_t tick, int64_t next_tick)
{
    if (due_auto(d, now))
        return now >= d->window.earliest;
    if (now < d->not_before || now < d->window.earliest || window_empty(&d->window))
        return false;
    return next_tick != 0 && d->point < next_tick && d->ok_at < tick;
}

bool due_by_hand(const struct due *d, int64_t now)
{
    return now >= d->window.earliest;
}

bool due_on_demand(const struct due *d, int64_t now, int64_t min_valid)
{
    if (now < d->not_before || now < d->window.earliest)
        return false;
    if (d->expires_at == 0)
        return unknown_and_new(d);
    int64_t most = d->life > 0 ? d->life / 5 * 4 + d->life % 5 * 4 / 5 : min_valid;
    int64_t wanted = min_valid < most ? min_valid : most;
    return d->expires_at - now < (wanted > 0 ? wanted : 0);
}
