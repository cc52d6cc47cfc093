/* SPDX-License-Identifier: MIT
 * pg_cron beside renewd: active jobs of cron.job that still do what a job of renewd does. A role that may not read
 * cron.job, and a database without it, find none; pg_cron shows a role its own jobs alone.
 */
#ifndef CORE_STORE_PG_CRON_H
#define CORE_STORE_PG_CRON_H

#include "core/store/store.h"

/* The names that call the same: an SQL function or an endpoint; where `platform` is not NULL, only together with
 * that word. */
struct cron_call {
    const char *name, *platform;
};

/* ret: a sentence for operators, "" = none. After an error of the database it is "" too. */
void store_pg_cron(struct db *db, const struct cron_call *calls, size_t count, char *ret, size_t size);

#endif
