/* SPDX-License-Identifier: MIT
 * See dsn.h: what both forms share, and dsns of key=value pairs. URLs are in dsn_url.c.
 */
#include "core/db/dsn_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/secret.h"

enum { DSN_MAX = 8192, NAME_MAX_LEN = 40, SCHEMA_MAX = 63 };

/* Parameters that other libraries read in a dsn. These names cannot be part of a password. */
static const char *const foreign[] = {
    "schema",
    "currentSchema",
    "search_path",
    "pgbouncer",
    "connection_limit",
    "pool_timeout",
    "pool_size",
    "pool_max_conns",
    "socket_timeout",
    "statement_cache_size",
    "sslaccept",
    "sslidentity",
    "prepared_statements",
    "prepareThreshold",
    "preparedStatementCacheQueries",
    "prepare",
    "workaround",
    "supa",
    "ssl",
    "uselibpqcompat",
    "charset",
    "encoding",
    "driver",
    "max_connections",
    "pool_mode",
    "serverVersion",
    "sslfactory",
    NULL,
};

static bool dsn_is_foreign(const char *name)
{
    for (size_t i = 0; foreign[i]; i++)
        if (strcmp(name, foreign[i]) == 0)
            return true;
    return false;
}

static bool may_be_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

    return len > 0 && len <= NAME_MAX_LEN && name[len] == '\0';
}

int dsn_refuse(struct error *e, const char *what)
{
    return error_set(e, -EINVAL, "the dsn cannot be used: %s", what);
}

/* The schema of Prisma's ?schema=, and of JDBC's ?currentSchema=. */
static int take_schema(struct dsn *d, const char *value, struct error *e)
{
    if (!*value || strlen(value) > SCHEMA_MAX)
        return dsn_refuse(e, "its schema is empty or longer than 63 bytes");
    free(d->schema);
    d->schema = xstrdup(value);
    return 0;
}

int dsn_leave_out(struct dsn *d, const char *name, const char *value, bool after_password, struct error *e)
{
    bool schema = strcmp(name, "schema") == 0 || strcmp(name, "currentSchema") == 0;
    const char *said = dsn_is_foreign(name) || (may_be_name(name) && !after_password) ? name : "one more";

    if (schema)
        return take_schema(d, value, e);
    char *joined = d->left_out ? xasprintf("%s, %s", d->left_out, said) : xstrdup(said);
    free(d->left_out);
    d->left_out = joined;
    return 0;
}

/* "5432", "5432,5433"; an empty one is the default. */
bool dsn_ports_fit(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = 0;
        long port = 0;
        for (; i + n < len && text[i + n] >= '0' && text[i + n] <= '9' && n < 6; n++)
            port = 10 * port + (text[i + n] - '0');
        if ((i + n < len && text[i + n] != ',') || port > 65535 || (n > 0 && port == 0))
            return false;
        i += n + 1;
    }
    return true;
}

int dsn_check_sslmode(const char *value, struct error *e)
{
    static const char *const modes[] = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"};

    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(value, modes[i]) == 0)
            return 0;
    return dsn_refuse(
        e, strcmp(value, "no-verify") == 0
               ? "sslmode=no-verify is node-postgres' own; sslmode=require means the same to libpq: TLS without "
                 "a check of the server's certificate (verify-full checks it)"
               : "its sslmode is none of disable, allow, prefer, require, verify-ca and verify-full");
}

/* ---- key=value pairs ------------------------------------------------------------------------- */

struct pairs {
    const char *p;
    struct dsn *d;
    struct buf text;
    bool (*known)(const char *name);
    bool after_password;
    char last_name[NAME_MAX_LEN + 1];
};

static const char blanks[] = " \t\r\n\f\v";

static int no_value(const struct pairs *s, struct error *e)
{
    if (!s->last_name[0])
        return dsn_refuse(e, "it is neither a URL that begins with postgresql:// nor pairs such as host=... "
                             "user=... dbname=...");
    return error_set(
        e, -EINVAL,
        "the dsn cannot be used: after the value of '%s' comes something that is no KEY=VALUE of "
        "libpq; a value that holds blanks stands in single quotes, with ' and \\ in it written \\' and "
        "\\\\",
        s->last_name);
}

/* The value at s->p, unescaped; raw: as written. */
static int value_read(struct pairs *s, const char *name, struct buf *ret, size_t *ret_raw, struct error *e)
{
    const char *p = s->p;
    bool quoted = *p == '\'';

    p += quoted;
    for (; *p && (quoted ? *p != '\'' : !strchr(blanks, *p)); p++) {
        if (*p == '\\' && p[1])
            p++;
        buf_append(ret, p, 1);
    }
    if (quoted && !*p)
        return error_set(
            e, -EINVAL,
            "the dsn cannot be used: the value of %s%s%s begins with a single quote and no closing one "
            "follows; a ' within it is written \\'",
            may_be_name(name) && s->known(name) ? "'" : "", may_be_name(name) && s->known(name) ? name : "one key",
            may_be_name(name) && s->known(name) ? "'" : "");
    *ret_raw = (size_t)(p - s->p) + quoted;
    return buf_text(ret, "");
}

static int dsn_pair_check(const char *name, const char *value, struct error *e)
{
    if (strcmp(name, "port") == 0 && !dsn_ports_fit(value, strlen(value)))
        return dsn_refuse(e, "its port is no number from 1 to 65535");
    return strcmp(name, "sslmode") == 0 ? dsn_check_sslmode(value, e) : 0;
}

static int pair_read(struct pairs *s, struct error *e)
{
    cleanup(buf_done) struct buf value = {0};
    const char *begin = s->p;
    size_t len = strcspn(s->p, " \t\r\n\f\v="), raw = 0;
    cleanup(wipe_free_p) char *name = xstrndup(s->p, len);

    buf_init(&value, DSN_MAX);
    s->p += len;
    s->p += strspn(s->p, blanks);
    if (*s->p != '=')
        return no_value(s, e);
    s->p++;
    s->p += strspn(s->p, blanks);
    bool known = s->known(name);
    if (!known && s->after_password && !dsn_is_foreign(name)) /* a blank and a '=' within the password */
        return no_value(s, e);
    int r = value_read(s, name, &value, &raw, e);
    if (r < 0)
        return r;
    s->p += raw;
    if (!known)
        return dsn_leave_out(s->d, name, value.data, s->after_password, e);
    s->after_password |= strcmp(name, "password") == 0 || strcmp(name, "sslpassword") == 0;
    memcpy(s->last_name, name, strlen(name) + 1);
    buf_append(&s->text, begin, (size_t)(s->p - begin));
    buf_text(&s->text, " ");
    return dsn_pair_check(name, value.data, e);
}

static int dsn_pairs(const char *text, bool (*known)(const char *name), struct dsn *d, struct error *e)
{
    struct pairs s = {.p = text + strspn(text, blanks), .d = d, .known = known};
    int r = 0;

    buf_init(&s.text, DSN_MAX);
    buf_text(&s.text, "");
    while (r == 0 && *s.p) {
        r = pair_read(&s, e);
        s.p += strspn(s.p, blanks);
    }
    if (r == 0)
        d->text = buf_steal(&s.text);
    buf_done(&s.text);
    return r;
}

/* ---- both ------------------------------------------------------------------------------------ */

static int odd(const char *text, struct error *e)
{
    size_t len = strlen(text);

    if (len == 0)
        return dsn_refuse(e, "it is empty");
    if (len >= DSN_MAX)
        return dsn_refuse(e, "it is longer than 8 KiB");
    if (strchr(" \t\n\r", text[0]) || strchr(" \t\n\r", text[len - 1]))
        return dsn_refuse(e, "it begins or ends with a blank or a line end: take it off");
    if (len > 1 && strchr("\"'`", text[0]) && text[len - 1] == text[0])
        return dsn_refuse(e, "it stands in quotes, which count as part of it: take them off");
    if (strncmp(text, "DATABASE_URL=", 13) == 0 || strncmp(text, "export ", 7) == 0)
        return dsn_refuse(e, "it begins with the name of a variable; write what follows the '=' alone");
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
        return dsn_refuse(e, "it begins with a byte order mark: save the file as UTF-8 without one");
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if ((*p < ' ' && *p != '\t' && *p != '\n') || *p == 0x7f)
            return dsn_refuse(e, *p == '\r' ? "it holds a carriage return: take it off"
                                            : "it holds a control character");
    return 0;
}

int dsn_read(const char *text, bool (*known)(const char *name), struct dsn *ret, struct error *e)
{
    struct dsn d = {0};

    int r = odd(text, e);
    if (r < 0)
        return r;
    d.url = strncmp(text, "postgresql://", 13) == 0 || strncmp(text, "postgres://", 11) == 0;
    const char *scheme = strstr(text, "://");
    if (!d.url && scheme && strcspn(text, " \t='") > (size_t)(scheme - text))
        return dsn_refuse(
            e, "it is a URL that does not begin with postgresql:// or postgres:// (no jdbc:, no +driver)");
    r = d.url ? dsn_url(text, known, &d, e) : dsn_pairs(text, known, &d, e);
    if (r < 0) {
        dsn_done(&d);
        return r;
    }
    *ret = d;
    return 0;
}

void dsn_done(struct dsn *d)
{
    wipe_free(d->text);
    free(d->schema);
    free(d->left_out);
    *d = (struct dsn){0};
}
