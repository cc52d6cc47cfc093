/* SPDX-License-Identifier: MIT
 * The SQLite driver, the only file that includes sqlite3.h. synchronous=FULL; writes begin with BEGIN IMMEDIATE;
 * deleted values are overwritten. Errors give codes and names, never values.
 */
#include "core/db/db.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/db/sqlite_file.h"

enum { BUSY_MS = 1000, OPEN_TRIES = 60, OPEN_PAUSE_MS = 50, VALUE_MAX = 64 * 1024 * 1024 };

struct sqlite_outcome {
    int code; /* extended or primary */
    int result;
    const char *state; /* the SQLSTATE that PostgreSQL would return */
};

static const struct sqlite_outcome outcomes[] = {
    {SQLITE_CONSTRAINT_UNIQUE, -EEXIST, "23505"},
    {SQLITE_CONSTRAINT_PRIMARYKEY, -EEXIST, "23505"},
    {SQLITE_CONSTRAINT_ROWID, -EEXIST, "23505"},
    {SQLITE_CONSTRAINT_NOTNULL, -EINVAL, "23502"},
    {SQLITE_CONSTRAINT_FOREIGNKEY, -EINVAL, "23503"},
    {SQLITE_CONSTRAINT_CHECK, -EINVAL, "23514"},
    {SQLITE_CONSTRAINT_TRIGGER, -EINVAL, "P0001"},
    {SQLITE_CONSTRAINT, -EINVAL, "23000"},
    {SQLITE_MISMATCH, -EINVAL, "22P02"},
    {SQLITE_TOOBIG, -EINVAL, "54000"},
    {SQLITE_BUSY, -EBUSY, "55P03"},
    {SQLITE_LOCKED, -EBUSY, "55P03"},
    {SQLITE_FULL, -ENOSPC, "53100"},
    {SQLITE_PERM, -EACCES, "42501"},
    {SQLITE_AUTH, -EACCES, "42501"},
    {SQLITE_READONLY, -ENOTCONN, "25006"},
    {SQLITE_IOERR, -ENOTCONN, "58030"},
    {SQLITE_CORRUPT, -ENOTCONN, "XX001"},
    {SQLITE_NOTADB, -ENOTCONN, "XX001"},
    {SQLITE_CANTOPEN, -ENOTCONN, "58030"},
    {SQLITE_ERROR, -EINVAL, "42000"},
};

static const struct sqlite_outcome *sqlite_outcome_of(int code)
{
    static const struct sqlite_outcome unknown = {0, -EINVAL, "XX000"};
    const size_t count = sizeof(outcomes) / sizeof(outcomes[0]);
    for (size_t i = 0; i < count; i++)
        if (outcomes[i].code == code)
            return &outcomes[i];
    for (size_t i = 0; i < count; i++)
        if (outcomes[i].code == (code & 0xff))
            return &outcomes[i];
    return &unknown;
}

/* SQLite's message holds only names for these errors; the message of a trigger may hold anything. */
static bool words_are_names(int code, bool parsing)
{
    return parsing || code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
           code == SQLITE_CONSTRAINT_NOTNULL || code == SQLITE_CONSTRAINT_CHECK;
}

static int sqlite_refused(struct db *db, bool parsing, struct error *e)
{
    sqlite3 *s = db->connection;
    int code = sqlite3_extended_errcode(s);
    const struct sqlite_outcome *o = sqlite_outcome_of(code);
    snprintf(db->sqlstate, sizeof(db->sqlstate), "%s", o->state);
    if (o->result == -ENOTCONN)
        db->away = true;
    const char *words = words_are_names(code, parsing)      ? sqlite3_errmsg(s)
                        : code == SQLITE_CONSTRAINT_TRIGGER ? "a trigger refuses it"
                                                            : sqlite3_errstr(code);
    return error_set(e, o->result, "SQLite: %s (%d)", words, code);
}

static int sqlite_simple(struct db *db, const char *sql, struct error *e)
{
    if (sqlite3_exec(db->connection, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_refused(db, false, e);
    return 0;
}

/* Switching to write-ahead logging needs exclusive access for a moment, and does not wait by itself. */
static int patiently(struct db *db, const char *sql, struct error *e)
{
    int r = -EBUSY;
    for (int i = 0; i < OPEN_TRIES && r == -EBUSY; i++) {
        if (i)
            poll(NULL, 0, OPEN_PAUSE_MS);
        r = sqlite_simple(db, sql, e);
    }
    return r;
}

static void statement_end(sqlite3_stmt **s)
{
    sqlite3_finalize(*s);
}

static int compile(struct db *db, const char *sql, sqlite3_stmt **ret, struct error *e)
{
    const char *tail = NULL;
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db->connection, sql, -1, &s, &tail) != SQLITE_OK)
        return sqlite_refused(db, true, e);
    if (!s)
        return error_set(e, -EINVAL, "SQLite: the statement is empty");
    while (tail && *tail && strchr(" \t\r\n;", *tail))
        tail++;
    if (tail && *tail) {
        sqlite3_stmt *more = NULL; /* a comment is not a statement */
        int code = sqlite3_prepare_v2(db->connection, tail, -1, &more, NULL);
        bool second = code != SQLITE_OK || more;
        sqlite3_finalize(more);
        if (second) {
            sqlite3_finalize(s);
            return error_set(e, -EINVAL, "SQLite: there is more than one statement");
        }
    }
    *ret = s;
    return 0;
}

static int application_id(struct db *db, int64_t *ret, struct error *e)
{
    cleanup(statement_end) sqlite3_stmt *s = NULL;
    *ret = 0;
    int r = compile(db, "PRAGMA application_id", &s, e);
    if (r < 0)
        return r;
    int code = sqlite3_step(s);
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int64(s, 0);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : sqlite_refused(db, false, e);
}

/* With write-ahead logging, readers and the writer do not wait for each other. */
static int set_journal(struct db *db, const struct store_options *o, bool made, struct error *e)
{
    char sql[64];
    int64_t id = 0;
    snprintf(sql, sizeof(sql), "PRAGMA application_id = %d", SQLITE_FILE_OURS);
    int r = made ? patiently(db, sql, e) : 0;
    if (!made)
        r = application_id(db, &id, e);
    return r == 0 && sqlite_file_takes_wal(o->wal, made, id) ? patiently(db, "PRAGMA journal_mode = WAL", e) : r;
}

static int set_up(struct db *db, const struct store_options *o, bool made, struct error *e)
{
    sqlite3_extended_result_codes(db->connection, 1);
    sqlite3_busy_timeout(db->connection, BUSY_MS);
    sqlite3_limit(db->connection, SQLITE_LIMIT_LENGTH, VALUE_MAX);
    int r = o->as_it_is ? 0 : set_journal(db, o, made, e);
    if (r == 0)
        r = sqlite_simple(db,
                          "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;"
                          "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384" /* KiB */,
                          e);
    if (r == 0 && db->read_only)
        r = sqlite_simple(db, "PRAGMA query_only = ON", e);
    return r;
}

/* A new file is created with access for its owner only. An existing file is not opened here: closing it would
 * drop the locks that another connection of this process holds on it. */
static int create_file(const char *path, bool *ret_made, struct error *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return error_set(e, -ENOTCONN, "the SQLite database %s cannot be made: %s", path, strerror(errno));
    *ret_made = fd >= 0;
    if (fd >= 0)
        close(fd);
    return 0;
}

static int sqlite_open(struct db *db, const struct store_options *o, struct error *e)
{
    if (!o->path)
        return error_set(e, -EINVAL, "store: driver \"sqlite\" needs a path");
    bool made = false;
    int r = sqlite_file_place(o->path, o->network, e);
    if (r == 0 && !o->read_only && !o->as_it_is)
        r = create_file(o->path, &made, e);
    if (r < 0)
        return r;
    if (access(o->path, R_OK | W_OK) < 0 && errno == EACCES)
        return error_set(e, -EACCES,
                         "the SQLite database %s may not be read and written by the user that renewd runs as: "
                         "chown or chmod it and its folder",
                         o->path);
    sqlite3 *s = NULL;
    db->read_only = o->read_only;
    int code = sqlite3_open_v2(o->path, &s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    db->connection = s;
    struct error why = {""};
    r = code == SQLITE_OK ? set_up(db, o, made, &why) : -ENOTCONN;
    if (r == 0)
        return 0;
    error_set(e, r, "the SQLite database %s cannot be opened: %s", o->path,
              code == SQLITE_OK ? why.text : sqlite3_errstr(code));
    sqlite3_close_v2(s);
    return r == -EINVAL ? -ENOTCONN : r;
}

static bool sqlite_alive(const struct db *db)
{
    return db->connection != NULL;
}

static int sqlite_begin(struct db *db, struct error *e)
{
    return sqlite_simple(db, db->read_only ? "BEGIN" : "BEGIN IMMEDIATE", e);
}

static int sqlite_commit(struct db *db, struct error *e)
{
    return sqlite_simple(db, "COMMIT", e);
}

static void sqlite_rollback(struct db *db)
{
    if (!sqlite3_get_autocommit(db->connection))
        sqlite3_exec(db->connection, "ROLLBACK", NULL, NULL, NULL);
}

/* The number in "$12" or "?12"; 0 for another name. */
static int parameter_number(sqlite3_stmt *s, int index)
{
    const char *name = sqlite3_bind_parameter_name(s, index);
    if (!name || (*name != '$' && *name != '?'))
        return 0;
    char *end;
    long n = strtol(name + 1, &end, 10);
    return *end || n < 1 || n > SHRT_MAX ? 0 : (int)n;
}

/* The numbers of the statement's parameters, in its own order: each is 1 or more, and at most count. */
static int numbers_of(sqlite3_stmt *s, size_t count, int **ret, struct error *e)
{
    cleanup(free_p) int *numbers = xcalloc((size_t)sqlite3_bind_parameter_count(s) + 1, sizeof(*numbers));
    for (int i = 1; i <= sqlite3_bind_parameter_count(s); i++) {
        numbers[i - 1] = parameter_number(s, i);
        if (numbers[i - 1] < 1 || (size_t)numbers[i - 1] > count)
            return error_set(e, -EINVAL, "SQLite: the statement wants a parameter that is not given");
    }
    *ret = numbers;
    numbers = NULL;
    return 0;
}

static int bind_all(struct db *db, sqlite3_stmt *s, const int *numbers, const struct db_param *params,
                    struct error *e)
{
    for (int i = 1; i <= sqlite3_bind_parameter_count(s); i++) {
        const struct db_param *p = &params[numbers[i - 1] - 1];
        char *end = NULL;
        long long number = p->text && p->integer ? strtoll(p->text, &end, 10) : 0;
        int code;
        if (!p->text)
            code = sqlite3_bind_null(s, i);
        else if (end && end != p->text && !*end)
            code = sqlite3_bind_int64(s, i, number);
        else
            code = sqlite3_bind_text64(s, i, p->text, p->len, SQLITE_STATIC, SQLITE_UTF8);
        if (code != SQLITE_OK)
            return sqlite_refused(db, false, e);
    }
    return 0;
}

static void take_row(sqlite3_stmt *s, struct db_result *r, const char **values, size_t *lens)
{
    int columns = sqlite3_column_count(s);
    for (int i = 0; i < columns; i++) {
        values[i] = (const char *)sqlite3_column_text(s, i);
        lens[i] = values[i] ? (size_t)sqlite3_column_bytes(s, i) : 0;
    }
    db_result_add_row(r, values, lens);
}

/* The columns are counted after the first step: only then is a kept statement adapted to a changed table. */
static int sqlite_run(struct db *db, sqlite3_stmt *s, struct db_result **ret, struct error *e)
{
    int before = sqlite3_total_changes(db->connection);
    int code = sqlite3_step(s);
    size_t columns = (size_t)sqlite3_column_count(s);
    cleanup(free_p) const char **values = xcalloc(columns + 1, sizeof(*values));
    cleanup(free_p) size_t *lens = xcalloc(columns + 1, sizeof(*lens));
    cleanup(db_result_free_p) struct db_result *r = db_result_new(columns);
    for (; code == SQLITE_ROW; code = sqlite3_step(s))
        take_row(s, r, values, lens);
    if (code != SQLITE_DONE)
        return sqlite_refused(db, false, e);
    /* sqlite3_changes() still reports the previous statement when this one changes nothing */
    if (!sqlite3_stmt_readonly(s) && sqlite3_total_changes(db->connection) != before)
        db_result_set_affected(r, sqlite3_changes64(db->connection));
    *ret = r;
    r = NULL;
    return 0;
}

/* ---- kept statements ---- */

enum { KEPT_MAX = 64, KEPT_SQL_MAX = 16 * 1024 };

struct db_statements {
    struct kept_statement {
        char *sql;
        size_t len;
        sqlite3_stmt *s;
        uint64_t used;
    } list[KEPT_MAX];
    size_t count;
    uint64_t uses;
};

static void kept_free(struct db *db)
{
    for (size_t i = 0; db->statements && i < db->statements->count; i++) {
        sqlite3_finalize(db->statements->list[i].s);
        free(db->statements->list[i].sql);
    }
    free(db->statements);
    db->statements = NULL;
}

/* NULL: it is not kept, or in use. */
static sqlite3_stmt *kept_take(struct db *db, const char *sql, size_t len)
{
    struct db_statements *all = db->statements;
    for (size_t i = 0; all && i < all->count; i++) {
        struct kept_statement *k = &all->list[i];
        if (k->len != len || memcmp(k->sql, sql, len) != 0)
            continue;
        sqlite3_stmt *s = k->s;
        k->s = NULL;
        k->used = ++all->uses;
        return s;
    }
    return NULL;
}

static bool worth_keeping(const char *sql, size_t len)
{
    static const char *const first[] = {"SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "};
    while (sql[0] == '-' && sql[1] == '-') { /* a user's own begins with a comment */
        sql += strcspn(sql, "\n");
        sql += strspn(sql, " \t\r\n");
    }
    for (size_t i = 0; len <= KEPT_SQL_MAX && i < sizeof(first) / sizeof(first[0]); i++)
        if (!strncmp(sql, first[i], strlen(first[i])))
            return true;
    return false;
}

/* Its place, or that of the one that was not used for the longest time. */
static struct kept_statement *kept_place(struct db_statements *all, const char *sql, size_t len)
{
    struct kept_statement *oldest = &all->list[0];
    for (size_t i = 0; i < all->count; i++) {
        struct kept_statement *k = &all->list[i];
        if (k->len == len && !memcmp(k->sql, sql, len))
            return k;
        if (k->used < oldest->used)
            oldest = k;
    }
    if (all->count < KEPT_MAX)
        oldest = &all->list[all->count++];
    free(oldest->sql);
    sqlite3_finalize(oldest->s);
    *oldest = (struct kept_statement){.sql = xstrdup(sql), .len = len, .used = ++all->uses};
    return oldest;
}

/* Without its parameters, which may be tokens. */
static void kept_put(struct db *db, const char *sql, size_t len, sqlite3_stmt *s)
{
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    if (!worth_keeping(sql, len)) {
        sqlite3_finalize(s);
        return;
    }
    if (!db->statements)
        db->statements = xcalloc(1, sizeof(*db->statements));
    struct kept_statement *k = kept_place(db->statements, sql, len);
    sqlite3_finalize(k->s);
    k->s = s;
}

static int sqlite_once(struct db *db, sqlite3_stmt *s, const struct db_param *params, size_t count,
                       struct db_result **ret, struct error *e)
{
    cleanup(free_p) int *numbers = NULL;
    int r = numbers_of(s, count, &numbers, e);
    if (r == 0)
        r = bind_all(db, s, numbers, params, e);
    return r < 0 ? r : sqlite_run(db, s, ret, e);
}

/* A kept statement whose table is gone fails with fewer words than a new one. */
static int sqlite_exec(struct db *db, const char *sql, const struct db_param *params, size_t count,
                       struct db_result **ret, struct error *e)
{
    size_t len = strlen(sql);
    sqlite3_stmt *s = kept_take(db, sql, len);
    bool kept = s != NULL;
    int r = kept ? 0 : compile(db, sql, &s, e);
    if (r < 0)
        return r;
    r = sqlite_once(db, s, params, count, ret, e);
    if (r == 0) {
        kept_put(db, sql, len, s);
        return 0;
    }
    bool again = kept && (sqlite3_errcode(db->connection) & 0xff) == SQLITE_ERROR;
    sqlite3_finalize(s);
    return again ? sqlite_exec(db, sql, params, count, ret, e) : r;
}

static void sqlite_close(struct db *db)
{
    kept_free(db);
    sqlite3_close_v2(db->connection);
}

static int run_each(struct db *db, sqlite3_stmt *s, const struct db_param *params, size_t count, size_t sets,
                    int64_t *ret_affected, struct error *e)
{
    cleanup(free_p) int *numbers = NULL;
    int r = numbers_of(s, count, &numbers, e);
    for (size_t i = 0; r == 0 && i < sets; i++) {
        int before = sqlite3_total_changes(db->connection), code = SQLITE_DONE;
        r = bind_all(db, s, numbers, params + i * count, e);
        if (r == 0)
            code = sqlite3_step(s);
        if (code != SQLITE_DONE)
            return sqlite_refused(db, false, e);
        if (sqlite3_total_changes(db->connection) != before)
            *ret_affected += sqlite3_changes64(db->connection);
        sqlite3_reset(s);
    }
    return r;
}

static int sqlite_exec_each(struct db *db, const char *sql, const struct db_param *params, size_t count,
                            size_t sets, int64_t *ret_affected, struct error *e)
{
    size_t len = strlen(sql);
    sqlite3_stmt *s = kept_take(db, sql, len);
    int r = s ? 0 : compile(db, sql, &s, e);
    if (r < 0)
        return r;
    r = run_each(db, s, params, count, sets, ret_affected, e);
    if (r == 0)
        kept_put(db, sql, len, s);
    else
        sqlite3_finalize(s);
    return r;
}

static int sqlite_prepare(struct db *db, const char *sql, size_t *ret_params, struct error *e)
{
    cleanup(statement_end) sqlite3_stmt *s = NULL;
    size_t params = 0;
    int r = compile(db, sql, &s, e);
    for (int i = 1; r == 0 && i <= sqlite3_bind_parameter_count(s); i++) {
        int n = parameter_number(s, i);
        if (!n)
            return error_set(e, -EINVAL, "SQLite: parameters are $1, $2, ...; this is not one: %s",
                             sqlite3_bind_parameter_name(s, i) ? sqlite3_bind_parameter_name(s, i) : "?");
        if ((size_t)n > params)
            params = (size_t)n;
    }
    if (r == 0)
        *ret_params = params;
    return r;
}

const struct db_driver db_sqlite = {
    .name = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .alive = sqlite_alive,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .exec = sqlite_exec,
    .exec_each = sqlite_exec_each,
    .prepare = sqlite_prepare,
};
