/* SPDX-License-Identifier: MIT
 * Durations ("200ms", "10m", "7d") and sizes ("1g") as configuration writes them.
 */
#ifndef CORE_TIME_DURATION_H
#define CORE_TIME_DURATION_H

#include <stddef.h>
#include <stdint.h>

/* Digits and one unit: ms, s, m, h, d, w. Without a unit only "0". -EINVAL, or -ERANGE for more
 * milliseconds than fit. */
int duration_parse(const char *text, int64_t *ret_ms);

/* The shortest exact form in ms, s, m, h or d: 600000 -> "10m". -ENOBUFS when size is too small. */
int duration_format(int64_t ms, char *buf, size_t size);

/* Digits and one unit: b, k, m, g (powers of 1024, small or capital); without a unit only "0". */
int size_parse(const char *text, int64_t *ret_bytes);

#endif
