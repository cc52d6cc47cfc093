/* SPDX-License-Identifier: MIT
 * Which values of a job's `only` no row of its table holds, and what its rows hold instead. Reads a bounded number of
 * rows, whatever the table's size: beyond them it asks only where an index answers. Decides nothing.
 */
#ifndef CORE_STORE_ONLY_VALUES_H
#define CORE_STORE_ONLY_VALUES_H

#include "core/store/user_table.h"

struct db;

enum only_held { ONLY_NOT_HELD, ONLY_HELD, ONLY_NOT_KNOWN };

struct only_other {
    char *value;  /* its first letters */
    int64_t rows; /* of those that were looked at */
};

/* A column of `only` with a value that no row holds, or of which that is not known. */
struct only_values {
    const struct only *only;   /* the table's */
    enum only_held *held;      /* for each of its values */
    bool missing, not_known;   /* any of them */
    bool secret;               /* its column may hold secrets */
    bool many;                 /* others are not all that the rows hold */
    struct only_other *others; /* what the rows hold beside its values, the most frequent first; never NULL's */
    size_t other_count;
};

/* Only those columns are listed; none for an empty table. */
int store_only_values(struct db *db, const struct table *t, struct only_values **ret, size_t *ret_count,
                      struct error *e);
void only_values_free(struct only_values *list, size_t count);

#endif
