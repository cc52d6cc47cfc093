/* SPDX-License-Identifier: MIT
 * Detects settings that leave due records undone: a `limit` that ends run after run too early, and a `pace` at
 * which a run is not over when the next tick comes. The log and the job's status name the number that would
 * suffice. A job with "auto" takes what a tick left at each record's own time, in further runs of that limit.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/refresh/refresh.h"

enum { IN_A_ROW = 2 };

static void warn(struct job *j, char *text)
{
    free(j->warning);
    j->warning = text;
    if (text)
        log_line(LEVEL_WARNING, text, "job", j->config->job, NULL);
}

void limits_run(struct run *r)
{
    struct job *j = r->job;
    int64_t undone = r->row.due - r->row.refreshed - r->row.failed;
    if (r->mode != CLAIM_TICK || r->refused || !j->config->limit || j->config->automatic)
        return;
    if (r->left > 0 || undone <= 0) {
        j->cut = 0;
        if (!j->slow)
            warn(j, NULL);
    } else if (++j->cut >= IN_A_ROW && r->row.due > COUNT_MOST) {
        warn(j, xasprintf(
                    "limit = %" PRId64 " left more than %" PRId64
                    " due records unrefreshed, in %d runs in a row; raise it, or set \"auto\" beside the schedule",
                    j->config->limit, undone - 1, j->cut));
    } else if (j->cut >= IN_A_ROW) {
        warn(j, xasprintf("limit = %" PRId64 " left %" PRId64 " of %" PRId64
                          " due records unrefreshed, in %d runs in a row; "
                          "limit = %" PRId64 " is enough, or \"auto\" beside the schedule",
                          j->config->limit, undone, r->row.due, j->cut, r->row.due));
    }
}

/* What the greatest of those has to do that ticks began and that are not over; later ones find less. */
static int64_t under_way(const struct job *j)
{
    int64_t most = 0;
    for (const struct run *r = j->runs; r; r = r->next)
        if (strcmp(r->trigger, "tick") == 0 && r->started && !r->finishing && r->row.due > most)
            most = r->row.due;
    return j->config->limit && most > j->config->limit ? j->config->limit : most;
}

/* Where the pace leaves time enough it is no reason: the provider may be slow, or the database. */
void limits_tick(struct job *j)
{
    int64_t records = j->config->pace_ms ? under_way(j) : 0, now = clock_now();
    int64_t enough = records ? (schedule_next(j, now) - schedule_prev(j, now)) * 1000 / records : INT64_MAX;
    if (enough < 0 || enough >= j->config->pace_ms) {
        j->slow = 0;
        if (!j->cut)
            warn(j, NULL);
    } else if (++j->slow >= IN_A_ROW) {
        warn(j, xasprintf("at pace = \"%" PRId64 "ms\" a run of %" PRId64
                          " records is not over when the next tick comes, %d "
                          "times in a row; pace = \"%" PRId64 "ms\" is enough",
                          j->config->pace_ms, records, j->slow, enough));
    }
}

const char *job_warning(const struct job *j)
{
    return j->warning ? j->warning : j->blind;
}
