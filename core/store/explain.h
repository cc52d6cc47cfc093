/* SPDX-License-Identifier: MIT
 * Why nothing of a job is refreshed now: its records counted by what keeps them. For people.
 */
#ifndef CORE_STORE_EXPLAIN_H
#define CORE_STORE_EXPLAIN_H

#include "core/store/reason.h"

struct explanation {
    int64_t rows;     /* of the job's table */
    int64_t left_out; /* of them, not taken by `only` */
    int64_t records;
    struct reason_count reasons[REASONS_MAX];
    int64_t later_at;  /* when the first of those whose point lies ahead is taken: the engine's business */
    int64_t next_at;   /* the soonest that comes by itself; 0 = none */
    char refused[512]; /* why the last run could not run; empty = it could */
    char pg_cron[512]; /* what of pg_cron does the same; empty = nothing, or nobody may see */
};
int store_explain(struct db *db, const struct claim_request *q, struct explanation *ret, struct error *e);

#endif
