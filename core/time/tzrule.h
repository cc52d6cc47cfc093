/* SPDX-License-Identifier: MIT
 * The rule at the end of a TZif file ("CET-1CEST,M3.5.0,M10.5.0/3"), which holds for all times past the file's
 * table. Only zone.c uses it.
 */
#ifndef CORE_TIME_TZRULE_H
#define CORE_TIME_TZRULE_H

#include <stdbool.h>
#include <stdint.h>

struct tzrule_day {
    char kind;            /* 'M' month.week.weekday, 'J' 1..365 without leap day, 'N' 0..365 */
    int month, week, day; /* day: the weekday, or the number of kinds J and N */
    int seconds;          /* wall clock time of that day, -167 h .. 167 h */
};

struct tzrule {
    int standard, summer; /* seconds east of UTC */
    bool has_summer;
    struct tzrule_day begin, end; /* of summer time */
};

/* Parses len bytes of text. -EINVAL when it is not a rule. */
int tzrule_parse(const char *text, int len, struct tzrule *ret);

/* The period of one offset around unix_time, as zone_stretch. */
int64_t tzrule_stretch(const struct tzrule *r, int64_t unix_time, int64_t *ret_from, int64_t *ret_to);

#endif
