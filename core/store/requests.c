/* SPDX-License-Identifier: MIT
 * Requests in SQL: runs as rows of {requests}, pauses as flags of {jobs}. The engine polls them.
 */
#include "core/store/requests.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/store/list.h"

enum { REQUESTS_MAX = 50, REQUESTS_SQL_MAX = 65536 };

static int requests_take(struct db *db, const char *const *jobs, size_t job_count, int64_t now,
                         struct db_result **ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    buf_init(&sql, REQUESTS_SQL_MAX);
    buf_printf(&sql,
               "UPDATE {requests} SET taken_at = $%d WHERE id IN (SELECT id FROM {requests}"
               " WHERE taken_at = 0 AND ",
               args_number(&a, now));
    list_put_in(db, "job", list_add(db, &a, jobs, job_count), &sql);
    buf_printf(&sql, " ORDER BY id LIMIT %d%s) RETURNING id, job, run_id", REQUESTS_MAX,
               db_is_postgresql(db) ? " FOR UPDATE SKIP LOCKED" : "");
    return db_exec(db, sql.data, a.params, a.count, ret, e);
}

/* If this process ends before they do, its next start ends them. */
static int own_runs(struct db *db, const char *host, const struct db_result *taken, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    if (!db_rows(taken))
        return 0;
    buf_init(&sql, REQUESTS_SQL_MAX);
    buf_printf(&sql, "UPDATE {runs} SET host = $%d WHERE id IN (", args_text(&a, host));
    for (size_t i = 0; i < db_rows(taken); i++)
        buf_printf(&sql, "%s%" PRId64, i ? ", " : "", db_integer(taken, i, 2));
    buf_char(&sql, ')');
    return db_exec(db, sql.data, a.params, a.count, NULL, e);
}

int store_requests_take(struct db *db, const char *host, const char *const *jobs, size_t job_count, int64_t now,
                        struct sql_request **ret, size_t *ret_count, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_begin(db, e);
    if (res < 0)
        return res;
    res = requests_take(db, jobs, job_count, now, &r, e);
    if (res == 0)
        res = own_runs(db, host, r, e);
    if (res == 0)
        res = db_commit(db, e);
    db_rollback(db);
    if (res < 0)
        return res;
    *ret_count = db_rows(r);
    *ret = xcalloc(*ret_count + 1, sizeof **ret);
    for (size_t i = 0; i < *ret_count; i++)
        (*ret)[i] = (struct sql_request){.id = db_integer(r, i, 0),
                                         .job = xstrdup(db_text(r, i, 1)),
                                         .run_id = db_integer(r, i, 2)};
    return 0;
}

void sql_requests_free(struct sql_request *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        free(list[i].job);
    free(list);
}

static int serve(struct db *db, const char *host, const char *incarnation, const char *const *jobs, size_t count,
                 struct error *e)
{
    int res = db_run(db,
                     "DELETE FROM {served} WHERE host = $1 OR NOT EXISTS (SELECT 1 FROM {hosts} h"
                     " WHERE h.id = {served}.host AND h.incarnation = {served}.incarnation)",
                     &host, 1, NULL, e);
    for (size_t i = 0; i < count && res == 0; i++) {
        const char *texts[] = {jobs[i], host, incarnation};
        res = db_run(db, "INSERT INTO {served} (job, host, incarnation) VALUES ($1, $2, $3)", texts, 3, NULL, e);
    }
    return res;
}

/* A call in SQL can use this to say why no daemon has the job. */
static int note_disabled(struct db *db, const struct disabled_job *list, size_t count, struct error *e)
{
    int res = db_run(db, "UPDATE {jobs} SET disabled_in = NULL WHERE disabled_in IS NOT NULL", NULL, 0, NULL, e);
    for (size_t i = 0; i < count && res == 0; i++) {
        const struct disabled_job *d = &list[i];
        const char *texts[] = {d->job, d->plugin, d->schedule, d->legacy_name, d->file};
        res = db_run(db,
                     "INSERT INTO {jobs} (job, plugin, schedule, legacy_name, paused, last_tick, disabled_in)"
                     " VALUES ($1, $2, $3, $4, 0, 0, $5)"
                     " ON CONFLICT (job) DO UPDATE SET disabled_in = excluded.disabled_in",
                     texts, 5, NULL, e);
    }
    return res;
}

int store_jobs_served(struct db *db, const char *host, const char *incarnation, const char *const *jobs,
                      size_t count, const struct disabled_job *disabled, size_t disabled_count, struct error *e)
{
    int res = db_begin(db, e);
    if (res == 0)
        res = serve(db, host, incarnation, jobs, count, e);
    if (res == 0)
        res = note_disabled(db, disabled, disabled_count, e);
    if (res == 0)
        res = db_commit(db, e);
    db_rollback(db);
    return res;
}

int store_paused_jobs(struct db *db, struct job_row **ret, size_t *ret_count, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db, "SELECT job, paused, last_tick, fault_file, fault FROM {jobs}", NULL, 0, &r, e);
    if (res < 0)
        return res;
    *ret_count = db_rows(r);
    *ret = xcalloc(*ret_count + 1, sizeof **ret);
    for (size_t i = 0; i < *ret_count; i++) {
        (*ret)[i] = (struct job_row){.job = xstrdup(db_text(r, i, 0)),
                                     .paused = db_integer(r, i, 1) != 0,
                                     .last_tick = db_integer(r, i, 2)};
        job_row_fault(&(*ret)[i], r, i, 3);
    }
    return 0;
}

void job_rows_free(struct job_row *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        job_row_done(&list[i]);
    free(list);
}
