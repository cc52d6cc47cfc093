/* SPDX-License-Identifier: MIT
 * What was asked for in SQL: runs as rows of {requests}, pauses as flags of {jobs}. Polled by the engine.
 */
#include "core/store/requests.h"

#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/store/args.h"

enum { REQUESTS_MAX = 50 };

int store_requests_take(struct db *db, int64_t now, struct sql_request **ret, size_t *ret_count,
                        struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    args_number(&a, now);
    args_number(&a, REQUESTS_MAX);
    int res = db_exec(db,
                      db_is_postgresql(db)
                          ? "UPDATE {requests} SET taken_at = $1 WHERE id IN (SELECT id FROM {requests}"
                            " WHERE taken_at = 0 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)"
                            " RETURNING id, job, run_id"
                          : "UPDATE {requests} SET taken_at = $1 WHERE id IN (SELECT id FROM {requests}"
                            " WHERE taken_at = 0 ORDER BY id LIMIT $2) RETURNING id, job, run_id",
                      a.params, a.count, &r, e);
    if (res < 0)
        return res;
    *ret_count = db_rows(r);
    *ret = xcalloc(*ret_count + 1, sizeof **ret);
    for (size_t i = 0; i < *ret_count; i++)
        (*ret)[i] = (struct sql_request){
            .id = db_integer(r, i, 0), .job = xstrdup(db_text(r, i, 1)), .run_id = db_integer(r, i, 2)};
    return 0;
}

void sql_requests_free(struct sql_request *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        free(list[i].job);
    free(list);
}

int store_paused_jobs(struct db *db, struct job_row **ret, size_t *ret_count, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db, "SELECT job, paused, last_tick FROM {jobs}", NULL, 0, &r, e);
    if (res < 0)
        return res;
    *ret_count = db_rows(r);
    *ret = xcalloc(*ret_count + 1, sizeof **ret);
    for (size_t i = 0; i < *ret_count; i++)
        (*ret)[i] = (struct job_row){.job = xstrdup(db_text(r, i, 0)),
                                     .paused = db_integer(r, i, 1) != 0,
                                     .last_tick = db_integer(r, i, 2)};
    return 0;
}

void job_rows_free(struct job_row *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        job_row_done(&list[i]);
    free(list);
}
