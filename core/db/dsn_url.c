/* SPDX-License-Identifier: MIT
 * A dsn that is a URL: finds where libpq ends the password, the host and the other parts, and which characters must
 * be percent-encoded because they end a part too early.
 */
#include "core/db/dsn_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/secret.h"

enum { KINDS_MAX = 300 };

struct span {
    const char *at;
    size_t len;
};

struct url {
    struct span user, hosts, path, query; /* user: includes the password, not the '@'; at NULL: none */
};

/* Splits the URL as libpq does. */
static struct url take_apart(const char *text)
{
    struct url u = {0};
    const char *p = strstr(text, "://") + 3;
    size_t len = strcspn(p, "@/");

    if (p[len] == '@') {
        u.user = (struct span){p, len};
        p += len + 1;
    }
    u.hosts = (struct span){p, strcspn(p, "/?")};
    p += u.hosts.len;
    u.path = (struct span){p, strcspn(p, "?")};
    p += u.path.len;
    u.query = (struct span){p + (*p == '?'), strlen(p) - (*p == '?')};
    return u;
}

static bool bad_percent(const char *p)
{
    return *p == '%' &&
           (!isxdigit((unsigned char)p[1]) || !isxdigit((unsigned char)p[2]) || (p[1] == '0' && p[2] == '0'));
}

/* Lists the characters of a text that must be percent-encoded, as "'/' (write %2F)". */
static void kinds_of(struct span s, struct buf *to)
{
    static const struct {
        char c;
        const char *words;
    } kinds[] = {
        {'@', "'@' (write %40)"},          {'/', "'/' (write %2F)"},  {'?', "'?' (write %3F)"},
        {'#', "'#' (write %23)"},          {'%', "'%' (write %25)"},  {' ', "a blank (write %20)"},
        {':', "':' (write %3A)"},          {'"', "'\"' (write %22)"}, {'\'', "a single quote (write %27)"},
        {'\\', "a backslash (write %5C)"}, {'[', "'[' (write %5B)"},  {']', "']' (write %5D)"},
    };
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (size_t i = 0; i < s.len; i++) {
            if (s.at[i] != kinds[k].c || (kinds[k].c == '%' && !bad_percent(s.at + i)))
                continue;
            buf_text(to, to->len ? ", " : "");
            buf_text(to, kinds[k].words);
            break;
        }
}

/* The password that was probably meant: from the first ':' to the last '@'. */
static struct span meant_password(const char *text)
{
    const char *p = strstr(text, "://") + 3, *end = strrchr(p, '@'), *colon = strchr(p, ':');

    if (!end)
        return (struct span){p, 0};
    const char *begin = colon && colon < end ? colon + 1 : p;
    return (struct span){begin, (size_t)(end - begin)};
}

static int refuse_password(const char *text, struct error *e)
{
    cleanup(buf_done) struct buf kinds = {0};

    buf_init(&kinds, KINDS_MAX);
    buf_text(&kinds, "");
    kinds_of(meant_password(text), &kinds);
    return error_set(
        e, -EINVAL,
        "the dsn cannot be used: its password (from the first ':' after '://' to the last '@') has characters "
        "with another meaning in a URL: %s; percent-encode them",
        kinds.len ? kinds.data : "characters other than letters and digits");
}

/* At most one '@' is accepted, and only where libpq sees it. */
static int check_at(const char *text, const struct url *u, struct error *e)
{
    const char *last = strrchr(text, '@');

    if (!last || (u->user.at && last == u->user.at + u->user.len))
        return 0;
    return refuse_password(text, e);
}

static int check_percent(const char *text, const struct url *u, struct error *e)
{
    const char *p = text;

    while (*p && !bad_percent(p))
        p++;
    if (!*p)
        return 0;
    if (u->user.at && p >= u->user.at && p < u->user.at + u->user.len)
        return refuse_password(text, e);
    return dsn_refuse(
        e, u->query.len && p >= u->query.at
               ? "a '%' among its parameters, after the '?', is not followed by two hex digits; write %25"
               : "a '%' in its host or database is not followed by two hex digits; write %25");
}

static bool is_host_letter(unsigned char c)
{
    return isalnum(c) || c >= 0x80 || strchr("._-%~", c);
}

/* NULL, or what is wrong with HOST[:PORT]. */
static const char *host_wrong(struct span s)
{
    size_t len = 0;

    if (s.len && *s.at == '[') {
        while (len < s.len && s.at[len] != ']')
            len++;
        if (len == s.len)
            return "an IPv6 address in it has no closing ']'";
        len++;
    } else {
        while (len < s.len && s.at[len] != ':')
            if (!is_host_letter((unsigned char)s.at[len++]))
                return "its host holds a character that no host's name has";
    }
    if (len < s.len && s.at[len] != ':')
        return "something other than ':' and a port follows an IPv6 address in it";
    return len < s.len && !dsn_ports_fit(s.at + len + 1, s.len - len - 1) ? "" : NULL;
}

static int check_hosts(const struct url *u, struct error *e)
{
    for (size_t i = 0; i <= u->hosts.len;) {
        size_t n = 0;
        while (i + n < u->hosts.len && u->hosts.at[i + n] != ',')
            n++;
        const char *wrong = host_wrong((struct span){u->hosts.at + i, n});
        if (wrong && *wrong)
            return dsn_refuse(e, wrong);
        if (wrong)
            return dsn_refuse(
                e, u->user.at ? "its port, after the host's ':', is no number from 1 to 65535"
                              : "what stands where its port is expected is no number, and no '@' ends a user "
                                "and a password before it; where that is the password, the rest was cut off "
                                "(an unquoted '#' ends a value in many .env files), or it holds a '/' (write %2F)");
        i += n + 1;
    }
    return 0;
}

static char *decoded(const char *text, size_t len)
{
    char *copy = xstrndup(text, len);
    size_t n = 0;

    for (size_t i = 0; copy[i]; i++, n++) {
        copy[n] = copy[i];
        if (copy[i] != '%')
            continue;
        char hex[3] = {copy[i + 1], copy[i + 2], '\0'};
        copy[n] = (char)strtol(hex, NULL, 16);
        i += 2;
    }
    copy[n] = '\0';
    return copy;
}

/* One NAME=VALUE of the query: kept for libpq, or left out. */
static int parameter(struct span s, bool (*known)(const char *name), struct dsn *d, bool *after_password,
                     struct buf *kept, struct error *e)
{
    const char *equals = memchr(s.at, '=', s.len);

    if (!equals)
        return dsn_refuse(e, "one of its parameters, after the '?', has no '='; a '?' or '&' of a value or a "
                             "password is written %3F, %26");
    size_t len = (size_t)(equals - s.at);
    cleanup(wipe_free_p) char *name = decoded(s.at, len);
    cleanup(wipe_free_p) char *value = decoded(equals + 1, s.len - len - 1);
    bool tls = strcmp(name, "ssl") == 0 && strcmp(value, "true") == 0; /* libpq accepts this parameter of JDBC */
    if (!known(name) && !tls)
        return dsn_leave_out(d, name, value, *after_password, e);
    *after_password |= strcmp(name, "password") == 0 || strcmp(name, "sslpassword") == 0;
    if (strcmp(name, "port") == 0 && !dsn_ports_fit(value, strlen(value)))
        return dsn_refuse(e, "its parameter 'port' is no number from 1 to 65535");
    buf_text(kept, kept->len ? "&" : "");
    buf_append(kept, s.at, s.len);
    return strcmp(name, "sslmode") == 0 ? dsn_check_sslmode(value, e) : 0;
}

static int parameters(const struct url *u, bool (*known)(const char *name), struct dsn *d, struct buf *kept,
                      struct error *e)
{
    bool after_password = false;
    int r = 0;

    for (size_t i = 0; i < u->query.len && r == 0;) {
        size_t n = strcspn(u->query.at + i, "&");
        if (n)
            r = parameter((struct span){u->query.at + i, n}, known, d, &after_password, kept, e);
        i += n + 1;
    }
    return r;
}

/* libpq accepted blanks before version 17 and rejects them since. */
static void put_encoded(struct buf *to, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == ' ')
            buf_text(to, "%20");
        else
            buf_append(to, text + i, 1);
}

int dsn_url(const char *text, bool (*known)(const char *name), struct dsn *d, struct error *e)
{
    cleanup(buf_done) struct buf kept = {0}, whole = {0};
    struct url u = take_apart(text);

    buf_init(&kept, strlen(text) + 16);
    buf_text(&kept, "");
    buf_init(&whole, 3 * strlen(text) + 16);
    int r = check_at(text, &u, e);
    if (r == 0)
        r = check_percent(text, &u, e);
    if (r == 0)
        r = check_hosts(&u, e);
    if (r == 0)
        r = parameters(&u, known, d, &kept, e);
    if (r < 0)
        return r;
    put_encoded(&whole, text, (size_t)(u.path.at + u.path.len - text));
    buf_text(&whole, kept.len ? "?" : "");
    buf_text(&whole, kept.data);
    d->text = buf_steal(&whole);
    return d->text ? 0 : dsn_refuse(e, "it is too long");
}
