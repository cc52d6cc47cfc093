/* SPDX-License-Identifier: MIT
 * The bare loop on PostgreSQL: batches by UPDATE ... FROM unnest, prepared once, with arrays in binary form, on a
 * connection that the loop does not wait for.
 */
#include <endian.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bare.h"

enum { INT8 = 20, TEXT = 25, PARAMETERS = 5 };

struct array {
    char *bytes;
    size_t len, size;
};

struct postgresql {
    PGconn *reads, *writes;
    struct bare_options options;
    bool writing;
    size_t written;
    struct array parameters[PARAMETERS];
};

/* $1 id, $2 spent, $3 access token, $4 end, $5 refresh token */
#define NEW                                                               \
    "unnest($1::int8[], $2::text[], $3::text[], $4::int8[], $5::text[]) " \
    "AS n(nid, spent, access, ends, refresh)"
#define UPDATE_SAFE                                                                                      \
    "UPDATE tokens t SET access_token = access, expires_at = to_timestamp(ends), refreshed_at = now(), " \
    "last_error = NULL FROM " NEW " WHERE t.id = nid AND t.refresh_token = spent"
#define UPDATE_SINGLE                                                                                       \
    "UPDATE tokens t SET access_token = access, refresh_token = refresh, expires_at = to_timestamp(ends), " \
    "refreshed_at = now(), last_error = NULL FROM " NEW " WHERE t.id = nid AND t.refresh_token = spent"
#define PROMISES                                                                                                        \
    " RETURNING n.*), r AS (UPDATE bare_records r SET generation = generation + 1, hash = md5(access), "                \
    "fingerprint = md5(coalesce(refresh, spent)), expires_at = ends, refreshed_at = ends, due_at = ends, ok_at = ends " \
    "FROM u WHERE r.id = nid), "                                                                                        \
    "h AS (INSERT INTO bare_history (record, host, outcome, finished, spent, brought) "                                 \
    "SELECT nid, 1, 1, ends, md5(spent), md5(access) FROM u)"
#define SPENT ", s AS (INSERT INTO bare_spent (fingerprint, record, replaced) SELECT md5(spent), nid, ends FROM u)"

static PGresult *checked(PGconn *c, PGresult *r)
{
    ExecStatusType s = PQresultStatus(r);

    if (s != PGRES_TUPLES_OK && s != PGRES_COMMAND_OK)
        bare_fail("postgresql", PQerrorMessage(c));
    return r;
}

static PGconn *connected(const char *dsn)
{
    PGconn *c = PQconnectdb(dsn);

    if (PQstatus(c) != CONNECTION_OK)
        bare_fail("postgresql", PQerrorMessage(c));
    return c;
}

static void prepared(PGconn *c, const char *name, const char *sql)
{
    PQclear(checked(c, PQprepare(c, name, sql, 0, NULL)));
}

static void *open_postgresql(const char *where, const struct bare_options *o)
{
    struct postgresql *s = calloc(1, sizeof *s);
    const char *update = o->rotates ? UPDATE_SINGLE : UPDATE_SAFE;
    char sql[4096];

    s->options = *o;
    s->reads = connected(where);
    s->writes = connected(where);
    prepared(s->reads, "read", "SELECT id, refresh_token FROM tokens WHERE id = ANY($1::int8[])");
    prepared(s->reads, "claim",
             "INSERT INTO bare_claims (host, until, fingerprints) VALUES (1, 0, $1) RETURNING id");
    prepared(s->reads, "release", "DELETE FROM bare_claims WHERE id = $1");
    snprintf(sql, sizeof sql, o->promises ? "WITH u AS (%s%s%s SELECT count(*) FROM u" : "%s%s%s", update,
             o->promises ? PROMISES : "", o->promises && o->rotates ? SPENT : "");
    prepared(s->writes, "write", sql);
    if (PQsetnonblocking(s->writes, 1) != 0)
        bare_fail("postgresql", PQerrorMessage(s->writes));
    return s;
}

/* ---- arrays in binary form ---- */

static void put(struct array *a, const void *bytes, size_t len)
{
    if (a->len + len > a->size) {
        a->size = 2 * (a->len + len);
        a->bytes = realloc(a->bytes, a->size);
    }
    memcpy(a->bytes + a->len, bytes, len);
    a->len += len;
}

static void put32(struct array *a, int32_t value)
{
    uint32_t big = htobe32((uint32_t)value);
    put(a, &big, sizeof big);
}

static void array_begin(struct array *a, int32_t type, size_t count)
{
    a->len = 0;
    put32(a, 1);
    put32(a, 1); /* may have NULLs */
    put32(a, type);
    put32(a, (int32_t)count);
    put32(a, 1);
}

static void put_number(struct array *a, int64_t value)
{
    uint64_t big = htobe64((uint64_t)value);
    put32(a, sizeof big);
    put(a, &big, sizeof big);
}

static void put_text(struct array *a, const char *text)
{
    put32(a, text ? (int32_t)strlen(text) : -1);
    if (text)
        put(a, text, strlen(text));
}

/* ---- reading ---- */

static size_t due_postgresql(void *ctx, int64_t **ret_ids)
{
    struct postgresql *s = ctx;
    PGresult *r =
        checked(s->reads, PQexec(s->reads, "SELECT id FROM tokens WHERE expires_at < now() ORDER BY expires_at"));
    size_t count = (size_t)PQntuples(r);

    *ret_ids = calloc(count + 1, sizeof **ret_ids);
    for (size_t i = 0; i < count; i++)
        (*ret_ids)[i] = strtoll(PQgetvalue(r, (int)i, 0), NULL, 10);
    PQclear(r);
    return count;
}

static size_t read_postgresql(void *ctx, const int64_t *ids, size_t count, struct bare_row *ret_rows)
{
    struct postgresql *s = ctx;
    struct array a = {0};

    array_begin(&a, INT8, count);
    for (size_t i = 0; i < count; i++)
        put_number(&a, ids[i]);
    PGresult *r = checked(s->reads, PQexecPrepared(s->reads, "read", 1, (const char *const *)&a.bytes,
                                                   &(int){(int)a.len}, &(int){1}, 0));
    size_t found = (size_t)PQntuples(r);
    for (size_t i = 0; i < found; i++) {
        ret_rows[i].id = strtoll(PQgetvalue(r, (int)i, 0), NULL, 10);
        ret_rows[i].refresh_token = strdup(PQgetvalue(r, (int)i, 1));
    }
    PQclear(r);
    free(a.bytes);
    return found;
}

/* ---- the rows of a promise ---- */

static int64_t claim_postgresql(void *ctx, const struct bare_row *rows, size_t count)
{
    struct postgresql *s = ctx;
    char *fingerprints = malloc(count * 16); /* as long as such are, and as little alike */

    for (size_t i = 0; i < count; i++)
        memcpy(fingerprints + 16 * i, rows[i].refresh_token + strlen(rows[i].refresh_token) - 16, 16);
    PGresult *r = checked(s->reads, PQexecPrepared(s->reads, "claim", 1, (const char *const *)&fingerprints,
                                                   &(int){(int)count * 16}, &(int){1}, 0));
    int64_t id = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    free(fingerprints);
    return id;
}

static void release_postgresql(void *ctx, int64_t claim)
{
    struct postgresql *s = ctx;
    char text[24];

    snprintf(text, sizeof text, "%ld", (long)claim);
    PQclear(checked(s->reads, PQexecPrepared(s->reads, "release", 1, &(const char *){text}, NULL, NULL, 0)));
}

/* ---- writing ---- */

static void write_postgresql(void *ctx, const struct bare_result *results, size_t count)
{
    struct postgresql *s = ctx;
    struct array *p = s->parameters;
    const char *values[PARAMETERS];
    int lengths[PARAMETERS], formats[PARAMETERS];

    for (int i = 0; i < PARAMETERS; i++)
        array_begin(&p[i], i == 0 || i == 3 ? INT8 : TEXT, count);
    for (size_t i = 0; i < count; i++) {
        put_number(&p[0], results[i].id);
        put_text(&p[1], results[i].spent);
        put_text(&p[2], results[i].access_token);
        put_number(&p[3], results[i].expires_at);
        put_text(&p[4], results[i].refresh_token);
    }
    for (int i = 0; i < PARAMETERS; i++) {
        values[i] = p[i].bytes;
        lengths[i] = (int)p[i].len;
        formats[i] = 1;
    }
    if (!PQsendQueryPrepared(s->writes, "write", PARAMETERS, values, lengths, formats, 0) || PQflush(s->writes) < 0)
        bare_fail("postgresql", PQerrorMessage(s->writes));
    s->writing = true;
}

static bool writing_postgresql(void *ctx, int *ret_fd)
{
    struct postgresql *s = ctx;
    PGresult *r;

    *ret_fd = PQsocket(s->writes);
    if (!s->writing)
        return false;
    if (PQflush(s->writes) < 0 || !PQconsumeInput(s->writes))
        bare_fail("postgresql", PQerrorMessage(s->writes));
    while (!PQisBusy(s->writes)) {
        if (!(r = PQgetResult(s->writes))) {
            s->writing = false;
            break;
        }
        checked(s->writes, r);
        s->written += strtoul(PQntuples(r) ? PQgetvalue(r, 0, 0) : PQcmdTuples(r), NULL, 10);
        PQclear(r);
    }
    return s->writing;
}

static size_t written_postgresql(const void *ctx)
{
    const struct postgresql *s = ctx;
    return s->written;
}

static void close_postgresql(void *ctx)
{
    struct postgresql *s = ctx;

    PQfinish(s->reads);
    PQfinish(s->writes);
    for (int i = 0; i < PARAMETERS; i++)
        free(s->parameters[i].bytes);
    free(s);
}

const struct bare_store bare_postgresql = {
    open_postgresql,  due_postgresql,     read_postgresql,    claim_postgresql, release_postgresql,
    write_postgresql, writing_postgresql, written_postgresql, close_postgresql,
};
