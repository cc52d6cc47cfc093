/* SPDX-License-Identifier: MIT
 * Attempts of this process that are under way, and their results: for a caller that asks for a record that is just
 * being refreshed, by its own attempt or by a twin's.
 */
#ifndef CORE_STORE_UNDER_WAY_H
#define CORE_STORE_UNDER_WAY_H

#include "core/db/parameters.h"
#include "core/store/store.h"

struct under_way {
    char *key;                /* of the record that was asked for */
    char attempt_id[ID_SIZE]; /* which presents its credential */
    int outcome;              /* OUTCOME_NONE = it ended without a result */
    bool over;
    char *code, *text; /* of a failure */
};

/* Those of q's keys whose credential this process presents now. */
int store_under_way(struct db *db, const struct claim_request *q, struct under_way **ret, size_t *ret_count,
                    struct error *e);
/* Sets the results of those that are over by now. */
int store_under_way_ended(struct db *db, struct under_way *list, size_t count, struct error *e);
void under_way_done(struct under_way *u);

/* Credentials of records that q's run would take, which living processes of any host present now. */
struct under_way_due {
    int64_t due;
    int64_t moved; /* of them: those that only their lease keeps from being due */
};
int store_under_way_due(struct db *db, const struct claim_request *q, struct under_way_due *ret, struct error *e);
/* What all runs but this one brought for the table since that time. */
struct others_results {
    int64_t ok, failed;
};
int store_results_of_others(struct db *db, const char *source, int64_t since, int64_t run_id,
                            struct others_results *ret, struct error *e);
/* Of them, the newest failures. */
int store_failures_of_others(struct db *db, const char *source, int64_t since, int64_t run_id, size_t limit,
                             struct failure_row **ret, size_t *ret_count, struct error *e);

/* jobs.c, for core/store: rows of key, outcome, code, text, owner. */
#define FAILURE_COLUMNS                                                                  \
    "a.rkey, a.outcome, a.code, a.text, r.owner FROM {attempts} a LEFT JOIN {records} r" \
    " ON r.source = a.source AND r.rkey = a.rkey"
int failures_read(struct db *db, const char *sql, const struct args *a, struct failure_row **ret, size_t *ret_count,
                  struct error *e);

/* Pairs that the database refused are parked, and their records (pending) wait: listed as failures. Of all records
 * where no keys are named, since that time (0 = any time). */
int store_set_aside(struct db *db, const char *source, const char *const *keys, size_t key_count, int64_t since,
                    struct failure_row **ret, size_t *ret_count, struct error *e);

#endif
