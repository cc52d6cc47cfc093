/* SPDX-License-Identifier: MIT
 * A migration: the index by which a run with a limit finds the records that keep failing, the one that was tried
 * longest ago first (core/store/claim.c). A record that is well is not in it.
 */
#include "core/db/schema_internal.h"

const struct step migration_failing[] = {
    {.both = "CREATE INDEX renewd_records_failing ON {records} (source, last_at)"
             " WHERE attempts > 0 AND state <> 4 AND state <> 5"},
};

const size_t migration_failing_count = sizeof migration_failing / sizeof *migration_failing;
