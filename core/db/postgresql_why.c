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
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/utf8.h"
#include "core/rules/ident.h"

enum { WORDS_MAX = 300, NAME_MAX_BYTES = 140 };

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

/* What follows "failed: " in the first line: the system's error for the connection. */
static void tail_of(const char *text, char ret[WORDS_MAX])
{
    const char *tail = strstr(text, " failed: ");
    size_t len = strcspn(text, "\n");

    ret[0] = '\0';
    if (!tail || (size_t)(tail - text) > len)
        return;
    tail += strlen(" failed: ");
    snprintf(ret, WORDS_MAX, "%.*s", (int)strcspn(tail, "\n"), tail);
    utf8_clean(ret, WORDS_MAX - 1);
}

static int silent(const struct pg_target *t, const char *text, struct error *e)
{
    char words[WORDS_MAX];
    int r = tls_refused(text, e);

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
    tail_of(text, words);
    if (!words[0] || has_password(t, words))
        return error_set(e, -ENOTCONN, "PostgreSQL cannot be reached: the connection was not made");
    return error_set(e, -ENOTCONN, "PostgreSQL cannot be reached%s%s: %s", t->host ? " at " : "",
                     t->host ? t->host : "", words);
}

int pg_why(PGconn *c, const struct pg_target *t, struct error *e)
{
    const char *text = PQerrorMessage(c);
    char state[6];
    struct who w;

    quoted(PQuser(c), w.role);
    quoted(PQdb(c), w.database);
    state_of(text, state);
    return state[0] ? pg_why_answered(t, state, text, &w, e) : silent(t, text, e);
}
