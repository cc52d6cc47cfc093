/* SPDX-License-Identifier: MIT
 * Checks a request before it is accepted: an http(s) URL without user information, plain http to loopback only, and
 * a method and headers that cannot smuggle a second request. The URL is parsed by libcurl's own parser, so the host
 * that is checked is the host that is connected to.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/http/client/internal.h"

#define URL_MAX (16 * 1024)

/* The client writes these itself, from the URL and the body. */
static const char *const own_headers[] = {"Host",       "Content-Length", "Transfer-Encoding", "Expect",
                                          "Connection", "Keep-Alive",     "Upgrade",           "TE",
                                          "Trailer"};

static void url_free_p(CURLU **url)
{
    curl_url_cleanup(*url);
}

static void curl_free_p(char **text)
{
    curl_free(*text);
}

static bool check_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    char bare[INET6_ADDRSTRLEN];
    size_t len = strlen(host);

    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (len < 3 || len - 2 >= sizeof bare || host[0] != '[')
        return false;
    memcpy(bare, host + 1, len - 2);
    bare[len - 2] = '\0';
    return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool has_part(CURLU *url, CURLUPart part)
{
    cleanup(curl_free_p) char *text = NULL;

    return curl_url_get(url, part, &text, 0) == CURLUE_OK;
}

static int check_url(const struct http_request *request, char **ret_origin, struct error *error)
{
    cleanup(url_free_p) CURLU *url = curl_url();
    cleanup(curl_free_p) char *scheme = NULL, *host = NULL, *port = NULL;

    if (!request->url || strlen(request->url) > URL_MAX)
        return error_set(error, -EINVAL, "the request has no URL, or one over %d bytes", URL_MAX);
    if (!url ||
        curl_url_set(url, CURLUPART_URL, request->url, CURLU_NON_SUPPORT_SCHEME | CURLU_PATH_AS_IS) != CURLUE_OK)
        return error_set(error, -EINVAL,
                         "the request's URL cannot be read; it should be like "
                         "https://host/path");
    if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        return error_set(error, -EINVAL, "the request's URL is neither https nor http");
    if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK || !*host)
        return error_set(error, -EINVAL, "the request's URL names no host");
    if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD))
        return error_set(error, -EINVAL,
                         "the request's URL to %s holds a user name or password; "
                         "give them in a header",
                         host);
    if (strcmp(scheme, "http") == 0 && !request->allow_insecure && !check_is_loopback(host))
        return error_set(error, -EINVAL,
                         "plain http to %s is refused; use https, or set "
                         "http.allow_insecure for this job",
                         host);
    *ret_origin = xasprintf("%s://%s:%s", scheme, host, port);
    return 0;
}

static bool is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c >= 127 || strchr("\"(),/:;<=>?@[\\]{}", c))
            return false;
    }
    return len > 0;
}

static bool is_own(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof own_headers / sizeof *own_headers; i++)
        if (strlen(own_headers[i]) == len && strncasecmp(own_headers[i], name, len) == 0)
            return true;
    return false;
}

static int check_header(const char *line, size_t *total, struct error *error)
{
    const char *colon = strchr(line, ':');

    if (!colon || !is_token(line, (size_t)(colon - line)))
        return error_set(error, -EINVAL, "a request header has no proper name");
    int name_len = (int)(colon - line);
    for (const unsigned char *c = (const unsigned char *)colon; *c; c++)
        if ((*c < ' ' && *c != '\t') || *c == 127)
            return error_set(error, -EINVAL, "the request header %.*s holds a control character", name_len, line);
    if (is_own(line, (size_t)name_len))
        return error_set(error, -EINVAL, "the request header %.*s is written by renewd itself", name_len, line);
    *total += strlen(line);
    if (*total > HTTP_HEADERS_MAX)
        return error_set(error, -EINVAL, "the request's headers are over %d bytes", HTTP_HEADERS_MAX);
    return 0;
}

int http_request_check(const struct http_request *request, char **ret_origin, struct error *error)
{
    const char *method = request->method;
    size_t total = 0;

    if (!method || !is_token(method, strlen(method)) || strlen(method) > 32 || strcasecmp(method, "CONNECT") == 0 ||
        strcasecmp(method, "TRACE") == 0)
        return error_set(error, -EINVAL, "the request's method is not one of HTTP's");
    if (request->body_len > 0 && !request->body)
        return error_set(error, -EINVAL, "the request's body is missing");
    for (const char *const *h = request->headers; h && *h; h++) {
        int r = check_header(*h, &total, error);
        if (r < 0)
            return r;
    }
    return check_url(request, ret_origin, error);
}
