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

void kept_from_result(const struct db_result *r, size_t row, struct kept *k)
{
    snprintf(k->attempt_id, sizeof k->attempt_id, "%s", db_text(r, row, 0));
    k->kind = db_copy(r, row, 1);
    k->source = db_copy(r, row, 2);
    k->key = db_copy(r, row, 3);
    k->job = db_copy(r, row, 4);
    k->sealed = db_copy(r, row, 5);
    k->why = db_copy(r, row, 6);
    k->created_at = db_integer(r, row, 7);
    k->retry_at = db_integer(r, row, 8);
}

int store_parked(struct db *db, const char *job, size_t limit, struct kept **ret, size_t *ret_count,
                 struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;

    args_number(&a, (int64_t)limit);
    if (job)
        args_text(&a, job);
    int res = db_exec(db,
                      job ? "SELECT " KEPT_COLUMNS
                            ", r.account FROM {kept} k LEFT JOIN {records} r ON r.source = k.source"
                            " AND r.rkey = k.rkey WHERE k.job = $2 ORDER BY k.created_at, k.attempt_id LIMIT $1"
                          : "SELECT " KEPT_COLUMNS
                            ", r.account FROM {kept} k LEFT JOIN {records} r ON r.source = k.source"
                            " AND r.rkey = k.rkey ORDER BY k.created_at, k.attempt_id LIMIT $1",
                      a.params, a.count, &r, e);
    if (res < 0)
        return res;
    *ret_count = db_rows(r);
    *ret = xcalloc(*ret_count + 1, sizeof **ret);
    for (size_t i = 0; i < *ret_count; i++) {
        kept_from_result(r, i, &(*ret)[i]);
        (*ret)[i].account = db_copy(r, i, 9);
    }
    return 0;
}

void kept_free(struct kept *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++) {
        free(list[i].kind);
        free(list[i].source);
        free(list[i].key);
        free(list[i].job);
        wipe_free(list[i].sealed);
        free(list[i].why);
        free(list[i].code);
        free(list[i].account);
    }
    free(list);
}

int store_parked_one(struct db *db, const char *attempt_id, struct kept **ret, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db, "SELECT " KEPT_COLUMNS " FROM {kept} k WHERE k.attempt_id = $1", &attempt_id, 1, &r, e);

    if (res < 0)
        return res;
    if (!db_rows(r))
        return error_set(e, -ENOENT, "nothing is parked under the id %.32s; renewctl parked lists the ids",
                         attempt_id);
    *ret = xcalloc(1, sizeof **ret);
    kept_from_result(r, 0, *ret);
    return 0;
}
