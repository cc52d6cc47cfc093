/* SPDX-License-Identifier: MIT
 * Jobs, runs and the failures of a run as rows of renewd's own tables. The engine decides what a pause or a tick
 * means.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/db/parameters.h"
#include "core/store/requests.h"
#include "core/store/under_way.h"

/* What the row says before it is written. */
static int schedule_before(struct db *db, const char *job, const char *schedule, struct job_row *ret,
                           struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db, "SELECT schedule, next_tick FROM {jobs} WHERE job = $1", &job, 1, &r, e);
    if (res < 0 || !db_rows(r))
        return res;
    const char *was = db_text(r, 0, 0);
    ret->rescheduled = was && schedule && strcmp(was, schedule) != 0;
    ret->next_tick = db_integer(r, 0, 1);
    return 0;
}

void job_row_fault(struct job_row *ret, const struct db_result *r, size_t row, size_t column)
{
    const char *file = db_text(r, row, column), *text = db_text(r, row, column + 1);
    ret->fault_file = xstrdup_or_null(file);
    ret->fault = xstrdup(text ? text : "");
}

int store_job_put(struct db *db, const char *job, const char *plugin, const char *schedule, const char *legacy_name,
                  int64_t limit, struct job_row *ret, struct error *e)
{
    const char *texts[] = {job, plugin, schedule, legacy_name};
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        args_text(&a, texts[i]);
    args_number(&a, limit);
    int r = schedule_before(db, job, schedule, ret, e);
    if (r < 0)
        return r;
    r = db_exec(db,
                "INSERT INTO {jobs} (job, plugin, schedule, legacy_name, paused, last_tick, run_limit)"
                " VALUES ($1, $2, $3, $4, 0, 0, $5)"
                " ON CONFLICT (job) DO UPDATE SET plugin = excluded.plugin,"
                " schedule = excluded.schedule, legacy_name = excluded.legacy_name,"
                " run_limit = excluded.run_limit RETURNING paused, last_tick, fault_file, fault",
                a.params, a.count, &found, e);

    if (r < 0)
        return r;
    ret->job = xstrdup(job);
    ret->paused = db_integer(found, 0, 0) != 0;
    ret->last_tick = db_integer(found, 0, 1);
    job_row_fault(ret, found, 0, 2);
    return 0;
}

static int one_row(int r, const struct db_result *result, const char *job, struct error *e)
{
    if (r == 0 && db_affected(result) == 0)
        return error_set(e, -ENOENT, "job %s is not known to the store", job);
    return r;
}

int store_job_pause(struct db *db, const char *job, bool paused, struct error *e)
{
    const char *texts[] = {job, paused ? "1" : "0"};
    cleanup(db_result_free_p) struct db_result *result = NULL;
    int r = db_run(db,
                   paused ? "UPDATE {jobs} SET paused = $2 WHERE job = $1"
                          : "UPDATE {jobs} SET paused = $2, fault_file = NULL, fault = NULL WHERE job = $1",
                   texts, 2, &result, e);

    return one_row(r, result, job, e);
}

int store_job_fault(struct db *db, const char *job, const char *file, const char *text, struct error *e)
{
    const char *texts[] = {job, file, text};
    cleanup(db_result_free_p) struct db_result *result = NULL;
    int r = db_run(db, "UPDATE {jobs} SET fault_file = $2, fault = $3 WHERE job = $1", texts, 3, &result, e);

    return one_row(r, result, job, e);
}

int store_job_tick(struct db *db, const char *job, int64_t tick, int64_t next_tick, struct error *e)
{
    cleanup(args_done) struct args a = {0};

    args_text(&a, job);
    args_number(&a, tick);
    args_number(&a, next_tick);
    return db_exec(db, "UPDATE {jobs} SET last_tick = $2, next_tick = $3 WHERE job = $1 AND last_tick <= $2",
                   a.params, a.count, NULL, e);
}

void job_row_done(struct job_row *j)
{
    free(j->job);
    free(j->fault_file);
    free(j->fault);
    memset(j, 0, sizeof(*j));
}

int store_run_start(struct db *db, const char *job, const char *trigger, const char *host, int64_t now,
                    int64_t *ret_id, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *made = NULL;

    args_text(&a, job);
    args_text(&a, trigger);
    args_text(&a, host);
    args_number(&a, now);
    int r = db_exec(db,
                    "INSERT INTO {runs} (job, \"trigger\", host, started_at, finished_at, due, refreshed,"
                    " failed, skipped) VALUES ($1, $2, $3, $4, 0, 0, 0, 0, 0) RETURNING id",
                    a.params, a.count, &made, e);
    if (r == 0)
        *ret_id = db_integer(made, 0, 0);
    return r;
}

int store_run_finish(struct db *db, const struct run_row *run, struct error *e)
{
    cleanup(args_done) struct args a = {0};

    args_number(&a, run->id);
    args_number(&a, run->finished_at);
    args_number(&a, run->due);
    args_number(&a, run->refreshed);
    args_number(&a, run->failed);
    args_number(&a, run->skipped);
    args_text(&a, run->refused);
    return db_exec(db,
                   "UPDATE {runs} SET finished_at = $2, due = $3, refreshed = $4, failed = $5,"
                   " skipped = $6, refused = $7 WHERE id = $1",
                   a.params, a.count, NULL, e);
}

int store_runs_end(struct db *db, const char *host, int64_t now, struct error *e)
{
    cleanup(args_done) struct args a = {0};

    args_text(&a, host);
    args_number(&a, now);
    args_text(&a, RUN_INTERRUPTED);
    return db_exec(db, "UPDATE {runs} SET finished_at = $2, refused = $3 WHERE host = $1 AND finished_at = 0",
                   a.params, a.count, NULL, e);
}

#define RUN_COLUMNS \
    "id, job, \"trigger\", started_at, finished_at, due, refreshed, failed, skipped, refused, host FROM {runs}"

static void run_read(const struct db_result *r, size_t row, struct run_row *run)
{
    run->id = db_integer(r, row, 0);
    run->job = db_copy(r, row, 1);
    run->trigger = db_copy(r, row, 2);
    run->started_at = db_integer(r, row, 3);
    run->finished_at = db_integer(r, row, 4);
    run->due = db_integer(r, row, 5);
    run->refreshed = db_integer(r, row, 6);
    run->failed = db_integer(r, row, 7);
    run->skipped = db_integer(r, row, 8);
    run->refused = db_copy(r, row, 9);
    run->waiting = !run->finished_at && !db_text(r, row, 10);
}

int store_runs(struct db *db, const char *job, size_t limit, struct run_row **ret, size_t *ret_count,
               struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;

    args_number(&a, (int64_t)limit);
    if (job)
        args_text(&a, job);
    int r = db_exec(db,
                    job ? "SELECT " RUN_COLUMNS " WHERE job = $2 ORDER BY id DESC LIMIT $1"
                        : "SELECT " RUN_COLUMNS " ORDER BY id DESC LIMIT $1",
                    a.params, a.count, &found, e);
    if (r < 0)
        return r;
    *ret_count = db_rows(found);
    *ret = xcalloc(*ret_count + 1, sizeof(**ret));
    for (size_t i = 0; i < *ret_count; i++)
        run_read(found, i, &(*ret)[i]);
    return 0;
}

static const char *const silent[] = {RUN_INTERRUPTED, RUN_PAUSED, RUN_DISCOVERING, RUN_STOPPING};
enum { SILENT = sizeof silent / sizeof *silent };

bool run_tells(const char *refused)
{
    for (size_t i = 0; refused && i < SILENT; i++)
        if (strcmp(refused, silent[i]) == 0)
            return false;
    return true;
}

int store_last_run(struct db *db, const char *job, bool tells, struct run_row **ret, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *found = NULL;
    const char *texts[1 + SILENT] = {job};
    memcpy(texts + 1, silent, sizeof silent);
    int r =
        db_run(db,
               tells ? "SELECT " RUN_COLUMNS " WHERE job = $1 AND finished_at > 0 AND coalesce(refused, '') NOT IN"
                       " ($2, $3, $4, $5) AND NOT (\"trigger\" IN ('hand', 'demand', 'canary', 'witness')"
                       " AND (refreshed = 0 OR refused IS NOT NULL)) ORDER BY id DESC LIMIT 1"
                     : "SELECT " RUN_COLUMNS " WHERE job = $1 AND finished_at > 0 ORDER BY id DESC LIMIT 1",
               texts, tells ? 1 + SILENT : 1, &found, e);

    if (r < 0 || !db_rows(found))
        return r;
    *ret = xcalloc(1, sizeof **ret);
    run_read(found, 0, *ret);
    return 0;
}

void runs_free(struct run_row *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++) {
        free(list[i].job);
        free(list[i].trigger);
        free(list[i].refused);
    }
    free(list);
}

int store_run_failures(struct db *db, int64_t run_id, size_t limit, struct failure_row **ret, size_t *ret_count,
                       struct error *e)
{
    cleanup(args_done) struct args a = {0};

    args_number(&a, run_id);
    args_number(&a, (int64_t)limit);
    return failures_read(db,
                         "SELECT " FAILURE_COLUMNS " WHERE a.run_id = $1 AND a.outcome <> 'ok'"
                         " ORDER BY a.started_at, a.attempt_id LIMIT $2",
                         &a, ret, ret_count, e);
}

int failures_read(struct db *db, const char *sql, const struct args *a, struct failure_row **ret, size_t *ret_count,
                  struct error *e)
{
    cleanup(db_result_free_p) struct db_result *found = NULL;
    int r = db_exec(db, sql, a->params, a->count, &found, e);
    if (r < 0)
        return r;
    *ret_count = db_rows(found);
    *ret = xcalloc(*ret_count + 1, sizeof(**ret));
    for (size_t i = 0; i < *ret_count; i++)
        (*ret)[i] = (struct failure_row){.key = db_copy(found, i, 0),
                                         .outcome = db_copy(found, i, 1),
                                         .code = db_copy(found, i, 2),
                                         .text = db_copy(found, i, 3),
                                         .owner = db_copy(found, i, 4)};
    return 0;
}

void failures_free(struct failure_row *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++) {
        free(list[i].key);
        free(list[i].outcome);
        free(list[i].code);
        free(list[i].text);
        free(list[i].owner);
    }
    free(list);
}

int store_run_people(struct db *db, int64_t run_id, struct run_people *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;

    args_number(&a, run_id);
    int r = db_exec(db,
                    "SELECT count(DISTINCT rkey), count(DISTINCT CASE WHEN outcome = 'ok' THEN rkey END),"
                    " count(DISTINCT CASE WHEN outcome <> 'ok' THEN rkey END) FROM {attempts} WHERE run_id = $1",
                    a.params, a.count, &found, e);
    if (r < 0)
        return r;
    *ret = (struct run_people){db_integer(found, 0, 0), db_integer(found, 0, 1), db_integer(found, 0, 2)};
    return 0;
}
