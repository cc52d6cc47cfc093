/* SPDX-License-Identifier: MIT
 * Routes about renewd itself: its status, whether it runs and is ready, reading conf.d again, describing a plugin.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/internal.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/loop/loop.h"
#include "core/plugin/load.h"

void handle_status(struct request *q)
{
    struct engine_status s;
    struct answer a;

    engine_status(q->api->engine, &s);
    answer_begin(&a);
    json_status(&a.json, q->api->engine, &s, clock_now());
    answer_json(q, 200, &a);
}

static void answer_ok(struct request *q)
{
    struct answer a;

    answer_begin_object(&a);
    json_put_text(&a.json, "status", "ok");
    answer_object(q, 200, &a);
}

/* What is wrong with a job; false = nothing of that kind. The first one begins the list. */
typedef bool put_trouble(struct json_writer *w, const struct job *j, bool reasons, const char *list, bool begun);

static void begin_job(struct json_writer *w, const struct job *j, const char *list, bool begun)
{
    if (!begun)
        json_begin_array(w, list);
    json_begin_object(w, NULL);
    json_put_text(w, "job", job_configuration(j)->job);
}

static bool put_failing(struct json_writer *w, const struct job *j, bool reasons, const char *list, bool begun)
{
    int64_t records;

    (void)reasons;
    if (!job_failing(j, &records))
        return false;
    begin_job(w, j, list, begun);
    json_put_integer(w, "records", records);
    return true;
}

static bool put_held(struct json_writer *w, const struct job *j, bool reasons, const char *list, bool begun)
{
    if (!job_held(j))
        return false;
    begin_job(w, j, list, begun);
    if (reasons)
        json_put_text(w, "reason", job_held(j));
    return true;
}

static bool put_refused(struct json_writer *w, const struct job *j, bool reasons, const char *list, bool begun)
{
    int64_t at;
    const char *why = job_last_refused(j, &at);

    if (!why)
        return false;
    begin_job(w, j, list, begun);
    json_put_time(w, "at", at);
    if (reasons)
        json_put_text(w, "reason", why);
    return true;
}

static void put_list(struct json_writer *w, const struct engine *e, bool reasons, const char *list,
                     put_trouble *put)
{
    const struct job *j;
    bool begun = false;

    for (size_t i = 0; (j = engine_job(e, i)); i++)
        if (put(w, j, reasons, list, begun)) {
            json_end(w);
            begun = true;
        }
    if (begun)
        json_end(w);
}

static bool is_well(const struct engine *e)
{
    const struct job *j;
    int64_t ignored;

    for (size_t i = 0; (j = engine_job(e, i)); i++)
        if (job_failing(j, &ignored) || job_held(j) || job_last_refused(j, &ignored))
            return false;
    return true;
}

/* renewd is ready; the answer names the jobs that do not work. Reasons are for the socket alone: over TCP no secret
 * is asked for. */
static void answer_ready(struct request *q)
{
    const struct engine *e = q->api->engine;
    struct answer a;

    answer_begin_object(&a);
    json_put_text(&a.json, "status", is_well(e) ? "ok" : "failing");
    put_list(&a.json, e, !q->tcp, "failing", put_failing);
    put_list(&a.json, e, !q->tcp, "held", put_held);
    put_list(&a.json, e, !q->tcp, "refused", put_refused);
    answer_object(q, 200, &a);
}

/* That the process answers is all that was asked. */
void handle_healthz(struct request *q)
{
    answer_ok(q);
}

/* The first job that is neither held nor has a resolved table; NULL when there is none. */
static const struct job *unready_job(const struct engine *e)
{
    const struct job *j;

    for (size_t i = 0; (j = engine_job(e, i)); i++)
        if (!job_held(j) && !job_source(j))
            return j;
    return NULL;
}

void handle_readyz(struct request *q)
{
    struct engine_status s;
    const struct job *j = unready_job(q->api->engine);

    engine_status(q->api->engine, &s);
    if (s.read_only)
        answer_error(q, 503, "read_only", "%s", s.store_why);
    else if (!s.store_up)
        answer_error(q, 503, "store_away", "the database is not available: %s",
                     s.store_why ? s.store_why : "not connected yet");
    else if (j)
        answer_error(q, 503, "not_ready", "the table of job %s has not been read yet; ask again in a few seconds",
                     job_configuration(j)->job);
    else if (!q->api->ready)
        answer_error(q, 503, "not_ready",
                     "the records of some jobs are still being read; ask again in a few seconds");
    else
        answer_ready(q);
}

/* Waits for the tables of the changed jobs; large tables are read on afterwards. */
enum { RELOAD_WAIT_MS = 2000, RELOAD_WAITS = 10 };

struct reload_task {
    struct request *q; /* NULL: answered */
    struct loop_timer *timer;
    int waits;
    struct reload_result result;
};

/* A job with correct files may still be held because of its table or its rows. */
static void add_held(const struct engine *e, struct reload_result *r)
{
    struct job *j;
    for (size_t i = 0; (j = engine_job(e, i)); i++) {
        const char *why = job_held_by_breaker(j) ? NULL : job_held(j);
        if (!why || (r->text && strstr(r->text, why)))
            continue;
        char *text = xasprintf("%sjob %s is held: %s\n", r->text ? r->text : "", job_configuration(j)->job, why);
        free(r->text);
        r->text = text;
        r->held++;
    }
}

/* It is not held, but may not be what was meant. */
static void add_unheld(const struct engine *e, struct reload_result *r)
{
    struct job *j;
    for (size_t i = 0; (j = engine_job(e, i)); i++) {
        bool mistyped;
        const char *why = job_only_unheld(j, &mistyped);
        if (!why)
            continue;
        char *text = xasprintf("%swarning: job %s: %s\n", r->text ? r->text : "", job_configuration(j)->job, why);
        free(r->text);
        r->text = text;
    }
}

/* Why the jobs' tables could not be looked at; NULL = they were. */
static const char *unchecked(const struct engine *e)
{
    struct engine_status s;

    engine_status(e, &s);
    if (s.read_only || !s.store_up)
        return s.store_why ? s.store_why : "the database is not connected yet";
    return unready_job(e) ? "they have not been read yet; ask `renewctl status` in a few seconds" : NULL;
}

static void answer_reload(struct reload_task *t)
{
    const char *why = NULL;

    if (t->q->api) {
        add_held(t->q->api->engine, &t->result);
        add_unheld(t->q->api->engine, &t->result);
        why = unchecked(t->q->api->engine);
    }
    const struct reload_result *r = &t->result;
    struct answer a;

    answer_begin_object(&a);
    json_put_integer(&a.json, "loaded", (int64_t)r->loaded);
    json_put_integer(&a.json, "unchanged", (int64_t)r->unchanged);
    json_put_integer(&a.json, "removed", (int64_t)r->removed);
    json_put_integer(&a.json, "held", (int64_t)r->held);
    json_put_text(&a.json, "text", r->text ? r->text : "");
    json_put_text(&a.json, "unchecked", why);
    answer_object(t->q, 200, &a);
    t->q = NULL;
}

static void reloaded(void *ctx)
{
    struct reload_task *t = ctx;

    loop_cancel(&t->timer);
    if (t->q)
        answer_reload(t);
    reload_result_done(&t->result);
    free(t);
}

/* The tables are being looked at, and the result may hold a job. */
static bool one_is_looked_up(const struct engine *e)
{
    struct engine_status s;
    struct job *j;

    engine_status(e, &s);
    if (s.store_up && !s.read_only && unready_job(e))
        return true;
    for (size_t i = 0; (j = engine_job(e, i)); i++)
        if (job_is_looked_up(j))
            return true;
    return false;
}

static void health_route_waited(void *ctx)
{
    struct reload_task *t = ctx;

    t->timer = NULL;
    if (t->q->api && one_is_looked_up(t->q->api->engine) && ++t->waits < RELOAD_WAITS) {
        t->timer = loop_after(t->q->api->loop, RELOAD_WAIT_MS, health_route_waited, t);
        return;
    }
    answer_reload(t);
}

/* Answered when the jobs can be asked again, or are being read. */
void handle_reload(struct request *q)
{
    struct reload_task *t = xcalloc(1, sizeof *t);
    struct error why = {""};

    t->q = q;
    t->timer = loop_after(q->api->loop, RELOAD_WAIT_MS, health_route_waited, t);
    engine_reload(q->api->engine, &t->result);
    if (api_reload(q->api, &why) < 0) {
        char *text = xasprintf("%s%s\n", t->result.text ? t->result.text : "", why.text);
        free(t->result.text);
        t->result.text = text;
        t->result.held++;
    }
    engine_when_jobs_ready(q->api->engine, reloaded, t);
}

static void adopted(void *ctx, int result, const char *why)
{
    struct request *q = ctx;

    if (result == -EINVAL)
        answer_error(q, 409, "refused", "%s", why);
    else if (result < 0)
        answer_failure(q, result, why);
    else
        answer_ok(q);
}

void handle_adopt(struct request *q)
{
    engine_adopt(q->api->engine, adopted, q);
}

void handle_plugin(struct request *q)
{
    const struct plugin *p;
    struct answer a;
    struct error e;

    if (plugins_get(q->api->plugins, q->id, &p, &e) < 0) {
        answer_error(q, 404, "unknown_plugin", "%s", e.text);
        return;
    }
    answer_begin(&a);
    plugin_describe(p, &a.json);
    answer_json(q, 200, &a);
}
