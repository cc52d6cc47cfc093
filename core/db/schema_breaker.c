/* SPDX-License-Identifier: MIT
 * A migration: stores that the breaker holds a job, for all hosts.
 */
#include "core/db/schema_internal.h"

const struct step migration_breaker[] = {
    {.both = "ALTER TABLE {jobs} ADD COLUMN breaker_held_at bigint NOT NULL DEFAULT 0"},
    {.both = "ALTER TABLE {jobs} ADD COLUMN breaker_since bigint NOT NULL DEFAULT 0"},
    {.both = "ALTER TABLE {jobs} ADD COLUMN breaker_next_at bigint NOT NULL DEFAULT 0"},
    {.both = "ALTER TABLE {jobs} ADD COLUMN breaker_asked_at bigint NOT NULL DEFAULT 0"},
    {.both = "ALTER TABLE {jobs} ADD COLUMN breaker_tries bigint NOT NULL DEFAULT 0"},
    {.both = "ALTER TABLE {jobs} ADD COLUMN breaker_proved_at bigint NOT NULL DEFAULT 0"},
    {.both = "ALTER TABLE {jobs} ADD COLUMN breaker_why text"},
};

const size_t migration_breaker_count = sizeof(migration_breaker) / sizeof(migration_breaker[0]);
