/* SPDX-License-Identifier: MIT
 * Webhooks, as core/api/request.c hands them over.
 */
#ifndef CORE_API_ROUTES_WEBHOOKS_H
#define CORE_API_ROUTES_WEBHOOKS_H

#include "core/api/internal.h"

/* The path, in count segments, is one of a webhook. */
bool is_webhook(const struct request *q, size_t count);
void webhook_arrived(struct request *q);
/* How large a body may be: webhooks carry whole orders. */
size_t webhook_body_max(const char *path);
/* One that was too large, or came when others took the room: the log has a line of it. */
void webhook_unread(void *ctx, const struct http_call *call, const char *why);

#endif
