/* SPDX-License-Identifier: MIT
 * The clone guard (rule 13). The database stores its place and a count that only increases; each host keeps in its
 * state directory how far it has seen the count. A copy at another place, or a database older than this host has
 * seen, is only read until an operator adopts it. Called on the store's thread: before anything is written, then
 * once the keys were found right, then every ten minutes.
 */
#ifndef CORE_STORE_GUARD_H
#define CORE_STORE_GUARD_H

#include "core/journal/state_dir.h"
#include "core/store/store.h"

/* Writes nothing. 0, or -EROFS with a sentence that says what was found and what to do. */
int guard_look(struct db *db, const struct state_dir *s, struct error *e);
/* Increments the count in the database, and then in the state directory. The first host of all makes the
 * installation's id and stores the place. */
int guard_count(struct db *db, const struct state_dir *s, char ret_installation[ID_SIZE], struct error *e);
/* Makes this the place from now on, and sets the count higher than any host has seen. */
int guard_adopt(struct db *db, const struct state_dir *s, struct error *e);

#endif
