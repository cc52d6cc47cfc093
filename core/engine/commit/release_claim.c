/* SPDX-License-Identifier: MIT
 * Gives a claim back: the lease is removed, and the record can be claimed again.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/engine/commit/commit.h"

struct release_task {
    struct engine *engine;
    struct record record;
    char attempt_id[ID_SIZE];
};

static int claim_release_work(struct db *db, void *arg, struct error *e)
{
    struct release_task *t = arg;
    return store_release(db, &t->record, t->attempt_id, e);
}

static void claim_release_done(void *arg, int result, const struct error *e)
{
    struct release_task *t = arg;
    struct engine *engine = t->engine;
    if (result < 0) {
        if (!engine->lost)
            log_line(LEVEL_WARNING,
                     "the leases of these records could not be released in the database; they are released when "
                     "it answers",
                     "job", t->record.job, "record", t->record.key, "account", t->record.account, "reason", e->text,
                     NULL);
        engine->lost = true;
    }
    record_done(&t->record);
    free(t);
    engine->on->leases_unowned(engine);
}

void claim_release(struct engine *e, const struct record *rec, const char *attempt_id)
{
    struct release_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    record_copy(&t->record, rec);
    memcpy(t->attempt_id, attempt_id, ID_SIZE);
    engine_async(e, claim_release_work, t, claim_release_done);
}
