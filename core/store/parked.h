/* SPDX-License-Identifier: MIT
 * Parked pairs, for operators: the list, and one of them.
 */
#ifndef CORE_STORE_PARKED_H
#define CORE_STORE_PARKED_H

#include "core/store/store.h"

struct parked_row {
    struct kept kept;
    char *account; /* of its record, if it still has one; else NULL */
};

/* Of one job, or of all (NULL); the oldest first. */
int store_parked(struct db *db, const char *job, size_t limit, struct parked_row **ret, size_t *ret_count,
                 struct error *e);
void parked_free(struct parked_row *list, size_t count);
/* -ENOENT: nothing is parked under that id. ret is the caller's, with parked_pair_free(ret, 1). */
int store_parked_one(struct db *db, const char *attempt_id, struct kept **ret, struct error *e);

#endif
