/* SPDX-License-Identifier: MIT
 * See secret.h.
 */
#include "core/base/secret.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"

struct secret {
    size_t len;
    char data[];
};

struct secret *secret_new(const void *data, size_t len)
{
    struct secret *s = xmalloc(sizeof(*s) + len + 1);
    s->len = len;
    if (len)
        memcpy(s->data, data, len);
    s->data[len] = '\0';
    return s;
}

struct secret *secret_from_text(const char *text)
{
    return text ? secret_new(text, strlen(text)) : NULL;
}

void secret_free(struct secret *s)
{
    if (!s)
        return;
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
