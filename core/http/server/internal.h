/* SPDX-License-Identifier: MIT
 * The server's internal state. Only the files of core/http/server include it. libmicrohttpd's handles are void
 * pointers here, so that only the files that call libmicrohttpd include its header.
 */
#ifndef CORE_HTTP_SERVER_INTERNAL_H
#define CORE_HTTP_SERVER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "core/base/buf.h"
#include "core/http/server/server.h"

struct loop_timer;
struct loop_watch;

LIST_HEAD(http_calls, http_call);
LIST_HEAD(http_peers, http_peer);
SLIST_HEAD(http_texts, http_text);

/* A decoded query member, or a header of the reply. */
struct http_text {
    SLIST_ENTRY(http_text) link;
    char *value;
    char name[];
};

struct http_call {
    LIST_ENTRY(http_call) link; /* while handed */
    struct http_server *server;
    void *connection; /* struct MHD_Connection */
    const char *method;
    char *path;
    char *query; /* in path's allocation */
    struct buf body;
    size_t body_seen;
    bool crowded;   /* its body was dropped: other bodies use up the memory */
    bool begun;     /* libmicrohttpd has passed on its headers */
    bool handed;    /* given to the handler and not answered yet */
    bool suspended; /* its connection is suspended until the reply */
    bool last;      /* its connection is closed after the reply */
    struct http_texts decoded;
    struct http_texts answer_headers;
    void *answer; /* struct MHD_Response, once given */
    int answer_status;
};

/* A listening socket; path is set for a Unix one. */
struct http_listener {
    int fd;
    uint16_t port;
    char *path;
    dev_t device;
    ino_t inode;
};

struct http_server {
    struct loop *loop;
    struct http_listener listener;
    void *daemon; /* struct MHD_Daemon */
    struct loop_watch *watch;
    struct loop_timer *timer;
    http_handler_fn *handler;
    http_body_max_fn *body_max; /* may be NULL, both */
    http_unread_fn *unread;
    void *ctx;
    struct http_calls waiting;
    size_t waiting_count;
    struct http_peers peers; /* its connections */
    size_t peer_count;
    bool peer_left;  /* in libmicrohttpd's last run */
    bool query_came; /* likewise: a request line with a query */
    struct loop_timer *sweep_timer;
    size_t held; /* bytes of bodies and answers, of all calls */
};

/* Bodies and replies up to SMALL_MAX are always accepted; larger ones only while the sum allows it. */
#define SMALL_MAX ((size_t)16 * 1024)
#define HELD_MAX ((size_t)64 * 1024 * 1024)

/* connections.c */
enum { HTTP_PLACES = 512, HTTP_COMING = 64 /* beside these: new connections while others are being closed */ };
enum { PEER_IDLE, PEER_SENDS_REQUEST, PEER_WAITS, PEER_READS_ANSWER };
void *http_peer_begin(struct http_server *server, int fd);
void http_peer_end(struct http_server *server, void *peer);
/* From the request line to its end. If the head does not fit into its memory, libmicrohttpd may drop a request
 * without calling back; the call is then freed with its connection, or when the next request comes. */
void http_peer_asks(struct http_call *call);
void http_peer_asked(const struct http_call *call);
void http_peer_phase(const struct http_call *call, int phase);

/* server.c: runs libmicrohttpd soon, without an event. */
void http_server_wake(struct http_server *server);

/* call.c */
struct http_call *http_call_new(struct http_server *server, const char *uri);
void http_call_free(struct http_call *call);
void http_call_add_body(struct http_call *call, const char *data, size_t len);
void http_call_drop_body(struct http_call *call);

/* check.c: why a request is refused once its headers are complete, or NULL. */
const char *http_head_mistake(const struct http_call *call, const char *method, const char *version);

/* listen.c */
int http_listen_unix(const char *path, mode_t mode, const char *group, struct http_listener *ret_listener,
                     struct error *error);
/* Without TLS only loopback addresses are accepted. */
int http_listen_tcp(const char *address, bool tls, struct http_listener *ret_listener, struct error *error);
/* Closes the socket and removes its file, unless another process has replaced the file. */
void http_listener_close(struct http_listener *listener);

#endif
