/* SPDX-License-Identifier: MIT
 * Writing values into a job's table: the SET list of an UPDATE with its parameters, each value in
 * its column's form, for commits and imports; and times as texts for statements of plugins.
 */
#ifndef CORE_STORE_USER_ROW_WRITE_H
#define CORE_STORE_USER_ROW_WRITE_H

#include "core/base/buf.h"
#include "core/db/parameters.h"
#include "core/store/store.h"
#include "core/time/timestamp.h"

enum { ROW_SQL_MAX = 256 * 1024 };

/* Appends "a = ..., b = ..." (count > 0). row is the row as last read, whose time formats are used; NULL = none.
 * -EINVAL for a time that cannot be written. */
int row_put_assignments(struct db *db, const struct table *t, const struct row *row, const struct write *writes,
                        size_t count, struct args *a, struct buf *sql, struct error *e);
/* A time as a text in the form of `like`: a number, milliseconds, or a date. NULL: RFC 3339. */
int row_time_like(const struct table *t, const char *like, int64_t at, char out[TIMESTAMP_SIZE]);
bool row_time_is_date(const char *text); /* which may be NULL */

#endif
