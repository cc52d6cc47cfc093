/* SPDX-License-Identifier: MIT
 * Commits in batches: one transaction for all, and for all that are alike one statement for each table
 * (commit_set.c). When the database refuses something in a batch, the batch is halved until the refused commit is
 * alone. Used through the store thread; it decides nothing about a record.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/fault.h"
#include "core/base/map.h"
#include "core/base/secret.h"
#include "core/db/parameters.h"
#include "core/store/commit_internal.h"
#include "core/store/list.h"
#include "core/store/many.h"

/* ALONE_MAX: of a batch that is written one commit at a time on PostgreSQL, where each takes several round trips under
 * the locks of all. FALL_BACK: a batch of so many that is refused is written one at a time at once. REFUSED_MAX: so many
 * commits of a batch that is written together are left out of it when they are refused by themselves. */
enum {
    BATCH_MAX = 500,
    ALONE_MAX = 100,
    FALL_BACK = 64,
    REPEATS = 5,
    ASIDE_MAX = 2,
    PROBES = 2,
    REFUSED_MAX = 4,
    LOCK_AGAIN_MS = 250
};

struct commit *commit_new(void)
{
    return xcalloc(1, sizeof(struct commit));
}

void commit_forget_text(struct commit *c)
{
    if (c->spooled)
        explicit_bzero(c->spooled, c->spooled_len);
    free(c->spooled);
    c->spooled = NULL;
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
    commit_forget_text(c);
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
    w->already = w->hashed = w->twins = w->shared = false;
    w->lease_passed = w->c->release;
    w->failed_effect = NULL;
    row_done(&w->current);
    memset(&w->current, 0, sizeof(w->current));
}

/* The commits of a batch by a text of theirs; several may have the same. */
struct by_text {
    struct map *first;
    struct commit_work **next; /* of the same text; by the index in the list */
};

static const char *attempt_of(const struct commit_work *w)
{
    return w->c->attempt_id;
}

static const char *fingerprint_of(const struct commit_work *w)
{
    return w->c->before.fingerprint;
}

static void by_text_done(struct by_text *b)
{
    map_free(b->first, NULL);
    free(b->next);
}

/* Adds the texts as one parameter, too. */
static int by_text_make(struct db *db, struct commit_work *list, size_t count,
                        const char *(*text)(const struct commit_work *w), struct args *a, struct by_text *ret)
{
    cleanup(free_p) const char **texts = xcalloc(count, sizeof(*texts));

    ret->first = map_new();
    ret->next = xcalloc(count, sizeof(*ret->next));
    for (size_t i = 0; i < count; i++) {
        texts[i] = text(&list[i]);
        ret->next[i] = map_put(ret->first, texts[i], &list[i]);
    }
    return list_add(db, a, texts, count);
}

/* Which of these attempts are in the history. */
static int mark_already(struct db *db, struct commit_work *list, size_t count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;
    cleanup(buf_done) struct buf sql = {0};
    cleanup(by_text_done) struct by_text works = {0};

    buf_init(&sql, 4096);
    buf_text(&sql, "SELECT attempt_id FROM {attempts} WHERE ");
    list_put_in(db, "attempt_id", by_text_make(db, list, count, attempt_of, &a, &works), &sql);
    int r = db_exec(db, sql.data, a.params, a.count, &found, e);
    for (size_t k = 0; r == 0 && k < db_rows(found); k++)
        for (struct commit_work *w = map_get(works.first, db_text(found, k, 0)); w; w = works.next[w - list])
            w->already = true;
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
    cleanup(by_text_done) struct by_text works = {0};

    buf_init(&sql, 4096);
    buf_text(&sql, "SELECT fingerprint, count(*), min(source || ' ' || rkey) FROM {records} WHERE ");
    list_put_in(db, "fingerprint", by_text_make(db, list, count, fingerprint_of, &a, &works), &sql);
    buf_text(&sql, " AND fingerprint <> '' GROUP BY fingerprint");
    int r = db_exec(db, sql.data, a.params, a.count, &found, e);
    for (size_t k = 0; r == 0 && k < db_rows(found); k++)
        for (struct commit_work *w = map_get(works.first, db_text(found, k, 0)); w; w = works.next[w - list])
            w->twins = db_integer(found, k, 1) > 1 || !commit_names(db_text(found, k, 2), &w->c->before);
    return r;
}

/* renewd's own rows are locked in key order before anything is written, in the same order as claims lock them:
 * records, then credentials. SQLite has locked everything by now. */
static int lock_records(struct db *db, const struct commit_work *list, size_t count, struct error *e)
{
    static const struct many_column columns[] = {{"source", false}, {"rkey", false}};
    cleanup(many_done) struct many m = {0};

    if (!db_is_postgresql(db))
        return 0;
    many_begin(&m, db, columns, 2);
    for (size_t i = 0; i < count; i++) {
        const struct commit *c = list[i].c;
        many_text(&m, c->before.source);
        many_text(&m, c->before.key);
        for (size_t k = 0; k < c->sibling_count; k++) {
            many_text(&m, c->siblings[k].source);
            many_text(&m, commit_sibling_key(&list[i], k));
        }
    }
    return many_exec(&m, "SELECT 1 FROM {records} AS r,",
                     "WHERE r.source = renewd_u.source AND r.rkey = renewd_u.rkey"
                     " ORDER BY r.source, r.rkey FOR UPDATE OF r",
                     NULL, e);
}

/* Also marks commits whose lease has passed on: to another attempt, or to none when it was over. */
static int lock_credentials(struct db *db, struct commit_work *list, size_t count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;
    cleanup(buf_done) struct buf sql = {0};
    cleanup(by_text_done) struct by_text works = {0};

    buf_init(&sql, 4096);
    buf_text(&sql, "SELECT fingerprint, attempt_id FROM {credentials} WHERE ");
    list_put_in(db, "fingerprint", by_text_make(db, list, count, fingerprint_of, &a, &works), &sql);
    buf_printf(&sql, " ORDER BY fingerprint%s", db_is_postgresql(db) ? " FOR UPDATE" : "");
    int r = db_exec(db, sql.data, a.params, a.count, &found, e);
    for (size_t k = 0; r == 0 && k < db_rows(found); k++) {
        const char *attempt = db_text(found, k, 1);
        struct commit_work *w = attempt ? map_get(works.first, db_text(found, k, 0)) : NULL;
        for (; w; w = works.next[w - list])
            w->lease_passed = strcmp(w->c->attempt_id, attempt) != 0;
    }
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
    const struct commit_work *const work = w;
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
            r = commit_records(db, &work, 1, e);
        if (r == 0)
            r = commit_siblings_know(db, w, e);
        if (r == 0)
            r = commit_credentials(db, &c, 1, true, e);
    }
    if (r == 0 && !c->noticed)
        r = commit_history(db, &c, 1, e);
    if (r == 0)
        r = commit_answer(db, c, e);
    if (r == 0)
        w->verdict = COMMIT_DONE;
    return r;
}

static int commit_lock(struct db *db, struct commit_work *list, size_t count, struct error *e)
{
    int r = defence_off(DEFENCE_ALREADY) ? 0 : mark_already(db, list, count, e);

    for (size_t i = 0; r == 0 && i < count; i++)
        r = commit_siblings_find(db, &list[i], e);
    if (r == 0)
        r = lock_records(db, list, count, e);
    if (r == 0)
        r = lock_credentials(db, list, count, e);
    return r < 0 ? r : mark_twins(db, list, count, e);
}

/* One transaction. On failure *ret_at is the commit at which it failed, or count. set: what is alike is written
 * together. */
static int commit_write_all(struct db *db, struct commit_work *list, size_t count, bool set, size_t *ret_at,
                            struct error *e)
{
    for (size_t i = 0; i < count; i++)
        work_reset(&list[i]);
    *ret_at = count;
    fault_point(FAULT_COMMIT_BEGIN, NULL);
    db->by_index = true; /* else PostgreSQL reads all of a table to join it with 500 rows */
    int r = db_begin(db, e);
    db->by_index = false;
    if (r == 0)
        r = commit_lock(db, list, count, e);
    if (r == 0 && set)
        r = commit_set(db, list, count, ret_at, e);
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (list[i].verdict != COMMIT_WAITING)
            continue;
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

static bool same_source(const struct commit_work *a, const struct commit_work *b)
{
    return !strcmp(a->c->before.source, b->c->before.source);
}

/* Without the one commit whose row is locked: it keeps waiting, the others need not. */
static size_t commit_set_aside(struct commit_work *list, size_t count, size_t at)
{
    struct commit_work blocked = list[at];

    memmove(&list[at], &list[at + 1], (count - at - 1) * sizeof(*list));
    list[count - 1] = blocked;
    return count - 1;
}

/* More rows of a table are locked: the whole table may be. All of its commits wait, so that the thread does not wait
 * for each. */
static size_t commit_table_aside(struct commit_work *list, size_t count, size_t all, size_t at)
{
    struct commit_work blocked = list[at];

    for (size_t i = count; i-- > 0;)
        if (same_source(&list[i], &blocked))
            count = commit_set_aside(list, count, i);
    for (size_t i = count; i < all; i++)
        if (list[i].c->result == COMMIT_WAITING && same_source(&list[i], &blocked))
            list[i].c->table_locked = true;
    return count;
}

/* Some of its rows are locked. The whole table is, where one from the other end cannot be written either; else that one
 * is stored now, and out of the list. */
static bool commit_table_is_locked(struct db *db, struct commit_work *list, size_t *io_count, size_t *io_at)
{
    struct error why = {{0}};
    size_t other = *io_count, ignored;

    do
        if (other-- == 0)
            return true; /* there is no other */
    while (other == *io_at || !same_source(&list[other], &list[*io_at]));
    int r = commit_write_all(db, &list[other], 1, false, &ignored, &why);
    if (r < 0)
        return is_blocked(r);
    commit_settle(&list[other], 1);
    *io_count = commit_set_aside(list, *io_count, other);
    *io_at -= other < *io_at;
    return false;
}

/* Past those that follow the first `done` and whose table was found locked by one of these. */
static size_t commit_past_locked(struct commit_work *list, size_t done, size_t count)
{
    bool locked = false;

    for (size_t i = 0; i < done && done < count; i++)
        locked = locked || (list[i].c->table_locked && same_source(&list[i], &list[done]));
    for (size_t at = done; locked && done < count && same_source(&list[at], &list[done]); done++)
        list[done].c->table_locked = true;
    return done;
}

static int commit_list(struct db *db, struct commit_work *list, size_t count, bool set, struct error *e);

static int commit_halves(struct db *db, struct commit_work *list, size_t count, bool set, struct error *e)
{
    int first = commit_list(db, list, count / 2, set, e);
    if (first < 0 && !is_blocked(first))
        return first;
    size_t half = commit_past_locked(list, count / 2, count);
    int second = half < count ? commit_list(db, list + half, count - half, set, e) : 0;
    return second < 0 ? second : first;
}

/* Together, without those that are refused or locked by themselves. Returns how many were tried last. */
static size_t commit_together(struct db *db, struct commit_work *list, size_t count, int *ret, struct error *why)
{
    size_t at = 0;

    for (int blocked = 0, refused = 0;;) {
        *ret = commit_write_all(db, list, count, true, &at, why);
        if (*ret == 0 || *ret == -EDEADLK || *ret == -ENOSPC || is_away(db, *ret) || at >= count || count == 1)
            return count;
        if (is_blocked(*ret) ? blocked++ == ASIDE_MAX : refused++ == REFUSED_MAX)
            return count;
        count = commit_set_aside(list, count, at);
    }
}

/* Something is locked: each table by itself, and one alone one commit at a time. Each try waits for it, a moment. */
static int commit_by_table(struct db *db, struct commit_work *list, size_t count, struct error *e)
{
    int blocked = 0, before = db->lock_ms;

    db->lock_ms = LOCK_AGAIN_MS;
    for (size_t i = 0, some; i < count; i = commit_past_locked(list, i + some, count)) {
        for (some = 1; i + some < count && same_source(&list[i], &list[i + some]);)
            some++;
        int r = commit_list(db, list + i, some, some < count, e);
        blocked = r < 0 ? r : blocked;
        if (r < 0 && !is_blocked(r))
            break;
    }
    db->lock_ms = before;
    return blocked;
}

/* What failed when it was written together does not always say which commit it was: a large batch is then halved, a
 * small one is written one at a time. */
static int commit_list_of_set(struct db *db, struct commit_work *list, size_t count, struct error *e)
{
    struct error why = {{0}};
    int r = 0;
    size_t some = commit_together(db, list, count, &r, &why);

    if (r == 0)
        commit_settle(list, some);
    if (r == 0)
        return some < count ? commit_list(db, list + some, count - some, false, e) : 0;
    bool all_wait = !db_is_postgresql(db) && (r == -EBUSY || r == -ETIMEDOUT); /* SQLite has one lock */
    if (is_away(db, r) || r == -ENOSPC || all_wait)
        return error_set(e, r, "%s", why.text);
    if (is_blocked(r))
        return commit_by_table(db, list, count, e);
    return count > FALL_BACK ? commit_halves(db, list, count, true, e) : commit_list(db, list, count, false, e);
}

static int commit_list(struct db *db, struct commit_work *list, size_t count, bool set, struct error *e)
{
    struct error why = {{0}};
    const char *locked = NULL; /* the table of the last that was set aside */
    size_t at = 0, all = count;
    int r = 0, blocked = 0, aside = 0, probes = 0;

    if (set && count > 1)
        return commit_list_of_set(db, list, count, e);
    if (db_is_postgresql(db) && count > ALONE_MAX)
        return commit_halves(db, list, count, false, e);
    for (int repeat = 0; count > 0; repeat++) {
        r = commit_write_all(db, list, count, false, &at, &why);
        if (r == 0)
            break;
        if (r == -EDEADLK && repeat < REPEATS)
            continue;
        if (is_away(db, r) || r == -ENOSPC || (is_blocked(r) && at == count))
            return error_set(e, r, "%s", why.text);
        if (!is_blocked(r))
            break;
        blocked = error_set(e, r, "%s", why.text);
        aside = locked && !strcmp(locked, list[at].c->before.source) ? aside + 1 : 1;
        locked = list[at].c->before.source;
        if (aside > ASIDE_MAX && (probes++ == PROBES || commit_table_is_locked(db, list, &count, &at)))
            count = commit_table_aside(list, count, all, at);
        else
            count = commit_set_aside(list, count, at);
        aside = aside > ASIDE_MAX ? 0 : aside;
        repeat = 0;
    }
    if (count == 0)
        return blocked;
    if (r == 0)
        commit_settle(list, count);
    else if (count == 1)
        commit_refuse(list, r, &why);
    if (r == 0 || count == 1)
        return blocked;
    int halves = commit_halves(db, list, count, false, e);
    return halves < 0 ? halves : blocked;
}

/* How many of the first make one transaction. */
static size_t batch_of(struct db *db, const struct commit_work *list, size_t count)
{
    size_t alone = 0, some = 0;

    while (some < count && some < BATCH_MAX && alone < ALONE_MAX)
        alone += !commit_is_plain(list[some++].c) && db_is_postgresql(db);
    return some;
}

int store_commit(struct db *db, struct commit *const *list, size_t count, struct error *e)
{
    struct commit_work *works = xcalloc(count ? count : 1, sizeof(*works));
    int result = 0;

    for (size_t i = 0; i < count; i++) {
        works[i].c = list[i];
        works[i].index = i;
        list[i]->result = COMMIT_WAITING;
        list[i]->table_locked = false;
    }
    if (count > 1)
        qsort(works, count, sizeof(*works), work_order);
    for (size_t i = 0, some; i < count; i = commit_past_locked(works, i + some, count)) {
        some = batch_of(db, works + i, count - i);
        int r = commit_list(db, works + i, some, true, e);
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
