/* SPDX-License-Identifier: MIT
 * A migration: stores which records were written to which `also` columns, by the column and the value that finds
 * its row. A column is cleared when none of these records needs a person any more.
 */
#include "core/db/schema_internal.h"

const struct step migration_told[] = {
    {.both = "CREATE TABLE {told} (source text NOT NULL, rkey text NOT NULL, target text NOT NULL,"
             " value text NOT NULL, PRIMARY KEY (source, rkey, target, value))"},
    {.both = "CREATE INDEX renewd_told_target ON {told} (target, value)"},
};

const size_t migration_told_count = sizeof(migration_told) / sizeof(migration_told[0]);
