/* SPDX-License-Identifier: MIT
 * Reads the secrets to which references point: in the environment, a file, or systemd's credentials directory. It
 * uses no library and prints no value. A text that is not a reference may be a secret and is not printed either.
 */
#include "core/conf/secretref.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/secret.h"

static const char name_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

/* The part after the scheme, or NULL. */
static const char *after(const char *ref, const char *scheme)
{
    size_t len = strlen(scheme);

    return strncmp(ref, scheme, len) == 0 ? ref + len : NULL;
}

static bool is_env_name(const char *name)
{
    size_t len = strspn(name, name_letters);

    return len > 0 && name[len] == '\0' && (name[0] < '0' || name[0] > '9');
}

static bool is_credential_name(const char *name)
{
    return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int secretref_check(const char *ref)
{
    const char *rest;

    if (ref == NULL)
        return -EINVAL;
    if ((rest = after(ref, "env:")) != NULL)
        return is_env_name(rest) ? 0 : -EINVAL;
    if ((rest = after(ref, "file:")) != NULL)
        return rest[0] != '\0' ? 0 : -EINVAL;
    if ((rest = after(ref, "credential:")) != NULL)
        return is_credential_name(rest) ? 0 : -EINVAL;
    return -EINVAL;
}

/* Values removed from the environment, which other programs of the same user can read; kept for a reload. */
struct taken {
    struct taken *next;
    char *name;
    struct secret *value;
};
static struct taken *all_taken;

static struct taken *taken_find(const char *name)
{
    for (struct taken *t = all_taken; t != NULL; t = t->next)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}

/* The bytes are overwritten in place; the list of variables stays, since other threads read it. */
static struct taken *secretref_take_out(const char *name, char *value)
{
    struct taken *t = taken_find(name);

    if (t == NULL) {
        t = xcalloc(1, sizeof *t);
        t->name = xstrdup(name);
        t->next = all_taken;
        all_taken = t;
    }
    secret_free(t->value);
    t->value = secret_keep(value, strlen(value));
    explicit_bzero(value, strlen(value));
    return t;
}

static int read_env(const char *ref, const char *name, struct secret **ret_secret, struct error *e)
{
    char *value = getenv(name);
    const struct taken *t = value != NULL && value[0] != '\0' ? secretref_take_out(name, value) : taken_find(name);

    if (t == NULL)
        return error_set(e, -ENOENT, "secret %s is not set: the environment has no value of that name", ref);
    *ret_secret = secret_keep(secret_text(t->value), secret_len(t->value));
    return 0;
}

static int secretref_refuse_file(const char *ref, int code, struct error *e)
{
    switch (code) {
    case -ENOENT:
        return error_set(e, code, "secret %s is not set: there is no such file", ref);
    case -EFBIG:
        return error_set(e, code, "secret %s is larger than %d bytes", ref, SECRET_FILE_MAX);
    case -EISDIR:
    case -EINVAL:
        return error_set(e, -EISDIR, "secret %s is not a regular file", ref);
    default:
        return error_set(e, code, "secret %s cannot be read: %s", ref, strerror(-code));
    }
}

static int read_file(const char *ref, const char *path, struct secret **ret_secret, struct error *e)
{
    cleanup(buf_done) struct buf text = {0};

    int r = file_read(path, SECRET_FILE_MAX, &text);
    if (r < 0)
        return secretref_refuse_file(ref, r, e);
    size_t len = text.len;
    if (len > 0 && text.data[len - 1] == '\n')
        len -= len > 1 && text.data[len - 2] == '\r' ? 2 : 1;
    if (len == 0)
        return error_set(e, -ENOENT, "secret %s is not set: the file is empty", ref);
    if (memchr(text.data, '\0', len) != NULL)
        return error_set(e, -EILSEQ, "secret %s holds a NUL byte; it must be text", ref);
    *ret_secret = secret_keep(text.data, len);
    return 0;
}

static int read_credential(const char *ref, const char *name, struct secret **ret_secret, struct error *e)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");

    if (directory == NULL || directory[0] == '\0')
        return error_set(e, -ENOENT,
                         "secret %s is not set: CREDENTIALS_DIRECTORY is not in the environment "
                         "(systemd sets it for units with LoadCredential=)",
                         ref);
    cleanup(free_p) char *path = xasprintf("%s/%s", directory, name);
    return read_file(ref, path, ret_secret, e);
}

int secretref_read(const char *ref, const char *relative_to_dir, struct secret **ret_secret, struct error *e)
{
    const char *rest;

    if (secretref_check(ref) < 0)
        return error_set(e, -EINVAL,
                         "a secret is written env:NAME, file:PATH or credential:NAME, "
                         "never itself in the configuration");
    if ((rest = after(ref, "env:")) != NULL)
        return read_env(ref, rest, ret_secret, e);
    if ((rest = after(ref, "credential:")) != NULL)
        return read_credential(ref, rest, ret_secret, e);
    cleanup(free_p) char *path = secretref_path(ref, relative_to_dir);
    return read_file(ref, path, ret_secret, e);
}

char *secretref_path(const char *ref, const char *relative_to_dir)
{
    const char *rest = after(ref, "file:");

    if (rest == NULL)
        return NULL;
    return rest[0] == '/' || relative_to_dir == NULL ? xstrdup(rest) : xasprintf("%s/%s", relative_to_dir, rest);
}

static bool is_quote(const char *p, size_t left)
{
    return *p == '"' || *p == '\'' || *p == '`' ||
           (left >= 3 && !memcmp(p, "\xe2\x80", 2) && (unsigned char)p[2] >= 0x98 && (unsigned char)p[2] <= 0x9f);
}

static bool is_quoted(const char *text, size_t len)
{
    if (len < 2 || !is_quote(text, len))
        return false;
    return is_quote(text + len - 1, 1) || (len >= 6 && is_quote(text + len - 3, 3));
}

/* Line ends within the value are allowed, for PEM and JSON. */
static bool secretref_has_control(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < ' ' && c != '\n' && c != '\r' && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

const char *secretref_odd(const struct secret *secret)
{
    const char *text = secret_text(secret);
    size_t len = secret_len(secret);

    if (len == 0)
        return NULL;
    char first = text[0], last = text[len - 1];
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        return "begins with a byte order mark: save the file as UTF-8 without one";
    if (len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
        return "is a text of UTF-16: save the file as plain UTF-8";
    if (last == '\r' || first == '\r')
        return last == '\r' ? "ends with a carriage return: take it off"
                            : "begins with a carriage return: take it off";
    if (last == '\n' || first == '\n')
        return last == '\n' ? "ends with a line end (beside the one that is taken off a file): take it off"
                            : "begins with a line end: take it off";
    if (first == ' ' || first == '\t' || last == ' ' || last == '\t')
        return last == ' ' || last == '\t' ? "ends with a blank: take it off" : "begins with a blank: take it off";
    if (is_quoted(text, len))
        return "stands in quotes, which count as part of it: take them off";
    return secretref_has_control(text, len) ? "holds a control character" : NULL;
}
