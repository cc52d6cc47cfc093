/* SPDX-License-Identifier: MIT
 * A manual refresh of a record that is being refreshed already: its run waits for that attempt and takes over its
 * result. Also: the run has failed for a record whose new token was parked.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/map.h"
#include "core/engine/refresh/refresh.h"
#include "core/rules/outcome.h"

enum { LOOK_MS = 100, FAILURES_MAX = 1000, SKIPPED_BY_KEY = 1000 /* more: of all of the table */ };

bool joins(const struct run *r)
{
    return r->mode == CLAIM_MANUAL && strcmp(r->trigger, "hand") == 0;
}

static void joined_append(struct run *r, struct failure_row *list, size_t count)
{
    r->failures = xrealloc(r->failures, (r->failure_count + count + 1) * sizeof *r->failures);
    for (size_t i = 0; i < count; i++)
        r->failures[r->failure_count++] = list[i];
    free(list);
}

static void joined_take(struct run *r, const struct under_way *u)
{
    if (u->outcome == OUTCOME_NONE)
        return; /* it is skipped, for the reason that applies now */
    if (u->outcome == OUTCOME_OK) {
        r->row.refreshed++;
    } else {
        r->row.failed++;
        struct failure_row *f = xcalloc(1, sizeof *f);
        *f = (struct failure_row){.key = xstrdup(u->key),
                                  .outcome = xstrdup(outcome_name(u->outcome)),
                                  .code = xstrdup_or_null(u->code),
                                  .text = xstrdup_or_null(u->text)};
        joined_append(r, f, 1);
    }
    if (!r->joined_keys)
        r->joined_keys = map_new();
    map_put(r->joined_keys, u->key, r);
}

struct look_task {
    struct run *run;
    struct under_way *list;
    size_t count;
};

static int joined_look_work(struct db *db, void *arg, struct error *e)
{
    struct look_task *t = arg;
    return store_under_way_ended(db, t->list, t->count, e);
}

/* After a lost connection the store is asked again: what is under way ends when it answers. */
static void joined_look_done(void *arg, int result, const struct error *err)
{
    (void)err;
    struct look_task *t = arg;
    struct run *r = t->run;
    struct engine *e = r->job->engine;
    bool give_up = e->stopping || (result < 0 && !store_passes(result));
    size_t left = 0;
    r->joining = false;
    for (size_t i = 0; i < t->count; i++) {
        if (t->list[i].over)
            joined_take(r, &t->list[i]);
        if (t->list[i].over || give_up)
            under_way_done(&t->list[i]);
        else
            t->list[left++] = t->list[i];
    }
    joined_add(r, t->list, left);
    free(t);
    run_pump(r);
}

static void joined_look(void *ctx)
{
    struct run *r = ctx;
    struct look_task *t = xcalloc(1, sizeof *t);
    *t = (struct look_task){r, r->joined, r->joined_count};
    r->joined_timer = NULL;
    r->joined = NULL;
    r->joined_count = 0;
    r->joining = true;
    engine_async(r->job->engine, joined_look_work, t, joined_look_done);
}

void joined_add(struct run *r, struct under_way *list, size_t count)
{
    r->joined = xrealloc(r->joined, (r->joined_count + count + 1) * sizeof *r->joined);
    for (size_t i = 0; i < count; i++)
        r->joined[r->joined_count++] = list[i];
    free(list);
    if (r->joined_count && !r->joined_timer && !r->joining)
        r->joined_timer = loop_after(r->job->engine->loop, LOOK_MS, joined_look, r);
}

bool joined_waits(const struct run *r)
{
    return r->joining || r->joined_count;
}

/* Its keys that were not joined. */
static size_t keys_left(const struct run *r, const char **ret)
{
    size_t count = 0;
    for (size_t i = 0; i < r->key_count; i++)
        if (!r->joined_keys || !map_get(r->joined_keys, r->keys[i]))
            ret[count++] = r->keys[i];
    return count;
}

/* Parked before this run: those that it skipped. Parked during the run: counted already, and not in the history
 * yet. */
static int joined_set_aside(struct db *db, struct run *r, const struct claim_request *q, struct error *e)
{
    struct reason_count *because = r->skipped_because;
    int64_t others = 0, aside = because[REASON_PENDING].count;
    struct failure_row *list = NULL;
    size_t count = 0;
    if (!aside)
        return 0;
    for (int i = 0; i < REASONS_MAX; i++)
        others += i == REASON_PENDING ? 0 : because[i].count;
    int64_t skipped = r->row.skipped - others;
    skipped = skipped < 0 ? 0 : skipped < aside ? skipped : aside;
    int res = store_set_aside(db, q->table->source, q->keys, q->key_count, 0, &list, &count, e);
    if (res < 0)
        return res;
    because[REASON_PENDING] = (struct reason_count){0};
    r->row.skipped -= skipped;
    r->row.failed += skipped;
    joined_append(r, list, count);
    return 0;
}

int joined_count_skipped(struct db *db, struct run *r, struct error *e)
{
    if (!r->row.skipped && !(joins(r) && r->row.failed))
        return 0;
    struct claim_request *q = &r->left_query;
    const char **keys = xcalloc(r->key_count + 1, sizeof *keys);
    size_t count = keys_left(r, keys);
    q->keys = keys;
    q->key_count = count <= SKIPPED_BY_KEY ? count : 0;
    int res = count ? store_reasons(db, q, r->row.id, r->skipped_because, e) : 0;
    if (res >= 0 && joins(r))
        res = joined_set_aside(db, r, q, e);
    free(keys);
    q->keys = NULL;
    q->key_count = 0;
    return res;
}

int joined_failures(struct db *db, struct run *r, struct error *e)
{
    struct failure_row *list = NULL;
    size_t count = 0;
    int res = store_run_failures(db, r->row.id, FAILURES_MAX, &list, &count, e);
    if (res < 0)
        return res;
    joined_append(r, list, count);
    r->failures_read = true;
    list = NULL;
    size_t of_others = 0;
    res = others_failures(db, r, &list, &of_others, e);
    if (res < 0)
        return res;
    joined_append(r, list, of_others);
    count += of_others;
    if (run_names_keys(r) || (int64_t)count >= r->row.failed)
        return 0;
    list = NULL;
    res = store_set_aside(db, r->job->table->source, NULL, 0, r->row.started_at, &list, &count, e);
    if (res >= 0)
        joined_append(r, list, count);
    return res;
}

void joined_free(struct run *r)
{
    loop_cancel(&r->joined_timer);
    for (size_t i = 0; i < r->joined_count; i++)
        under_way_done(&r->joined[i]);
    free(r->joined);
    map_free(r->joined_keys, NULL);
}
