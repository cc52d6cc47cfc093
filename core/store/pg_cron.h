/* SPDX-License-Identifier: MIT
 * pg_cron beside renewd: active jobs of cron.job that still do what a job of renewd's does. A role that may not read
 * cron.job, and a database without it, know of none; pg_cron shows a role its own jobs alone.
 */
#ifndef CORE_STORE_PG_CRON_H
#define CORE_STORE_PG_CRON_H

#include "core/store/store.h"

/* What calls the same: a function in SQL or an endpoint by its name; where `platform` is not NULL, only with that
 * word beside it. */
struct cron_call {
    const char *name, *platform;
};

/* ret: a sentence for people, "" = none. Errors of the database leave it "" too. */
void store_pg_cron(struct db *db, const struct cron_call *calls, size_t count, char *ret, size_t size);

#endif
