/* SPDX-License-Identifier: MIT
 * Creates renewd's own tables, and checks that they exist and are writable.
 */
#ifndef CORE_DB_SCHEMA_H
#define CORE_DB_SCHEMA_H

#include <stdatomic.h>

#include "core/db/connection.h"

/* Of a migration under way, for other threads. */
struct migration_watch {
    atomic_bool ends;    /* set from outside: it is not waited for any longer (PostgreSQL) */
    atomic_bool goes_on; /* it is under way, and the try before was not kept from it by a lock */
    bool blocked;        /* only for store_migrate() */
};

/* Numbered migrations, each in a transaction; safe when two hosts start at once. Each statement may take an hour. A
 * database that is newer than this renewd is refused. w may be NULL. */
int store_migrate(struct db *db, struct migration_watch *w, struct error *e);

/* 1 when renewd's own tables exist, in any version, 0 when not. Writes nothing. */
int store_made(struct db *db, struct error *e);
/* 1 = the next start will run a migration, 0 = none; -EINVAL with a sentence: a newer renewd created the tables. */
int store_behind(struct db *db, struct error *e);

/* -ENOTCONN with a sentence: writes outside of a transaction that asks for them would be refused. */
int store_takes_writes(struct db *db, struct error *e);

/* Checks that the database can be written. keep: commits a write, because a full disk shows only then. -ENOTCONN
 * for a read-only database. */
int store_probe(struct db *db, bool keep, struct error *e);

#endif
