/* SPDX-License-Identifier: MIT
 * The conditions of a claim as SQL, shared by taking, counting and waiting. In them `r` is a record and `c` its
 * credential, which may not exist.
 */
#ifndef CORE_STORE_CLAIM_INTERNAL_H
#define CORE_STORE_CLAIM_INTERNAL_H

#include "core/base/buf.h"
#include "core/db/parameters.h"
#include "core/store/store.h"

enum { CLAIM_SQL_MAX = 64 * 1024 };

/* "r is due": from `r.source = ...` on, without a leading AND. find: through the index on due_at or point; not
 * where the records are already selected by key. */
void claim_put_due(const struct db *db, const struct claim_request *q, bool find, struct args *a, struct buf *sql);
/* " AND r does not wait for a canary": what may be taken of a job that is held under these settings. Suspects that
 * had a verdict have their own times. */
void claim_put_held(const char *held_under, struct args *a, struct buf *sql);
/* " AND c may be presented": neither dead (a manual refresh ignores that) nor spent. */
void claim_put_alive(const struct claim_request *q, struct buf *sql);
/* " AND c is free": it has no lease, or its attempt is committed, or (safe) its lease is over. */
void claim_put_free(const struct db *db, bool safe, struct buf *sql);
/* " LIMIT ..." of what is counted, if counts end. */
void claim_put_most(const struct claim_request *q, struct buf *sql);
/* For the rest of the transaction: PostgreSQL goes along the indexes, row by row, whatever its statistics say. They
 * are missing for a new table and old for one that has grown. */
int claim_by_index(struct db *db, struct error *e);

#endif
