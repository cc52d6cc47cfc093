/* SPDX-License-Identifier: MIT
 * Finds secrets that are not known yet: a new token in a rejected reply, a code, a secret in a form. They are found
 * by the name of the member that holds them, after "Bearer", or by the form of a JSON Web Token.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/base/redact_internal.h"

enum {
    STRONG = 1, /* the name of a secret: any value is one */
    WEAK,       /* related to secrets: a value that is not a word is one */
    CODE,       /* an error code or an authorization code: a value that looks random is one */
    NAME_MAX_BYTES = 64,
    RANDOM_SHORTEST = 12,
};

static bool name_byte(unsigned char c)
{
    return isalnum(c) || c == '_' || c == '-' || c == '.';
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* name in small letters. */
static int meaning(const char *name)
{
    static const char *const harmless[] = {"token_type", "token_type_hint", "token_url", "token_uri",
                                           "token_endpoint"};
    static const char *const strong[] = {"token",  "secret",  "password", "passwd",      "assertion",
                                         "apikey", "api_key", "api-key",  "private_key", "credential"};
    static const char *const codes[] = {"code", "device_code", "auth_code", "authorization_code"};

    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (ends_with(name, harmless[i]))
            return 0;
    for (size_t i = 0; i < sizeof strong / sizeof *strong; i++)
        if (ends_with(name, strong[i]))
            return STRONG;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(name, codes[i]) == 0)
            return CODE;
    return strstr(name, "token") || strstr(name, "secret") || strcmp(name, "authorization") == 0 ? WEAK : 0;
}

static bool blank(const unsigned char *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] <= ' ')
            return true;
    return false;
}

/* Only letters and what separates words. */
static bool words(const unsigned char *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isalpha(v[i]) && !strchr(" _-.,:;'!?()", v[i]))
            return false;
    return true;
}

/* Whether a long piece between separators mixes letters and digits. */
static bool looks_random(const unsigned char *v, size_t n)
{
    size_t letters = 0, digits = 0;

    for (size_t i = 0; i < n; i++) {
        letters += isalpha(v[i]) != 0;
        digits += isdigit(v[i]) != 0;
        if (v[i] && strchr(" _-.:/", v[i]))
            letters = digits = 0;
        if (letters && digits && letters + digits >= RANDOM_SHORTEST)
            return true;
    }
    return false;
}

static bool redact_names_is_secret(int meaning, const unsigned char *v, size_t n)
{
    size_t number = 0;

    while (number < n && (isdigit(v[number]) || v[number] == '.' || v[number] == '-'))
        number++;
    if (n < REDACT_SHORTEST || number == n)
        return false;
    if (meaning == CODE || blank(v, n))
        return looks_random(v, n);
    return meaning == STRONG || !words(v, n);
}

/* The value after a name that ends at `at`: `"name": "value"`, `name=value`, `name: value`. */
static bool value_after(const struct redact_layer *l, size_t at, size_t *ret_at, size_t *ret_len)
{
    const unsigned char *d = l->data;
    unsigned char quote = 0;

    while (at < l->len && d[at] && strchr("\"' \t", d[at])) /* an escaped value is read in its decoded layer */
        at++;
    if (at == l->len || (d[at] != ':' && d[at] != '='))
        return false;
    at++;
    while (at < l->len && d[at] && strchr(" \t>\\[", d[at]))
        at++;
    if (at < l->len && (d[at] == '"' || d[at] == '\''))
        quote = d[at++];
    size_t end = at;
    while (end < l->len && d[end] >= ' ' && (quote ? d[end] != quote : !strchr(" &;,}<)\"'", d[end])))
        end += quote && d[end] == '\\' && end + 1 < l->len ? 2 : 1;
    while (end > at && end <= l->len && d[end - 1] == '\\')
        end--;
    *ret_at = at;
    *ret_len = (end > l->len ? l->len : end) - at;
    return true;
}

/* The name that begins at `at`, in small letters; its length, 0 when none begins there. */
static size_t name_at(const struct redact_layer *l, size_t at, char ret[NAME_MAX_BYTES + 1])
{
    size_t n = 0;

    if (!name_byte(l->data[at]) || (at > 0 && name_byte(l->data[at - 1])))
        return 0;
    while (at + n < l->len && name_byte(l->data[at + n])) {
        if (n < NAME_MAX_BYTES)
            ret[n] = (char)tolower(l->data[at + n]);
        n++;
    }
    ret[n < NAME_MAX_BYTES ? n : NAME_MAX_BYTES] = '\0';
    return n;
}

/* "Bearer abc": the value follows the blank. A JSON Web Token begins with {" in base64. */
static void by_look(const struct redact_layer *l, size_t at, size_t n, const char *name, redact_found_fn *found,
                    void *ctx)
{
    if ((strcmp(name, "bearer") == 0 || strcmp(name, "basic") == 0) && at + n < l->len && l->data[at + n] == ' ') {
        size_t from = at + n + 1, end = from;
        while (end < l->len && l->data[end] > ' ' && !strchr("\"',;<>\\", l->data[end]))
            end++;
        if (end - from >= RANDOM_SHORTEST && !words(l->data + from, end - from))
            found(ctx, from, end - from);
    } else if (n >= 2 * RANDOM_SHORTEST && memcmp(l->data + at, "eyJ", 3) == 0 && memchr(l->data + at, '.', n)) {
        found(ctx, at, n);
    }
}

void redact_named(const struct redact_layer *l, redact_found_fn *found, void *ctx)
{
    char name[NAME_MAX_BYTES + 1];
    size_t from, len;

    for (size_t at = 0, n; at < l->len; at += n ? n : 1) {
        n = name_at(l, at, name);
        int what = n ? meaning(name) : 0;
        if (n)
            by_look(l, at, n, name, found, ctx);
        if (what && value_after(l, at + n, &from, &len) && redact_names_is_secret(what, l->data + from, len))
            found(ctx, from, len);
    }
}
