/* SPDX-License-Identifier: MIT
 * See rights.h.
 */
#include "core/store/rights.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/db/schema_rights.h"
#include "core/db/parameters.h"
#include "core/rules/ident.h"
#include "core/store/list.h"
#include "core/store/user_table_internal.h"

enum { LIST_MAX = 4096, COLUMNS_MAX = 256 };

static bool rights_in(const char *const *list, const char *name)
{
    for (size_t i = 0; list && list[i]; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

/* The columns that are not granted, as "SELECT (a, b)"; column: the column of r that says so. */
static void sql_append_missing(const struct db_result *r, int column, const char *const *asked, const char *right,
                               struct buf *to)
{
    bool any = false;

    for (size_t i = 0; i < db_rows(r); i++) {
        if (*db_text(r, i, (size_t)column) == 't' || !rights_in(asked, db_text(r, i, 0)))
            continue;
        buf_text(to, any ? ", " : to->len ? ", " : "");
        if (!any)
            buf_printf(to, "%s (", right);
        buf_text(to, db_text(r, i, 1));
        any = true;
    }
    if (any)
        buf_text(to, ")");
}

/* The tables below a view, also through other views. A view reads with its owner's rights, or with security_invoker
 * as renewd's role, wherever another view uses it; functions in it run as renewd's role. */
static int sql_append_below(struct db *db, const struct catalog *c, struct buf *grants, struct error *e)
{
    static const char sql[] =
        "WITH RECURSIVE views(oid) AS ("
        "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'v'"
        " UNION SELECT c.oid FROM views v JOIN pg_rewrite w ON w.ev_class = v.oid"
        " JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid"
        " AND d.refclassid = 'pg_class'::regclass JOIN pg_class c ON c.oid = d.refobjid AND c.relkind = 'v'),"
        " needs AS (SELECT d.refclassid, d.refobjid, d.refobjsubid, CASE WHEN (SELECT bool_or(o.option_value::boolean)"
        " FROM pg_options_to_table(c.reloptions) o WHERE o.option_name = 'security_invoker')"
        " THEN (SELECT u.oid FROM pg_roles u WHERE u.rolname = current_user) ELSE c.relowner END AS who"
        " FROM views v JOIN pg_class c ON c.oid = v.oid JOIN pg_rewrite w ON w.ev_class = v.oid"
        " JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refobjid <> v.oid)"
        " SELECT format('GRANT SELECT%s ON %I.%I TO %I',"
        " ' (' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')', m.nspname, b.relname,"
        " pg_get_userbyid(x.who)) FROM (SELECT DISTINCT refobjid, refobjsubid, who FROM needs"
        "  WHERE refclassid = 'pg_class'::regclass AND refobjsubid >= 0) x"
        " JOIN pg_class b ON b.oid = x.refobjid AND b.relkind IN ('r', 'p', 'v', 'm', 'f')"
        " JOIN pg_namespace m ON m.oid = b.relnamespace"
        " LEFT JOIN pg_attribute a ON a.attrelid = b.oid AND a.attnum = x.refobjsubid AND a.attnum > 0"
        " WHERE CASE WHEN a.attnum IS NULL THEN NOT has_any_column_privilege(x.who, b.oid, 'SELECT')"
        " ELSE NOT has_column_privilege(x.who, b.oid, a.attnum, 'SELECT') END"
        " GROUP BY m.nspname, b.relname, x.who"
        " UNION SELECT format('GRANT EXECUTE ON FUNCTION %s TO %I', refobjid::regprocedure, current_user) FROM needs"
        " WHERE refclassid = 'pg_proc'::regclass AND NOT has_function_privilege(refobjid, 'EXECUTE') ORDER BY 1";
    const char *texts[] = {c->schema, c->name};

    return rights_put_found(db, sql, texts, 2, grants, e);
}

/* An UPDATE through views reaches the table below them with the rights of the views' owners, in columns of the same
 * name; where a view renames them, or stands on several tables, it is not known which. */
static int sql_append_written_below(struct db *db, const struct catalog *c, const char *const *writes,
                                    struct buf *grants, struct error *e)
{
    static const char sql[] =
        "WITH RECURSIVE reached(oid, first, who) AS ("
        "SELECT c.oid, true, NULL::oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = $1 AND c.relname = $2"
        " UNION SELECT b.oid, false, CASE WHEN (SELECT bool_or(o.option_value::boolean)"
        " FROM pg_options_to_table(c.reloptions) o WHERE o.option_name = 'security_invoker')"
        " THEN (SELECT u.oid FROM pg_roles u WHERE u.rolname = current_user) ELSE c.relowner END"
        " FROM reached x JOIN pg_class c ON c.oid = x.oid AND c.relkind = 'v'"
        " AND pg_relation_is_updatable(c.oid, false) & 4 = 4"
        " JOIN LATERAL (SELECT min(d.refobjid) AS oid FROM pg_rewrite w JOIN pg_depend d"
        "  ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass"
        "  AND d.refobjid <> c.oid WHERE w.ev_class = c.oid HAVING count(DISTINCT d.refobjid) = 1) b ON true)"
        " SELECT format('GRANT UPDATE (%s) ON %I.%I TO %I',"
        " string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), n.nspname, t.relname, pg_get_userbyid(x.who))"
        " FROM reached x JOIN pg_class t ON t.oid = x.oid JOIN pg_namespace n ON n.oid = t.relnamespace"
        " JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE NOT x.first AND a.attname = ANY($3) AND NOT has_column_privilege(x.who, t.oid, a.attnum, 'UPDATE')"
        " GROUP BY n.nspname, t.relname, x.who ORDER BY 1";
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    size_t count = 0;

    while (writes && writes[count])
        count++;
    if (!count)
        return 0;
    args_text(&a, c->schema);
    args_text(&a, c->name);
    list_add(db, &a, writes, count);
    int res = db_exec(db, sql, a.params, a.count, &r, e);
    for (size_t i = 0; res == 0 && i < db_rows(r); i++)
        rights_put(grants, db_text(r, i, 0));
    return res;
}

static int grants_of(struct db *db, const struct catalog *c, const char *const *reads, const char *const *writes,
                     struct buf *grants, struct error *e)
{
    static const char sql[] =
        "SELECT a.attname, quote_ident(a.attname), has_column_privilege(c.oid, a.attnum, 'SELECT'),"
        " has_column_privilege(c.oid, a.attnum, 'UPDATE'), has_schema_privilege(n.oid, 'USAGE'),"
        " quote_ident(n.nspname), quote_ident(c.relname), quote_ident(current_user)"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE n.nspname = $1 AND c.relname = $2 ORDER BY a.attnum";
    const char *texts[] = {c->schema, c->name};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    cleanup(buf_done) struct buf list = {0};

    int res = db_run(db, sql, texts, 2, &r, e);
    if (res < 0 || !db_rows(r))
        return res;
    const char *schema = db_text(r, 0, 5), *name = db_text(r, 0, 6), *role = db_text(r, 0, 7);
    buf_init(&list, LIST_MAX);
    if (*db_text(r, 0, 4) != 't') {
        cleanup(free_p) char *usage = xasprintf("GRANT USAGE ON SCHEMA %s TO %s", schema, role);
        rights_put(grants, usage);
    }
    sql_append_missing(r, 2, reads, "SELECT", &list);
    sql_append_missing(r, 3, writes, "UPDATE", &list);
    if (list.len) {
        cleanup(free_p) char *grant = xasprintf("GRANT %s ON %s.%s TO %s", list.data, schema, name, role);
        rights_put(grants, grant);
    }
    res = sql_append_below(db, c, grants, e);
    return res < 0 ? res : sql_append_written_below(db, c, writes, grants, e);
}

int rights_table(struct db *db, const char *table, const char *const *reads, const char *const *writes,
                 struct buf *grants, struct error *e)
{
    cleanup(free_p) char *schema = NULL, *name = NULL;
    cleanup(catalog_done) struct catalog c = {0};

    if (!db_is_postgresql(db))
        return 0;
    int r = ident_split(table, &schema, &name, e);
    if (r == 0)
        r = catalog_postgresql(db, schema, name, &c, e);
    return r < 0 ? r : grants_of(db, &c, reads, writes, grants, e);
}

static int rights_owner(struct db *db, const struct owner_requirement *o, struct buf *grants, struct error *e)
{
    const char *reads[8] = {o->key};
    size_t n = 1;

    if (o->column)
        reads[n++] = o->column;
    for (size_t i = 0; i < 4 && o->others[i]; i++)
        reads[n++] = o->others[i];
    return rights_table(db, o->table, reads, NULL, grants, e);
}

int rights_job(struct db *db, const struct table *t, const struct table_requirement *w, struct buf *grants,
               struct error *e)
{
    const char *reads[COLUMNS_MAX] = {t->key}, *writes[COLUMNS_MAX] = {NULL};
    size_t n = 1, written = 0;

    if (t->own || !db_is_postgresql(db))
        return 0;
    for (size_t i = 0; i < t->column_count && n < COLUMNS_MAX - 2; i++) {
        reads[n++] = t->columns[i].name;
        if (t->columns[i].written)
            writes[written++] = t->columns[i].name;
    }
    for (size_t i = 0; i < t->only_count && n < COLUMNS_MAX - 2; i++)
        reads[n++] = t->only[i].column;
    if (w->owner)
        reads[n++] = w->owner->via;
    const struct catalog c = {.schema = t->schema, .name = t->name};
    int r = grants_of(db, &c, reads, writes, grants, e);
    return r < 0 || !w->owner ? r : rights_owner(db, w->owner, grants, e);
}
