/* SPDX-License-Identifier: MIT
 * Gives a claim back: the lease is removed, and the record can be claimed again. Those that are given back one after
 * the other are one transaction.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/engine/commit/commit.h"

struct release_task {
    struct engine *engine;
    struct record record;
    struct released what;
};

static int claim_release_work(struct db *db, void *const *args, size_t count, struct error *e)
{
    struct released *list = xcalloc(count, sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = ((struct release_task *)args[i])->what;
    int res = store_release_many(db, list, count, e);
    free(list);
    return res;
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
    engine->busy--;
    engine->on->leases_unowned(engine);
    engine_check_stopped(engine);
}

void claim_release(struct engine *e, const struct record *rec, const char *attempt_id)
{
    struct release_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    record_copy(&t->record, rec);
    t->what.record = &t->record;
    memcpy(t->what.attempt_id, attempt_id, ID_SIZE);
    e->busy++;
    store_submit_many(e->store, claim_release_work, t, claim_release_done);
}
