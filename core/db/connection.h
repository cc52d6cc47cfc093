/* SPDX-License-Identifier: MIT
 * Opening and closing a connection to the database. The requests that the store answers over it are in
 * core/store/store.h.
 */
#ifndef CORE_DB_CONNECTION_H
#define CORE_DB_CONNECTION_H

#include <stdbool.h>

#include "core/base/error.h"
#include "core/base/secret.h"

struct db;

struct store_options {
    const char *driver;       /* "sqlite" | "postgresql" */
    const char *path;         /* SQLite: absolute */
    const struct secret *dsn; /* PostgreSQL */
    bool wal;                 /* SQLite: also switch a file that renewd did not create to write-ahead logging */
    bool network;             /* SQLite: also on a network file system */
    bool read_only;
    bool as_it_is; /* SQLite: only open an existing file; do not create or change it */
};

/* -ENOTCONN, -ETIMEDOUT: unavailable, to be tried again. -EACCES, -EINVAL: refused; a person must fix the cause,
 * and e says how. */
int db_open(const struct store_options *o, struct db **ret, struct error *e);
/* Checks a PostgreSQL dsn without connecting: -EINVAL with a sentence that quotes nothing of it. ret_left_out
 * (freed by the caller): the parameters that libpq does not know and that are left out, or NULL. */
int store_dsn_check(const struct secret *dsn, char **ret_left_out, struct error *e);
void db_close(struct db *db);
bool db_alive(const struct db *db);

/* The only place that classifies negative results. Away: the connection is lost, or the disk is full; the
 * store's thread logs this, and continues when the database answers again. Passes: as away, or a lock or another
 * transaction is in the way: the request is not at fault and is tried again. */
bool store_is_away(int result);
bool store_passes(int result);

#endif
