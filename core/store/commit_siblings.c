/* SPDX-License-Identifier: MIT
 * Rows in which several jobs keep records and write the same column: its value is that of the worst record. Called
 * inside the batch's transaction, in which the others' records are locked.
 */
#include "core/store/commit_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/db/parameters.h"
#include "core/rules/ident.h"
#include "core/rules/outcome.h"
#include "core/store/record_row.h"
#include "core/store/user_row.h"

enum { SQL_MAX = 1 << 14 };

/* A withheld verdict, and a credential that was taken out, write nothing to the row. */
static bool says(const struct record *r)
{
    return !r->without_credential && !(r->last_code && !strcmp(r->last_code, "withheld"));
}

static struct write *write_in(struct commit_work *w, const char *slot)
{
    for (size_t i = 0; i < w->c->write_count; i++)
        if (!strcmp(w->c->table->columns[w->c->writes[i].column].slot, slot))
            return &w->writes[i];
    return NULL;
}

static void instead(struct commit_work *w, struct write *to, const char *text)
{
    w->texts = xrealloc(w->texts, (w->text_count + 1) * sizeof *w->texts);
    to->text = w->texts[w->text_count++] = xstrdup(text);
    to->len = strlen(text);
}

static const struct sibling *sibling_of(const struct commit *c, const char *source)
{
    for (size_t i = 0; i < c->sibling_count; i++)
        if (!strcmp(c->siblings[i].source, source))
            return &c->siblings[i];
    return NULL;
}

static void weigh_error(struct commit_work *w, const struct record *r, int *io_worst)
{
    struct write *to = write_in(w, "last_error");

    if (!to || r->last_outcome <= OUTCOME_OK || state_rank(r->state) <= *io_worst)
        return;
    *io_worst = state_rank(r->state);
    cleanup(free_p) char *said = failure_said(r->last_code, r->last_outcome, r->last_text);
    instead(w, to, said);
}

static void weigh(struct commit_work *w, const struct record *list, size_t count)
{
    int mine = state_rank(w->c->after.state), status = mine, error = mine;
    int strikes = w->c->after.strikes;

    for (size_t i = 0; i < count; i++) {
        const struct record *r = &list[i];
        const struct sibling *s = sibling_of(w->c, r->source);
        struct write *to = write_in(w, "status");
        if (!s || !says(r))
            continue;
        if (to && s->status && s->values[r->state] && state_rank(r->state) > status) {
            status = state_rank(r->state);
            instead(w, to, s->values[r->state]);
        }
        if (s->last_error)
            weigh_error(w, r, &error);
        to = write_in(w, "strikes");
        if (to && s->strikes && r->strikes > strikes) {
            char text[24];
            snprintf(text, sizeof text, "%d", strikes = r->strikes);
            instead(w, to, text);
        }
    }
}

/* Without the column, or the right to read it, the other job is held for that; this one goes on without it. */
static int ask_for_keys(struct db *db, const char *sql, const struct args *a, struct db_result **ret,
                        struct error *e)
{
    bool pg = db_is_postgresql(db);
    int r = pg ? db_run(db, "SAVEPOINT renewd_siblings", NULL, 0, NULL, e) : 0;

    if (r < 0)
        return r;
    r = db_exec(db, sql, a->params, a->count, ret, e);
    if (r != -EINVAL && r != -EACCES)
        return r;
    *ret = NULL;
    return pg ? db_run(db, "ROLLBACK TO SAVEPOINT renewd_siblings", NULL, 0, NULL, e) : 0;
}

/* Jobs may name one row by different columns. */
int commit_siblings_find(struct db *db, struct commit_work *w, struct error *e)
{
    const struct commit *c = w->c;
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    size_t others = 0, at = 0;

    buf_init(&sql, SQL_MAX);
    for (size_t i = 0; i < c->sibling_count; i++) {
        if (!c->siblings[i].key)
            continue;
        buf_text(&sql, others++ ? ", CAST(" : "SELECT CAST(");
        ident_quote(c->siblings[i].key, &sql);
        buf_text(&sql, " AS text)");
    }
    if (!others || !c->table || w->sibling_keys)
        return 0;
    buf_text(&sql, " FROM ");
    table_quoted(db, c->table, &sql);
    buf_text(&sql, " WHERE ");
    ident_quote(c->table->key, &sql);
    buf_printf(&sql, " = $%d", args_text(&a, c->before.key));
    int res = ask_for_keys(db, sql.data, &a, &r, e);
    if (res < 0)
        return res;
    w->sibling_keys = xcalloc(c->sibling_count, sizeof *w->sibling_keys);
    for (size_t i = 0; r && db_rows(r) && i < c->sibling_count; i++) {
        const char *key = c->siblings[i].key ? db_text(r, 0, at++) : NULL;
        w->sibling_keys[i] = key ? xstrdup(key) : NULL;
    }
    return 0;
}

const char *commit_sibling_key(const struct commit_work *w, size_t sibling)
{
    if (!w->c->siblings[sibling].key)
        return w->c->before.key;
    return w->sibling_keys ? w->sibling_keys[sibling] : NULL;
}

static int read_others(struct db *db, const struct commit_work *w, struct record **ret, size_t *ret_count,
                       struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;

    buf_init(&sql, SQL_MAX);
    buf_text(&sql, "SELECT ");
    record_columns("", &sql);
    buf_text(&sql, " FROM {records} WHERE");
    for (size_t i = 0; i < w->c->sibling_count; i++)
        buf_printf(&sql, "%s (source = $%d AND rkey = $%d)", i ? " OR" : "",
                   args_text(&a, w->c->siblings[i].source), args_text(&a, commit_sibling_key(w, i)));
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res < 0)
        return res;
    *ret_count = db_rows(r);
    *ret = xcalloc(*ret_count + 1, sizeof **ret);
    for (size_t i = 0; i < *ret_count; i++)
        record_from_result(r, i, 0, &(*ret)[i]);
    return 0;
}

int commit_siblings(struct db *db, struct commit_work *w, struct error *e)
{
    const struct commit *c = w->c;
    struct record *list = NULL;
    size_t count = 0;

    if (!c->sibling_count || !c->write_count)
        return 0;
    int r = read_others(db, w, &list, &count, e);
    if (r < 0 || !count) {
        free(list);
        return r;
    }
    w->writes = xmemdup(c->writes, c->write_count * sizeof *c->writes);
    weigh(w, list, count);
    records_free(list, count);
    return 0;
}

/* renewd writes this value for all of the jobs: none of them may take it for a value of the application. */
static int know_status(struct db *db, const struct sibling *s, const char *key, const char *text, struct error *e)
{
    const char *texts[] = {s->source, key, text};

    return db_run(db, "UPDATE {records} SET wrote_status = $3 WHERE source = $1 AND rkey = $2", texts, 3, NULL, e);
}

static int know_time(struct db *db, const struct sibling *s, const char *key, const char *text, struct error *e)
{
    cleanup(args_done) struct args a = {0};

    args_text(&a, s->source);
    args_text(&a, key);
    args_number(&a, strtoll(text, NULL, 10));
    return db_exec(db, "UPDATE {records} SET refreshed_at = $3 WHERE source = $1 AND rkey = $2", a.params, a.count,
                   NULL, e);
}

int commit_siblings_know(struct db *db, struct commit_work *w, struct error *e)
{
    const struct commit *c = w->c;
    struct write *status = w->writes ? write_in(w, "status") : NULL;
    struct write *at = w->writes ? write_in(w, "refreshed_at") : NULL;
    int r = 0;

    for (size_t i = 0; r == 0 && i < c->sibling_count; i++) {
        const struct sibling *s = &c->siblings[i];
        const char *key = commit_sibling_key(w, i);
        if (s->status && status && status->text)
            r = know_status(db, s, key, status->text, e);
        if (r == 0 && s->refreshed_at && at && at->text)
            r = know_time(db, s, key, at->text, e);
    }
    return r;
}

void commit_siblings_done(struct commit_work *w)
{
    for (size_t i = 0; i < w->text_count; i++)
        free(w->texts[i]);
    free(w->texts);
    free(w->writes);
    for (size_t i = 0; w->sibling_keys && i < w->c->sibling_count; i++)
        free(w->sibling_keys[i]);
    free(w->sibling_keys);
    w->sibling_keys = NULL;
    w->texts = NULL;
    w->writes = NULL;
    w->text_count = 0;
}
