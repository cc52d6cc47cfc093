/* SPDX-License-Identifier: MIT
 * Connects to PostgreSQL within five seconds, whatever the server does. The dsn holds a password, so no error
 * quotes it.
 */
#include "core/db/postgresql_internal.h"

#include <errno.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/db/dsn.h"

enum { CONNECT_MS = 5000, OPTIONS_MAX = 80 };

struct pg_setting {
    const char *name, *value;
    bool always; /* overrides the dsn */
};

/* A dead peer is noticed within about half a minute. */
static const struct pg_setting settings[] = {
    {"client_encoding", "UTF8", true}, {"fallback_application_name", "renewd", false},
    {"connect_timeout", "5", false},   {"keepalives", "1", false},
    {"keepalives_idle", "15", false},  {"keepalives_interval", "5", false},
    {"keepalives_count", "3", false},  {"tcp_user_timeout", "20000", false},
};

static void conninfo_end(PQconninfoOption **o)
{
    PQconninfoFree(*o);
}

static const char *pg_connect_value_of(const PQconninfoOption *o, const char *name)
{
    for (; o->keyword; o++)
        if (!strcmp(o->keyword, name))
            return o->val && *o->val ? o->val : NULL;
    return NULL;
}

/* The dsn's own settings, then ours. A later one of the same name wins. */
static void pg_connect_collect(const PQconninfoOption *dsn, const char **names, const char **values)
{
    size_t n = 0;
    for (const PQconninfoOption *o = dsn; o->keyword && n < OPTIONS_MAX; o++) {
        if (!o->val || !*o->val)
            continue;
        names[n] = o->keyword;
        values[n++] = o->val;
    }
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (!settings[i].always && pg_connect_value_of(dsn, settings[i].name))
            continue;
        names[n] = settings[i].name;
        values[n++] = settings[i].value;
    }
    names[n] = values[n] = NULL;
}

static int pg_connect_finish(PGconn *c, int64_t deadline_ms)
{
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;
    while (want != PGRES_POLLING_OK) {
        if (want == PGRES_POLLING_FAILED)
            return -ENOTCONN;
        int r = pg_wait(c, want == PGRES_POLLING_READING, want == PGRES_POLLING_WRITING, deadline_ms, NULL);
        if (r < 0)
            return r;
        want = PQconnectPoll(c);
    }
    return PQsetnonblocking(c, 1) == 0 ? 0 : -ENOTCONN;
}

static void drop_notice(void *arg, const PGresult *r)
{
    (void)arg;
    (void)r;
}

static bool libpq_knows(const char *name)
{
    cleanup(conninfo_end) PQconninfoOption *all = PQconninfoParse("", NULL);

    for (const PQconninfoOption *o = all; o && o->keyword; o++)
        if (!strcmp(o->keyword, name))
            return true;
    return false;
}

static void dsn_end(struct dsn *d)
{
    dsn_done(d);
}

/* Checks with dsn.h, then with libpq, whose message is not repeated. */
static int pg_connect_parse(const struct secret *text, struct dsn *d, PQconninfoOption **ret, struct error *e)
{
    if (!text || !secret_len(text))
        return error_set(e, -EINVAL, "store: driver \"postgresql\" needs a dsn");
    int r = dsn_read(secret_text(text), libpq_knows, d, e);
    if (r < 0)
        return r;
    *ret = PQconninfoParse(d->text, NULL);
    if (*ret)
        return 0;
    return error_set(e, -EINVAL,
                     "the dsn cannot be used: libpq reads it neither as a URL "
                     "postgresql://USER:PASSWORD@HOST:PORT/DATABASE nor as key=value pairs");
}

int store_dsn_check(const struct secret *text, char **ret_left_out, struct error *e)
{
    cleanup(dsn_end) struct dsn d = {0};
    cleanup(conninfo_end) PQconninfoOption *options = NULL;
    int r = pg_connect_parse(text, &d, &options, e);

    if (r == 0) {
        *ret_left_out = d.left_out;
        d.left_out = NULL;
    }
    return r;
}

int pg_open(struct db *db, const struct store_options *o, struct error *e)
{
    const char *names[OPTIONS_MAX + 10], *values[OPTIONS_MAX + 10];
    cleanup(dsn_end) struct dsn d = {0};
    cleanup(conninfo_end) PQconninfoOption *options = NULL;
    int r = pg_connect_parse(o->dsn, &d, &options, e);
    if (r < 0)
        return r;
    pg_connect_collect(options, names, values);
    PGconn *c = PQconnectStartParams(names, values, 0);
    if (!c)
        return error_set(e, -ENOTCONN, "PostgreSQL cannot be reached: out of memory");
    PQsetNoticeReceiver(c, drop_notice, NULL);
    PQsetErrorVerbosity(c, PQERRORS_VERBOSE); /* includes the SQLSTATE, reported nowhere else */
    r = PQstatus(c) == CONNECTION_BAD ? -ENOTCONN : pg_connect_finish(c, clock_boot_ms() + CONNECT_MS);
    if (r == 0) {
        PQsetErrorVerbosity(c, PQERRORS_DEFAULT);
        db->connection = c;
        db->read_only = o->read_only;
        db->schema = d.schema;
        d.schema = NULL;
        return 0;
    }
    const char *mode = pg_connect_value_of(options, "sslmode");
    const struct pg_target target = {pg_connect_value_of(options, "host"), pg_connect_value_of(options, "password"),
                                     d.url, mode && (!strcmp(mode, "disable") || !strcmp(mode, "allow")),
                                     pg_connect_value_of(options, "port") != NULL};
    r = r == -ETIMEDOUT ? pg_why_slow(c, &target, CONNECT_MS / 1000, e) : pg_why(c, &target, e);
    PQfinish(c);
    return r;
}
