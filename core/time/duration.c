/* SPDX-License-Identifier: MIT
 * See duration.h.
 */
#include "core/time/duration.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/digits.h"

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {"w", 604800000}, {NULL, 0},
};

static const struct unit sizes[] = {
    {"b", 1},       {"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"B", 1},
    {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0},
};

static int parse(const char *text, const struct unit *units, int64_t *ret)
{
    int64_t value;
    int r = digits_read(&text, &value);
    if (r < 0)
        return r;
    if (*text == '\0' && value == 0) {
        *ret = 0;
        return 0;
    }
    for (; units->name; units++) {
        if (strcmp(text, units->name) != 0)
            continue;
        if (value > INT64_MAX / units->factor)
            return -ERANGE;
        *ret = value * units->factor;
        return 0;
    }
    return -EINVAL;
}

int duration_parse(const char *text, int64_t *ret_ms)
{
    return text ? parse(text, durations, ret_ms) : -EINVAL;
}

int size_parse(const char *text, int64_t *ret_bytes)
{
    return text ? parse(text, sizes, ret_bytes) : -EINVAL;
}

int duration_format(int64_t ms, char *buf, size_t size)
{
    const struct unit *best = &durations[ms == 0 ? 1 : 0];
    for (const struct unit *u = durations; ms != 0 && strcmp(u->name, "w") != 0; u++)
        if (ms % u->factor == 0)
            best = u;
    int n = snprintf(buf, size, "%" PRId64 "%s", ms / best->factor, best->name);
    return n < 0 || (size_t)n >= size ? -ENOBUFS : 0;
}
