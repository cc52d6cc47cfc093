/* SPDX-License-Identifier: MIT
 * Paces one job's requests: a least interval between two, a longer one while the provider reports high usage, and a
 * full stop while it says "later". Times are clock_boot_ms.
 */
#ifndef CORE_RULES_PACE_H
#define CORE_RULES_PACE_H

#include <stdint.h>

struct pace {
    int64_t every_ms;      /* 0 = no pacing */
    int64_t next_ms;       /* no request before */
    int64_t slow_until_ms; /* until then the interval is longer */
};

void pace_init(struct pace *p, int64_t every_ms);
/* Milliseconds until the next request may go; 0 = now. */
int64_t pace_wait(const struct pace *p, int64_t now_ms);
/* A request is sent now; the next one may go an interval later. */
void pace_take(struct pace *p, int64_t now_ms);
/* Makes the interval longer (8 times, at least a second) for for_ms, at most an hour; never shortens that time. */
void pace_slow(struct pace *p, int64_t now_ms, int64_t for_ms);
/* Stops all requests for for_ms (at most an hour); never shortens that time. */
void pace_hold(struct pace *p, int64_t now_ms, int64_t for_ms);

#endif
