/* SPDX-License-Identifier: MIT
 * Records that hold one credential, for whoever replaced it.
 */
#ifndef CORE_STORE_SHARED_CREDENTIAL_H
#define CORE_STORE_SHARED_CREDENTIAL_H

#include "core/store/store.h"

/* At most limit records, of any job, whose credential was last seen with this fingerprint. */
int store_sharing(struct db *db, const char *fingerprint, size_t limit, struct record **ret, size_t *ret_count,
                  struct error *e);

/* A changed row gives a dead credential another chance (rule 7). */
int store_revive(struct db *db, const char *fingerprint, struct error *e);
/* Which of the fingerprints are spent: have a successor; and which are dead. Both have count places. */
int store_spent(struct db *db, const char *const *fingerprints, size_t count, bool *ret_spent, bool *ret_dead,
                struct error *e);

/* How a credential stands for whoever wants a token of it. */
struct standing {
    bool leased; /* somebody presents it now */
    bool spent, dead;
    int64_t hold_until; /* presented without an answer: nobody presents it before; 0 = no matter */
};
/* safe: a lease that has ended counts for nothing, nor do a successor and a missing answer. */
int store_standing(struct db *db, const char *fingerprint, bool safe, struct standing *ret, struct error *e);

/* Which of these attempts the store knows: in the history, or as a pair that is kept aside. */
int store_attempts_known(struct db *db, const char *const *attempt_ids, size_t count, bool *ret_known,
                         struct error *e);

#endif
