/* SPDX-License-Identifier: MIT
 * A run that somebody asked for, and attempts of other runs and hosts at records that are due: it waits for them,
 * and counts what they brought as results, not as skipped.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/engine/refresh/refresh.h"
#include "core/store/under_way.h"

enum { LOOK_MS = 300, CLOCKS_APART_S = 300, FAILURES_MAX = 1000 };

/* The answer of a function counts what its own run did: answers can be added up, as those of the old functions. */
bool others_matter(const struct run *r)
{
    return r->job->engine->setup.daemon && !run_names_keys(r) && !r->shares_minute &&
           strcmp(r->trigger, "tick") != 0 && strcmp(r->trigger, "function") != 0;
}

static int64_t others_since(const struct run *r)
{
    return r->row.started_at - CLOCKS_APART_S;
}

int others_begin(struct db *db, struct run *r, const struct claim_request *q, struct error *e)
{
    if (!others_matter(r))
        return 0;
    return store_results_of_others(db, q->table->source, others_since(r), r->row.id, &r->others, e);
}

int others_add_due(struct db *db, struct run *r, const struct claim_request *q, struct error *e)
{
    struct under_way_due now = {0};
    if (!others_matter(r) || r->mode != CLAIM_AUTO)
        return 0;
    int res = store_under_way_due(db, q, &now, e);
    r->row.due += now.moved;
    return res;
}

struct others_task {
    struct run *run;
    struct claim_request query;
    struct under_way_due now;
};

static int others_look_work(struct db *db, void *arg, struct error *e)
{
    struct others_task *t = arg;
    return store_under_way_due(db, &t->query, &t->now, e);
}

static void others_again(void *ctx)
{
    struct run *r = ctx;
    r->others_timer = NULL;
    r->exhausted = false; /* what another one gave back may be taken */
    run_pump(r);
}

static void others_look_done(void *arg, int result, const struct error *err)
{
    (void)err;
    struct others_task *t = arg;
    struct run *r = t->run;
    r->others_looking = false;
    if (result < 0 || !t->now.due || !job_may_claim(r->job)) {
        r->others_over = true;
    } else {
        if (!r->others_noted)
            run_note_progress(r);
        r->others_noted = true;
        r->others_timer = loop_after(r->job->engine->loop, LOOK_MS, others_again, r);
    }
    free(t);
    run_pump(r);
}

bool others_wait(struct run *r)
{
    struct engine *e = r->job->engine;
    if (r->others_looking || (r->others_timer && job_may_claim(r->job)))
        return true;
    if (r->others_over || !others_matter(r) || !engine_store_up(e) || !job_may_claim(r->job))
        return false;
    struct others_task *t = xcalloc(1, sizeof *t);
    t->run = r;
    run_query(r, &t->query);
    t->query.now = r->row.started_at; /* what becomes due later is not waited for */
    r->others_looking = true;
    engine_async(e, others_look_work, t, others_look_done);
    return true;
}

static int64_t count_at_most(int64_t n, int64_t most)
{
    return n < 0 || most < 0 ? 0 : n < most ? n : most;
}

/* What is still due was left by everybody: results of others belong to other records. Asked once: if the store does
 * not say, the records stay skipped, and the run ends all the same. */
int others_count(struct db *db, struct run *r, struct error *e)
{
    struct others_results now = {0};
    struct left left = {0};
    if (r->others_counted || !r->row.skipped || !others_matter(r))
        return 0;
    r->others_counted = true;
    int res = store_left(db, &r->left_query, &left, e);
    if (res == 0)
        res = store_results_of_others(db, r->left_query.table->source, others_since(r), r->row.id, &now, e);
    if (res < 0)
        return res;
    int64_t done = r->row.skipped - left.due - left.elsewhere;
    int64_t ok = count_at_most(now.ok - r->others.ok, done);
    int64_t failed = count_at_most(now.failed - r->others.failed, done - ok);
    r->row.refreshed += ok;
    r->row.failed += failed;
    r->row.skipped -= ok + failed;
    r->others_failed = failed;
    return 0;
}

int others_failures(struct db *db, struct run *r, struct failure_row **ret, size_t *ret_count, struct error *e)
{
    size_t most = r->others_failed < FAILURES_MAX ? (size_t)r->others_failed : FAILURES_MAX;
    if (!most)
        return 0;
    return store_failures_of_others(db, r->left_query.table->source, r->row.started_at, r->row.id, most, ret,
                                    ret_count, e);
}
