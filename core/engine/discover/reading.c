/* SPDX-License-Identifier: MIT
 * How far a reading of a job's whole table is, for those who wait for it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/discover/discover.h"

bool job_reading(const struct job *j, struct progress *ret)
{
    const struct discovery *d = &j->discovery;
    if (!d->running || !(d->full || d->looking) || j->held)
        return false;
    progress_make(d->round.rows, d->full ? d->about : d->table_rows, clock_boot_ms() - d->started_ms, ret);
    return true;
}

void job_log_reading(const struct job *j, const struct progress *p)
{
    char rows[24], about[24] = "", left[24] = "";
    snprintf(rows, sizeof rows, "%" PRId64, p->rows);
    if (p->about)
        snprintf(about, sizeof about, "%" PRId64, p->about);
    if (p->left >= 0)
        snprintf(left, sizeof left, "%" PRId64 "s", p->left);
    log_line(LEVEL_INFO, "the job's table is being read", "job", j->config->job, "rows", rows, "about", about,
             "left", left, NULL);
}
