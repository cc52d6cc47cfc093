/* SPDX-License-Identifier: MIT
 * The HTTP request that a plugin builds. Every part is limited and checked against the rules of HTTP, so that no
 * plugin can smuggle a second request into the first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/base/secret.h"
#include "core/plugin/call.h"

enum { URL_MAX = 16384, HEADERS_MAX = 32, HEADER_MAX = 16384, METHOD_MAX = 16 };

struct renewd_request {
    struct renewd_call *call; /* only while it runs */
    char method[METHOD_MAX + 1];
    struct buf url, body;
    bool has_query, has_form, has_body, has_type;
    char *headers[HEADERS_MAX + 2]; /* one more for Content-Type, one for the end */
    size_t header_count;
};

void request_free(struct renewd_request *r)
{
    if (!r)
        return;
    buf_done(&r->url);
    buf_done(&r->body);
    for (size_t i = 0; i < r->header_count; i++)
        wipe_free(r->headers[i]);
    free(r);
}

static bool unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

static void append_encoded(struct buf *to, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (unreserved(*p))
            buf_char(to, (char)*p);
        else
            buf_printf(to, "%%%02X", *p);
    }
}

static void append_pair(struct buf *to, const char *name, const char *value)
{
    append_encoded(to, name);
    buf_char(to, '=');
    append_encoded(to, value ? value : "");
}

static void request_set_method(struct renewd_request *r, const char *method)
{
    size_t len = method ? strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") : 0;

    if (len == 0 || len > METHOD_MAX || method[len])
        call_break(r->call, "used a method that HTTP does not have");
    else
        memcpy(r->method, method, len + 1);
}

static void set_url(struct renewd_request *r, const char *url)
{
    if (!url || (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)) {
        call_break(r->call, "asked for a URL that does not begin with https:// or http://");
        return;
    }
    for (const char *p = url; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '#' || *p == '\\') {
            call_break(r->call, "asked for a URL with a character that must be encoded");
            return;
        }
    if (buf_text(&r->url, url) < 0)
        call_break(r->call, "asked for a URL of more than 16 KiB");
    r->has_query = strchr(url, '?') != NULL;
}

struct renewd_request *service_request(struct renewd_call *c, const char *method, const char *url)
{
    if (c->request) {
        call_break(c, "made two requests; each step may make one");
        return c->request;
    }
    struct renewd_request *r = xcalloc(1, sizeof(*r));
    r->call = c;
    buf_init(&r->url, URL_MAX);
    buf_init(&r->body, c->body_max);
    c->request = r;
    if (!c->may_request)
        call_break(c, "made a request; only refresh and send_events may");
    request_set_method(r, method);
    set_url(r, url);
    return r;
}

void service_query(struct renewd_request *r, const char *name, const char *value)
{
    if (!name) {
        call_break(r->call, "gave a query member no name");
        return;
    }
    buf_char(&r->url, r->has_query ? '&' : '?');
    r->has_query = true;
    append_pair(&r->url, name, value);
    if (r->url.failed)
        call_break(r->call, "asked for a URL of more than 16 KiB");
}

static bool header_name_valid(const char *name)
{
    size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                              "!#$%&'*+-.^_`|~");
    return len > 0 && !name[len];
}

static bool header_value_valid(const char *value)
{
    for (const unsigned char *p = (const unsigned char *)value; *p; p++)
        if ((*p < ' ' && *p != '\t') || *p == 0x7f)
            return false;
    return true;
}

/* renewd itself sets the headers that decide where a request ends. */
static bool header_ours(const char *name)
{
    static const char *const ours[] = {"Host",       "Content-Length", "Transfer-Encoding",
                                       "Connection", "Expect",         "Upgrade",
                                       "TE",         "Trailer",        "Accept-Encoding"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (strcasecmp(ours[i], name) == 0)
            return true;
    return false;
}

void service_header(struct renewd_request *r, const char *name, const char *value)
{
    if (!name || !header_name_valid(name)) {
        call_break(r->call, "set a header whose name HTTP does not allow");
    } else if (!value || !header_value_valid(value)) {
        call_break(r->call, "set the header %.60s to a value with a line break or control", name);
    } else if (header_ours(name)) {
        call_break(r->call, "set the header %.60s, which renewd sets itself", name);
    } else if (r->header_count >= HEADERS_MAX || strlen(name) + strlen(value) > HEADER_MAX) {
        call_break(r->call, "set more than %d headers, or one of more than 16 KiB", HEADERS_MAX);
    } else {
        r->headers[r->header_count++] = xasprintf("%s: %s", name, value);
        r->has_type = r->has_type || strcasecmp(name, "Content-Type") == 0;
    }
}

void service_form(struct renewd_request *r, const char *name, const char *value)
{
    if (!name || r->has_body) {
        call_break(r->call, name ? "gave a request both a form and a body" : "gave a form member no name");
        return;
    }
    if (r->has_form)
        buf_char(&r->body, '&');
    r->has_form = true;
    append_pair(&r->body, name, value);
    if (r->body.failed)
        call_break(r->call, "made a request of more than %zu MiB", r->call->body_max >> 20);
}

static void add_type(struct renewd_request *r, const char *type)
{
    if (!r->has_type && r->header_count <= HEADERS_MAX)
        r->headers[r->header_count++] = xasprintf("Content-Type: %s", type);
    r->has_type = true;
}

void service_body(struct renewd_request *r, const char *content_type, const void *bytes, size_t len)
{
    if (r->has_form || r->has_body) {
        call_break(r->call, "gave a request two bodies");
        return;
    }
    r->has_body = true;
    if (content_type && !header_value_valid(content_type))
        call_break(r->call, "gave a body a content type with a line break or control");
    else if (content_type)
        add_type(r, content_type);
    if (buf_append(&r->body, bytes ? bytes : "", bytes ? len : 0) < 0)
        call_break(r->call, "made a request of more than %zu MiB", r->call->body_max >> 20);
}

const void *service_request_bytes(struct renewd_request *r, size_t *ret_len)
{
    *ret_len = r->body.len;
    return r->body.data ? r->body.data : "";
}

void request_fill(struct renewd_request *r, struct http_request *ret)
{
    r->call = NULL;
    if (r->has_form)
        add_type(r, "application/x-www-form-urlencoded");
    *ret = (struct http_request){.method = r->method, .url = r->url.data};
    ret->headers = (const char *const *)r->headers;
    if (r->has_form || r->has_body) {
        ret->body = r->body.data;
        ret->body_len = r->body.len;
    }
}

const char *service_percent_encode(struct renewd_call *c, const char *text)
{
    struct buf b;
    const char *encoded = "";

    buf_init(&b, CALL_MEMORY);
    buf_text(&b, "");
    append_encoded(&b, text ? text : "");
    if (b.failed)
        call_break(c, "used more than 1 MiB of memory");
    else
        encoded = call_text(c, b.data, b.len);
    buf_done(&b);
    return encoded;
}
