/* SPDX-License-Identifier: MIT
 * Outgoing HTTP on the loop. Used by the engine for every request of a plugin.
 * It promises three things that libcurl alone does not: a request leaves at most once, it does not
 * leave after its lease, and a reply that arrived before the deadline is never thrown away.
 * TLS is always verified, redirects are never followed, proxies, cookies and netrc do not exist here.
 * Not for several threads: everything runs on the loop's own.
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

/* Zero means the default everywhere. */
struct http_client_options {
    size_t transfers_per_handle; /* 256: one curl handle gets slow beyond it */
    size_t transfers_max;        /* 16384: more at one time are refused with -EAGAIN */
    const char *user_agent;      /* renewd/VERSION */
};

enum http_failure {
    HTTP_OK_REPLY = 0,  /* a whole reply, whatever its status */
    HTTP_NOT_SENT = 1,  /* no byte of the request left, or a port that speaks TLS took nothing of one without it */
    HTTP_NO_ANSWER = 2, /* it may have arrived, and no usable answer came */
    HTTP_TOO_LARGE = 3, /* an answer began and went over reply_limit, or over what libcurl takes of headers */
    HTTP_CUT = 4,       /* an answer began and its end never came */
};

/* All of it is copied. */
struct http_request {
    const char *method;         /* "GET", "POST" ... */
    const char *url;            /* http or https; no user information in it */
    const char *const *headers; /* "Name: value" lines, NULL-terminated; may be NULL */
    const void *body;           /* NULL: the request has none */
    size_t body_len;
    int64_t connect_timeout_ms; /* 0: 10 s */
    int64_t deadline_boot_ms;   /* clock_boot_ms() at which it is given up; 0: none */
    int64_t lease_boot_ms;      /* the first byte must not leave after this; 0: none */
    bool resend_allowed;        /* repeating the request does no harm */
    int64_t idle_limit_ms;      /* no connection idle for longer is used; 0: 60 s */
    const char *ca_file;        /* NULL: the system's authorities */
    bool allow_insecure;        /* http:// to more than loopback */
    size_t reply_limit;         /* of the body, decompressed; 0: 1 MiB */
};

/* Everything in it lives until the callback returns; body is NUL-terminated, never NULL.
 * With HTTP_CUT and HTTP_TOO_LARGE status and headers are those that came, the body is empty and part has what
 * came of it. Header lines over 16 KiB, and those that go beyond 64 KiB together, are left out. */
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
    size_t in_flight;    /* transfers given and not yet done, the waiting included */
    size_t waiting;      /* of them: held back until the first connection to their origin stands */
    size_t open;         /* connections open now, idle ones included */
    size_t handles;      /* curl handles */
    uint64_t sent_total; /* requests that began to leave */
};

typedef void http_done_fn(void *ctx, const struct http_reply *reply);

int http_client_new(struct loop *loop, const struct http_client_options *options, struct http_client **ret_client);

/* Cancels what is in flight, without calls. Not from inside a done callback. */
void http_client_free(struct http_client *client);

/* done is called exactly once, from the loop, never from inside this function, unless the transfer
 * is cancelled before. ret_transfer may be NULL; the transfer is gone when done is entered.
 * -EINVAL: the request itself is unacceptable (error says why), -EAGAIN: too many in flight. */
int http_client_send(struct http_client *client, const struct http_request *request, http_done_fn *done, void *ctx,
                     struct http_transfer **ret_transfer, struct error *error);

/* Clears the pointer; allowed with NULL inside. */
void http_transfer_cancel(struct http_transfer **transfer);

/* True once its first byte may have left. */
bool http_transfer_sent(const struct http_transfer *transfer);

/* The value of the last header of that name, in any case, without blanks around it; NULL when absent.
 * Valid until the callback returns. */
const char *http_reply_header(const struct http_reply *reply, const char *name);

void http_client_count(const struct http_client *client, struct http_client_counts *ret_counts);

#endif
