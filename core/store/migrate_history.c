/* SPDX-License-Identifier: MIT
 * A migration: old attempts are found by their time, when they go.
 */
#include "core/store/migrate_internal.h"

const struct step migration_history[] = {
    {.both = "CREATE INDEX renewd_attempts_finished ON {attempts} (finished_at)"},
};

const size_t migration_history_count = sizeof(migration_history) / sizeof(migration_history[0]);
