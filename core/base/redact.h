/* SPDX-License-Identifier: MIT
 * Removes secrets from text that comes from outside, before the text is cut. It finds them in plain form,
 * percent-encoded, with the escapes of JSON or HTML, in base64 and base64url at any alignment, and in nested
 * encodings; it also finds pieces of them. Unknown values that the text itself names as a token or a secret are
 * removed, too.
 *
 * A piece of at least REDACT_PIECE bytes counts anywhere; of at least REDACT_GRAM if it is a word by itself, as in
 * "it ends in Zm9vYmFy"; of at least four where the text may have been cut. Shorter pieces occur in ordinary words:
 * "facebook.com" has nine bytes of a secret that begins with "facebook.at.". A word of letters that is also a word
 * in the secret is kept.
 */
#ifndef CORE_BASE_REDACT_H
#define CORE_BASE_REDACT_H

#include <stddef.h>

enum {
    REDACT_SHORTEST = 6, /* shorter secrets would match parts of ordinary words */
    REDACT_GRAM = 8,     /* so many consecutive bytes of a secret count as a word by themselves */
    REDACT_PIECE = 12,   /* and so many count anywhere */
};

/* The secrets that are known. */
struct redact;
struct redact *redact_new(void);
void redact_free(struct redact *r); /* wipes; NULL is none */

/* Adds a copy. NULL and secrets under REDACT_SHORTEST bytes are ignored. */
void redact_add(struct redact *r, const char *secret, size_t len);
/* Adds those of another; NULL has none. */
void redact_add_all(struct redact *r, const struct redact *from);
/* Adds the values in a reply that the name of their member marks as a token or a secret, and those that look like a
 * token. Error words, ids of requests, times and addresses are none. */
void redact_learn(struct redact *r, const char *text, size_t len);

/* A copy of text that may be shown: each secret becomes "***", each invalid byte "?", each control character "
 * "; at most max bytes. NULL gives NULL; the caller frees the copy. */
char *redact_text(const struct redact *r, const char *text, size_t max);

/* Replaces only whole secrets, by as many stars as they are long: for data that is passed on. */
void redact_bytes(const struct redact *r, char *data, size_t len);

#endif
