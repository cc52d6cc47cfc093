/* SPDX-License-Identifier: MIT
 * JSON of others in which some text is none: NUL, bytes that are no UTF-8, half a surrogate pair. A new token must
 * not be lost over such a member beside it, and one that was hit must not be taken for a token.
 */
#ifndef CORE_JSON_JSON_MEND_H
#define CORE_JSON_JSON_MEND_H

#include "core/base/buf.h"

/* A copy of the same length in which all that is no text is DEL, which no token holds; it is wiped and freed by the
 * caller. NULL: there was nothing of the kind. names gets the members that were hit, with ", " between. */
char *json_mend(const char *text, size_t len, struct buf *names);

struct json_fault {
    char why[300];
};
/* Why json_parse gave r at that offset, and in which member: "the body is not JSON, at offset 7". */
struct json_fault json_fault(const char *what, const char *text, size_t len, int r, size_t offset);

#endif
