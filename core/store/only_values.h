/* SPDX-License-Identifier: MIT
 * Which values of a job's `only` no row of its table holds, and what the rows hold instead. Decides nothing.
 */
#ifndef CORE_STORE_ONLY_VALUES_H
#define CORE_STORE_ONLY_VALUES_H

#include "core/store/user_table.h"

struct db;

/* A column of `only` with a value that no row holds. */
struct only_values {
    const struct only *only; /* the table's */
    bool *held;              /* for each of its values: a row holds it */
    bool secret;             /* its column may hold secrets: none of `others` may be shown */
    bool many;               /* others are not all that the rows hold */
    char **others;           /* what the rows hold beside its values, the most frequent first; never NULL's */
    size_t other_count;
};

/* Only those columns are listed; none for an empty table, and none that takes the database too long. */
int store_only_values(struct db *db, const struct table *t, struct only_values **ret, size_t *ret_count,
                      struct error *e);
void only_values_free(struct only_values *list, size_t count);

#endif
