/* SPDX-License-Identifier: MIT
 * Leases that a process of this host left when it died, with the records they were taken for. Read by the
 * engine's recovery before anything is claimed.
 */
#ifndef CORE_STORE_LEASES_H
#define CORE_STORE_LEASES_H

#include "core/store/store.h"

struct lease_row {
    char attempt_id[ID_SIZE];
    char fingerprint[FINGERPRINT_SIZE];
    struct record record; /* source NULL: no record holds that credential any more */
};

int store_leases(struct db *db, const char *host, const char *incarnation, struct lease_row **ret,
                 size_t *ret_count, struct error *e);
void leases_free(struct lease_row *list, size_t count);

#endif
