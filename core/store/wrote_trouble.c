/* SPDX-License-Identifier: MIT
 * See wrote_trouble.h.
 */
#include "core/store/wrote_trouble.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <renewd/plugin.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/db/parameters.h"
#include "core/rules/outcome.h"
#include "core/store/list.h"

int store_told_missing(struct db *db, const char *source, const char *const *keys, size_t count, bool *ret,
                       struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;

    if (!count)
        return 0;
    buf_init(&sql, 1 << 14);
    args_text(&a, source);
    buf_text(&sql, "SELECT DISTINCT rkey FROM {told} WHERE source = $1 AND ");
    list_put_in(db, "rkey", list_add(db, &a, keys, count), &sql);
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    for (size_t i = 0; res == 0 && i < count; i++) {
        ret[i] = true;
        for (size_t k = 0; k < db_rows(r); k++)
            if (strcmp(keys[i], db_text(r, k, 0)) == 0)
                ret[i] = false;
    }
    return res;
}

int store_told_stale(struct db *db, const char *source, int64_t strikes, size_t limit, struct told_row **ret,
                     size_t *ret_count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;

    args_text(&a, source);
    args_number(&a, STATE_RECONNECT);
    args_number(&a, strikes ? strikes : INT64_MAX);
    args_number(&a, (int64_t)limit);
    int res = db_exec(db,
                      "SELECT t.rkey, t.target, t.value FROM {told} t WHERE t.source = $1 AND NOT EXISTS"
                      " (SELECT 1 FROM {records} r WHERE r.source = t.source AND r.rkey = t.rkey"
                      " AND (r.state = $2 OR r.strikes >= $3)) ORDER BY t.rkey, t.target, t.value LIMIT $4",
                      a.params, a.count, &r, e);
    if (res < 0)
        return res;
    *ret_count = db_rows(r);
    *ret = xcalloc(*ret_count + 1, sizeof **ret);
    for (size_t i = 0; i < *ret_count; i++)
        (*ret)[i] =
            (struct told_row){xstrdup(db_text(r, i, 0)), xstrdup(db_text(r, i, 1)), xstrdup(db_text(r, i, 2))};
    return 0;
}

static int ask_one(struct db *db, const char *question, const char *key, bool *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    bool pg = db_is_postgresql(db);
    int res = pg ? db_run(db, "SAVEPOINT renewd_told", NULL, 0, NULL, e) : 0;

    if (res < 0)
        return res;
    args_text(&a, key);
    res = db_exec_as_is(db, question, a.params, a.count, &r, e);
    if (res == 0)
        *ret = db_rows(r) > 0;
    if (res == -EINVAL || res == -EACCES)
        res = pg ? db_run(db, "ROLLBACK TO SAVEPOINT renewd_told", NULL, 0, NULL, e) : 0;
    if (res == 0 && pg)
        res = db_run(db, "RELEASE SAVEPOINT renewd_told", NULL, 0, NULL, e);
    return res;
}

int store_told_asked(struct db *db, const char *const *questions, const char *key, bool *ret, struct error *e)
{
    int res = 0;

    *ret = false;
    for (size_t i = 0; questions && questions[i] && res == 0 && !*ret; i++)
        res = ask_one(db, questions[i], key, ret, e);
    return res;
}

int store_told_end(struct db *db, const char *source, const struct told_row *t, const char *sql,
                   const char *const *unless, const struct bound *bound, size_t bound_count, struct error *e)
{
    bool needed = false;
    const char *texts[] = {source, t->key, t->target, t->value};
    cleanup(args_done) struct args a = {0};
    int res = db_begin(db, e);

    if (res == 0)
        res = db_run(db, "DELETE FROM {told} WHERE source = $1 AND rkey = $2 AND target = $3 AND value = $4", texts,
                     4, NULL, e);
    for (size_t i = 0; i < bound_count; i++) {
        args_text(&a, bound[i].text);
        a.params[i].integer = bound[i].type == RENEWD_INTEGER;
    }
    if (res == 0 && sql)
        res = store_told_asked(db, unless, t->value, &needed, e);
    if (res == 0 && sql && !needed)
        res = db_exec_as_is(db, sql, a.params, a.count, NULL, e);
    if (res == 0)
        res = db_commit(db, e);
    db_rollback(db);
    return res;
}

void told_free(struct told_row *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++) {
        free(list[i].key);
        free(list[i].target);
        free(list[i].value);
    }
    free(list);
}
