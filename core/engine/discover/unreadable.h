/* SPDX-License-Identifier: MIT
 * Rows of a job's table that cannot be read, and those that row security hides. Inside core/engine only.
 */
#ifndef CORE_ENGINE_DISCOVER_UNREADABLE_H
#define CORE_ENGINE_DISCOVER_UNREADABLE_H

#include "core/engine/internal.h"

/* What row security keeps from the job, now; NULL: nothing. Said once. */
void job_hidden(struct job *j, const char *why);
void unreadable_make(struct record *r, const char *why);
bool unreadable_is(const struct record *r);
/* Names it; of: as one of a round, else alone. */
void unreadable_seen(struct job *j, const struct record *now, const struct record *known, struct round *of);
void unreadable_round(struct job *j, const struct round *of);
void unreadable_long_keys(struct job *j, const struct page *p, struct round *of);
bool unreadable_by_key(const struct round *of);
/* What its row is to be told, in last_error and status; NULL: nothing, or it was told already. */
struct commit *unreadable_note(const struct job *j, const struct record *now, const struct record *known,
                               const struct row *row);
/* Its row is not written into before it is clear that the key is right. */
void unreadable_later(struct round *of, struct commit *note);
/* Now it is: or else they are dropped. */
void unreadable_note_later(struct job *j, struct round *of, bool right);
/* On the store's thread; then on the loop, whether its row took it. */
int unreadable_put(struct db *db, struct commit *const *notes, size_t count, struct error *e);
void unreadable_noted(const struct job *j, const struct commit *note);

#endif
