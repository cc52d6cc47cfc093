/* SPDX-License-Identifier: MIT
 * Writing values into a job's table: the SET list of an UPDATE with its parameters, each value in
 * its column's form. Inside core/store only, by commits and imports.
 */
#ifndef CORE_STORE_USER_ROW_WRITE_H
#define CORE_STORE_USER_ROW_WRITE_H

#include "core/base/buf.h"
#include "core/db/parameters.h"
#include "core/store/store.h"

enum { ROW_SQL_MAX = 256 * 1024 };

/* Appends "a = ..., b = ..." (count > 0). row is the row as last read, whose time formats are used; NULL = none.
 * -EINVAL for a time that cannot be written. */
int row_put_assignments(struct db *db, const struct table *t, const struct row *row, const struct write *writes,
                        size_t count, struct args *a, struct buf *sql, struct error *e);

#endif
