/* SPDX-License-Identifier: MIT
 * Splits the path of a request into segments and decodes each of them strictly. Used by core/api to find routes and
 * by the HTTP server for queries. Works on text only.
 */
#ifndef CORE_HTTP_PATH_H
#define CORE_HTTP_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Splits "/v1/jobs/a%20b" into its decoded segments ("v1", "jobs", "a b"); "/" has none, an empty segment ("//",
 * a final "/") is "". Returns their number, -E2BIG for more than max, -EINVAL for a path that does not begin
 * with "/", a bad escape, an escaped or raw NUL, an escaped "/", a "." or ".." segment however written, invalid
 * UTF-8. The segment at key_at (PATH_NO_KEY: none) is a key and may hold a percent-encoded "/" or dot. A key
 * that is "." or ".." is accepted only when all its dots are encoded, because HTTP clients remove such segments.
 * The strings are one allocation, which the caller frees through *ret_memory; after a failure the content of
 * segments is undefined. */
#define PATH_NO_KEY ((size_t)-1)
int path_split(const char *raw, size_t key_at, char *segments[], size_t max, char **ret_memory);

/* Decodes len bytes of raw into out (len + 1 bytes), with "+" as a blank when asked. Returns the length, or
 * -EINVAL for a bad escape, a NUL or invalid UTF-8. */
int path_decode(const char *raw, size_t len, bool plus_is_blank, char *out);

#endif
