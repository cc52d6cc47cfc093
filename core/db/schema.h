/* SPDX-License-Identifier: MIT
 * renewd's own tables: are they there, made, writable.
 */
#ifndef CORE_DB_SCHEMA_H
#define CORE_DB_SCHEMA_H

#include "core/db/connection.h"

/* Numbered migrations, each in a transaction; safe when two hosts start at once. A database that is
 * newer than this renewd is refused. */
int store_migrate(struct db *db, struct error *e);

/* 1 when renewd's own tables are there, whatever their version, 0 when not. Writes nothing. */
int store_made(struct db *db, struct error *e);
/* 1 = the next start has a migration to make, 0 = none; -EINVAL with a sentence: a newer renewd made these. */
int store_behind(struct db *db, struct error *e);

/* Does it take writes? keep: one is committed, since a full disk shows only then. -ENOTCONN for a database that
 * only lets itself be read. */
int store_probe(struct db *db, bool keep, struct error *e);

#endif
