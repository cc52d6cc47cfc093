/* SPDX-License-Identifier: MIT
 * Routes that make a job work and wait for it: a run, a refresh of one record, of an owner's, of all; and the list
 * of past runs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/internal.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"

/* One owner has only a few records; this limits the memory that one request can use. */
enum { OWNED_MAX = 100000 };

/* A hold of the breaker stops neither runs, for records that are fine, nor manual refreshes. */
/* False when the job is held or paused; then it was answered. */
static bool job_may_run(struct request *q)
{
    const char *held = job_stands(q->found);
    bool paused = job_paused(q->found);

    if (held) /* an answer ends the request */
        answer_error(q, 409, "held", "job %s is held: %s", q->job, held);
    else if (paused)
        answer_error(q, 409, "paused", "job %s is paused; resume it first", q->job);
    return !held && !paused;
}

/* Why it did less than was due; NULL = nothing kept it from that. */
static const char *kept_from(const struct job *j, const struct run_result *r)
{
    if (job_held(j) || !job_paused(j) || (!r->skipped && !r->left.due))
        return job_held(j);
    return "it was paused while the run was under way; resume it first";
}

static void answer_run(struct request *q, const char *trigger, const struct run_result *r)
{
    struct answer a;
    char name[16];
    bool mistyped;
    const struct job *j = q->api ? engine_job_by_name(q->api->engine, q->job) : NULL;
    const char *only = j ? job_only_unheld(j, &mistyped) : NULL;
    snprintf(name, sizeof name, "%s", trigger);
    const struct run_row row = {
        .id = r->id,
        .job = q->job,
        .trigger = name,
        .started_at = q->started_at,
        .finished_at = clock_now(),
        .due = r->due,
        .refreshed = r->refreshed,
        .failed = r->failed,
        .skipped = r->skipped,
    };

    answer_begin_object(&a);
    json_run_members(&a.json, &row);
    json_failures(&a.json, r->failures, r->failure_count);
    json_skipped(&a.json, r->skipped_because);
    json_put_bool(&a.json, "stopping", r->stopping);
    if (strcmp(trigger, "run") == 0) {
        json_put_integer(&a.json, "waiting", r->left.waiting);
        json_put_time(&a.json, "waiting_until", r->left.next_at);
        json_put_integer(&a.json, "waiting_own", r->left.own);
        json_put_text(&a.json, "held", j ? kept_from(j, r) : NULL);
        json_put_integer(&a.json, "unreadable", r->left.unreadable);
        json_put_integer(&a.json, "without_credential", r->left.without_credential);
        json_put_text(&a.json, "only", only);
    }
    answer_object(q, 200, &a);
}

/* Its own statement refused, or it never started. */
static bool runs_route_refused(struct request *q, const struct run_result *r)
{
    if (r->error == 0 && !r->why)
        return false;
    if (r->error == 0 || r->error == -EINVAL)
        answer_error(q, 409, "not_ready", "%s", r->why ? r->why : "the run was refused");
    else
        answer_failure(q, r->error, r->why);
    return true;
}

static void runs_route_run_ended(void *ctx, const struct run_result *r)
{
    struct request *q = ctx;

    if (!runs_route_refused(q, r))
        answer_run(q, "run", r);
}

void handle_run(struct request *q)
{
    const char *now = NULL;

    if (request_parameter(q, "now", &now) < 0)
        return;
    if (now && strcmp(now, "1") != 0 && strcmp(now, "0") != 0) {
        answer_error(q, 400, "bad_parameter", "now must be 1 or 0");
        return;
    }
    if (job_may_run(q))
        engine_run(q->api->engine, q->found, "run", now && now[0] == '1', runs_route_run_ended, q);
}

/* ---- refresh ---- */

static void all_refreshed(void *ctx, const struct run_result *r)
{
    struct request *q = ctx;

    if (!runs_route_refused(q, r))
        answer_run(q, "hand", r);
}

static void one_refreshed(void *ctx, const struct run_result *r)
{
    struct request *q = ctx;

    if (r->error == -ENOENT)
        answer_error(q, 404, "unknown_record",
                     "job %s has no record %s: there is no such row, or `only` leaves it out", q->job, q->id);
    else if (r->error == -ENODATA)
        answer_error(q, 404, "left_out", "job %s: %s", q->job, r->why);
    else if (!runs_route_refused(q, r))
        answer_run(q, "hand", r);
}

void handle_refresh_record(struct request *q)
{
    const char *keys[] = {q->id};

    if (job_may_run(q) && job_has_records(q))
        engine_refresh(q->api->engine, q->found, keys, 1, one_refreshed, q);
}

struct owner_task {
    struct request *q;
    char *source, *owner;
    char **keys;
    size_t count;
    bool all; /* the whole table was read */
};

static int owner_work(struct db *db, void *arg, struct error *e)
{
    struct owner_task *t = arg;
    struct records_query query = {.source = t->source, .owner = t->owner, .limit = LIMIT_MAX};
    size_t count = LIMIT_MAX;

    while (count == LIMIT_MAX && t->count < OWNED_MAX) {
        struct record *list = NULL;
        int r = store_records(db, &query, &list, &count, e);
        if (r < 0)
            return r;
        t->keys = xrealloc(t->keys, (t->count + count + 1) * sizeof *t->keys);
        for (size_t i = 0; i < count; i++)
            t->keys[t->count++] = xstrdup(list[i].key);
        records_free(list, count);
        query.after = t->count ? t->keys[t->count - 1] : NULL;
    }
    return 0;
}

static void owner_free(struct owner_task *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->keys[i]);
    free(t->keys);
    free(t->source);
    free(t->owner);
    free(t);
}

static void owner_look(void *ctx, bool all, const char *why);

/* Without keys the engine would take all records of the job, so an owner without records is answered here. */
static void runs_route_owner_done(void *arg, int result, const struct error *e)
{
    static const struct run_result nothing;
    struct owner_task *t = arg;
    struct request *q = t->q;

    q->found = q->api ? engine_job_by_name(q->api->engine, q->job) : NULL;
    if (result < 0)
        answer_failure(q, result, e->text);
    else if (!q->found)
        answer_error(q, 404, "unknown_job", "there is no job %s any more", q->job);
    else if (!t->count && !t->all) {
        engine_look(q->found, true, owner_look, t);
        return;
    } else if (!t->count)
        answer_run(q, "hand", &nothing);
    else
        engine_refresh(q->api->engine, q->found, (const char *const *)t->keys, t->count, all_refreshed, q);
    owner_free(t);
}

/* Rows that were added a moment ago belong to the owner, too. */
static void owner_look(void *ctx, bool all, const char *why)
{
    struct owner_task *t = ctx;
    struct request *q = t->q;

    t->all = all;
    if (!why && q->api) {
        engine_read(q->api->engine, owner_work, t, runs_route_owner_done);
        return;
    }
    answer_error(q, 503, "not_read", "the table of job %s could not be read: %s", q->job,
                 why ? why : "renewd is stopping");
    owner_free(t);
}

static int take_owner(struct request *q, char **ret)
{
    struct json *doc = NULL;
    const char *owner = NULL;

    if (request_object(q, "owner ", &doc) < 0)
        return -EINVAL;
    int r = json_text(doc, "owner", &owner, NULL);
    if (r < 0 && r != -ENOENT) {
        json_free(doc);
        answer_error(q, 400, "wrong_type", "the member \"owner\" must be a text");
        return -EINVAL;
    }
    *ret = xstrdup_or_null(owner);
    json_free(doc);
    return 0;
}

void handle_refresh_job(struct request *q)
{
    char *owner = NULL;

    if (take_owner(q, &owner) < 0)
        return;
    if (!job_may_run(q) || !job_has_records(q)) {
        free(owner);
        return;
    }
    if (!owner) {
        engine_refresh(q->api->engine, q->found, NULL, 0, all_refreshed, q);
        return;
    }
    struct owner_task *t = xcalloc(1, sizeof *t);
    t->q = q;
    t->owner = owner;
    t->source = xstrdup(job_source(q->found));
    engine_look(q->found, false, owner_look, t);
}

/* ---- the list ---- */

struct runs_task {
    struct request *q;
    char *job;
    size_t limit, count;
    struct run_row *list;
};

static int runs_work(struct db *db, void *arg, struct error *e)
{
    struct runs_task *t = arg;

    return store_runs(db, t->job, t->limit, &t->list, &t->count, e);
}

static void runs_done(void *arg, int result, const struct error *e)
{
    struct runs_task *t = arg;
    struct answer a;

    if (result < 0) {
        answer_failure(t->q, result, e->text);
    } else {
        answer_begin_list(&a, "runs");
        for (size_t i = 0; i < t->count; i++)
            json_run(&a.json, NULL, &t->list[i]);
        answer_list(t->q, &a);
    }
    runs_free(t->list, t->count);
    free(t->job);
    free(t);
}

void handle_runs(struct request *q)
{
    size_t limit;

    if (request_limit(q, &limit) < 0)
        return;
    struct runs_task *t = xcalloc(1, sizeof *t);
    t->q = q;
    t->limit = limit;
    t->job = xstrdup_or_null(q->job);
    engine_read(q->api->engine, runs_work, t, runs_done);
}
