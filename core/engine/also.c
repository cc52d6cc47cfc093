/* SPDX-License-Identifier: MIT
 * `also`: columns of another table that say what a record's state means for its owner ("show a warning").
 * Written in the same transaction as the record: on_reconnect when only a person can help or at the
 * job's last strike, on_ok at the first success after that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/domain/ident.h"
#include "core/domain/outcome.h"
#include "core/engine/internal.h"
#include "core/store/rights.h"

enum { SQL_MAX = 16384, NAME_MAX_LEN = 48 };

static void put_table(const char *text, struct buf *sql)
{
    char *schema = NULL, *name = NULL;
    if (ident_split(text, &schema, &name, NULL) >= 0) {
        if (schema) {
            ident_quote(schema, sql);
            buf_char(sql, '.');
        }
        ident_quote(name, sql);
    }
    free(schema);
    free(name);
}

static char *update_sql(const struct also *a, const struct also_write *list, size_t count)
{
    struct buf sql;
    if (!count)
        return NULL;
    buf_init(&sql, SQL_MAX);
    buf_text(&sql, "UPDATE ");
    put_table(a->table, &sql);
    for (size_t i = 0; i < count; i++) {
        buf_text(&sql, i ? ", " : " SET ");
        ident_quote(list[i].column, &sql);
        buf_printf(&sql, " = $%zu", i + 1);
    }
    buf_text(&sql, " WHERE ");
    ident_quote(a->key, &sql);
    buf_printf(&sql, " = $%zu", count + 1);
    return buf_steal(&sql);
}

void also_make(struct job *j)
{
    const struct job_config *c = j->config;
    j->also = xcalloc(c->also_count + 1, sizeof *j->also);
    for (size_t i = 0; i < c->also_count; i++) {
        j->also[i].on_ok = update_sql(&c->also[i], c->also[i].on_ok, c->also[i].on_ok_count);
        j->also[i].on_reconnect =
            update_sql(&c->also[i], c->also[i].on_reconnect, c->also[i].on_reconnect_count);
    }
}

void also_free(struct job *j)
{
    for (size_t i = 0; j->also && i < j->config->also_count; i++) {
        free(j->also[i].on_ok);
        free(j->also[i].on_reconnect);
    }
    free(j->also);
    j->also = NULL;
}

/* The alias keeps SQLite from reading a quoted name that it does not know as a text. */
static bool has_column(struct db *db, const char *table, const char *column)
{
    cleanup(buf_done) struct buf sql = {0};
    struct error ignored;
    buf_init(&sql, SQL_MAX);
    buf_text(&sql, "SELECT t.");
    ident_quote(column, &sql);
    buf_text(&sql, " FROM ");
    put_table(table, &sql);
    buf_text(&sql, " t WHERE 1 = 0");
    return !sql.failed && store_check_statement(db, sql.data, 0, &ignored) >= 0;
}

/* What adds the columns that are missing; "; add: ALTER TABLE ...". */
static void put_alter(struct db *db, const struct also *a, const struct also_write *list, size_t count,
                      struct buf *to)
{
    for (size_t i = 0; i < count; i++) {
        cleanup(buf_done) struct buf one = {0};
        buf_init(&one, SQL_MAX);
        buf_text(&one, "ALTER TABLE ");
        put_table(a->table, &one);
        buf_text(&one, " ADD COLUMN ");
        ident_quote(list[i].column, &one);
        buf_text(&one, list[i].boolean ? " boolean DEFAULT false;" : " text;");
        if (one.failed || has_column(db, a->table, list[i].column) || (to->len && strstr(to->data, one.data)))
            continue;
        buf_printf(to, "%s%s", to->len ? " " : "; add: ", one.data);
    }
}

static int unfit(struct db *db, const struct also *a, int result, const struct error *why, struct error *e)
{
    cleanup(buf_done) struct buf alter = {0};
    buf_init(&alter, SQL_MAX);
    if (has_column(db, a->table, a->key)) {
        put_alter(db, a, a->on_ok, a->on_ok_count, &alter);
        put_alter(db, a, a->on_reconnect, a->on_reconnect_count, &alter);
    }
    return error_set(e, result, "also: the table %s, its key %s or a column to be written does not fit this "
                     "database: %s%s", a->table, a->key, why->text, alter.len ? alter.data : "");
}

int also_check(struct db *db, const struct job *j, struct error *e)
{
    for (size_t i = 0; i < j->config->also_count; i++) {
        const struct also *a = &j->config->also[i];
        struct error why;
        int res = 0;
        if (j->also[i].on_ok)
            res = store_check_statement(db, j->also[i].on_ok, a->on_ok_count + 1, &why);
        if (res >= 0 && j->also[i].on_reconnect)
            res = store_check_statement(db, j->also[i].on_reconnect, a->on_reconnect_count + 1, &why);
        if (res < 0)
            return unfit(db, a, res, &why, e);
    }
    return 0;
}

int also_rights(struct db *db, const struct job_config *c, struct buf *grants, struct error *e)
{
    int res = 0;
    for (size_t i = 0; i < c->also_count && res >= 0; i++) {
        const struct also *a = &c->also[i];
        cleanup(free_p) const char **writes = xcalloc(a->on_ok_count + a->on_reconnect_count + 1, sizeof *writes);
        const char *reads[] = {a->key, NULL};
        size_t n = 0;
        for (size_t k = 0; k < a->on_ok_count; k++)
            writes[n++] = a->on_ok[k].column;
        for (size_t k = 0; k < a->on_reconnect_count; k++)
            writes[n++] = a->on_reconnect[k].column;
        res = rights_table(db, a->table, reads, writes, grants, e);
    }
    return res;
}

static void name_of(size_t index, bool ok, char name[NAME_MAX_LEN])
{
    snprintf(name, NAME_MAX_LEN, "also:%zu:%s", index, ok ? "ok" : "reconnect");
}

const char *also_sql(const struct job *j, const char *name)
{
    char mine[NAME_MAX_LEN];
    for (size_t i = 0; i < j->config->also_count; i++) {
        name_of(i, true, mine);
        if (strcmp(mine, name) == 0)
            return j->also[i].on_ok;
        name_of(i, false, mine);
        if (strcmp(mine, name) == 0)
            return j->also[i].on_reconnect;
    }
    return NULL;
}

static void bind_value(const struct job *j, const struct also_write *w, struct bound *b)
{
    bool sqlite = strcmp(j->engine->setup.config->store_driver, "sqlite") == 0;
    b->type = RENEWD_TEXT;
    b->text = w->value ? xstrdup(w->value) : NULL;
    if (!sqlite || !w->boolean || !b->text)
        return;
    bool yes = strcmp(b->text, "true") == 0; /* SQLite has no booleans */
    free(b->text);
    b->type = RENEWD_INTEGER;
    b->text = xstrdup(yes ? "1" : "0");
}

static void add(struct commit *c, const struct job *j, size_t index, bool ok)
{
    const struct also *a = &j->config->also[index];
    const struct also_write *list = ok ? a->on_ok : a->on_reconnect;
    size_t count = ok ? a->on_ok_count : a->on_reconnect_count;
    char slot[NAME_MAX_LEN];
    snprintf(slot, sizeof slot, "also:%zu", index);
    const struct cell *from = row_cell(j->table, &c->row, slot);
    if (!count || !from || !from->text)
        return;
    c->effects = xrealloc(c->effects, (c->effect_count + 1) * sizeof *c->effects);
    struct commit_effect *e = &c->effects[c->effect_count++];
    memset(e, 0, sizeof *e);
    name_of(index, ok, slot);
    e->kind = EFFECT_RUN;
    e->name = xstrdup(slot);
    e->sql = ok ? j->also[index].on_ok : j->also[index].on_reconnect;
    e->rows = RENEWD_ROWS_ANY;
    e->bound = xcalloc(count + 1, sizeof *e->bound);
    e->bound_count = count + 1;
    for (size_t i = 0; i < count; i++)
        bind_value(j, &list[i], &e->bound[i]);
    e->bound[count].type = RENEWD_TEXT;
    e->bound[count].text = xstrdup(from->text);
}

bool also_person(const struct job *j, const struct record *r)
{
    return r->state == STATE_RECONNECT || (j->config->strikes > 0 && r->strikes >= j->config->strikes);
}

void also_add(struct commit *c, const struct job *j)
{
    const struct record *before = &c->before, *after = &c->after;
    bool ok = c->outcome == OUTCOME_OK &&
              (before->state != STATE_OK || before->strikes || before->ok_at < before->first_seen);
    bool person = c->outcome == OUTCOME_RECONNECT ||
                  (after->strikes > before->strikes && after->strikes == j->config->strikes);
    for (size_t i = 0; (ok || person) && i < j->config->also_count; i++)
        add(c, j, i, ok);
}

void also_take_back(struct commit *c, const struct job *j)
{
    for (size_t i = 0; i < j->config->also_count; i++)
        add(c, j, i, true);
}
