/* SPDX-License-Identifier: MIT
 * See pace.h.
 */
#include "core/rules/pace.h"

#define HOUR_MS INT64_C(3600000)
#define SLOW_FACTOR 8
#define SLOW_LEAST_MS 1000

static int64_t bounded(int64_t ms)
{
    return ms < 0 ? 0 : ms > HOUR_MS ? HOUR_MS : ms;
}

void pace_init(struct pace *p, int64_t every_ms)
{
    *p = (struct pace){.every_ms = bounded(every_ms)};
}

int64_t pace_wait(const struct pace *p, int64_t now_ms)
{
    return p->next_ms > now_ms ? p->next_ms - now_ms : 0;
}

void pace_take(struct pace *p, int64_t now_ms)
{
    int64_t distance = p->every_ms;
    if (now_ms < p->slow_until_ms) {
        distance *= SLOW_FACTOR;
        if (distance < SLOW_LEAST_MS)
            distance = SLOW_LEAST_MS;
    }
    if (p->next_ms < now_ms + distance)
        p->next_ms = now_ms + distance;
}

void pace_slow(struct pace *p, int64_t now_ms, int64_t for_ms)
{
    int64_t until = now_ms + bounded(for_ms);
    if (until > p->slow_until_ms)
        p->slow_until_ms = until;
}

void pace_hold(struct pace *p, int64_t now_ms, int64_t for_ms)
{
    int64_t until = now_ms + bounded(for_ms);
    if (until > p->next_ms)
        p->next_ms = until;
}
