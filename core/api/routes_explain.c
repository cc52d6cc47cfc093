/* SPDX-License-Identifier: MIT
 * Why nothing, or this one, is refreshed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/api/internal.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/domain/outcome.h"

static void reason(struct json_writer *w, int64_t count, const char *why)
{
    if (!count)
        return;
    json_begin_object(w, NULL);
    json_put_integer(w, "count", count);
    json_put_text(w, "why", why);
    json_end(w);
}

static void put_reasons(struct json_writer *w, const struct explanation *x, int64_t limit)
{
    char over[120];
    json_begin_array(w, "reasons");
    reason(w, x->left_out, "left out by `only`");
    reason(w, x->without_credential, "without credential");
    reason(w, x->later, "not due yet");
    reason(w, x->never, "nothing to do: they do not run out, or cannot be read (see their last error)");
    reason(w, x->backoff, "failed, and wait for their next try");
    reason(w, x->too_early, "too early: the provider would refuse");
    reason(w, x->leased, "an attempt is under way, here or at another host");
    reason(w, x->spent, "hold a credential that was replaced or is dead");
    reason(w, x->states[STATE_RECONNECT], "wait for their owner to reconnect");
    reason(w, x->states[STATE_PENDING], "their new token is kept aside; the database refused the row");
    reason(w, x->states[STATE_PAUSED], "paused");
    if (limit && x->due > limit) {
        snprintf(over, sizeof over, "due, but over the limit of %" PRId64 " a run", limit);
        reason(w, x->due - limit, over);
    }
    json_end(w);
}

static void explained(void *ctx, const struct explanation *x, int result, const char *why)
{
    struct request *q = ctx;
    struct answer a;

    if (result < 0 || !q->api) {
        answer_failure(q, result < 0 ? result : -ESHUTDOWN, result < 0 ? why : "renewd is stopping");
        return;
    }
    struct job *j = engine_job_by_name(q->api->engine, q->job);
    answer_begin(&a);
    json_begin_object(&a.json, NULL);
    json_put_text(&a.json, "job", q->job);
    json_put_text(&a.json, "held", j ? job_held(j) : NULL);
    json_put_bool(&a.json, "paused", j && job_paused(j));
    json_put_integer(&a.json, "rows", x->rows);
    json_put_integer(&a.json, "records", x->records);
    json_put_integer(&a.json, "due", x->due);
    json_put_time(&a.json, "next_at", x->next_at);
    json_put_time(&a.json, "next_run_at", j ? job_next_at(j) : 0);
    put_reasons(&a.json, x, j ? job_configuration(j)->limit : 0);
    json_end(&a.json);
    answer_json(q, 200, &a);
}

void handle_explain(struct request *q)
{
    if (job_has_records(q))
        engine_explain(q->api->engine, q->found, explained, q);
}

struct why_task {
    struct request *q;
    char *source;
    struct record record;
};

static int why_work(struct db *db, void *arg, struct error *e)
{
    struct why_task *t = arg;
    return store_record(db, t->source, t->q->id, &t->record, e);
}

static void why_known(void *arg, int result, const struct error *e)
{
    struct why_task *t = arg;
    struct answer a;
    char why[300];

    if (result == -ENOENT) {
        answer_error(t->q, 404, "unknown_record",
                     "job %s has no record %s: there is no such row, or `only` leaves it out", t->q->job,
                     t->q->id);
    } else if (result < 0) {
        answer_failure(t->q, result, e->text);
    } else {
        record_why(&t->record, clock_now(), why, sizeof why);
        answer_begin(&a);
        json_begin_object(&a.json, NULL);
        json_put_text(&a.json, "job", t->q->job);
        json_put_text(&a.json, "id", t->record.key);
        json_put_text(&a.json, "state", state_name(t->record.state));
        json_put_text(&a.json, "why", why);
        json_end(&a.json);
        answer_json(t->q, 200, &a);
    }
    record_done(&t->record);
    free(t->source);
    free(t);
}

void handle_explain_record(struct request *q)
{
    if (!job_has_records(q))
        return;
    struct why_task *t = xcalloc(1, sizeof *t);
    t->q = q;
    t->source = xstrdup(job_source(q->found));
    engine_read(q->api->engine, why_work, t, why_known);
}
