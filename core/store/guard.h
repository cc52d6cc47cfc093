/* SPDX-License-Identifier: MIT
 * The clone guard (rule 13): a database knows where it stands and counts upwards, and each host keeps in its
 * state directory how far it has seen it. A copy that stands elsewhere, or one that is older than what this
 * host has seen, is only read until a person says that it is the one that counts. Called on the store's
 * thread: before anything is written, then once the keys were found right, then every ten minutes.
 */
#ifndef CORE_STORE_GUARD_H
#define CORE_STORE_GUARD_H

#include "core/journal/state_dir.h"
#include "core/store/store.h"

/* Writes nothing. 0, or -EROFS with a sentence that says what was found and what to do. */
int guard_look(struct db *db, const struct state_dir *s, struct error *e);
/* One more in the database, and then in the state directory. The first host of all makes the
 * installation's id and notes the place. */
int guard_count(struct db *db, const struct state_dir *s, char ret_installation[ID_SIZE], struct error *e);
/* From now on this is the place, and its count goes on past what any host has seen. */
int guard_adopt(struct db *db, const struct state_dir *s, struct error *e);

#endif
