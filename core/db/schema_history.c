/* SPDX-License-Identifier: MIT
 * Migrations: indexes by time, with which old attempts and spent credentials are found for removal.
 */
#include "core/db/schema_internal.h"

const struct step migration_history[] = {
    {.both = "CREATE INDEX renewd_attempts_finished ON {attempts} (finished_at)"},
};

const size_t migration_history_count = sizeof(migration_history) / sizeof(migration_history[0]);

const struct step migration_spent[] = {
    {.both =
         "CREATE INDEX renewd_credentials_replaced ON {credentials} (replaced_at) WHERE replaced_at IS NOT NULL"},
};

const size_t migration_spent_count = sizeof(migration_spent) / sizeof(migration_spent[0]);
