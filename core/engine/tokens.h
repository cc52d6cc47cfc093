/* SPDX-License-Identifier: MIT
 * The bounded memory of tokens that were asked for: what was last read of a record, and what follows from
 * it for somebody who wants its token. Inside core/engine only. Tokens are wiped when they leave it.
 */
#ifndef CORE_ENGINE_TOKENS_H
#define CORE_ENGINE_TOKENS_H

#include "core/engine/internal.h"

/* As read, or as committed; what is in it has reached the store. */
struct token_entry {
    struct secret *token;        /* NULL: the row holds none */
    int64_t read_ms;             /* clock_boot_ms() */
    int64_t expires_at, generation;
    struct due due;
    int state;
    bool without_credential;
    char *code, *text;           /* of the last failure; NULL after ok */
};

struct tokens;

struct tokens *tokens_new(void);
void tokens_free(struct tokens *t);

/* NULL when it was never asked for, or had to give way. Valid until the next tokens_put or tokens_forget. */
const struct token_entry *tokens_get(const struct tokens *t, const char *source, const char *key);
/* Takes what e holds over; the entry that stood longest gives way. */
void tokens_put(struct tokens *t, const char *source, const char *key, struct token_entry *e);
void tokens_forget(struct tokens *t, const char *source, const char *key);

/* What a row and its record come to; -errno with a sentence when the row cannot be opened. */
int token_entry_of(const struct job *j, const struct row *row, const struct record *rec,
                   struct token_entry *ret, struct error *e);
/* A commit is in the store: what is remembered of its record follows. */
void tokens_follow(struct tokens *t, const struct job *j, const struct commit *c);

enum token_verdict { VERDICT_SERVE, VERDICT_TRY, VERDICT_REFUSE };

bool token_lives(const struct token_entry *t, int64_t now);
/* may_try false: no attempt may follow any more. */
int token_judge(const struct job *j, const struct token_entry *t, const struct token_wish *w, bool may_try);
/* What a refusal says: status, state, when to come again, why. Texts live as long as entry and job. */
void token_refusal(const struct job *j, const struct token_entry *t, struct token_answer *ret);

#endif
