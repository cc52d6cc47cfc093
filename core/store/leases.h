/* SPDX-License-Identifier: MIT
 * Leases that a process left when it died, with the records for which they were taken. The engine's recovery reads
 * them before anything is claimed, and when the lease of a host that is gone is over.
 */
#ifndef CORE_STORE_LEASES_H
#define CORE_STORE_LEASES_H

#include "core/store/store.h"

struct lease_row {
    char attempt_id[ID_SIZE];
    char fingerprint[FINGERPRINT_SIZE];
    char host[ID_SIZE], incarnation[ID_SIZE];
    int64_t left_s;       /* until it ends, by the database's clock; negative = over */
    int unanswered;       /* how often its credential was presented without an answer before */
    struct record record; /* source NULL: no record holds that credential any more */
};

int store_leases(struct db *db, const char *host, const char *incarnation, struct lease_row **ret,
                 size_t *ret_count, struct error *e);
/* where: a condition on c, the credential, and r, its record. Inside core/store only. */
int leases_where(struct db *db, const char *where, const char *const *texts, size_t text_count, size_t limit,
                 struct lease_row **ret, size_t *ret_count, struct error *e);
void leases_free(struct lease_row *list, size_t count);

#endif
