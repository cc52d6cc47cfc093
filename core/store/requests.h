/* SPDX-License-Identifier: MIT
 * What was asked for in SQL; see requests.c.
 */
#ifndef CORE_STORE_REQUESTS_H
#define CORE_STORE_REQUESTS_H

#include "core/store/store.h"

struct sql_request {
    int64_t id;
    char *job;
    int64_t run_id; /* its row in {runs} is there already */
};

/* Takes the open requests of these jobs: nobody else gets them. Their runs are the host's from here on. */
int store_requests_take(struct db *db, const char *host, const char *const *jobs, size_t job_count, int64_t now,
                        struct sql_request **ret, size_t *ret_count, struct error *e);
void sql_requests_free(struct sql_request *list, size_t count);
/* A job whose file says enabled = false. */
struct disabled_job {
    const char *job, *plugin, *schedule, *legacy_name, *file; /* borrowed; all but job and file may be NULL */
};
/* The jobs that this daemon has, in place of those that it, or an earlier one of its host, had; and those that it has
 * not because they are disabled. */
int store_jobs_served(struct db *db, const char *host, const char *incarnation, const char *const *jobs,
                      size_t count, const struct disabled_job *disabled, size_t disabled_count, struct error *e);
/* All jobs as the store has them. */
int store_paused_jobs(struct db *db, struct job_row **ret, size_t *ret_count, struct error *e);
void job_rows_free(struct job_row *list, size_t count);

#endif
