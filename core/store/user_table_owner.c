/* SPDX-License-Identifier: MIT
 * The owner of a row, stored in another table: its names are checked against that table's catalogue, and the
 * expression that every read of a row uses finds the owner with one lookup in a unique index.
 */
#include "core/store/user_table_internal.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/rules/ident.h"
#include "core/store/user_row.h"

enum { LOOKUP_MAX = 4096 };

static const struct catalog_column *owner_lookup(const struct db *db, const struct catalog *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++)
        if ((db_is_postgresql(db) ? strcmp : strcasecmp)(c->columns[i].name, name) == 0)
            return &c->columns[i];
    return NULL;
}

static int missing(const char *job, const struct catalog *c, const char *what, const char *name, struct error *e)
{
    const char *like = NULL;
    for (size_t i = 0; i < c->count && !like; i++)
        if (!strcasecmp(c->columns[i].name, name))
            like = c->columns[i].name;
    return error_set(e, -ENOENT, "job %s: table \"%s\" has no column \"%s\" (owner: %s)%s%s%s", job, c->name, name,
                     what, like ? " - there is \"" : "; correct records.owner", like ? like : "",
                     like ? "\": case counts" : "");
}

static int check_names(const struct db *db, const char *job, const struct owner_requirement *w,
                       const struct catalog *own, const struct catalog *other, struct error *e)
{
    const struct catalog_column *via = owner_lookup(db, own, w->via), *key = owner_lookup(db, other, w->key);
    if (!via)
        return missing(job, own, "via", w->via, e);
    if (!key)
        return missing(job, other, "key", w->key, e);
    if (w->column && !owner_lookup(db, other, w->column))
        return missing(job, other, "column", w->column, e);
    for (size_t i = 0; w->others[i]; i++)
        if (!owner_lookup(db, other, w->others[i]))
            return missing(job, other, "email, name or language", w->others[i], e);
    if (!key->unique && !other->view)
        return error_set(e, -EINVAL,
                         "job %s: owner: column \"%s\" of table \"%s\" is looked up for every "
                         "record and has no unique index of its own: add one, or choose another key",
                         job, key->name, other->name);
    if (via->class != key->class)
        return error_set(e, -EINVAL,
                         "job %s: owner: column \"%s\" (%s) and the key \"%s\" of table \"%s\" "
                         "(%s) are of different types and cannot be compared",
                         job, via->name, via->type, key->name, other->name, key->type);
    return 0;
}

static char *expression(const struct db *db, const struct owner_requirement *w, const struct catalog *own,
                        const struct catalog *other)
{
    struct buf sql;
    buf_init(&sql, LOOKUP_MAX);
    buf_text(&sql, "(SELECT substr(CAST(renewd_o.");
    ident_quote(owner_lookup(db, other, w->column)->name, &sql);
    buf_text(&sql, " AS text), 1, 4096) FROM ");
    if (other->schema) {
        ident_quote(other->schema, &sql);
        buf_char(&sql, '.');
    }
    ident_quote(other->name, &sql);
    buf_text(&sql, " AS renewd_o WHERE renewd_o.");
    ident_quote(owner_lookup(db, other, w->key)->name, &sql);
    buf_text(&sql, " = renewd_t.");
    ident_quote(owner_lookup(db, own, w->via)->name, &sql);
    buf_text(&sql, " LIMIT 1)"); /* a view's key may not be unique */
    return buf_steal(&sql);
}

/* Types that cannot be compared are detected when it is run. */
static int try_it(struct db *db, const struct table *t, const struct owner_requirement *w, const char *sql,
                  struct error *e)
{
    cleanup(buf_done) struct buf all = {0};
    struct error why = {""};
    buf_init(&all, 2 * LOOKUP_MAX);
    buf_printf(&all, "SELECT %s FROM ", sql);
    table_quoted(db, t, &all);
    buf_text(&all, " AS renewd_t LIMIT 0");
    int res = db_run(db, all.data, NULL, 0, NULL, &why);
    if (res == -EACCES) /* rights_job() reports it with all other missing rights */
        return 0;
    if (res < 0)
        return error_set(e, res, "job %s: the owner cannot be read in table %s by its column %s: %s", t->job,
                         w->table, w->key, why.text);
    return 0;
}

int table_owner(struct db *db, const struct table_requirement *wish, const struct catalog *own, struct table *t,
                struct error *e)
{
    const struct owner_requirement *w = wish->owner;
    cleanup(catalog_done) struct catalog other = {0};
    cleanup(free_p) char *schema = NULL, *name = NULL, *sql = NULL;
    struct error why = {""};
    int res = ident_split(w->table, &schema, &name, &why);
    if (res == 0)
        res = db_is_postgresql(db) ? catalog_postgresql(db, schema, name, &other, &why)
                                   : catalog_sqlite(db, schema, name, &other, &why);
    if (res < 0)
        return error_set(e, res, "job %s: owner: %s", wish->job, why.text);
    res = check_names(db, wish->job, w, own, &other, e);
    if (res < 0 || !w->column)
        return res;
    sql = expression(db, w, own, &other);
    res = try_it(db, t, w, sql, e);
    if (res < 0)
        return res;
    t->columns[t->column_count++] = (struct column){.slot = xstrdup("owner"),
                                                    .name = xstrdup(owner_lookup(db, own, w->via)->name),
                                                    .lookup = sql,
                                                    .type = VALUE_TEXT,
                                                    .form = FORM_TEXT,
                                                    .core = true};
    sql = NULL;
    return 0;
}
