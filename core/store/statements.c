/* SPDX-License-Identifier: MIT
 * Checks named statements before they are used: whether they parse, whether they take the parameters that their
 * plugin gives, and whether renewd's role may do what they do. Also runs ready.sql. The statements themselves run
 * in commits only.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/db/db.h"
#include "core/db/parameters.h"
#include "core/store/store.h"

/* In a transaction, so that a pooler runs both parts on one connection. */
int store_check_statement(struct db *db, const char *sql, size_t parameters, struct error *e)
{
    size_t takes = 0;
    int r = db_begin(db, e);

    if (r == 0)
        r = db->driver->prepare(db, sql, &takes, e);
    db_rollback(db);
    if (r == 0 && takes != parameters)
        return error_set(e, -EINVAL, "the statement takes %zu parameters, its plugin gives %zu", takes, parameters);
    return r;
}

int store_statement_types(struct db *db, const char *sql, char ***ret, struct error *e)
{
    struct db_described *d = NULL;
    int r = db_is_postgresql(db) ? db_begin(db, e) : 0;

    *ret = NULL;
    if (r == 0 && db_is_postgresql(db))
        r = db_describe(db, sql, &d, e);
    if (r == 0 && d) {
        *ret = xcalloc(d->count + 1, sizeof **ret);
        for (size_t i = 0; i < d->count; i++)
            (*ret)[i] = xstrdup(d->types[i]);
    }
    db_rollback(db);
    return r;
}

/* The table that a statement writes to, as it names it: the word after UPDATE, INSERT INTO, DELETE FROM. *ret_right
 * NULL: it begins otherwise. */
static int written_table(const char *sql, const char **ret_right, const char **ret_table)
{
    static const struct {
        const char *words, *right;
    } heads[] = {{"UPDATE ", "SELECT, UPDATE"}, {"INSERT INTO ", "INSERT"}, {"DELETE FROM ", "SELECT, DELETE"}};

    *ret_right = NULL;
    sql += strspn(sql, " \t\r\n");
    while (sql[0] == '-' && sql[1] == '-') {
        sql += strcspn(sql, "\n");
        sql += strspn(sql, " \t\r\n");
    }
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]) && !*ret_right; i++)
        if (strncasecmp(sql, heads[i].words, strlen(heads[i].words)) == 0) {
            *ret_right = heads[i].right;
            *ret_table = sql + strlen(heads[i].words);
        }
    return *ret_right ? (int)strcspn(*ret_table, " \t\r\n(") : 0;
}

/* A missing right is reported as the GRANT that gives it. */
int store_statement_refused(const char *name, const char *sql, int result, const char *words, struct error *e)
{
    const char *right, *table = "";
    int len = written_table(sql, &right, &table);

    if (result != -EACCES || !right)
        return error_set(e, result, "%s", words);
    return error_set(e, result,
                     "statement %s: %s; mended by GRANT %s ON %.*s to renewd's role, which needs also what the "
                     "statement reads: PostgreSQL names one table at a time, and others may follow",
                     name, words, right, len < 100 ? len : 100, table);
}

/* Planned but not run. PostgreSQL then checks the rights on all its tables, and names the first one that is
 * refused. */
int store_statement_rights(struct db *db, const char *name, const char *sql, size_t parameters, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(free_p) char *explain = xasprintf("EXPLAIN %s", sql);
    struct error why = {""};

    if (!db_is_postgresql(db))
        return 0;
    for (size_t i = 0; i < parameters; i++)
        args_text(&a, NULL);
    int r = db_begin(db, &why);
    if (r == 0)
        r = db_exec_as_is(db, explain, a.params, a.count, NULL, &why);
    db_rollback(db);
    if (r == -EACCES)
        return store_statement_refused(name, sql, r, why.text, e);
    return r == -ENOTCONN ? error_set(e, r, "%s", why.text) : 0; /* store_check_statement reports it */
}

int store_ready(struct db *db, const char *sql, char **ret_text, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *found = NULL;
    int r = db_begin(db, e);

    if (r == 0)
        r = db_exec_as_is(db, sql, NULL, 0, &found, e);
    db_rollback(db);
    if (r < 0)
        return r;
    const char *text = db_rows(found) > 0 ? db_text(found, 0, 0) : NULL;
    *ret_text = xstrdup_or_null(text);
    return 0;
}
