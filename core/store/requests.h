/* SPDX-License-Identifier: MIT
 * Requests in SQL; see requests.c.
 */
#ifndef CORE_STORE_REQUESTS_H
#define CORE_STORE_REQUESTS_H

#include "core/store/store.h"

struct sql_request {
    int64_t id;
    char *job;
    int64_t run_id; /* its row in {runs} exists already */
};

/* Takes the open requests of these jobs: no other host gets them. From now on their runs belong to this host. */
int store_requests_take(struct db *db, const char *host, const char *const *jobs, size_t job_count, int64_t now,
                        struct sql_request **ret, size_t *ret_count, struct error *e);
void sql_requests_free(struct sql_request *list, size_t count);
/* A job whose file says enabled = false. */
struct disabled_job {
    const char *job, *plugin, *schedule, *legacy_name, *file; /* borrowed; all but job and file may be NULL */
};
/* The jobs that this daemon has, replacing those that it, or an earlier daemon of its host, had; and the jobs that
 * it does not have because they are disabled. */
int store_jobs_served(struct db *db, const char *host, const char *incarnation, const char *const *jobs,
                      size_t count, const struct disabled_job *disabled, size_t disabled_count, struct error *e);
/* All jobs as stored. */
struct db_result;
/* Of store_job_put and store_paused_jobs: from two columns of a row. */
void job_row_fault(struct job_row *ret, const struct db_result *r, size_t row, size_t column);
int store_paused_jobs(struct db *db, struct job_row **ret, size_t *ret_count, struct error *e);
void job_rows_free(struct job_row *list, size_t count);

#endif
