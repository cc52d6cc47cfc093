/* SPDX-License-Identifier: MIT
 * Commits in batches: one transaction for all. When the database refuses something in a batch, the batch is halved
 * until the refused commit is alone. Used through the store thread; it decides nothing about a record.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/fault.h"
#include "core/base/secret.h"
#include "core/db/parameters.h"
#include "core/store/commit_internal.h"

enum { BATCH_MAX = 100, REPEATS = 5, ASIDE_MAX = 2 };

struct commit *commit_new(void)
{
    return xcalloc(1, sizeof(struct commit));
}

static void effects_free(struct commit_effect *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < list[i].bound_count; k++)
            wipe_free(list[i].bound[k].text);
        free(list[i].bound);
        free(list[i].name);
    }
    free(list);
}

void commit_free(struct commit *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->write_count; i++) {
        if (c->writes[i].text)
            explicit_bzero(c->writes[i].text, c->writes[i].len);
        free(c->writes[i].text);
    }
    free(c->writes);
    effects_free(c->effects, c->effect_count);
    for (size_t i = 0; i < c->slot_count; i++)
        free(c->slots[i]);
    free(c->slots);
    record_done(&c->before);
    record_done(&c->after);
    row_done(&c->row);
    row_done(&c->current);
    free(c->plugin);
    free(c->host);
    free(c->incarnation);
    wipe_free(c->sealed_pair);
    wipe_free(c->answer);
    free(c->code);
    free(c->text);
    free(c->failed_effect);
    for (size_t i = 0; i < c->sibling_count; i++) {
        free(c->siblings[i].source);
        free(c->siblings[i].key);
        for (int state = 0; state < STATES_MAX; state++)
            free(c->siblings[i].values[state]);
    }
    free(c->siblings);
    free(c);
}

static int work_order(const void *a, const void *b)
{
    const struct commit_work *x = a, *y = b;
    int r = strcmp(x->c->before.source, y->c->before.source);

    if (!r)
        r = strcmp(x->c->before.key, y->c->before.key);
    if (!r)
        r = (x->index > y->index) - (x->index < y->index);
    return r;
}

static void work_reset(struct commit_work *w)
{
    w->verdict = COMMIT_WAITING;
    w->already = w->hashed = w->twins = false;
    w->lease_passed = w->c->release;
    w->failed_effect = NULL;
    row_done(&w->current);
    memset(&w->current, 0, sizeof(w->current));
}

/* Which of these attempts are in the history. */
static int mark_already(struct db *db, struct commit_work *list, size_t count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;
    cleanup(buf_done) struct buf sql = {0};

    buf_init(&sql, 4096);
    buf_text(&sql, "SELECT attempt_id FROM {attempts} WHERE attempt_id IN (");
    for (size_t i = 0; i < count; i++)
        buf_printf(&sql, "%s$%d", i ? ", " : "", args_text(&a, list[i].c->attempt_id));
    buf_text(&sql, ")");
    int r = db_exec(db, sql.data, a.params, a.count, &found, e);
    for (size_t k = 0; r == 0 && k < db_rows(found); k++)
        for (size_t i = 0; i < count; i++)
            if (!strcmp(list[i].c->attempt_id, db_text(found, k, 0)))
                list[i].already = true;
    return r;
}

static bool commit_names(const char *text, const struct record *rec)
{
    size_t len = strlen(rec->source);
    return !strncmp(text, rec->source, len) && text[len] == ' ' && !strcmp(text + len + 1, rec->key);
}

/* Finds credentials that other records hold, too: as it was before this batch. */
static int mark_twins(struct db *db, struct commit_work *list, size_t count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;
    cleanup(buf_done) struct buf sql = {0};

    buf_init(&sql, 8192);
    buf_text(&sql,
             "SELECT fingerprint, count(*), min(source || ' ' || rkey) FROM {records} WHERE fingerprint IN (");
    for (size_t i = 0; i < count; i++)
        buf_printf(&sql, "%s$%d", i ? ", " : "", args_text(&a, list[i].c->before.fingerprint));
    buf_text(&sql, ") AND fingerprint <> '' GROUP BY fingerprint");
    int r = db_exec(db, sql.data, a.params, a.count, &found, e);
    for (size_t k = 0; r == 0 && k < db_rows(found); k++)
        for (size_t i = 0; i < count; i++)
            if (!strcmp(list[i].c->before.fingerprint, db_text(found, k, 0)))
                list[i].twins =
                    db_integer(found, k, 1) > 1 || !commit_names(db_text(found, k, 2), &list[i].c->before);
    return r;
}

/* renewd's own rows are locked in key order before anything is written, in the same order as claims lock them:
 * records, then credentials. SQLite has locked everything by now. */
static int lock_records(struct db *db, const struct commit_work *list, size_t count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};

    if (!db_is_postgresql(db))
        return 0;
    buf_init(&sql, 8192);
    buf_text(&sql, "SELECT 1 FROM {records} WHERE (source, rkey) IN (");
    for (size_t i = 0; i < count; i++) {
        const struct commit *c = list[i].c;
        int key = args_text(&a, c->before.key);
        buf_printf(&sql, "%s($%d, $%d)", i ? ", " : "", args_text(&a, c->before.source), key);
        for (size_t k = 0; k < c->sibling_count; k++)
            buf_printf(&sql, ", ($%d, $%d)", args_text(&a, c->siblings[k].source),
                       c->siblings[k].key ? args_text(&a, commit_sibling_key(&list[i], k)) : key);
    }
    buf_text(&sql, ") ORDER BY source, rkey FOR UPDATE");
    return db_exec(db, sql.data, a.params, a.count, NULL, e);
}

/* Also marks commits whose lease has passed on: to another attempt, or to none when it was over. */
static int lock_credentials(struct db *db, struct commit_work *list, size_t count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;
    cleanup(buf_done) struct buf sql = {0};

    buf_init(&sql, 8192);
    buf_text(&sql, "SELECT fingerprint, attempt_id FROM {credentials} WHERE fingerprint IN (");
    for (size_t i = 0; i < count; i++)
        buf_printf(&sql, "%s$%d", i ? ", " : "", args_text(&a, list[i].c->before.fingerprint));
    buf_printf(&sql, ") ORDER BY fingerprint%s", db_is_postgresql(db) ? " FOR UPDATE" : "");
    int r = db_exec(db, sql.data, a.params, a.count, &found, e);
    for (size_t k = 0; r == 0 && k < db_rows(found); k++)
        for (size_t i = 0; i < count; i++)
            if (db_text(found, k, 1) && !strcmp(list[i].c->before.fingerprint, db_text(found, k, 0)))
                list[i].lease_passed = strcmp(list[i].c->attempt_id, db_text(found, k, 1)) != 0;
    return r;
}

/* Another host noticed it too, or an attempt has ended since. */
static int still_as_noticed(struct db *db, struct commit_work *w, struct error *e)
{
    const struct record *was = &w->c->before;
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;

    args_text(&a, was->source);
    args_text(&a, was->key);
    args_text(&a, was->hash);
    args_number(&a, was->generation);
    args_number(&a, was->last_at);
    int r = db_exec(db,
                    "SELECT 1 FROM {records} WHERE source = $1 AND rkey = $2 AND hash = $3"
                    " AND generation = $4 AND last_at = $5",
                    a.params, a.count, &found, e);
    if (r == 0 && db_rows(found) == 0)
        w->verdict = COMMIT_ALREADY;
    return r;
}

static int write_one(struct db *db, struct commit_work *w, struct error *e)
{
    const struct commit *c = w->c;
    int r = 0;

    if (w->already) {
        w->verdict = COMMIT_ALREADY;
        return 0;
    }
    if (c->noticed) {
        r = still_as_noticed(db, w, e);
        if (r < 0 || w->verdict != COMMIT_WAITING)
            return r;
    }
    if (c->noticed || !(w->lease_passed && !c->replaces && c->outcome != OUTCOME_OK)) {
        if (c->touches_row)
            r = commit_siblings(db, w, e);
        if (r == 0 && c->touches_row)
            r = commit_row(db, w, e);
        if (r < 0 || w->verdict != COMMIT_WAITING)
            return r;
        r = commit_effects(db, w, e);
        if (r == 0)
            r = commit_record(db, w, e);
        if (r == 0)
            r = commit_siblings_know(db, w, e);
        if (r == 0)
            r = commit_credentials(db, c, true, e);
    }
    if (r == 0 && !c->noticed)
        r = commit_history(db, c, e);
    if (r == 0)
        r = commit_answer(db, c, e);
    if (r == 0)
        w->verdict = COMMIT_DONE;
    return r;
}

/* One transaction. On failure *ret_at is the commit at which it failed, or count. */
static int commit_write_all(struct db *db, struct commit_work *list, size_t count, size_t *ret_at, struct error *e)
{
    for (size_t i = 0; i < count; i++)
        work_reset(&list[i]);
    *ret_at = count;
    fault_point(FAULT_COMMIT_BEGIN, NULL);
    int r = db_begin(db, e);
    if (r == 0 && !defence_off(DEFENCE_ALREADY))
        r = mark_already(db, list, count, e);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = commit_siblings_find(db, &list[i], e);
    if (r == 0)
        r = lock_records(db, list, count, e);
    if (r == 0)
        r = lock_credentials(db, list, count, e);
    if (r == 0)
        r = mark_twins(db, list, count, e);
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = write_one(db, &list[i], e);
        if (r < 0)
            *ret_at = i;
    }
    if (r == 0)
        r = fault_error(FAULT_COMMIT_READY, NULL);
    if (r == 0)
        r = db_commit(db, e);
    if (r < 0)
        db_rollback(db);
    else
        fault_point(FAULT_COMMIT_ANSWERED, NULL);
    return r < 0 ? r : 0;
}

/* The transaction has ended: its findings become the commit's result. */
static void commit_settle(struct commit_work *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct commit *c = list[i].c;
        c->result = list[i].verdict;
        c->twins = list[i].twins;
        if (c->result == COMMIT_DONE && list[i].hashed)
            memcpy(c->after.hash, list[i].hash, sizeof(c->after.hash));
        row_done(&c->current);
        c->current = list[i].current;
        memset(&list[i].current, 0, sizeof(list[i].current));
    }
}

static void commit_refuse(struct commit_work *w, int code, const struct error *e)
{
    bool rows = code == -ERANGE && w->failed_effect;

    w->verdict = rows ? COMMIT_ROWS : COMMIT_REJECTED;
    commit_settle(w, 1);
    free(w->c->failed_effect);
    w->c->failed_effect = w->failed_effect ? xstrdup(w->failed_effect) : NULL;
    w->c->lacks_right = code == -EACCES;
    snprintf(w->c->why, sizeof(w->c->why), "%.255s", e->text);
}

static bool is_away(const struct db *db, int code)
{
    return code == -ENOTCONN || !db_alive(db);
}

static bool is_blocked(int code)
{
    return code == -EBUSY || code == -ETIMEDOUT || code == -EDEADLK;
}

/* Without the one commit whose row is locked: it keeps waiting, the others need not. If more rows are locked, the
 * whole table may be. Then all wait, so that the thread does not wait for each. */
static size_t commit_set_aside(struct commit_work *list, size_t count, size_t at)
{
    struct commit_work blocked = list[at];

    memmove(&list[at], &list[at + 1], (count - at - 1) * sizeof(*list));
    list[count - 1] = blocked;
    return count - 1;
}

static int commit_list(struct db *db, struct commit_work *list, size_t count, struct error *e)
{
    struct error why = {{0}};
    size_t at = 0;
    int r = 0, blocked = 0, aside = 0;

    for (int repeat = 0; count > 0; repeat++) {
        r = commit_write_all(db, list, count, &at, &why);
        if (r == 0)
            break;
        if (r == -EDEADLK && repeat < REPEATS)
            continue;
        if (is_away(db, r) || r == -ENOSPC || (is_blocked(r) && (at == count || count == 1 || aside == ASIDE_MAX)))
            return error_set(e, r, "%s", why.text);
        if (!is_blocked(r))
            break;
        blocked = error_set(e, r, "%s", why.text);
        count = commit_set_aside(list, count, at);
        aside++;
        repeat = 0;
    }
    if (count == 0)
        return blocked;
    if (r == 0) {
        commit_settle(list, count);
        return blocked;
    }
    if (count == 1) {
        commit_refuse(list, r, &why);
        return blocked;
    }
    int first = commit_list(db, list, count / 2, e);
    if (first < 0 && !is_blocked(first))
        return first;
    int second = commit_list(db, list + count / 2, count - count / 2, e);
    if (second < 0)
        return second;
    return first < 0 ? first : blocked;
}

int store_commit(struct db *db, struct commit *const *list, size_t count, struct error *e)
{
    struct commit_work *works = xcalloc(count ? count : 1, sizeof(*works));
    int result = 0;

    for (size_t i = 0; i < count; i++) {
        works[i].c = list[i];
        works[i].index = i;
        list[i]->result = COMMIT_WAITING;
    }
    if (count > 1)
        qsort(works, count, sizeof(*works), work_order);
    for (size_t i = 0; i < count; i += BATCH_MAX) {
        size_t some = count - i < BATCH_MAX ? count - i : BATCH_MAX;
        int r = commit_list(db, works + i, some, e);
        if (r < 0)
            result = r;
        if (r < 0 && !is_blocked(r))
            break;
    }
    for (size_t i = 0; i < count; i++) {
        row_done(&works[i].current);
        commit_siblings_done(&works[i]);
    }
    free(works);
    return result;
}
