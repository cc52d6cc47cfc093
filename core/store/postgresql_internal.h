/* SPDX-License-Identifier: MIT
 * What the two files of the PostgreSQL driver share. Nobody else includes it.
 */
#ifndef CORE_STORE_POSTGRESQL_INTERNAL_H
#define CORE_STORE_POSTGRESQL_INTERNAL_H

#include <libpq-fe.h>

#include "core/store/db.h"

/* Waits until the socket of c can be read or written as asked. -ETIMEDOUT past deadline_ms (of
 * clock_boot_ms). ret_readable may be NULL. */
int pg_wait(PGconn *c, bool for_read, bool for_write, int64_t deadline_ms, bool *ret_readable);

int pg_open(struct db *db, const struct store_options *o, struct error *e);

#endif
