/* SPDX-License-Identifier: MIT
 * What, beside its names, decides whether a job's table accepts what renewd writes: triggers, row security,
 * lengths. For --check --connect; on SQLite there are only triggers.
 */
#ifndef CORE_STORE_USER_TABLE_CHECK_H
#define CORE_STORE_USER_TABLE_CHECK_H

#include "core/store/user_table.h"

struct db;

struct narrow {
    const struct column *column; /* the table's */
    int64_t letters;             /* at most */
};

struct table_look {
    char *triggers;           /* at UPDATE, by name, joined by ", "; NULL: none */
    bool row_security;        /* counts for renewd's role */
    int64_t reading, writing; /* policies that let it */
    int64_t rows;             /* as the statistics have it; -1 = not known */
    int64_t bytes;            /* of its files */
    int64_t frozen;           /* of its first rows: they can be read and not updated */
    struct narrow *narrow;    /* columns that hold no longer text; there are count of them */
    size_t narrow_count;
};

int table_look(struct db *db, const struct table *t, struct table_look *ret, struct error *e);
/* A sentence for operators about row security that hides all rows of the table from renewd's role; NULL: none
 * does. */
char *table_look_hidden(const struct table_look *l, const struct table *t, bool any_row);
void table_look_done(struct table_look *l); /* accepts a zeroed one */

#endif
