/* SPDX-License-Identifier: MIT
 * Reads plain digits from text, with limits. Shared by durations, sizes, dates and cron.
 */
#ifndef CORE_BASE_DIGITS_H
#define CORE_BASE_DIGITS_H

#include <stdint.h>

/* Reads the digits at *text and moves past them. -EINVAL if there is none, -ERANGE past INT64_MAX. */
int digits_read(const char **text, int64_t *ret);

/* Reads exactly count (at most 9) digits and moves past them. -EINVAL when there are fewer. */
int digits_exact(const char **text, int count, int *ret);

#endif
