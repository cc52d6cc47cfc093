/* SPDX-License-Identifier: MIT
 * Connecting to PostgreSQL within five seconds, whatever the other side does. The dsn holds a password:
 * nothing of it is repeated in an error.
 */
#include "core/store/postgresql_internal.h"

#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/cleanup.h"
#include "core/base/utf8.h"

enum { CONNECT_MS = 5000, OPTIONS_MAX = 80, WORDS_MAX = 300 };

struct setting {
    const char *name, *value;
    bool always; /* also where the dsn says otherwise */
};

/* A peer that is gone is noticed within about half a minute. */
static const struct setting settings[] = {
    {"client_encoding", "UTF8", true},
    {"fallback_application_name", "renewd", false},
    {"connect_timeout", "5", false},
    {"keepalives", "1", false},
    {"keepalives_idle", "15", false},
    {"keepalives_interval", "5", false},
    {"keepalives_count", "3", false},
    {"tcp_user_timeout", "20000", false},
};

static void conninfo_end(PQconninfoOption **o)
{
    PQconninfoFree(*o);
}

static const char *value_of(const PQconninfoOption *o, const char *name)
{
    for (; o->keyword; o++)
        if (!strcmp(o->keyword, name))
            return o->val && *o->val ? o->val : NULL;
    return NULL;
}

/* The dsn's own settings, then ours. A later one of the same name wins. */
static void collect(const PQconninfoOption *dsn, const char **names, const char **values)
{
    size_t n = 0;
    for (const PQconninfoOption *o = dsn; o->keyword && n < OPTIONS_MAX; o++) {
        if (!o->val || !*o->val)
            continue;
        names[n] = o->keyword;
        values[n++] = o->val;
    }
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (!settings[i].always && value_of(dsn, settings[i].name))
            continue;
        names[n] = settings[i].name;
        values[n++] = settings[i].value;
    }
    names[n] = values[n] = NULL;
}

static int finish(PGconn *c, int64_t deadline_ms)
{
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;
    while (want != PGRES_POLLING_OK) {
        if (want == PGRES_POLLING_FAILED)
            return -ENOTCONN;
        int r = pg_wait(c, want == PGRES_POLLING_READING, want == PGRES_POLLING_WRITING, deadline_ms,
                        NULL);
        if (r < 0)
            return r;
        want = PQconnectPoll(c);
    }
    return PQsetnonblocking(c, 1) == 0 ? 0 : -ENOTCONN;
}

/* The first line of libpq's words, unless the password is among them. */
static void words(PGconn *c, const PQconninfoOption *dsn, char *ret, size_t size)
{
    const char *text = PQerrorMessage(c), *password = value_of(dsn, "password");
    if (password && strstr(text, password))
        text = "the server refused the connection";
    size_t len = strcspn(text, "\n");
    if (len >= size)
        len = size - 1;
    memcpy(ret, text, len);
    ret[len] = '\0';
    utf8_clean(ret, size - 1);
}

static void drop_notice(void *arg, const PGresult *r)
{
    (void)arg;
    (void)r;
}

int pg_open(struct db *db, const struct store_options *o, struct error *e)
{
    const char *names[OPTIONS_MAX + 10], *values[OPTIONS_MAX + 10];
    char why[WORDS_MAX];
    if (!o->dsn || !secret_len(o->dsn))
        return error_set(e, -EINVAL, "store: driver \"postgresql\" needs a dsn");
    cleanup(conninfo_end) PQconninfoOption *dsn = PQconninfoParse(secret_text(o->dsn), NULL);
    if (!dsn)
        return error_set(e, -EINVAL, "store: the dsn is neither a postgresql:// URL nor key=value pairs "
                                     "as libpq has them");
    collect(dsn, names, values);
    PGconn *c = PQconnectStartParams(names, values, 0);
    if (!c)
        return error_set(e, -ENOTCONN, "PostgreSQL cannot be reached: out of memory");
    PQsetNoticeReceiver(c, drop_notice, NULL);
    int r = PQstatus(c) == CONNECTION_BAD ? -ENOTCONN : finish(c, clock_boot_ms() + CONNECT_MS);
    if (r == 0) {
        db->connection = c;
        db->read_only = o->read_only;
        return 0;
    }
    words(c, dsn, why, sizeof(why));
    PQfinish(c);
    if (r == -ETIMEDOUT)
        return error_set(e, r, "PostgreSQL did not answer within %d seconds", CONNECT_MS / 1000);
    return error_set(e, -ENOTCONN, "PostgreSQL cannot be reached: %s", why);
}
