/* SPDX-License-Identifier: MIT
 * The times of rules 6 and 11: when a credential that may be spent is presented again. Shared by the decision after
 * a missing answer and by the search for leases of dead hosts.
 */
#ifndef CORE_RULES_REPLAY_H
#define CORE_RULES_REPLAY_H

#include <stdint.h>

#include "core/time/civil.h"

enum {
    SILENCE_BEFORE_END_S = 300,  /* the last safe moment: so long before the access token ends, */
    SILENCE_AFTER_LEASE_S = 600, /* and never before so long after the lease's end */
};

/* A time that never comes: only a person or the application can help. */
#define SILENCE_FOR_EVER CIVIL_LAST

static inline int64_t silence_last_moment(int64_t expires_at, int64_t lease_end)
{
    int64_t at = expires_at - SILENCE_BEFORE_END_S, soonest = lease_end + SILENCE_AFTER_LEASE_S;
    return at > soonest ? at : soonest;
}

#endif
