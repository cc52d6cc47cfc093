/* SPDX-License-Identifier: MIT
 * Shared by the files of this folder: the bounded memory of tokens, and one forwarded call.
 */
#ifndef CORE_ENGINE_TOKENS_INTERNAL_H
#define CORE_ENGINE_TOKENS_INTERNAL_H

#include "core/base/buf.h"
#include "core/engine/state/state.h"

/* cache.c: The bounded memory of tokens that were asked for: what was last read of a record, and the answer to a
 * caller that follows from it. Tokens are wiped when they leave it.
 */
/* As read, or as committed; the store has everything in it. */
struct token_entry {
    struct secret *token; /* NULL: the row holds none */
    int64_t read_ms;      /* clock_boot_ms() */
    int64_t expires_at, generation;
    int64_t first_seen; /* of its credential */
    struct due due;
    bool unchanged; /* the last refresh brought the same token again */
    bool fine;      /* its last outcome was a success: no hold of the breaker keeps it back */
    int state, strikes;
    bool without_credential;
    char *code, *text; /* of the last failure; NULL after ok */
    char *account;     /* for operators; may be NULL */
};

struct tokens;

struct tokens *tokens_new(void);
void tokens_free(struct tokens *t);

/* NULL when it was never asked for, or was evicted. Valid until the next tokens_put or tokens_forget. */
const struct token_entry *tokens_get(const struct tokens *t, const char *source, const char *key);
/* Takes over what e holds; the oldest entry is evicted. */
void tokens_put(struct tokens *t, const char *source, const char *key, struct token_entry *e);
/* For a log line: the record's account if it is remembered; else NULL. */
const char *tokens_account(const struct tokens *t, const struct job *j, const char *key);
void tokens_forget(struct tokens *t, const char *source, const char *key);

/* The answer that a row and its record give; -errno with a sentence when the row cannot be opened. */
int token_entry_of(const struct job *j, const struct row *row, const struct record *rec, struct token_entry *ret,
                   struct error *e);
/* A commit is in the store: what is remembered of its record is updated. */
void tokens_follow(struct tokens *t, const struct job *j, const struct commit *c);

struct token_held token_held_of(const struct token_entry *t);

enum token_verdict { VERDICT_SERVE, VERDICT_TRY, VERDICT_REFUSE };

bool token_lives(const struct token_entry *t, int64_t now);
/* may_try false: no attempt can follow any more. */
int token_judge(const struct job *j, const struct token_entry *t, const struct token_requirement *w, bool may_try);
/* What a refusal says: status, state, when to come again, why. The texts are valid as long as entry and job. */
void token_refusal(const struct job *j, const struct token_entry *t, const struct token_requirement *w,
                   struct token_answer *ret);

/* forward.c: Shared by the files of forwarding: one call, and its parts.
 */
/* Texts of a message: those of list are owned, NULL-terminated. */
struct lines {
    char **list;
    size_t count;
};

/* What is to be sent, without the token. */
struct forward_parts {
    char *method, *url;     /* the URL without its query */
    struct buf query, body; /* without the token's own member */
    struct lines headers;   /* the headers that are passed on */
    bool form;              /* the body becomes a form that holds the token alone */
};

/* The first reason against the call: FORWARD_BAD, _NOT_ALLOWED or _TYPE with code and why in ret, each a constant;
 * 0: parts is filled. */
int forward_parts_of(const struct job *j, const struct forward_call *c, struct forward_parts *ret,
                     struct forward_answer *ret_refusal);
void forward_parts_done(struct forward_parts *p);

/* The request with the token inserted; it holds secrets. */
struct forward_request {
    struct buf url, body;
    struct lines headers;
    struct http_request http; /* points into it; transport's fields unset */
};
/* -ENOBUFS: it has become too large. */
int forward_request_of(const struct job *j, const struct forward_parts *p, const char *token,
                       struct forward_request *ret);
void forward_request_done(struct forward_request *r);

/* What is passed on of an answer: without hop-by-hop headers, and with stars in place of the token. */
struct forward_reply {
    char *body, *content_type;
    struct lines headers;
};
void forward_reply_of(const struct http_reply *from, const char *token, struct forward_reply *ret);
void forward_reply_done(struct forward_reply *r);

#endif
