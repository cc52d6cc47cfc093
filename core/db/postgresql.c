/* SPDX-License-Identifier: MIT
 * The PostgreSQL driver. Every wait has a deadline: statements are sent and their results polled for, and a
 * connection that misses the deadline is closed. Errors name SQLSTATE, constraint and table. The server's message
 * may hold values of rows, so it is shown only for mistakes in the statement's text.
 */
#include "core/db/postgresql_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/rules/ident.h"

enum { GRACE_MS = 2000, ENDS_MS = 200, PARAMS_MAX = 65535 };

int pg_wait(PGconn *c, bool for_read, bool for_write, int64_t deadline_ms, bool *ret_readable)
{
    struct pollfd p = {.fd = PQsocket(c)};
    if (p.fd < 0)
        return -ENOTCONN;
    p.events = (short)((for_read ? POLLIN : 0) | (for_write ? POLLOUT : 0));
    for (;;) {
        int64_t left = deadline_ms - clock_boot_ms();
        if (left <= 0)
            return -ETIMEDOUT;
        int n = poll(&p, 1, (int)left);
        if (n < 0 && errno != EINTR)
            return -ENOTCONN;
        if (n <= 0)
            continue;
        if (ret_readable)
            *ret_readable = (p.revents & ~POLLOUT) != 0;
        return 0;
    }
}

static int pg_lost(struct db *db, int result, struct error *e)
{
    db->away = true;
    if (result == -ETIMEDOUT)
        return error_set(e, result, "PostgreSQL did not answer in time; the connection is given up");
    return error_set(e, -ENOTCONN, "the connection to PostgreSQL is lost");
}

struct pg_outcome {
    const char *state; /* a whole SQLSTATE or its class */
    int result;
};

static const struct pg_outcome outcomes[] = {
    {"23505", -EEXIST},   {"40001", -EDEADLK},  {"40P01", -EDEADLK},  {"55P03", -EBUSY},    {"57014", -EBUSY},
    {"53100", -ENOSPC},   {"42501", -EACCES},   {"25006", -ENOTCONN}, {"57P01", -ENOTCONN}, {"57P02", -ENOTCONN},
    {"57P03", -ENOTCONN}, {"57P05", -ENOTCONN}, {"25P03", -ENOTCONN}, {"08", -ENOTCONN},    {"53", -EBUSY},
};

static int result_of(const char *state)
{
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
        if (!strncmp(state, outcomes[i].state, strlen(outcomes[i].state)))
            return outcomes[i].result;
    return -EINVAL;
}

/* Describes a rejected row by its constraint and table; the server's message may hold the row's values. */
static const char *words_of(const char *state)
{
    static const struct {
        const char *state, *words;
    } known[] = {
        {"22001", "a value is too long for its column"},
        {"22003", "a number does not fit its column"},
        {"22007", "a text is not a time, which its column needs"},
        {"22P02", "a text does not fit its column's type"},
        {"23502", "a column must not be null"},
        {"23503", "a foreign key does not allow it"},
        {"23505", "a unique index does not allow it"},
        {"23514", "a check constraint does not allow it"},
        {"23P01", "an exclusion constraint does not allow it"},
        {"40001", "another transaction changed the same rows"},
        {"40P01", "a deadlock with another transaction"},
        {"53100", "the disk is full"},
        {"55P03", "another session holds a lock"},
        {"57014",
         "the statement was cancelled, because it or the lock of another session that it waited for took too "
         "long (statement_timeout)"},
        {"P0001", "a trigger does not allow it"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (!strcmp(state, known[i].state))
            return known[i].words;
    return "";
}

static const char *pg_field(const PGresult *r, int code)
{
    const char *text = PQresultErrorField(r, code);
    return text ? text : "";
}

static int pg_refused(struct db *db, const PGresult *r, struct error *e)
{
    const char *state = pg_field(r, PG_DIAG_SQLSTATE);
    if (!*state)
        return pg_lost(db, -ENOTCONN, e);
    snprintf(db->sqlstate, sizeof(db->sqlstate), "%s", state);
    snprintf(db->at, sizeof(db->at), "%.*s", (int)sizeof(db->at) - 1, pg_field(r, PG_DIAG_DATATYPE_NAME));
    int result = result_of(state);
    if (result == -ENOTCONN) {
        db->away = true;
        return error_set(e, result, "PostgreSQL ended the connection or takes no writes (SQLSTATE %s)", state);
    }
    const char *constraint = pg_field(r, PG_DIAG_CONSTRAINT_NAME);
    const char *table = pg_field(r, PG_DIAG_TABLE_NAME), *column = pg_field(r, PG_DIAG_COLUMN_NAME);
    bool names_only = !strncmp(state, "42", 2);
    const char *words = names_only ? pg_field(r, PG_DIAG_MESSAGE_PRIMARY) : words_of(state);
    return error_set(e, result, "PostgreSQL: SQLSTATE %s%s%s%s%s%s%s%s%s", state,
                     *constraint ? ", constraint " : "", constraint, *table ? ", table " : "", table,
                     *column ? ", column " : "", column, *words ? ": " : "", words);
}

/* Sends what is queued, and reads meanwhile, so that both sides do not wait for each other. */
static int flush_out(PGconn *c, int64_t deadline_ms)
{
    int left;
    while ((left = PQflush(c)) > 0) {
        bool readable = false;
        int r = pg_wait(c, true, true, deadline_ms, &readable);
        if (r < 0)
            return r;
        if (readable && !PQconsumeInput(c))
            return -ENOTCONN;
    }
    return left < 0 ? -ENOTCONN : 0;
}

static int wait_for_result(const struct db *db, int64_t deadline_ms)
{
    for (;;) {
        int64_t now = clock_boot_ms(), until = deadline_ms;
        if (db->ends && atomic_load(db->ends))
            return -ECANCELED;
        if (db->ends && until > now + ENDS_MS)
            until = now + ENDS_MS;
        int r = pg_wait(db->connection, true, false, until, NULL);
        if (r != -ETIMEDOUT || until == deadline_ms)
            return r;
    }
}

/* The next result, or NULL at the end. */
static int next_result(const struct db *db, int64_t deadline_ms, PGresult **ret)
{
    PGconn *c = db->connection;
    while (PQisBusy(c)) {
        int r = wait_for_result(db, deadline_ms);
        if (r < 0)
            return r;
        if (!PQconsumeInput(c))
            return -ENOTCONN;
    }
    *ret = PQgetResult(c);
    return 0;
}

/* Reads all results of what was sent and returns the first error, else the last result; of a pipeline up to its end. */
static int pg_collect(struct db *db, PGresult **ret, struct error *e)
{
    PGconn *c = db->connection;
    bool pipeline = PQpipelineStatus(c) != PQ_PIPELINE_OFF, over = false, ended = false;
    int64_t deadline_ms = clock_boot_ms() + db->statement_ms + (pipeline ? 2 : 1) * GRACE_MS;
    PGresult *kept = NULL, *next = NULL;
    int r = flush_out(c, deadline_ms);
    while (r == 0 && !over && (r = next_result(db, deadline_ms, &next)) == 0 && (next || pipeline)) {
        if (!next && ended) { /* only a connection that broke has nothing after the end of a statement */
            r = -ENOTCONN;
            break;
        }
        ended = !next;
        over = PQresultStatus(next) == PGRES_PIPELINE_SYNC;
        if (!next || over) {
            PQclear(next);
            continue;
        }
        if (kept && PQresultStatus(kept) == PGRES_FATAL_ERROR) {
            PQclear(next);
            continue;
        }
        PQclear(kept);
        kept = next;
    }
    if (r < 0) {
        PQclear(kept);
        return pg_lost(db, r, e);
    }
    if (PQstatus(c) == CONNECTION_BAD)
        db->away = true;
    ExecStatusType status = PQresultStatus(kept);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        *ret = kept;
        return 0;
    }
    r = kept ? pg_refused(db, kept, e) : pg_lost(db, -ENOTCONN, e);
    if (kept && status != PGRES_FATAL_ERROR) {
        db->away = true; /* COPY and similar: the connection cannot continue */
        r = error_set(e, -EINVAL, "PostgreSQL: the statement is of a kind that renewd cannot run");
    }
    PQclear(kept);
    return r;
}

static int collect_only(struct db *db, struct error *e)
{
    PGresult *r = NULL;
    int res = pg_collect(db, &r, e);
    if (res == 0)
        PQclear(r);
    return res;
}

static int pg_simple(struct db *db, const char *sql, struct error *e)
{
    if (!PQsendQuery(db->connection, sql))
        return pg_lost(db, -ENOTCONN, e);
    return collect_only(db, e);
}

/* Sets the search_path for names without a schema in the plugin's statements; only for the transaction, because
 * of poolers. */
static void put_search_path(const struct db *db, struct buf *to)
{
    if (!db->schema)
        return;
    buf_text(to, "; SET LOCAL search_path = ");
    ident_quote(db->schema, to);
    buf_text(to, ", public");
}

/* A read of a user's table may take long; its thread must not wait so long for somebody who has locked it. */
static int lock_limit(const struct db *db)
{
    if (db->lock_ms)
        return db->lock_ms;
    return db->timed && db->statement_ms > DB_STATEMENT_MS ? DB_STATEMENT_MS : db->statement_ms;
}

static int pg_begin(struct db *db, struct error *e)
{
    cleanup(buf_done) struct buf sql = {0};
    buf_init(&sql, 640);
    buf_printf(&sql,
               "BEGIN ISOLATION LEVEL READ COMMITTED %s; SET LOCAL renewd.own = on;"
               " SET LOCAL statement_timeout = %d;"
               " SET LOCAL lock_timeout = %d; SET LOCAL idle_in_transaction_session_timeout = %d",
               db->read_only ? "READ ONLY" : "READ WRITE", db->statement_ms, lock_limit(db), 10 * db->statement_ms);
    if (db->by_index) /* a plan of last resort would seem dear enough to be compiled */
        buf_text(&sql, "; SET LOCAL enable_seqscan = off; SET LOCAL jit = off");
    put_search_path(db, &sql);
    int r = pg_simple(db, sql.data ? sql.data : "", e);
    if (r < 0 && !db->away)
        pg_simple(db, "ROLLBACK", NULL);
    return r;
}

static int pg_commit(struct db *db, struct error *e)
{
    PGconn *c = db->connection;
    bool failed = PQtransactionStatus(c) == PQTRANS_INERROR;
    if (!PQsendQuery(c, "COMMIT"))
        return pg_lost(db, -ENOTCONN, e);
    fault_point(FAULT_COMMIT_SENT, NULL);
    int r = collect_only(db, e);
    if (r == 0 && failed) /* the server rolled back without an error */
        return error_set(e, -EINVAL, "PostgreSQL: the transaction had failed before its commit");
    return r;
}

static void pg_rollback(struct db *db)
{
    if (!db->away && PQtransactionStatus(db->connection) != PQTRANS_IDLE)
        pg_simple(db, "ROLLBACK", NULL);
}

static void pg_close(struct db *db)
{
    PQfinish(db->connection);
}

static bool pg_alive(const struct db *db)
{
    return PQstatus(db->connection) == CONNECTION_OK;
}

static struct db_result *pg_take(const PGresult *from)
{
    int columns = PQnfields(from), rows = PQntuples(from);
    struct db_result *r = db_result_new((size_t)columns);
    cleanup(free_p) const char **values = xcalloc((size_t)columns + 1, sizeof(*values));
    cleanup(free_p) size_t *lens = xcalloc((size_t)columns + 1, sizeof(*lens));
    for (int i = 0; i < rows; i++) {
        for (int k = 0; k < columns; k++) {
            values[k] = PQgetisnull(from, i, k) ? NULL : PQgetvalue(from, i, k);
            lens[k] = (size_t)PQgetlength(from, i, k);
        }
        db_result_add_row(r, values, lens);
    }
    const char *command = PQcmdStatus((PGresult *)(uintptr_t)from);
    if (strncmp(command, "SELECT", 6))
        db_result_set_affected(r, strtoll(PQcmdTuples((PGresult *)(uintptr_t)from), NULL, 10));
    return r;
}

/* libpq does not wipe what it frees, so the values are wiped here. */
static void clear_wiped(PGresult *r)
{
    for (int i = 0; i < PQntuples(r); i++)
        for (int k = 0; k < PQnfields(r); k++)
            explicit_bzero(PQgetvalue(r, i, k), (size_t)PQgetlength(r, i, k));
    PQclear(r);
}

/* Outside a transaction nothing limits what a statement takes, and giving it up would cost the connection: it is sent
 * behind its limits, and both are one transaction of the server's. */
static int send_alone(struct db *db, const char *sql, size_t count, const char *const *values)
{
    PGconn *c = db->connection;
    char limits[160];
    snprintf(limits, sizeof(limits),
             "SELECT set_config('statement_timeout', '%d', true), set_config('lock_timeout', '%d', true)",
             db->statement_ms + GRACE_MS, lock_limit(db));
    return PQenterPipelineMode(c) && PQsendQueryParams(c, limits, 0, NULL, NULL, NULL, NULL, 0) &&
           PQsendQueryParams(c, sql, (int)count, NULL, values, NULL, NULL, 0) && PQpipelineSync(c);
}

static int pg_exec(struct db *db, const char *sql, const struct db_param *params, size_t count,
                   struct db_result **ret, struct error *e)
{
    if (count > PARAMS_MAX)
        return error_set(e, -E2BIG, "PostgreSQL: too many parameters");
    cleanup(free_p) const char **values = xcalloc(count + 1, sizeof(*values));
    for (size_t i = 0; i < count; i++) {
        if (params[i].text && memchr(params[i].text, '\0', params[i].len))
            return error_set(e, -EINVAL, "PostgreSQL: a text that holds a NUL cannot be stored");
        values[i] = params[i].text;
    }
    PGresult *r = NULL;
    bool alone = !db->in_transaction;
    if (alone ? !send_alone(db, sql, count, values)
              : !PQsendQueryParams(db->connection, sql, (int)count, NULL, values, NULL, NULL, 0))
        return pg_lost(db, -ENOTCONN, e);
    int res = pg_collect(db, &r, e);
    if (alone && !db->away && !PQexitPipelineMode(db->connection)) {
        PQclear(res < 0 ? NULL : r);
        return pg_lost(db, -ENOTCONN, e);
    }
    if (res < 0)
        return res;
    *ret = pg_take(r);
    clear_wiped(r);
    return 0;
}

static int described(struct db *db, const char *sql, PGresult **ret, struct error *e)
{
    PGresult *r = NULL;
    if (!PQsendPrepare(db->connection, "", sql, 0, NULL))
        return pg_lost(db, -ENOTCONN, e);
    int res = pg_collect(db, &r, e);
    if (res < 0)
        return res;
    PQclear(r);
    if (!PQsendDescribePrepared(db->connection, ""))
        return pg_lost(db, -ENOTCONN, e);
    return pg_collect(db, ret, e);
}

static int pg_prepare(struct db *db, const char *sql, size_t *ret_params, struct error *e)
{
    PGresult *r = NULL;
    int res = described(db, sql, &r, e);
    if (res < 0)
        return res;
    *ret_params = (size_t)PQnparams(r);
    PQclear(r);
    return 0;
}

/* The modifier -1 gives names such as bpchar, which are not char(1). */
static int pg_describe(struct db *db, const char *sql, struct db_described *ret, struct error *e)
{
    cleanup(buf_done) struct buf types = {0};
    struct db_result *names = NULL;
    PGresult *r = NULL;
    int res = described(db, sql, &r, e);
    if (res < 0)
        return res;
    buf_init(&types, 4096);
    for (int i = 0; i < PQnparams(r); i++)
        buf_printf(&types, "%c%u", i ? ',' : '{', PQparamtype(r, i));
    buf_text(&types, types.len ? "}" : "{}");
    ret->count = (size_t)PQnparams(r);
    ret->rows = PQnfields(r) > 0;
    PQclear(r);
    const struct db_param param = {.text = types.data, .len = types.len};
    res = pg_exec(db,
                  "SELECT pg_catalog.format_type(u, -1) FROM pg_catalog.unnest($1::oid[]) WITH ORDINALITY"
                  " AS t(u, o) ORDER BY o",
                  &param, 1, &names, e);
    if (res == 0 && db_rows(names) == ret->count) {
        ret->types = xcalloc(ret->count + 1, sizeof(*ret->types));
        for (size_t i = 0; i < ret->count; i++)
            ret->types[i] = xstrdup(db_text(names, i, 0) ? db_text(names, i, 0) : "text");
    }
    db_result_free(names);
    return res < 0 ? res : ret->types ? 0 : error_set(e, -EINVAL, "PostgreSQL names no types for the parameters");
}

const struct db_driver db_postgresql = {
    .name = "postgresql",
    .open = pg_open,
    .close = pg_close,
    .alive = pg_alive,
    .begin = pg_begin,
    .commit = pg_commit,
    .rollback = pg_rollback,
    .exec = pg_exec,
    .prepare = pg_prepare,
    .describe = pg_describe,
};
