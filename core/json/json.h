/* SPDX-License-Identifier: MIT
 * Reading JSON documents by path, over json-c. Used for replies of providers, requests of the API and by plugins
 * through the service table. Strict RFC 8259 within limits: 1 MiB, 32 levels, valid UTF-8, no NUL in names; of
 * duplicate names the last wins. The content of a document is wiped when it is freed.
 *
 * Paths: "a.b.0.c"; a segment is a member's name or, in an array, an index. A backslash takes the next character
 * literally ("a\\.b" is one name with a dot). "" is the document itself.
 */
#ifndef CORE_JSON_JSON_H
#define CORE_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/json/json_writer.h"

struct json;

enum { JSON_TEXT_MAX = 1024 * 1024, JSON_DEPTH_MAX = 32 };

enum json_kind {
    JSON_ABSENT,
    JSON_NULL,
    JSON_BOOL,
    JSON_INTEGER, /* digits alone, of any length */
    JSON_NUMBER,  /* with a fraction or an exponent */
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

/* What json_integer returns when it has a value. */
enum json_exact {
    JSON_AS_IS = 0,     /* an integer within +-2^53 */
    JSON_FROM_TEXT = 1, /* an integer written as a string: "3600" */
    JSON_TRUNCATED = 2, /* a fraction or an exponent, also in a string; rounded towards zero */
    JSON_BEYOND_53 = 3, /* past +-2^53; exact here, other parsers may have rounded it */
};

/* -EINVAL: not JSON; -EFBIG: too long or too deep; -EILSEQ: a string that is not text: invalid UTF-8 or half a
 * surrogate pair (json_mend.h says in which member). On failure ret_offset (may be NULL) gets the offset of the
 * fault. The text is not needed afterwards. */
int json_parse(const char *text, size_t len, struct json **ret_doc, size_t *ret_offset);
/* The same for a text of more than JSON_TEXT_MAX bytes. */
int json_parse_up_to(const char *text, size_t len, size_t max, struct json **ret_doc, size_t *ret_offset);
void json_free(struct json *doc);
void json_free_p(struct json **doc);

enum json_kind json_kind(const struct json *doc, const char *path);

/* All readers: -ENOENT absent, -ENODATA null, -EINVAL another type. */

/* Valid as long as the document. With ret_len NULL a text that holds a NUL is -EILSEQ. */
int json_text(const struct json *doc, const char *path, const char **ret_text, size_t *ret_len);
/* One of enum json_exact, or -ERANGE beyond int64; a string that is no number is -EINVAL. */
int json_integer(const struct json *doc, const char *path, int64_t *ret_value);
/* A number, or a string that holds one, exactly as it was written; malloc'd. For ids past 2^53. -ERANGE for a
 * bare integer from 2^64 - 1 upwards or from -2^63 downwards, which json-c cannot store. */
int json_digits(const struct json *doc, const char *path, char **ret_digits);
int json_boolean(const struct json *doc, const char *path, bool *ret_value);
int json_array_length(const struct json *doc, const char *path, size_t *ret_length);
/* The index-th member's name of the object at path, in the order of the text; false past the end
 * and where there is no object. Names may hold dots: see json_path_escape. */
bool json_member(const struct json *doc, const char *path, size_t index, const char **ret_name);
/* The value at path as JSON text, malloc'd; the caller wipes it (wipe_free) where it may hold secrets. -ERANGE
 * when it holds an integer that json_digits cannot return either. */
int json_raw(const struct json *doc, const char *path, char **ret_text);
/* A name as one path segment, malloc'd: dots and backslashes escaped. */
char *json_path_escape(const char *name);

#endif
