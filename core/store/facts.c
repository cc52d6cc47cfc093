/* SPDX-License-Identifier: MIT
 * The database's facts about the installation: facts made once by the first host, the database's place (rule 13),
 * and how many values a key has sealed.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/rules/ident.h"
#include "core/store/user_rows.h"

enum { COUNT_MS = 60000 };

int store_fact(struct db *db, const char *name, const char *fresh, char **ret_value, struct error *e)
{
    const char *texts[] = {name, fresh};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = 0;
    if (fresh)
        res = db_run(db, "INSERT INTO {facts} (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", texts,
                     2, NULL, e);
    if (res == 0)
        res = db_run(db, "SELECT value FROM {facts} WHERE name = $1", texts, 1, &r, e);
    if (res < 0)
        return res;
    if (!db_rows(r))
        return error_set(e, -ENOENT, "the store knows no fact \"%s\"", name);
    *ret_value = xstrdup(db_text(r, 0, 0));
    return 0;
}

int store_fact_set(struct db *db, const char *name, const char *value, struct error *e)
{
    const char *texts[] = {name, value};
    return db_run(db,
                  "INSERT INTO {facts} (name, value) VALUES ($1, $2)"
                  " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                  texts, 2, NULL, e);
}

static int place_postgresql(struct db *db, char **ret_place, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db,
                     "SELECT current_database(), CASE WHEN has_function_privilege("
                     "'pg_catalog.pg_control_system()', 'EXECUTE') THEN"
                     " (SELECT system_identifier::text FROM pg_control_system()) END",
                     NULL, 0, &r, e);
    if (res < 0)
        return res;
    const char *system = db_text(r, 0, 1); /* some hosting providers revoke that right */
    *ret_place = xasprintf("postgresql:%s:%s", system ? system : "unknown", db_text(r, 0, 0));
    return 0;
}

static int place_sqlite(struct db *db, char **ret_place, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    struct stat st;
    int res = db_run(db, "SELECT file FROM pragma_database_list WHERE name = 'main'", NULL, 0, &r, e);
    if (res < 0)
        return res;
    const char *file = db_text(r, 0, 0);
    cleanup(free_p) char *real = file ? realpath(file, NULL) : NULL;
    if (!real || stat(real, &st) < 0)
        return error_set(e, -ENOTCONN, "the SQLite database's file is gone: %s", strerror(errno));
    *ret_place = xasprintf("sqlite:%s:%llu", real, (unsigned long long)st.st_ino);
    return 0;
}

int store_place(struct db *db, char **ret_place, struct error *e)
{
    return db_is_postgresql(db) ? place_postgresql(db, ret_place, e) : place_sqlite(db, ret_place, e);
}

int store_sequence(struct db *db, int64_t *ret, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db,
                     "INSERT INTO {facts} AS f (name, value) VALUES ('sequence', '1')"
                     " ON CONFLICT (name) DO UPDATE SET"
                     " value = CAST(CAST(f.value AS bigint) + 1 AS text) RETURNING value",
                     NULL, 0, &r, e);
    if (res == 0)
        *ret = db_integer(r, 0, 0);
    return res;
}

static int facts_count(struct db *db, const char *sql, const struct args *a, int64_t *ret, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int before = db->statement_ms;
    db->statement_ms = COUNT_MS; /* only at start, before a refusal */
    int res = db_exec(db, sql, a->params, a->count, &r, e);
    db->statement_ms = before;
    if (res == 0)
        *ret = db_integer(r, 0, 0);
    return res;
}

int store_count_sealed(struct db *db, const char *prefix, int64_t *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    buf_init(&sql, ROWS_SQL_MAX);
    args_text(&a, prefix);
    buf_text(&sql, "SELECT count(*) FROM (");
    buf_text(&sql, "SELECT value AS v FROM {facts} WHERE name NOT LIKE 'key:%'"
                   " UNION ALL SELECT sealed FROM {credentials} UNION ALL SELECT sealed FROM {kept}"
                   " UNION ALL SELECT access_token FROM {accounts}"
                   " UNION ALL SELECT refresh_token FROM {accounts} UNION ALL ");
    buf_text(&sql, db_is_postgresql(db) ? "SELECT m.value FROM {accounts}, jsonb_each_text(extra::jsonb) m"
                                        : "SELECT m.value FROM {accounts}, json_each(extra) m");
    buf_text(&sql, ") x WHERE substr(x.v, 1, length($1)) = $1");
    return facts_count(db, sql.data, &a, ret, e);
}

int store_count_sealed_in(struct db *db, const struct table *t, const char *prefix, int64_t *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    buf_init(&sql, ROWS_SQL_MAX);
    args_text(&a, prefix);
    buf_text(&sql, "SELECT coalesce(sum(0");
    for (size_t i = 0; i < t->column_count; i++) {
        if (t->columns[i].type != VALUE_SECRET || t->columns[i].extra)
            continue;
        buf_text(&sql, " + CASE WHEN substr(");
        ident_quote(t->columns[i].name, &sql);
        buf_text(&sql, ", 1, length($1)) = $1 THEN 1 ELSE 0 END");
    }
    buf_text(&sql, "), 0) FROM ");
    table_quoted(db, t, &sql);
    if (t->own)
        buf_printf(&sql, " WHERE job = $%d", args_text(&a, t->job));
    return facts_count(db, sql.data, &a, ret, e);
}

int store_takes_writes(struct db *db, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    if (!db_is_postgresql(db))
        return 0;
    int res = db_run(db, "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on'",
                     NULL, 0, &r, e);
    if (res < 0)
        return res;
    bool standby = !strcmp(db_text(r, 0, 0), "t");
    if (standby || !strcmp(db_text(r, 0, 1), "t"))
        return error_set(e, -ENOTCONN, "PostgreSQL takes no writes: it is %s",
                         standby ? "a standby" : "set to default_transaction_read_only");
    return 0;
}

int store_probe(struct db *db, bool keep, struct error *e)
{
    int r = store_takes_writes(db, e);
    if (r == 0)
        r = db_begin(db, e);
    if (r < 0)
        return r;
    r = db_run(db, "UPDATE {facts} SET value = value WHERE name = 'installation'", NULL, 0, NULL, e);
    if (r == 0 && keep)
        r = db_commit(db, e);
    db_rollback(db);
    return r;
}
