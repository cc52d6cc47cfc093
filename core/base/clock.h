/* SPDX-License-Identifier: MIT
 * All time comes from here. Decisions ("is it due?") use clock_now, which --at may move; leases,
 * deadlines and timers use clock_boot_ms, which nothing moves and which counts suspension.
 */
#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H

#include <stdint.h>

/* The time of decisions, Unix seconds and milliseconds: the real time plus the offset. */
int64_t clock_now(void);
int64_t clock_now_ms(void);
/* Moves clock_now for a rehearsal; set once, before threads start. */
void clock_set_offset(int64_t seconds);

/* The real time. */
int64_t clock_real(void);
int64_t clock_real_ms(void);

/* Milliseconds since boot, suspension included. */
int64_t clock_boot_ms(void);

#endif
