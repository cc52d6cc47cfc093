/* SPDX-License-Identifier: MIT
 * What the files of the PostgreSQL driver share. No other file includes it.
 */
#ifndef CORE_DB_POSTGRESQL_INTERNAL_H
#define CORE_DB_POSTGRESQL_INTERNAL_H

#include <libpq-fe.h>

#include "core/db/db.h"

/* Waits until the socket of c is readable or writable, as requested. -ETIMEDOUT past deadline_ms (of
 * clock_boot_ms). ret_readable may be NULL. */
int pg_wait(PGconn *c, bool for_read, bool for_write, int64_t deadline_ms, bool *ret_readable);

/* The destination that the dsn names. */
struct pg_target {
    const char *host, *password; /* NULL: not said */
    bool url, no_tls;            /* no_tls: the dsn says so */
    bool port;                   /* the dsn names one */
};

/* After a failed connection: -EACCES or -EINVAL if waiting does not help, else -ENOTCONN; e says what to do. c
 * must have been started with PQERRORS_VERBOSE. */
int pg_why(PGconn *c, const struct pg_target *t, struct error *e);
/* After a connection that was not made in time: -ETIMEDOUT with the sentence. */
int pg_why_slow(PGconn *c, const struct pg_target *t, int seconds, struct error *e);

int pg_open(struct db *db, const struct store_options *o, struct error *e);

#endif
