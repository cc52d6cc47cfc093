/* SPDX-License-Identifier: MIT
 * Takes secrets out of text that comes from outside, before it is cut: as they are, percent-encoded, escaped as
 * JSON or HTML does it, in base64 and base64url at any alignment, and these within each other; also pieces of
 * them. What nobody knows but is called a token or a secret where it stands goes too.
 *
 * A piece counts from REDACT_PIECE bytes anywhere; from REDACT_GRAM where it stands alone, as in "it ends in
 * Zm9vYmFy"; from four where the text may have been cut. Shorter ones are in ordinary words: "facebook.com" has nine
 * bytes of a secret that begins with "facebook.at.". A word of letters that is a word in the secret too stays.
 */
#ifndef CORE_BASE_REDACT_H
#define CORE_BASE_REDACT_H

#include <stddef.h>

enum {
    REDACT_SHORTEST = 6, /* shorter secrets would tear ordinary words apart */
    REDACT_GRAM = 8,     /* so many bytes in a row of a secret are one where they stand alone */
    REDACT_PIECE = 12,   /* and so many are one wherever they stand */
};

/* The secrets that are known. */
struct redact;
struct redact *redact_new(void);
void redact_free(struct redact *r); /* wipes; NULL is none */

/* NULL and secrets under REDACT_SHORTEST bytes are left out. It is copied. */
void redact_add(struct redact *r, const char *secret, size_t len);
/* What text says to be a token or a secret by the name of its member is known from now on. */
void redact_learn(struct redact *r, const char *text, size_t len);

/* text as it may be shown: each secret is "***", each invalid byte "?", each control " "; at most max bytes. NULL
 * gives NULL; the caller frees it. */
char *redact_text(const struct redact *r, const char *text, size_t max);

/* Whole secrets alone become stars, as many as they are long: for data that is passed on. */
void redact_bytes(const struct redact *r, char *data, size_t len);

#endif
