/* SPDX-License-Identifier: MIT
 * Attempts of this process that are under way, and what became of them: for who asks for a record that is just being
 * refreshed, by itself or by another record with the same credential.
 */
#ifndef CORE_STORE_UNDER_WAY_H
#define CORE_STORE_UNDER_WAY_H

#include "core/store/store.h"

struct under_way {
    char *key;                /* of the record that was asked for */
    char attempt_id[ID_SIZE]; /* which presents its credential */
    int outcome;              /* OUTCOME_NONE = it came to nothing */
    bool over;
    char *code, *text; /* of a failure */
};

/* Those of q's keys whose credential this process presents now. */
int store_under_way(struct db *db, const struct claim_request *q, struct under_way **ret, size_t *ret_count,
                    struct error *e);
/* Sets what became of them, of those that are over by now. */
int store_under_way_ended(struct db *db, struct under_way *list, size_t count, struct error *e);
void under_way_done(struct under_way *u);

/* Pairs that the database refused are set aside, and their records (pending) wait: as failures. Of all where no keys are
 * named, since that time (0 = whenever). */
int store_set_aside(struct db *db, const char *source, const char *const *keys, size_t key_count, int64_t since,
                    struct failure_row **ret, size_t *ret_count, struct error *e);

#endif
