/* SPDX-License-Identifier: MIT
 * Parked pairs, for operators: the list, and one of them.
 */
#ifndef CORE_STORE_PARKED_H
#define CORE_STORE_PARKED_H

#include "core/store/store.h"

/* Of one job, or of all (NULL); the oldest first. */
int store_parked(struct db *db, const char *job, size_t limit, struct kept **ret, size_t *ret_count,
                 struct error *e);
/* -ENOENT: nothing is parked under that id. ret is the caller's, with kept_free(ret, 1). */
int store_parked_one(struct db *db, const char *attempt_id, struct kept **ret, struct error *e);

struct db_result;
/* In core/store: the columns of kept_from_result. */
#define KEPT_COLUMNS "k.attempt_id, k.kind, k.source, k.rkey, k.job, k.sealed, k.why, k.created_at, k.retry_at"
void kept_from_result(const struct db_result *r, size_t row, struct kept *ret);

#endif
