/* SPDX-License-Identifier: MIT
 * Takes events in: the plugin reads them, then they are added to the store. They are acknowledged only when the
 * store has them. Events that are posted while the store is busy go into one transaction.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/discover/discover.h"
#include "core/engine/events/events.h"
#include "core/engine/events/internal.h"

enum { TOGETHER_MAX = 1000 };

struct post {
    struct job_events *of;
    char *key;
    struct taken_event *taken;
    struct new_event *list;
    size_t count;
    events_added done;
    void *ctx;
    int result;
    struct error why;
    bool looked; /* its row was read: if there is no record now, there is none */
    struct post *next;
};

struct add_task {
    struct job_events *of;
    struct post *posts;
};

static void event_intake_pump(struct job_events *je);

static void post_free(struct post *p)
{
    for (size_t i = 0; i < p->count; i++)
        taken_event_done(&p->taken[i]);
    free(p->taken);
    free(p->list);
    free(p->key);
    free(p);
}

static void say_dropped(const struct post *p)
{
    for (size_t i = 0; i < p->count && p->result >= 0; i++)
        if (p->list[i].dropped && !p->list[i].duplicate)
            log_line(LEVEL_WARNING, "an event was accepted and is not sent", "job", p->of->job->config->job,
                     "record", p->key, "account", engine_account(p->of->job->engine, p->of->job, p->key), "event",
                     p->list[i].event_id, "reason", p->list[i].dropped, NULL);
}

static void event_intake_answer(struct post *p)
{
    struct added_event *list = xcalloc(p->count + 1, sizeof *list);
    for (size_t i = 0; i < p->count; i++)
        list[i] = (struct added_event){p->list[i].id, p->list[i].event_id, p->list[i].duplicate};
    say_dropped(p);
    p->done(p->ctx, list, p->count, p->result, p->why.text);
    free(list);
    post_free(p);
}

/* ---- on the store's thread ---- */

static int add_one(struct db *db, const struct job *j, struct post *p)
{
    const struct job_config *c = j->config;
    return store_events_add(db, c->job, j->table->source, p->list, p->count, c->events_depth, clock_now(), &p->why);
}

/* All of them in one transaction; false: one of them fails, and each is tried by itself. */
static bool add_together(struct db *db, const struct job *j, struct post *first)
{
    const struct job_config *c = j->config;
    size_t count = 0, n = 0;
    struct error e = {""};
    for (const struct post *p = first; p; p = p->next)
        count += p->count;
    struct new_event *all = xcalloc(count + 1, sizeof *all);
    for (const struct post *p = first; p; p = p->next) {
        memcpy(all + n, p->list, p->count * sizeof *all);
        n += p->count;
    }
    int res = store_events_add(db, c->job, j->table->source, all, count, c->events_depth, clock_now(), &e);
    n = 0;
    for (struct post *p = first; p && res >= 0; p = p->next) {
        memcpy(p->list, all + n, p->count * sizeof *all);
        n += p->count;
    }
    free(all);
    return res >= 0;
}

static int add_work(struct db *db, void *arg, struct error *e)
{
    struct add_task *t = arg;
    const struct job *j = t->of->job;
    (void)e;
    if (t->posts->next && add_together(db, j, t->posts))
        return 0;
    for (struct post *p = t->posts; p; p = p->next)
        p->result = add_one(db, j, p);
    return 0;
}

/* ---- on the loop ---- */

static void queue(struct post *p)
{
    struct post **at = &p->of->posts;
    while (*at)
        at = &(*at)->next;
    p->next = NULL;
    *at = p;
}

/* A record that was added a moment ago is not known yet. */
static void events_looked(void *ctx)
{
    struct post *p = ctx;
    struct job_events *je = p->of;
    je->searching--;
    p->looked = true;
    queue(p);
    event_intake_pump(je);
    engine_check_stopped(je->job->engine);
}

static void post_done(struct post *p)
{
    if (p->result == -ENOENT && !p->looked && engine_may_work(p->of->job->engine) && p->of->job->table) {
        p->of->searching++;
        discovery_one(p->of->job, p->key, events_looked, p);
    } else {
        event_intake_answer(p);
    }
}

static void add_done(void *arg, int result, const struct error *err)
{
    struct add_task *t = arg;
    struct job_events *je = t->of;
    je->adding = false;
    for (struct post *p = t->posts, *next; p; p = next) {
        next = p->next;
        if (result < 0) {
            p->result = result;
            p->why = *err;
        }
        post_done(p);
    }
    free(t);
    events_came(je->job);
    event_intake_pump(je);
}

/* The first that waits, and those after it that can go with it. */
static struct post *event_intake_take(struct job_events *je)
{
    struct post *first = je->posts, **end = &first->next;
    size_t count = first->count;
    while (*end && count + (*end)->count <= TOGETHER_MAX) {
        count += (*end)->count;
        end = &(*end)->next;
    }
    je->posts = *end;
    *end = NULL;
    return first;
}

static void event_intake_pump(struct job_events *je)
{
    struct engine *e = je->job->engine;
    if (!je->posts || je->adding)
        return;
    struct add_task *t = xcalloc(1, sizeof *t);
    t->of = je;
    t->posts = event_intake_take(je);
    je->adding = true;
    engine_async(e, add_work, t, add_done);
}

/* ---- requests ---- */

int engine_take_event(struct job *j, const struct event_message *m, struct taken_event *ret, struct error *e)
{
    return instance_take_event(j->instance, m, clock_now(), ret, e);
}

static struct new_event to_add(const struct job *j, const char *key, const struct taken_event *t)
{
    int64_t now = clock_now(), last = now + j->config->events_max_age_s;
    return (struct new_event){
        .key = key,
        .event_id = t->event_id,
        .name = t->name,
        .text = t->event,
        .len = t->event_len,
        .dropped = t->dropped,
        .same = (const char *const *)t->same,
        .event_time = t->event_time ? t->event_time : now,
        .last_at = t->last_at && t->last_at < last ? t->last_at : last,
    };
}

/* NULL: the store takes events now. */
static const char *cannot_add(const struct engine *e, const struct job *j, int *ret)
{
    *ret = e->stopping ? -ESHUTDOWN : e->phase == ENGINE_READ_ONLY ? -EROFS : -ENOTCONN;
    if (e->stopping)
        return "renewd is stopping";
    if (e->phase == ENGINE_READ_ONLY)
        return e->store_why;
    return e->phase >= ENGINE_DRAINING && j->table
               ? NULL
               : "the database is not available; nothing was stored, send it again";
}

void engine_events_add(struct engine *e, struct job *j, const char *key, struct taken_event *list, size_t count,
                       events_added done, void *ctx)
{
    struct post *p = xcalloc(1, sizeof *p);
    int result;
    *p = (struct post){.of = j->events, .key = xstrdup(key), .count = count, .done = done, .ctx = ctx};
    p->taken = xmemdup(list, count * sizeof *list);
    memset(list, 0, count * sizeof *list);
    p->list = xcalloc(count + 1, sizeof *p->list);
    for (size_t i = 0; i < count; i++)
        p->list[i] = to_add(j, p->key, &p->taken[i]);
    const char *why = cannot_add(e, j, &result);
    if (why) {
        p->result = result;
        error_set(&p->why, result, "%s", why);
        event_intake_answer(p);
        return;
    }
    queue(p);
    event_intake_pump(j->events);
}

void posts_free(struct job_events *je)
{
    while (je->posts) {
        struct post *p = je->posts;
        je->posts = p->next;
        p->result = -ESHUTDOWN;
        error_set(&p->why, -ESHUTDOWN, "renewd is stopping");
        event_intake_answer(p);
    }
}
