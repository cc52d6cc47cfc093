/* SPDX-License-Identifier: MIT
 * Refuses requests that a web page made a browser send. A page may have its own host name resolve to this machine,
 * so the host name of a request over TCP must be one of ours. A request from a page of another origin is refused,
 * except to a webhook, or to a function that was called with a key and returns no token. No browser calls over the
 * socket.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/api/compat/functions.h"
#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/crypto/crypto.h"

/* The name in "name:port", "[::1]:port", without its brackets and its last dot. The caller frees it. */
static char *name_in(const char *text)
{
    bool bracket = *text == '[';
    char *name = xstrndup(text + bracket, strcspn(text + bracket, bracket ? "]" : ":/"));
    size_t len = strlen(name);

    if (len > 1 && name[len - 1] == '.')
        name[len - 1] = '\0';
    return name;
}

static bool origin_is_loopback(const char *name)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, name, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, name, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* An address as host name leads to that address alone. A loopback listener accepts only loopback addresses. */
static bool is_own_number(const struct api *a, const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];
    cleanup(free_p) char *own = name_in(a->config->api_listen);

    if (inet_pton(AF_INET, name, address) != 1 && inet_pton(AF_INET6, name, address) != 1)
        return false;
    return !origin_is_loopback(own);
}

static bool origin_is_of(const char *url, const char *name)
{
    const char *at = url ? strstr(url, "://") : NULL;
    cleanup(free_p) char *host = at ? name_in(at + 3) : NULL;

    return host && strcasecmp(host, name) == 0;
}

static bool is_ours(const struct api *a, const char *name)
{
    if (origin_is_loopback(name) || strcasecmp(name, "localhost") == 0 || origin_is_of(a->config->public_url, name))
        return true;
    for (char **own = a->config->api_hosts; own && *own; own++)
        if (strcasecmp(*own, name) == 0)
            return true;
    return a->certificate && crypto_certificate_is_of(a->certificate, name);
}

static void origin_refuse(struct request *q, int status, const char *code, const char *text)
{
    if (strncmp(http_call_path(q->call), "/functions/", 11) == 0)
        function_error(q, status, text, NULL, NULL);
    else
        answer_error(q, status, code, "%s", text);
}

bool origin_host_fits(struct request *q)
{
    const char *host = q->tcp ? http_call_header(q->call, "Host") : NULL;
    cleanup(free_p) char *name = host ? name_in(host) : NULL;

    if (!name || is_own_number(q->api, name) || is_ours(q->api, name))
        return true;
    if (auth_throttle_may_log(q->api->door, REFUSED_HOST))
        log_line(LEVEL_WARNING,
                 "a call for an unknown host name was refused; if the name is right, add it to api.hosts or set "
                 "public_url in renewd.conf",
                 "host", name, NULL);
    origin_refuse(q, 421, "wrong_host",
                  "renewd does not answer to this host name; if it is right, add it to api.hosts or set "
                  "public_url in renewd.conf");
    return false;
}

static bool origin_is_foreign(const struct request *q, const char *origin)
{
    const char *at = origin ? strstr(origin, "://") : NULL;
    const char *site = http_call_header(q->call, "Sec-Fetch-Site");
    cleanup(free_p) char *name = at ? name_in(at + 3) : NULL;

    if (!origin)
        return site && strcmp(site, "cross-site") == 0;
    return !name || !is_ours(q->api, name);
}

bool origin_fits(struct request *q)
{
    if (!q->tcp || !origin_is_foreign(q, http_call_header(q->call, "Origin")))
        return true;
    origin_refuse(q, 403, "foreign_origin",
                  "a page of another origin may not call this; to allow it, add the page's host to "
                  "api.hosts in renewd.conf");
    return false;
}
