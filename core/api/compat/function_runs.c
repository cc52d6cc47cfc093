/* SPDX-License-Identifier: MIT
 * Functions that run whole jobs, as at a tick: refresh-lightspeed-tokens and allocate-periodic-tokens. A run that
 * takes longer than a caller waits is answered with its result so far, and goes on.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/compat/functions.h"
#include "core/base/alloc.h"
#include "core/base/cleanup.h"

enum { FAILURES_SHOWN = 100 };

struct run_call;

struct part {
    struct run_call *call;
    char *job;
    struct run_result result;
    char *why;
    bool over;
    struct run_people people;
    struct failure_row *failures;
    size_t failure_count;
};

/* The store's results of the runs, until they may be read. */
struct report {
    int64_t run;
    struct run_people people;
    struct failure_row *failures;
    size_t failure_count;
};

struct run_call {
    struct request *q; /* NULL after the answer */
    struct engine *engine;
    struct loop *loop;
    void (*answer)(struct run_call *c);
    struct part *parts;
    struct report *reports; /* while reading */
    size_t count, running;
    bool reading;
    struct loop_timer *timer;
};

static void function_run_call_free(struct run_call *c)
{
    if (c->q || c->running || c->reading)
        return;
    loop_cancel(&c->timer);
    for (size_t i = 0; i < c->count; i++) {
        free(c->parts[i].job);
        free(c->parts[i].why);
        failures_free(c->parts[i].failures, c->parts[i].failure_count);
    }
    free(c->parts);
    free(c);
}

/* ---- results of the runs ---- */

static int function_run_read_work(struct db *db, void *arg, struct error *e)
{
    struct run_call *c = arg;

    for (size_t i = 0; i < c->count; i++) {
        struct report *p = &c->reports[i];
        int r = p->run ? store_run_people(db, p->run, &p->people, e) : 0;
        if (r >= 0 && p->people.failed)
            r = store_run_failures(db, p->run, FAILURES_SHOWN, &p->failures, &p->failure_count, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static void answer_now(struct run_call *c)
{
    loop_cancel(&c->timer);
    if (c->q)
        c->answer(c);
    c->q = NULL;
}

static void function_run_read_done(void *arg, int result, const struct error *e)
{
    struct run_call *c = arg;

    (void)result; /* then the counts of the runs themselves are used */
    (void)e;
    c->reading = false;
    for (size_t i = 0; i < c->count; i++) {
        c->parts[i].people = c->reports[i].people;
        c->parts[i].failures = c->reports[i].failures;
        c->parts[i].failure_count = c->reports[i].failure_count;
    }
    free(c->reports);
    answer_now(c);
    function_run_call_free(c);
}

/* The store is slow: an answer without names, but in time. */
static void too_late(void *ctx)
{
    struct run_call *c = ctx;

    c->timer = NULL;
    answer_now(c);
}

/* All are over, or the time is. */
static void sum_up(struct run_call *c)
{
    c->reports = xcalloc(c->count, sizeof *c->reports);
    for (size_t i = 0; i < c->count; i++) {
        struct part *p = &c->parts[i];
        const struct job *j = p->over ? NULL : engine_job_by_name(c->engine, p->job);
        if (j)
            engine_run_so_far(j, p, &p->result);
        c->reports[i].run = p->result.id;
    }
    c->reading = true;
    engine_read(c->engine, function_run_read_work, c, function_run_read_done);
}

static void time_is_over(void *ctx)
{
    struct run_call *c = ctx;

    c->timer = loop_after(c->loop, FUNCTION_HARD_MS - FUNCTION_SOFT_MS, too_late, c);
    sum_up(c);
}

static void part_over(void *ctx, const struct run_result *r)
{
    struct part *p = ctx;
    struct run_call *c = p->call;

    p->over = true;
    c->running--;
    if (!c->q || c->reading) {
        function_run_call_free(c);
        return;
    }
    p->result = *r;
    p->result.failures = NULL;
    p->result.failure_count = 0;
    p->why = xstrdup_or_null(r->why);
    p->result.why = p->why;
    if (c->running)
        return;
    if (!c->q->api) /* renewd has ended */
        answer_now(c);
    else
        sum_up(c);
    function_run_call_free(c);
}

/* ---- starting ---- */

static void function_run_start(struct request *q, void (*answer)(struct run_call *c))
{
    struct function_jobs jobs;

    function_jobs(q, NULL, &jobs);
    for (size_t i = 0; i < jobs.count; i++)
        if (job_stands(jobs.list[i])) {
            function_held(q, jobs.list[i]);
            return;
        }
    struct run_call *c = xcalloc(1, sizeof *c);
    *c = (struct run_call){.q = q, .engine = q->api->engine, .loop = q->api->loop, .answer = answer};
    c->count = c->running = jobs.count;
    c->parts = xcalloc(jobs.count, sizeof *c->parts);
    c->timer = loop_after(c->loop, FUNCTION_SOFT_MS, time_is_over, c);
    for (size_t i = 0; i < jobs.count; i++) {
        c->parts[i].call = c;
        c->parts[i].job = xstrdup(job_configuration(jobs.list[i])->job);
    }
    c->running++; /* a run that is refused at once must not end the call during this loop */
    for (size_t i = 0; i < jobs.count; i++)
        engine_run(c->engine, jobs.list[i], "function", false, part_over, &c->parts[i]);
    c->running--;
    if (!c->running && !c->reading)
        sum_up(c);
}

/* The first of the runs that never started. */
static const struct run_result *function_run_refused(const struct run_call *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->parts[i].result.error || c->parts[i].result.why)
            return &c->parts[i].result;
    return NULL;
}

static struct run_result function_run_sum(const struct run_call *c)
{
    struct run_result all = {0};

    for (size_t i = 0; i < c->count; i++) {
        all.due += c->parts[i].result.due;
        all.refreshed += c->parts[i].result.refreshed;
        all.failed += c->parts[i].result.failed;
    }
    return all;
}

/* ---- refresh-lightspeed-tokens ---- */

static void put_errors(struct json_writer *w, const struct run_call *c)
{
    size_t count = 0;

    for (size_t i = 0; i < c->count; i++)
        count += c->parts[i].failure_count;
    if (!count)
        return;
    json_begin_array(w, "errors");
    for (size_t i = 0; i < c->count; i++)
        for (size_t k = 0; k < c->parts[i].failure_count; k++) {
            const struct failure_row *f = &c->parts[i].failures[k];
            json_begin_object(w, NULL);
            json_put_text(w, "userId", f->owner ? f->owner : f->key);
            json_put_text(w, "error", f->text ? f->text : f->code ? f->code : f->outcome);
            json_end(w);
        }
    json_end(w);
}

/* One whose records its breaker holds: "no connections to refresh" would be untrue of them. */
static const struct job *held_by_breaker(const struct run_call *c)
{
    for (size_t i = 0; c->q->api && i < c->count; i++) {
        const struct job *j = engine_job_by_name(c->engine, c->parts[i].job);
        if (j && job_held_by_breaker(j))
            return j;
    }
    return NULL;
}

static void answer_connections(struct run_call *c)
{
    const struct run_result all = function_run_sum(c), *no = function_run_refused(c);
    struct answer a;

    if (no) {
        function_error(c->q, 500, no->why ? no->why : "the refresh could not be started", NULL, NULL);
        return;
    }
    const struct job *held = all.refreshed ? NULL : held_by_breaker(c);
    if (held) {
        function_held(c->q, held);
        return;
    }
    bool nothing = !all.due && !all.refreshed && !all.failed && !c->running;
    answer_begin_object(&a);
    json_put_bool(&a.json, "success", true);
    json_put_text(&a.json, "message", nothing ? "No connections to refresh" : "Token refresh complete");
    json_put_integer(&a.json, "refreshed", all.refreshed);
    if (!nothing)
        json_put_integer(&a.json, "failed", all.failed);
    put_errors(&a.json, c);
    answer_object(c->q, 200, &a);
}

void function_refresh_connections(struct request *q)
{
    function_run_start(q, answer_connections);
}

/* ---- allocate-periodic-tokens ---- */

static void answer_not_allocated(struct request *q, const struct run_result *no)
{
    const char *why = no->why ? no->why : "the allocation could not be started";

    if (no->error == 0 || no->error == -EINVAL) /* its own statement says what is missing */
        function_error(q, 500, why, NULL, NULL);
    else if (store_is_away(no->error))
        function_error(q, 500, "Failed to fetch user subscriptions.", NULL, NULL);
    else
        function_error(q, 500, "Internal Server Error", "details", why);
}

/* Counts users, not periods: a user who got three of them is counted once. */
static struct run_people people(const struct run_call *c)
{
    struct run_people all = {0};

    for (size_t i = 0; i < c->count; i++) {
        all.all += c->parts[i].people.all;
        all.ok += c->parts[i].people.ok;
        all.failed += c->parts[i].people.failed;
    }
    return all;
}

static void answer_allocated(struct run_call *c)
{
    const struct run_result all = function_run_sum(c), *no = function_run_refused(c);
    struct run_people p = people(c);
    cleanup(free_p) char *summary = NULL;
    struct answer a;

    if (no) {
        answer_not_allocated(c->q, no);
        return;
    }
    if (!p.all)
        p = (struct run_people){all.refreshed + all.failed, all.refreshed, all.failed};
    answer_begin_object(&a);
    if (!all.due && !p.all && !c->running) {
        json_put_text(&a.json, "message", "No users due for allocation.");
    } else {
        summary = xasprintf("Periodic token allocation complete. Users processed: %" PRId64
                            ". Tokens awarded to: %" PRId64 ". Failed attempts: %" PRId64 ".",
                            p.all, p.ok, p.failed);
        json_put_text(&a.json, "message", "Allocation process finished.");
        json_put_text(&a.json, "summary", summary);
    }
    answer_object(c->q, 200, &a);
}

void function_allocate(struct request *q)
{
    function_run_start(q, answer_allocated);
}
