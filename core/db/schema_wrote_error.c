/* SPDX-License-Identifier: MIT
 * A migration: a record stores a hash of what renewd last wrote into last_error, so that only this text is cleared.
 */
#include "core/db/schema_internal.h"

const struct step migration_wrote_error[] = {
    {.both = "ALTER TABLE {records} ADD COLUMN wrote_error text"},
};

const size_t migration_wrote_error_count = sizeof(migration_wrote_error) / sizeof(migration_wrote_error[0]);
