/* SPDX-License-Identifier: MIT
 * See pg_cron.h.
 */
#include "core/store/pg_cron.h"

#include <stdio.h>

#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/db/parameters.h"

enum { SQL_MAX = 8192, NAMED_MAX = 5 };

/* Asks the catalog only: a statement that names an unreadable table fails. */
static bool may_read(struct db *db)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    struct error ignored;

    if (!db_is_postgresql(db))
        return false;
    int res = db_run(db,
                     "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                     " WHERE n.nspname = 'cron' AND c.relname = 'job' AND has_schema_privilege(n.oid, 'USAGE')"
                     " AND has_table_privilege(c.oid, 'SELECT')",
                     NULL, 0, &r, &ignored);
    return res == 0 && db_rows(r) == 1;
}

/* A name matches only where no letter, digit, - or _ is next to it. */
static void sql_append_call(struct args *a, const struct cron_call *c, struct buf *sql)
{
    int name = args_text(a, c->name);

    buf_printf(sql, "command ~* ('(^|[^a-z0-9_-])' || $%d || '($|[^a-z0-9_-])')", name);
    if (c->platform)
        buf_printf(sql, " AND command ~* ('(^|[^a-z0-9])' || $%d || '($|[^a-z0-9])')", args_text(a, c->platform));
}

static void pg_cron_say(const struct db_result *r, char *ret, size_t size)
{
    size_t rows = db_rows(r), at = 0;

    at +=
        (size_t)snprintf(ret, size,
                         "pg_cron still has %s that calls the same: ", rows > 1 ? "active jobs" : "an active job");
    for (size_t i = 0; i < rows && i < NAMED_MAX && at < size; i++)
        at += (size_t)snprintf(ret + at, size - at, "%s\"%.60s\" (%.60s)", i ? ", " : "", db_text(r, i, 0),
                               db_text(r, i, 1));
    if (at < size)
        snprintf(ret + at, size - at, "; end it with SELECT cron.unschedule(%.80s), see renewd-moving(7)",
                 db_text(r, 0, 2));
}

void store_pg_cron(struct db *db, const struct cron_call *calls, size_t count, char *ret, size_t size)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    struct error ignored;

    *ret = '\0';
    if (!count || !may_read(db))
        return;
    buf_init(&sql, SQL_MAX);
    buf_text(&sql, "SELECT coalesce(jobname, jobid::text), schedule, coalesce(quote_literal(jobname), jobid::text)"
                   " FROM cron.job WHERE active AND database = current_database() AND (");
    for (size_t i = 0; i < count; i++) {
        buf_text(&sql, i ? " OR (" : "(");
        sql_append_call(&a, &calls[i], &sql);
        buf_char(&sql, ')');
    }
    buf_text(&sql, ") ORDER BY jobid");
    if (!sql.failed && db_exec(db, sql.data, a.params, a.count, &r, &ignored) == 0 && db_rows(r))
        pg_cron_say(r, ret, size);
}
