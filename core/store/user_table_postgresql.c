/* SPDX-License-Identifier: MIT
 * A table in PostgreSQL's catalogue; see user_table_internal.h.
 */
#include "core/store/user_table_internal.h"

#include <errno.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"

static int pg_table_class_of(const char *type)
{
    static const struct {
        const char *type;
        int class;
    } known[] = {
        {"text", CLASS_TEXT},     {"varchar", CLASS_TEXT},        {"bpchar", CLASS_TEXT},
        {"citext", CLASS_TEXT},   {"int2", CLASS_NUMBER},         {"int4", CLASS_NUMBER},
        {"int8", CLASS_NUMBER},   {"numeric", CLASS_NUMBER},      {"float4", CLASS_NUMBER},
        {"float8", CLASS_NUMBER}, {"timestamp", CLASS_TIMESTAMP}, {"timestamptz", CLASS_TIMESTAMPTZ},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (!strcmp(type, known[i].type))
            return known[i].class;
    return CLASS_OTHER;
}

/* Another schema, or another case? */
static int no_such_table(struct db *db, const char *schema, const char *name, struct error *e)
{
    static const char sql[] =
        "SELECT current_database(), (SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE lower(c.relname) = lower($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
        " AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 LIMIT 1)";
    const char *texts[] = {name};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db, sql, texts, 1, &r, e);
    if (res < 0)
        return res;
    const char *like = db_text(r, 0, 1);
    if (like)
        return error_set(e, -ENOENT, "there is no table %s%s%s%s; write its name as it is: %s",
                         schema ? schema : "", schema ? "." : "", name,
                         schema ? "" : " in the schemas that renewd's role searches", like);
    return error_set(e, -ENOENT,
                     "there is no table %s%s%s%s; create it, or correct its name in the job's file or the dsn in "
                     "renewd.conf (it was looked for in the database %s)",
                     schema ? schema : "", schema ? "." : "", name,
                     schema ? "" : " in the schemas that renewd's role searches", db_text(r, 0, 0));
}

static int pg_table_find(struct db *db, const char *schema, const char *name, struct catalog *c, char **ret_oid,
                         struct error *e)
{
    static const char sql[] =
        "SELECT c.oid, n.nspname, c.relname, c.relkind"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = $1"
        " AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
        " AND CASE WHEN $2::text IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = $2::text END";
    const char *texts[] = {name, schema};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db, sql, texts, 2, &r, e);
    if (res < 0)
        return res;
    if (!db_rows(r))
        return no_such_table(db, schema, name, e);
    c->schema = xstrdup(db_text(r, 0, 1));
    c->name = xstrdup(db_text(r, 0, 2));
    c->view = strchr("vmf", *db_text(r, 0, 3)) != NULL;
    *ret_oid = xstrdup(db_text(r, 0, 0));
    return 0;
}

int catalog_postgresql(struct db *db, const char *schema, const char *name, struct catalog *ret, struct error *e)
{
    static const char sql[] =
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), coalesce(b.typname, t.typname),"
        " EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique"
        "  AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = 1"
        "  AND i.indkey[0] = a.attnum),"
        " a.attgenerated <> '' OR a.attidentity = 'a', format_type(a.atttypid, -1)"
        " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
        " LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype"
        " WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
    cleanup(catalog_done) struct catalog c = {0};
    cleanup(free_p) char *oid = NULL;
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = pg_table_find(db, schema ? schema : db->schema, name, &c, &oid, e);
    const char *texts[] = {oid};
    if (res == 0)
        res = db_run(db, sql, texts, 1, &r, e);
    if (res < 0)
        return res;
    for (size_t i = 0; i < db_rows(r); i++) {
        struct catalog_column *column = catalog_add(&c, db_text(r, i, 0), db_text(r, i, 1));
        column->class = pg_table_class_of(db_text(r, i, 2));
        column->text_only = column->class == CLASS_TEXT;
        column->unique = *db_text(r, i, 3) == 't';
        column->generated = *db_text(r, i, 4) == 't';
        column->cast = xstrdup(db_text(r, i, 5));
    }
    *ret = c;
    c = (struct catalog){0};
    return 0;
}
