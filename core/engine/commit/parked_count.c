/* SPDX-License-Identifier: MIT
 * Counts of parked pairs (rules 4 and 5), for operators: how many wait for their rows, and how many came too late.
 * Late ones are parked, sealed, for 30 days.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/commit/commit.h"
#include "core/engine/state/state.h"

struct parked_count_task {
    struct engine *engine;
    struct parked_counts counts;
};

static int parked_count_work(struct db *db, void *arg, struct error *e)
{
    struct parked_count_task *t = arg;
    return store_parked_count(db, clock_now() - ORPHANS_S, &t->counts, e);
}

static void parked_count_done(void *arg, int result, const struct error *e)
{
    struct parked_count_task *t = arg;
    struct engine *engine = t->engine;
    char removed[24];
    (void)e;
    if (result >= 0)
        engine->parked = t->counts;
    snprintf(removed, sizeof removed, "%" PRId64, t->counts.removed);
    if (result >= 0 && t->counts.removed)
        log_line(LEVEL_INFO, "parked tokens that are 30 days old were removed", "tokens", removed, NULL);
    free(t);
}

/* At start, with each heartbeat, and when one more was parked or one was written. */
void parked_count(struct engine *e)
{
    if (!engine_may_work(e))
        return;
    struct parked_count_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    engine_async(e, parked_count_work, t, parked_count_done);
}
