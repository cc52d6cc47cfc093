/* SPDX-License-Identifier: MIT
 * A migration: suspects, and a breaker for each job and its settings (rule 10), instead of one breaker for each
 * job. Times in the two tables are milliseconds.
 */
#include "core/db/schema_internal.h"

const struct step migration_suspects[] = {
    {.both = "CREATE TABLE {breakers} (job text NOT NULL, settings text NOT NULL,"
             " success_at bigint NOT NULL DEFAULT 0, recovery_at bigint NOT NULL DEFAULT 0,"
             " recovering_from bigint NOT NULL DEFAULT 0, streak bigint NOT NULL DEFAULT 0,"
             " turned bigint NOT NULL DEFAULT 0, held_at bigint NOT NULL DEFAULT 0,"
             " ended_at bigint NOT NULL DEFAULT 0, alarmed_at bigint NOT NULL DEFAULT 0,"
             " canary_at bigint NOT NULL DEFAULT 0, canaries bigint NOT NULL DEFAULT 0,"
             " believed_at bigint NOT NULL DEFAULT 0, witness_at bigint NOT NULL DEFAULT 0,"
             " canary_after text NOT NULL DEFAULT '', why text, PRIMARY KEY (job, settings))"},
    {.both = "CREATE TABLE {suspects} (job text NOT NULL, settings text NOT NULL, fingerprint text NOT NULL,"
             " began_at bigint NOT NULL DEFAULT 0, since bigint NOT NULL DEFAULT 0,"
             " asked_at bigint NOT NULL DEFAULT 0, refusals bigint NOT NULL DEFAULT 0,"
             " next_at bigint NOT NULL DEFAULT 0, told_at bigint NOT NULL DEFAULT 0,"
             " struck_at bigint NOT NULL DEFAULT 0, ended_at bigint NOT NULL DEFAULT 0,"
             " dead_grant integer NOT NULL DEFAULT 0, code text, text text,"
             " PRIMARY KEY (job, settings, fingerprint))"},
    {.both = "CREATE INDEX renewd_suspects_began ON {suspects} (job, settings, began_at)"},
    {.both = "ALTER TABLE {records} ADD COLUMN ok_under text NOT NULL DEFAULT ''"},
    {.both = "CREATE INDEX renewd_records_suspects ON {records} (source, due_at)"
             " WHERE due_at > 0 AND (state = 4 OR state = 5)"},
    {.postgresql = "CREATE OR REPLACE FUNCTION renewd.resume(p_name text) RETURNS void LANGUAGE sql"
                   " SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fn$"
                   " UPDATE renewd.jobs SET paused = 0 WHERE job = renewd.job_named(p_name);"
                   " UPDATE renewd.records SET not_before = 0, due_at = point WHERE job = renewd.job_named(p_name)"
                   " AND state = 5 AND point > 0 AND EXISTS (SELECT 1 FROM renewd.breakers b"
                   " WHERE b.job = renewd.records.job AND b.held_at > 0);"
                   " UPDATE renewd.breakers SET held_at = 0, turned = 0,"
                   " ended_at = floor(extract(epoch FROM clock_timestamp()) * 1000)"
                   " WHERE job = renewd.job_named(p_name) AND held_at > 0;"
                   " SELECT pg_notify('renewd', p_name) $fn$"},
    {.both = "ALTER TABLE {jobs} DROP COLUMN breaker_held_at"},
    {.both = "ALTER TABLE {jobs} DROP COLUMN breaker_since"},
    {.both = "ALTER TABLE {jobs} DROP COLUMN breaker_next_at"},
    {.both = "ALTER TABLE {jobs} DROP COLUMN breaker_asked_at"},
    {.both = "ALTER TABLE {jobs} DROP COLUMN breaker_tries"},
    {.both = "ALTER TABLE {jobs} DROP COLUMN breaker_proved_at"},
    {.both = "ALTER TABLE {jobs} DROP COLUMN breaker_why"},
};

const size_t migration_suspects_count = sizeof(migration_suspects) / sizeof(migration_suspects[0]);
