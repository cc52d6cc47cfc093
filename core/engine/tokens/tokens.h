/* SPDX-License-Identifier: MIT
 * Tokens for callers, and calls of a provider's API with a token inserted. The interface of this folder for the
 * engine's other folders.
 */
#ifndef CORE_ENGINE_TOKENS_TOKENS_H
#define CORE_ENGINE_TOKENS_TOKENS_H

#include "core/engine/state/state.h"

/* forward.c */
struct forwards *forwards_new(void);
/* Calls that were not sent are answered. */
void forwards_stop(struct engine *e);
void forwards_free(struct engine *e);

/* request.c */
void token_requests_free(struct engine *e);

/* rate_limits.c: What providers' answers to calls said of records, as long as it matters: a bounded memory of which
 * records must be called more slowly, and which had a fresh token refused as well.
 */
struct rate_limits;

struct rate_limits *rate_limits_new(void);
void rate_limits_free(struct rate_limits *a);

/* Asks the plugin what an answer says, and remembers it when the record must be slowed. */
void rate_limits_take(struct job *j, const char *key, const struct http_reply *reply, struct answer_says *ret);
/* Milliseconds until the record may be called again; 0 = now. */
int64_t rate_limits_wait_ms(const struct job *j, const char *key);
/* The same, but only where the provider has refused a call for too many requests, not where it only warned. */
int64_t rate_limits_limited_ms(const struct job *j, const char *key);
/* A fresh token was refused as well: for a minute no call of the record forces another refresh, whatever the other
 * calls bring, because the provider may always refuse one particular path. */
void rate_limits_refused_again(struct job *j, const char *key);
bool rate_limits_refused_lately(const struct job *j, const char *key);

#endif
