/* SPDX-License-Identifier: MIT
 * See calendar.h.
 */
#include "core/time/calendar.h"

#include "core/time/civil.h"

static int64_t clamp(int64_t at)
{
    return at < CIVIL_FIRST ? CIVIL_FIRST : at > CIVIL_LAST ? CIVIL_LAST : at;
}

int64_t calendar_add_months(int64_t unix_time, int anchor_day, int months)
{
    struct civil c;
    civil_from_seconds(clamp(unix_time), &c);
    int day = anchor_day >= 1 && anchor_day <= 31 ? anchor_day : c.day;
    int64_t month = c.year * 12 + (c.month - 1) + months;
    c.year = month / 12 - (month % 12 < 0);
    c.month = (int)(month - c.year * 12) + 1;
    int last = civil_month_days(c.year, c.month);
    c.day = day < last ? day : last;
    return clamp(civil_seconds(&c));
}

int calendar_day(int64_t unix_time)
{
    struct civil c;
    civil_from_seconds(clamp(unix_time), &c);
    return c.day;
}

int64_t calendar_add_months_in(const struct zone *z, int64_t unix_time, int anchor_day, int months)
{
    int64_t at = clamp(unix_time), first, last;
    int64_t local = calendar_add_months(at + zone_offset(z, at), anchor_day, months);

    if (zone_to_unix(z, local, &first, &last) == 0)
        return clamp(local - zone_offset(z, first - 1));
    return clamp(last);
}

int calendar_day_in(const struct zone *z, int64_t unix_time)
{
    int64_t at = clamp(unix_time);
    return calendar_day(at + zone_offset(z, at));
}
