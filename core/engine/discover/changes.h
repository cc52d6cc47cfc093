/* SPDX-License-Identifier: MIT
 * What looks and commits say of records, and what follows from it for them and for others of the same credential. Inside
 * core/engine only.
 */
#ifndef CORE_ENGINE_DISCOVER_CHANGES_H
#define CORE_ENGINE_DISCOVER_CHANGES_H

#include "core/engine/internal.h"

/* On the store's thread; then on the loop. */
int changes_put(struct db *db, struct record_change *changes, size_t count, bool *ret_spent, bool *ret_dead,
                struct error *e);
void change_put(struct job *j, const struct record_change *c, bool spent, bool dead);
void change_catch_up(struct job *j, const struct record *rec, bool spent, bool dead);
void change_done(struct record_change *c);

/* commit/share_outcome.c: what became of a credential, for the other records that hold it. j may be NULL. */
void fate_share(struct engine *e, struct job *j, const struct commit *c);
/* A record was seen to hold a credential that is dead; or one that gets another chance with this record. */
void fate_dead(struct engine *e, const char *fingerprint);
void fate_revived(struct job *j, const struct record *rec);

#endif
