/* SPDX-License-Identifier: MIT
 * One incoming call: the getters for its request, and its reply.
 */
#include "config.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "core/base/alloc.h"
#include "core/http/path.h"
#include "core/http/server/internal.h"

#define BODY_MAX (1024 * 1024)
#define KEPT_MAX 256U /* connections that are kept open for a next request */

static const char no_room[] =
    "{\"error\":{\"code\":\"too_many\",\"message\":\"too many large answers wait to be read; what "
    "was asked for is done, its answer is lost\"}}\n";

/* Precedes the bytes of a body; they are wiped and no longer counted when libmicrohttpd frees them. */
struct answer_body {
    size_t *held;
    size_t len;
    char bytes[];
};

struct http_call *http_call_new(struct http_server *server, const char *uri)
{
    struct http_call *call = xcalloc(1, sizeof *call);

    call->server = server;
    call->path = xstrdup(uri);
    call->query = strchr(call->path, '?');
    if (call->query)
        *call->query++ = '\0';
    buf_init(&call->body, server->body_max ? server->body_max(call->path) : BODY_MAX);
    SLIST_INIT(&call->decoded);
    SLIST_INIT(&call->answer_headers);
    return call;
}

static void texts_free(struct http_texts *texts)
{
    struct http_text *text;

    while ((text = SLIST_FIRST(texts))) {
        SLIST_REMOVE_HEAD(texts, link);
        explicit_bzero(text->value, strlen(text->value));
        free(text->value);
        free(text);
    }
}

void http_call_add_body(struct http_call *call, const char *data, size_t len)
{
    size_t before = call->body.cap;

    (void)buf_append(&call->body, data, len);
    call->server->held += call->body.cap - before;
}

void http_call_drop_body(struct http_call *call)
{
    call->server->held -= call->body.cap;
    buf_done(&call->body);
}

void http_call_free(struct http_call *call)
{
    if (!call)
        return;
    if (call->answer)
        MHD_destroy_response(call->answer);
    texts_free(&call->decoded);
    texts_free(&call->answer_headers);
    http_call_drop_body(call);
    if (call->query)
        explicit_bzero(call->query, strlen(call->query));
    free(call->path);
    free(call);
}

static struct http_text *text_add(struct http_texts *texts, const char *name, char *value)
{
    size_t len = strlen(name);
    struct http_text *text = xmalloc(sizeof *text + len + 1);

    text->value = value;
    memcpy(text->name, name, len + 1);
    SLIST_INSERT_HEAD(texts, text, link);
    return text;
}

const char *http_call_method(const struct http_call *call)
{
    return call->method;
}

const char *http_call_path(const struct http_call *call)
{
    return call->path;
}

const char *http_call_query_raw(const struct http_call *call)
{
    return call->query ? call->query : "";
}

static int call_decode(const char *raw, size_t len, char **ret_text)
{
    char *text = xmalloc(len + 1);

    if (path_decode(raw, len, true, text) < 0) {
        free(text);
        return -EINVAL;
    }
    *ret_text = text;
    return 0;
}

/* Whether the member of len bytes has that name after decoding. A name that cannot be decoded matches nothing. */
static bool call_is_named(const char *member, size_t len, const char *name)
{
    char *text;

    if (call_decode(member, len, &text) < 0)
        return false;
    bool same = strcmp(text, name) == 0;
    free(text);
    return same;
}

int http_call_query(struct http_call *call, const char *name, const char **ret_value)
{
    const char *value = NULL;
    size_t value_len = 0;
    struct http_text *known;
    char *text;

    SLIST_FOREACH(known, &call->decoded, link)
    if (strcmp(known->name, name) == 0) {
        *ret_value = known->value;
        return 1;
    }
    for (const char *at = http_call_query_raw(call), *end; *at; at = *end ? end + 1 : end) {
        end = at + strcspn(at, "&");
        size_t name_len = strcspn(at, "=&");
        if (!call_is_named(at, name_len, name))
            continue;
        if (value)
            return -EINVAL;
        value = at[name_len] == '=' ? at + name_len + 1 : at + name_len;
        value_len = (size_t)(end - value);
    }
    if (!value)
        return 0;
    if (call_decode(value, value_len, &text) < 0)
        return -EINVAL;
    *ret_value = text_add(&call->decoded, name, text)->value;
    return 1;
}

const char *http_call_header(const struct http_call *call, const char *name)
{
    return MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND, name);
}

struct header_visit {
    bool (*fn)(void *ctx, const char *name, const char *value);
    void *ctx;
};

static enum MHD_Result visit_header(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct header_visit *visit = ctx;

    (void)kind;
    return visit->fn(visit->ctx, name, value ? value : "") ? MHD_YES : MHD_NO;
}

void http_call_headers(const struct http_call *call, bool (*fn)(void *ctx, const char *name, const char *value),
                       void *ctx)
{
    struct header_visit visit = {fn, ctx};

    MHD_get_connection_values(call->connection, MHD_HEADER_KIND, visit_header, &visit);
}

const char *http_call_body(const struct http_call *call, size_t *ret_len)
{
    *ret_len = call->body.len;
    return call->body.data ? call->body.data : "";
}

static int call_fd(const struct http_call *call)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info ? info->connect_fd : -1;
}

int http_call_peer(const struct http_call *call, uid_t *ret_uid, gid_t *ret_gid, pid_t *ret_pid)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (call->server->listener.port != 0 || getsockopt(call_fd(call), SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return -ENOTCONN;
    *ret_uid = peer.uid;
    *ret_gid = peer.gid;
    *ret_pid = peer.pid;
    return 0;
}

/* libmicrohttpd writes these itself. */
static bool is_own_header(const char *name)
{
    return strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Connection") == 0 ||
           strcasecmp(name, "Transfer-Encoding") == 0 || strcasecmp(name, "Date") == 0;
}

static bool is_clean(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if ((*c < ' ' && *c != '\t') || *c == 127)
            return false;
    return true;
}

int http_answer_header(struct http_call *call, const char *name, const char *value)
{
    if (!*name || strpbrk(name, " \t:,;=\"()<>@/[]?{}\\") || !is_clean(name) || !is_clean(value) ||
        is_own_header(name))
        return -EINVAL;
    text_add(&call->answer_headers, name, xstrdup(value));
    return 0;
}

static void body_free(void *bytes)
{
    struct answer_body *body = (void *)((char *)bytes - offsetof(struct answer_body, bytes));

    *body->held -= body->len;
    explicit_bzero(body->bytes, body->len);
    free(body);
}

static struct MHD_Response *make_response(const struct http_call *call, const char *content_type, const void *bytes,
                                          size_t len)
{
    struct answer_body *body = xmalloc(sizeof *body + len + 1);
    const struct http_text *header;

    body->len = len;
    body->held = &call->server->held;
    *body->held += len;
    if (len > 0)
        memcpy(body->bytes, bytes, len);
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback(len, body->bytes, body_free);
    if (!response) {
        body_free(body->bytes);
        return NULL;
    }
    if (content_type && is_clean(content_type))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    if (call->last || call->server->peer_count > KEPT_MAX) /* other callers need a place */
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    SLIST_FOREACH(header, &call->answer_headers, link)
    MHD_add_response_header(response, header->name, header->value);
    return response;
}

/* The reply is stored in the call; libmicrohttpd fetches it when the connection is resumed. */
void http_answer(struct http_call *call, int status, const char *content_type, const void *body, size_t len)
{
    if (!call->handed)
        return;
    call->handed = false;
    LIST_REMOVE(call, link);
    call->server->waiting_count--;
    if (len > SMALL_MAX && call->server->held + len > HELD_MAX) { /* unread replies use up the memory */
        status = 503;
        body = no_room;
        len = sizeof no_room - 1;
        content_type = "application/json";
        texts_free(&call->answer_headers);
        (void)http_answer_header(call, OWN_REFUSAL, "too_many");
    }
    call->answer = make_response(call, content_type, body, len);
    call->answer_status = status;
    http_call_drop_body(call);
    if (call->suspended) {
        call->suspended = false;
        MHD_resume_connection(call->connection);
        http_server_wake(call->server);
    }
}
