/* SPDX-License-Identifier: MIT
 * A manual refresh: one record, an owner's, or all of a job. A single record is read first, because its application
 * may have changed it a moment ago. If there is no such record, there is no run.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/engine/discover/discover.h"
#include "core/engine/refresh/refresh.h"
#include "core/engine/rows/rows.h"

struct run_manual_task {
    struct job *job;
    char *key;
    run_done done;
    void *ctx;
};

static int manual_known_work(struct db *db, void *arg, struct error *e)
{
    struct run_manual_task *t = arg;
    return record_stands(db, t->job, t->key, e);
}

static void manual_known_done(void *arg, int result, const struct error *e)
{
    struct run_manual_task *t = arg;
    const char *keys[] = {t->key};
    if (result == -ENOENT)
        t->done(t->ctx, &(struct run_result){.error = -ENOENT, .why = "there is no such record"});
    else if (result == -ENODATA)
        t->done(t->ctx, &(struct run_result){.error = -ENODATA, .why = e->text});
    else /* if the database is not available, the run reports it */
        run_start(t->job, CLAIM_MANUAL, "hand", keys, 1, t->done, t->ctx);
    free(t->key);
    free(t);
}

static void manual_looked(void *arg)
{
    struct run_manual_task *t = arg;
    engine_async(t->job->engine, manual_known_work, t, manual_known_done);
}

void engine_refresh(struct engine *e, struct job *j, const char *const *keys, size_t count, run_done done,
                    void *ctx)
{
    int error;
    if (count != 1 || job_why_not(j, &error) || !engine_store_up(e)) {
        run_start(j, CLAIM_MANUAL, "hand", keys, count, done, ctx);
        return;
    }
    struct run_manual_task *t = xcalloc(1, sizeof *t);
    *t = (struct run_manual_task){j, xstrdup(keys[0]), done, ctx};
    discovery_one(j, keys[0], manual_looked, t);
}
