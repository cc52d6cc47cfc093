/* SPDX-License-Identifier: MIT
 * See redact.h. Every layer of a text is searched for the secrets and for pieces of them; each hit is marked in the
 * text itself.
 */
#include "config.h" /* _GNU_SOURCE */

#include "core/base/redact.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/redact_internal.h"
#include "core/base/secret.h"
#include "core/base/utf8.h"

enum {
    SECRETS_MAX = 512,
    TEXT_MAX = 4 * 1024, /* the rest of a longer text is neither searched nor shown */
    LEARN_MAX = 16 * 1024,
    LEARN_RUN = 24,
    EDGE_PIECE = 4, /* bytes of a secret at the start or end of the text, where it may be cut */
    WORD_PIECE = 6, /* the same where a word begins and ends */
    BROKEN_MAX = 6, /* bytes at the start of a text that may be the end of an escape */
    GRAM_BITS = 14,
    DEPTH = 3,          /* encodings within each other */
    RUN_SHORTEST = 6,   /* shortest run of base64 that is decoded */
    WINDOW = 32 * 1024, /* bytes of passed on data that are searched at once */
};

struct redact {
    struct secret *list[SECRETS_MAX];
    size_t count;
    unsigned char grams[(1 << GRAM_BITS) / 8]; /* pieces of REDACT_GRAM bytes, by hash */
};

struct redact *redact_new(void)
{
    return xcalloc(1, sizeof(struct redact));
}

void redact_free(struct redact *r)
{
    for (size_t i = 0; r && i < r->count; i++)
        secret_free(r->list[i]);
    free(r);
}

static unsigned gram(const void *p)
{
    uint64_t bytes;
    memcpy(&bytes, p, REDACT_GRAM);
    return (unsigned)(bytes * UINT64_C(0x9e3779b97f4a7c15) >> (64 - GRAM_BITS));
}

static bool has_gram(const struct redact *r, const void *p)
{
    unsigned g = gram(p);
    return r->grams[g / 8] >> (g % 8) & 1;
}

void redact_add(struct redact *r, const char *secret, size_t len)
{
    if (!secret || len < REDACT_SHORTEST || r->count == SECRETS_MAX)
        return;
    for (size_t i = 0; i < r->count; i++)
        if (secret_len(r->list[i]) == len && memcmp(secret_text(r->list[i]), secret, len) == 0)
            return;
    r->list[r->count++] = secret_new(secret, len);
    for (size_t i = 0; i + REDACT_GRAM <= len; i++) {
        unsigned g = gram(secret + i);
        r->grams[g / 8] |= (unsigned char)(1 << (g % 8));
    }
}

void redact_add_all(struct redact *r, const struct redact *from)
{
    for (size_t i = 0; from && i < from->count; i++)
        redact_add(r, secret_text(from->list[i]), secret_len(from->list[i]));
}

/* ---- what is known is found ---- */

struct search {
    const struct redact *known;
    const struct redact_layer *layer;
    char *marks; /* of the text */
};

static void redact_mark(void *ctx, size_t at, size_t len)
{
    struct search *s = ctx;

    for (size_t i = at; i < at + len; i++)
        memset(s->marks + s->layer->from[i], 1, s->layer->to[i] - s->layer->from[i]);
}

static void find_whole(struct search *s, const struct secret *secret)
{
    const struct redact_layer *l = s->layer;
    size_t n = secret_len(secret);

    for (unsigned char *p = l->data; (p = memmem(p, l->len - (size_t)(p - l->data), secret_text(secret), n));
         p += n)
        redact_mark(s, (size_t)(p - l->data), n);
}

static bool is_word(const unsigned char *p, size_t n)
{
    while (n > 0 && isalpha(p[n - 1]))
        n--;
    return n == 0;
}

/* Whether the n bytes at p occur in a secret; unless words count, not if they are a word in it. */
static bool redact_is_piece(const struct search *s, const unsigned char *p, size_t n, bool words)
{
    for (size_t i = 0; i < s->known->count; i++) {
        const char *text = secret_text(s->known->list[i]), *end = text + secret_len(s->known->list[i]);
        const char *at = memmem(text, (size_t)(end - text), p, n);
        if (at && (words || !is_word(p, n) || (at > text && isalnum((unsigned char)at[-1])) ||
                   (at + n < end && isalnum((unsigned char)at[n]))))
            return true;
    }
    return false;
}

static bool alone(const struct redact_layer *l, size_t at, size_t n)
{
    return (at == 0 || !isalnum(l->data[at - 1])) && (at + n == l->len || !isalnum(l->data[at + n]));
}

static void find_pieces(struct search *s)
{
    const struct redact_layer *l = s->layer;

    for (size_t at = 0; at + REDACT_GRAM <= l->len; at++) {
        if (!has_gram(s->known, l->data + at))
            continue;
        for (size_t n = REDACT_PIECE; n >= REDACT_GRAM; n--)
            if (at + n <= l->len && (n == REDACT_PIECE || alone(l, at, n)) &&
                redact_is_piece(s, l->data + at, n, n == REDACT_PIECE)) {
                redact_mark(s, at, n);
                break;
            }
    }
}

/* Whether a longer secret begins or ends with these bytes. A word with which a secret begins does not count. */
static bool is_end_of_one(const struct search *s, const unsigned char *p, size_t n, bool first, bool hard)
{
    for (size_t i = 0; i < s->known->count; i++) {
        const char *text = secret_text(s->known->list[i]);
        size_t len = secret_len(s->known->list[i]);
        if (len > n && memcmp(first ? text : text + len - n, p, n) == 0 &&
            (hard || isalnum((unsigned char)text[n]) || !is_word(p, n)))
            return true;
    }
    return false;
}

static bool dots(const struct redact_layer *l, size_t at)
{
    return at + 3 <= l->len &&
           (memcmp(l->data + at, "...", 3) == 0 || memcmp(l->data + at, "\xe2\x80\xa6", 3) == 0);
}

static bool word_byte(const struct redact_layer *l, size_t at)
{
    return at < l->len && (isalnum(l->data[at]) || (l->data[at] && strchr("-._~+/=", l->data[at])));
}

/* Marks pieces at the ends of the text, where it may have been cut, that are too short to count elsewhere. */
static void find_at_edges(struct search *s)
{
    const struct redact_layer *l = s->layer;

    for (size_t at = 0; at <= l->len; at++) {
        bool hard = at == l->len || !l->data[at] || dots(l, at);
        bool soft = at > 0 && !word_byte(l, at) && word_byte(l, at - 1);
        for (size_t n = REDACT_PIECE - 1; (hard || soft) && n >= (hard ? EDGE_PIECE : WORD_PIECE); n--)
            if (at >= n && (hard || at == n || !word_byte(l, at - n - 1)) &&
                is_end_of_one(s, l->data + at - n, n, true, hard)) {
                redact_mark(s, at - n, n);
                break;
            }
        bool after = at < (l->decoded ? BROKEN_MAX : 1) || !l->data[at - 1] || (at >= 3 && dots(l, at - 3));
        for (size_t n = REDACT_PIECE - 1; after && n >= EDGE_PIECE; n--)
            if (at + n <= l->len && is_end_of_one(s, l->data + at, n, false, true)) {
                redact_mark(s, at, n);
                break;
            }
    }
}

static void search_whole(void *ctx, const struct redact_layer *l)
{
    struct search *s = ctx;

    s->layer = l;
    for (size_t i = 0; i < s->known->count; i++)
        find_whole(s, s->known->list[i]);
}

static void search_all(void *ctx, const struct redact_layer *l)
{
    struct search *s = ctx;

    s->layer = l;
    for (size_t i = 0; i < s->known->count; i++)
        if (secret_len(s->known->list[i]) < REDACT_PIECE)
            find_whole(s, s->known->list[i]);
    find_pieces(s);
    find_at_edges(s);
    redact_named(l, redact_mark, s);
}

/* ---- what it is for ---- */

char *redact_text(const struct redact *r, const char *text, size_t max)
{
    if (!text)
        return NULL;
    size_t len = strnlen(text, TEXT_MAX);
    struct search s = {.known = r, .marks = xcalloc(1, len + 1)};
    struct buf shown;
    buf_init(&shown, 3 * len + 1);
    redact_layers(text, len, DEPTH, RUN_SHORTEST, search_all, &s);
    for (size_t i = 0; i < len; i++)
        if (!s.marks[i])
            buf_char(&shown, text[i]);
        else if (i == 0 || !s.marks[i - 1])
            buf_text(&shown, "***");
    buf_text(&shown, "");
    free(s.marks);
    utf8_clean(shown.data, max);
    return buf_steal(&shown);
}

static void hide_window(const struct redact *r, char *data, size_t len, size_t shortest)
{
    struct search s = {.known = r, .marks = xcalloc(1, len + 1)};

    redact_layers(data, len, 1, shortest * 4 / 3, search_whole, &s);
    for (size_t i = 0; i < len; i++)
        if (s.marks[i])
            data[i] = '*';
    free(s.marks);
}

/* Windows overlap by the greatest length of a secret. */
void redact_bytes(const struct redact *r, char *data, size_t len)
{
    size_t longest = 0, shortest = SIZE_MAX / 4;

    for (size_t i = 0; i < r->count; i++) {
        size_t n = secret_len(r->list[i]);
        longest = n > longest ? n : longest;
        shortest = n < shortest ? n : shortest;
    }
    for (size_t at = 0; r->count && at < len; at += WINDOW)
        hide_window(r, data + at, len - at < WINDOW + 6 * longest ? len - at : WINDOW + 6 * longest, shortest);
}

struct lesson {
    struct redact *known;
    const struct redact_layer *layer;
};

static void learn_one(void *ctx, size_t at, size_t len)
{
    struct lesson *t = ctx;
    redact_add(t->known, (const char *)t->layer->data + at, len);
}

static void learn_named(void *ctx, const struct redact_layer *l)
{
    struct lesson *t = ctx;

    t->layer = l;
    redact_named(l, learn_one, t);
}

static void learn_looking(void *ctx, const struct redact_layer *l)
{
    struct lesson *t = ctx;

    t->layer = l;
    redact_looking(l, learn_one, t);
}

/* The named ones first: there is a limit. */
void redact_learn(struct redact *r, const char *text, size_t len)
{
    struct lesson t = {.known = r};

    if (!text)
        return;
    redact_layers(text, len < LEARN_MAX ? len : LEARN_MAX, DEPTH, LEARN_RUN, learn_named, &t);
    redact_layers(text, len < LEARN_MAX ? len : LEARN_MAX, DEPTH, LEARN_RUN, learn_looking, &t);
}
