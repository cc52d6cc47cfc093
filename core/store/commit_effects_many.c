/* SPDX-License-Identifier: MIT
 * The effects of many commits in one statement (PostgreSQL). Statements are the user's own, for one record each, so
 * they are not rewritten: a block runs them record by record inside the database, in the order in which the plugin
 * recorded them, with the checks of commit_effects.c. It says at which record it failed. Called inside the batch's
 * transaction.
 */
#include "core/store/commit_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <renewd/plugin.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/db/parameters.h"
#include "core/store/list.h"

/* AT_ONCE: a statement has a time limit, and the block is one. */
enum { AT_ONCE = 250, COLUMNS_MAX = 64, BLOCK_MAX = 512 * 1024, OWN_COLUMNS = 3 /* job, attempt, time */ };

static bool begins_with_write(const char *sql)
{
    static const char *const words[] = {"UPDATE", "INSERT", "DELETE", "WITH"};

    sql += strspn(sql, " \t\r\n");
    while (sql[0] == '-' && sql[1] == '-') {
        sql += strcspn(sql, "\n");
        sql += strspn(sql, " \t\r\n");
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t len = strlen(words[i]);
        if (!strncasecmp(sql, words[i], len) && sql[len] && strchr(" \t\r\n", sql[len]))
            return true;
    }
    return false;
}

/* The rest of it is looked at when the database describes it. */
bool commit_effects_fit(const struct commit *c)
{
    size_t columns = OWN_COLUMNS;

    for (size_t i = 0; i < c->effect_count; i++) {
        const struct commit_effect *f = &c->effects[i];
        if (f->kind == EFFECT_RUN && (!f->sql || f->unless || !begins_with_write(f->sql)))
            return false;
        columns += f->kind == EFFECT_RUN ? f->bound_count : 1;
    }
    return columns <= COLUMNS_MAX;
}

static bool same_statements(const struct commit *a, const struct commit *b)
{
    if (a->effect_count != b->effect_count)
        return false;
    for (size_t i = 0; i < a->effect_count; i++) {
        const struct commit_effect *x = &a->effects[i], *y = &b->effects[i];
        if (x->kind != y->kind || x->rows != y->rows || x->bound_count != y->bound_count)
            return false;
        if (x->kind == EFFECT_RUN && x->sql != y->sql && strcmp(x->sql, y->sql) != 0)
            return false;
    }
    return true;
}

/* ---- the block ---- */

static void put_check(const struct commit_effect *f, struct buf *b)
{
    if (f->rows == RENEWD_ROWS_ANY)
        return;
    buf_printf(b,
               "GET DIAGNOSTICS renewd_n = ROW_COUNT; IF renewd_n %s 1 THEN RAISE EXCEPTION"
               " USING ERRCODE = 'RN001', MESSAGE = 'rows'; END IF;\n",
               f->rows == RENEWD_ROWS_ONE ? "<>" : ">");
}

/* The statement's own $1, $2, ... are variables of these names. It may end in a comment. */
static void put_run(const struct commit_effect *f, const struct db_described *d, size_t column, struct buf *b)
{
    size_t len = strlen(f->sql);

    while (len && strchr("; \t\r\n", f->sql[len - 1]))
        len--;
    buf_text(b, "DECLARE");
    for (size_t i = 0; i < d->count; i++)
        buf_printf(b, " \"$%zu\" %s := renewd_p%zu;", i + 1, d->types[i], column + i);
    buf_text(b, " BEGIN\n");
    buf_append(b, f->sql, len);
    buf_text(b, "\n;\n");
    put_check(f, b);
    buf_text(b, "END;\n");
}

/* What is in the ledger by another attempt ends this record's effects. */
static void put_once(size_t column, struct buf *b)
{
    buf_printf(b,
               "INSERT INTO renewd.ledger (job, key, attempt_id, created_at)"
               " VALUES (renewd_p1, renewd_p%zu, renewd_p2, renewd_p3::bigint) ON CONFLICT (job, key) DO NOTHING;\n"
               "GET DIAGNOSTICS renewd_n = ROW_COUNT;\n"
               "CONTINUE WHEN renewd_n = 0 AND NOT EXISTS (SELECT 1 FROM renewd.ledger l"
               " WHERE l.job = renewd_p1 AND l.key = renewd_p%zu AND l.attempt_id = renewd_p2);\n",
               column, column);
}

static void put_columns(const char *before, size_t columns, const char *after, struct buf *b)
{
    for (size_t i = 1; i <= columns; i++)
        buf_printf(b, "%s%s%zu%s", i > 1 ? ", " : "", before, i, after);
}

/* A failure inside is raised once more, with the record's number. */
static int put_block(struct db *db, const struct commit *c, size_t columns, struct buf *b, struct error *e)
{
    size_t column = OWN_COLUMNS + 1;

    buf_text(b, "#variable_conflict use_column\nDECLARE renewd_at bigint; renewd_n bigint; renewd_s text;"
                " renewd_c text; renewd_t text;");
    for (size_t i = 1; i <= columns; i++)
        buf_printf(b, " renewd_p%zu text;", i);
    buf_text(b, " BEGIN\nFOR renewd_at, ");
    put_columns("renewd_p", columns, "", b);
    buf_text(b, " IN SELECT u.o, ");
    put_columns("u.p", columns, "", b);
    buf_text(b, " FROM unnest(");
    put_columns("pg_catalog.current_setting('renewd.p", columns, "')::text[]", b);
    buf_text(b, ") WITH ORDINALITY AS u(");
    put_columns("p", columns, "", b);
    buf_text(b, ", o) LOOP\n");
    for (size_t i = 0; i < c->effect_count; i++) {
        const struct commit_effect *f = &c->effects[i];
        struct db_described *d = NULL;
        int r = f->kind == EFFECT_RUN ? db_describe(db, f->sql, &d, e) : 0;
        if (r < 0)
            return r;
        if (!d)
            put_once(column++, b);
        else
            put_run(f, d, column, b);
        column += d ? d->count : 0;
    }
    buf_text(b, "END LOOP;\nEXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS renewd_s = RETURNED_SQLSTATE,"
                " renewd_c = CONSTRAINT_NAME, renewd_t = TABLE_NAME;\n"
                "RAISE EXCEPTION USING ERRCODE = renewd_s, MESSAGE = SQLERRM, CONSTRAINT = renewd_c,"
                " TABLE = renewd_t, DATATYPE = coalesce(renewd_at::text, '');\nEND");
    return b->failed ? error_set(e, -ENOBUFS, "the statements are too long to be run together") : 0;
}

static void put_quoted(const char *text, struct buf *sql)
{
    buf_text(sql, "E'");
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            buf_char(sql, *text);
        buf_char(sql, *text);
    }
    buf_char(sql, '\'');
}

static int run_block(struct db *db, const struct commit *c, size_t columns, struct error *e)
{
    cleanup(buf_done) struct buf block = {0}, sql = {0};

    buf_init(&block, BLOCK_MAX);
    buf_init(&sql, 2 * BLOCK_MAX);
    int r = put_block(db, c, columns, &block, e);
    if (r < 0)
        return r;
    buf_text(&sql, "DO ");
    put_quoted(block.data, &sql);
    if (sql.failed)
        return error_set(e, -ENOBUFS, "the statements are too long to be run together");
    return db_exec_as_is(db, sql.data, NULL, 0, NULL, e);
}

/* ---- the records ---- */

struct lists {
    struct buf list[COLUMNS_MAX];
    size_t count;
};

static void lists_done(struct lists *l)
{
    for (size_t i = 0; i < l->count; i++)
        buf_done(&l->list[i]);
}

static int lists_add(struct db *db, const struct commit *c, struct lists *l, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    size_t column = 0;

    args_text(&a, c->before.job);
    args_text(&a, c->attempt_id);
    args_number(&a, c->finished_at);
    for (size_t i = 0; i < c->effect_count; i++) {
        const struct commit_effect *f = &c->effects[i];
        if (f->kind == EFFECT_ONCE)
            args_text(&a, f->name);
        for (size_t k = 0; f->kind == EFFECT_RUN && k < f->bound_count; k++) {
            int r = commit_effect_bind(&a, &f->bound[k], f, e);
            if (r < 0)
                return r;
        }
    }
    for (; column < a.count; column++)
        list_put_text(db, a.params[column].text, &l->list[column]);
    return 0;
}

/* The lists are settings of this transaction: a block takes no parameters. A lock must be given up before the block's own
 * time ends, which says nothing of where that was. */
static int give_lists(struct db *db, struct lists *l, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};

    buf_init(&sql, 16 * 1024);
    int lock_ms = db->lock_ms && db->lock_ms < db->statement_ms / 2 ? db->lock_ms : db->statement_ms / 2;
    buf_printf(&sql, "SELECT pg_catalog.set_config('lock_timeout', '%d', true) IS NULL", lock_ms);
    for (size_t i = 0; i < l->count; i++) {
        buf_char(&l->list[i], '}');
        if (l->list[i].failed)
            return error_set(e, -ENOBUFS, "the values are too long to be written together");
        buf_printf(&sql, ", pg_catalog.set_config('renewd.p%zu', $%d, true) IS NULL", i + 1,
                   args_add(&a, l->list[i].data, l->list[i].len));
    }
    return db_exec_as_is(db, sql.data, a.params, a.count, NULL, e);
}

static size_t block_columns(const struct commit *c)
{
    size_t columns = OWN_COLUMNS;

    for (size_t i = 0; i < c->effect_count; i++)
        columns += c->effects[i].kind == EFFECT_RUN ? c->effects[i].bound_count : 1;
    return columns;
}

/* Whether its statements may be in a block, now that the database has said what they are. */
static int may_run(struct db *db, const struct commit *c, bool *ret, struct error *e)
{
    for (size_t i = 0; i < c->effect_count; i++) {
        const struct commit_effect *f = &c->effects[i];
        struct db_described *d = NULL;
        int r = f->kind == EFFECT_RUN ? db_describe(db, f->sql, &d, e) : 0;
        if (r < 0)
            return r;
        if (d && (d->rows || d->unfit || d->count != f->bound_count)) {
            *ret = false;
            return 0;
        }
    }
    *ret = true;
    return 0;
}

/* The database does not take them in a block, whatever the record: one at a time from now on. */
static void note_unfit(struct db *db, const struct commit *c)
{
    struct db_described *d = NULL;

    for (size_t i = 0; i < c->effect_count && !d; i++)
        if (c->effects[i].kind == EFFECT_RUN && db_describe(db, c->effects[i].sql, &d, NULL) == 0)
            d->unfit = true;
}

static int group_run(struct db *db, struct commit_work *const *group, size_t count, size_t *ret_at, struct error *e)
{
    const struct commit *first = group[0]->c;
    cleanup(lists_done) struct lists l = {.count = block_columns(first)};

    *ret_at = count;
    for (size_t i = 0; i < l.count; i++)
        buf_init(&l.list[i], LIST_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        int r = lists_add(db, group[i]->c, &l, e);
        if (r < 0) {
            *ret_at = i;
            return r;
        }
    }
    int r = give_lists(db, &l, e);
    if (r == 0)
        r = run_block(db, first, l.count, e);
    if (r == 0 && db->at_once && db->at_once < AT_ONCE)
        db->at_once++;
    if (r < 0 && !strcmp(db->sqlstate, "57014") && count > 1) /* too many for the time of one statement */
        db->at_once = count / 2;
    if (r == 0 || !db_alive(db))
        return r;
    if (db->at[0])
        *ret_at = (size_t)strtoul(db->at, NULL, 10) - 1;
    if (!strncmp(db->sqlstate, "42", 2) && (r != -EACCES || !db->at[0])) /* of the block itself: the language */
        note_unfit(db, first);
    else
        db_describe_again(db); /* a column may have another type by now */
    return r;
}

/* Takes those that are like the first one out of the list. */
static size_t take_group(const struct db *db, struct commit_work **list, size_t count, struct commit_work **group)
{
    const struct commit *first = NULL;
    size_t found = 0, most = db->at_once ? db->at_once : AT_ONCE;

    for (size_t i = 0; i < count && found < most; i++) {
        if (!list[i] || (first && !same_statements(first, list[i]->c)))
            continue;
        first = first ? first : list[i]->c;
        group[found++] = list[i];
        list[i] = NULL;
    }
    return found;
}

int commit_effects_many(struct db *db, struct commit_work **list, size_t count, struct commit_work **ret_at,
                        struct error *e)
{
    cleanup(free_p) struct commit_work **left = xcalloc(count + 1, sizeof(*left));
    struct commit_work *group[AT_ONCE];
    size_t some, at = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        bool may = true;
        if (list[i]->c->effect_count)
            r = may_run(db, list[i]->c, &may, e);
        left[i] = may && list[i]->c->effect_count ? list[i] : NULL;
        if (!may)
            list[i] = NULL;
    }
    while (r == 0 && (some = take_group(db, left, count, group)) > 0) {
        r = group_run(db, group, some, &at, e);
        if (r < 0 && at < some)
            *ret_at = group[at];
    }
    return r;
}
