/* SPDX-License-Identifier: MIT
 * Small readers for all configuration files: paths, lists, URLs, and secrets, whose values never
 * reach a sentence.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/conf/secretref.h"
#include "core/config/config_internal.h"

char *path_in(const char *dir, const char *path)
{
    return path[0] == '/' ? xstrdup(path) : xasprintf("%s/%s", dir, path);
}

char **texts_copy(const struct conf_item *list)
{
    size_t count = conf_text_list_count(list);
    char **copy = xcalloc(count + 1, sizeof *copy);

    for (size_t i = 0; i < count; i++)
        copy[i] = xstrdup(conf_text_list_at(list, i));
    return copy;
}

void texts_free(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

static void use_note(struct reading *r, const struct conf_item *item, const char *setting, bool set)
{
    struct secret_uses *u = r->uses;

    if (u == NULL)
        return;
    u->list = xrealloc(u->list, (u->count + 1) * sizeof *u->list);
    u->list[u->count++] = (struct secret_use){
        .file = xstrdup(conf_file(item)),
        .setting = xstrdup(setting),
        .reference = xstrdup(conf_text(item)),
        .line = (int)conf_line(item),
        .set = set,
    };
}

/* Warnings about a value and about its file. */
static void secret_look(struct reading *r, const struct conf_item *item, const char *setting,
                        const struct secret *secret)
{
    cleanup(free_p) char *path = secretref_path(conf_text(item), r->dir);
    const char *odd = secretref_odd(secret);

    if (odd != NULL)
        conf_warning(r->m, item, NULL, "setting '%s': secret %s %s", setting, conf_text(item), odd);
    if (path != NULL)
        modes_look_secret(r->m, item, conf_text(item), path);
}

/* Noted before the file is read, so that a change meanwhile is noticed. Also for a file that does not exist yet. */
static void note_file(struct reading *r, const char *reference)
{
    cleanup(free_p) char *path = secretref_path(reference, r->dir);

    if (path != NULL && r->files != NULL)
        secret_files_add(r->files, reference, path);
}

int secret_read(struct reading *r, const struct conf_item *item, const char *setting, struct secret **ret)
{
    struct error e = {""};

    if (conf_text(item) == NULL) {
        conf_mistake(r->m, item, NULL, "setting '%s' must be a reference in quotes such as \"env:NAME\", but is %s",
                     setting, conf_kind_name(item));
        return -EINVAL;
    }
    if (secretref_check(conf_text(item)) < 0) {
        conf_mistake(r->m, item, NULL,
                     "setting '%s' is a secret and must not be written here itself; write "
                     "\"env:NAME\", \"file:PATH\" or \"credential:NAME\"",
                     setting);
        return -EINVAL;
    }
    note_file(r, conf_text(item));
    int code = secretref_read(conf_text(item), r->dir, ret, &e);
    use_note(r, item, setting, code == 0);
    r->secret_missing |= code < 0 && r->secrets_needed;
    if (code < 0 && r->secrets_needed)
        conf_mistake(r->m, item, NULL, "setting '%s': %s", setting, e.text);
    if (code == 0)
        secret_look(r, item, setting, *ret);
    return code;
}

void text_take(struct reading *r, const struct conf_item *group, const char *name, char **to)
{
    const char *text;

    if (!conf_get_text(group, name, CONF_OPTIONAL, r->m, &text))
        return;
    free(*to);
    *to = xstrdup(text);
}

void path_take(struct reading *r, const struct conf_item *group, const char *name, char **to)
{
    const char *text;

    if (!conf_get_text(group, name, CONF_OPTIONAL, r->m, &text))
        return;
    if (text[0] == '\0') {
        conf_mistake(r->m, conf_child(group, name), NULL, "setting '%s' is empty", name);
        return;
    }
    free(*to);
    *to = path_in(r->dir, text);
}

bool host_is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

const char *url_wrong(const char *url, bool insecure)
{
    bool plain = strncmp(url, "http://", 7) == 0;

    if (!plain && strncmp(url, "https://", 8) != 0)
        return "must begin with https:// or http://";
    for (const unsigned char *p = (const unsigned char *)url; *p; p++)
        if (*p <= ' ' || *p >= 0x7f)
            return "must not hold blanks or other than ASCII characters";
    const char *authority = url + (plain ? 7 : 8);
    size_t len = strcspn(authority, "/?#\\");
    if (memchr(authority, '@', len) != NULL)
        return "must not hold a user or a password";
    bool bracket = authority[0] == '[';
    const char *begin = authority + bracket;
    size_t host_len = strcspn(begin, bracket ? "]" : ":/?#\\");
    if (host_len == 0 || host_len + (bracket ? 2 : 0) > len)
        return "has no host";
    cleanup(free_p) char *host = xstrndup(begin, host_len);
    if (plain && !insecure && !host_is_loopback(host))
        return "is http:// to another machine: secrets would be sent unencrypted; use https:// (or, where you accept that, "
               "http = { allow_insecure = true; })";
    return NULL;
}

char *scalar_text(const struct conf_item *item)
{
    switch (conf_kind(item)) {
    case CONF_TEXT:
        return xstrdup(conf_text(item));
    case CONF_INTEGER:
        return xasprintf("%lld", (long long)conf_integer(item));
    case CONF_FLOAT:
        return xasprintf("%.17g", conf_float(item));
    case CONF_BOOL:
        return xstrdup(conf_bool(item) ? "true" : "false");
    case CONF_GROUP:
    case CONF_LIST:
    case CONF_ARRAY:
        break;
    }
    return NULL;
}

void names_append(struct buf *to, const char *name)
{
    if (to->len > 0)
        (void)buf_text(to, ", ");
    (void)buf_text(to, name);
}

void secret_uses_done(struct secret_uses *u)
{
    for (size_t i = 0; i < u->count; i++) {
        free(u->list[i].file);
        free(u->list[i].setting);
        free(u->list[i].reference);
    }
    free(u->list);
    *u = (struct secret_uses){NULL, 0};
}

size_t config_check_report(FILE *to, const struct conf_mistakes *m, const struct secret_uses *uses)
{
    size_t count = conf_mistakes_count(m);

    for (size_t i = 0; conf_mistakes_at(m, i) != NULL; i++)
        fprintf(to, "%s\n", conf_mistakes_at(m, i));
    if (count > CONF_MISTAKES_MAX)
        fprintf(to, "and %zu mistakes more\n", count - CONF_MISTAKES_MAX);
    for (size_t i = 0; conf_warnings_at(m, i) != NULL; i++)
        fprintf(to, "warning: %s\n", conf_warnings_at(m, i));
    for (size_t i = 0; uses != NULL && i < uses->count; i++) {
        const struct secret_use *u = &uses->list[i];
        fprintf(to, "%s:%d: %s %s is %s\n", u->file, u->line, u->setting, u->reference, u->set ? "set" : "not set");
    }
    return count;
}

bool seconds_take(struct job_reading *r, const struct conf_item *group, const char *name, int64_t min_s,
                  int64_t max_s, int64_t *to)
{
    int64_t ms;

    if (!conf_get_duration(group, name, CONF_OPTIONAL, min_s * SECOND_MS, max_s * SECOND_MS, r->r.m, &ms))
        return false;
    if (ms % SECOND_MS != 0) {
        conf_mistake(r->r.m, conf_child(group, name), NULL, "setting '%s' must be whole seconds", name);
        return false;
    }
    *to = ms / SECOND_MS;
    return true;
}
