/* SPDX-License-Identifier: MIT
 * A table in SQLite's schema; see user_table_internal.h. Names are the same in any case there.
 */
#include "core/store/user_table_internal.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"

static bool sqlite_table_has(const char *type, const char *word)
{
    for (; *type; type++)
        if (!strncasecmp(type, word, strlen(word)))
            return true;
    return false;
}

static bool has_any(const char *type, const char *const *words)
{
    for (; *words; words++)
        if (sqlite_table_has(type, *words))
            return true;
    return false;
}

/* SQLite's own rules of affinity, except for dates and times: those hold text unless declared as a number. */
static int sqlite_table_class_of(const char *type)
{
    static const char *const number[] = {"INT", "REAL", "NUM", "DOUB", "FLOA", "DEC", NULL};
    return has_any(type, number) ? CLASS_NUMBER : CLASS_TEXT;
}

static bool keeps_text(const char *type)
{
    static const char *const text[] = {"CHAR", "CLOB", "TEXT", NULL};
    return !sqlite_table_has(type, "INT") && has_any(type, text);
}

/* The file may be the wrong one: renewd makes it if it is not there. */
static int sqlite_no_such_table(struct db *db, const char *name, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db, "SELECT file FROM pragma_database_list WHERE name = 'main'", NULL, 0, &r, e);
    if (res < 0)
        return res;
    return error_set(
        e, -ENOENT,
        "there is no table %s; create it, or correct its name in the job's file or the path of store in "
        "renewd.conf (it was looked for in %s)",
        name, db_text(r, 0, 0));
}

static int sqlite_table_find(struct db *db, const char *name, struct catalog *c, struct error *e)
{
    const char *texts[] = {name};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db,
                     "SELECT name, type FROM sqlite_schema"
                     " WHERE type IN ('table', 'view') AND name = $1 COLLATE NOCASE",
                     texts, 1, &r, e);
    if (res < 0)
        return res;
    if (!db_rows(r))
        return sqlite_no_such_table(db, name, e);
    c->name = xstrdup(db_text(r, 0, 0));
    c->view = !strcmp(db_text(r, 0, 1), "view");
    return 0;
}

static int sqlite_table_read_columns(struct db *db, struct catalog *c, struct error *e)
{
    const char *texts[] = {c->name};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res =
        db_run(db, "SELECT name, type, pk, hidden FROM pragma_table_xinfo($1) WHERE hidden <> 1", texts, 1, &r, e);
    if (res < 0)
        return res;
    size_t keys = 0;
    for (size_t i = 0; i < db_rows(r); i++)
        keys += db_integer(r, i, 2) > 0;
    for (size_t i = 0; i < db_rows(r); i++) {
        const char *type = db_text(r, i, 1);
        struct catalog_column *column = catalog_add(c, db_text(r, i, 0), type);
        column->class = sqlite_table_class_of(column->type);
        column->text_only = keeps_text(column->type);
        column->generated = db_integer(r, i, 3) != 0;
        /* the rowid under another name has no index of its own */
        column->unique = keys == 1 && db_integer(r, i, 2) > 0 && !strcasecmp(column->type, "INTEGER");
    }
    return 0;
}

static int read_unique(struct db *db, struct catalog *c, struct error *e)
{
    const char *texts[] = {c->name};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db,
                     "SELECT min(x.name) FROM pragma_index_list($1) l"
                     " JOIN pragma_index_xinfo(l.name) x ON x.key = 1"
                     " WHERE l.\"unique\" = 1 AND l.partial = 0"
                     " GROUP BY l.name HAVING count(*) = 1 AND min(x.cid) >= 0",
                     texts, 1, &r, e);
    if (res < 0)
        return res;
    for (size_t i = 0; i < db_rows(r); i++)
        for (size_t k = 0; k < c->count; k++)
            if (db_text(r, i, 0) && !strcasecmp(db_text(r, i, 0), c->columns[k].name))
                c->columns[k].unique = true;
    return 0;
}

int catalog_sqlite(struct db *db, const char *schema, const char *name, struct catalog *ret, struct error *e)
{
    cleanup(catalog_done) struct catalog c = {0};
    if (schema && strcasecmp(schema, "main"))
        return error_set(e, -ENOENT, "there is no schema %s; an SQLite database has main alone", schema);
    int res = sqlite_table_find(db, name, &c, e);
    if (res == 0)
        res = sqlite_table_read_columns(db, &c, e);
    if (res == 0)
        res = read_unique(db, &c, e);
    if (res < 0)
        return res;
    *ret = c;
    c = (struct catalog){0};
    return 0;
}
