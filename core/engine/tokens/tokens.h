/* SPDX-License-Identifier: MIT
 * Tokens for callers, and calls of a provider's API with a token in its place. What the engine's other folders may call.
 */
#ifndef CORE_ENGINE_TOKENS_TOKENS_H
#define CORE_ENGINE_TOKENS_TOKENS_H

#include "core/engine/state/state.h"

/* forward.c */
struct forwards *forwards_new(void);
/* Those that were not sent are answered. */
void forwards_stop(struct engine *e);
void forwards_free(struct engine *e);

/* request.c */
void token_requests_free(struct engine *e);

/* rate_limits.c: What providers' answers to calls said of records, for as long as it matters: a bounded memory of which
 * records are to be called more slowly, and whose fresh token was refused as well.
 */
struct rate_limits;

struct rate_limits *rate_limits_new(void);
void rate_limits_free(struct rate_limits *a);

/* Asks the plugin what an answer says, and remembers it when that slows the record. */
void rate_limits_take(struct job *j, const char *key, const struct http_reply *reply, struct answer_says *ret);
/* Milliseconds until the record may be called again; 0 = now. */
int64_t rate_limits_wait_ms(const struct job *j, const char *key);
/* The same where the provider has refused a call already for there were too many, not only warned of it. */
int64_t rate_limits_limited_ms(const struct job *j, const char *key);
/* Also a fresh token was refused: for a minute no call of the record forces another one, however the others fare: of
 * one path it may be refused always. */
void rate_limits_refused_again(struct job *j, const char *key);
bool rate_limits_refused_lately(const struct job *j, const char *key);

#endif
