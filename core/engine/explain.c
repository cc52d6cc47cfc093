/* SPDX-License-Identifier: MIT
 * "Nothing is refreshed" has an answer: a job's records counted by what keeps them, and one record's reason.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/domain/outcome.h"
#include "core/domain/timestamp.h"
#include "core/engine/internal.h"

struct explain_task {
    struct job *job;
    struct explanation explanation;
    void (*done)(void *ctx, const struct explanation *x, int result, const char *why);
    void *ctx;
};

static int explain_work(struct db *db, void *arg, struct error *e)
{
    struct explain_task *t = arg;
    return store_explain(db, t->job->table, clock_now(), &t->explanation, e);
}

static void explain_done(void *arg, int result, const struct error *e)
{
    struct explain_task *t = arg;
    struct engine *engine = t->job->engine;
    engine->busy--;
    t->done(t->ctx, &t->explanation, result, e->text);
    free(t);
    engine_check_stopped(engine);
}

void engine_explain(struct engine *e, struct job *j,
                    void (*done)(void *ctx, const struct explanation *x, int result, const char *why),
                    void *ctx)
{
    struct explain_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->done = done;
    t->ctx = ctx;
    e->busy++;
    store_submit(e->store, explain_work, t, explain_done);
}

static void at_text(int64_t at, char *ret, size_t size)
{
    if (timestamp_rfc3339(at, ret, size) < 0)
        snprintf(ret, size, "an unknown time");
}

void record_why(const struct record *r, int64_t now, char *ret, size_t size)
{
    char at[TIMESTAMP_SIZE] = "";
    if (r->without_credential)
        snprintf(ret, size, "without credential: the row holds none");
    else if (r->state == STATE_RECONNECT)
        snprintf(ret, size, "only a person can help: the account must be reconnected by its owner");
    else if (r->state == STATE_PENDING)
        snprintf(ret, size, "its new token is kept aside: the database refused the row; it is tried again every minute");
    else if (!r->point)
        snprintf(ret, size, "%s", r->last_text ? "it cannot be read; see its last error"
                                               : "the plugin asks for nothing: it does not run out");
    else if (r->not_before > now) {
        at_text(r->not_before, at, sizeof at);
        snprintf(ret, size, "it failed and is tried again at %s", at);
    } else if (r->window.earliest > now) {
        at_text(r->window.earliest, at, sizeof at);
        snprintf(ret, size, "the provider would refuse it before %s", at);
    } else if (r->point > now) {
        at_text(r->point, at, sizeof at);
        snprintf(ret, size, "not due: its time is %s", at);
    } else {
        snprintf(ret, size, "due: the next run takes it");
    }
}
