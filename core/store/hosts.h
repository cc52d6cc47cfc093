/* SPDX-License-Identifier: MIT
 * The processes that work on this database (rule 6): their heartbeats, which of them are over, and the
 * leases that a host left which is gone.
 */
#ifndef CORE_STORE_HOSTS_H
#define CORE_STORE_HOSTS_H

#include "core/store/leases.h"

enum { HOST_ALIVE_S = 60 }; /* a heartbeat comes every 15 s */

struct host_row {
    char id[ID_SIZE];
    char *name;           /* the machine's; may be NULL */
    int64_t beat_at, now; /* both by the database's clock */
    int64_t leases;       /* credentials that are out on its leases */
};
int store_hosts(struct db *db, struct host_row **ret, size_t *ret_count, struct error *e);
void hosts_free(struct host_row *list, size_t count);
/* Says that this process works here. */
int store_heartbeat(struct db *db, const char *host, const char *incarnation, struct error *e);
/* Takes out this host's processes that ended a day ago and left no lease. */
int store_hosts_tidy(struct db *db, const char *host, const char *incarnation, struct error *e);
/* Whether a process has shown life within HOST_ALIVE_S. */
int store_process_lives(struct db *db, const char *host, const char *incarnation, bool *ret, struct error *e);
/* A process that died claims nothing any more: a claim of it whose COMMIT is under way is waited for, so that
 * its leases are known when this returns. */
int store_process_over(struct db *db, const char *host, const char *incarnation, struct error *e);
/* Inside a claim's transaction: -EOWNERDEAD when this process was declared over or its host forgotten.
 * Holds the answer until the transaction ends. */
int host_may_claim(struct db *db, const char *host, const char *incarnation, struct error *e);
/* The host is gone for good. False: it has shown life within HOST_ALIVE_S, or nobody knows it. */
int store_forget_host(struct db *db, const char *host, bool *ret_forgotten, struct error *e);

/* Expired leases of other processes whose time has come: at a record's last safe moment, or when the host
 * was forgotten. now is the caller's clock, for expires_at alone. */
int store_leases_left(struct db *db, const char *host, const char *incarnation, int64_t now, size_t limit,
                      struct lease_row **ret, size_t *ret_count, struct error *e);
/* Ends one of them: c, an ambiguous commit under an attempt id of its own (the holder may still come with a
 * result under the lease's), is committed and the lease given back. False: somebody was quicker. */
int store_lease_over(struct db *db, const char *attempt_id, const struct commit *c, bool *ret_done,
                     struct error *e);

#endif
