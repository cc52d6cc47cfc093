/* SPDX-License-Identifier: MIT
 * Why nothing of a job is refreshed now: its records counted by what keeps them back. For operators.
 */
#ifndef CORE_STORE_EXPLAIN_H
#define CORE_STORE_EXPLAIN_H

#include "core/store/reason.h"

struct explanation {
    int64_t rows;     /* of the job's table */
    int64_t left_out; /* of them, filtered out by `only` */
    int64_t records;
    struct reason_count reasons[REASONS_MAX];
    int64_t later_at;  /* when the first record with a future point is taken; the engine computes it */
    int64_t next_at;   /* the soonest automatic one; 0 = none */
    char refused[512]; /* why the last run could not run; empty = it could */
    char pg_cron[512]; /* what in pg_cron does the same; empty = nothing, or renewd may not read it */
};
int store_explain(struct db *db, const struct claim_request *q, struct explanation *ret, struct error *e);

#endif
