/* SPDX-License-Identifier: MIT
 * The source of a job's records where several jobs keep the same column of one table fresh: each has its own, which
 * stays when the job is renamed, when its `only` changes, and whatever other jobs come or go.
 */
#ifndef CORE_STORE_SOURCES_H
#define CORE_STORE_SOURCES_H

#include "core/base/error.h"
#include "core/store/user_table.h"

struct db;

/* Gives a resolved table its source. shares: another job seems to keep its column fresh, too. */
int store_source_take(struct db *db, struct table *t, bool shares, struct error *e);
/* The same without writing: as it was taken last. */
int store_source_find(struct db *db, struct table *t, struct error *e);

#endif
