/* SPDX-License-Identifier: MIT
 * See timestamp.h: the ISO 8601 half.
 */
#include "core/time/timestamp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/digits.h"
#include "core/time/civil.h"

static int expect(const char **p, char c)
{
    if (**p != c)
        return -EINVAL;
    (*p)++;
    return 0;
}

static int read_date(const char **p, struct civil *c)
{
    int year;
    if (digits_exact(p, 4, &year) < 0 || expect(p, '-') < 0 || digits_exact(p, 2, &c->month) < 0 ||
        expect(p, '-') < 0 || digits_exact(p, 2, &c->day) < 0)
        return -EINVAL;
    c->year = year;
    if (year < 1 || c->month < 1 || c->month > 12 || c->day < 1 || c->day > civil_month_days(year, c->month))
        return -EINVAL;
    return 0;
}

static int timestamp_read_time(const char **p, struct civil *c, struct timestamp_form *form)
{
    if (digits_exact(p, 2, &c->hour) < 0 || expect(p, ':') < 0 || digits_exact(p, 2, &c->minute) < 0 ||
        c->hour > 23 || c->minute > 59)
        return -EINVAL;
    if (**p != ':')
        return 0;
    (*p)++;
    form->seconds = true;
    if (digits_exact(p, 2, &c->second) < 0 || c->second > 60)
        return -EINVAL;
    if (**p != '.' && **p != ',')
        return 0;
    form->fraction_mark = *(*p)++;
    size_t digits = strspn(*p, "0123456789");
    if (digits == 0)
        return -EINVAL;
    form->fraction = digits > TIMESTAMP_FRACTION_MAX ? TIMESTAMP_FRACTION_MAX : (int)digits;
    *p += digits;
    return 0;
}

static int read_zone(const char **p, struct timestamp_form *form, int *ret_offset)
{
    int sign = **p == '-' ? -1 : 1, hours, minutes = 0;
    *ret_offset = 0;
    if (**p == '\0')
        return 0;
    if (**p == 'Z' || **p == 'z') {
        form->zone = ZONE_STYLE_Z;
        form->zone_letter = *(*p)++;
        return 0;
    }
    if (**p != '+' && **p != '-')
        return -EINVAL;
    (*p)++;
    if (digits_exact(p, 2, &hours) < 0)
        return -EINVAL;
    form->zone = ZONE_STYLE_HH;
    if (**p != '\0') {
        form->zone = **p == ':' ? ZONE_STYLE_COLON : ZONE_STYLE_HHMM;
        if (**p == ':')
            (*p)++;
        if (digits_exact(p, 2, &minutes) < 0)
            return -EINVAL;
    }
    if (hours > 23 || minutes > 59)
        return -EINVAL;
    *ret_offset = sign * (hours * 3600 + minutes * 60);
    return 0;
}

int timestamp_parse(const char *text, int64_t *ret_unix, struct timestamp_form *ret_form)
{
    struct timestamp_form form = {.fraction_mark = '.', .zone_letter = 'Z'};
    struct civil c = {0};
    int offset;
    if (!text || read_date(&text, &c) < 0)
        return -EINVAL;
    if (*text != 'T' && *text != 't' && *text != ' ')
        return -EINVAL;
    form.separator = *text++;
    if (timestamp_read_time(&text, &c, &form) < 0 || read_zone(&text, &form, &offset) < 0 || *text != '\0')
        return -EINVAL;
    int64_t at = civil_seconds(&c) - offset;
    if (c.second == 60 && civil_second_of_day(at) != 0)
        return -EINVAL;
    if (at < CIVIL_FIRST || at > CIVIL_LAST)
        return -ERANGE;
    *ret_unix = at;
    if (ret_form)
        *ret_form = form;
    return 0;
}

static const char *zone_text(const struct timestamp_form *form)
{
    switch (form->zone) {
    case ZONE_STYLE_Z:
        return form->zone_letter == 'z' ? "z" : "Z";
    case ZONE_STYLE_HH:
        return "+00";
    case ZONE_STYLE_HHMM:
        return "+0000";
    case ZONE_STYLE_COLON:
        return "+00:00";
    case ZONE_STYLE_NONE:
        break;
    }
    return "";
}

int timestamp_format(int64_t unix_time, const struct timestamp_form *form, char *buf, size_t size)
{
    static const char zeros[] = "000000000000000000";
    if (unix_time < CIVIL_FIRST || unix_time > CIVIL_LAST)
        return -ERANGE;
    struct civil c;
    civil_from_seconds(unix_time, &c);
    char seconds[8 + TIMESTAMP_FRACTION_MAX] = "";
    int fraction = form->fraction > TIMESTAMP_FRACTION_MAX ? TIMESTAMP_FRACTION_MAX : form->fraction;
    if (form->seconds && fraction > 0)
        snprintf(seconds, sizeof(seconds), ":%02d%c%.*s", c.second, form->fraction_mark, fraction, zeros);
    else if (form->seconds)
        snprintf(seconds, sizeof(seconds), ":%02d", c.second);
    int n = snprintf(buf, size, "%04d-%02d-%02d%c%02d:%02d%s%s", (int)c.year, c.month, c.day, form->separator,
                     c.hour, c.minute, seconds, zone_text(form));
    return n < 0 || (size_t)n >= size ? -ENOBUFS : 0;
}

int timestamp_rfc3339(int64_t unix_time, char *buf, size_t size)
{
    static const struct timestamp_form form = {.separator = 'T',
                                               .seconds = true,
                                               .zone_letter = 'Z',
                                               .zone = ZONE_STYLE_Z};
    return timestamp_format(unix_time, &form, buf, size);
}
