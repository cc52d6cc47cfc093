/* SPDX-License-Identifier: MIT
 * Decodes a text in all ways: percent-encoding, escapes of JSON, entities of HTML, base64 at each of its four
 * alignments, nested up to three deep. An encoding that is cut off at the end counts as decoded.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/digits.h"
#include "core/base/redact_internal.h"

enum { LAYERS_MAX = 200, ESCAPE_MAX = 16 };

struct walk {
    redact_layer_fn *see;
    void *ctx;
    size_t count, run;
    int depth;
};

static struct redact_layer layer_new(size_t room)
{
    return (struct redact_layer){
        .data = xmalloc(room + 1),
        .from = xmalloc((room + 1) * sizeof(uint32_t)),
        .to = xmalloc((room + 1) * sizeof(uint32_t)),
    };
}

static void layer_done(struct redact_layer *l)
{
    explicit_bzero(l->data, l->len);
    free(l->data);
    free(l->from);
    free(l->to);
}

/* One decoded byte from the n bytes of parent at `at`. */
static void layer_put(struct redact_layer *l, const struct redact_layer *parent, size_t at, size_t n, unsigned byte)
{
    l->data[l->len] = (unsigned char)byte;
    l->from[l->len] = parent->from[at];
    l->to[l->len] = parent->to[at + n - 1];
    l->len++;
}

/* The end of the text or of a run of base64, at most as far as an escape may extend. */
static size_t layer_rest(const struct redact_layer *l, size_t at)
{
    size_t n = 0;
    while (n < ESCAPE_MAX && at + n < l->len && l->data[at + n])
        n++;
    return n;
}

/* The value of so many digits at p; -1: not digits; -2: the text ends within them. */
static long hex_number(const unsigned char *p, size_t left, size_t digits)
{
    long n = 0;

    for (size_t i = 0; i < digits; i++) {
        if (i >= left)
            return -2;
        if (digit_hex(p[i]) < 0)
            return -1;
        n = n * 16 + digit_hex(p[i]);
    }
    return n;
}

static void put_character(struct redact_layer *l, const struct redact_layer *parent, size_t at, size_t n,
                          unsigned long c)
{
    if (c < 0x80) {
        layer_put(l, parent, at, n, (unsigned)c);
        return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned lead[] = {0, 0xc0, 0xe0, 0xf0};
    layer_put(l, parent, at, n, lead[more] | (unsigned)(c >> (6 * more)));
    while (more-- > 0)
        layer_put(l, parent, at, n, 0x80 | (unsigned)(c >> (6 * more) & 63));
}

/* Each decoder decodes what is at `at` and returns how many bytes of the parent it used; 0: no encoding of its
 * kind. */
typedef size_t decode_fn(struct redact_layer *l, const struct redact_layer *parent, size_t at);

static size_t percent(struct redact_layer *l, const struct redact_layer *parent, size_t at)
{
    if (parent->data[at] != '%')
        return 0;
    size_t left = layer_rest(parent, at);
    long c = hex_number(parent->data + at + 1, left - 1, 2);
    if (c == -2)
        return left;
    if (c < 0)
        return 0;
    layer_put(l, parent, at, 3, (unsigned)c);
    return 3;
}

static size_t form(struct redact_layer *l, const struct redact_layer *parent, size_t at)
{
    if (parent->data[at] != '+')
        return percent(l, parent, at);
    layer_put(l, parent, at, 1, ' ');
    return 1;
}

static size_t unicode(struct redact_layer *l, const struct redact_layer *parent, size_t at)
{
    const unsigned char *p = parent->data + at;
    size_t left = layer_rest(parent, at);
    long c = hex_number(p + 2, left - 2, 4), low;

    if (c == -2)
        return left;
    if (c < 0)
        return 0;
    if (c >= 0xd800 && c < 0xdc00 && left >= 8 && p[6] == '\\' && p[7] == 'u' &&
        (low = hex_number(p + 8, left - 8, 4)) >= 0xdc00 && low < 0xe000) {
        put_character(l, parent, at, 12,
                      0x10000 + (((unsigned long)c & 0x3ff) << 10) + ((unsigned long)low & 0x3ff));
        return 12;
    }
    put_character(l, parent, at, 6, (unsigned long)c);
    return 6;
}

static size_t layer_escape(struct redact_layer *l, const struct redact_layer *parent, size_t at)
{
    static const char letters[] = "bfnrt\"\\/'", means[] = "\b\f\n\r\t\"\\/'";
    const unsigned char *p = parent->data + at;
    size_t left = *p == '\\' ? layer_rest(parent, at) : 0;

    if (left <= 1)
        return left;
    if (p[1] == 'u')
        return unicode(l, parent, at);
    if (p[1] == 'x') {
        long c = hex_number(p + 2, left - 2, 2);
        if (c == -2)
            return left;
        if (c >= 0)
            layer_put(l, parent, at, 4, (unsigned)c);
        return c < 0 ? 0 : 4;
    }
    const char *letter = p[1] ? strchr(letters, p[1]) : NULL;
    if (!letter)
        return 0;
    layer_put(l, parent, at, 2, (unsigned char)means[letter - letters]);
    return 2;
}

static size_t entity(struct redact_layer *l, const struct redact_layer *parent, size_t at)
{
    static const struct {
        const char *name;
        unsigned char c;
    } named[] = {{"amp;", '&'}, {"lt;", '<'}, {"gt;", '>'}, {"quot;", '"'}, {"apos;", '\''}};
    const unsigned char *p = parent->data + at + 1;
    size_t left = 0, digits = 0;
    unsigned long c = 0;

    if (parent->data[at] != '&')
        return 0;
    left = layer_rest(parent, at + 1);
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        size_t n = strlen(named[i].name);
        if (left >= n && memcmp(p, named[i].name, n) == 0) {
            layer_put(l, parent, at, n + 1, named[i].c);
            return n + 1;
        }
    }
    if (left == 0 || p[0] != '#')
        return 0;
    bool by16 = left > 1 && (p[1] == 'x' || p[1] == 'X');
    size_t i = by16 ? 2 : 1;
    for (; i < left && digits < 7 && (by16 ? digit_hex(p[i]) >= 0 : p[i] >= '0' && p[i] <= '9'); i++, digits++)
        c = c * (by16 ? 16 : 10) + (unsigned long)digit_hex(p[i]);
    if (i == left)
        return left + 1;
    if (!digits || p[i] != ';' || c > 0x10ffff)
        return 0;
    put_character(l, parent, at, i + 2, c);
    return i + 2;
}

/* False when nothing was decoded: the layer equals its parent. */
static bool decode_with(const struct redact_layer *parent, decode_fn *one, const char *starts,
                        struct redact_layer *ret)
{
    size_t first = 0, changed = 0;

    while (first < parent->len && !(parent->data[first] && strchr(starts, parent->data[first])))
        first++;
    if (first == parent->len)
        return false;
    /* A \u is six bytes for at most three, a pair of them twelve for four. */
    *ret = layer_new(parent->len);
    ret->decoded = true;
    for (size_t at = 0, n; at < parent->len; at += n) {
        n = one(ret, parent, at);
        changed += n > 0;
        if (n == 0) {
            layer_put(ret, parent, at, 1, parent->data[at]);
            n = 1;
        }
    }
    if (!changed)
        layer_done(ret);
    return changed > 0;
}

static int layer_sextet(int c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+' || c == '-' ? 62
           : c == '/' || c == '_' ? 63
                                  : -1;
}

static void decode_run(struct redact_layer *l, const struct redact_layer *parent, size_t at, size_t end)
{
    uint32_t bits = 0;

    for (size_t i = 0; at + i < end; i++) {
        bits = bits << 6 | (uint32_t)layer_sextet(parent->data[at + i]);
        if (i % 4 > 0)
            layer_put(l, parent, at + i - 1, 2, bits >> (6 - 2 * (i % 4)) & 0xff);
    }
}

/* Decodes all runs of base64 letters without the first `skip` letters of each, with a NUL after each. */
static bool decode_base64(const struct redact_layer *parent, size_t run, size_t skip, struct redact_layer *ret)
{
    bool any = false;

    for (size_t at = 0, end; at < parent->len; at = end + 1) {
        for (end = at; end < parent->len && layer_sextet(parent->data[end]) >= 0;)
            end++;
        if (end - at < run + skip)
            continue;
        if (!any)
            *ret = layer_new(parent->len);
        any = true;
        decode_run(ret, parent, at + skip, end);
        layer_put(ret, parent, end - 1, 1, 0);
    }
    return any;
}

static void see(struct walk *w, const struct redact_layer *l, int depth, bool within_base64)
{
    static const struct {
        decode_fn *one;
        const char *starts;
    } decoders[] = {{percent, "%"}, {form, "+"}, {layer_escape, "\\"}, {entity, "&"}};
    struct redact_layer child;

    if (w->count++ >= LAYERS_MAX)
        return;
    w->see(w->ctx, l);
    for (size_t i = 0; depth < w->depth && i < sizeof decoders / sizeof *decoders; i++)
        if (decode_with(l, decoders[i].one, decoders[i].starts, &child)) {
            see(w, &child, depth + 1, within_base64);
            layer_done(&child);
        }
    for (size_t skip = 0; !within_base64 && skip < 4 && decode_base64(l, w->run, skip, &child); skip++) {
        see(w, &child, depth + 1, true);
        layer_done(&child);
    }
}

void redact_layers(const char *text, size_t len, int depth, size_t run, redact_layer_fn *fn, void *ctx)
{
    struct walk w = {.see = fn, .ctx = ctx, .depth = depth, .run = run};
    struct redact_layer l = layer_new(len);

    memcpy(l.data, text, len);
    l.len = len;
    for (size_t i = 0; i < len; i++) {
        l.from[i] = (uint32_t)i;
        l.to[i] = (uint32_t)i + 1;
    }
    see(&w, &l, 0, false);
    layer_done(&l);
}
