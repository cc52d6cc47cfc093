/* SPDX-License-Identifier: MIT
 * What was asked of the simulator: a log of the last requests and counts per provider.
 * A request is entered before it is processed. Wants the truth's lock held.
 */
#ifndef TESTS_SIM_LEDGER_H
#define TESTS_SIM_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct provider;
struct reply;
struct request;
struct token;

void ledger_reset(void);
/* Zeroes the counts; the log stays. */
void ledger_mark(void);
/* Enters the request as "presented" and returns its number. */
uint64_t ledger_enter(const struct request *request, const struct token *token);
void ledger_misbehaviour(uint64_t number, const char *mode);
/* What was decided, once it is decided. */
void ledger_outcome(uint64_t number, const struct reply *reply);
/* Whether the whole reply went out; called by the server when the request is over. */
void ledger_written(uint64_t number, bool whole);

struct json_object *ledger_log(size_t n);
struct json_object *ledger_counts(void);

#endif
