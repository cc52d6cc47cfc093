/* SPDX-License-Identifier: MIT
 * Keys of other jobs' `also` that cannot be read: their columns are missing, or renewd's role may not read them. A job
 * goes on without them; what it then does not regard is told.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/engine/commit/commit.h"
#include "core/engine/state/state.h"

char *status_columns_blind(struct db *db, const struct job *j)
{
    for (size_t i = 0; i < j->config->also_count; i++) {
        const struct also *a = &j->config->also[i];
        for (size_t k = 0; k < a->on_ok_count; k++)
            for (size_t n = 0; n < a->other_key_count; n++) {
                struct error why;
                int res = store_check_statement(db, j->also[i].unless[k][n], 1, &why);
                if (res >= 0) /* rights are asked for only when it runs */
                    res = store_statement_rights(db, "also", j->also[i].unless[k][n], 1, &why);
                if (res == -EINVAL || res == -EACCES)
                    return xasprintf("also: job %s leads to rows of %s by the column %s, which is missing or may "
                                     "not be read (%s): %s.%s is taken back without regard to its records; correct "
                                     "the key in the file of job %s, or grant SELECT on the column",
                                     a->other_jobs[n], a->table, a->other_keys[n], why.text, a->table,
                                     a->on_ok[k].column, a->other_jobs[n]);
            }
    }
    return NULL;
}

void status_columns_blind_take(struct job *j, char *why)
{
    bool same = why ? j->blind && strcmp(why, j->blind) == 0 : !j->blind;
    if (!same && why)
        log_line(LEVEL_WARNING, why, "job", j->config->job, NULL);
    else if (!same)
        log_line(LEVEL_INFO, "the keys of other jobs' also can be read again", "job", j->config->job, NULL);
    free(j->blind);
    j->blind = why;
}
