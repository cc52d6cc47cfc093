/* SPDX-License-Identifier: MIT
 * Webhooks, as core/api/request.c passes them on.
 */
#ifndef CORE_API_ROUTES_WEBHOOKS_H
#define CORE_API_ROUTES_WEBHOOKS_H

#include "core/api/internal.h"

/* Whether the path, in count segments, is that of a webhook. */
bool is_webhook(const struct request *q, size_t count);
void webhook_arrived(struct request *q);
/* The size limit of a body: webhooks carry whole orders. */
size_t webhook_body_max(const char *path);
/* For one that was too large, or came when others used the room: writes a log line. */
void webhook_unread(void *ctx, const struct http_call *call, const char *why);

#endif
