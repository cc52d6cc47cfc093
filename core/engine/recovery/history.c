/* SPDX-License-Identifier: MIT
 * Removes history older than 90 days, and spent credentials after their own time, in small batches: in a daemon with at most 1 % of a core, at start and then
 * every hour; in --once some batches in a row. It uses the real clock: a rehearsal of next year removes nothing.
 */
#include "core/engine/recovery/recovery.h"
#include "core/store/history.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/state/state.h"

enum { KEEP_S = 90 * 86400, HOUR_MS = 3600 * 1000, REST_SHARE = 99, ONCE_BATCHES = 20 };

struct trim_task {
    struct engine *engine;
    int64_t spent_keep_s;
    bool more;
    int batches;
    int64_t took_ms;
};

static void trim(void *ctx);

static int trim_work(struct db *db, void *arg, struct error *e)
{
    struct trim_task *t = arg;
    int64_t begun_ms = clock_boot_ms();
    int64_t now = clock_real();
    int res = store_history_trim(db, now - KEEP_S, now - t->spent_keep_s, &t->more, e);
    t->took_ms = clock_boot_ms() - begun_ms;
    return res;
}

static void trim_done(void *arg, int result, const struct error *err)
{
    struct trim_task *t = arg;
    struct engine *e = t->engine;
    if (result < 0 && !store_is_away(result))
        log_line(LEVEL_WARNING, "old history could not be removed; it is tried again in an hour", "reason",
                 err->text, NULL);
    if (result >= 0 && t->more && !e->setup.daemon && engine_store_up(e) && ++t->batches < ONCE_BATCHES) {
        engine_async(e, trim_work, t, trim_done); /* its work may be done: it ends when this is done, too */
        return;
    }
    if (e->setup.daemon && !e->stopping)
        e->history_timer = loop_after(e->loop, result >= 0 && t->more ? t->took_ms * REST_SHARE : HOUR_MS, trim, e);
    free(t);
}

static void trim(void *ctx)
{
    struct engine *e = ctx;
    e->history_timer = NULL;
    if (!engine_may_work(e)) {
        e->history_timer = loop_after(e->loop, HOUR_MS, trim, e);
        return;
    }
    struct trim_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    t->spent_keep_s = e->setup.config->spent_keep_s;
    engine_async(e, trim_work, t, trim_done);
}

void history_start(struct engine *e)
{
    if (e->history_started)
        return;
    e->history_started = true;
    trim(e);
}
