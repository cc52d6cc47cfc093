/* SPDX-License-Identifier: MIT
 * See tzrule.h. The form of zone names is checked; they are not stored.
 */
#include "core/time/tzrule.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "core/base/digits.h"
#include "core/time/civil.h"

#define TEXT_MAX 127

static int skip_name(const char **p)
{
    const char *s = *p;
    if (*s == '<') {
        s += strcspn(s, ">");
        if (*s != '>')
            return -EINVAL;
        *p = s + 1;
        return 0;
    }
    while (isalpha((unsigned char)*s))
        s++;
    if (s - *p < 3)
        return -EINVAL;
    *p = s;
    return 0;
}

/* [+-]h[hh][:mm[:ss]] */
static int tzrule_read_time(const char **p, int max_hours, int *ret)
{
    int sign = 1, total = 0;
    if (**p == '+' || **p == '-')
        sign = *(*p)++ == '-' ? -1 : 1;
    for (int unit = 3600; unit > 0; unit /= 60) {
        int64_t value;
        if (digits_read(p, &value) < 0 || value > (unit == 3600 ? max_hours : 59))
            return -EINVAL;
        total += (int)value * unit;
        if (**p != ':' || unit == 1)
            break;
        (*p)++;
    }
    *ret = sign * total;
    return 0;
}

static int read_number(const char **p, int low, int high, int *ret)
{
    int64_t value;
    if (digits_read(p, &value) < 0 || value < low || value > high)
        return -EINVAL;
    *ret = (int)value;
    return 0;
}

static int read_day(const char **p, struct tzrule_day *d)
{
    int r;
    if (**p == 'M') {
        d->kind = *(*p)++;
        if (read_number(p, 1, 12, &d->month) < 0 || *(*p)++ != '.' || read_number(p, 1, 5, &d->week) < 0 ||
            *(*p)++ != '.')
            return -EINVAL;
        r = read_number(p, 0, 6, &d->day);
    } else if (**p == 'J') {
        d->kind = *(*p)++;
        r = read_number(p, 1, 365, &d->day);
    } else {
        d->kind = 'N';
        r = read_number(p, 0, 365, &d->day);
    }
    d->seconds = 7200;
    if (r == 0 && **p == '/') {
        (*p)++;
        r = tzrule_read_time(p, 167, &d->seconds);
    }
    return r;
}

static int read_summer(const char *p, struct tzrule *rule)
{
    if (skip_name(&p) < 0)
        return -EINVAL;
    rule->has_summer = true;
    rule->summer = rule->standard + 3600;
    if (*p != ',' && *p != '\0') {
        if (tzrule_read_time(&p, 24, &rule->summer) < 0)
            return -EINVAL;
        rule->summer = -rule->summer;
    }
    const char *dates = *p == '\0' ? ",M3.2.0,M11.1.0" : p;
    if (*dates++ != ',' || read_day(&dates, &rule->begin) < 0 || *dates++ != ',' ||
        read_day(&dates, &rule->end) < 0)
        return -EINVAL;
    return *dates == '\0' ? 0 : -EINVAL;
}

int tzrule_parse(const char *text, int len, struct tzrule *ret)
{
    char copy[TEXT_MAX + 1];
    if (len <= 0 || len > TEXT_MAX)
        return -EINVAL;
    memcpy(copy, text, (size_t)len);
    copy[len] = '\0';
    const char *p = copy;
    struct tzrule rule = {0};
    if (skip_name(&p) < 0 || tzrule_read_time(&p, 24, &rule.standard) < 0)
        return -EINVAL;
    rule.standard = -rule.standard;
    if (*p != '\0' && read_summer(p, &rule) < 0)
        return -EINVAL;
    *ret = rule;
    return 0;
}

/* The local seconds of the change in that year. */
static int64_t local_of(const struct tzrule_day *d, int64_t year)
{
    int64_t days;
    if (d->kind == 'M') {
        int64_t first = civil_days(year, d->month, 1);
        int weekday = (int)((first % 7 + 11) % 7);
        int day = (d->day - weekday + 7) % 7 + (d->week - 1) * 7;
        if (day >= civil_month_days(year, d->month))
            day -= 7;
        days = first + day;
    } else {
        days = civil_days(year, 1, 1) + d->day;
        if (d->kind == 'J')
            days -= !(civil_leap(year) && d->day >= 60);
    }
    return days * 86400 + d->seconds;
}

int64_t tzrule_stretch(const struct tzrule *r, int64_t unix_time, int64_t *ret_from, int64_t *ret_to)
{
    int64_t from = INT64_MIN, to = INT64_MAX, offset = r->standard;
    if (r->has_summer) {
        struct civil c;
        civil_from_seconds(unix_time, &c);
        for (int64_t year = c.year - 2; year <= c.year + 2; year++) {
            int64_t change[2] = {local_of(&r->begin, year) - r->standard, local_of(&r->end, year) - r->summer};
            for (int i = 0; i < 2; i++) {
                if (change[i] <= unix_time && change[i] >= from) {
                    from = change[i];
                    offset = i == 0 ? r->summer : r->standard;
                }
                if (change[i] > unix_time && change[i] < to)
                    to = change[i];
            }
        }
    }
    *ret_from = from;
    *ret_to = to;
    return offset;
}
