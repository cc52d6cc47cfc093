/* SPDX-License-Identifier: MIT
 * Limits the number of a server's connections and the time of each. A caller that sends its request or reads its
 * reply byte by byte is disconnected, so that it does not block a place. The time in which a handler works does not
 * count. The more connections there are, the less time an unknown caller has. When the places for unknown callers
 * are taken, the oldest of these connections is closed for the new one. Known callers (http_call_known) have places
 * of their own. Over a Unix socket all callers are known.
 */
#include "config.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/http/server/internal.h"
#include "core/loop/loop.h"

enum {
    IDLE_MS = 45000,    /* until the request line is complete; libmicrohttpd closes an idle one sooner */
    REQUEST_MS = 20000, /* from there to the end of the body */
    ANSWER_MS = 20000,  /* to read the answer */
    SWEEP_MS = 2000,
    SWEEP_BUSY_MS = 500,
    KEPT_FOR_KNOWN = 128,
    STRANGERS_MAX = HTTP_PLACES - KEPT_FOR_KNOWN,
    OF_ONE_ADDRESS = 128, /* unknown callers of one remote address */
    ADDRESS = 8,          /* bytes of an address that are compared: an IPv6 caller has a whole network */
};

struct http_peer {
    LIST_ENTRY(http_peer) link; /* the newest first */
    int fd;
    int phase;
    bool known, leaving;
    unsigned char address[ADDRESS];
    bool elsewhere;         /* address is another machine's */
    int64_t since_ms;       /* of its phase */
    struct http_call *call; /* its current request, NULL between two */
};

static struct http_peer *peer_of(const struct http_call *call)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

/* ---- places ---- */

/* libmicrohttpd sees the end of the stream and closes the connection. */
static void send_away(struct http_peer *p)
{
    p->leaving = true;
    shutdown(p->fd, SHUT_RDWR);
}

static bool is_stranger(const struct http_peer *p)
{
    return !p->known && !p->leaving;
}

static bool may_go(const struct http_peer *p, bool known)
{
    return p->known == known && !p->leaving && p->phase != PEER_WAITS && !(known && p->phase == PEER_READS_ANSWER);
}

static bool connection_is_of(const struct http_peer *p, const struct http_peer *same)
{
    return !same || (p->elsewhere && memcmp(p->address, same->address, ADDRESS) == 0);
}

/* The oldest connection other than `but`; of the same address when `same` is given. */
static struct http_peer *oldest(const struct http_server *server, const struct http_peer *but, bool known,
                                const struct http_peer *same)
{
    struct http_peer *p, *found = NULL;

    LIST_FOREACH(p, &server->peers, link)
    if (p != but && may_go(p, known) && connection_is_of(p, same))
        found = p;
    return found;
}

static size_t connection_strangers(const struct http_server *server, const struct http_peer *same)
{
    const struct http_peer *p;
    size_t n = 0;

    LIST_FOREACH(p, &server->peers, link)
    n += is_stranger(p) && connection_is_of(p, same);
    return n;
}

static size_t staying(const struct http_server *server)
{
    const struct http_peer *p;
    size_t n = 0;

    LIST_FOREACH(p, &server->peers, link)
    n += !p->leaving;
    return n;
}

/* Makes a place for a new connection. If no other connection can be closed, the new one is. */
static void connection_make_room(struct http_server *server, struct http_peer *fresh)
{
    bool own = fresh->elsewhere && connection_strangers(server, fresh) > OF_ONE_ADDRESS;
    bool full = staying(server) > HTTP_PLACES;
    struct http_peer *victim;

    if (!own && !full && (fresh->known || connection_strangers(server, NULL) <= STRANGERS_MAX))
        return;
    victim = oldest(server, fresh, false, own ? fresh : NULL);
    if (!victim && full)
        victim = oldest(server, fresh, true, NULL);
    send_away(victim ? victim : fresh);
}

/* ---- times ---- */

/* How long a phase may last, given the present number of connections. */
static int64_t limit_ms(const struct http_server *server, const struct http_peer *p)
{
    int64_t usual = p->phase == PEER_IDLE ? IDLE_MS : p->phase == PEER_SENDS_REQUEST ? REQUEST_MS : ANSWER_MS;

    if (p->known || server->peer_count <= STRANGERS_MAX / 2)
        return usual;
    return server->peer_count <= STRANGERS_MAX * 3 / 4 ? usual / 4 : usual / 10;
}

static void connection_sweep(void *ctx)
{
    struct http_server *server = ctx;
    int64_t now = clock_boot_ms();
    struct http_peer *p;

    server->sweep_timer = NULL;
    LIST_FOREACH(p, &server->peers, link)
    if (p->phase != PEER_WAITS && !p->leaving && now - p->since_ms >= limit_ms(server, p))
        send_away(p);
    if (!LIST_EMPTY(&server->peers))
        server->sweep_timer =
            loop_after(server->loop, server->peer_count > STRANGERS_MAX / 2 ? SWEEP_BUSY_MS : SWEEP_MS,
                       connection_sweep, server);
}

/* ---- coming and going ---- */

static void note_address(struct http_peer *p)
{
    struct sockaddr_storage from = {0};
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    socklen_t len = sizeof from;

    if (getpeername(p->fd, (struct sockaddr *)&from, &len) != 0)
        return;
    if (from.ss_family == AF_INET) {
        memcpy(&v4, &from, sizeof v4);
        p->elsewhere = ntohl(v4.sin_addr.s_addr) >> 24 != 127;
        memcpy(p->address, &v4.sin_addr, sizeof v4.sin_addr);
    } else if (from.ss_family == AF_INET6) {
        memcpy(&v6, &from, sizeof v6);
        p->elsewhere = !IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
        if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
            memcpy(p->address, &v6.sin6_addr.s6_addr[12], 4);
        else
            memcpy(p->address, &v6.sin6_addr, ADDRESS);
    }
}

void *http_peer_begin(struct http_server *server, int fd)
{
    struct http_peer *p = xcalloc(1, sizeof *p);

    p->fd = fd;
    p->known = server->listener.port == 0;
    p->since_ms = clock_boot_ms();
    note_address(p);
    LIST_INSERT_HEAD(&server->peers, p, link);
    server->peer_count++;
    connection_make_room(server, p);
    if (!server->sweep_timer)
        server->sweep_timer = loop_after(server->loop, SWEEP_MS, connection_sweep, server);
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

    if (!p)
        return;
    p->phase = phase;
    p->since_ms = clock_boot_ms();
}

void http_call_known(struct http_call *call)
{
    struct http_peer *p = peer_of(call);

    if (p)
        p->known = true;
}
