/* SPDX-License-Identifier: MIT
 * See timestamp.h: the dates of HTTP.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/digits.h"
#include "core/time/civil.h"
#include "core/time/timestamp.h"

static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};

static int skip(const char **p, const char *text)
{
    size_t len = strlen(text);
    if (strncmp(*p, text, len) != 0)
        return -EINVAL;
    *p += len;
    return 0;
}

static int read_month(const char **p, int *ret)
{
    for (int i = 0; i < 12; i++)
        if (skip(p, month_names[i]) == 0) {
            *ret = i + 1;
            return 0;
        }
    return -EINVAL;
}

static int read_clock(const char **p, struct civil *c)
{
    if (digits_exact(p, 2, &c->hour) < 0 || skip(p, ":") < 0 || digits_exact(p, 2, &c->minute) < 0 ||
        skip(p, ":") < 0 || digits_exact(p, 2, &c->second) < 0)
        return -EINVAL;
    return c->hour > 23 || c->minute > 59 || c->second > 60 ? -EINVAL : 0;
}

/* " 21 Nov 2026 14:00:00 GMT" after "Sat," */
static int read_fixdate(const char *p, struct civil *c)
{
    int year;
    if (skip(&p, " ") < 0 || digits_exact(&p, 2, &c->day) < 0 || skip(&p, " ") < 0 ||
        read_month(&p, &c->month) < 0 || skip(&p, " ") < 0 || digits_exact(&p, 4, &year) < 0 || skip(&p, " ") < 0 ||
        read_clock(&p, c) < 0)
        return -EINVAL;
    c->year = year;
    return strcmp(p, " GMT") == 0 ? 0 : -EINVAL;
}

/* " 21-Nov-26 14:00:00 GMT" after "Saturday," */
static int read_rfc850(const char *p, struct civil *c, int64_t now)
{
    int year;
    if (skip(&p, " ") < 0 || digits_exact(&p, 2, &c->day) < 0 || skip(&p, "-") < 0 ||
        read_month(&p, &c->month) < 0 || skip(&p, "-") < 0 || digits_exact(&p, 2, &year) < 0 || skip(&p, " ") < 0 ||
        read_clock(&p, c) < 0 || strcmp(p, " GMT") != 0)
        return -EINVAL;
    struct civil today;
    civil_from_seconds(now, &today);
    c->year = today.year - today.year % 100 + year;
    if (c->year > today.year + 50)
        c->year -= 100;
    else if (c->year <= today.year - 50)
        c->year += 100;
    return 0;
}

/* " Nov  1 14:00:00 2026" after "Sun" */
static int read_asctime(const char *p, struct civil *c)
{
    int year;
    if (skip(&p, " ") < 0 || read_month(&p, &c->month) < 0 || skip(&p, " ") < 0)
        return -EINVAL;
    int width = *p == ' ' ? 1 : 2;
    if (*p == ' ')
        p++;
    if (digits_exact(&p, width, &c->day) < 0 || skip(&p, " ") < 0 || read_clock(&p, c) < 0 || skip(&p, " ") < 0 ||
        digits_exact(&p, 4, &year) < 0)
        return -EINVAL;
    c->year = year;
    return *p == '\0' ? 0 : -EINVAL;
}

static int read_any(const char *text, int64_t now, struct civil *c)
{
    for (int i = 0; i < 7; i++) {
        const char *p = text;
        if (skip(&p, day_names[i]) == 0 && *p == ',')
            return read_rfc850(p + 1, c, now);
        if (strncmp(text, day_names[i], 3) == 0)
            return text[3] == ',' ? read_fixdate(text + 4, c) : read_asctime(text + 3, c);
    }
    return -EINVAL;
}

int httpdate_parse(const char *text, int64_t now, int64_t *ret_unix)
{
    struct civil c = {0};
    if (!text || now < CIVIL_FIRST || now > CIVIL_LAST || read_any(text, now, &c) < 0)
        return -EINVAL;
    if (c.year < 1 || c.day < 1 || c.day > civil_month_days(c.year, c.month))
        return -EINVAL;
    int64_t at = civil_seconds(&c);
    if (c.second == 60 && civil_second_of_day(at) != 0)
        return -EINVAL;
    if (at > CIVIL_LAST)
        return -ERANGE;
    *ret_unix = at;
    return 0;
}

int httpdate_format(int64_t unix_time, char *buf, size_t size)
{
    if (unix_time < CIVIL_FIRST || unix_time > CIVIL_LAST)
        return -ERANGE;
    struct civil c;
    civil_from_seconds(unix_time, &c);
    int n = snprintf(buf, size, "%.3s, %02d %s %04d %02d:%02d:%02d GMT", day_names[c.weekday], c.day,
                     month_names[c.month - 1], (int)c.year, c.hour, c.minute, c.second);
    return n < 0 || (size_t)n >= size ? -ENOBUFS : 0;
}
