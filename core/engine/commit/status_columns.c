/* SPDX-License-Identifier: MIT
 * `also`: columns of another table that tell an owner about the state of their records ("show a warning"). They are
 * written in the record's own transaction: on_reconnect when only a person can help or at the job's last strike;
 * on_ok at the first success after that, when no other record of any job that writes the column still needs its
 * owner. renewd's table {told} stores for which records a column was written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/db/parameters.h"
#include "core/engine/commit/commit.h"
#include "core/engine/state/state.h"
#include "core/rules/ident.h"
#include "core/rules/outcome.h"
#include "core/store/rights.h"
#include "core/store/wrote_trouble.h"

enum { SQL_MAX = 16384, NAME_MAX_LEN = 48 };

static void sql_append_table(const char *text, struct buf *sql)
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

static void sql_append_text(const char *text, struct buf *sql)
{
    buf_char(sql, '\'');
    for (; *text; text++)
        buf_text(sql, *text == '\'' ? "''" : (char[]){*text, 0});
    buf_char(sql, '\'');
}

static bool is_sqlite(const struct job *j)
{
    return strcmp(j->engine->setup.config->store_driver, "sqlite") == 0;
}

static const char *status_columns_told(const struct job *j)
{
    return is_sqlite(j) ? "renewd_told" : "renewd.told";
}

static char *target_by(const struct job *j, const struct also *a, const char *key, const char *column)
{
    return also_target(a->table, key, column, is_sqlite(j));
}

static char *target_of(const struct job *j, const struct also *a, const char *column)
{
    return target_by(j, a, a->key, column);
}

static void status_columns_sql_append_update(const struct also *a, struct buf *sql)
{
    buf_text(sql, "UPDATE ");
    sql_append_table(a->table, sql);
}

/* $1 ... the values, then the key of the row. */
static char *update_sql(const struct also *a, const struct also_write *list, size_t count)
{
    struct buf sql;
    if (!count)
        return NULL;
    buf_init(&sql, SQL_MAX);
    status_columns_sql_append_update(a, &sql);
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

/* The key of the other row as that row spells it: $3 may be another spelling, in a column of citext, NOCASE or uuid. */
static void sql_append_spelled(const struct also *a, struct buf *sql)
{
    buf_text(sql, "coalesce((SELECT CAST(t.");
    ident_quote(a->key, sql);
    buf_text(sql, " AS text) FROM ");
    sql_append_table(a->table, sql);
    buf_text(sql, " t WHERE t.");
    ident_quote(a->key, sql);
    buf_text(sql, " = $3), CAST($3 AS text))");
}

/* Ends with what told.value is compared with. */
static void sql_append_needed(const struct job *j, const char *target, struct buf *sql)
{
    buf_printf(sql, " AND NOT EXISTS (SELECT 1 FROM %s o WHERE o.target = ", status_columns_told(j));
    sql_append_text(target, sql);
    buf_text(sql, " AND o.value IN (");
}

/* One column: $1 its value, $2 the key of the row, $3 the same as text. It is not written while another record
 * needs it that leads to the row by the same key. Its present value is not read, because reading may be forbidden. */
static char *well_sql(const struct job *j, const struct also *a, const struct also_write *w)
{
    cleanup(free_p) char *target = target_of(j, a, w->column);
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    status_columns_sql_append_update(a, &sql);
    buf_text(&sql, " AS renewd_t SET ");
    ident_quote(w->column, &sql);
    buf_text(&sql, " = $1 WHERE ");
    ident_quote(a->key, &sql);
    buf_text(&sql, " = $2");
    sql_append_needed(j, target, &sql);
    buf_text(&sql, "$3, CAST(renewd_t.");
    ident_quote(a->key, &sql);
    buf_text(&sql, " AS text)))");
    return buf_steal(&sql);
}

/* Whether a record that leads to the row $1 by another key needs the column. It stands for itself, because that key is
 * another job's: its column may be missing, or may not be read. */
static char *unless_sql(const struct job *j, const struct also *a, const char *key, const struct also_write *w)
{
    cleanup(free_p) char *target = target_by(j, a, key, w->column);
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_printf(&sql, "SELECT 1 FROM %s o, ", status_columns_told(j));
    sql_append_table(a->table, &sql);
    buf_text(&sql, " renewd_t WHERE renewd_t.");
    ident_quote(a->key, &sql);
    buf_text(&sql, " = $1 AND o.target = ");
    sql_append_text(target, &sql);
    buf_text(&sql, " AND o.value = CAST(renewd_t.");
    ident_quote(key, &sql);
    buf_text(&sql, " AS text) LIMIT 1");
    return buf_steal(&sql);
}

static char **unless_make(const struct job *j, const struct also *a, const struct also_write *w)
{
    if (!a->other_key_count)
        return NULL;
    char **list = xcalloc(a->other_key_count + 1, sizeof *list);
    for (size_t i = 0; i < a->other_key_count; i++)
        list[i] = unless_sql(j, a, a->other_keys[i], w);
    return list;
}

static void unless_free(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

/* $1 source, $2 key of the record, $3 key of the other row. */
static char *tell_sql(const struct job *j, const struct also *a)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_printf(&sql, "INSERT INTO %s (source, rkey, target, value) VALUES ", status_columns_told(j));
    for (size_t i = 0; i < a->on_reconnect_count; i++) {
        char *target = target_of(j, a, a->on_reconnect[i].column);
        buf_text(&sql, i ? ", ($1, $2, " : "($1, $2, ");
        sql_append_text(target, &sql);
        buf_text(&sql, ", ");
        sql_append_spelled(a, &sql);
        buf_char(&sql, ')');
        free(target);
    }
    buf_text(&sql, " ON CONFLICT DO NOTHING");
    return buf_steal(&sql);
}

static char *forget_sql(const struct job *j, const struct also *a)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    buf_printf(&sql, "DELETE FROM %s WHERE source = $1 AND rkey = $2 AND (value = ", status_columns_told(j));
    sql_append_spelled(a, &sql);
    buf_text(&sql, " OR value = CAST($3 AS text)) AND target IN (");
    for (size_t i = 0; i < a->on_reconnect_count; i++) {
        char *target = target_of(j, a, a->on_reconnect[i].column);
        buf_text(&sql, i ? ", " : "");
        sql_append_text(target, &sql);
        free(target);
    }
    buf_char(&sql, ')');
    return buf_steal(&sql);
}

void status_columns_make(struct job *j)
{
    const struct job_config *c = j->config;
    j->also = xcalloc(c->also_count + 1, sizeof *j->also);
    for (size_t i = 0; i < c->also_count; i++) {
        const struct also *a = &c->also[i];
        j->also[i].well = xcalloc(a->on_ok_count + 1, sizeof *j->also[i].well);
        j->also[i].unless = xcalloc(a->on_ok_count + 1, sizeof *j->also[i].unless);
        for (size_t k = 0; k < a->on_ok_count; k++) {
            j->also[i].well[k] = well_sql(j, a, &a->on_ok[k]);
            j->also[i].unless[k] = unless_make(j, a, &a->on_ok[k]);
        }
        j->also[i].plain = update_sql(a, a->on_ok, a->on_ok_count);
        j->also[i].on_reconnect = update_sql(a, a->on_reconnect, a->on_reconnect_count);
        if (!a->on_reconnect_count)
            continue;
        j->also[i].tell = tell_sql(j, a);
        j->also[i].forget = forget_sql(j, a);
    }
}

void status_columns_free(struct job *j)
{
    for (size_t i = 0; j->also && i < j->config->also_count; i++) {
        for (size_t k = 0; k < j->config->also[i].on_ok_count; k++) {
            free(j->also[i].well[k]);
            unless_free(j->also[i].unless[k]);
        }
        free(j->also[i].well);
        free(j->also[i].unless);
        free(j->also[i].plain);
        free(j->also[i].on_reconnect);
        free(j->also[i].tell);
        free(j->also[i].forget);
    }
    free(j->also);
    j->also = NULL;
}

/* Without the alias SQLite reads an unknown quoted name as a text. */
static bool has_column(struct db *db, const char *table, const char *column)
{
    cleanup(buf_done) struct buf sql = {0};
    struct error ignored;
    buf_init(&sql, SQL_MAX);
    buf_text(&sql, "SELECT t.");
    ident_quote(column, &sql);
    buf_text(&sql, " FROM ");
    sql_append_table(table, &sql);
    buf_text(&sql, " t WHERE 1 = 0");
    return !sql.failed && store_check_statement(db, sql.data, 0, &ignored) >= 0;
}

/* The statement that adds the missing columns; "; add: ALTER TABLE ...". */
static void sql_append_alter(struct db *db, const struct also *a, const struct also_write *list, size_t count,
                             struct buf *to)
{
    for (size_t i = 0; i < count; i++) {
        cleanup(buf_done) struct buf one = {0};
        buf_init(&one, SQL_MAX);
        buf_text(&one, "ALTER TABLE ");
        sql_append_table(a->table, &one);
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
        sql_append_alter(db, a, a->on_ok, a->on_ok_count, &alter);
        sql_append_alter(db, a, a->on_reconnect, a->on_reconnect_count, &alter);
    }
    return error_set(e, result,
                     "also: the table %s, its key %s or a column to be written does not fit this "
                     "database: %s%s",
                     a->table, a->key, why->text, alter.len ? alter.data : "");
}

int status_columns_check(struct db *db, const struct job *j, struct error *e)
{
    for (size_t i = 0; i < j->config->also_count; i++) {
        const struct also *a = &j->config->also[i];
        struct error why;
        int res = 0;
        for (size_t k = 0; k < a->on_ok_count && res >= 0; k++)
            res = store_check_statement(db, j->also[i].well[k], 3, &why);
        if (res >= 0 && j->also[i].on_reconnect)
            res = store_check_statement(db, j->also[i].on_reconnect, a->on_reconnect_count + 1, &why);
        if (res < 0)
            return unfit(db, a, res, &why, e);
    }
    return 0;
}

int status_columns_check_names(struct db *db, const struct job *j, struct error *e)
{
    for (size_t i = 0; i < j->config->also_count; i++) {
        const struct also *a = &j->config->also[i];
        struct error why;
        int res = 0;
        if (j->also[i].plain)
            res = store_check_statement(db, j->also[i].plain, a->on_ok_count + 1, &why);
        if (res >= 0 && j->also[i].on_reconnect)
            res = store_check_statement(db, j->also[i].on_reconnect, a->on_reconnect_count + 1, &why);
        if (res < 0)
            return unfit(db, a, res, &why, e);
    }
    return 0;
}

int status_columns_rights(struct db *db, const struct job_config *c, struct buf *grants, struct error *e)
{
    int res = 0;
    for (size_t i = 0; i < c->also_count && res >= 0; i++) {
        const struct also *a = &c->also[i];
        cleanup(free_p) const char **writes = xcalloc(a->on_ok_count + a->on_reconnect_count + 1, sizeof *writes);
        const char *const reads[] = {a->key, NULL};
        size_t n = 0;
        for (size_t k = 0; k < a->on_ok_count; k++)
            writes[n++] = a->on_ok[k].column;
        for (size_t k = 0; k < a->on_reconnect_count; k++)
            writes[n++] = a->on_reconnect[k].column;
        res = rights_table(db, a->table, reads, writes, grants, e);
    }
    return res;
}

enum also_kind { ALSO_RECONNECT, ALSO_TELL, ALSO_FORGET, ALSO_PLAIN, ALSO_WELL /* and the column's number */ };

static const char *sql_of(const struct job *j, size_t index, size_t kind)
{
    const struct status_columns_update *u = &j->also[index];
    const char *const sql[] = {u->on_reconnect, u->tell, u->forget, u->plain};
    return kind < ALSO_WELL ? sql[kind] : u->well[kind - ALSO_WELL];
}

static void status_columns_name_of(size_t index, size_t kind, char name[NAME_MAX_LEN])
{
    static const char *const names[] = {"reconnect", "tell", "forget", "ok"};
    if (kind < ALSO_WELL)
        snprintf(name, NAME_MAX_LEN, "also:%zu:%s", index, names[kind]);
    else
        snprintf(name, NAME_MAX_LEN, "also:%zu:well:%zu", index, kind - ALSO_WELL);
}

static const char *const *unless_of(const struct job *j, size_t index, size_t kind)
{
    return kind < ALSO_WELL ? NULL : (const char *const *)j->also[index].unless[kind - ALSO_WELL];
}

void status_columns_sql(const struct job *j, struct commit_effect *f)
{
    char mine[NAME_MAX_LEN];
    for (size_t i = 0; i < j->config->also_count; i++)
        for (size_t kind = 0; kind < ALSO_WELL + j->config->also[i].on_ok_count; kind++) {
            status_columns_name_of(i, kind, mine);
            if (strcmp(mine, f->name) != 0)
                continue;
            f->sql = sql_of(j, i, kind);
            f->unless = unless_of(j, i, kind);
        }
}

static void bind_value(const struct job *j, const struct also_write *w, struct bound *b)
{
    b->type = RENEWD_TEXT;
    b->text = w->value ? xstrdup(w->value) : NULL;
    if (!is_sqlite(j) || !w->boolean || !b->text)
        return;
    bool yes = strcmp(b->text, "true") == 0; /* SQLite has no booleans */
    free(b->text);
    b->type = RENEWD_INTEGER;
    b->text = xstrdup(yes ? "1" : "0");
}

static int rehearse(struct db *db, const struct job *j, const char *sql, const struct also_write *list,
                    size_t count, const char *from, bool *ret_any, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    if (!sql)
        return 0;
    for (size_t i = 0; i < count; i++) {
        struct bound b = {0};
        bind_value(j, &list[i], &b);
        if (b.text)
            args_own(&a, b.text);
        else
            args_text(&a, NULL);
        a.params[a.count - 1].integer = b.type == RENEWD_INTEGER;
    }
    args_text(&a, from);
    int res = db_begin(db, e);
    if (res == 0)
        res = db_exec_as_is(db, sql, a.params, a.count, &r, e);
    if (res == 0)
        *ret_any = *ret_any || db_affected(r) > 0;
    db_rollback(db);
    return res;
}

int status_columns_rehearse(struct db *db, const struct job *j, const struct row *row, size_t index, bool *ret_any,
                            struct error *e)
{
    const struct also *a = &j->config->also[index];
    const struct cell *from = row_cell(j->table, row, a->slot);
    struct error why = {""};
    if (!from || !from->text)
        return 0;
    int res = rehearse(db, j, j->also[index].on_reconnect, a->on_reconnect, a->on_reconnect_count, from->text,
                       ret_any, &why);
    if (res >= 0)
        res = rehearse(db, j, j->also[index].plain, a->on_ok, a->on_ok_count, from->text, ret_any, &why);
    if (res < 0)
        return error_set(e, res,
                         "also: a row of %s does not take the values of on_reconnect and on_ok; a constraint, a "
                         "trigger or row security may be the reason: %s",
                         a->table, why.text);
    return 1;
}

static void put_bound(struct bound *b, const char *text)
{
    b->type = RENEWD_TEXT;
    b->text = xstrdup(text);
}

/* NULL without SQL. The caller binds its parameters. */
static struct bound *add_effect(struct commit *c, const struct job *j, size_t index, size_t kind, size_t bound)
{
    char name[NAME_MAX_LEN];
    if (!sql_of(j, index, kind))
        return NULL;
    c->effects = xrealloc(c->effects, (c->effect_count + 1) * sizeof *c->effects);
    struct commit_effect *e = &c->effects[c->effect_count++];
    memset(e, 0, sizeof *e);
    status_columns_name_of(index, kind, name);
    e->kind = EFFECT_RUN;
    e->name = xstrdup(name);
    e->sql = sql_of(j, index, kind);
    e->unless = unless_of(j, index, kind);
    e->rows = RENEWD_ROWS_ANY;
    e->bound = xcalloc(bound, sizeof *e->bound);
    e->bound_count = bound;
    return e->bound;
}

static void add_who(struct commit *c, const struct job *j, size_t index, size_t kind, const char *from)
{
    struct bound *b = add_effect(c, j, index, kind, 3);
    if (!b)
        return;
    put_bound(&b[0], c->after.source);
    put_bound(&b[1], c->after.key);
    put_bound(&b[2], from);
}

static void add_well(struct commit *c, const struct job *j, size_t index, const char *from)
{
    const struct also *a = &j->config->also[index];
    for (size_t k = 0; k < a->on_ok_count; k++) {
        struct bound *b = add_effect(c, j, index, ALSO_WELL + k, 3);
        bind_value(j, &a->on_ok[k], &b[0]);
        put_bound(&b[1], from);
        put_bound(&b[2], from);
    }
}

/* First the table {told}, then the columns: on_ok checks which records are left. */
static void add(struct commit *c, const struct job *j, size_t index, bool ok)
{
    const struct also *a = &j->config->also[index];
    const struct cell *from = row_cell(j->table, &c->row, a->slot);
    if (!from || !from->text)
        return;
    add_who(c, j, index, ok ? ALSO_FORGET : ALSO_TELL, from->text);
    if (ok) {
        add_well(c, j, index, from->text);
        return;
    }
    struct bound *b = add_effect(c, j, index, ALSO_RECONNECT, a->on_reconnect_count + 1);
    for (size_t i = 0; b && i < a->on_reconnect_count; i++)
        bind_value(j, &a->on_reconnect[i], &b[i]);
    if (b)
        put_bound(&b[a->on_reconnect_count], from->text);
}

bool status_columns_person(const struct job *j, const struct record *r)
{
    return r->state == STATE_RECONNECT || (j->config->strikes > 0 && r->strikes >= j->config->strikes);
}

void status_columns_add(struct commit *c, const struct job *j)
{
    const struct record *before = &c->before, *after = &c->after;
    bool ok = c->outcome == OUTCOME_OK &&
              (before->state != STATE_OK || before->strikes || before->ok_at < before->first_seen);
    bool person = c->outcome == OUTCOME_RECONNECT ||
                  (after->strikes > before->strikes && after->strikes == j->config->strikes);
    for (size_t i = 0; (ok || person) && i < j->config->also_count; i++)
        add(c, j, i, ok);
}

void status_columns_take_back(struct commit *c, const struct job *j)
{
    for (size_t i = 0; i < j->config->also_count; i++)
        add(c, j, i, true);
}

void status_columns_tell(struct commit *c, const struct job *j)
{
    for (size_t i = 0; i < j->config->also_count; i++)
        add(c, j, i, false);
}

/* ---- columns written for records that are gone ---- */

enum { STALE_MAX = 1000 };

/* The one on_ok write that is meant; NULL = it no longer exists. */
static const struct also_write *write_of(const struct job *j, const char *target, const struct also **ret)
{
    for (size_t i = 0; i < j->config->also_count; i++)
        for (size_t k = 0; k < j->config->also[i].on_ok_count; k++) {
            *ret = &j->config->also[i];
            char *mine = target_of(j, *ret, (*ret)->on_ok[k].column);
            bool same = strcmp(mine, target) == 0;
            free(mine);
            if (same)
                return &(*ret)->on_ok[k];
        }
    return NULL;
}

static int settle_one(struct db *db, const struct job *j, const struct told_row *t, struct error *e)
{
    const struct also *a = NULL;
    const struct also_write *w = write_of(j, t->target, &a);
    struct bound b[3] = {{0}};
    char *sql = w ? well_sql(j, a, w) : NULL;
    if (w)
        bind_value(j, w, &b[0]);
    put_bound(&b[1], t->value);
    put_bound(&b[2], t->value);
    char **unless = w ? unless_make(j, a, w) : NULL;
    int res = store_told_end(db, j->table->source, t, sql, (const char *const *)unless, b, w ? 3 : 0, e);
    unless_free(unless);
    for (size_t i = 0; i < 3; i++)
        free(b[i].text);
    free(sql);
    return res;
}

int status_columns_settle(struct db *db, const struct job *j, struct error *e)
{
    struct told_row *list = NULL;
    size_t count = 0;
    if (!j->config->also_count)
        return 0;
    int res = store_told_stale(db, j->table->source, j->config->strikes, STALE_MAX, &list, &count, e);
    for (size_t i = 0; res >= 0 && i < count; i++)
        res = settle_one(db, j, &list[i], e);
    told_free(list, count);
    return res;
}
