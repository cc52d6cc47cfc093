/* SPDX-License-Identifier: MIT
 * Reads one row again: it changed, or a caller asks for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/engine/discover/discover.h"
#include "core/engine/rows/rows.h"

struct one_task {
    struct job *job;
    char *key;
    struct row row;
    struct record record;
    bool known, found, spent, dead;
    struct record_change change;
    loop_fn *then;
    void *ctx;
};

static int one_work(struct db *db, void *arg, struct error *e)
{
    struct one_task *t = arg;
    int res = store_row(db, t->job->table, t->key, &t->row, &t->record, &t->known, e);
    if (res == -ENOENT)
        return 0;
    t->found = res >= 0;
    return res;
}

static void one_end(struct one_task *t)
{
    struct engine *engine = t->job->engine;
    if (t->then)
        t->then(t->ctx);
    else
        engine->on->job_may_go_on(t->job);
    row_done(&t->row);
    record_done(&t->record);
    change_done(&t->change);
    free(t->key);
    free(t);
    engine_check_stopped(engine);
}

static int one_put_work(struct db *db, void *arg, struct error *e)
{
    struct one_task *t = arg;
    return changes_put(db, &t->change, 1, &t->spent, &t->dead, e);
}

static void one_put_done(void *arg, int result, const struct error *e)
{
    (void)e;
    struct one_task *t = arg;
    if (result >= 0)
        change_put(t->job, &t->change, t->spent, t->dead);
    one_end(t);
}

/* Its row is gone, or no longer one of the job's: the record is inactive until the row is seen again, or it is
 * swept. */
static void one_rest(const struct record *known, struct record_change *ret)
{
    record_copy(&ret->now, known);
    ret->now.hash[0] = '\0';
    ret->now.window = (struct window){0};
    ret->now.point = ret->now.due_at = 0;
    memcpy(ret->old_hash, known->hash, sizeof ret->old_hash);
    ret->old_generation = known->generation;
    ret->old_last_at = known->last_at;
}

static bool one_changed(struct one_task *t)
{
    if (t->found && !row_is_filtered_out(t->job, &t->row, &t->record))
        return change_look(t->job, &t->row, &t->record, &t->change, NULL);
    if (!t->record.source || !t->record.hash[0])
        return false;
    one_rest(&t->record, &t->change);
    return true;
}

static void one_done(void *arg, int result, const struct error *e)
{
    (void)e;
    struct one_task *t = arg;
    struct job *j = t->job;
    if (result < 0 || !engine_may_work(j->engine) || !one_changed(t)) {
        one_end(t);
        return;
    }
    engine_async(j->engine, one_put_work, t, one_put_done);
}

void discovery_one(struct job *j, const char *key, loop_fn *then, void *ctx)
{
    struct one_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->key = xstrdup(key);
    t->then = then;
    t->ctx = ctx;
    engine_async(j->engine, one_work, t, one_done);
}
