/* SPDX-License-Identifier: MIT
 * Finds the values in a reply that look like tokens, whatever their member is called. A value is a string of JSON, a
 * value of a form or of a header; words of a sentence are none. What operators read stays: error words, ids of
 * requests, times, addresses.
 */
#include "config.h" /* _GNU_SOURCE */

#include <ctype.h>
#include <string.h>

#include "core/base/redact_internal.h"

enum {
    NAME_MAX_BYTES = 64,
    MIXED_SHORTEST = 12,   /* with letters and digits */
    NAMED_SHORTEST = 16,   /* words, where the name says "access" or the like */
    LETTERS_SHORTEST = 20, /* one run of letters */
};

struct looks {
    const struct redact_layer *layer;
    redact_found_fn *found;
    void *ctx;
    char name[NAME_MAX_BYTES + 1]; /* of the values that follow, in small letters */
};

static bool run_byte(unsigned char c)
{
    return c > ' ' && c < 0x7f && !strchr("\"'<>{}[](),;&\\`", c);
}

static bool word_of_name(unsigned char c)
{
    return isalnum(c) || (c && strchr("_-.", c));
}

static bool name_ends(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

static bool holds_one_of(const char *name, const char *const *words)
{
    for (; *words; words++)
        if (strstr(name, *words))
            return true;
    return false;
}

/* Members with what people must read. */
static bool name_of_readable(const char *name)
{
    static const char *const ends[] = {"error",  "errors",   "code",     "codes",       "type",  "status",
                                       "reason", "message",  "msg",      "hint",        "title", "detail",
                                       "class",  "details",  "category", "field",       "param", "description",
                                       "path",   "name",     "scope",    "scopes",      "uri",   "url",
                                       "date",   "time",     "expires",  "timestamp",   "at",    "email",
                                       "host",   "modified", "trace",    "exception",   "ray",   "version",
                                       "prefix", "domain",   "via",      "traceparent", "server"};
    static const char *const sessions[] = {"sess", "cookie", NULL};

    if (name_ends(name, "id") || name_ends(name, "ids"))
        return !name_ends(name, "sid") && !holds_one_of(name, sessions);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (name_ends(name, ends[i]))
            return true;
    return false;
}

static bool name_of_credential(const char *name)
{
    static const char *const words[] = {"access", "refresh", "bearer", "session", "cookie", "jwt", NULL};
    return holds_one_of(name, words) || name_ends(name, "auth") || name_ends(name, "key");
}

static bool is_date(const unsigned char *v, size_t n)
{
    static const char form[] = "dddd-dd-dd";

    for (size_t i = 0; i < sizeof form - 1; i++)
        if (i >= n || (form[i] == 'd' ? !isdigit(v[i]) : v[i] != '-'))
            return false;
    return true;
}

/* An address of a page without a query, or of a person. */
static bool is_address(const unsigned char *v, size_t n)
{
    const unsigned char *at = memchr(v, '@', n);

    if (at)
        return memchr(at, '.', n - (size_t)(at - v)) && !memchr(v, '/', n);
    return memmem(v, n, "://", 3) && !memchr(v, '?', n) && !memchr(v, '=', n);
}

static bool looks_like_token(const struct looks *s, const unsigned char *v, size_t n)
{
    size_t letters = 0, digits = 0, words = 0;

    if (n < MIXED_SHORTEST || is_date(v, n) || is_address(v, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        letters += isalpha(v[i]) != 0;
        digits += isdigit(v[i]) != 0;
        words += strchr("_-.:,", v[i]) != NULL;
    }
    if (letters && digits)
        return true;
    if (name_of_credential(s->name))
        return n >= NAMED_SHORTEST;
    return letters && !words && n >= LETTERS_SHORTEST;
}

static void name_values(struct looks *s, size_t at, size_t n)
{
    size_t kept = n < NAME_MAX_BYTES ? n : NAME_MAX_BYTES;

    for (size_t i = 0; i < kept; i++)
        s->name[i] = (char)tolower(s->layer->data[at + n - kept + i]);
    s->name[kept] = '\0';
}

static bool stands_blank(const struct redact_layer *l, size_t at)
{
    return l->data[at] == ' ' || l->data[at] == '\t';
}

/* Whether a colon follows: `"name" :`, `Name:`. */
static bool names_what_follows(const struct redact_layer *l, size_t end)
{
    while (end < l->len && l->data[end] && strchr("\\\"' \t", l->data[end]))
        end++;
    return end < l->len && l->data[end] == ':';
}

/* Whether it stands among other words. */
static bool in_sentence(const struct redact_layer *l, size_t at, size_t end)
{
    if (end < l->len && stands_blank(l, end))
        return true;
    if (at == 0 || !stands_blank(l, at - 1))
        return false;
    while (at > 0 && stands_blank(l, at - 1))
        at--;
    return at > 0 && !strchr(":;=[\n", l->data[at - 1]);
}

static void see_value(struct looks *s, size_t at, size_t end)
{
    if (at < end && !name_of_readable(s->name) && looks_like_token(s, s->layer->data + at, end - at))
        s->found(s->ctx, at, end - at);
}

/* A run of bytes that delimit nothing: a name, a value, or name=value. */
static void see_run(struct looks *s, size_t at, size_t end)
{
    const struct redact_layer *l = s->layer;
    size_t name = at, equals = at;

    if (l->data[end - 1] == ':') {
        name_values(s, at, end - 1 - at);
        return;
    }
    if (names_what_follows(l, end)) {
        name_values(s, at, end - at);
        return;
    }
    while (equals < end && l->data[equals] != '=')
        equals++;
    bool pair = equals > at && equals + 1 < end && l->data[equals + 1] != '=';
    bool quoted = at > 0 && (l->data[at - 1] == '"' || l->data[at - 1] == '\'');
    if (in_sentence(l, at, end) && !pair)
        return;
    if (!pair || quoted)
        see_value(s, at, end);
    if (!pair)
        return;
    for (name = equals; name > at && word_of_name(l->data[name - 1]);)
        name--;
    name_values(s, name, equals - name);
    see_value(s, equals + 1, end);
}

void redact_looking(const struct redact_layer *l, redact_found_fn *found, void *ctx)
{
    struct looks s = {.layer = l, .found = found, .ctx = ctx};

    for (size_t at = 0, end; at < l->len; at = end + 1) {
        while (at < l->len && l->data[at] == ':') /* "name":true */
            at++;
        for (end = at; end < l->len && run_byte(l->data[end]);)
            end++;
        if (end > at)
            see_run(&s, at, end);
    }
    explicit_bzero(&s, sizeof s);
}
