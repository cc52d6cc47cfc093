/* SPDX-License-Identifier: MIT
 * The grammar of RFC 8259, checked before json-c builds a tree: json-c also takes NaN, -01, 1.,
 * single quotes, bare controls, overlong UTF-8, cuts names at \u0000 and rounds integers past 64
 * bits silently. Used by json.c alone.
 */
#ifndef CORE_JSON_JSON_SCAN_H
#define CORE_JSON_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct json_scan {
    const char *text;
    size_t len;
    size_t at; /* the scan's position; after a failure: the fault */
    unsigned depth;
    bool oversized; /* an integer past 64 bits was seen */
};

/* 0 when the whole text is one value. -EINVAL; -EFBIG: nested too deep; -EILSEQ: a string that is not text. */
int json_scan(struct json_scan *s);

/* True when the whole text is a number; ret_whole: it has neither fraction nor exponent. */
bool json_is_number(const char *text, size_t len, bool *ret_whole);

#endif
