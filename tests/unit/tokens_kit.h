/* SPDX-License-Identifier: MIT
 * The store, the runs and the callers of the tests of tokens on demand: one record, "r1", and what was asked of the rest
 * of the engine.
 */
#ifndef TESTS_UNIT_TOKENS_KIT_H
#define TESTS_UNIT_TOKENS_KIT_H

#include "core/store/shared_credential.h"
#include "tests/unit/engine_kit.h"

struct tokens_store {
    const char *token; /* NULL: there is no such record */
    int64_t expires_at, ok_at, generation;
    int state;
    const char *text;
    bool changed; /* its row is not as renewd's record says */
    struct standing standing;
    int reads;
};
extern struct tokens_store store;

struct tokens_runs {
    int count; /* that began */
    run_done done;
    void *ctx;
    struct token_requirement wish;
    char refused_token[20];
};
extern struct tokens_runs runs;

/* How often a row was read anew, the newest credential was asked for, a verdict was shared. */
extern int looks, restored, shared_dead;

struct caller {
    int answers; /* that it got: one */
    int status, state;
    char token[20], why[200];
    bool tried;
    int64_t retry_after;
};

extern const struct token_requirement minutes5;

/* The record has a token that is valid for so many seconds. */
void begin(int64_t life);
void end(void);

void ask(struct caller *c, const struct token_requirement *w);
/* The store answers, too. */
void asks(struct caller *c, const struct token_requirement *w);
void got(const struct caller *c, int status, const char *token);

/* The run brought this token, and the store has it. */
void run_brings(const char *token);
void run_ends(const struct run_result *r);

#endif
