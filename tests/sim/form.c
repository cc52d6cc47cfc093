/* SPDX-License-Identifier: MIT
 * Reading what a client sends: form members, HTTP Basic, bearer tokens.
 */
#include "tests/sim/form.h"

#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "tests/sim/sim.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

char *form_decode(const char *text, size_t len)
{
    char *out = xmalloc(len + 1);
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = text[i] == '+' ? ' ' : text[i];
        if (c == '%') {
            int high = len - i > 2 ? hex_digit(text[i + 1]) : -1;
            int low = len - i > 2 ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                free(out);
                return NULL;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0') {
            free(out);
            return NULL;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return out;
}

static void form_add(struct form *form, const char *member, size_t len)
{
    const char *equals = memchr(member, '=', len);
    size_t name_len = equals ? (size_t)(equals - member) : len;
    char *name = form_decode(member, name_len);
    char *value = equals ? form_decode(equals + 1, len - name_len - 1) : xstrdup("");

    if (!name || !value || form->count == FORM_MAX) {
        form->malformed = true;
        free(name);
        free(value);
        return;
    }
    if (form_get(form, name))
        form->twice = true;
    form->names[form->count] = name;
    form->values[form->count++] = value;
}

void form_parse(const char *text, struct form *ret_form)
{
    memset(ret_form, 0, sizeof(*ret_form));
    while (*text) {
        size_t len = strcspn(text, "&");
        if (len)
            form_add(ret_form, text, len);
        text += len;
        if (*text)
            text++;
    }
}

void form_done(struct form *form)
{
    for (size_t i = 0; i < form->count; i++) {
        free(form->names[i]);
        free(form->values[i]);
    }
    form->count = 0;
}

const char *form_get(const struct form *form, const char *name)
{
    for (size_t i = 0; i < form->count; i++)
        if (strcmp(form->names[i], name) == 0)
            return form->values[i];
    return NULL;
}

bool content_is_form(const struct request *request)
{
    static const char form_type[] = "application/x-www-form-urlencoded";
    const char *type = request_header(request, "Content-Type");
    size_t len = sizeof(form_type) - 1;

    if (!type || strncasecmp(type, form_type, len) != 0)
        return false;
    type += len;
    type += strspn(type, " \t");
    return *type == '\0' || *type == ';';
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* NULL when text is not base64. The caller frees it. */
static char *base64_decode(const char *text)
{
    size_t len = strlen(text), n = 0;
    unsigned bits = 0, held = 0;
    cleanup(free_p) char *out = xmalloc(len + 1);

    while (len && text[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0)
            return NULL;
        bits = (bits << 6 | (unsigned)digit) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[n++] = (char)(bits >> held & 0xff);
        }
    }
    out[n] = '\0';
    return strlen(out) == n ? xstrdup(out) : NULL;
}

static void claim_basic(const char *encoded, struct client_claim *claim)
{
    cleanup(free_p) char *pair = base64_decode(encoded + strspn(encoded, " "));
    char *colon = pair ? strchr(pair, ':') : NULL;

    claim->basic = true;
    if (!colon) {
        claim->malformed = true;
        return;
    }
    claim->id = form_decode(pair, (size_t)(colon - pair));
    claim->secret = form_decode(colon + 1, strlen(colon + 1));
    claim->malformed = !claim->id || !claim->secret;
}

void client_claim_read(const struct request *request, const struct form *form, struct client_claim *ret_claim)
{
    const char *authorization = request_header(request, "Authorization");
    const char *id = form_get(form, "client_id"), *secret = form_get(form, "client_secret");

    memset(ret_claim, 0, sizeof(*ret_claim));
    if (authorization && strncasecmp(authorization, "Basic ", 6) == 0) {
        claim_basic(authorization + 6, ret_claim);
        ret_claim->both = secret != NULL;
        return;
    }
    ret_claim->id = id ? xstrdup(id) : NULL;
    ret_claim->secret = secret ? xstrdup(secret) : NULL;
}

void client_claim_done(struct client_claim *claim)
{
    free(claim->id);
    free(claim->secret);
    claim->id = claim->secret = NULL;
}

const char *bearer_of(const struct request *request)
{
    const char *authorization = request_header(request, "Authorization");

    if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
        return NULL;
    return authorization + 7 + strspn(authorization + 7, " ");
}

static bool has_word(const char *words, const char *word, size_t len)
{
    while (*words) {
        words += strspn(words, " ");
        size_t n = strcspn(words, " ");
        if (n == len && strncmp(words, word, len) == 0)
            return true;
        words += n;
    }
    return false;
}

bool scope_within(const char *wanted, const char *granted)
{
    while (*wanted) {
        wanted += strspn(wanted, " ");
        size_t len = strcspn(wanted, " ");
        if (len && !has_word(granted, wanted, len))
            return false;
        wanted += len;
    }
    return true;
}
