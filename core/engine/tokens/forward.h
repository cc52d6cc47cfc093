/* SPDX-License-Identifier: MIT
 * What the files of forwarding share: one call on its way, and what it is made of. Inside core/engine only.
 */
#ifndef CORE_ENGINE_TOKENS_FORWARD_H
#define CORE_ENGINE_TOKENS_FORWARD_H

#include "core/base/buf.h"
#include "core/engine/internal.h"

/* Texts of a message: those of list are owned, NULL-terminated. */
struct lines {
    char **list;
    size_t count;
};

/* What is to be sent, but for the token. */
struct forward_parts {
    char *method, *url;          /* the URL without its query */
    struct buf query, body;      /* without the token's own member */
    struct lines headers;        /* those that do not end here */
    bool form;                   /* the body becomes a form that holds the token alone */
};

/* The first thing that speaks against the call: FORWARD_BAD, _NOT_ALLOWED or _TYPE with code and why in ret, a
 * constant each; 0: parts is filled. */
int forward_parts_of(const struct job *j, const struct forward_call *c, struct forward_parts *ret,
                     struct forward_answer *ret_refusal);
void forward_parts_done(struct forward_parts *p);

/* The request with the token in its place; it holds secrets. */
struct forward_request {
    struct buf url, body;
    struct lines headers;
    struct http_request http;    /* points into it; transport's fields unset */
};
/* -ENOBUFS: it has become too large. */
int forward_request_of(const struct job *j, const struct forward_parts *p, const char *token,
                       struct forward_request *ret);
void forward_request_done(struct forward_request *r);

/* What is passed on of an answer: without the headers that end here, and with stars where it shows the token. */
struct forward_reply {
    char *body, *content_type;
    struct lines headers;
};
void forward_reply_of(const struct http_reply *from, const char *token, struct forward_reply *ret);
void forward_reply_done(struct forward_reply *r);

#endif
