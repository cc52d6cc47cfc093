/* SPDX-License-Identifier: MIT
 * The queue of misbehaviours: what the control API asked a provider to do wrong, to whom and
 * how often. Wants the truth's lock held unless said otherwise.
 */
#ifndef TESTS_SIM_MISBEHAVE_H
#define TESTS_SIM_MISBEHAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct misbehaviour;
struct reply;
struct request;
struct token;

void misbehave_reset(void);
size_t misbehave_queued(void);
/* Reads one from the control API's JSON. NULL, or what is wrong with it (static text). */
const char *misbehave_add(struct json_object *json);
/* The first in the queue that fits, counted down; give it back with misbehave_release. Sets
 * the request's luck and counts it with the token's account. */
struct misbehaviour *misbehave_take(struct request *request, struct token *token);
void misbehave_release(struct misbehaviour *m);

const char *misbehave_name(const struct misbehaviour *m);
/* Milliseconds to wait before and after processing. */
int64_t misbehave_delay(const struct misbehaviour *m, bool after);
/* Whether it touches the reply. */
bool misbehave_spoils(const struct misbehaviour *m);
/* Whether the provider is to process the request at all. */
bool misbehave_processes(const struct misbehaviour *m);
/* Spoils the reply. Needs no lock; may take a while (a bomb is made once). */
void misbehave_spoil(const struct misbehaviour *m, const struct request *request, struct reply *reply);

/* bomb.c: a gzip stream of size zero bytes; the caller frees it. */
char *bomb_gzip(size_t size, size_t *ret_len);

#endif
