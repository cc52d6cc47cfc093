/* SPDX-License-Identifier: MIT
 * Why nothing of a job is refreshed now: its records counted by what keeps them. For people.
 */
#ifndef CORE_STORE_EXPLAIN_H
#define CORE_STORE_EXPLAIN_H

#include "core/store/store.h"

struct explanation {
    int64_t rows;               /* of the job's table */
    int64_t left_out;           /* of them, not taken by `only` */
    int64_t records;
    int64_t without_credential;
    int64_t due;                /* their point has passed and nothing holds them */
    int64_t later;              /* their point lies ahead */
    int64_t never;              /* the plugin asks for nothing */
    int64_t backoff;            /* failed, and wait for their next try */
    int64_t too_early;          /* the provider would refuse before their `earliest` */
    int64_t leased;             /* an attempt is under way, here or at another host */
    int64_t spent;              /* hold a credential that was replaced, or is dead */
    int64_t next_at;            /* the soonest that comes by itself; 0 = none */
    int64_t states[16];
};

int store_explain(struct db *db, const struct table *t, int64_t now, struct explanation *ret,
                  struct error *e);

#endif
