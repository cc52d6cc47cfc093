/* SPDX-License-Identifier: MIT
 * A struct record as a row of renewd's own table: the list of its columns, reading it from a result and writing it.
 * Inside core/store only, by discovery, claims, commits and the lists for operators.
 */
#ifndef CORE_STORE_RECORD_ROW_H
#define CORE_STORE_RECORD_ROW_H

#include "core/base/digits.h"
#include "core/base/buf.h"
#include "core/db/db.h"
#include "core/rules/record.h"
#include "core/store/many.h"

enum { RECORD_COLUMNS = 32 };

/* Appends "p.source, p.rkey, ..." (RECORD_COLUMNS of them); prefix "" = without one, else with its
 * dot. */
void record_columns(const char *prefix, struct buf *sql);
/* Fills *ret, which the caller frees with record_done, from RECORD_COLUMNS columns at first_column. The empty row
 * of an outer join gives a zeroed record. */
void record_from_result(const struct db_result *r, size_t row, size_t first_column, struct record *ret);

/* One column by its index: its name, and setting it from text (NULL = SQL NULL) in a record in which it was not set
 * before. */
const char *record_column(size_t i);
void record_set(struct record *rec, size_t i, const char *text);

/* The values of a record in the order of the columns, as statement parameters $1 ...
 * $RECORD_COLUMNS. */
struct record_params {
    const char *texts[RECORD_COLUMNS];
    char numbers[RECORD_COLUMNS][DIGITS_SIZE];
};
/* The texts are valid as long as the record and `ret`. */
void record_params(const struct record *rec, struct record_params *ret);
/* Appends "account = PREFIXaccount, ..." for all columns but the key; with prefix "excluded." for ON CONFLICT DO
 * UPDATE, with NULL "column = $n" in the order of record_params. */
void record_assignments(const char *prefix, struct buf *sql);
/* The columns and a record's values, for a statement of many. */
void record_many_columns(struct many_column ret[RECORD_COLUMNS]);
void record_many_values(const struct record *rec, struct many *m);

#endif
