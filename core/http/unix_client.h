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

/* ret_retry_after: the seconds of the answer's Retry-After, 0: none. ret_body has been initialised by the caller, whose max limits the reply (-EMSGSIZE beyond). content_type and
 * body may be NULL; timeout_ms 0: none. No daemon: -ENOENT (no such socket) or -ECONNREFUSED (a stale one);
 * -EACCES: not permitted to open it; -ETIMEDOUT; -EIO: the reply is not HTTP or was cut off. */
int http_unix_call(const char *socket_path, const char *method, const char *path, const char *content_type,
                   const void *body, size_t len, int64_t timeout_ms, int *ret_status, int64_t *ret_retry_after,
                   struct buf *ret_body, struct error *error);

#endif
