/* SPDX-License-Identifier: MIT
 * Runs libmicrohttpd on the loop: its epoll descriptor is watched and its timeouts are timers of the loop. A
 * connection whose call is not answered at once is suspended until http_answer.
 */
#include "config.h"

#include "core/http/server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/http/server/internal.h"
#include "core/loop/loop.h"

#define CONNECTION_MEMORY ((size_t)16 * 1024)
#define IDLE_SECONDS 30U
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define RUNS_AT_END 64
#define REFUSAL_SIZE 512
/* A body over the limit is read and discarded up to this size. If the connection were closed while the caller
 * still writes, it would be reset and the reply lost. */
#define DROPPED_MAX (16U * 1024 * 1024)

static const char crowded[] =
    "{\"error\":{\"code\":\"too_many\",\"message\":\"too many large requests at a time; try again later\"}}\n";
static const char stopping[] =
    "{\"error\":{\"code\":\"stopping\",\"message\":\"renewd is stopping; try again later\"}}\n";

static void server_run(struct http_server *server);

static void server_timer_fired(void *ctx)
{
    struct http_server *server = ctx;

    server->timer = NULL;
    server_run(server);
}

/* At its limit of connections libmicrohttpd stops listening. It listens again in the run after the one in which
 * it closed some, without an event or a timeout that starts this run. The same holds when a query's members do
 * not fit into a connection's memory: the refusal is written in the next run. */
static void set_timer(struct http_server *server)
{
    MHD_UNSIGNED_LONG_LONG ms;

    loop_cancel(&server->timer);
    if (server->peer_left || server->query_came)
        server->timer = loop_after(server->loop, 0, server_timer_fired, server);
    else if (MHD_get_timeout(server->daemon, &ms) == MHD_YES)
        server->timer =
            loop_after(server->loop, ms > INT32_MAX ? INT32_MAX : (int64_t)ms, server_timer_fired, server);
}

static void server_run(struct http_server *server)
{
    server->peer_left = false;
    server->query_came = false;
    MHD_run(server->daemon);
    set_timer(server);
}

static void server_ready(void *ctx, uint32_t events)
{
    (void)events;
    server_run(ctx);
}

void http_server_wake(struct http_server *server)
{
    loop_cancel(&server->timer);
    server->timer = loop_after(server->loop, 0, server_timer_fired, server);
}

/* libmicrohttpd must not decode the path: core/http/path.h does. */
static size_t keep_escapes(void *ctx, struct MHD_Connection *connection, char *text)
{
    (void)ctx;
    (void)connection;
    return strlen(text);
}

static void *request_line_seen(void *ctx, const char *uri, struct MHD_Connection *connection)
{
    struct http_server *server = ctx;
    struct http_call *call = http_call_new(server, uri);

    call->connection = connection;
    server->query_came = server->query_came || call->query;
    http_peer_asks(call);
    http_peer_phase(call, PEER_SENDS_REQUEST);
    return call;
}

static void request_over(void *ctx, struct MHD_Connection *connection, void **call,
                         enum MHD_RequestTerminationCode why)
{
    (void)ctx;
    (void)connection;
    (void)why;
    if (*call) {
        http_peer_phase(*call, PEER_IDLE);
        http_peer_asked(*call);
    }
    http_call_free(*call);
    *call = NULL;
}

static void connection_changed(void *ctx, struct MHD_Connection *connection, void **peer,
                               enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = ctx;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *peer = info ? http_peer_begin(server, info->connect_fd) : NULL;
    } else {
        http_peer_end(server, *peer);
        *peer = NULL;
    }
}

static void hand_over(struct http_call *call)
{
    http_peer_phase(call, PEER_WAITS);
    call->handed = true;
    LIST_INSERT_HEAD(&call->server->waiting, call, link);
    call->server->waiting_count++;
}

static enum MHD_Result send_answer(struct http_call *call)
{
    if (!call->answer)
        return MHD_NO;
    http_peer_phase(call, PEER_READS_ANSWER);
    return MHD_queue_response(call->connection, (unsigned)call->answer_status, call->answer);
}

static void tell_unread(const struct http_call *call, const char *why)
{
    if (call->server->unread)
        call->server->unread(call->server->ctx, call, why);
}

static enum MHD_Result refuse_too_large(struct http_call *call)
{
    char text[REFUSAL_SIZE], why[64];

    snprintf(why, sizeof why, "the request's body is over %zu MiB", call->body.max >> 20);
    tell_unread(call, why);
    int len = snprintf(text, sizeof text, "{\"error\":{\"code\":\"too_large\",\"message\":\"%s\"}}\n", why);
    hand_over(call);
    (void)http_answer_header(call, OWN_REFUSAL, "too_large");
    http_answer(call, 413, "application/json", text, (size_t)len);
    return send_answer(call);
}

static enum MHD_Result refuse_crowded(struct http_call *call)
{
    tell_unread(call, "too many large requests came at a time");
    hand_over(call);
    (void)http_answer_header(call, "Retry-After", "5");
    (void)http_answer_header(call, OWN_REFUSAL, "too_many");
    http_answer(call, 503, "application/json", crowded, sizeof crowded - 1);
    return send_answer(call);
}

/* After such a request the start of the next one is not certain. */
static enum MHD_Result refuse_malformed(struct http_call *call, const char *mistake)
{
    char text[REFUSAL_SIZE];
    int len =
        snprintf(text, sizeof text, "{\"error\":{\"code\":\"malformed_request\",\"message\":\"%s\"}}\n", mistake);

    call->last = true;
    hand_over(call);
    (void)http_answer_header(call, OWN_REFUSAL, "malformed_request");
    http_answer(call, 400, "application/json", text, (size_t)len);
    return send_answer(call);
}

static enum MHD_Result server_begin(struct http_call *call, const char *method, const char *version)
{
    const char *mistake = http_head_mistake(call, method, version);
    const char *length = http_call_header(call, MHD_HTTP_HEADER_CONTENT_LENGTH);

    call->begun = true;
    call->method = method;
    if (mistake)
        return refuse_malformed(call, mistake);
    if (length && strtoull(length, NULL, 10) > DROPPED_MAX)
        return refuse_too_large(call);
    return MHD_YES;
}

static enum MHD_Result server_take_body(struct http_call *call, const char *data, size_t *len)
{
    call->body_seen += *len;
    if (call->body_seen > SMALL_MAX && call->server->held + *len > HELD_MAX)
        call->crowded = true;
    if (call->crowded || call->body_seen > call->body.max)
        http_call_drop_body(call);
    else
        http_call_add_body(call, data, *len);
    *len = 0;
    return call->body_seen > DROPPED_MAX ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *len, void **call_ptr)
{
    struct http_server *server = ctx;
    struct http_call *call = *call_ptr;

    (void)connection;
    (void)url;
    if (!call->begun)
        return server_begin(call, method, version);
    if (*len > 0)
        return server_take_body(call, data, len);
    if (call->answer_status != 0)
        return send_answer(call);
    if (call->body_seen > call->body.max)
        return refuse_too_large(call);
    if (call->crowded)
        return refuse_crowded(call);
    hand_over(call);
    server->handler(server->ctx, call);
    if (!call->handed)
        return send_answer(call);
    call->suspended = true;
    MHD_suspend_connection(call->connection);
    return MHD_YES;
}

/* PEM texts; certificate NULL: no TLS. */
struct pair {
    const char *certificate, *key;
};

static void *start_daemon(struct http_server *server, const struct pair *tls)
{
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (tls->certificate ? MHD_USE_TLS : 0);
    const struct MHD_OptionItem with_tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)tls->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)tls->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL},
    };

    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET, server->listener.fd,
                            MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_URI_LOG_CALLBACK,
                            request_line_seen, server, MHD_OPTION_NOTIFY_COMPLETED, request_over, server,
                            MHD_OPTION_NOTIFY_CONNECTION, connection_changed, server, MHD_OPTION_CONNECTION_LIMIT,
                            (unsigned)(HTTP_PLACES + HTTP_COMING), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_ARRAY,
                            tls->certificate ? with_tls : with_tls + 3, MHD_OPTION_END);
}

static int server_start(struct http_server *server, const struct pair *tls, struct error *error)
{
    if (tls->certificate && MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        return error_set(error, -ENOTSUP, "libmicrohttpd %s was built without TLS", MHD_get_version());
    server->daemon = start_daemon(server, tls);
    const union MHD_DaemonInfo *info =
        server->daemon ? MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info && tls->certificate)
        return error_set(error, -EINVAL,
                         "the certificate and its key were not taken: both must be PEM, and belong "
                         "together");
    if (!info)
        return error_set(error, -EIO, "libmicrohttpd %s could not be started", MHD_get_version());
    int r = loop_watch(server->loop, info->epoll_fd, LOOP_READ, server_ready, server, &server->watch);
    if (r < 0)
        return error_set(error, r, "the HTTP server could not join the loop: %s", strerror(-r));
    set_timer(server);
    return 0;
}

static const struct pair plain;

static int server_new(struct loop *loop, struct http_listener listener, const struct pair *tls,
                      http_handler_fn *handler, void *ctx, struct http_server **ret_server, struct error *error)
{
    struct http_server *server = xcalloc(1, sizeof *server);

    *server = (struct http_server){.loop = loop, .listener = listener, .handler = handler, .ctx = ctx};
    LIST_INIT(&server->waiting);
    LIST_INIT(&server->peers);
    int r = server_start(server, tls, error);
    if (r < 0) {
        http_server_free(server);
        return r;
    }
    *ret_server = server;
    return 0;
}

int http_server_unix(struct loop *loop, const char *path, mode_t mode, const char *group, http_handler_fn *handler,
                     void *ctx, struct http_server **ret_server, struct error *error)
{
    struct http_listener listener;

    int r = http_listen_unix(path, mode, group, &listener, error);
    return r < 0 ? r : server_new(loop, listener, &plain, handler, ctx, ret_server, error);
}

int http_server_tcp(struct loop *loop, const char *address, http_handler_fn *handler, void *ctx,
                    struct http_server **ret_server, struct error *error)
{
    struct http_listener listener;

    int r = http_listen_tcp(address, false, &listener, error);
    return r < 0 ? r : server_new(loop, listener, &plain, handler, ctx, ret_server, error);
}

int http_server_tls(struct loop *loop, const char *address, const char *certificate, const char *key,
                    http_handler_fn *handler, void *ctx, struct http_server **ret_server, struct error *error)
{
    const struct pair tls = {certificate, key};
    struct http_listener listener;

    int r = http_listen_tcp(address, true, &listener, error);
    return r < 0 ? r : server_new(loop, listener, &tls, handler, ctx, ret_server, error);
}

void http_server_bodies(struct http_server *server, http_body_max_fn *max, http_unread_fn *unread)
{
    server->body_max = max;
    server->unread = unread;
}

int http_server_tls_again(struct http_server *old, const char *certificate, const char *key,
                          struct http_server **ret_server, struct error *error)
{
    const struct pair tls = {certificate, key};
    struct http_listener listener = {.fd = fcntl(old->listener.fd, F_DUPFD_CLOEXEC, 0), .port = old->listener.port};

    if (listener.fd < 0)
        return error_set(error, -errno, "the listening socket cannot be shared: %s", strerror(errno));
    int r = server_new(old->loop, listener, &tls, old->handler, old->ctx, ret_server, error);
    if (r == 0)
        http_server_stop_listening(old);
    return r;
}

size_t http_server_connections(const struct http_server *server)
{
    return server->peer_count;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->listener.port;
}

size_t http_server_waiting(const struct http_server *server)
{
    return server->waiting_count;
}

void http_server_stop_listening(struct http_server *server)
{
    if (server->listener.fd < 0)
        return;
    if (server->daemon)
        MHD_quiesce_daemon(server->daemon);
    http_listener_close(&server->listener);
}

/* libmicrohttpd aborts the process when it is stopped with suspended connections. */
static void answer_the_waiting(struct http_server *server)
{
    struct http_call *call, *next;

    for (call = LIST_FIRST(&server->waiting); call; call = next) {
        next = LIST_NEXT(call, link);
        http_answer(call, 503, "application/json", stopping, sizeof stopping - 1);
    }
    for (int i = 0; i < RUNS_AT_END; i++)
        MHD_run(server->daemon);
}

static void refuse_new(void *ctx, struct http_call *call)
{
    (void)ctx;
    http_answer(call, 503, "application/json", stopping, sizeof stopping - 1);
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    http_server_stop_listening(server);
    server->handler = refuse_new;
    if (server->daemon) {
        answer_the_waiting(server);
        loop_unwatch(&server->watch);
        MHD_stop_daemon(server->daemon);
    }
    loop_cancel(&server->timer);
    loop_cancel(&server->sweep_timer);
    free(server);
}
