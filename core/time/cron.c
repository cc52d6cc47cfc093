/* SPDX-License-Identifier: MIT
 * See cron.h: finds ticks by day and then by minute of the day, never minute by minute.
 */
#include "core/time/cron.h"

#include <errno.h>

#include "core/time/civil.h"

#define DAY INT64_C(86400)
#define CYCLE_DAYS 146097 /* 400 years: dates and weekdays repeat */
#define NEAR (2 * DAY)    /* more than any two offsets of one zone differ */

static bool day_matches(const struct cron *c, const struct civil *d)
{
    bool day = c->days >> d->day & 1, weekday = c->weekdays >> d->weekday & 1;
    return c->day_star || c->weekday_star ? day && weekday : day || weekday;
}

/* The first matching minute of a day at or after minute; -1 when there is none. */
static int minute_from(const struct cron *c, int minute)
{
    for (int hour = minute / 60; hour < 24; hour++) {
        if (!(c->hours >> hour & 1))
            continue;
        for (int m = hour == minute / 60 ? minute % 60 : 0; m < 60; m++)
            if (c->minutes >> m & 1)
                return hour * 60 + m;
    }
    return -1;
}

/* The last one at or before minute; -1 when there is none. */
static int minute_until(const struct cron *c, int minute)
{
    for (int hour = minute / 60; hour >= 0; hour--) {
        if (!(c->hours >> hour & 1))
            continue;
        for (int m = hour == minute / 60 ? minute % 60 : 59; m >= 0; m--)
            if (c->minutes >> m & 1)
                return hour * 60 + m;
    }
    return -1;
}

int cron_local_next(const struct cron *c, int64_t local, int64_t *ret)
{
    int64_t up = local + 59;
    int64_t day = civil_day_number(up), last = day + CYCLE_DAYS;
    int minute = civil_second_of_day(up) / 60;
    while (day <= last) {
        struct civil d;
        civil_from_seconds(day * DAY, &d);
        if (!(c->months >> d.month & 1)) {
            day += civil_month_days(d.year, d.month) - d.day + 1;
        } else {
            int found = day_matches(c, &d) ? minute_from(c, minute) : -1;
            if (found >= 0) {
                *ret = day * DAY + found * 60;
                return 0;
            }
            day++;
        }
        minute = 0;
    }
    return -ENOENT;
}

static int cron_local_prev(const struct cron *c, int64_t local, int64_t *ret)
{
    int64_t day = civil_day_number(local), last = day - CYCLE_DAYS;
    int minute = civil_second_of_day(local) / 60;
    while (day >= last) {
        struct civil d;
        civil_from_seconds(day * DAY, &d);
        if (!(c->months >> d.month & 1)) {
            day -= d.day;
        } else {
            int found = day_matches(c, &d) ? minute_until(c, minute) : -1;
            if (found >= 0) {
                *ret = day * DAY + found * 60;
                return 0;
            }
            day--;
        }
        minute = 24 * 60 - 1;
    }
    return -ENOENT;
}

static int in_range(int64_t at, int64_t *ret)
{
    if (at < CIVIL_FIRST || at > CIVIL_LAST)
        return -ENOENT;
    *ret = at;
    return 0;
}

/* The instant of a fixed-hour tick. It never decreases while local increases. */
static int64_t instant_of(const struct zone *z, int64_t local)
{
    int64_t first, last;
    zone_to_unix(z, local, &first, &last);
    return first;
}

static int next_fixed(const struct cron *c, const struct zone *z, int64_t after, int64_t *ret)
{
    int64_t local = after + zone_offset(z, after);
    for (;;) {
        int r = cron_local_next(c, local + 1, &local);
        if (r < 0)
            return r;
        int64_t at = instant_of(z, local);
        if (at > after)
            return in_range(at, ret);
    }
}

static int next_wall(const struct cron *c, const struct zone *z, int64_t after, int64_t *ret)
{
    for (int64_t at = after + 1;;) {
        int64_t from, to, local;
        int64_t offset = zone_stretch(z, at, &from, &to);
        int r = cron_local_next(c, at + offset, &local);
        if (r < 0)
            return r;
        if (local - offset < to)
            return in_range(local - offset, ret);
        at = local - offset - NEAR > to ? local - offset - NEAR : to;
    }
}

int cron_next(const struct cron *c, const struct zone *z, int64_t after, int64_t *ret)
{
    if (after < CIVIL_FIRST || after > CIVIL_LAST)
        return -ERANGE;
    return c->every_hour ? next_wall(c, z, after, ret) : next_fixed(c, z, after, ret);
}

/* The latest local time whose first occurrence can be at or before `at`: shortly after the clock was turned
 * back, local times later than the present one have already occurred. */
static int64_t highest_local(const struct zone *z, int64_t at)
{
    int64_t from, to, high = INT64_MIN;
    for (int64_t t = at - NEAR; t <= at; t = to) {
        int64_t offset = zone_stretch(z, t, &from, &to);
        int64_t shown = (to <= at ? to - 1 : at) + offset;
        if (shown > high)
            high = shown;
        if (to == INT64_MAX)
            break;
    }
    return high;
}

static int prev_fixed(const struct cron *c, const struct zone *z, int64_t at, int64_t *ret)
{
    for (int64_t local = highest_local(z, at);; local--) {
        int r = cron_local_prev(c, local, &local);
        if (r < 0)
            return r;
        int64_t instant = instant_of(z, local);
        if (instant <= at)
            return in_range(instant, ret);
    }
}

static int prev_wall(const struct cron *c, const struct zone *z, int64_t at, int64_t *ret)
{
    for (;;) {
        int64_t from, to, local;
        int64_t offset = zone_stretch(z, at, &from, &to);
        int r = cron_local_prev(c, at + offset, &local);
        if (r < 0)
            return r;
        if (local - offset >= from)
            return in_range(local - offset, ret);
        at = local - offset + NEAR < from - 1 ? local - offset + NEAR : from - 1;
    }
}

int cron_prev(const struct cron *c, const struct zone *z, int64_t at, int64_t *ret)
{
    if (at < CIVIL_FIRST || at > CIVIL_LAST)
        return -ERANGE;
    return c->every_hour ? prev_wall(c, z, at, ret) : prev_fixed(c, z, at, ret);
}
