/* SPDX-License-Identifier: MIT
 * Repairs received JSON in which a string is not valid text: NUL, invalid UTF-8, half a surrogate pair. A new token
 * must not be lost because another member is invalid, and an invalid string must not be used as a token.
 */
#ifndef CORE_JSON_JSON_MEND_H
#define CORE_JSON_JSON_MEND_H

#include "core/base/buf.h"

/* A copy of the same length in which every invalid byte is DEL, which no token holds; the caller wipes and frees
 * it. NULL: nothing was invalid. names gets the members that were changed, separated by ", ". */
char *json_mend(const char *text, size_t len, struct buf *names);

struct json_fault {
    char why[300];
};
/* Why json_parse returned r at that offset, and in which member: "the body is not JSON, at offset 7". */
struct json_fault json_fault(const char *what, const char *text, size_t len, int r, size_t offset);

#endif
