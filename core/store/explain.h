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
    int64_t leased_here;        /* an attempt of this process is under way, or its lease stays */
    int64_t leased_elsewhere;   /* another's */
    int64_t silent;             /* presented without an answer; not presented again before their time */
    int64_t later_point;        /* the soonest point of `later` */
    int64_t later_at;           /* when that one is taken: no store's business */
    int64_t spent;              /* hold a credential that was replaced, or is dead */
    int64_t next_at;            /* the soonest that comes by itself; 0 = none */
    int64_t states[16];
    char refused[512];          /* why the last run could not run; empty = it could */
    char pg_cron[512];          /* what of pg_cron does the same; empty = nothing, or nobody may see */
};

/* Who asks, and when: by a tick as well where tick is not 0. */
struct explain_query {
    const struct table *table;
    const char *host, *incarnation;
    bool safe;
    int64_t now, tick, next_tick;
};
int store_explain(struct db *db, const struct explain_query *q, struct explanation *ret, struct error *e);

/* One record's lease: empty = none, or nobody's any more. */
struct lease_seen {
    bool held, elsewhere, dead, spent;
    int64_t until;
};
int store_explain_record(struct db *db, const struct explain_query *q, const char *key, struct record *ret,
                         struct lease_seen *ret_lease, struct error *e);

#endif
