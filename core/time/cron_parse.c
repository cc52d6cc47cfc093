/* SPDX-License-Identifier: MIT
 * See cron.h: reading an expression.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/base/digits.h"
#include "core/time/cron.h"

#define FIELDS 5
#define FIELD_MAX 255

struct field {
    const char *name;
    int low, high;
    const char *const *names; /* the first one means low */
};

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const struct field fields[FIELDS] = {
    {"minute", 0, 59, NULL},          {"hour", 0, 23, NULL},
    {"day of month", 1, 31, NULL},    {"month", 1, 12, month_names},
    {"day of week", 0, 7, day_names},
};

static const struct {
    const char *name, *expr;
} shorthands[] = {
    {"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"},
};

static int cron_wrong(struct error *e, const char *expr, const struct field *f, const char *part, const char *why)
{
    return error_set(e, -EINVAL, "cron expression \"%.100s\": the %s field \"%.60s\" is wrong: %s", expr, f->name,
                     part, why);
}

/* A number or a name at *p. */
static int read_value(const char **p, const struct field *f, int *ret, const char **ret_why)
{
    if (isalpha((unsigned char)**p)) {
        size_t len = 0;
        while (isalpha((unsigned char)(*p)[len]))
            len++;
        for (int i = 0; f->names && f->names[i]; i++)
            if (len == 3 && strncasecmp(*p, f->names[i], 3) == 0) {
                *p += len;
                *ret = f->low + i;
                return 0;
            }
        *ret_why = f->names ? "that name is not known" : "a name is not allowed here";
        return -EINVAL;
    }
    int64_t value;
    int r = digits_read(p, &value);
    if (r == -EINVAL) {
        *ret_why = "a number is missing";
        return r;
    }
    if (r < 0 || value < f->low || value > f->high) {
        *ret_why = "a number is out of range";
        return -EINVAL;
    }
    *ret = (int)value;
    return 0;
}

static int read_step(const char **p, const struct field *f, int *ret, const char **ret_why)
{
    int64_t step;
    int most = f->high == 7 ? 7 : f->high - f->low + 1;
    (*p)++;
    if (digits_read(p, &step) < 0 || step < 1 || step > most) {
        *ret_why = "the step after / must be a number from 1 to the field's width";
        return -EINVAL;
    }
    *ret = (int)step;
    return 0;
}

/* One element of a list: star, a, a-b, each with /n. */
static int read_element(const char **p, const struct field *f, uint64_t *bits, const char **ret_why)
{
    int low = f->low, high = f->high, step = 1;
    bool star = **p == '*', range = false;
    if (star) {
        (*p)++;
        if (f->low == 0 && f->high == 7)
            high = 6;
    } else {
        if (read_value(p, f, &low, ret_why) < 0)
            return -EINVAL;
        range = **p == '-';
        if (range) {
            (*p)++;
            if (read_value(p, f, &high, ret_why) < 0)
                return -EINVAL;
        }
    }
    bool stepped = **p == '/';
    if (stepped && read_step(p, f, &step, ret_why) < 0)
        return -EINVAL;
    if (!star && !range)
        high = !stepped ? low : f->high == 7 && low < 7 ? 6 : f->high;
    if (high < low) {
        *ret_why = "a range ends before it begins";
        return -EINVAL;
    }
    for (int i = low; i <= high; i += step)
        *bits |= UINT64_C(1) << i;
    return 0;
}

static int read_field(const char *text, const struct field *f, uint64_t *ret, const char **ret_why)
{
    uint64_t bits = 0;
    for (const char *p = text;; p++) {
        if (read_element(&p, f, &bits, ret_why) < 0)
            return -EINVAL;
        if (*p == '\0')
            break;
        if (*p != ',') {
            *ret_why = "only numbers, names, * - / and , are allowed";
            return -EINVAL;
        }
    }
    *ret = bits;
    return 0;
}

/* Splits expr into its fields. Returns their number; those past the fifth are only counted. -E2BIG for a field
 * that is too long. */
static int cron_split(const char *expr, char parts[FIELDS][FIELD_MAX + 1])
{
    int count = 0;
    for (const char *p = expr; *(p += strspn(p, " \t")) != '\0'; count++) {
        size_t len = strcspn(p, " \t");
        if (len > FIELD_MAX)
            return -E2BIG;
        if (count < FIELDS) {
            memcpy(parts[count], p, len);
            parts[count][len] = '\0';
        }
        p += len;
    }
    return count;
}

static const char *cron_expand(const char *expr, struct error *e)
{
    if (*expr != '@')
        return expr;
    for (size_t i = 0; i < sizeof(shorthands) / sizeof(shorthands[0]); i++)
        if (strcasecmp(expr, shorthands[i].name) == 0)
            return shorthands[i].expr;
    error_set(e, -EINVAL,
              "cron expression \"%.100s\" is not known: use @hourly, @daily, @midnight, @weekly, "
              "@monthly, @yearly, @annually or five fields",
              expr);
    return NULL;
}

static int check_fires(const char *expr, const struct cron *c, struct error *e)
{
    int64_t any;
    if (cron_local_next(c, 0, &any) == 0)
        return 0;
    return error_set(e, -EINVAL,
                     "cron expression \"%.100s\" can never fire: the day of month field names "
                     "no day that its month field has",
                     expr);
}

int cron_parse(const char *expr, struct cron *ret, struct error *e)
{
    char parts[FIELDS][FIELD_MAX + 1];
    uint64_t bits[FIELDS];
    const char *text = cron_expand(expr, e);
    if (!text)
        return -EINVAL;
    int count = cron_split(text, parts);
    if (count == -E2BIG)
        return error_set(e, -EINVAL, "cron expression: a field is longer than %d bytes", FIELD_MAX);
    if (count != FIELDS)
        return error_set(e, -EINVAL,
                         "cron expression \"%.100s\" has %d fields instead of five (minute, hour, "
                         "day of month, month, day of week)",
                         expr, count);
    for (int i = 0; i < FIELDS; i++) {
        const char *why = NULL;
        if (read_field(parts[i], &fields[i], &bits[i], &why) < 0)
            return cron_wrong(e, expr, &fields[i], parts[i], why);
    }
    struct cron c = {
        .minutes = bits[0],
        .hours = (uint32_t)bits[1],
        .days = (uint32_t)bits[2],
        .months = (uint32_t)bits[3],
        .weekdays = (uint32_t)((bits[4] | bits[4] >> 7) & 0x7f),
        .day_star = parts[2][0] == '*',
        .weekday_star = parts[4][0] == '*',
        .every_hour = parts[1][0] == '*' || bits[1] == 0xffffff,
    };
    int r = check_fires(expr, &c, e);
    if (r == 0)
        *ret = c;
    return r;
}
