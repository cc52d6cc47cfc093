/* SPDX-License-Identifier: MIT
 * A table that somebody holds locked as a whole (LOCK TABLE, an ALTER that takes long). The store thread must not wait
 * for it again and again: its job's results wait together, on the spool, and a few of them are tried from time to time.
 * When one of these is stored, all follow. Results of other jobs go on meanwhile.
 */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/commit/commit.h"

enum {
    FIRST_MS = 1000,
    MOST_MS = 10000,
    OVER_MS = 30000, /* not found locked for so long: it is free */
    TRIED = 3        /* more than the store sets aside for single locked rows */
};

void locked_table_found(struct job *j, const char *why)
{
    int64_t now = clock_boot_ms();
    if (now < j->locked_table.until_ms)
        return;
    int64_t before = locked_table_holds(j) ? j->locked_table.wait_ms : 0;
    if (!before)
        log_line(
            LEVEL_WARNING,
            "the job's table seems to be locked by another transaction; its results wait on the spool, and some "
            "are tried again until it is free",
            "job", j->config->job, "table", j->config->table, "reason", why, NULL);
    int64_t wait = before ? 2 * before : FIRST_MS;
    j->locked_table.wait_ms = wait < MOST_MS ? wait : MOST_MS;
    j->locked_table.until_ms = now + j->locked_table.wait_ms;
}

bool locked_table_holds(const struct job *j)
{
    return j->locked_table.wait_ms && clock_boot_ms() < j->locked_table.until_ms + OVER_MS;
}

bool locked_table_waits(const struct job *j)
{
    return locked_table_holds(j) && (clock_boot_ms() < j->locked_table.until_ms || j->locked_table.trying >= TRIED);
}

void locked_table_try(struct job *j)
{
    j->locked_table.trying++;
}

void locked_table_tried(struct job *j)
{
    j->locked_table.trying--;
}

bool locked_table_free(struct job *j)
{
    bool was = j->locked_table.wait_ms != 0;
    if (was)
        log_line(LEVEL_INFO, "the job's table is no longer locked", "job", j->config->job, NULL);
    j->locked_table.wait_ms = j->locked_table.until_ms = 0;
    return was;
}
