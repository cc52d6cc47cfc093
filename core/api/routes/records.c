/* SPDX-License-Identifier: MIT
 * Routes about records: pages of them, a single one, and import into renewd's own table.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/internal.h"
#include "core/base/alloc.h"
#include "core/rules/outcome.h"

bool job_has_records(struct request *q)
{
    const char *held = job_held(q->found);

    if (job_source(q->found))
        return true;
    if (held)
        answer_error(q, 409, "held", "job %s is held: %s", q->job, held);
    else
        answer_error(q, 503, "not_ready",
                     "the table of job %s has not been read yet; renewctl status shows whether the "
                     "database answers",
                     q->job);
    return false;
}

struct records_task {
    struct request *q;
    char *source, *after;
    int state;
    size_t limit, count;
    struct record *list;
};

/* One more than requested shows whether there is a next page. */
static int records_work(struct db *db, void *arg, struct error *e)
{
    struct records_task *t = arg;
    const struct records_query query = {.source = t->source,
                                        .state = t->state,
                                        .after = t->after,
                                        .limit = t->limit + 1};

    return store_records(db, &query, &t->list, &t->count, e);
}

const char *reconnect_url_of(const struct request *q)
{
    const struct job *j = q->api ? engine_job_by_name(q->api->engine, q->job) : NULL;

    return j ? job_configuration(j)->reconnect_url : NULL;
}

static void answer_records(const struct records_task *t)
{
    const char *url = reconnect_url_of(t->q);
    size_t shown = t->count < t->limit ? t->count : t->limit;
    struct answer a;

    answer_begin_list(&a, "records");
    for (size_t i = 0; i < shown; i++)
        json_record(&a.json, NULL, &t->list[i], url);
    answer_page(t->q, &a, t->count > shown ? t->list[shown - 1].key : NULL);
}

static void records_route_done(void *arg, int result, const struct error *e)
{
    struct records_task *t = arg;

    if (result < 0)
        answer_failure(t->q, result, e->text);
    else
        answer_records(t);
    records_free(t->list, t->count);
    free(t->source);
    free(t->after);
    free(t);
}

static int take_state(struct request *q, int *ret)
{
    const char *name;

    if (request_parameter(q, "state", &name) < 0)
        return -EINVAL;
    *ret = name ? state_from_name(name) : 0;
    if (*ret >= 0)
        return 0;
    answer_error(q, 400, "bad_parameter",
                 "state must be one of ok, retrying, rate_limited, reconnect, "
                 "misconfigured, ambiguous, pending, paused, expired, without_credential, disconnected");
    return -EINVAL;
}

void handle_records(struct request *q)
{
    const char *after;
    size_t limit;
    int state;

    if (take_state(q, &state) < 0 || request_parameter(q, "after", &after) < 0 || request_limit(q, &limit) < 0 ||
        !job_has_records(q))
        return;
    struct records_task *t = xcalloc(1, sizeof *t);
    t->q = q;
    t->source = xstrdup(job_source(q->found));
    t->after = xstrdup_or_null(after);
    t->state = state;
    t->limit = limit;
    engine_read(q->api->engine, records_work, t, records_route_done);
}

struct record_task {
    struct request *q;
    char *source;
    struct record record;
};

static int record_work(struct db *db, void *arg, struct error *e)
{
    struct record_task *t = arg;

    return store_record(db, t->source, t->q->id, &t->record, e);
}

static void record_route_done(void *arg, int result, const struct error *e)
{
    struct record_task *t = arg;
    struct answer a;

    if (result == -ENOENT) {
        answer_error(t->q, 404, "unknown_record", "job %s has no record %s", t->q->job, t->q->id);
    } else if (result < 0) {
        answer_failure(t->q, result, e->text);
    } else {
        answer_begin(&a);
        json_record(&a.json, NULL, &t->record, reconnect_url_of(t->q));
        answer_json(t->q, 200, &a);
    }
    record_done(&t->record);
    free(t->source);
    free(t);
}

void handle_record(struct request *q)
{
    if (!job_has_records(q))
        return;
    struct record_task *t = xcalloc(1, sizeof *t);
    t->q = q;
    t->source = xstrdup(job_source(q->found));
    engine_read(q->api->engine, record_work, t, record_route_done);
}

/* ---- import ---- */

static void imported(void *ctx, int64_t count, int result, const char *why)
{
    struct request *q = ctx;
    struct answer a;

    if (result == -EINVAL || result == -E2BIG || result == -ENODATA) {
        answer_error(q, 400, result == -ENODATA ? "empty" : "bad_import", "%s", why);
        return;
    }
    if (answer_failed(q, result, why))
        return;
    answer_begin_object(&a);
    json_put_integer(&a.json, "imported", count);
    answer_object(q, 200, &a);
}

void handle_import(struct request *q)
{
    const char *replace, *lines;
    size_t len;

    if (request_parameter(q, "replace", &replace) < 0)
        return;
    if (replace && strcmp(replace, "1") != 0 && strcmp(replace, "0") != 0) {
        answer_error(q, 400, "bad_parameter", "replace must be 1 or 0");
        return;
    }
    if (!job_has_records(q))
        return;
    lines = http_call_body(q->call, &len);
    engine_import(q->api->engine, q->found, lines, len, replace && replace[0] == '1', imported, q);
}
