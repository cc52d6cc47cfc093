/* SPDX-License-Identifier: MIT
 * All time comes from here. What is written, waited for and shown uses clock_now; whether a record is due by its
 * window alone uses clock_due, which --at moves; leases, deadlines and timers use clock_boot_ms, which nothing moves
 * and which counts suspension.
 */
#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Unix seconds and milliseconds: the real time plus the offset. */
int64_t clock_now(void);
int64_t clock_now_ms(void);
/* For tests: somebody sets the system's clock. */
void clock_set_offset(int64_t seconds);

/* The time at which records are to be due: clock_now, or what --at says. */
int64_t clock_due(void);
bool clock_due_moved(void);
/* Once, before threads start. */
void clock_set_due(int64_t at);

/* The real time. */
int64_t clock_real(void);
int64_t clock_real_ms(void);

/* Milliseconds since boot, suspension included. */
int64_t clock_boot_ms(void);

#endif
