/* SPDX-License-Identifier: MIT
 * The catalogue's description of one table, in terms that both drivers share. Filled by user_table_postgresql.c and
 * user_table_sqlite.c, judged by user_table.c.
 */
#ifndef CORE_STORE_USER_TABLE_INTERNAL_H
#define CORE_STORE_USER_TABLE_INTERNAL_H

#include "core/db/db.h"
#include "core/store/store.h"
#include "core/store/user_table.h"

enum type_class {
    CLASS_OTHER,
    CLASS_TEXT,
    CLASS_NUMBER,
    CLASS_TIMESTAMPTZ,
    CLASS_TIMESTAMP,
};

struct catalog_column {
    char *name;
    char *type;     /* for messages */
    char *cast;     /* the type without its limits, for CAST; NULL: not known */
    int class;      /* enum type_class */
    bool text_only; /* SQLite: keeps numbers as text */
    bool unique;    /* a unique index of this column alone, neither partial nor of an expression */
    bool generated;
};

struct catalog {
    char *schema, *name; /* as the catalogue spells them; schema NULL on SQLite */
    bool view;
    struct catalog_column *columns;
    size_t count;
};

/* schema may be NULL. -ENOENT with a sentence when there is no such table. */
int catalog_postgresql(struct db *db, const char *schema, const char *name, struct catalog *ret, struct error *e);
int catalog_sqlite(struct db *db, const char *schema, const char *name, struct catalog *ret, struct error *e);
void catalog_done(struct catalog *c);
/* user_table_owner.c: the column "owner" of *t that is read in another table; t has room for it. */
int table_owner(struct db *db, const struct table_requirement *wish, const struct catalog *own, struct table *t,
                struct error *e);
struct catalog_column *catalog_add(struct catalog *c, const char *name, const char *type);

/* user_table_times.c: fills `usual`. */
void table_usual_times(struct db *db, struct table *t);

#endif
