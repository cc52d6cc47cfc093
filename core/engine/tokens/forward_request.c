/* SPDX-License-Identifier: MIT
 * Builds a forwarded call: its URL, the headers and body that are passed on, and where the token is put; and
 * selects what of the answer is passed back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/redact.h"
#include "core/base/secret.h"
#include "core/engine/tokens/internal.h"
#include "core/http/headers.h"
#include "core/http/url.h"
#include "core/rules/token_endpoints.h"

enum { BODY_MAX = 1024 * 1024, TOKEN_ROOM = 64 * 1024, URL_MAX = 64 * 1024 };

static const char form_type[] = "application/x-www-form-urlencoded";

static void lines_done(struct lines *l)
{
    for (size_t i = 0; i < l->count; i++)
        wipe_free(l->list[i]);
    free(l->list);
}

static void lines_add(struct lines *l, char *text)
{
    l->list = xrealloc(l->list, (l->count + 2) * sizeof *l->list);
    l->list[l->count++] = text;
    l->list[l->count] = NULL;
}

static size_t name_len(const char *line)
{
    return strcspn(line, ":");
}

static bool is_header(const char *line, const char *name)
{
    return strlen(name) == name_len(line) && strncasecmp(line, name, strlen(name)) == 0;
}

/* The value of the first header of that name, or NULL. */
static const char *forward_request_value_of(const char *const *headers, const char *name)
{
    for (; headers && *headers; headers++)
        if (is_header(*headers, name)) {
            const char *value = *headers + strlen(name) + 1;
            return value + strspn(value, " \t");
        }
    return NULL;
}

static bool is_form(const char *type)
{
    size_t len = sizeof form_type - 1;
    return type && strncasecmp(type, form_type, len) == 0 && (!type[len] || strchr(" \t;", type[len]));
}

/* A query does not make it another endpoint. */
static bool same_url(const char *a, const char *b)
{
    size_t la = strcspn(a, "?#"), lb = strcspn(b, "?#");
    while (la && a[la - 1] == '/')
        la--;
    while (lb && b[lb - 1] == '/')
        lb--;
    return la == lb && strncasecmp(a, b, la) == 0;
}

/* The endpoint where the job itself refreshes: a URL among its settings ("token_url"). */
static bool is_setting(const struct job *j, const char *url)
{
    const struct renewd_plugin *d = plugin_descriptor(j->config->plugin);
    for (size_t i = 0; d->settings && d->settings[i]; i++) {
        const char *set =
            d->settings[i]->type == RENEWD_URL ? settings_text(j->config->settings, d->settings[i]->name) : NULL;
        if (set && same_url(set, url))
            return true;
    }
    return false;
}

static int forward_request_refuse(struct forward_answer *a, int status, const char *code, const char *why)
{
    *a = (struct forward_answer){.status = status, .code = code, .why = why};
    return status;
}

static int take_url(const struct job *j, const struct forward_call *c, struct forward_parts *p,
                    struct forward_answer *a)
{
    const char *why;
    if (!j->config->forward_allow)
        return forward_request_refuse(a, FORWARD_NOT_ALLOWED, "not_allowed",
                                      "the job forwards nothing: it has no forward.allow");
    int r = target_url(j->config->forward_allow, c->path, &p->url, &why);
    if (r == -EPERM)
        return forward_request_refuse(a, FORWARD_NOT_ALLOWED, "not_allowed", why);
    if (r < 0)
        return forward_request_refuse(a, FORWARD_BAD, "bad_path", why);
    if (endpoint_of_tokens(p->url) || is_setting(j, p->url))
        return forward_request_refuse(a, FORWARD_NOT_ALLOWED, "token_endpoint",
                                      "calls to the provider's token endpoints are not forwarded");
    return 0;
}

/* Name of the member in query or form that is reserved for the token. */
static const char *own_member(const struct job *j, int put)
{
    return j->config->forward_put == put ? j->config->forward_name : NULL;
}

static int forward_request_take_query(const struct job *j, const struct forward_call *c, struct forward_parts *p,
                                      struct forward_answer *a)
{
    if (target_query_check(c->query) < 0 ||
        target_members(c->query, strlen(c->query), own_member(j, FORWARD_QUERY), &p->query) < 0)
        return forward_request_refuse(
            a, FORWARD_BAD, "bad_query",
            "the query has a character that a URL may not have, or a name with a bad percent-escape");
    return 0;
}

static int forward_request_take_body(const struct job *j, const struct forward_call *c, struct forward_parts *p,
                                     struct forward_answer *a)
{
    const char *type = forward_request_value_of(c->headers, "Content-Type");
    bool head = strcmp(c->method, "HEAD") == 0;

    if (head && c->body_len)
        return forward_request_refuse(a, FORWARD_BAD, "bad_call", "a HEAD request carries no body");
    if (j->config->forward_put != FORWARD_FORM) {
        buf_append(&p->body, c->body, c->body_len);
        return 0;
    }
    bool none = c->body_len == 0 && !type && strcmp(c->method, "GET") != 0;
    if (head || (!none && !is_form(type)))
        return forward_request_refuse(
            a, FORWARD_TYPE, "not_a_form",
            "the job puts the token into the body of a form: send one, with Content-Type: "
            "application/x-www-form-urlencoded");
    p->form = none;
    if (target_members(c->body, c->body_len, own_member(j, FORWARD_FORM), &p->body) < 0)
        return forward_request_refuse(a, FORWARD_BAD, "bad_form", "the form has a name with a bad percent-escape");
    return 0;
}

static void forward_request_take_headers(const struct job *j, const struct forward_call *c, struct forward_parts *p)
{
    const char *connection = forward_request_value_of(c->headers, "Connection"),
               *own = own_member(j, FORWARD_HEADER);

    for (const char *const *h = c->headers; h && *h; h++)
        if (!hop_drops_request(*h, name_len(*h), connection) && !(own && is_header(*h, own)))
            lines_add(&p->headers, xstrdup(*h));
}

int forward_parts_of(const struct job *j, const struct forward_call *c, struct forward_parts *ret,
                     struct forward_answer *ret_refusal)
{
    *ret = (struct forward_parts){.method = xstrdup(c->method)};
    buf_init(&ret->query, URL_MAX);
    buf_init(&ret->body, BODY_MAX);
    int r = take_url(j, c, ret, ret_refusal);
    if (!r)
        r = forward_request_take_query(j, c, ret, ret_refusal);
    if (!r)
        r = forward_request_take_body(j, c, ret, ret_refusal);
    if (r) {
        forward_parts_done(ret);
        return r;
    }
    forward_request_take_headers(j, c, ret);
    return 0;
}

void forward_parts_done(struct forward_parts *p)
{
    free(p->method);
    free(p->url);
    buf_done(&p->query);
    buf_done(&p->body);
    lines_done(&p->headers);
    *p = (struct forward_parts){0};
}

/* ---- inserting the token ---- */

static int put_token(const struct job *j, const char *token, struct buf *query, struct forward_request *r)
{
    const char *name = j->config->forward_name;
    switch (j->config->forward_put) {
    case FORWARD_QUERY:
        return target_member(name, token, query);
    case FORWARD_FORM:
        return target_member(name, token, &r->body);
    case FORWARD_HEADER:
        lines_add(&r->headers, xasprintf("%s: %s", name, token));
        return 0;
    default:
        lines_add(&r->headers, xasprintf("Authorization: Bearer %s", token));
        return 0;
    }
}

int forward_request_of(const struct job *j, const struct forward_parts *p, const char *token,
                       struct forward_request *ret)
{
    cleanup(buf_done) struct buf query;

    *ret = (struct forward_request){0};
    buf_init(&query, URL_MAX + TOKEN_ROOM);
    buf_init(&ret->url, 2 * URL_MAX + TOKEN_ROOM);
    buf_init(&ret->body, BODY_MAX + TOKEN_ROOM);
    for (size_t i = 0; i < p->headers.count; i++)
        lines_add(&ret->headers, xstrdup(p->headers.list[i]));
    if (p->form)
        lines_add(&ret->headers, xasprintf("Content-Type: %s", form_type));
    buf_append(&query, p->query.data ? p->query.data : "", p->query.len);
    buf_append(&ret->body, p->body.data ? p->body.data : "", p->body.len);
    if (put_token(j, token, &query, ret) < 0 || buf_text(&ret->url, p->url) < 0 ||
        (query.len && (buf_char(&ret->url, '?') < 0 || buf_append(&ret->url, query.data, query.len) < 0)))
        return -ENOBUFS;
    ret->http = (struct http_request){
        .method = p->method,
        .url = ret->url.data,
        .headers = (const char *const *)ret->headers.list,
        .body = ret->body.len ? ret->body.data : NULL,
        .body_len = ret->body.len,
    };
    return 0;
}

void forward_request_done(struct forward_request *r)
{
    buf_done(&r->url);
    buf_done(&r->body);
    lines_done(&r->headers);
    *r = (struct forward_request){0};
}

/* ---- the answer ---- */

static void forward_request_take_line(const char *line, const struct redact *token, struct forward_reply *ret)
{
    char *copy = xstrdup(line);
    redact_bytes(token, copy, strlen(copy));
    if (!is_header(copy, "Content-Type")) {
        lines_add(&ret->headers, copy);
        return;
    }
    const char *value = strchr(copy, ':') + 1;
    free(ret->content_type);
    ret->content_type = xstrdup(value + strspn(value, " \t"));
    free(copy);
}

void forward_reply_of(const struct http_reply *from, const char *token, struct forward_reply *ret)
{
    const char *connection = http_reply_header(from, "Connection"), *end = from->headers + from->headers_len;

    *ret = (struct forward_reply){.body = xmalloc(from->body_len + 1)};
    memcpy(ret->body, from->body, from->body_len + 1);
    struct redact *known = redact_new();
    redact_add(known, token, strlen(token));
    redact_bytes(known, ret->body, from->body_len);
    for (const char *line = from->headers; line < end; line += strlen(line) + 1)
        if (strchr(line, ':') && !hop_drops_reply(line, name_len(line), connection))
            forward_request_take_line(line, known, ret);
    redact_free(known);
}

void forward_reply_done(struct forward_reply *r)
{
    free(r->body);
    free(r->content_type);
    lines_done(&r->headers);
    *r = (struct forward_reply){0};
}
