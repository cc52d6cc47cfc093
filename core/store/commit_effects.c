/* SPDX-License-Identifier: MIT
 * The effects of a commit beyond its row: ledger keys and the plugin's named statements, in the order in which they
 * were recorded. Called inside the batch's transaction.
 */
#include "core/store/commit_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <renewd/plugin.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/db/parameters.h"
#include "core/store/wrote_trouble.h"
#include "core/time/timestamp.h"

/* 1 = the key belongs to this attempt, 0 = another attempt had it: what follows is dropped. */
static int effect_once(struct db *db, const struct commit *c, const struct commit_effect *f, struct error *e)
{
    char at[24];
    const char *texts[] = {c->before.job, f->name, c->attempt_id, at};
    cleanup(db_result_free_p) struct db_result *put = NULL, *found = NULL;

    snprintf(at, sizeof(at), "%lld", (long long)c->finished_at);
    int r = db_run(db,
                   "INSERT INTO {ledger} (job, key, attempt_id, created_at)"
                   " VALUES ($1, $2, $3, $4) ON CONFLICT (job, key) DO NOTHING",
                   texts, 4, &put, e);
    if (r < 0)
        return r;
    if (db_affected(put) > 0)
        return 1;
    r = db_run(db, "SELECT 1 FROM {ledger} WHERE job = $1 AND key = $2 AND attempt_id = $3", texts, 3, &found, e);
    return r < 0 ? r : db_rows(found) > 0;
}

/* Unix seconds in the form of the column that the parameter represents. NULL = not a time. */
static char *time_in_form(int form, const char *text)
{
    static const struct timestamp_form with_zone = {' ', true, '.', 0, 'Z', ZONE_STYLE_HH};
    static const struct timestamp_form without_zone = {' ', true, '.', 0, 'Z', ZONE_STYLE_NONE};
    char *end = NULL;
    char out[TIMESTAMP_SIZE];
    long long at = strtoll(text, &end, 10);
    int r = 0;

    if (end == text || *end)
        return NULL;
    switch (form) {
    case FORM_TIMESTAMPTZ:
        r = timestamp_format(at, &with_zone, out, sizeof(out));
        break;
    case FORM_TIMESTAMP:
        r = timestamp_format(at, &without_zone, out, sizeof(out));
        break;
    case FORM_TIME_TEXT:
        r = timestamp_rfc3339(at, out, sizeof(out));
        break;
    case FORM_UNIX_MS:
        snprintf(out, sizeof(out), "%lld000", at);
        break;
    default:
        snprintf(out, sizeof(out), "%lld", at);
    }
    return r < 0 ? NULL : xstrdup(out);
}

int commit_effect_bind(struct args *a, const struct bound *b, const struct commit_effect *f, struct error *e)
{
    if (!b->text || b->type != RENEWD_TIME) {
        args_text(a, b->text);
        a->params[a->count - 1].integer = b->type == RENEWD_INTEGER;
        return 0;
    }
    char *text = time_in_form(b->form, b->text);
    if (!text)
        return error_set(e, -EINVAL, "statement %s: a parameter is not a time", f->name);
    args_own(a, text);
    a->params[a->count - 1].integer = b->form == FORM_UNIX || b->form == FORM_UNIX_MS;
    return 0;
}

static bool rows_fit(int declared, int64_t rows)
{
    if (declared == RENEWD_ROWS_ONE)
        return rows == 1;
    return declared == RENEWD_ROWS_ZERO_OR_ONE ? rows <= 1 : true;
}

static int effect_run(struct db *db, struct commit_work *w, const struct commit_effect *f, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *result = NULL;
    struct error why = {""};
    bool needed = false;
    int r = 0;

    if (!f->sql)
        return error_set(e, -EINVAL, "statement %s: its file is not there", f->name);
    for (size_t i = 0; i < f->bound_count && r == 0; i++)
        r = commit_effect_bind(&a, &f->bound[i], f, e);
    if (r == 0 && f->unless)
        r = store_told_asked(db, f->unless, f->bound[f->bound_count - 1].text, &needed, e);
    if (needed)
        return 0;
    if (r == 0)
        r = db_exec_as_is(db, f->sql, a.params, a.count, &result, &why);
    if (r < 0) {
        w->failed_effect = f->name;
        return *why.text ? store_statement_refused(f->name, f->sql, r, why.text, e) : r;
    }
    int64_t rows = db_rows(result) > 0 ? (int64_t)db_rows(result) : db_affected(result);
    if (rows_fit(f->rows, rows))
        return 0;
    w->failed_effect = f->name;
    const char *whose =
        f->bound_count && f->bound[0].text && f->bound[0].text[0] ? f->bound[0].text : "this record";
    if (rows == 0)
        return error_set(e, -ERANGE, "the statement %s found no row for %s: add the row that it writes to", f->name,
                         whose);
    return error_set(e, -ERANGE, "the statement %s changed %lld rows for %s, and may change only one", f->name,
                     (long long)rows, whose);
}

int commit_effects(struct db *db, struct commit_work *w, struct error *e)
{
    for (size_t i = 0; i < w->c->effect_count; i++) {
        const struct commit_effect *f = &w->c->effects[i];
        int r = f->kind == EFFECT_ONCE ? effect_once(db, w->c, f, e) : effect_run(db, w, f, e);
        if (r < 0)
            return r;
        if (f->kind == EFFECT_ONCE && r == 0)
            return 0;
    }
    return 0;
}
