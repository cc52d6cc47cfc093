/* SPDX-License-Identifier: MIT
 * Decides which events are sent next. The store says which records have due events. Records that share credential
 * and destination make one sending; the others wait for their turn, or until what blocks them is over. Only a
 * daemon sends events, --once does not. The events of a paused job wait. While the breaker holds a job, its events
 * are sent with the tokens that are still valid.
 */
#include "core/engine/commit/commit.h"
#include "core/engine/events/events.h"
#include "core/engine/events/internal.h"
#include "core/engine/rows/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/map.h"

enum {
    KEYS_MAX = 200, /* records that are read in one query */
    POLL_MS = 5000, /* for events that another host took in, or left */
    GATHER_MS = 20, /* events that are posted one by one are sent together */
    MORE_MS = 100,  /* until the rest is read, when there were more */
    GONE_S = 600,   /* a record that cannot be read is read again */
};

static void event_dispatch_look(void *ctx);

/* ---- when ---- */

static bool may_send(const struct job *j)
{
    return j->engine->setup.daemon && job_may_claim(j);
}

void events_look_in(struct job_events *je, int64_t ms)
{
    int64_t at = clock_boot_ms() + (ms > 0 ? ms : 0);
    if (!je->started || je->job->removed || je->job->engine->stopping)
        return;
    if (je->timer && je->look_boot_ms <= at)
        return;
    loop_cancel(&je->timer);
    je->look_boot_ms = at;
    je->timer = loop_at(je->job->engine->loop, at, event_dispatch_look, je);
}

void events_start(struct job *j)
{
    if (!j->events || !j->engine->setup.daemon)
        return;
    j->events->started = true;
    tidy_start(j->events);
    events_look_in(j->events, 0);
}

void events_came(struct job *j)
{
    if (j->events)
        events_look_in(j->events, GATHER_MS);
}

/* ---- which may travel together ---- */

static void add_slot(struct buf *b, const char *name, const struct slot_value *v)
{
    if (v->text)
        buf_printf(b, "\n%s=%zu:%s", name, v->len, v->text);
}

char *events_destination(struct job *j, const struct row *row, struct error *e)
{
    const struct renewd_plugin *d = plugin_descriptor(j->config->plugin);
    struct row_values v = {0};
    char fp[FINGERPRINT_SIZE];
    struct buf b;

    if (row_values_decrypt(j, row, &v, e) < 0)
        return NULL;
    buf_init(&b, 1 << 20);
    if (row_fingerprint(j, row->key, &v, fp) < 0 || !fp[0])
        buf_printf(&b, "record %s", row->key);
    else
        buf_printf(&b, "credential %s", fp);
    for (size_t i = 0; d->slots[i]; i++)
        if (d->slots[i]->destination)
            add_slot(&b, d->slots[i]->name, &v.list[i]);
    row_values_done(&v);
    char *name = xstrdup(b.data);
    buf_done(&b);
    return name;
}

/* ---- events that stay ---- */

struct park_task {
    struct job *job;
    char **keys;
    size_t count;
    struct trouble how;
};

static int park_work(struct db *db, void *arg, struct error *e)
{
    const struct park_task *t = arg;
    const struct event_move to = {t->how.state, t->how.not_before, t->how.code, t->how.why};
    return store_events_move(db, t->job->config->job, (const char *const *)t->keys, t->count, &to, e);
}

static void park_done(void *arg, int result, const struct error *err)
{
    struct park_task *t = arg;
    if (result < 0 && !store_is_away(result))
        log_line(LEVEL_WARNING,
                 "the reason why events wait could not be written to the database; it is written again later",
                 "job", t->job->config->job, "reason", err->text, NULL);
    for (size_t i = 0; i < t->count; i++)
        free(t->keys[i]);
    free(t->keys);
    free(t->how.code);
    free(t->how.why);
    free(t);
}

void events_park(struct job_events *je, char *const *keys, size_t count, const struct trouble *how)
{
    struct park_task *t = xcalloc(1, sizeof *t);
    t->job = je->job;
    t->keys = xcalloc(count + 1, sizeof *t->keys);
    for (size_t i = 0; i < count; i++)
        t->keys[t->count++] = xstrdup(keys[i]);
    t->how = *how;
    t->how.code = xstrdup_or_null(how->code);
    t->how.why = xstrdup_or_null(how->why);
    engine_async(je->job->engine, park_work, t, park_done);
}

/* ---- which records are due ---- */

struct events_due_task {
    struct job_events *of;
    char **keys;
    size_t count;
    int64_t next;
    struct known_row *from;
};

static int event_dispatch_due_work(struct db *db, void *arg, struct error *e)
{
    struct events_due_task *t = arg;
    struct job *j = t->of->job;
    int res = store_events_due(db, j->config->job, clock_now(), KEYS_MAX, &t->keys, &t->count, &t->next, e);
    if (res < 0)
        return res;
    t->from = xcalloc(t->count + 1, sizeof *t->from);
    return store_rows(db, j->table, (const char *const *)t->keys, t->count, t->from, e);
}

static void due_free(struct events_due_task *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->keys[i]);
    free(t->keys);
    known_rows_free(t->from, t->count);
    free(t);
}

static void cannot_be_read(struct job_events *je, char *key, const char *why)
{
    const struct trouble *t =
        blocked_record_note(je, key, EVENT_WAITING, clock_now() + GONE_S, true, "record", why);
    events_park(je, &key, 1, t);
}

struct event_group {
    char **keys;
    size_t count;
};

static void event_group_free(void *p)
{
    struct event_group *g = p;
    if (!g)
        return;
    for (size_t i = 0; i < g->count; i++)
        free(g->keys[i]);
    free(g->keys);
    free(g);
}

static void event_group_add(struct map *groups, const char *destination, const char *key)
{
    struct event_group *g = map_get(groups, destination);
    if (!g) {
        g = xcalloc(1, sizeof *g);
        g->keys = xcalloc(KEYS_MAX + 1, sizeof *g->keys);
        map_put(groups, destination, g);
    }
    g->keys[g->count++] = xstrdup(key);
}

static void event_dispatch_sort_out(struct job_events *je, char *key, const struct known_row *from,
                                    struct map *groups)
{
    struct job *j = je->job;
    const struct trouble *t = blocked_record_of(je, key);
    struct error e = {""};
    if (t && t->not_before > clock_now()) {
        events_park(je, &key, 1, t);
    } else if (!event_from_found(from) || row_is_filtered_out(j, &from->row, &from->record)) {
        cannot_be_read(je, key, "its record is no longer one of the job's; the event waits for it");
    } else {
        cleanup(free_p) char *destination = events_destination(j, &from->row, &e);
        if (destination)
            event_group_add(groups, destination, key);
        else
            cannot_be_read(je, key, e.text);
    }
}

static bool destination_is_under_way(const struct job_events *je, const char *destination)
{
    for (const struct sending *s = je->sendings; s; s = s->next)
        if (strcmp(s->destination, destination) == 0)
            return true;
    return false;
}

static void send_groups(struct job_events *je, struct map *groups)
{
    size_t cursor = 0;
    const char *destination;
    void *value;
    while (map_next(groups, &cursor, &destination, &value)) {
        struct event_group *g = value;
        if (destination_is_under_way(je, destination) || je->active >= SENDINGS_MAX)
            continue; /* each sending checks again when it ends */
        sending_start(je, xstrdup(destination), g->keys, g->count);
        g->keys = NULL;
        g->count = 0;
    }
}

static void event_dispatch_due_done(void *arg, int result, const struct error *err)
{
    struct events_due_task *t = arg;
    struct job_events *je = t->of;
    int64_t wait = POLL_MS;
    je->looking = false;
    if (result < 0 && !store_is_away(result))
        log_line(LEVEL_WARNING, "the due events could not be read from the database; renewd tries again", "job",
                 je->job->config->job, "reason", err->text, NULL);
    if (result >= 0 && may_send(je->job)) {
        struct map *groups = map_new();
        for (size_t i = 0; i < t->count; i++)
            event_dispatch_sort_out(je, t->keys[i], &t->from[i], groups);
        send_groups(je, groups);
        map_free(groups, event_group_free);
        int64_t left = t->next ? (t->next - clock_now()) * 1000 : POLL_MS;
        wait = je->again || left < 0 ? 0 : left < POLL_MS ? left : POLL_MS;
        if (t->count == KEYS_MAX && wait > MORE_MS)
            wait = MORE_MS;
    }
    je->again = false;
    due_free(t);
    events_look_in(je, wait);
}

static void event_dispatch_look(void *ctx)
{
    struct job_events *je = ctx;
    je->timer = NULL;
    if (je->looking) {
        je->again = true;
        return;
    }
    if (!may_send(je->job)) {
        events_look_in(je, POLL_MS);
        return;
    }
    struct events_due_task *t = xcalloc(1, sizeof *t);
    t->of = je;
    je->looking = true;
    engine_async_read(je->job->engine, event_dispatch_due_work, t, event_dispatch_due_done);
}

/* ---- when a record changes ---- */

struct kick_task {
    struct job *job;
    char *key;
};

static int kick_work(struct db *db, void *arg, struct error *e)
{
    struct kick_task *t = arg;
    const char *keys[] = {t->key};
    const struct event_move now = {.state = EVENT_WAITING, .due_at = clock_now()};
    return store_events_move(db, t->job->config->job, keys, 1, &now, e);
}

static void kick_done(void *arg, int result, const struct error *err)
{
    (void)result; /* then the slow poll finds them */
    (void)err;
    struct kick_task *t = arg;
    if (t->job->events)
        events_look_in(t->job->events, 0);
    free(t->key);
    free(t);
}

void events_record_changed(struct job *j, const char *key, bool is_new)
{
    const struct trouble *t = j->events ? blocked_record_of(j->events, key) : NULL;
    if (!j->events || (t ? !t->freed_by_change : is_new) || !engine_may_work(j->engine))
        return;
    blocked_record_end(j->events, key);
    struct kick_task *k = xcalloc(1, sizeof *k);
    k->job = j;
    k->key = xstrdup(key);
    engine_async(j->engine, kick_work, k, kick_done);
}

/* ---- start and stop ---- */

bool job_takes_events(const struct job *j)
{
    return j->events != NULL;
}

bool job_event_member(const struct job *j, const char *name)
{
    return j->instance && instance_event_member(j->instance, name);
}

void events_new(struct job *j)
{
    if (!instance_takes_events(j->instance))
        return;
    struct job_events *je = xcalloc(1, sizeof *je);
    je->job = j;
    je->limit = instance_event_batch(j->instance);
    je->troubles = map_new();
    j->events = je;
}

bool events_idle(const struct job *j)
{
    return !j->events || (!j->events->sendings && !j->events->adding && !j->events->searching &&
                          !j->events->posts && !j->events->looking);
}

/* Results that the store does not have yet are not waited for while it is not available: their leases end. */
bool events_at_work(const struct job *j)
{
    for (const struct sending *s = j->events ? j->events->sendings : NULL; s; s = s->next)
        if (s->transfer || engine_store_up(j->engine))
            return true;
    return false;
}

void events_stop(struct job *j)
{
    if (!j->events)
        return;
    loop_cancel(&j->events->timer);
    loop_cancel(&j->events->tidy_timer);
}

void events_give_up(struct job *j)
{
    for (struct sending *s = j->events ? j->events->sendings : NULL; s; s = s->next) {
        http_transfer_cancel(&s->transfer);
        settles_wait(s);
    }
}

void events_free(struct job *j)
{
    struct job_events *je = j->events;
    if (!je)
        return;
    events_stop(j);
    while (je->sendings)
        sending_free(je->sendings);
    posts_free(je);
    blocked_records_free(je);
    free(je);
    j->events = NULL;
}
