/* SPDX-License-Identifier: MIT
 * See settings.h. Order is kept, so that a group's members come as they were written.
 */
#include "core/plugin/settings.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/crypto/crypto.h"

struct setting {
    char *group; /* NULL: not a member of one */
    char *name;
    struct secret *text;
    int64_t number;
};

struct settings {
    struct setting *list;
    size_t count;
};

struct settings *settings_new(void)
{
    return xcalloc(1, sizeof(struct settings));
}

void settings_free(struct settings *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        free(s->list[i].group);
        free(s->list[i].name);
        secret_free(s->list[i].text);
    }
    free(s->list);
    free(s);
}

static struct setting *setting_find(const struct settings *s, const char *group, const char *name)
{
    for (size_t i = 0; i < s->count; i++) {
        struct setting *t = &s->list[i];
        if (!t->group == !group && (!group || strcmp(t->group, group) == 0) && strcmp(t->name, name) == 0)
            return t;
    }
    return NULL;
}

static void setting_put(struct settings *s, const char *group, const char *name, const char *text, int64_t number,
                        bool secret)
{
    struct setting *t = setting_find(s, group, name);

    if (!t) {
        s->list = xrealloc(s->list, (s->count + 1) * sizeof(*s->list));
        t = &s->list[s->count++];
        *t = (struct setting){.group = xstrdup_or_null(group), .name = xstrdup(name)};
    }
    secret_free(t->text);
    t->text = secret ? secret_keep(text, strlen(text)) : secret_from_text(text);
    t->number = number;
}

void settings_put(struct settings *s, const char *name, const char *text, int64_t number)
{
    setting_put(s, NULL, name, text, number, false);
}

void settings_put_secret(struct settings *s, const char *name, const char *text)
{
    setting_put(s, NULL, name, text, 0, true);
}

void settings_put_member(struct settings *s, const char *group, const char *name, const char *value, bool secret)
{
    setting_put(s, group, name, value, 0, secret);
}

const char *settings_text(const struct settings *s, const char *name)
{
    const struct setting *t = setting_find(s, NULL, name);
    return t ? secret_text(t->text) : NULL;
}

int64_t settings_integer(const struct settings *s, const char *name)
{
    const struct setting *t = setting_find(s, NULL, name);
    return t ? t->number : 0;
}

void settings_hash(const struct settings *s, unsigned char io_hash[CRYPTO_HASH])
{
    for (size_t i = 0; s && i < s->count; i++) {
        const struct setting *t = &s->list[i];
        crypto_hash_on(io_hash, t->group ? t->group : "", t->group ? strlen(t->group) : 0);
        crypto_hash_on(io_hash, t->name, strlen(t->name));
        crypto_hash_on(io_hash, secret_text(t->text), secret_len(t->text));
        crypto_hash_on(io_hash, (const char *)&t->number, sizeof t->number);
    }
}

int settings_member(const struct settings *s, const char *group, size_t index, const char **ret_name,
                    const char **ret_value)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct setting *t = &s->list[i];
        if (!t->group || strcmp(t->group, group) != 0 || index-- > 0)
            continue;
        *ret_name = t->name;
        *ret_value = secret_text(t->text);
        return 1;
    }
    return 0;
}
