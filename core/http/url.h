/* SPDX-License-Identifier: MIT
 * The URL of a forwarded call, from the path that the caller sent and the allowed prefixes. No path can leave its
 * prefix and no text can reach another host, however it is escaped. Works on text only.
 */
#ifndef CORE_HTTP_URL_H
#define CORE_HTTP_URL_H

#include <stddef.h>

struct buf;

/* What is wrong with the path of an allowed URL ("https://host/v1"), or NULL. Its scheme and host were checked
 * before. */
const char *target_prefix_wrong(const char *url);

/* The URL of a call, without query, malloc'd. prefixes: NULL-terminated, all checked. path: as received, not
 * decoded, without the "/" before it. If the path begins with the host (and port) of a prefix and continues with
 * a path within it, the result is that URL. If it is within the path of a prefix, the result is that path at the
 * host of the first such prefix. Any other path is appended to the prefix if there is only one. -EINVAL: an
 * empty segment before the last, "." or "..", a slash, backslash or control character however escaped, a bad
 * escape, one that is escaped twice, what is not UTF-8. -EPERM: no prefix has it. *ret_why is then the reason, a
 * constant. */
int target_url(char *const *prefixes, const char *path, char **ret_url, const char **ret_why);

/* Appends the members of a query or form ("a=1&b=2") except those whose decoded name is `name`, which may be
 * NULL. They are copied unchanged. -EINVAL: a name cannot be decoded; -ENOBUFS. */
int target_members(const char *text, size_t len, const char *name, struct buf *to);
/* Appends one member, encoded, with a "&" before it unless the buffer is empty. */
int target_member(const char *name, const char *value, struct buf *to);
/* Whether a query holds no character that would end it or that a URL cannot hold. */
int target_query_check(const char *query);

#endif
