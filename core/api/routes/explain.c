/* SPDX-License-Identifier: MIT
 * The routes that explain why nothing, or one record, is refreshed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/api/internal.h"
#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/rules/outcome.h"
#include "core/time/timestamp.h"

static void reason(struct json_writer *w, int64_t count, const char *why)
{
    if (!count)
        return;
    json_begin_object(w, NULL);
    json_put_integer(w, "count", count);
    json_put_text(w, "why", why);
    json_end(w);
}

/* Those that are due, and what keeps them back. */
static void put_due(struct json_writer *w, int64_t due, const struct job *j)
{
    char over[120];
    int64_t limit = j ? job_configuration(j)->limit : 0;
    if (j && job_held(j) && !job_held_by_breaker(j)) /* those that the breaker holds have a reason of their own */
        reason(w, due, "due, but the job is held");
    else if (j && job_paused(j))
        reason(w, due, "due, but paused");
    else if (limit && due > limit) {
        snprintf(over, sizeof over, "due, but over the limit of %" PRId64 " a run", limit);
        reason(w, due - limit, over);
    }
}

/* Details beside the reason itself: where to connect again, which column, when. */
static char *with_details(enum reason why, const struct explanation *x, const struct job *j, const char *url)
{
    char at[TIMESTAMP_SIZE] = "";
    const struct plugin *p = j ? job_configuration(j)->plugin : NULL;
    int slot = p ? plugin_credential(p) : -1;
    if (why == REASON_RECONNECT && url)
        return xasprintf("%s, at %s", reason_of_many(why), url);
    if (why == REASON_WITHOUT_CREDENTIAL && slot >= 0)
        return xasprintf("%s: %s is empty", reason_of_many(why), plugin_descriptor(p)->slots[slot]->name);
    if (why == REASON_LATER && x->later_at && timestamp_rfc3339(x->later_at, at, sizeof at) >= 0)
        return xasprintf("%s, none until %s", reason_of_many(why), at);
    return xstrdup(reason_of_many(why));
}

static void put_reasons(struct json_writer *w, const struct explanation *x, const struct job *j, const char *url)
{
    json_begin_array(w, "reasons");
    reason(w, x->left_out,
           j && !job_configuration(j)->only_count
               ? "added since renewd last read the table; see rescan"
               : "left out by `only`, or added since renewd last read the table");
    for (enum reason why = REASON_DUE + 1; why < REASONS_MAX; why++) {
        cleanup(free_p) char *text = with_details(why, x, j, url);
        reason(w, x->reasons[why].count, text);
    }
    put_due(w, x->reasons[REASON_DUE].count, j);
    json_end(w);
}

static void explained(void *ctx, const struct explanation *x, int result, const char *why)
{
    struct request *q = ctx;
    struct answer a;
    bool mistyped;
    struct job *j = q->api ? engine_job_by_name(q->api->engine, q->job) : NULL;

    if (result < 0 && j && job_held(j)) {
        answer_error(q, 409, "held", "job %s is held: %s", q->job, job_held(j));
        return;
    }
    if (result < 0 || !q->api) {
        answer_failure(q, result < 0 ? result : -ESHUTDOWN, result < 0 ? why : "renewd is stopping");
        return;
    }
    answer_begin_object(&a);
    json_put_text(&a.json, "job", q->job);
    json_put_text(&a.json, "held", j ? job_held(j) : NULL);
    json_put_bool(&a.json, "paused", j && job_paused(j));
    json_put_text(&a.json, "last_run_refused", *x->refused ? x->refused : NULL);
    json_put_text(&a.json, "row_security", j ? job_row_security(j) : NULL);
    json_put_text(&a.json, "only", j ? job_only_unheld(j, &mistyped) : NULL);
    json_put_text(&a.json, "pg_cron", *x->pg_cron ? x->pg_cron : NULL);
    json_put_integer(&a.json, "rows", x->rows);
    json_put_integer(&a.json, "records", x->records);
    json_put_integer(&a.json, "due", x->reasons[REASON_DUE].count);
    json_put_bool(&a.json, "automatic", j && job_configuration(j)->automatic);
    json_put_time(&a.json, "next_at", x->next_at > clock_now() ? x->next_at : 0);
    json_put_time(&a.json, "next_run_at", j ? job_next_at(j) : 0);
    put_reasons(&a.json, x, j, reconnect_url_of(q));
    answer_object(q, 200, &a);
}

void handle_explain(struct request *q)
{
    if (job_has_records(q))
        engine_explain(q->api->engine, q->found, explained, q);
}

static void explain_route_why_known(void *ctx, const struct record *r, int result, const char *why)
{
    struct request *q = ctx;
    struct answer a;

    if (result == -ENOENT) {
        answer_error(q, 404, "unknown_record",
                     "job %s has no record %s: there is no such row, or `only` leaves it out", q->job, q->id);
        return;
    }
    if (result == -ENODATA) {
        answer_error(q, 404, "left_out", "job %s: %s", q->job, why);
        return;
    }
    if (answer_failed(q, result, why))
        return;
    answer_begin_object(&a);
    json_put_text(&a.json, "job", q->job);
    json_put_text(&a.json, "id", r->key);
    json_put_text(&a.json, "state", state_name(record_shown(r, clock_now())));
    json_put_text(&a.json, "why", why);
    bool failed = r->state != STATE_OK && (r->last_code || r->last_text);
    cleanup(free_p) char *said =
        failed ? xasprintf("%s%s%s", r->last_code ? r->last_code : "", r->last_code && r->last_text ? ": " : "",
                           r->last_text ? r->last_text : "")
               : NULL;
    json_put_text(&a.json, "last_error", said); /* the same reason as in a single record's answer */
    if (r->state == STATE_RECONNECT)
        json_put_text(&a.json, "reconnect_url", reconnect_url_of(q));
    answer_object(q, 200, &a);
}

void handle_explain_record(struct request *q)
{
    if (job_has_records(q))
        engine_explain_record(q->api->engine, q->found, q->id, explain_route_why_known, q);
}
