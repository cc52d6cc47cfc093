/* SPDX-License-Identifier: MIT
 * Reads a job's table before a run determines what is due, so that rows added, repaired or changed since the last
 * round count. Up to SMALL_ROWS rows the whole table is read, at full speed. Of a larger table first only the cheap
 * part is read: rows after the greatest known key, and rows of records in trouble. If nothing is due then and a
 * caller waits for the answer, the whole table is read all the same. A caller that asks while a read is under way
 * shares the next one.
 */
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/engine/discover/discover.h"
#include "core/store/due_records.h"

enum { SMALL_ROWS = 20000, KEYS_MAX = 500 };

struct look_waiter {
    look_done *then;
    void *ctx;
    struct look_waiter *next;
};

static void wait_in(struct look_waiter **list, look_done *then, void *ctx)
{
    struct look_waiter *w = xcalloc(1, sizeof *w);
    *w = (struct look_waiter){then, ctx, NULL};
    while (*list)
        list = &(*list)->next;
    *list = w;
}

static void look_tell(struct look_waiter *list, const char *why)
{
    while (list) {
        struct look_waiter *w = list;
        list = w->next;
        w->then(w->ctx, true, why);
        free(w);
    }
}

static void looks_begin(struct job *j)
{
    struct discovery *d = &j->discovery;
    if (!d->waiting_look || d->looking || (d->running && d->full)) /* after a full round that is under way */
        return;
    if (!discovery_quick(j)) {
        looks_end(j, "its table cannot be read now");
        return;
    }
    d->looking = d->waiting_look;
    d->waiting_look = NULL;
}

void looks_over(struct job *j)
{
    struct look_waiter *list = j->discovery.looking;
    j->discovery.looking = NULL;
    look_tell(list, NULL);
    looks_begin(j);
}

void looks_end(struct job *j, const char *why)
{
    struct look_waiter *one = j->discovery.looking, *two = j->discovery.waiting_look;
    j->discovery.looking = j->discovery.waiting_look = NULL;
    look_tell(one, why);
    look_tell(two, why);
}

/* ---- a part of a large table ---- */

struct part_task {
    struct job *job;
    char *after;
    char **keys;
    size_t count, next;
    bool more; /* more than KEYS_MAX were added */
    look_done *then;
    void *ctx;
};

static void part_free(struct part_task *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->keys[i]);
    free(t->keys);
    free(t->after);
    free(t);
}

static int part_work(struct db *db, void *arg, struct error *e)
{
    struct part_task *t = arg;
    struct page added = {0};
    int res = store_page(db, t->job->table, t->after, KEYS_MAX, &added, e);
    if (res < 0)
        return res;
    res = store_trouble(db, t->job->table->source, KEYS_MAX, &t->keys, &t->count, e);
    t->keys = xrealloc(t->keys, (t->count + added.count + 1) * sizeof *t->keys);
    for (size_t i = 0; i < added.count; i++)
        t->keys[t->count++] = xstrdup(added.rows[i].key);
    t->more = !added.last;
    page_done(&added);
    return res;
}

static void part_next(void *ctx)
{
    struct part_task *t = ctx;
    struct job *j = t->job;
    if (t->next < t->count && engine_may_work(j->engine) && !j->held) {
        discovery_one(j, t->keys[t->next++], part_next, t);
        return;
    }
    look_done *then = t->then;
    void *to = t->ctx;
    bool more = t->more;
    part_free(t);
    if (more)
        look_all(j, then, to);
    else
        then(to, false, NULL);
}

static void part_done(void *arg, int result, const struct error *e)
{
    struct part_task *t = arg;
    if (result >= 0) {
        part_next(t);
    } else {
        t->then(t->ctx, false, e->text);
        part_free(t);
    }
}

/* ---- */

static bool can_look(const struct job *j)
{
    return engine_may_work(j->engine) && j->discovered && j->table && !j->table->own && !j->held;
}

void look_all(struct job *j, look_done *then, void *ctx)
{
    if (!can_look(j)) {
        then(ctx, true, NULL);
        return;
    }
    wait_in(&j->discovery.waiting_look, then, ctx);
    looks_begin(j);
}

void look_first(struct job *j, look_done *then, void *ctx)
{
    const struct discovery *d = &j->discovery;
    if (!can_look(j) || d->table_rows <= SMALL_ROWS || !d->last_key) {
        look_all(j, then, ctx);
        return;
    }
    struct part_task *t = xcalloc(1, sizeof *t);
    *t = (struct part_task){.job = j, .after = xstrdup(d->last_key), .then = then, .ctx = ctx};
    engine_async(j->engine, part_work, t, part_done);
}
