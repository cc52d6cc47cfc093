/* SPDX-License-Identifier: MIT
 * The compatible functions: calls under /functions/v1/ that applications made before renewd, answered as before.
 * Inside core/api only.
 */
#ifndef CORE_API_COMPAT_FUNCTIONS_H
#define CORE_API_COMPAT_FUNCTIONS_H

#include "core/api/internal.h"

enum {
    FUNCTION_JOBS = 64,      /* that name one function */
    FUNCTION_SOFT_MS = 4000, /* then it is answered with the work so far */
    FUNCTION_HARD_MS = 4700,
};

/* The jobs that a call may use, of those that name its function. */
struct function_jobs {
    struct job *list[FUNCTION_JOBS];
    size_t count;
    bool forbidden; /* there are others, which this caller may not use */
};

struct function {
    const char *name;
    void (*handle)(struct request *q);
    bool tokens; /* its answer holds a token */
};

/* functions.c */
/* All of them; NULL behind the last. */
const struct function *function_at(size_t index);
/* Whether this caller may call the function for the job. */
bool function_open(const struct request *q, const struct function *f, const struct job_config *c);
/* platform: NULL, or the jobs' plugin. */
void function_jobs(const struct request *q, const char *platform, struct function_jobs *ret);
/* No caller may, or there is none: 401, 403 or 404. */
void function_no_jobs(struct request *q, const struct function_jobs *jobs);
/* {"error": text}, with a second member when name is not NULL. */
void function_error(struct request *q, int status, const char *error, const char *name, const char *text);
/* The job is held: the earlier answer for missing credentials, else why. 500. */
void function_held(struct request *q, const struct job *j);

/* function_token.c, function_runs.c */
void function_refresh_token(struct request *q);
void function_refresh_connections(struct request *q);
void function_allocate(struct request *q);

#endif
