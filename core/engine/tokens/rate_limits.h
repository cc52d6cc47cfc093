/* SPDX-License-Identifier: MIT
 * What providers' answers to calls said of records, for as long as it matters: a bounded memory of which
 * records are to be called more slowly, and whose fresh token was refused as well. Inside core/engine only.
 */
#ifndef CORE_ENGINE_TOKENS_RATE_LIMITS_H
#define CORE_ENGINE_TOKENS_RATE_LIMITS_H

#include "core/engine/internal.h"

struct notes;

struct notes *notes_new(void);
void notes_free(struct notes *a);

/* Asks the plugin what an answer says, and remembers it when that slows the record. */
void notes_take(struct job *j, const char *key, const struct http_reply *reply, struct answer_says *ret);
/* Milliseconds until the record may be called again; 0 = now. */
int64_t notes_wait_ms(const struct job *j, const char *key);
/* The same where the provider has refused a call already for there were too many, not only warned of it. */
int64_t notes_limited_ms(const struct job *j, const char *key);
/* Also a fresh token was refused: for a minute no call of the record forces another one, however the others fare: of
 * one path it may be refused always. */
void notes_refused_again(struct job *j, const char *key);
bool notes_refused_lately(const struct job *j, const char *key);

#endif
