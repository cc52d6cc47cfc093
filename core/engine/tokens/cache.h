/* SPDX-License-Identifier: MIT
 * The bounded memory of tokens that were asked for: what was last read of a record, and what follows from
 * it for somebody who wants its token. Inside core/engine only. Tokens are wiped when they leave it.
 */
#ifndef CORE_ENGINE_TOKENS_CACHE_H
#define CORE_ENGINE_TOKENS_CACHE_H

#include "core/engine/internal.h"

/* As read, or as committed; what is in it has reached the store. */
struct token_entry {
    struct secret *token;        /* NULL: the row holds none */
    int64_t read_ms;             /* clock_boot_ms() */
    int64_t expires_at, generation;
    int64_t first_seen;          /* of its credential */
    struct due due;
    bool unchanged;              /* the last refresh brought the token that was there before */
    bool fine;                   /* its last answer was a success: no hold of the breaker keeps it */
    int state, strikes;
    bool without_credential;
    char *code, *text;           /* of the last failure; NULL after ok */
    char *account;               /* for people; may be NULL */
};

struct tokens;

struct tokens *tokens_new(void);
void tokens_free(struct tokens *t);

/* NULL when it was never asked for, or had to give way. Valid until the next tokens_put or tokens_forget. */
const struct token_entry *tokens_get(const struct tokens *t, const char *source, const char *key);
/* Takes what e holds over; the entry that stood longest gives way. */
void tokens_put(struct tokens *t, const char *source, const char *key, struct token_entry *e);
/* For a line of the log: the record's account where that is remembered; NULL. */
const char *tokens_account(const struct tokens *t, const struct job *j, const char *key);
void tokens_forget(struct tokens *t, const char *source, const char *key);

/* What a row and its record come to; -errno with a sentence when the row cannot be opened. */
int token_entry_of(const struct job *j, const struct row *row, const struct record *rec,
                   struct token_entry *ret, struct error *e);
/* A commit is in the store: what is remembered of its record follows. */
void tokens_follow(struct tokens *t, const struct job *j, const struct commit *c);

/* What a provider's refusal is held against: a record as it stands. */
struct token_held {
    const char *token;           /* may be NULL */
    int64_t generation, ok_at, first_seen;
};
/* The refusal that w tells of is one of this token: no refresh has followed it. Where a refresh replaces no
 * credential and the token is not known, one of the last minute counts as having followed. */
bool token_refused(const struct token_wish *w, const struct token_held *h, int64_t now);
struct token_held token_held_of(const struct token_entry *t);

enum token_verdict { VERDICT_SERVE, VERDICT_TRY, VERDICT_REFUSE };

bool token_lives(const struct token_entry *t, int64_t now);
/* may_try false: no attempt may follow any more. */
int token_judge(const struct job *j, const struct token_entry *t, const struct token_wish *w, bool may_try);
/* What a refusal says: status, state, when to come again, why. Texts live as long as entry and job. */
void token_refusal(const struct job *j, const struct token_entry *t, const struct token_wish *w,
                   struct token_answer *ret);

#endif
