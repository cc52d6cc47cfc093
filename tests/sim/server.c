/* SPDX-License-Identifier: MIT
 * The HTTP side of the simulator: a thread per connection (so that one slow answer delays nobody
 * else), bodies read whole, and the ways to end a connection that a well-behaved server has not.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "core/base/alloc.h"
#include "tests/sim/facebook_events.h"
#include "tests/sim/ledger.h"
#include "tests/sim/misbehave.h"
#include "tests/sim/sim.h"
#include "tests/sim/truth.h"

enum { CONNECTIONS_MAX = 4000, BACKLOG = 2048 };

struct server {
    struct MHD_Daemon *daemon;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    uint64_t peers;
};

static void sleep_ms(struct server *server, int64_t ms)
{
    struct timespec until;

    if (ms <= 0)
        return;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&server->lock);
    while (!server->stopping && pthread_cond_timedwait(&server->wake, &server->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&server->lock);
}

const char *request_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static int peer_socket(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

/* Called with the request line: the raw target, before anything was decoded. */
static void *request_begin(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct request *request = xcalloc(1, sizeof(*request));
    size_t len = strcspn(uri, "?");

    (void)cls;
    request->connection = connection;
    request->path = xstrndup(uri, len);
    request->query = xstrdup(uri[len] ? uri + len + 1 : "");
    request->body = xcalloc(1, 1);
    return request;
}

static void request_end(void *cls, struct MHD_Connection *connection, void **context,
                        enum MHD_RequestTerminationCode code)
{
    struct request *request = *context;

    (void)cls;
    if (!request)
        return;
    if (request->number) {
        truth_lock();
        ledger_written(request->number, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
        if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK)
            events_lost(request->number);
        truth_unlock();
    }
    if (request->peer && request->peer->close_after)
        shutdown(peer_socket(connection), SHUT_RDWR);
    free(request->path);
    free(request->query);
    free(request->body);
    free(request);
    *context = NULL;
}

static void peer_changed(void *cls, struct MHD_Connection *connection, void **context,
                         enum MHD_ConnectionNotificationCode code)
{
    struct server *server = cls;

    (void)connection;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct peer *peer = xcalloc(1, sizeof(*peer));
        pthread_mutex_lock(&server->lock);
        peer->id = ++server->peers;
        pthread_mutex_unlock(&server->lock);
        *context = peer;
    } else {
        free(*context);
        *context = NULL;
    }
}

static void request_take(struct request *request, const char *data, size_t len)
{
    bool control = strncmp(request->path, "/_sim/", 6) == 0;

    if (request->len + len > (size_t)(control ? BODY_MAX : PROVIDER_BODY_MAX)) {
        request->too_large = true;
        return;
    }
    if (request->len + len + 1 > request->cap) {
        request->cap = (request->len + len + 1) * 2;
        request->body = xrealloc(request->body, request->cap);
    }
    memcpy(request->body + request->len, data, len);
    request->len += len;
    request->body[request->len] = '\0';
}

/* Hands out what is there, then breaks off. */
static ssize_t cut_read(void *cls, uint64_t at, char *out, size_t max)
{
    const struct reply *cut = cls;

    if (at >= cut->cut_at)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t n = cut->cut_at - (size_t)at;
    n = n < max ? n : max;
    memcpy(out, cut->body + at, n);
    return (ssize_t)n;
}

static void cut_free(void *cls)
{
    struct reply *cut = cls;
    free(cut->body);
    free(cut);
}

static struct MHD_Response *cut_response(struct reply *reply)
{
    struct reply *cut = xcalloc(1, sizeof(*cut));

    cut->body = reply->body;
    cut->cut_at = reply->cut_at;
    reply->body = NULL;
    return MHD_create_response_from_callback(reply->len, 4096, cut_read, cut, cut_free);
}

static enum MHD_Result send_reply(struct request *request, struct reply *reply)
{
    struct MHD_Response *response;

    reply_render(reply);
    if (reply->cut) {
        response = cut_response(reply);
    } else {
        response = MHD_create_response_from_buffer(reply->len, reply->body, MHD_RESPMEM_MUST_FREE);
        if (response)
            reply->body = NULL;
    }
    if (!response)
        return MHD_NO;
    if (*reply->content_type)
        MHD_add_response_header(response, "Content-Type", reply->content_type);
    for (size_t i = 0; i < reply->header_count; i++)
        MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
    enum MHD_Result result = MHD_queue_response(request->connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return result;
}

/* No answer: the connection ends, orderly or by a reset that overtakes everything. */
static enum MHD_Result send_nothing(struct request *request, enum drop how)
{
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

    if (how == DROP_RST)
        connect(peer_socket(request->connection), &nowhere, sizeof(nowhere));
    return MHD_NO;
}

/* Enters the presentation, before anything else happens; takes the misbehaviour that is due. */
static struct misbehaviour *present(struct request *request, char **ret_value)
{
    struct misbehaviour *m = NULL;
    struct token *token;

    truth_lock();
    token = request->provider->presents(request);
    request->number = ledger_enter(request, token);
    *ret_value = token ? xstrdup(token->value) : NULL;
    if (token)
        token_presented(token);
    if (request->peer->drop_next) {
        ledger_misbehaviour(request->number, "close_kept");
        if (token)
            token->account->misbehaved++;
    } else {
        m = misbehave_take(request, token);
    }
    if (m)
        ledger_misbehaviour(request->number, misbehave_name(m));
    truth_unlock();
    return m;
}

static void process(struct server *server, struct request *request, struct reply *reply)
{
    char *value;
    struct misbehaviour *m = present(request, &value);
    bool drop = request->peer->drop_next;

    if (m)
        sleep_ms(server, misbehave_delay(m, false));
    if (!drop && (!m || misbehave_processes(m))) {
        truth_lock();
        request->provider->answer(request, reply);
        truth_unlock();
    }
    if (m) {
        misbehave_spoil(m, request, reply);
        sleep_ms(server, misbehave_delay(m, true));
    }
    if (drop)
        reply->drop = request->peer->drop_next_rst ? DROP_RST : DROP_FIN;
    else if (!reply->status)
        reply_text(reply, 500, "text/plain", "not processed\n");
    truth_lock();
    ledger_outcome(request->number, reply);
    if (m && misbehave_spoils(m))
        events_lost(request->number);
    if (value)
        token_released(value);
    misbehave_release(m);
    truth_unlock();
    free(value);
}

static void answer(struct server *server, struct request *request, struct reply *reply)
{
    if (request->too_large) {
        reply_text(reply, 413, "text/plain", "the body is too large\n");
        return;
    }
    if (strncmp(request->path, "/_sim/", 6) == 0) {
        control_answer(request, reply);
        return;
    }
    request->provider = provider_of_path(request->path, &request->rest);
    if (request->provider)
        process(server, request, reply);
    else
        reply_text(reply, 404, "text/plain", "no such provider\n");
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *uri, const char *method,
                              const char *version, const char *data, size_t *data_len, void **context)
{
    struct request *request = *context;
    struct reply reply = {0};

    (void)uri;
    (void)version;
    if (!request->method) { /* the headers are there, the body is not */
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        request->method = method;
        request->peer = info->socket_context;
        return MHD_YES;
    }
    if (*data_len) {
        request_take(request, data, *data_len);
        *data_len = 0;
        return MHD_YES;
    }
    answer(cls, request, &reply);
    enum MHD_Result result = reply.drop ? send_nothing(request, reply.drop) : send_reply(request, &reply);
    reply_done(&reply);
    return result;
}

static struct MHD_Daemon *daemon_start(struct server *server, const struct server_options *options)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port)};
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)options->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)options->key},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (options->certificate)
        flags |= MHD_USE_TLS;
    return MHD_start_daemon(flags, options->port, NULL, NULL, handle, server, MHD_OPTION_SOCK_ADDR,
                            (struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                            MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned)BACKLOG, MHD_OPTION_URI_LOG_CALLBACK,
                            request_begin, NULL, MHD_OPTION_NOTIFY_COMPLETED, request_end, NULL,
                            MHD_OPTION_NOTIFY_CONNECTION, peer_changed, server, MHD_OPTION_ARRAY,
                            options->certificate ? tls : none, MHD_OPTION_END);
}

struct server *server_start(const struct server_options *options, uint16_t *ret_port)
{
    struct server *server = xcalloc(1, sizeof(*server));
    pthread_condattr_t clock;

    pthread_mutex_init(&server->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&server->wake, &clock);
    pthread_condattr_destroy(&clock);
    server->daemon = daemon_start(server, options);
    if (!server->daemon) {
        fprintf(stderr,
                "simulator: cannot listen on 127.0.0.1:%u; is the port taken, or the "
                "certificate not in PEM?\n",
                (unsigned)options->port);
        server_stop(server);
        return NULL;
    }
    *ret_port = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    return server;
}

void server_stop(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_cond_broadcast(&server->wake);
    pthread_mutex_unlock(&server->lock);
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    pthread_cond_destroy(&server->wake);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
