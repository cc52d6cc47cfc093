/* SPDX-License-Identifier: MIT
 * Paths of requests: split raw, decoded per segment, strictly. Used by core/api to route and by the
 * HTTP server for queries. It reads text and nothing else.
 */
#ifndef CORE_HTTP_PATH_H
#define CORE_HTTP_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Splits "/v1/jobs/a%20b" into its decoded segments ("v1", "jobs", "a b"); "/" has none, an empty
 * segment ("//", a final "/") is "". Returns their number, -E2BIG for more than max, -EINVAL for a
 * path that does not begin with "/", a bad escape, an escaped or raw NUL, an escaped "/", a "." or
 * ".." segment however written, invalid UTF-8. The segment at key_at (PATH_NO_KEY: none) is a key, no step of a way: there
 * "/" and dots may be, percent-encoded; a "." or ".." only when no dot stands as it is, since callers take such steps away. The strings are one allocation, which the
 * caller frees through *ret_memory; after a failure segments holds nothing of use. */
#define PATH_NO_KEY ((size_t)-1)
int path_split(const char *raw, size_t key_at, char *segments[], size_t max, char **ret_memory);

/* Decodes len bytes of raw into out (len + 1 bytes), with "+" as a blank when asked. Returns the length, or
 * -EINVAL for a bad escape, a NUL or invalid UTF-8. */
int path_decode(const char *raw, size_t len, bool plus_is_blank, char *out);

#endif
