/* SPDX-License-Identifier: MIT
 * What was written to `also` columns, by record: a row of {told} for each column, with the value that finds its
 * row. The effects of commits write it; it is read and corrected here.
 */
#ifndef CORE_STORE_WROTE_TROUBLE_H
#define CORE_STORE_WROTE_TROUBLE_H

#include "core/store/store.h"

struct told_row {
    char *key, *target, *value;
};

/* Which of these records have no such row. ret has count entries. */
int store_told_missing(struct db *db, const char *source, const char *const *keys, size_t count, bool *ret,
                       struct error *e);
/* At most limit rows whose record is gone, or does not need a person: neither dead nor at that many strikes (0:
 * strikes are ignored). */
int store_told_stale(struct db *db, const char *source, int64_t strikes, size_t limit, struct told_row **ret,
                     size_t *ret_count, struct error *e);
/* Whether one of the questions, a list up to NULL, finds a row; $1 of each is the key. Asked inside a transaction. A
 * question that the database refuses, because a column went or may not be read, finds none. */
int store_told_asked(struct db *db, const char *const *questions, const char *key, bool *ret, struct error *e);
/* Removes the row. sql, unless NULL, then writes the column with the parameters, in the same transaction, and not where
 * unless, or NULL, finds something for t->value. */
int store_told_end(struct db *db, const char *source, const struct told_row *t, const char *sql,
                   const char *const *unless, const struct bound *bound, size_t bound_count, struct error *e);
void told_free(struct told_row *list, size_t count);

#endif
