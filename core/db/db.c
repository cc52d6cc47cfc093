/* SPDX-License-Identifier: MIT
 * One connection over either driver: opening, transactions, and the replacement of {name} by renewd's own tables.
 */
#include "core/db/db.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/map.h"

enum { SQL_MAX = 1024 * 1024, PARAMS_ON_STACK = 64 };

int db_open(const struct store_options *o, struct db **ret, struct error *e)
{
    static const struct db_driver *const drivers[] = {&db_sqlite, &db_postgresql};
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
        if (strcmp(o->driver, drivers[i]->name))
            continue;
        struct db *db = xcalloc(1, sizeof(*db));
        db->driver = drivers[i];
        db->statement_ms = DB_STATEMENT_MS;
        int r = db->driver->open(db, o, e);
        if (r < 0) {
            free(db);
            return r;
        }
        *ret = db;
        return 0;
    }
    return error_set(e, -EINVAL, "store: there is no driver \"%s\"; it is \"sqlite\" or \"postgresql\"", o->driver);
}

void db_close(struct db *db)
{
    if (!db)
        return;
    db_rollback(db);
    db->driver->close(db);
    db_describe_again(db);
    free(db->schema);
    free(db);
}

bool db_alive(const struct db *db)
{
    return !db->away && db->driver->alive(db);
}

bool store_is_away(int result)
{
    return result == -ENOTCONN || result == -ETIMEDOUT || result == -ENOSPC;
}

bool store_passes(int result)
{
    return store_is_away(result) || result == -EBUSY || result == -EDEADLK;
}

bool db_is_postgresql(const struct db *db)
{
    return db->driver->name == db_postgresql.name; /* also where a test stands between */
}

const char *db_now(const struct db *db)
{
    return db_is_postgresql(db) ? "floor(extract(epoch FROM clock_timestamp()))::bigint"
                                : "CAST(strftime('%s', 'now') AS INTEGER)";
}

static int usable(const struct db *db, struct error *e)
{
    return db->away ? error_set(e, -ENOTCONN, "the connection to the store is lost") : 0;
}

int db_begin(struct db *db, struct error *e)
{
    int r = usable(db, e);
    if (r < 0)
        return r;
    if (db->in_transaction)
        return error_set(e, -EINVAL, "store: a transaction is open already");
    db->sqlstate[0] = '\0';
    r = db->driver->begin(db, e);
    if (r < 0)
        return r;
    db->in_transaction = true;
    return 0;
}

int db_commit(struct db *db, struct error *e)
{
    int r = usable(db, e);
    if (r < 0)
        return r;
    r = db->driver->commit(db, e);
    if (r < 0)
        db_rollback(db);
    db->in_transaction = false;
    return r;
}

void db_rollback(struct db *db)
{
    if (!db->in_transaction)
        return;
    char state[sizeof(db->sqlstate)];
    memcpy(state, db->sqlstate, sizeof(state)); /* the error that caused the rollback */
    db->driver->rollback(db);
    memcpy(db->sqlstate, state, sizeof(state));
    db->in_transaction = false;
}

/* Called after an opening quote: appends the text up to and including the closing one. */
static const char *copy_quoted(const char *p, struct buf *to)
{
    const char *end = strchr(p + 1, *p);
    size_t len = end ? (size_t)(end - p) + 1 : strlen(p);
    buf_append(to, p, len);
    return p + len;
}

/* {name} becomes renewd.name or renewd_name, outside quotes. */
static int db_expand(const struct db *db, const char *sql, struct buf *to)
{
    const char *prefix = db_is_postgresql(db) ? "renewd." : "renewd_";
    while (*sql) {
        size_t plain = strcspn(sql, "{\"'");
        buf_append(to, sql, plain);
        sql += plain;
        if (*sql == '"' || *sql == '\'') {
            sql = copy_quoted(sql, to);
        } else if (*sql == '{') {
            size_t name = strspn(sql + 1, "abcdefghijklmnopqrstuvwxyz_");
            if (!name || sql[name + 1] != '}')
                return -EINVAL;
            buf_text(to, prefix);
            buf_append(to, sql + 1, name);
            sql += name + 2;
        }
    }
    return to->failed ? -E2BIG : 0;
}

int db_exec_as_is(struct db *db, const char *sql, const struct db_param *params, size_t count,
                  struct db_result **ret, struct error *e)
{
    int r = usable(db, e);
    if (r < 0)
        return r;
    db->sqlstate[0] = db->at[0] = '\0';
    struct db_result *result = NULL;
    r = db->driver->exec(db, sql, params, count, &result, e);
    if (r < 0)
        return r;
    if (ret)
        *ret = result;
    else
        db_result_free(result);
    return 0;
}

int db_exec(struct db *db, const char *sql, const struct db_param *params, size_t count, struct db_result **ret,
            struct error *e)
{
    cleanup(buf_done) struct buf expanded = {0};
    buf_init(&expanded, SQL_MAX);
    int r = db_expand(db, sql, &expanded);
    if (r < 0)
        return error_set(e, r, "store: a statement of renewd itself is malformed or too long");
    return db_exec_as_is(db, expanded.data ? expanded.data : "", params, count, ret, e);
}

int db_exec_each(struct db *db, const char *sql, const struct db_param *params, size_t count, size_t sets,
                 int64_t *ret_affected, struct error *e)
{
    cleanup(buf_done) struct buf expanded = {0};
    buf_init(&expanded, SQL_MAX);
    int r = usable(db, e);
    if (r == 0 && (r = db_expand(db, sql, &expanded)) < 0)
        error_set(e, r, "store: a statement of renewd itself is malformed or too long");
    if (r < 0)
        return r;
    *ret_affected = 0;
    db->sqlstate[0] = '\0';
    if (db->driver->exec_each)
        return db->driver->exec_each(db, expanded.data, params, count, sets, ret_affected, e);
    for (size_t i = 0; r == 0 && i < sets; i++) {
        cleanup(db_result_free_p) struct db_result *result = NULL;
        r = db_exec_as_is(db, expanded.data, params + i * count, count, &result, e);
        *ret_affected += r == 0 ? db_affected(result) : 0;
    }
    return r;
}

static void described_free(void *value)
{
    struct db_described *d = value;
    for (size_t i = 0; d->types && i < d->count; i++)
        free(d->types[i]);
    free(d->types);
    free(d);
}

void db_describe_again(struct db *db)
{
    map_free(db->described, described_free);
    db->described = NULL;
}

int db_describe(struct db *db, const char *sql, struct db_described **ret, struct error *e)
{
    if (!db->described)
        db->described = map_new();
    *ret = map_get(db->described, sql);
    int r = *ret ? 0 : usable(db, e);
    if (r < 0 || *ret)
        return r;
    struct db_described *made = xcalloc(1, sizeof(*made));
    r = db->driver->describe(db, sql, made, e);
    if (r < 0)
        described_free(made);
    else
        map_put(db->described, sql, *ret = made);
    return r;
}

int db_run(struct db *db, const char *sql, const char *const *texts, size_t count, struct db_result **ret,
           struct error *e)
{
    struct db_param few[PARAMS_ON_STACK];
    cleanup(free_p) struct db_param *many = NULL;
    struct db_param *params = few;
    if (count > PARAMS_ON_STACK)
        params = many = xcalloc(count, sizeof(*many));
    for (size_t i = 0; i < count; i++)
        params[i] = (struct db_param){.text = texts[i], .len = texts[i] ? strlen(texts[i]) : 0};
    return db_exec(db, sql, params, count, ret, e);
}
