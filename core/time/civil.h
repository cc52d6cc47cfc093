/* SPDX-License-Identifier: MIT
 * Converts dates of the proleptic Gregorian calendar to seconds and back, in 64 bits and without the C library's
 * time zone. "Seconds" are Unix seconds, or seconds of local time counted in the same way.
 */
#ifndef CORE_TIME_CIVIL_H
#define CORE_TIME_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

/* The first second of year 1 and the last of year 9999: the range of the text forms. */
#define CIVIL_FIRST INT64_C(-62135596800)
#define CIVIL_LAST INT64_C(253402300799)

struct civil {
    int64_t year;
    int month, day; /* 1..12, 1..31 */
    int hour, minute, second;
    int weekday; /* 0 = Sunday; ignored by civil_seconds */
};

bool civil_leap(int64_t year);
int civil_month_days(int64_t year, int month);

/* Days since 1970-01-01; the year within +-10^12. */
int64_t civil_days(int64_t year, int month, int day);
void civil_from_seconds(int64_t seconds, struct civil *ret);
int64_t civil_seconds(const struct civil *c);

/* The day number and the second of the day, rounding down before 1970 too. */
int64_t civil_day_number(int64_t seconds);
int civil_second_of_day(int64_t seconds);

#endif
