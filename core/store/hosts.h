/* SPDX-License-Identifier: MIT
 * The processes that work on this database (rule 6): their heartbeats, which of them are over, and the leases left
 * by a host that is gone.
 */
#ifndef CORE_STORE_HOSTS_H
#define CORE_STORE_HOSTS_H

#include "core/store/leases.h"

enum { HOST_ALIVE_S = 60 }; /* a heartbeat comes every 15 s */

struct host_row {
    char id[ID_SIZE];
    char *name;           /* the machine's; may be NULL */
    int64_t beat_at, now; /* both by the database's clock */
    int64_t leases;       /* credentials that are leased to it */
};
int store_hosts(struct db *db, struct host_row **ret, size_t *ret_count, struct error *e);
void hosts_free(struct host_row *list, size_t count);
/* Registers this process. */
int store_heartbeat(struct db *db, const char *host, const char *incarnation, struct error *e);
/* Removes this host's processes that ended a day ago and left no lease. */
int store_hosts_tidy(struct db *db, const char *host, const char *incarnation, struct error *e);
/* Whether a process had a heartbeat within HOST_ALIVE_S. */
int store_process_lives(struct db *db, const char *host, const char *incarnation, bool *ret, struct error *e);
/* Declares that a dead process claims nothing any more: a claim whose COMMIT is under way is waited for, so that
 * its leases are known when this returns. */
int store_process_over(struct db *db, const char *host, const char *incarnation, struct error *e);
/* Inside a claim's transaction: -EOWNERDEAD when this process was declared over or its host forgotten. The answer
 * stays true until the transaction ends. */
int host_may_claim(struct db *db, const char *host, const char *incarnation, struct error *e);
/* The host does not come back. False: it had a heartbeat within HOST_ALIVE_S, or it is not known. */
int store_forget_host(struct db *db, const char *host, bool *ret_forgotten, struct error *e);

/* Expired leases of other processes whose time has come: at a record's last safe moment, or when the host
 * was forgotten. now is the caller's clock, for expires_at alone. */
int store_leases_left(struct db *db, const char *host, const char *incarnation, int64_t now, size_t limit,
                      struct lease_row **ret, size_t *ret_count, struct error *e);
/* Ends one of them: c, an ambiguous commit under a new attempt id (the holder may still bring a result under the
 * lease's id), is committed and the lease given back. False: another process was first. */
int store_lease_over(struct db *db, const char *attempt_id, const struct commit *c, bool *ret_done,
                     struct error *e);

#endif
