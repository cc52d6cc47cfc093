/* SPDX-License-Identifier: MIT
 * Routes about jobs: the list with its counts, pausing and resuming.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/internal.h"
#include "core/base/alloc.h"
#include "core/store/events/events.h"

enum { STATES = 16 };

struct job_counts {
    char *job, *source; /* source NULL: its table is not known */
    bool takes_events;
    int64_t counts[STATES], unreadable, events[EVENT_STATES];
    struct run_row *last;        /* its newest run that has ended; NULL = none */
    struct failure_row *failure; /* the first of its failures; NULL = none */
    size_t failures;
};

/* A reload may have removed the job when the counts arrive, so it is looked up again by name. */
struct jobs_task {
    struct request *q;
    struct engine *engine;
    struct job_counts *list;
    size_t count;
};

static int jobs_route_last_run(struct db *db, struct job_counts *c, struct error *e)
{
    int r = store_last_run(db, c->job, false, &c->last, e);

    return r < 0 || !c->last || !c->last->failed
               ? r
               : store_run_failures(db, c->last->id, 1, &c->failure, &c->failures, e);
}

static int jobs_route_count_work(struct db *db, void *arg, struct error *e)
{
    struct jobs_task *t = arg;

    for (size_t i = 0; i < t->count; i++) {
        int r = t->list[i].source ? store_state_counts(db, t->list[i].source, t->list[i].counts, e) : 0;
        if (r == 0 && t->list[i].source)
            r = store_unreadable(db, t->list[i].source, &t->list[i].unreadable, e);
        if (r == 0 && t->list[i].takes_events)
            r = store_event_counts(db, t->list[i].job, t->list[i].events, e);
        if (r == 0)
            r = jobs_route_last_run(db, &t->list[i], e);
        if (r < 0)
            return r;
    }
    return 0;
}

static void put_granted(struct json_writer *w, const struct job *j)
{
    struct granted g;

    if (!job_granted(j, &g)) {
        json_put_null(w, "granted");
        return;
    }
    json_begin_object(w, "granted");
    if (g.life)
        json_put_integer(w, "life", g.life);
    else
        json_put_null(w, "life");
    if (g.rotates < 0)
        json_put_null(w, "rotates");
    else
        json_put_bool(w, "rotates", g.rotates > 0);
    json_put_time(w, "changed_at", g.changed_at);
    json_end(w);
}

/* Null for a job that takes no events. */
static void jobs_route_put_events(struct json_writer *w, const struct job_counts *counts)
{
    static const int states[] = {EVENT_WAITING, EVENT_HELD, EVENT_ASIDE, EVENT_EXPIRED};

    if (!counts || !counts->takes_events) {
        json_put_null(w, "events");
        return;
    }
    json_begin_object(w, "events");
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        json_put_integer(w, event_state_name(states[i]), counts->events[states[i]]);
    json_put_integer(w, "repeats", counts->events[0]);
    if (counts->events[EVENT_DROPPED])
        json_put_integer(w, event_state_name(EVENT_DROPPED), counts->events[EVENT_DROPPED]);
    json_end(w);
}

/* The run's result, and that of a record that failed in it. */
static void put_last_run(struct json_writer *w, const struct job_counts *c)
{
    if (!c || !c->last) {
        json_put_null(w, "last_run");
        return;
    }
    json_begin_object(w, "last_run");
    json_run_members(w, c->last);
    json_put_text(w, "status", run_status(c->last));
    if (c->failures)
        json_failures(w, c->failure, c->failures);
    json_end(w);
}

static void put_job(struct json_writer *w, const struct job *j, const struct job_counts *counts)
{
    const struct job_config *c = job_configuration(j);
    int64_t failing;
    bool stands = job_stands(j) || job_paused(j), mistyped;

    json_begin_object(w, NULL);
    json_put_text(w, "job", c->job);
    json_put_text(w, "plugin", c->plugin_name);
    json_put_bool(w, "enabled", c->enabled);
    json_put_bool(w, "paused", job_paused(j));
    json_put_text(w, "held", job_held(j));
    json_put_text(w, "failing", job_failing(j, &failing));
    json_put_integer(w, "failing_records", failing);
    json_put_text(w, "schedule", c->schedule_text);
    json_put_text(w, "timezone", c->timezone);
    json_put_time(w, "next_at", stands ? 0 : job_next_at(j));
    json_put_integer(w, "in_flight", (int64_t)job_in_flight(j));
    json_put_text(w, "table", c->table);
    json_put_text(w, "legacy_name", c->legacy_name);
    put_granted(w, j);
    json_counts(w, "records", counts && counts->source ? counts->counts : NULL);
    if (counts && counts->source)
        json_put_integer(w, "unreadable", counts->unreadable);
    else
        json_put_null(w, "unreadable");
    json_put_text(w, "row_security", job_row_security(j));
    json_reading(w, j);
    json_put_text(w, "only", job_only_unheld(j, &mistyped));
    if (counts && counts->source)
        json_put_integer(w, "overdue", counts->counts[COUNT_OVERDUE]);
    else
        json_put_null(w, "overdue");
    json_put_text(w, "warning", job_warning(j));
    put_last_run(w, counts);
    jobs_route_put_events(w, counts);
    json_end(w);
}

/* Files with enabled = false are neither jobs nor mistakes. */
static void put_disabled(struct json_writer *w, const struct engine *e)
{
    const struct job_config *c;

    json_begin_array(w, "disabled");
    for (size_t i = 0; (c = engine_disabled(e, i)); i++) {
        json_begin_object(w, NULL);
        json_put_text(w, "job", c->job);
        json_put_text(w, "legacy_name", c->legacy_name);
        json_put_text(w, "file", c->file);
        json_end(w);
    }
    json_end(w);
}

static const struct job_counts *counts_of(const struct jobs_task *t, const struct job *j)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->list[i].job, job_configuration(j)->job) == 0)
            return &t->list[i];
    return NULL;
}

static void jobs_route_task_free(struct jobs_task *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->list[i].job);
        free(t->list[i].source);
        runs_free(t->list[i].last, t->list[i].last ? 1 : 0);
        failures_free(t->list[i].failure, t->list[i].failures);
    }
    free(t->list);
    free(t);
}

/* While the database is not available the list is answered without counts: it is needed most then. */
static void count_done(void *arg, int result, const struct error *e)
{
    struct jobs_task *t = arg;
    const struct job *j;
    struct answer a;

    (void)e;
    answer_begin_list(&a, "jobs");
    for (size_t i = 0; t->q->api && (j = engine_job(t->engine, i)); i++)
        put_job(&a.json, j, result < 0 ? NULL : counts_of(t, j));
    json_end(&a.json);
    if (t->q->api)
        put_disabled(&a.json, t->engine);
    answer_object(t->q, 200, &a);
    jobs_route_task_free(t);
}

void handle_jobs(struct request *q)
{
    struct jobs_task *t = xcalloc(1, sizeof *t);
    const struct job *j;

    t->q = q;
    t->engine = q->api->engine;
    while (engine_job(t->engine, t->count))
        t->count++;
    t->list = xcalloc(t->count + 1, sizeof *t->list);
    for (size_t i = 0; i < t->count && (j = engine_job(t->engine, i)); i++) {
        t->list[i].job = xstrdup(job_configuration(j)->job);
        t->list[i].takes_events = job_takes_events(j);
        t->list[i].source = xstrdup_or_null(job_source(j));
    }
    engine_read(t->engine, jobs_route_count_work, t, count_done);
}

struct pause_call {
    struct request *q;
    bool paused;
};

static int take_believe(struct request *q, bool *ret)
{
    const char *value = NULL;

    if (request_parameter(q, "believe", &value) < 0)
        return -EINVAL;
    *ret = value && strcmp(value, "1") == 0;
    if (!value || *ret || strcmp(value, "0") == 0)
        return 0;
    answer_error(q, 400, "bad_parameter", "believe must be 1 or 0");
    return -EINVAL;
}

static void jobs_route_pause_done(void *ctx, int result, const char *why)
{
    struct pause_call *t = ctx;
    struct request *q = t->q;
    const struct job *j = q->api ? engine_job_called(q->api->engine, q->job) : NULL;
    struct answer a;

    if (result == -ENOENT) {
        answer_error(q, 409, "not_ready", "%s; the job has not started yet", why);
    } else if (result < 0) {
        answer_failure(q, result, why);
    } else {
        answer_begin_object(&a);
        json_put_text(&a.json, "job", q->job);
        json_put_bool(&a.json, "paused", t->paused);
        json_put_text(&a.json, "held", j ? job_stands(j) : NULL); /* what no resume ends */
        answer_object(q, 200, &a);
    }
    free(t);
}

static void pause_or_resume(struct request *q, bool paused, bool believe)
{
    struct pause_call *t = xcalloc(1, sizeof *t);

    *t = (struct pause_call){q, paused};
    engine_pause(q->api->engine, q->found, paused, believe, jobs_route_pause_done, t);
}

void handle_pause(struct request *q)
{
    pause_or_resume(q, true, false);
}

void handle_resume(struct request *q)
{
    bool believe;

    if (take_believe(q, &believe) == 0)
        pause_or_resume(q, false, believe);
}
