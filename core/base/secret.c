/* SPDX-License-Identifier: MIT
 * See secret.h.
 */
#include "core/base/secret.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/vault.h"

struct secret {
    size_t len;
    bool kept; /* in the vault */
    char data[];
};

static struct secret *secret_fill(struct secret *s, const void *data, size_t len, bool kept)
{
    s->len = len;
    s->kept = kept;
    if (len)
        memcpy(s->data, data, len);
    s->data[len] = '\0';
    return s;
}

struct secret *secret_new(const void *data, size_t len)
{
    return secret_fill(xmalloc(sizeof(struct secret) + len + 1), data, len, false);
}

struct secret *secret_keep(const void *data, size_t len)
{
    return secret_fill(vault_alloc(sizeof(struct secret) + len + 1), data, len, true);
}

struct secret *secret_from_text(const char *text)
{
    return text ? secret_new(text, strlen(text)) : NULL;
}

void secret_free(struct secret *s)
{
    if (!s)
        return;
    if (s->kept) {
        vault_free(s, sizeof(*s) + s->len + 1);
        return;
    }
    explicit_bzero(s, sizeof(*s) + s->len + 1);
    free(s);
}

void secret_free_p(struct secret **s)
{
    secret_free(*s);
}

const char *secret_text(const struct secret *s)
{
    return s ? s->data : NULL;
}

size_t secret_len(const struct secret *s)
{
    return s ? s->len : 0;
}

void wipe_free(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void wipe_free_p(char **text)
{
    wipe_free(*text);
}
