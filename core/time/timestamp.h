/* SPDX-License-Identifier: MIT
 * Reads and writes points in time as text: ISO 8601 / RFC 3339 in the forms that applications store and providers
 * send, and the dates of HTTP. Whole seconds; a fraction is read and dropped.
 */
#ifndef CORE_TIME_TIMESTAMP_H
#define CORE_TIME_TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum timestamp_zone {
    ZONE_STYLE_NONE,  /* no zone: read and written as UTC */
    ZONE_STYLE_Z,     /* Z, or z as zone_letter says */
    ZONE_STYLE_HH,    /* +00 */
    ZONE_STYLE_HHMM,  /* +0000 */
    ZONE_STYLE_COLON, /* +00:00 */
};

/* The form of a text, so that another time can be written in the same form. */
struct timestamp_form {
    char separator;     /* 'T', 't' or ' ' */
    bool seconds;       /* whether there were any */
    char fraction_mark; /* '.' or ',' */
    int fraction;       /* digits after it; at most TIMESTAMP_FRACTION_MAX are remembered */
    char zone_letter;   /* 'Z' or 'z' */
    enum timestamp_zone zone;
};

#define TIMESTAMP_FRACTION_MAX 18
#define TIMESTAMP_SIZE 64 /* enough for every form */

/* YYYY-MM-DD, T or blank, HH:MM[:SS[.fraction]], [Z | +-HH | +-HHMM | +-HH:MM], years 0001..9999.
 * A leap second (23:59:60 UTC) reads as the second after it. ret_form may be NULL. -EINVAL for
 * anything else, -ERANGE when the zone carries it out of those years. */
int timestamp_parse(const char *text, int64_t *ret_unix, struct timestamp_form *ret_form);

/* Writes UTC in the given form: an offset zone becomes +00, +0000 or +00:00, a fraction zeros.
 * -ERANGE outside years 1..9999, -ENOBUFS when size is too small. */
int timestamp_format(int64_t unix_time, const struct timestamp_form *form, char *buf, size_t size);

/* 2026-11-21T14:00:00Z */
int timestamp_rfc3339(int64_t unix_time, char *buf, size_t size);

/* The three forms of RFC 9110 (IMF-fixdate, RFC 850, asctime). now resolves two-digit years: more than 50 years
 * ahead means the century before. The day's name is not compared with the date. */
int httpdate_parse(const char *text, int64_t now, int64_t *ret_unix);

/* Sat, 21 Nov 2026 14:00:00 GMT */
int httpdate_format(int64_t unix_time, char *buf, size_t size);

#endif
