/* SPDX-License-Identifier: MIT
 * Where a forwarded call goes: the URL that follows from what the caller wrote and from the prefixes that are
 * allowed. No path leaves its prefix and no text reaches another host, however it is escaped. It reads text and
 * nothing else.
 */
#ifndef CORE_HTTP_URL_H
#define CORE_HTTP_URL_H

#include <stddef.h>

struct buf;

/* What is wrong with the path of an allowed URL ("https://host/v1"), or NULL. Its
 * scheme and host are in order. */
const char *target_prefix_wrong(const char *url);

/* The URL of a call, without query, malloc'd. prefixes: NULL-terminated, none of them wrong. path: as it came,
 * escapes and all, without the "/" before it.
 * A path that begins with the host (and port) of a prefix and goes on with a path that lies in it is that URL; one
 * that lies in the path of a prefix is that path at its host, the first such prefix; any other is appended where
 * there is one prefix alone.
 * -EINVAL: an empty segment before the last, "." or "..", a slash, backslash or control character however
 * escaped, a bad escape, one that is escaped twice, what is not UTF-8. -EPERM: no prefix has it. *ret_why is
 * then the reason, a constant. */
int target_url(char *const *prefixes, const char *path, char **ret_url, const char **ret_why);

/* Appends the members of a query or form ("a=1&b=2") but those of that name, decoded; name may be NULL. They stay
 * as they were written. -EINVAL: one whose name cannot be decoded, -ENOBUFS. */
int target_members(const char *text, size_t len, const char *name, struct buf *to);
/* Appends one member, encoded, after a "&" where something stands before it. */
int target_member(const char *name, const char *value, struct buf *to);
/* Whether a query has nothing that ends it, or that a URL cannot hold. */
int target_query_check(const char *query);

#endif
