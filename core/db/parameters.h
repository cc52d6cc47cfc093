/* SPDX-License-Identifier: MIT
 * The parameters of a statement that is put together step by step, so that their number is not known before. Only
 * core/db and core/store use it. The texts that it owns are wiped.
 */
#ifndef CORE_DB_PARAMETERS_H
#define CORE_DB_PARAMETERS_H

#include "core/base/buf.h"
#include "core/db/db.h"

struct args {
    struct db_param *params;
    char **owned; /* as many as params; NULL = borrowed */
    size_t count, cap;
    bool of_rows; /* its statement takes many rows: a parameter is a column of theirs (core/store/many.h) */
};

/* A zeroed struct args is empty. */
void args_done(struct args *a);

/* Each returns the parameter's number, from 1. text is borrowed until the statement has run. */
int args_add(struct args *a, const char *text, size_t len);
int args_text(struct args *a, const char *text); /* NULL = SQL NULL */
int args_number(struct args *a, int64_t number);
/* text is malloc'd; the list frees it. */
int args_own(struct args *a, char *text);

/* Appends the parameter as it stands in SQL. args_put_as: where $N alone would take its type from what is around it;
 * a column of many rows is text, and is cast to type (NULL: stays text). */
void args_put(const struct args *a, int number, struct buf *sql);
void args_put_as(const struct args *a, int number, const char *type, struct buf *sql);

#endif
