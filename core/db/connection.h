/* SPDX-License-Identifier: MIT
 * A connection to the store: which database, opened and closed. What can be asked of it stands in store/store.h.
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
    bool wal;                 /* SQLite: also a file that renewd has not made goes over to write-ahead logging */
    bool network;             /* SQLite: also on a network file system */
    bool read_only;
    bool as_it_is; /* SQLite: neither made nor set up otherwise; only looked at */
};

/* -ENOTCONN, -ETIMEDOUT: away, to be tried again. -EACCES, -EINVAL: refused for a reason that a person mends; e says
 * how. */
int db_open(const struct store_options *o, struct db **ret, struct error *e);
/* A PostgreSQL dsn, without connecting: -EINVAL with a sentence that repeats nothing of it. ret_left_out (the
 * caller's): the parameters in it that libpq does not know and that are left out, or NULL. */
int store_dsn_check(const struct secret *dsn, char **ret_left_out, struct error *e);
void db_close(struct db *db);
const char *db_driver(const struct db *db);
bool db_alive(const struct db *db);

/* What to think of a negative result, here and nowhere else. Away: the connection is lost, or the disk is full; the
 * store's thread says so, and works on when it answers again. Passes: that, or a lock or another transaction in the way:
 * it is tried again, and is no fault of what was asked. */
bool store_is_away(int result);
bool store_passes(int result);

#endif
