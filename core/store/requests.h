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
int store_requests_take(struct db *db, const char *host, const char *const *jobs, size_t job_count,
                        int64_t now, struct sql_request **ret, size_t *ret_count, struct error *e);
void sql_requests_free(struct sql_request *list, size_t count);
/* The jobs that this daemon has, in place of those that it, or an earlier one of its host, had. */
int store_jobs_served(struct db *db, const char *host, const char *incarnation, const char *const *jobs,
                      size_t count, struct error *e);
/* All jobs as the store has them. */
int store_paused_jobs(struct db *db, struct job_row **ret, size_t *ret_count, struct error *e);
void job_rows_free(struct job_row *list, size_t count);

#endif
