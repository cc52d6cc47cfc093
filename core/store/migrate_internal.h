/* SPDX-License-Identifier: MIT
 * What the migrations' files share; nobody else includes it.
 */
#ifndef CORE_STORE_MIGRATE_INTERNAL_H
#define CORE_STORE_MIGRATE_INTERNAL_H

#include <stddef.h>

/* One statement; where the dialects differ, one for each; NULL for both = nothing to do there. */
struct step {
    const char *both;
    const char *postgresql, *sqlite;
};

/* migrate_requests.c: requests out of SQL, and what people and their queries look at. */
extern const struct step migration_requests[];
extern const size_t migration_requests_count;

#endif
