/* SPDX-License-Identifier: MIT
 * The migration for dead hosts and missing answers: how often a credential was presented without an answer, until
 * when it must not be presented, and which processes no longer claim records.
 */
#include "core/db/schema_internal.h"

const struct step migration_leases[] = {
    {.both = "ALTER TABLE {credentials} ADD COLUMN unanswered integer NOT NULL DEFAULT 0"},
    {.both = "ALTER TABLE {credentials} ADD COLUMN hold_until bigint NOT NULL DEFAULT 0"},
    {.both = "ALTER TABLE {hosts} ADD COLUMN over_at bigint NOT NULL DEFAULT 0"},
};

const size_t migration_leases_count = sizeof(migration_leases) / sizeof(migration_leases[0]);
