/* SPDX-License-Identifier: MIT
 * The source of all time in renewd. clock_now is for times that are stored, waited for or shown. clock_due, which
 * --at moves, only decides whether a record is due by its window. clock_boot_ms is for leases, deadlines and
 * timers; nothing moves it, and it counts suspension.
 */
#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Unix seconds and milliseconds: the real time plus the offset. */
int64_t clock_now(void);
int64_t clock_now_ms(void);
/* For tests: as if the system's clock were set. */
void clock_set_offset(int64_t seconds);

/* The time by which records are due: clock_now, or the argument of --at. */
int64_t clock_due(void);
bool clock_due_moved(void);
/* To be called once, before threads start. */
void clock_set_due(int64_t at);

/* The real time. */
int64_t clock_real(void);
int64_t clock_real_ms(void);

/* Milliseconds since boot, suspension included. */
int64_t clock_boot_ms(void);

#endif
