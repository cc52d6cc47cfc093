/* SPDX-License-Identifier: MIT
 * Webhooks, as core/api/request.c hands them over.
 */
#ifndef CORE_API_WEBHOOKS_H
#define CORE_API_WEBHOOKS_H

#include "core/api/internal.h"

/* The path, in count segments, is one of a webhook. */
bool is_webhook(const struct request *q, size_t count);
void webhook_arrived(struct request *q);

#endif
