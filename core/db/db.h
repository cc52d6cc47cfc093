/* SPDX-License-Identifier: MIT
 * One database connection, whichever driver: parameters in, text out. Inside core/store only.
 *
 * SQL is written once for both drivers: parameters are $1, $2, ...; {name} stands for renewd's own
 * table `name` (schema renewd on PostgreSQL, prefix renewd_ on SQLite). Where the dialects differ a
 * statement is chosen by db_is_postgresql(). Nothing relies on session state: no prepared
 * statements, no SET outside a transaction, so that transaction poolers work.
 */
#ifndef CORE_DB_DB_H
#define CORE_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/db/connection.h"

struct db_result; /* rows of text; wiped when freed */

struct db_param {
    const char *text; /* NULL = SQL NULL */
    size_t len;
    bool integer; /* digits to be bound as a number where the driver knows types (SQLite) */
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
    /* Parses sql, one statement, and tells how many parameters it takes; inside a transaction. */
    int (*prepare)(struct db *db, const char *sql, size_t *ret_params, struct error *e);
};

/* How long one statement of renewd's own work may take. */
enum { DB_STATEMENT_MS = 1000 };

struct db {
    const struct db_driver *driver;
    void *connection;
    bool in_transaction;
    bool read_only;
    int statement_ms; /* for what follows; set back by whoever sets it */
    bool timed;       /* PostgreSQL itself ends rows' reading that takes too long: the connection stays */
    bool away;        /* the connection is of no more use */
    char sqlstate[6]; /* of the last refusal */
    char *schema;     /* of the dsn: where tables named without one are looked for; NULL = as the role searches */
};

extern const struct db_driver db_sqlite, db_postgresql;

bool db_is_postgresql(const struct db *db);
/* The database's real clock as an expression: Unix seconds, a bigint. */
const char *db_now(const struct db *db);
int db_begin(struct db *db, struct error *e);
int db_commit(struct db *db, struct error *e);
void db_rollback(struct db *db); /* also when nothing is open */

/* Runs one statement; ret may be NULL. The error names SQLSTATE, constraint and table alone. Codes:
 * -ENOTCONN -ETIMEDOUT away; -EDEADLK deadlock or serialisation: the transaction may be repeated; -EBUSY
 * lock; -ENOSPC; -EEXIST unique; -EINVAL any other refusal. */
int db_exec(struct db *db, const char *sql, const struct db_param *params, size_t count, struct db_result **ret,
            struct error *e);
/* A user's own statement: the same, with nothing in braces replaced. */
int db_exec_as_is(struct db *db, const char *sql, const struct db_param *params, size_t count,
                  struct db_result **ret, struct error *e);
/* db_exec with NUL-terminated texts (NULL = SQL NULL), for the usual case. */
int db_run(struct db *db, const char *sql, const char *const *texts, size_t count, struct db_result **ret,
           struct error *e);

/* Drivers fill results with these. */
struct db_result *db_result_new(size_t columns);
void db_result_add_row(struct db_result *r, const char *const *values, const size_t *lens);
void db_result_set_affected(struct db_result *r, int64_t affected);
void db_result_free(struct db_result *r);
void db_result_free_p(struct db_result **r);
size_t db_rows(const struct db_result *r);
int64_t db_affected(const struct db_result *r);
const char *db_text(const struct db_result *r, size_t row, size_t column); /* NULL = SQL NULL */
size_t db_len(const struct db_result *r, size_t row, size_t column);
int64_t db_integer(const struct db_result *r, size_t row, size_t column); /* NULL = 0 */

#endif
