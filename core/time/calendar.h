/* SPDX-License-Identifier: MIT
 * Calendar months, in UTC or in a zone, for allowances and subscriptions that renew "every month on day N".
 */
#ifndef CORE_TIME_CALENDAR_H
#define CORE_TIME_CALENDAR_H

#include <stdint.h>

#include "core/time/zone.h"

/* The same time of day, months later (or earlier), on anchor_day or the month's last day if it has
 * no such day: 31 Jan -> 28 Feb -> 31 Mar with anchor_day 31. 0 (or an absurd one) = unix_time's
 * own day. The result is kept within years 1..9999. */
int64_t calendar_add_months(int64_t unix_time, int anchor_day, int months);

/* The same by the local time of a zone. A time that a clock change skips is read by the offset before the change
 * (02:30 becomes 03:30); of a time that occurs twice the later one is used. */
int64_t calendar_add_months_in(const struct zone *z, int64_t unix_time, int anchor_day, int months);

/* The day of the month, 1..31. */
int calendar_day(int64_t unix_time);
int calendar_day_in(const struct zone *z, int64_t unix_time);

#endif
