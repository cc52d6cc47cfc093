/* SPDX-License-Identifier: MIT
 * See user_table_check.h.
 */
#include "core/store/user_table_check.h"

#include <stdlib.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/db/db.h"
#include "core/db/parameters.h"
#include "core/rules/ident.h"
#include "core/store/user_row.h"

enum { FROZEN_LOOKED = 1000, LOOK_SQL_MAX = 65536, NAME_SQL_MAX = 1024 };

#define MAY(commands)                                                                                           \
    "(SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd IN (" commands \
    ")"                                                                                                         \
    " AND EXISTS (SELECT 1 FROM unnest(p.polroles) AS o(id)"                                                    \
    "  WHERE CASE WHEN o.id = 0 THEN true ELSE pg_has_role(o.id, 'USAGE') END))"

static int look_postgresql(struct db *db, const struct table *t, struct table_look *l, struct error *e)
{
    static const char sql[] =
        "SELECT (SELECT string_agg(quote_ident(g.tgname), ', ' ORDER BY g.tgname) FROM pg_trigger g"
        "  WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgtype & 16 <> 0),"
        " row_security_active(c.oid), " MAY("'r', '*'") ", " MAY(
            "'w', '*'") ", c.reltuples::bigint,"
                        " coalesce((SELECT sum(pg_relation_size(i.relid)) FROM pg_partition_tree(c.oid) i), pg_relation_size(c.oid))::bigint"
                        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";
    const char *texts[] = {t->schema, t->name};
    cleanup(db_result_free_p) struct db_result *r = NULL;

    int res = db_run(db, sql, texts, 2, &r, e);
    if (res < 0 || !db_rows(r))
        return res;
    l->triggers = db_copy(r, 0, 0);
    l->row_security = *db_text(r, 0, 1) == 't';
    l->reading = db_integer(r, 0, 2);
    l->writing = db_integer(r, 0, 3);
    l->rows = db_integer(r, 0, 4);
    l->bytes = db_integer(r, 0, 5);
    return 0;
}

static const struct column *column_named(const struct table *t, const char *name)
{
    for (size_t i = 0; i < t->column_count; i++)
        if (!t->columns[i].lookup && strcmp(t->columns[i].name, name) == 0)
            return &t->columns[i];
    return NULL;
}

static int lengths(struct db *db, const struct table *t, struct table_look *l, struct error *e)
{
    static const char sql[] =
        "SELECT a.attname, a.atttypmod - 4 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type y ON y.oid = a.atttypid"
        " WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND y.typname IN ('varchar', 'bpchar')"
        " AND a.atttypmod > 4";
    const char *texts[] = {t->schema, t->name};
    cleanup(db_result_free_p) struct db_result *r = NULL;

    int res = db_run(db, sql, texts, 2, &r, e);
    if (res < 0)
        return res;
    l->narrow = xcalloc(db_rows(r) + 1, sizeof *l->narrow);
    for (size_t i = 0; i < db_rows(r); i++) {
        const struct column *c = column_named(t, db_text(r, i, 0));
        if (c && c->written)
            l->narrow[l->narrow_count++] = (struct narrow){c, db_integer(r, i, 1)};
    }
    return 0;
}

static int look_sqlite(struct db *db, const struct table *t, struct table_look *l, struct error *e)
{
    static const char sql[] = "SELECT group_concat(name, ', ') FROM sqlite_schema WHERE type = 'trigger'"
                              " AND lower(tbl_name) = lower($1) AND name NOT LIKE 'renewd\\_%' ESCAPE '\\'"
                              " AND upper(sql) LIKE '%UPDATE%'";
    const char *texts[] = {t->name};
    cleanup(db_result_free_p) struct db_result *r = NULL;

    int res = db_run(db, sql, texts, 1, &r, e);
    if (res == 0 && db_rows(r) && db_text(r, 0, 0))
        l->triggers = xstrdup(db_text(r, 0, 0));
    return res;
}

/* Locking a row applies the policies of UPDATE, as writing it would. A row that is locked already shows nothing. */
static int look_frozen(struct db *db, const struct table *t, struct table_look *l, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0}, key = {0}, name = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;

    if (!l->row_security || t->view)
        return 0;
    buf_init(&sql, LOOK_SQL_MAX);
    buf_init(&key, NAME_SQL_MAX);
    buf_init(&name, NAME_SQL_MAX);
    ident_quote(t->key, &key);
    table_quoted(db, t, &name);
    buf_printf(&sql, "WITH seen AS (SELECT %s AS k FROM %s WHERE 1 = 1", key.data, name.data);
    row_put_filter(t, "", &a, &sql);
    buf_printf(
        &sql,
        " ORDER BY %s LIMIT %d), free AS (SELECT %s AS k FROM %s WHERE %s IN (SELECT k FROM seen) FOR KEY SHARE)"
        " SELECT count(*) FROM seen WHERE k NOT IN (SELECT k FROM free)",
        key.data, FROZEN_LOOKED, key.data, name.data, key.data);
    int res = db_begin(db, e);
    if (res == 0)
        res = db_exec(db, sql.data, a.params, a.count, &r, e);
    db_rollback(db);
    if (res == 0)
        l->frozen = db_integer(r, 0, 0);
    return store_is_away(res) ? res : 0;
}

int table_look(struct db *db, const struct table *t, struct table_look *ret, struct error *e)
{
    struct table_look l = {.rows = -1};
    int r = 0;

    if (!t->own && db_is_postgresql(db)) {
        r = look_postgresql(db, t, &l, e);
        if (r == 0)
            r = lengths(db, t, &l, e);
        if (r == 0)
            r = look_frozen(db, t, &l, e);
    } else if (!t->own) {
        r = look_sqlite(db, t, &l, e);
    }
    if (r < 0) {
        table_look_done(&l);
        return r;
    }
    *ret = l;
    return 0;
}

char *table_look_hidden(const struct table_look *l, const struct table *t, bool any_row)
{
    if (!l->row_security)
        return NULL;
    if (l->reading == 0 || l->writing == 0)
        return xasprintf(
            "row security is on for %s, and no policy lets renewd's role %s its rows: CREATE POLICY renewd "
            "ON %s FOR ALL TO its role USING (true), or ALTER ROLE ... BYPASSRLS",
            t->name, l->reading == 0 ? "see" : "update", t->name);
    if (l->frozen)
        return xasprintf("row security lets renewd's role see %" PRId64
                         " of the first %d rows of %s and not update them, so "
                         "that a new token could not be written: let its role through in a policy FOR UPDATE",
                         l->frozen, FROZEN_LOOKED, t->name);
    if (any_row || l->rows == 0)
        return NULL;
    if (l->rows < 0)
        return l->bytes <= 0
                   ? NULL
                   : xasprintf(
                         "row security shows renewd's role no row of %s, though its file is not empty (%" PRId64
                         " bytes): let its role through in a policy, or ALTER ROLE ... BYPASSRLS",
                         t->name, l->bytes);
    return xasprintf("row security hides every row of %s from renewd's role (its statistics say %" PRId64 " rows)",
                     t->name, l->rows);
}

void table_look_done(struct table_look *l)
{
    free(l->triggers);
    free(l->narrow);
    *l = (struct table_look){0};
}
