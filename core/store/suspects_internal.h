/* SPDX-License-Identifier: MIT
 * Shared by the files of suspects.h; no other file includes it.
 */
#ifndef CORE_STORE_SUSPECTS_INTERNAL_H
#define CORE_STORE_SUSPECTS_INTERNAL_H

#include "core/db/parameters.h"
#include "core/store/suspects.h"

/* $1 and $2. */
void breaker_args(const struct breaker_key *k, struct args *a);
/* -ENOENT: there is no row. lock: until the transaction ends. */
int breaker_load(struct db *db, const struct breaker_key *k, bool lock, struct breaker_row *ret, struct error *e);
int breaker_save(struct db *db, const struct breaker_key *k, const struct breaker_row *b, struct error *e);

#endif
