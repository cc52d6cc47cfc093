/* SPDX-License-Identifier: MIT
 * Receives requests in SQL and changed rows at once on PostgreSQL: one connection listens, and each notification
 * causes the requests, or that row, to be read. Where that is not possible (a pooler), or fails for a while, the
 * poll and the rounds of discovery find them. Nothing relies on a notification.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/db/listen.h"
#include "core/engine/discover/discover.h"
#include "core/engine/internal.h"

enum { SOON_MS = 200, AGAIN_MS = 5000 };

struct listen_task {
    struct engine *engine;
    struct listener *listener;
};

static void listen_now(void *ctx);

static int listen_work(struct db *db, void *arg, struct error *e)
{
    (void)db;
    struct listen_task *t = arg;
    const struct config *c = t->engine->setup.config;
    struct store_options o = {.driver = c->store_driver, .dsn = c->store_dsn, .read_only = true};
    return listener_open(&o, &t->listener, e);
}

static void again_in(struct engine *e, int64_t ms)
{
    if (!e->stopping)
        e->hints_timer = loop_after(e->loop, ms, listen_now, e);
}

static void notify_said(void *ctx, const char *changed)
{
    struct engine *e = ctx;
    if (changed)
        change_feed_row(e, changed);
    else
        requests_look(e);
}

static void something_said(void *ctx, uint32_t events)
{
    (void)events;
    struct engine *e = ctx;
    if (listener_hear(e->listener, notify_said, e) < 0) {
        pg_notify_stop(e);
        again_in(e, AGAIN_MS);
    }
}

static void listening(struct engine *e, struct listener *l)
{
    e->listener = l;
    if (loop_watch(e->loop, listener_fd(l), LOOP_READ, something_said, e, &e->hints_watch) < 0) {
        pg_notify_stop(e);
        again_in(e, AGAIN_MS);
        return;
    }
    requests_look(e); /* what was requested and changed while the connection did not listen */
    change_feed_missed(e);
}

static void listen_done(void *arg, int result, const struct error *err)
{
    struct listen_task *t = arg;
    struct engine *e = t->engine;
    if (result == 0 && !e->stopping)
        listening(e, t->listener);
    else if (result == 0)
        listener_close(t->listener);
    else if (result == -EOPNOTSUPP)
        log_line(LEVEL_INFO,
                 "PostgreSQL sends no notifications here: requests made in SQL are read every five seconds, "
                 "changed rows at every rescan",
                 "reason", err->text, NULL);
    else
        again_in(e, AGAIN_MS);
    free(t);
}

static void listen_now(void *ctx)
{
    struct engine *e = ctx;
    e->hints_timer = NULL;
    if (!e->reader_up) { /* connecting may take seconds: done on the reader's thread, not the store's */
        again_in(e, SOON_MS);
        return;
    }
    struct listen_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    engine_async_read(e, listen_work, t, listen_done);
}

void pg_notify_start(struct engine *e)
{
    if (strcmp(e->setup.config->store_driver, "postgresql") != 0)
        return;
    change_feed_start(e);
    listen_now(e);
}

void pg_notify_stop(struct engine *e)
{
    loop_cancel(&e->hints_timer);
    loop_unwatch(&e->hints_watch);
    listener_close(e->listener);
    e->listener = NULL;
}
