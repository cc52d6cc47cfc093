/* SPDX-License-Identifier: MIT
 * Incoming HTTP on the loop, over a Unix socket or TCP. Used by core/api for both listeners. A handler gets each
 * complete request once, and answers it now or later. Limits: 512 connections (128 of them for known callers; when
 * there are many, unknown callers have less time and the oldest is closed), 16 KiB of request line and headers, a
 * body of 1 MiB (or the limit that its owner sets), 64 MiB of larger bodies and replies in all, 30 s without a
 * byte, 20 s to send a request and 20 s to read a reply. A request that could be read in two ways (check.c) is
 * answered 400 and its connection closed before a handler sees it. The server knows no routes.
 */
#ifndef CORE_HTTP_SERVER_SERVER_H
#define CORE_HTTP_SERVER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/error.h"

/* The header of replies in which the server or its owner refuses a request; its value is a word for programs. */
#define OWN_REFUSAL "Renewd-Error"

struct loop;
struct http_server;
struct http_call;

/* Every call must be answered exactly once, here or later, from the loop's thread. */
typedef void http_handler_fn(void *ctx, struct http_call *call);

/* The limit in bytes of the body of a request for this path. */
typedef size_t http_body_max_fn(const char *path);
/* A body was refused before a handler saw it; only the head of the request is available. why: part of a
 * sentence. */
typedef void http_unread_fn(void *ctx, const struct http_call *call, const char *why);

/* A stale socket file is replaced; one with a listener gives -EADDRINUSE. group may be NULL (not changed). The
 * file is removed by http_server_stop_listening and http_server_free. */
int http_server_unix(struct loop *loop, const char *path, mode_t mode, const char *group, http_handler_fn *handler,
                     void *ctx, struct http_server **ret_server, struct error *error);

/* address: "127.0.0.1:8642", "[::1]:8642"; numbers only, port 0 lets the system choose. */
int http_server_tcp(struct loop *loop, const char *address, http_handler_fn *handler, void *ctx,
                    struct http_server **ret_server, struct error *error);

/* The same over TLS 1.2 or newer, on any address: certificate (with its chain) and key as PEM text, read here and
 * not needed afterwards. */
int http_server_tls(struct loop *loop, const char *address, const char *certificate, const char *key,
                    http_handler_fn *handler, void *ctx, struct http_server **ret_server, struct error *error);

/* Without it the limit of every body is 1 MiB. ctx: as the handler's. */
void http_server_bodies(struct http_server *server, http_body_max_fn *max, http_unread_fn *unread);

/* The same socket with another certificate: the old server accepts no more connections and serves those that it
 * has until they end or it is freed. If the certificate and key are not accepted, nothing changes. */
int http_server_tls_again(struct http_server *old, const char *certificate, const char *key,
                          struct http_server **ret_server, struct error *error);

/* The port that a TCP server listens on; 0 for a Unix one. */
uint16_t http_server_port(const struct http_server *server);

/* Calls of this server that have not been answered. */
size_t http_server_waiting(const struct http_server *server);

/* Connections that are open. */
size_t http_server_connections(const struct http_server *server);

/* Accepts no more connections; existing ones continue. */
void http_server_stop_listening(struct http_server *server);

/* Answers all waiting calls with 503 and frees the server. No call may be answered afterwards, so stop the code
 * that holds calls first. Must not be called from a handler. */
void http_server_free(struct http_server *server);

/* --- the request; all strings live until the call is answered ----------------------------- */

const char *http_call_method(const struct http_call *call);

/* As received, not decoded, without the query. */
const char *http_call_path(const struct http_call *call);

/* The decoded value of one query member: 1 with *ret_value, 0 absent, -EINVAL when it is given twice,
 * has a bad escape, a NUL, or is not UTF-8. "+" is a blank. "a" and "a=" have the value "". */
int http_call_query(struct http_call *call, const char *name, const char **ret_value);

/* The query as received, without "?"; "" when there is none. */
const char *http_call_query_raw(const struct http_call *call);

/* NULL when absent; the case of the name is ignored. */
const char *http_call_header(const struct http_call *call, const char *name);

/* Calls fn for each header until it returns false. */
void http_call_headers(const struct http_call *call, bool (*fn)(void *ctx, const char *name, const char *value),
                       void *ctx);

/* Never NULL; NUL-terminated beyond its length. */
const char *http_call_body(const struct http_call *call, size_t *ret_len);

/* The peer's credentials, over a Unix socket: 0; -ENOTCONN over TCP. */
int http_call_peer(const struct http_call *call, uid_t *ret_uid, gid_t *ret_gid, pid_t *ret_pid);

/* Marks the caller as known: its connection is not closed to make room for unknown callers. */
void http_call_known(struct http_call *call);

/* --- the answer --------------------------------------------------------------------------- */

/* Adds a header to the reply. -EINVAL for a name or value that HTTP cannot carry. */
int http_answer_header(struct http_call *call, const char *name, const char *value);

/* Copies body; the call is freed. content_type may be NULL. */
void http_answer(struct http_call *call, int status, const char *content_type, const void *body, size_t len);

#endif
