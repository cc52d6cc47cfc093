/* SPDX-License-Identifier: MIT
 * See headers.h.
 */
#include "core/http/headers.h"

#include <string.h>
#include <strings.h>

static const char *const hop_by_hop[] = {
    "Connection",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "HTTP2-Settings",
    "Content-Length", /* written anew */
    NULL,
};

/* Accept-Encoding is renewd's own matter: it reads the answer. */
static const char *const of_the_caller[] = {
    "Host", "Authorization", "Cookie", "Cookie2", "Expect", "Accept-Encoding", "Forwarded", "X-Real-IP", NULL,
};

/* The body is passed on decompressed, and what is said of the provider's host is not true of this one. */
static const char *const of_the_provider[] = {
    "Set-Cookie",
    "Set-Cookie2",
    "Content-Encoding",
    "Date",
    "Alt-Svc",
    "Strict-Transport-Security",
    "Clear-Site-Data",
    "Renewd-Error",
    NULL,
};

static bool header_is_one_of(const char *const *names, const char *name, size_t len)
{
    for (; *names; names++)
        if (strlen(*names) == len && strncasecmp(*names, name, len) == 0)
            return true;
    return false;
}

static bool begins(const char *name, size_t len, const char *with)
{
    size_t n = strlen(with);

    return len >= n && strncasecmp(name, with, n) == 0;
}

static bool header_is_named(const char *connection, const char *name, size_t len)
{
    for (const char *at = connection; at && *at;) {
        at += strspn(at, " \t,");
        size_t n = strcspn(at, " \t,");
        if (n == len && strncasecmp(at, name, len) == 0)
            return true;
        at += n;
    }
    return false;
}

static bool drops(const char *name, size_t len, const char *connection)
{
    return header_is_one_of(hop_by_hop, name, len) || begins(name, len, "Proxy-") ||
           header_is_named(connection, name, len);
}

bool hop_drops_request(const char *name, size_t len, const char *connection)
{
    return drops(name, len, connection) || header_is_one_of(of_the_caller, name, len) ||
           begins(name, len, "X-Forwarded-");
}

bool hop_drops_reply(const char *name, size_t len, const char *connection)
{
    return drops(name, len, connection) || header_is_one_of(of_the_provider, name, len);
}
