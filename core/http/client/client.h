/* SPDX-License-Identifier: MIT
 * Outgoing HTTP on the loop. Used by the engine for every request of a plugin. It gives three guarantees that
 * libcurl alone does not: a request is sent at most once, it is not sent after its lease has ended, and a reply
 * that arrived before the deadline is never discarded. TLS is always verified. Redirects are never followed.
 * Proxies, cookies and netrc are not used. All functions must be called on the loop's thread.
 */
#ifndef CORE_HTTP_CLIENT_CLIENT_H
#define CORE_HTTP_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

struct loop;
struct http_client;
struct http_transfer;

/* Zero means the default for each member. */
struct http_client_options {
    size_t transfers_per_handle; /* 256: one curl handle is slow with more */
    size_t transfers_max;        /* 16384: with more at one time -EAGAIN is returned */
    const char *user_agent;      /* renewd/VERSION */
};

enum http_failure {
    HTTP_OK_REPLY = 0,  /* a complete reply with any status */
    HTTP_NOT_SENT = 1,  /* no byte of the request left, or a TLS port rejected a request without TLS */
    HTTP_NO_ANSWER = 2, /* it may have arrived, but no usable reply came */
    HTTP_TOO_LARGE = 3, /* the reply exceeded reply_limit or libcurl's limit for headers */
    HTTP_CUT = 4,       /* the reply began but did not end */
};

/* All members are copied. */
struct http_request {
    const char *method;         /* "GET", "POST" ... */
    const char *url;            /* http or https; no user information in it */
    const char *const *headers; /* "Name: value" lines, NULL-terminated; may be NULL */
    const void *body;           /* NULL: the request has none */
    size_t body_len;
    int64_t connect_timeout_ms; /* 0: 10 s */
    int64_t deadline_boot_ms;   /* clock_boot_ms() at which it is given up; 0: none */
    int64_t lease_boot_ms;      /* the first byte must not leave after this; 0: none */
    bool resend_allowed;        /* repeating the request is harmless */
    int64_t idle_limit_ms;      /* no connection idle for longer is used; 0: 60 s */
    const char *ca_file;        /* NULL: the system's authorities */
    bool allow_insecure;        /* allow http:// to other hosts than loopback */
    size_t reply_limit;         /* of the body, decompressed; 0: 1 MiB */
};

/* All members are valid until the callback returns. The body is NUL-terminated and never NULL. With HTTP_CUT and
 * HTTP_TOO_LARGE, status and headers are those that arrived, body is empty, and part is the part of the body
 * that arrived. A header line over 16 KiB is left out, and so are the lines after the first 64 KiB of all. */
struct http_reply {
    enum http_failure failure;
    int status; /* 0 when no status line came */
    const char *body;
    size_t body_len;
    const char *part; /* NULL: nothing */
    size_t part_len;
    bool sent;           /* the request may have reached the peer */
    bool timed_out;      /* our deadline ended it */
    const char *why;     /* a sentence, "" with HTTP_OK_REPLY; names scheme, host and port only */
    int64_t received_at; /* clock_now() when the transfer ended */
    const char *headers; /* "Name: value" NUL "Name: value" NUL ...; use http_reply_header */
    size_t headers_len;
};

struct http_client_counts {
    size_t in_flight;    /* transfers not yet done, including those that wait */
    size_t waiting;      /* of these: waiting for the first connection to their origin */
    size_t open;         /* open connections, including idle ones */
    size_t handles;      /* curl handles */
    uint64_t sent_total; /* requests that began to leave */
};

typedef void http_done_fn(void *ctx, const struct http_reply *reply);

int http_client_new(struct loop *loop, const struct http_client_options *options, struct http_client **ret_client);

/* Cancels all transfers without calling their callbacks. Must not be called from a done callback. */
void http_client_free(struct http_client *client);

/* done is called exactly once, from the loop and never from inside this function, unless the transfer is
 * cancelled first. ret_transfer may be NULL; the transfer is freed before done is called. -EINVAL: the request
 * is not acceptable (error says why); -EAGAIN: too many transfers. */
int http_client_send(struct http_client *client, const struct http_request *request, http_done_fn *done, void *ctx,
                     struct http_transfer **ret_transfer, struct error *error);

/* Sets the pointer to NULL; it may be NULL already. */
void http_transfer_cancel(struct http_transfer **transfer);

/* True once its first byte may have left. */
bool http_transfer_sent(const struct http_transfer *transfer);

/* The value of the last header with that name (case is ignored), without blanks around it; NULL when absent.
 * Valid until the callback returns. */
const char *http_reply_header(const struct http_reply *reply, const char *name);

void http_client_count(const struct http_client *client, struct http_client_counts *ret_counts);

#endif
