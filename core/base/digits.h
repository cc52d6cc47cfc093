/* SPDX-License-Identifier: MIT
 * Reads plain digits from text, with limits: shared by durations, sizes, dates, cron and encodings. Writes a number.
 */
#ifndef CORE_BASE_DIGITS_H
#define CORE_BASE_DIGITS_H

#include <stdint.h>

/* Reads the digits at *text and moves past them. -EINVAL if there is none, -ERANGE past INT64_MAX. */
int digits_read(const char **text, int64_t *ret);

/* Reads exactly count (at most 9) digits and moves past them. -EINVAL when there are fewer. */
int digits_exact(const char **text, int count, int *ret);

/* 0 to 15, or -1. */
static inline int digit_hex(int c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

enum { DIGITS_SIZE = 24 };

/* What snprintf("%lld") writes, in a fraction of the time. */
void digits_of(int64_t number, char ret[DIGITS_SIZE]);

#endif
