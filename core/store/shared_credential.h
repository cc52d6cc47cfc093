/* SPDX-License-Identifier: MIT
 * Records that hold one credential, for the code that replaced it.
 */
#ifndef CORE_STORE_SHARED_CREDENTIAL_H
#define CORE_STORE_SHARED_CREDENTIAL_H

#include "core/store/store.h"

/* At most limit records, of any job, whose credential was last seen with this fingerprint. */
int store_sharing(struct db *db, const char *fingerprint, size_t limit, struct record **ret, size_t *ret_count,
                  struct error *e);

/* After its row changed, a dead credential may be presented again (rule 7). */
int store_revive(struct db *db, const char *const *fingerprints, size_t count, struct error *e);
/* Which of the fingerprints are spent (have a successor), and which are dead. Both arrays have count entries. */
int store_spent(struct db *db, const char *const *fingerprints, size_t count, bool *ret_spent, bool *ret_dead,
                struct error *e);

/* A credential's state, for a caller that wants a token of it. */
struct standing {
    bool leased; /* an attempt presents it now */
    bool spent, dead;
    int64_t hold_until; /* presented without an answer: not presented again before this time; 0 = any time */
};
/* safe: a lease that has ended is ignored, and so are a successor and a missing answer. */
int store_standing(struct db *db, const char *fingerprint, bool safe, struct standing *ret, struct error *e);

/* Which of these attempts the store has: in the history, or as a parked pair. */
int store_attempts_known(struct db *db, const char *const *attempt_ids, size_t count, bool *ret_known,
                         struct error *e);

#endif
