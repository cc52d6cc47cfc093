/* SPDX-License-Identifier: MIT
 * Explains why a connection to PostgreSQL failed, in a sentence with its remedy, and decides whether to try again.
 * It uses the SQLSTATE and libpq's text about the connection. libpq's text about names that it looked up, and the
 * server's own text, are not repeated.
 */
#include "core/db/postgresql_internal.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/utf8.h"
#include "core/rules/ident.h"

enum { WORDS_MAX = 300, NAME_MAX_BYTES = 140, PLACES_MAX = 5, PLACES_TEXT_MAX = 1024 };

struct who {
    char role[NAME_MAX_BYTES], database[NAME_MAX_BYTES]; /* quoted */
};

static void quoted(const char *name, char ret[NAME_MAX_BYTES])
{
    cleanup(buf_done) struct buf text = {0};
    size_t plain = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") : 0;

    if (plain && !name[plain] && !isdigit((unsigned char)*name) && strcmp(name, "user") != 0) {
        snprintf(ret, NAME_MAX_BYTES, "%s", name);
        return;
    }

    buf_init(&text, NAME_MAX_BYTES - 1);
    snprintf(ret, NAME_MAX_BYTES, "%s", name && ident_quote(name, &text) == 0 && text.data ? text.data : "\"?\"");
    utf8_clean(ret, NAME_MAX_BYTES - 1);
}

/* The SQLSTATE of the server's answer, from the last ": XXXXX: " of libpq's verbose message; "" = no answer. */
static void state_of(const char *text, char ret[6])
{
    ret[0] = '\0';
    for (const char *p = text; (p = strstr(p, ":  ")) != NULL; p++) {
        size_t n = 0;
        while (n < 5 && (isdigit((unsigned char)p[3 + n]) || isupper((unsigned char)p[3 + n])))
            n++;
        if (n == 5 && p[8] == ':')
            snprintf(ret, 6, "%.5s", p + 3);
    }
}

static bool pg_why_has(const char *text, const char *words)
{
    return strstr(text, words) != NULL;
}

static int password_wrong(const struct pg_target *t, const struct who *w, struct error *e)
{
    return error_set(
        e, -EACCES,
        "PostgreSQL refuses the password of role %s (password authentication failed). "
        "Correct it in the dsn, or set it: ALTER ROLE %s PASSWORD '...'. %s",
        w->role, w->role,
        t->url ? "In a URL every character of it that is no letter, digit, '-', '.', '_' or '~' is "
                 "percent-encoded"
               : "In a dsn of key=value pairs a backslash and a single quote of it are written \\\\ and \\'");
}

static int not_let_in(const struct pg_target *t, const char *text, const struct who *w, struct error *e)
{
    if (pg_why_has(text, "pg_hba.conf") && t->no_tls)
        return error_set(e, -EACCES,
                         "PostgreSQL's pg_hba.conf does not let role %s into database %s without TLS: write "
                         "sslmode=require in the dsn, or add a line for this machine",
                         w->role, w->database);
    if (pg_why_has(text, "pg_hba.conf"))
        return error_set(e, -EACCES,
                         "PostgreSQL's pg_hba.conf does not let role %s into database %s from this machine: "
                         "add a line for it, and reload the server",
                         w->role, w->database);
    if (pg_why_has(text, "Peer authentication") || pg_why_has(text, "Ident authentication"))
        return error_set(
            e, -EACCES,
            "PostgreSQL lets role %s in through this socket from the system user of that name "
            "alone (peer in pg_hba.conf): run renewd as that user, or add a line with scram-sha-256 and "
            "a password to the dsn",
            w->role);
    if (pg_why_has(text, "is not permitted to log in"))
        return error_set(e, -EACCES, "role %s may not log in to PostgreSQL: ALTER ROLE %s LOGIN", w->role, w->role);
    if (pg_why_has(text, "does not exist"))
        return error_set(e, -EACCES,
                         "PostgreSQL has no role %s: CREATE ROLE %s LOGIN PASSWORD '...'; or correct the user "
                         "in the dsn",
                         w->role, w->role);
    return error_set(e, -EACCES,
                     "PostgreSQL does not let role %s into database %s (SQLSTATE 28000): look at its "
                     "pg_hba.conf, and whether the role exists and may LOGIN",
                     w->role, w->database);
}

/* PgBouncer, Supavisor and similar poolers answer in place of the server. */
static int pooler_says(const char *state, const char *text, const struct who *w, struct error *e)
{
    if (pg_why_has(text, "enant or user not found"))
        return error_set(e, -EACCES,
                         "the pooler does not know user %s (tenant or user not found): Supabase's pooler "
                         "wants it as ROLE.PROJECT, and the host of the project's own region",
                         w->role);
    if (pg_why_has(text, "no such database"))
        return error_set(e, -EACCES,
                         "the pooler has no database %s: add it to the pooler's own list, or correct the "
                         "dsn",
                         w->database);
    if (pg_why_has(text, "no such user"))
        return error_set(e, -EACCES,
                         "the pooler has no user %s: add it to the pooler's own list (auth_file, "
                         "auth_query), or correct the dsn",
                         w->role);
    return error_set(e, -ENOTCONN,
                     "PostgreSQL, or a pooler before it, refused the connection (SQLSTATE %s); its own "
                     "log says why",
                     state);
}

static int pg_why_answered(const struct pg_target *t, const char *state, const char *text, const struct who *w,
                           struct error *e)
{
    if (!strcmp(state, "28P01"))
        return password_wrong(t, w, e);
    if (!strncmp(state, "28", 2))
        return not_let_in(t, text, w, e);
    if (!strcmp(state, "3D000"))
        return error_set(e, -EACCES,
                         "PostgreSQL has no database %s: CREATE DATABASE %s OWNER %s; or correct the dsn",
                         w->database, w->database, w->role);
    if (!strcmp(state, "42501"))
        return error_set(e, -EACCES, "role %s may not connect to database %s: GRANT CONNECT ON DATABASE %s TO %s",
                         w->role, w->database, w->database, w->role);
    if (!strcmp(state, "53300"))
        return error_set(e, -ENOTCONN,
                         "PostgreSQL has no connection left for role %s (SQLSTATE 53300): raise max_connections "
                         "or the role's own limit, or end other connections; renewd tries again",
                         w->role);
    if (!strcmp(state, "57P03"))
        return error_set(e, -ENOTCONN, "PostgreSQL cannot be reached: it is starting up or shutting down");
    return pooler_says(state, text, w, e);
}

/* ---- no answer -------------------------------------------------------------------------------- */

/* 0 = not known, 1 = IPv6 addresses alone, 2 = others too. */
static int addresses(const char *host)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;

    if (!host || getaddrinfo(host, NULL, &hints, &list) != 0)
        return 0;
    int found = 1;
    for (const struct addrinfo *a = list; a; a = a->ai_next)
        if (a->ai_family != AF_INET6)
            found = 2;
    freeaddrinfo(list);
    return found;
}

static int host_unknown(const struct pg_target *t, struct error *e)
{
    return error_set(e, -ENOTCONN,
                     "PostgreSQL cannot be reached: no address is known for the host of the dsn%s%s%s; "
                     "correct it, or look at this machine's DNS",
                     t->host ? " (" : "", t->host ? t->host : "", t->host ? ")" : "");
}

static int tls_refused(const char *text, struct error *e)
{
    if (pg_why_has(text, "does not support SSL, but SSL was required"))
        return error_set(e, -EINVAL,
                         "PostgreSQL does not speak TLS there, and the dsn's sslmode asks for it: set ssl = on "
                         "in postgresql.conf, or, on one machine or a private network, write sslmode=disable");
    if (pg_why_has(text, "root certificate file") || pg_why_has(text, "sslrootcert"))
        return error_set(
            e, -EINVAL,
            "the dsn's sslmode checks the server's certificate, and there is no CA certificate to "
            "check it with: write sslrootcert=FILE in the dsn (Supabase, RDS and others offer theirs)");
    if (pg_why_has(text, "does not match host name"))
        return error_set(e, -EINVAL,
                         "PostgreSQL's certificate is for another host than the dsn names: write the host as "
                         "the certificate has it, or sslmode=verify-ca");
    if (pg_why_has(text, "certificate verify failed"))
        return error_set(e, -EINVAL,
                         "PostgreSQL's certificate is not signed by the CA of the dsn's sslrootcert: write the "
                         "right sslrootcert=FILE");
    if (pg_why_has(text, "private key file") || pg_why_has(text, "certificate file"))
        return error_set(e, -EINVAL,
                         "the certificate or key that the dsn names (sslcert, sslkey) cannot be used: both "
                         "must be there, belong together, and the key be readable by renewd alone (chmod 600)");
    if (pg_why_has(text, "no password supplied"))
        return error_set(e, -EACCES, "PostgreSQL asks for a password and the dsn has none");
    return 0;
}

static bool has_password(const struct pg_target *t, const char *text)
{
    return t->password && *t->password && strstr(text, t->password);
}

/* What follows "failed: " in each line: the system's error for an address that was tried. Each once. */
static void tails_of(const char *text, char ret[WORDS_MAX])
{
    cleanup(buf_done) struct buf all = {0};

    buf_init(&all, WORDS_MAX);
    for (const char *at = text; (at = strstr(at, " failed: ")) != NULL;) {
        char one[WORDS_MAX];
        at += strlen(" failed: ");
        snprintf(one, sizeof one, "%.*s", (int)strcspn(at, "\n"), at);
        if (!all.data || !strstr(all.data, one))
            buf_printf(&all, "%s%s", all.len ? "; " : "", one);
    }
    snprintf(ret, WORDS_MAX, "%s", all.data ? all.data : "");
    utf8_clean(ret, WORDS_MAX - 1);
}

/* ---- where ------------------------------------------------------------------------------------ */

static void options_end(PQconninfoOption **o)
{
    PQconninfoFree(*o);
}

static const char *option_of(const PQconninfoOption *o, const char *name)
{
    for (; o && o->keyword; o++)
        if (!strcmp(o->keyword, name))
            return o->val && *o->val ? o->val : NULL;
    return NULL;
}

/* The item of that number in a list with commas; a list of one has it for all. */
static void item_of(const char *list, size_t number, char ret[NAME_MAX_BYTES])
{
    const char *at = list;

    for (size_t i = 0; i < number && at; i++)
        at = (at = strchr(at, ',')) ? at + 1 : NULL;
    if (!at)
        at = strchr(list, ',') ? "" : list;
    snprintf(ret, NAME_MAX_BYTES, "%.*s", (int)strcspn(at, ","), at);
    utf8_clean(ret, NAME_MAX_BYTES - 1);
}

static void put_place(struct buf *b, const char *host, const char *port)
{
    if (host[0] == '/' || host[0] == '@')
        buf_printf(b, "the socket %s/.s.PGSQL.%s", host, port);
    else
        buf_printf(b, "%s, port %s", host, port);
}

static bool is_port(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

/* Every place that was tried, and who named the port; "" when it cannot be said. The values are those that libpq
 * used: also from the environment. */
static void put_places(PGconn *c, const struct pg_target *t, struct buf *b)
{
    cleanup(options_end) PQconninfoOption *used = PQconninfo(c);
    const char *hosts = option_of(used, "host"), *ports = option_of(used, "port");

    hosts = hosts ? hosts : option_of(used, "hostaddr");
    hosts = hosts ? hosts : PQhost(c);
    ports = ports ? ports : PQport(c);
    if (!hosts || !*hosts || !ports)
        return;
    size_t count = 1;
    for (const char *p = hosts; *p; p++)
        count += *p == ',';
    for (size_t i = 0; i < count && i < PLACES_MAX; i++) {
        char host[NAME_MAX_BYTES], port[NAME_MAX_BYTES];
        item_of(hosts, i, host);
        item_of(ports, i, port);
        buf_text(b, i ? " and " : "");
        put_place(b, host, is_port(port) ? port : "5432");
    }
    if (!t->port)
        buf_text(b, getenv("PGPORT") ? " (from PGPORT in the environment, since the dsn names no port)"
                                     : " (the default, since the dsn names no port)");
}

static int silent(PGconn *c, const struct pg_target *t, const char *text, struct error *e)
{
    cleanup(buf_done) struct buf places = {0};
    char words[WORDS_MAX];
    int r = tls_refused(text, e);

    buf_init(&places, PLACES_TEXT_MAX);
    if (r < 0)
        return r;
    if (pg_why_has(text, "could not translate host name") || pg_why_has(text, "could not look up") ||
        pg_why_has(text, "could not parse network"))
        return host_unknown(t, e);
    if ((pg_why_has(text, "Network is unreachable") || pg_why_has(text, "Cannot assign requested address")) &&
        addresses(t->host) == 1)
        return error_set(e, -ENOTCONN,
                         "PostgreSQL cannot be reached: its host (%s) has only IPv6 addresses, which this "
                         "machine cannot reach: use a host with IPv4 (at Supabase the pooler's, as its page "
                         "\"Connect\" shows it), or give this machine IPv6",
                         t->host);
    tails_of(text, words);
    if (!words[0] || has_password(t, words))
        snprintf(words, sizeof words, "%s",
                 pg_why_has(text, "invalid response") || pg_why_has(text, "expected authentication request")
                     ? "what answers there is no PostgreSQL"
                     : "the connection was not made, or was closed without an answer");
    put_places(c, t, &places);
    return error_set(
        e, -ENOTCONN,
        "PostgreSQL cannot be reached%s%s: %s. Correct host and port in the dsn, or start the server there",
        places.len ? " at " : "", places.len ? places.data : "", words);
}

int pg_why_slow(PGconn *c, const struct pg_target *t, int seconds, struct error *e)
{
    cleanup(buf_done) struct buf places = {0};

    buf_init(&places, PLACES_TEXT_MAX);
    put_places(c, t, &places);
    return error_set(
        e, -ETIMEDOUT,
        "PostgreSQL did not answer within %d seconds%s%s. Correct host and port in the dsn, or look for a "
        "firewall that drops the connection",
        seconds, places.len ? " at " : "", places.len ? places.data : "");
}

/* A port that leads to another server than was meant shows itself by the refusal of that one. */
static int said_there(PGconn *c, int result, struct error *e)
{
    cleanup(buf_done) struct buf place = {0};
    const char *host = PQhost(c), *port = PQport(c);

    if (!e || !host || !*host || !port || !is_port(port))
        return result;
    buf_init(&place, PLACES_TEXT_MAX);
    put_place(&place, host, port);
    return error_set(e, result, "%s. This was said at %s", e->text, place.data);
}

int pg_why(PGconn *c, const struct pg_target *t, struct error *e)
{
    const char *text = PQerrorMessage(c);
    char state[6];
    struct who w;

    quoted(PQuser(c), w.role);
    quoted(PQdb(c), w.database);
    state_of(text, state);
    return state[0] ? said_there(c, pg_why_answered(t, state, text, &w, e), e) : silent(c, t, text, e);
}
