/* SPDX-License-Identifier: MIT
 * The parameters of a statement whose number is known only while it is put together. Inside
 * core/store only. What it owns is wiped.
 */
#ifndef CORE_DB_PARAMETERS_H
#define CORE_DB_PARAMETERS_H

#include "core/db/db.h"

struct args {
    struct db_param *params;
    char **owned; /* as many as params; NULL = borrowed */
    size_t count, cap;
};

/* A zeroed struct args is empty. */
void args_done(struct args *a);

/* Each returns the parameter's number, from 1. text is borrowed until the statement has run. */
int args_add(struct args *a, const char *text, size_t len);
int args_text(struct args *a, const char *text); /* NULL = SQL NULL */
int args_number(struct args *a, int64_t number);
/* text is malloc'd and becomes the list's. */
int args_own(struct args *a, char *text);

#endif
