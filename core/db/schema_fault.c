/* SPDX-License-Identifier: MIT
 * A migration: the plugin that broke a rule when a provider had given it new tokens, by a hash of its file, and what
 * it did. Its job stays held over restarts, and on other hosts, until another file is installed.
 */
#include "core/db/schema_internal.h"

const struct step migration_fault[] = {
    {.both = "ALTER TABLE {jobs} ADD COLUMN fault_file text"},
    {.both = "ALTER TABLE {jobs} ADD COLUMN fault text"},
};
const size_t migration_fault_count = sizeof migration_fault / sizeof *migration_fault;
