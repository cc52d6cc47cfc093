/* SPDX-License-Identifier: MIT
 * The client's internal state. Only the files of core/http/client include it. libcurl's handles are void pointers
 * here, so that only the files that call libcurl include its header.
 */
#ifndef CORE_HTTP_CLIENT_INTERNAL_H
#define CORE_HTTP_CLIENT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/base/buf.h"
#include "core/http/client/client.h"

#define HTTP_HEADERS_MAX (64 * 1024)
#define HTTP_HEADER_LINE_MAX (16 * 1024)
#define HTTP_HEADERS_SEEN_MAX (1024 * 1024)
#define HTTP_WHY_MAX 400

struct loop_timer;
struct loop_watch;
struct map;

TAILQ_HEAD(http_transfers, http_transfer);
LIST_HEAD(http_sockets, http_socket);
LIST_HEAD(http_handles, http_handle);
LIST_HEAD(http_origins, http_origin);

/* The destination of requests: scheme, host and port. Unless a connection to it succeeded recently, one transfer
 * starts and the others wait, so that a slow resolver is asked once. */
struct http_origin {
    LIST_ENTRY(http_origin) link; /* while release is set: the client's list */
    char *name;
    struct http_transfer *probe;
    struct http_transfers waiting;
    size_t users;           /* transfers of this origin */
    int64_t known_until_ms; /* clock_boot_ms() */
    bool answered;          /* it has answered plain HTTP */
    bool release;           /* the next kick checks whether waiting transfers may start */
};

enum transfer_state {
    TRANSFER_WAITING, /* in its origin's queue */
    TRANSFER_RUNNING, /* in a curl handle */
    TRANSFER_DONE,    /* in the client's done queue, its callback to come */
};

struct http_transfer {
    TAILQ_ENTRY(http_transfer) link; /* in the queue of its state; RUNNING: the client's */
    struct http_client *client;
    struct http_origin *origin;
    struct http_handle *handle; /* while RUNNING */
    enum transfer_state state;

    void *easy;  /* CURL */
    void *lines; /* struct curl_slist of header lines */
    char *body;
    size_t body_len;
    char curl_text[256]; /* CURL_ERROR_SIZE */

    http_done_fn *done;
    void *ctx;
    struct loop_timer *deadline_timer;
    int64_t deadline_boot_ms;
    int64_t lease_boot_ms;
    bool resend_allowed;

    int fd; /* the socket it uses now, -1 */
    bool sent;
    bool refused_late;  /* the pre-request callback refused: lease or deadline */
    bool refused_again; /* it refused a second send */
    bool timed_out;
    bool woken; /* its deadline passed while the process slept, and it waits a little longer */
    bool unreachable; /* no connection to its origin could be made */
    bool probing;     /* easy is a TLS handshake that tests the port; the request had ended with: */
    int probed_code;
    bool too_large;
    bool headers_done;
    size_t headers_seen; /* bytes of all header lines, interim replies included */
    struct buf reply_headers;
    struct buf reply_body;

    enum http_failure failure;
    int status;
    char why[HTTP_WHY_MAX];
};

struct http_socket {
    LIST_ENTRY(http_socket) link;
    struct http_handle *handle;
    struct loop_watch *watch;
    int fd;
};

/* One curl multi handle. */
struct http_handle {
    LIST_ENTRY(http_handle) link;
    struct http_client *client;
    void *multi; /* CURLM */
    struct loop_timer *timer;
    struct http_sockets sockets;
    size_t in_flight;
};

struct http_client {
    struct loop *loop;
    struct http_client_options options;
    char *user_agent;
    void *share; /* CURLSH */
    bool curl_ready;
    bool one_ca_file; /* libcurl has a default CA file, so its CA folder is not needed */
    struct http_handles handles;
    struct map *origins;
    size_t origins_forget_at;
    struct http_origins to_release;
    struct http_transfers running, done;
    struct loop_timer *kick_timer;
    size_t in_flight, waiting, open;
    uint64_t sent_total;
};

/* client.c */
void http_transfer_free(struct http_transfer *t);
/* Removes a transfer from its queue and its curl handle and puts it into the done queue. */
void http_transfer_end(struct http_transfer *t, enum http_failure failure);
void http_client_deliver(struct http_client *client);
void http_client_kick(struct http_client *client);

/* origin.c */
void http_origin_enter(struct http_transfer *t, const char *name);
void http_origin_connected(struct http_transfer *t);
void http_origin_leave(struct http_transfer *t);
void http_origins_release(struct http_client *client);
void http_origin_free(void *origin);

/* multi.c */
int http_curl_open(struct http_client *client);
void http_curl_close(struct http_client *client);
int http_handle_start(struct http_transfer *t);
void http_handle_stop(struct http_transfer *t);
/* Reads the data that has already arrived for a transfer; its state may be DONE afterwards. */
void http_handle_read_once_more(struct http_transfer *t);

/* easy.c */
int http_easy_open(struct http_transfer *t, const struct http_request *request, struct error *error);
/* A handle with the options of all requests, and nothing to send. */
int http_easy_open_probe(struct http_transfer *t, const char *url);
void http_easy_close(struct http_transfer *t);
/* Sets status, why and unreachable from libcurl's result; returns the failure. */
enum http_failure http_easy_result(struct http_transfer *t, int curl_code);
int http_easy_status(const struct http_transfer *t);

/* probe.c */
/* True when a TLS handshake with this transfer's port was started; the next result is that of the handshake. */
bool http_probe_start(struct http_transfer *t, int curl_code);
bool http_probe_found_tls(int curl_code);

/* check.c */
/* 0 with the origin's name (the caller frees it), or -EINVAL with the reason. */
int http_request_check(const struct http_request *request, char **ret_origin, struct error *error);

#endif
