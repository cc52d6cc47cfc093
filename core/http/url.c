/* SPDX-License-Identifier: MIT
 * See url.h.
 */
#include "core/http/url.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/http/path.h"

enum { PATH_MAX_BYTES = 64 * 1024 };

static const char in_segments[] = "-._~!$&'()*+,;=:@", in_members[] = "-._~";

static int url_encode(const char *text, const char *plain, struct buf *to)
{
    int r = 0;

    for (const unsigned char *c = (const unsigned char *)text; *c && r == 0; c++)
        r = isalnum(*c) || strchr(plain, *c) ? buf_char(to, (char)*c) : buf_printf(to, "%%%02X", *c);
    return r;
}

/* True also for "..;x", which some servers read as "..". */
static bool url_is_dots(const char *segment)
{
    size_t len = strcspn(segment, ";");

    return (len == 1 || len == 2) && strspn(segment, ".") >= len;
}

static bool url_has_control(const char *segment)
{
    for (const unsigned char *c = (const unsigned char *)segment; *c; c++)
        if (*c < ' ' || *c == 127)
            return true;
    return false;
}

static bool has_escape(const char *segment)
{
    for (const char *at = segment; (at = strchr(at, '%')); at++)
        if (isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2]))
            return true;
    return false;
}

static const char *segment_wrong(const char *raw, size_t len, bool last, char *decoded)
{
    if (path_decode(raw, len, false, decoded) < 0)
        return "the path has a bad percent-escape, a NUL or bytes that are not UTF-8";
    if (!*decoded && !last)
        return "the path holds an empty segment";
    if (url_is_dots(decoded))
        return "the path holds a segment of dots";
    if (strpbrk(decoded, "/\\"))
        return "the path holds an escaped slash or a backslash";
    if (url_has_control(decoded))
        return "the path holds a control character";
    return has_escape(decoded) ? "the path is escaped twice" : NULL;
}

/* Checks each segment and writes it in canonical form, so that every spelling of a path gives the same text. */
static const char *canonical(const char *path, struct buf *to)
{
    cleanup(free_p) char *decoded = xmalloc(strlen(path) + 1);

    for (const char *at = path;; at++) {
        size_t len = strcspn(at, "/");
        bool last = at[len] == '\0';
        const char *wrong = segment_wrong(at, len, last, decoded);
        if (wrong)
            return wrong;
        if (url_encode(decoded, in_segments, to) < 0 || (!last && buf_char(to, '/') < 0))
            return "the path is too long";
        if (last)
            return NULL;
        at += len;
    }
}

static const char *authority_of(const char *url)
{
    return strstr(url, "://") + 3;
}

/* What follows the first "/" after the host; "" when there is none. */
static const char *path_of(const char *url)
{
    const char *authority = authority_of(url), *slash = strchr(authority, '/');

    return slash ? slash + 1 : authority + strlen(authority);
}

const char *target_prefix_wrong(const char *url)
{
    cleanup(buf_done) struct buf b;

    buf_init(&b, PATH_MAX_BYTES);
    if (strpbrk(authority_of(url), "?#"))
        return "it holds a query or a fragment";
    return canonical(path_of(url), &b);
}

/* The prefix as it is sent, ending in "/". */
static int put_prefix(const char *url, struct buf *to)
{
    const char *authority = authority_of(url), *path = path_of(url);
    size_t head = (size_t)(authority - url) + strcspn(authority, "/");

    if (buf_append(to, url, head) < 0 || buf_char(to, '/') < 0 || canonical(path, to))
        return -EINVAL;
    return to->data[to->len - 1] == '/' ? 0 : buf_char(to, '/');
}

/* True when the first segment is the prefix's host and the path is within the prefix. tail: canonical, without
 * the host. */
static bool lies_in(const char *url, const char *tail)
{
    cleanup(buf_done) struct buf b;

    buf_init(&b, PATH_MAX_BYTES);
    if (put_prefix(url, &b) < 0)
        return false;
    const char *path = path_of(b.data);
    size_t len = strlen(path);
    return strncmp(path, tail, len) == 0 ||
           (len > 0 && strlen(tail) == len - 1 && strncmp(path, tail, len - 1) == 0);
}

static bool has_host(const char *url, const char *host)
{
    const char *authority = authority_of(url);
    size_t len = strcspn(authority, "/");

    return strlen(host) == len && strncasecmp(authority, host, len) == 0;
}

static int url_of_one(const char *prefix, const char *path, struct buf *to)
{
    if (put_prefix(prefix, to) < 0)
        return -EINVAL;
    if (*path)
        return buf_text(to, path);
    if (prefix[strlen(prefix) - 1] != '/' && *path_of(prefix)) /* as it is written */
        to->data[--to->len] = '\0';
    return 0;
}

/* The host of a prefix as it is written, then what follows it. */
static int at_host(const char *prefix, const char *path, struct buf *to)
{
    const char *authority = authority_of(prefix);

    buf_append(to, prefix, (size_t)(authority - prefix) + strcspn(authority, "/"));
    buf_char(to, '/');
    return buf_text(to, path);
}

/* The path begins with a host. */
static int url_by_host(char *const *prefixes, const char *raw, const char *path, struct buf *to)
{
    size_t head = strcspn(raw, "/");
    cleanup(free_p) char *host = xmalloc(head + 1);
    const char *slash = strchr(path, '/'), *tail = slash ? slash + 1 : "";

    if (path_decode(raw, head, false, host) < 0)
        return -EINVAL;
    for (; *prefixes; prefixes++)
        if (has_host(*prefixes, host) && lies_in(*prefixes, tail))
            return at_host(*prefixes, tail, to);
    return -EPERM;
}

/* True when the path is within the path of a prefix. A prefix without a path never matches: a path that was
 * meant for another host would be sent to its host. */
static int url_by_path(char *const *prefixes, const char *path, struct buf *to)
{
    for (; *prefixes; prefixes++)
        if (*path_of(*prefixes) && lies_in(*prefixes, path))
            return at_host(*prefixes, path, to);
    return -EPERM;
}

int target_url(char *const *prefixes, const char *path, char **ret_url, const char **ret_why)
{
    cleanup(buf_done) struct buf clean, url;

    buf_init(&clean, PATH_MAX_BYTES);
    buf_init(&url, PATH_MAX_BYTES);
    *ret_why = canonical(path, &clean);
    if (*ret_why)
        return -EINVAL;
    const char *text = clean.data ? clean.data : "";
    int r = url_by_host(prefixes, path, text, &url);
    if (r == -EPERM && *text)
        r = url_by_path(prefixes, text, &url);
    if (r == -EPERM && !prefixes[1])
        r = url_of_one(prefixes[0], text, &url);
    if (r == -EPERM)
        *ret_why =
            "the path is in none of the addresses of the job's forward.allow: begin it with the path of one, or with "
            "its host and path";
    else if (r < 0)
        *ret_why = "the path is too long";
    else
        *ret_url = buf_steal(&url);
    return r == -EPERM ? r : r < 0 ? -EINVAL : 0;
}

int target_members(const char *text, size_t len, const char *name, struct buf *to)
{
    cleanup(free_p) char *decoded = xmalloc(len + 1);
    const char *end = text + len;

    for (const char *at = text; at < end;) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        size_t whole = (size_t)((next ? next : end) - at);
        const char *equals = memchr(at, '=', whole);
        if (path_decode(at, equals ? (size_t)(equals - at) : whole, true, decoded) < 0)
            return -EINVAL;
        if (whole && !(name && strcmp(decoded, name) == 0) &&
            ((to->len && buf_char(to, '&') < 0) || buf_append(to, at, whole) < 0))
            return -ENOBUFS;
        at += whole + 1;
    }
    return 0;
}

int target_member(const char *name, const char *value, struct buf *to)
{
    if ((to->len && buf_char(to, '&') < 0) || url_encode(name, in_members, to) < 0 || buf_char(to, '=') < 0)
        return -ENOBUFS;
    return url_encode(value, in_members, to);
}

int target_query_check(const char *query)
{
    for (const unsigned char *c = (const unsigned char *)query; *c; c++)
        if (*c <= ' ' || *c >= 127 || *c == '#')
            return -EINVAL;
    return 0;
}
