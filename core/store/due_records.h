/* SPDX-License-Identifier: MIT
 * What a run left undone, and which records are in trouble: with any of these, "all well" must not be reported.
 */
#ifndef CORE_STORE_DUE_RECORDS_H
#define CORE_STORE_DUE_RECORDS_H

#include "core/store/store.h"

struct left {
    int64_t due;        /* that could be claimed and were not */
    int64_t elsewhere;  /* due too, and under way in another process */
    int64_t waiting;    /* whose time has come, but that wait after a failure */
    int64_t own;        /* of these: that wait after a failure of their own, so that an impatient run takes them */
    int64_t next_at;    /* when the first of those waits ends */
    int64_t unreadable; /* rows */
    int64_t refused;    /* misconfigured, or under suspicion */
    int64_t pending;    /* whose new pair its row refused */
    int64_t without_credential; /* only where store_left_empty() was asked, too */
};

/* q as for a claim. */
int store_left(struct db *db, const struct claim_request *q, struct left *ret, struct error *e);
/* Looks at all records of the job, for callers who are people. */
int store_left_empty(struct db *db, const char *source, struct left *io, struct error *e);
/* Keys of records that are not ok, at most `limit`; first those that only a change of their row can help. */
int store_trouble(struct db *db, const char *source, size_t limit, char ***ret, size_t *ret_count, struct error *e);

#endif
