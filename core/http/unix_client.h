/* SPDX-License-Identifier: MIT
 * One blocking HTTP call over a Unix socket: how renewctl talks to the daemon.
 * Not for the daemon itself, whose loop must never block.
 */
#ifndef CORE_HTTP_UNIX_CLIENT_H
#define CORE_HTTP_UNIX_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/error.h"

struct unix_request {
    const char *socket_path, *method, *path;
    const char *content_type, *body; /* NULL: none */
    size_t len;
    int64_t timeout_ms; /* 0: none */
};
struct unix_reply {
    int status;
    int64_t retry_after; /* the seconds of its Retry-After; 0: none */
    struct buf body;     /* initialised by the caller; its max limits the reply (-EMSGSIZE beyond) */
};
/* No daemon: -ENOENT (no such socket) or -ECONNREFUSED (a stale one); -EACCES: not permitted to open it;
 * -ETIMEDOUT; -EIO: the reply is not HTTP or was cut off. */
int http_unix_call(const struct unix_request *q, struct unix_reply *ret, struct error *error);

#endif
