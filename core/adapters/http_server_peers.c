/* SPDX-License-Identifier: MIT
 * The connections of a server and how long each may take: a caller that sends its request, or reads its
 * answer, byte by byte is cut off, so that it keeps nobody else's place. Waiting for a handler's answer is
 * not the caller's time.
 */
#include "config.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "core/adapters/http_server_internal.h"
#include "core/adapters/loop.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"

enum {
    IDLE_MS = 45000,     /* up to a whole request line; without a byte libmicrohttpd ends it sooner */
    REQUEST_MS = 20000,  /* from there to the end of the body */
    ANSWER_MS = 20000,   /* to read the answer */
    SWEEP_MS = 2000,
};

struct http_peer {
    LIST_ENTRY(http_peer) link;
    int fd;
    int64_t until_ms;    /* 0: the handler's time runs */
    struct http_call *call; /* its present request, NULL between two */
};

static struct http_peer *peer_of(const struct http_call *call)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static void sweep(void *ctx)
{
    struct http_server *server = ctx;
    int64_t now = clock_boot_ms();
    struct http_peer *p;

    server->sweep_timer = NULL;
    LIST_FOREACH(p, &server->peers, link)
        if (p->until_ms && now >= p->until_ms)
            shutdown(p->fd, SHUT_RDWR); /* libmicrohttpd sees its end and closes it */
    if (!LIST_EMPTY(&server->peers))
        server->sweep_timer = loop_after(server->loop, SWEEP_MS, sweep, server);
}

void *http_peer_begin(struct http_server *server, int fd)
{
    struct http_peer *p = xcalloc(1, sizeof *p);

    p->fd = fd;
    p->until_ms = clock_boot_ms() + IDLE_MS;
    LIST_INSERT_HEAD(&server->peers, p, link);
    server->peer_count++;
    if (!server->sweep_timer)
        server->sweep_timer = loop_after(server->loop, SWEEP_MS, sweep, server);
    return p;
}

void http_peer_end(struct http_server *server, void *peer)
{
    struct http_peer *p = peer;

    if (!p)
        return;
    LIST_REMOVE(p, link);
    server->peer_count--;
    server->peer_left = true;
    http_call_free(p->call);
    free(p);
}

void http_peer_asks(struct http_call *call)
{
    struct http_peer *p = peer_of(call);

    if (!p)
        return;
    http_call_free(p->call);
    p->call = call;
}

void http_peer_asked(const struct http_call *call)
{
    struct http_peer *p = peer_of(call);

    if (p && p->call == call)
        p->call = NULL;
}

void http_peer_phase(const struct http_call *call, int phase)
{
    struct http_peer *p = peer_of(call);
    int64_t now = clock_boot_ms();

    if (!p)
        return;
    switch (phase) {
    case PEER_SENDS_REQUEST:
        p->until_ms = now + REQUEST_MS;
        return;
    case PEER_WAITS:
        p->until_ms = 0;
        return;
    case PEER_READS_ANSWER:
        p->until_ms = now + ANSWER_MS;
        return;
    default:
        p->until_ms = now + IDLE_MS;
    }
}
