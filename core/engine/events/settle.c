/* SPDX-License-Identifier: MIT
 * Stores the results of claimed events. While the database is not available, or its disk is full, the write is
 * repeated without limit: no other process claims these events meanwhile, and this process still holds them. A
 * locked row is tried again until the lease ends; after that the events are sent once more, which is counted.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/events/internal.h"
#include "core/engine/tokens/internal.h"

enum { AGAIN_MS = 500 };

const char *sending_account(const struct sending *s, const char *key)
{
    return tokens_account(s->of->job->engine->tokens, s->of->job, key);
}

struct settle_task {
    struct sending *of;
    int64_t *ids;
    size_t count;
    struct fate fate; /* code and why belong to the task */
    bool unsent;
    int64_t now;
    struct loop_timer *timer; /* until it is tried again */
    struct settle_task *next;
};

static void event_settle_submit(struct settle_task *t);

static int settle_work(struct db *db, void *arg, struct error *e)
{
    const struct settle_task *t = arg;
    const struct sending *s = t->of;
    const struct job *j = s->of->job;
    const struct state_dir *host = j->engine->setup.state;
    const struct fate *f = &t->fate;
    const struct event_settle what = {.host = host->host,
                                      .incarnation = host->incarnation,
                                      .ids = t->ids,
                                      .count = t->count,
                                      .state = f->state,
                                      .due_at = f->due_at,
                                      .now = t->now,
                                      .unsent = t->unsent,
                                      .code = f->code,
                                      .why = f->why};
    int res = t->count ? store_events_settle(db, &what, e) : 0;
    if (res < 0 || !f->others)
        return res;
    const struct event_move to = {f->state, f->due_at, f->code, f->why};
    return store_events_move(db, j->config->job, (const char *const *)s->keys, s->key_count, &to, e);
}

static void event_settle_task_free(struct settle_task *t)
{
    for (struct settle_task **p = &t->of->settles; *p; p = &(*p)->next)
        if (*p == t) {
            *p = t->next;
            break;
        }
    loop_cancel(&t->timer);
    free((char *)t->fate.code);
    free((char *)t->fate.why);
    free(t->ids);
    free(t);
}

static void event_settle_again(void *ctx)
{
    struct settle_task *t = ctx;
    t->timer = NULL;
    event_settle_submit(t);
}

static void settle_done(void *arg, int result, const struct error *err)
{
    struct settle_task *t = arg;
    struct sending *s = t->of;
    struct engine *e = s->of->job->engine;
    if (store_passes(result) && (store_is_away(result) || clock_boot_ms() < s->lease_boot_ms) &&
        e->stopping != STOP_BEGUN) {
        t->timer = loop_after(e->loop, AGAIN_MS, event_settle_again, t);
        return;
    }
    if (result < 0)
        log_line(LEVEL_ERROR,
                 "the result of sent events could not be written to the database; they may be sent again, with "
                 "the same ids",
                 "job", s->of->job->config->job, "record", s->keys[0], "account", sending_account(s, s->keys[0]),
                 "reason", err->text, NULL);
    event_settle_task_free(t);
    sending_go_on(s);
}

static void event_settle_submit(struct settle_task *t)
{
    struct engine *e = t->of->of->job->engine;
    engine_async(e, settle_work, t, settle_done);
}

static struct settle_task *event_settle_task_new(struct sending *s, const struct fate *f)
{
    struct settle_task *t = xcalloc(1, sizeof *t);
    t->of = s;
    t->ids = xcalloc(s->count + 1, sizeof *t->ids);
    t->fate = *f;
    t->unsent = !s->presented;
    t->fate.code = xstrdup_or_null(f->code);
    t->fate.why = xstrdup_or_null(f->why);
    t->now = clock_now();
    t->next = s->settles;
    s->settles = t;
    return t;
}

static void event_settle_add(struct settle_task *t, const struct range *r)
{
    for (size_t i = 0; i < r->count; i++)
        t->ids[t->count++] = t->of->events[r->at + i].id;
}

void settle_events(struct sending *s, const struct range *r, const struct fate *f)
{
    struct settle_task *t = event_settle_task_new(s, f);
    event_settle_add(t, r);
    event_settle_submit(t);
}

void settle_rest(struct sending *s, const struct fate *f)
{
    struct settle_task *t = event_settle_task_new(s, f);
    event_settle_add(t, &s->range);
    while (s->range_count)
        event_settle_add(t, &s->ranges[--s->range_count]);
    s->range.count = 0;
    event_settle_submit(t);
}

void settle_marked(struct sending *s, const bool *marked, const struct fate *f)
{
    struct settle_task *t = event_settle_task_new(s, f);
    for (size_t i = 0; i < s->count; i++)
        if (marked[i])
            t->ids[t->count++] = s->events[i].id;
    event_settle_submit(t);
}

void settles_wait(struct sending *s)
{
    for (struct settle_task *t = s->settles; t; t = t->next)
        loop_cancel(&t->timer);
}

void settles_free(struct sending *s)
{
    while (s->settles)
        event_settle_task_free(s->settles);
}
