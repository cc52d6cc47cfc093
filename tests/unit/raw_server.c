/* SPDX-License-Identifier: MIT
 * See raw_server.h.
 */
#include "config.h"

#include "tests/unit/raw_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/loop/loop.h"

struct raw_connection {
    LIST_ENTRY(raw_connection) link;
    struct raw_server *server;
    struct loop_watch *watch;
    struct buf in, out;
    size_t sent;
    bool closing;
    int fd;
};

struct raw_server {
    struct loop *loop;
    struct loop_watch *watch;
    raw_answer_fn *answer;
    LIST_HEAD(, raw_connection) connections;
    unsigned request_count, connection_count;
    char *last;
    int fd;
    uint16_t port;
};

static void connection_free(struct raw_connection *c)
{
    loop_unwatch(&c->watch);
    LIST_REMOVE(c, link);
    close(c->fd);
    buf_done(&c->in);
    buf_done(&c->out);
    free(c);
}

/* False when the connection is gone. */
static bool flush(struct raw_connection *c)
{
    while (c->sent < c->out.len) {
        ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            connection_free(c);
            return false;
        }
        c->sent += (size_t)n;
    }
    bool all = c->sent == c->out.len;
    if (all && c->closing) {
        connection_free(c);
        return false;
    }
    loop_watch_change(c->watch, all ? LOOP_READ : LOOP_READ | LOOP_WRITE);
    return true;
}

/* The length of the whole request at the start of in, 0 while it is not whole. */
static size_t whole_request(const struct buf *in)
{
    const char *end = in->data ? strstr(in->data, "\r\n\r\n") : NULL;

    if (!end)
        return 0;
    const char *length = strcasestr(in->data, "\r\nContent-Length:");
    size_t head = (size_t)(end - in->data) + 4;
    size_t len = head + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
    return in->len >= len ? len : 0;
}

static void connection_ready(void *ctx, uint32_t events)
{
    struct raw_connection *c = ctx;
    struct raw_server *server = c->server;
    char data[16384];

    if (events & LOOP_READ) {
        ssize_t n = recv(c->fd, data, sizeof data, 0);
        if (n <= 0 && (n == 0 || errno != EAGAIN)) {
            connection_free(c);
            return;
        }
        if (n > 0)
            buf_append(&c->in, data, (size_t)n);
        size_t len = whole_request(&c->in);
        if (len > 0) {
            free(server->last);
            server->last = xstrndup(c->in.data, len);
            server->request_count++;
            buf_clear(&c->in);
            server->answer(c, server->last);
            return;
        }
    }
    flush(c);
}

static void take_connection(void *ctx, uint32_t events)
{
    struct raw_server *server = ctx;

    (void)events;
    int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct raw_connection *c = xcalloc(1, sizeof *c);
    c->server = server;
    c->fd = fd;
    buf_init(&c->in, (size_t)16 << 20);
    buf_init(&c->out, (size_t)64 << 20);
    LIST_INSERT_HEAD(&server->connections, c, link);
    server->connection_count++;
    if (loop_watch(server->loop, fd, LOOP_READ, connection_ready, c, &c->watch) < 0)
        abort();
}

struct raw_server *raw_server_new(struct loop *loop, raw_answer_fn *answer)
{
    struct raw_server *server = xcalloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;

    server->loop = loop;
    server->answer = answer;
    LIST_INIT(&server->connections);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->fd < 0 || bind(server->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->fd, 1024) != 0 || getsockname(server->fd, (struct sockaddr *)&address, &len) != 0 ||
        loop_watch(loop, server->fd, LOOP_READ, take_connection, server, &server->watch) < 0)
        abort();
    server->port = ntohs(address.sin_port);
    return server;
}

void raw_server_free(struct raw_server *server)
{
    struct raw_connection *c;

    if (!server)
        return;
    while ((c = LIST_FIRST(&server->connections)))
        connection_free(c);
    loop_unwatch(&server->watch);
    close(server->fd);
    free(server->last);
    free(server);
}

void raw_server_set(struct raw_server *server, raw_answer_fn *answer)
{
    server->answer = answer;
}

uint16_t raw_server_port(const struct raw_server *server)
{
    return server->port;
}

unsigned raw_server_requests(const struct raw_server *server)
{
    return server->request_count;
}

unsigned raw_server_connections(const struct raw_server *server)
{
    return server->connection_count;
}

const char *raw_server_last(const struct raw_server *server)
{
    return server->last ? server->last : "";
}

void raw_send(struct raw_connection *c, const void *data, size_t len)
{
    buf_append(&c->out, data, len);
    loop_watch_change(c->watch, LOOP_READ | LOOP_WRITE);
}

void raw_text(struct raw_connection *c, const char *text)
{
    raw_send(c, text, strlen(text));
}

void raw_close(struct raw_connection *c)
{
    c->closing = true;
    flush(c);
}

void raw_reset(struct raw_connection *c)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    connection_free(c);
}
