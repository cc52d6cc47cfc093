/* SPDX-License-Identifier: MIT
 * See digits.h.
 */
#include "core/base/digits.h"

#include <errno.h>
#include <string.h>

int digits_read(const char **text, int64_t *ret)
{
    const char *p = *text;
    int64_t value = 0;
    if (*p < '0' || *p > '9')
        return -EINVAL;
    for (; *p >= '0' && *p <= '9'; p++) {
        int digit = *p - '0';
        if (value > (INT64_MAX - digit) / 10)
            return -ERANGE;
        value = value * 10 + digit;
    }
    *text = p;
    *ret = value;
    return 0;
}

int digits_exact(const char **text, int count, int *ret)
{
    const char *p = *text;
    int value = 0;
    for (int i = 0; i < count; i++, p++) {
        if (*p < '0' || *p > '9')
            return -EINVAL;
        value = value * 10 + (*p - '0');
    }
    *text = p;
    *ret = value;
    return 0;
}

void digits_of(int64_t number, char ret[DIGITS_SIZE])
{
    char text[DIGITS_SIZE];
    size_t at = sizeof(text) - 1;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;

    text[at] = '\0';
    do {
        text[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (number < 0)
        text[--at] = '-';
    memcpy(ret, text + at, sizeof(text) - at);
}
