/* SPDX-License-Identifier: MIT
 * Why a run takes a record now, or does not: one reason, made of the same conditions under which claims take
 * records (claim_internal.h). So what operators are shown cannot differ from what the scheduler does.
 */
#ifndef CORE_STORE_REASON_H
#define CORE_STORE_REASON_H

#include "core/store/store.h"

enum reason {
    REASON_DUE,
    REASON_WITHOUT_CREDENTIAL,
    REASON_DISCONNECTED, /* its row is gone, or no longer one of the job's */
    REASON_UNREADABLE,   /* its row cannot be read: last_text says why */
    REASON_RECONNECT,
    REASON_PENDING,     /* its new token was refused by the database */
    REASON_NEVER,       /* the plugin asks for nothing */
    REASON_LEASED_HERE, /* an attempt of this process is under way */
    REASON_LEASED_ELSEWHERE,
    REASON_SPENT,
    REASON_DEAD,
    REASON_NO_ANSWER, /* presented without an answer; not presented again before its time */
    REASON_HELD,      /* the breaker holds the job, and this record is not exempt */
    REASON_SUSPECT,   /* refused, and presented again at its time */
    REASON_BACKOFF,   /* failed, and tried again at its time */
    REASON_EARLY,     /* not before its `earliest` */
    REASON_LATER,     /* its point is in the future */
    REASONS_MAX
};

struct reason_count {
    int64_t count;
    int64_t soonest; /* of their points; 0 = none */
};

/* How many records of the table each reason has, under the conditions of q: by key where q names keys, else of all.
 * not_in_run, not 0: only of those that this run did not attempt. */
int store_reasons(struct db *db, const struct claim_request *q, int64_t not_in_run,
                  struct reason_count ret[REASONS_MAX], struct error *e);

/* One record's; -ENOENT = no such record. lease_until: of its credential, 0 = none. */
int store_reason(struct db *db, const struct claim_request *q, const char *key, struct record *ret,
                 enum reason *ret_reason, int64_t *ret_lease_until, struct error *e);

#endif
