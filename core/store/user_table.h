/* SPDX-License-Identifier: MIT
 * A job's table in the live database: which column holds which slot, in what form, and a row read from it. Made
 * from the job's configuration by table_resolve(), which checks every name against the catalogue; used by
 * discovery, claims and commits.
 */
#ifndef CORE_STORE_USER_TABLE_H
#define CORE_STORE_USER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

struct db;
struct zone;

/* What a slot's value is, as the plugin declared it. */
enum value_type { VALUE_TEXT = 1, VALUE_SECRET = 2, VALUE_TIME = 3, VALUE_INTEGER = 4 };

/* How a column holds it. */
enum column_form {
    FORM_TEXT, /* text, uuid, any type read and written through its text */
    FORM_INTEGER,
    FORM_TIMESTAMPTZ,
    FORM_TIMESTAMP, /* without zone: the table's */
    FORM_UNIX,
    FORM_UNIX_MS,
    FORM_TIME_TEXT, /* ISO 8601; written back in the form that was read */
};

/* What a job asks for: one mapped column. */
struct column_wish {
    const char *slot;   /* "access_token", "status", ... */
    const char *column; /* as configured */
    int type;           /* enum value_type */
    bool core;          /* one of renewd's own: account refreshed_at updated_at strikes status last_error owner */
    bool credential;
    bool written; /* may be written: rehearsed and checked */
};

struct only_wish {
    const char *column;
    const char *const *values; /* NULL-terminated; equality with any of them */
};

/* The owner of a row is found by its column `via` in another table. */
struct owner_requirement {
    const char *via;         /* a column of the job's table */
    const char *table, *key; /* the table, and its column that is compared with `via` */
    const char *column;      /* holds the owner; NULL: what `via` holds is the owner itself */
    const char *others[4];   /* further columns that must exist; NULL-terminated */
};

struct table_requirement {
    const char *job;
    const char *table; /* NULL: renewd's own table */
    const char *key;
    const struct column_wish *columns;
    size_t column_count;
    const struct only_wish *only;
    size_t only_count;
    const struct owner_requirement *owner; /* NULL: none, or a column like any other */
    const char *times;                     /* "auto" "unix" "unix_ms" "text" */
    const char *zone;                      /* what a time without a zone means; NULL: UTC */
    bool through_statements;               /* the plugin writes by named statements only: a view is sufficient */
    bool statements;                       /* it has named statements, which may need a time exactly as stored */
};

struct column {
    char *slot, *name;
    char *lookup; /* the expression that reads it from another table by renewd_t.NAME; NULL: none */
    int type;
    int form; /* enum column_form */
    bool core, credential, written;
    bool hashed;    /* a change of it by the application is a change of the record */
    bool extra;     /* renewd's own table: a member of its JSON column */
    bool as_text;   /* a number in a text column */
    bool may_be_ms; /* times = "auto": values past 1e11 are milliseconds */
    char *usual;    /* a time in the form of most rows, where a column holds several forms; NULL: not known */
    bool exact;     /* a time whose stored text is kept, too, in a cell's raw */
    char *cast;     /* PostgreSQL: its type without a limit, such as "character varying"; NULL: text */
};

struct only {
    char *column;
    char **values;  /* NULL-terminated */
    bool is_status; /* the same column as the mapped status: compared after reading (rule 5) */
    bool folds;     /* the database takes 'a' for 'A' there: citext, NOCASE, such a collation */
    bool native;    /* compared as its own type, not as text */
};

struct table {
    char *source; /* see core/rules/record.h, and sources.h */
    char *base;   /* the same of all jobs that keep its credential's column fresh; NULL: no other job can */
    char *schema, *name, *key, *key_type;
    char *key_cast; /* as a column's cast */
    bool own;       /* renewd's own table, rows of `job` */
    bool view;      /* its key is unique as far as its rows show */
    bool unwritten; /* a view whose rows the plugin's statements alone change */
    char *job;
    struct column *columns;
    size_t column_count;
    int credential;    /* index of the credential's column, or -1 */
    int status;        /* index of the status column, or -1 */
    struct zone *zone; /* of times without one; NULL: UTC */
    struct only *only;
    size_t only_count;
    char ***parameter_types; /* of each of the job's statements, NULL-terminated; NULL: not known (SQLite) */
    size_t statement_count;
};

/* One value as read. text NULL = SQL NULL. Times are normalised to Unix seconds in decimal. */
struct cell {
    char *text;
    size_t len;
    char *raw; /* FORM_TIME_TEXT, exact columns: the value as stored; otherwise NULL */
};

struct row {
    char *key;
    struct cell *cells; /* as many as the table has columns */
    size_t count;
    char hash[65]; /* SHA-256 over the hashed columns and membership in `only` */
    bool outside;  /* its status is not in `only` */
    char *unfit;   /* why it cannot be read, without any of its values; NULL: it can be read */
};

/* A record's name; rows with longer keys are not records. */
enum { ROW_KEY_MAX = 4096 };

/* Checks all names, types and the key's unique index at once. The error text names the table, the column and the
 * remedy (for a missing column the ALTER TABLE that adds it). -ENOENT table or column missing, -EINVAL unfit,
 * -ENOTCONN and similar: the database is not available. */
int table_resolve(struct db *db, const struct table_requirement *wish, struct table **ret, struct error *e);
/* After a refused read: returns result, or -ESTALE with the sentence of table_resolve() when the names no longer
 * match the database. */
int table_still_fits(struct db *db, const struct table_requirement *wish, int result, struct error *e);
/* Converts between a point in time and the local time of the table's zone, counted as if it were UTC. An hour that
 * the clock repeats is its earlier pass. */
int64_t table_from_wall(const struct table *t, int64_t wall);
int64_t table_to_wall(const struct table *t, int64_t unix_time);
void table_free(struct table *t);
int table_column(const struct table *t, const char *slot); /* index or -1 */

void row_done(struct row *r); /* wipes; accepts a zeroed one */
void row_copy(struct row *ret, const struct row *from);
/* The cell of a slot, or NULL when it is not mapped. */
const struct cell *row_cell(const struct table *t, const struct row *r, const char *slot);

#endif
