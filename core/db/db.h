/* SPDX-License-Identifier: MIT
 * One database connection over either driver: parameters in, text out. Only core/db and core/store use it.
 *
 * SQL is written once for both drivers: parameters are $1, $2, ...; {name} stands for renewd's own table `name`
 * (schema renewd on PostgreSQL, prefix renewd_ on SQLite). Where the dialects differ a statement is chosen by
 * db_is_postgresql(). On PostgreSQL no session state is used: no prepared statements and no SET outside a transaction.
 * Transaction poolers therefore work. On SQLite a connection keeps the statements that it has compiled.
 */
#ifndef CORE_DB_DB_H
#define CORE_DB_DB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/db/connection.h"

struct map;
struct db_result; /* rows of text; wiped when freed */

struct db_param {
    const char *text; /* NULL = SQL NULL */
    size_t len;
    bool integer; /* digits, bound as a number if the driver has types (SQLite) */
};

/* A user's own statement (PostgreSQL). */
struct db_described {
    size_t count; /* of its parameters */
    char **types; /* their types' names */
    bool rows;    /* it returns rows */
    bool unfit;   /* for the caller's use */
};

struct db_driver {
    const char *name;
    int (*open)(struct db *db, const struct store_options *o, struct error *e);
    void (*close)(struct db *db);
    bool (*alive)(const struct db *db);
    int (*begin)(struct db *db, struct error *e); /* SQLite: IMMEDIATE. PostgreSQL: with its timeouts */
    int (*commit)(struct db *db, struct error *e);
    void (*rollback)(struct db *db);
    int (*exec)(struct db *db, const char *sql, const struct db_param *params, size_t count, struct db_result **ret,
                struct error *e);
    /* See db_exec_each; NULL: the statement is run again and again. */
    int (*exec_each)(struct db *db, const char *sql, const struct db_param *params, size_t count, size_t sets,
                     int64_t *ret_affected, struct error *e);
    /* See db_describe; NULL: it cannot. */
    int (*describe)(struct db *db, const char *sql, struct db_described *ret, struct error *e);
    /* Parses sql, one statement, and returns the number of its parameters; inside a transaction. */
    int (*prepare)(struct db *db, const char *sql, size_t *ret_params, struct error *e);
};

/* The time limit of one statement of renewd's own. */
enum { DB_STATEMENT_MS = 1000 };

struct db {
    const struct db_driver *driver;
    void *connection;
    struct db_statements *statements; /* SQLite: compiled, for the next time */
    bool in_transaction;
    bool read_only;
    int statement_ms; /* limit for the next statements; the function that sets it restores it */
    int lock_ms;      /* PostgreSQL: how long a statement waits for a lock; 0 = as long as it may take */
    bool timed;       /* PostgreSQL itself ends a SELECT that takes too long; the connection stays usable */
    bool by_index;    /* PostgreSQL reads no table from end to end where an index serves, whatever it estimates */
    bool away;        /* the connection can no longer be used */
    const atomic_bool *ends; /* PostgreSQL: once true, a statement is not waited for any longer; NULL = never */
    char sqlstate[6];        /* of the last refusal */
    char at[24];             /* PostgreSQL: the name of a data type in it, in which a block says where it was */
    struct map *described;
    size_t at_once; /* of commit_effects_many.c: how many records one block may have; 0 = as many as there may be */
    char *schema;   /* from the dsn: the schema of tables named without one; NULL = the role's search_path */
};

extern const struct db_driver db_sqlite, db_postgresql;

bool db_is_postgresql(const struct db *db);
/* The database's real clock as an expression: Unix seconds, a bigint. */
const char *db_now(const struct db *db);
int db_begin(struct db *db, struct error *e);
int db_commit(struct db *db, struct error *e);
void db_rollback(struct db *db); /* may be called when nothing is open */

/* Runs one statement; ret may be NULL. The error names only SQLSTATE, constraint and table. Codes: -ENOTCONN,
 * -ETIMEDOUT: unavailable; -EDEADLK: deadlock or serialisation failure, the transaction may be repeated; -EBUSY:
 * a lock; -ENOSPC; -EEXIST: unique constraint; -EINVAL: any other error. */
int db_exec(struct db *db, const char *sql, const struct db_param *params, size_t count, struct db_result **ret,
            struct error *e);
/* Runs one statement, which returns no rows, for each of `sets` sets of `count` parameters, set after set. SQLite
 * compiles it once. */
int db_exec_each(struct db *db, const char *sql, const struct db_param *params, size_t count, size_t sets,
                 int64_t *ret_affected, struct error *e);
/* db_exec for a user's own statement: nothing in braces is replaced. */
int db_exec_as_is(struct db *db, const char *sql, const struct db_param *params, size_t count,
                  struct db_result **ret, struct error *e);
/* What the database says of a user's statement, inside a transaction: asked once for each connection, until
 * db_describe_again(). Only for PostgreSQL. */
int db_describe(struct db *db, const char *sql, struct db_described **ret, struct error *e);
void db_describe_again(struct db *db);
/* db_exec with NUL-terminated texts (NULL = SQL NULL), for the usual case. */
int db_run(struct db *db, const char *sql, const char *const *texts, size_t count, struct db_result **ret,
           struct error *e);

/* The drivers fill results with these functions. */
struct db_result *db_result_new(size_t columns);
void db_result_add_row(struct db_result *r, const char *const *values, const size_t *lens);
void db_result_set_affected(struct db_result *r, int64_t affected);
void db_result_free(struct db_result *r);
void db_result_free_p(struct db_result **r);
size_t db_rows(const struct db_result *r);
int64_t db_affected(const struct db_result *r);
const char *db_text(const struct db_result *r, size_t row, size_t column); /* NULL = SQL NULL */
char *db_copy(const struct db_result *r, size_t row, size_t column);       /* the same, the caller's to free */
size_t db_len(const struct db_result *r, size_t row, size_t column);
int64_t db_integer(const struct db_result *r, size_t row, size_t column); /* NULL = 0 */

#endif
