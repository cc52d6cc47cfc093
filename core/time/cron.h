/* SPDX-License-Identifier: MIT
 * Five-field cron expressions as crontab(5) has them, in any time zone.
 *
 * minute hour day-of-month month day-of-week; lists, ranges, steps (asterisk/n, a-b/n, a/n = from a
 * to the end), names (jan, MON), Sunday as 0 and 7; @hourly @daily @midnight @weekly @monthly
 * @yearly @annually. If neither day field begins with an asterisk, a day matches when either does;
 * else both must.
 *
 * When a zone turns its clocks:
 * - A job at fixed hours runs exactly once: what falls into the skipped stretch fires at the first
 *   instant after it (several such ticks are one), and in the repeated stretch only the first
 *   occurrence fires.
 * - A job whose hour field begins with an asterisk (or names all 24 hours) follows the local time
 *   as it passes: it fires in both occurrences of a repeated hour and not in a skipped one.
 */
#ifndef CORE_TIME_CRON_H
#define CORE_TIME_CRON_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/time/zone.h"

/* Bit n set: n matches. Filled by cron_parse; only cron.c and cron_parse.c read it. */
struct cron {
    uint64_t minutes;
    uint32_t hours, days, months;
    uint32_t weekdays; /* 0 = Sunday */
    bool day_star, weekday_star;
    bool every_hour;
};

/* -EINVAL with a sentence that names the wrong field ("minute", "hour", "day of month", "month", "day of week").
 * An expression that can never fire (30 Feb) is refused. */
int cron_parse(const char *expr, struct cron *ret, struct error *e);

/* The first tick strictly after `after`. -ENOENT when there is none up to year 9999, -ERANGE for a
 * time outside years 1..9999. */
int cron_next(const struct cron *c, const struct zone *z, int64_t after, int64_t *ret);

/* The latest tick at or before `at`; errors as cron_next. */
int cron_prev(const struct cron *c, const struct zone *z, int64_t at, int64_t *ret);

/* For cron.c and cron_parse.c: the first matching minute of the wall clock at or after `local` (local seconds).
 * -ENOENT when 400 years hold none. */
int cron_local_next(const struct cron *c, int64_t local, int64_t *ret);

#endif
