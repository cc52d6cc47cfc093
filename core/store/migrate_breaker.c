/* SPDX-License-Identifier: MIT
 * A migration: a job that its breaker holds, for all hosts. Resuming the job in SQL ends that too.
 */
#include "core/store/migrate_internal.h"

const struct step migration_breaker[] = {
    {.both = "ALTER TABLE {jobs} ADD COLUMN breaker_held_at bigint NOT NULL DEFAULT 0"},
    {.both = "ALTER TABLE {jobs} ADD COLUMN breaker_since bigint NOT NULL DEFAULT 0"},
    {.both = "ALTER TABLE {jobs} ADD COLUMN breaker_next_at bigint NOT NULL DEFAULT 0"},
    {.both = "ALTER TABLE {jobs} ADD COLUMN breaker_asked_at bigint NOT NULL DEFAULT 0"},
    {.both = "ALTER TABLE {jobs} ADD COLUMN breaker_tries bigint NOT NULL DEFAULT 0"},
    {.both = "ALTER TABLE {jobs} ADD COLUMN breaker_proved_at bigint NOT NULL DEFAULT 0"},
    {.both = "ALTER TABLE {jobs} ADD COLUMN breaker_why text"},
    {.postgresql = "CREATE OR REPLACE FUNCTION renewd.resume(p_name text) RETURNS void LANGUAGE sql"
                   " SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fn$"
                   " UPDATE renewd.jobs SET paused = 0, breaker_held_at = 0"
                   " WHERE job = renewd.job_named(p_name); SELECT pg_notify('renewd', p_name) $fn$"},
};

const size_t migration_breaker_count = sizeof(migration_breaker) / sizeof(migration_breaker[0]);
