/* SPDX-License-Identifier: MIT
 * See parked.h.
 */
#include "core/store/parked.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/db/parameters.h"

#define COLUMNS "k.attempt_id, k.kind, k.source, k.rkey, k.job, k.sealed, k.why, k.created_at, k.retry_at"

static char *parked_copy(const struct db_result *r, size_t row, size_t column)
{
    const char *text = db_text(r, row, column);

    return text ? xstrdup(text) : NULL;
}

static void read_row(const struct db_result *r, size_t row, struct kept *k)
{
    snprintf(k->attempt_id, sizeof k->attempt_id, "%s", db_text(r, row, 0));
    k->kind = parked_copy(r, row, 1);
    k->source = parked_copy(r, row, 2);
    k->key = parked_copy(r, row, 3);
    k->job = parked_copy(r, row, 4);
    k->sealed = parked_copy(r, row, 5);
    k->why = parked_copy(r, row, 6);
    k->created_at = db_integer(r, row, 7);
    k->retry_at = db_integer(r, row, 8);
}

int store_parked(struct db *db, const char *job, size_t limit, struct parked_row **ret, size_t *ret_count,
                 struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;

    args_number(&a, (int64_t)limit);
    if (job)
        args_text(&a, job);
    int res =
        db_exec(db,
                job ? "SELECT " COLUMNS ", r.account FROM {kept} k LEFT JOIN {records} r ON r.source = k.source"
                      " AND r.rkey = k.rkey WHERE k.job = $2 ORDER BY k.created_at, k.attempt_id LIMIT $1"
                    : "SELECT " COLUMNS ", r.account FROM {kept} k LEFT JOIN {records} r ON r.source = k.source"
                      " AND r.rkey = k.rkey ORDER BY k.created_at, k.attempt_id LIMIT $1",
                a.params, a.count, &r, e);
    if (res < 0)
        return res;
    *ret_count = db_rows(r);
    *ret = xcalloc(*ret_count + 1, sizeof **ret);
    for (size_t i = 0; i < *ret_count; i++) {
        read_row(r, i, &(*ret)[i].kept);
        (*ret)[i].account = parked_copy(r, i, 9);
    }
    return 0;
}

static void kept_done(struct kept *k)
{
    free(k->kind);
    free(k->source);
    free(k->key);
    free(k->job);
    wipe_free(k->sealed);
    free(k->why);
    free(k->code);
}

void parked_free(struct parked_row *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++) {
        kept_done(&list[i].kept);
        free(list[i].account);
    }
    free(list);
}

int store_parked_one(struct db *db, const char *attempt_id, struct kept **ret, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db, "SELECT " COLUMNS " FROM {kept} k WHERE k.attempt_id = $1", &attempt_id, 1, &r, e);

    if (res < 0)
        return res;
    if (!db_rows(r))
        return error_set(e, -ENOENT, "nothing is parked under the id %.32s; renewctl parked lists the ids",
                         attempt_id);
    *ret = xcalloc(1, sizeof **ret);
    read_row(r, 0, *ret);
    return 0;
}
