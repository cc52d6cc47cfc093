/* SPDX-License-Identifier: MIT
 * Rows that a trigger reported as changed by their application (renewd.watch). Each is read at once, one after the
 * other. NOTIFY needs no privilege, so a report only causes a row to be read. A report that is lost, or that
 * arrives when rows cannot be read, delays the change until the next round of its table.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/map.h"
#include "core/engine/discover/discover.h"
#include "core/engine/state/state.h"

/* A row is read at most five times a second, however fast it changes. */
enum { WAITING_MAX = 1000, PAUSE_MS = 200 };

struct change_feed {
    struct map *rows; /* "JOB KEY" -> the key within it */
    size_t left;      /* to be read before the next pause */
    bool looking;
    int64_t looked_boot_ms;
    struct loop_timer *timer;
};

static struct job *change_feed_job_of(struct engine *e, const char *name, size_t len)
{
    for (size_t i = 0; i < e->job_count; i++) {
        struct job *j = e->jobs[i];
        if (strncmp(j->config->job, name, len) == 0 && !j->config->job[len])
            return j->table && j->discovered && !j->held ? j : NULL;
    }
    return NULL;
}

static void look_next(void *ctx);

static void change_feed_begin(void *ctx)
{
    struct engine *e = ctx;
    struct change_feed *c = e->changed;
    c->timer = NULL;
    c->looking = true;
    c->left = map_count(c->rows);
    look_next(e);
}

static void begin_soon(struct engine *e)
{
    struct change_feed *c = e->changed;
    if (!c->timer && !c->looking && map_count(c->rows) && !e->stopping)
        c->timer = loop_at(e->loop, c->looked_boot_ms + PAUSE_MS, change_feed_begin, e);
}

/* Takes rows until a read is under way; its callback continues here. */
static void look_next(void *ctx)
{
    struct engine *e = ctx;
    struct change_feed *c = e->changed;
    const char *about = NULL;
    void *key = NULL;
    size_t cursor = 0;
    while (c->left && map_next(c->rows, &cursor, &about, &key)) {
        struct job *j = change_feed_job_of(e, about, strcspn(about, " "));
        map_remove(c->rows, about);
        c->left--;
        if (j && engine_may_work(e)) {
            discovery_one(j, key, look_next, e);
            free(key);
            return;
        }
        free(key);
    }
    c->looking = false;
    c->looked_boot_ms = clock_boot_ms();
    begin_soon(e);
}

void change_feed_row(struct engine *e, const char *about)
{
    struct change_feed *c = e->changed;
    size_t len = strcspn(about, " ");
    struct job *j = change_feed_job_of(e, about, len);
    if (!j || !engine_may_work(e))
        return;
    if (!about[len] || map_count(c->rows) >= WAITING_MAX)
        discovery_again(j);
    else if (!map_get(c->rows, about))
        map_put(c->rows, about, xstrdup(about + len + 1));
    begin_soon(e);
}

void change_feed_missed(struct engine *e)
{
    for (size_t i = 0; engine_may_work(e) && i < e->job_count; i++)
        if (e->jobs[i]->discovered)
            discovery_again(e->jobs[i]);
}

void change_feed_start(struct engine *e)
{
    if (e->changed)
        return;
    e->changed = xcalloc(1, sizeof *e->changed);
    e->changed->rows = map_new();
}

void change_feed_free(struct engine *e)
{
    if (!e->changed)
        return;
    loop_cancel(&e->changed->timer);
    map_free(e->changed->rows, free);
    free(e->changed);
    e->changed = NULL;
}
