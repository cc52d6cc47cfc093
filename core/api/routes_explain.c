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
#include "core/base/cleanup.h"
#include "core/domain/outcome.h"
#include "core/domain/timestamp.h"

static void reason(struct json_writer *w, int64_t count, const char *why)
{
    if (!count)
        return;
    json_begin_object(w, NULL);
    json_put_integer(w, "count", count);
    json_put_text(w, "why", why);
    json_end(w);
}

/* Those that are due, and what keeps them. */
static void put_due(struct json_writer *w, const struct explanation *x, const struct job *j)
{
    char over[120];
    int64_t limit = j ? job_configuration(j)->limit : 0;
    if (j && job_held_by_breaker(j))
        reason(w, x->due, "due, but held by the breaker but for those that were fine");
    else if (j && job_held(j))
        reason(w, x->due, "due, but the job is held");
    else if (j && job_paused(j))
        reason(w, x->due, "due, but paused");
    else if (limit && x->due > limit) {
        snprintf(over, sizeof over, "due, but over the limit of %" PRId64 " a run", limit);
        reason(w, x->due - limit, over);
    }
}

static void put_reasons(struct json_writer *w, const struct explanation *x, const struct job *j,
                        const char *url)
{
    cleanup(free_p) char *person = xasprintf("wait for their owner to reconnect%s%s", url ? ", at " : "",
                                             url ? url : "");
    char later[80 + TIMESTAMP_SIZE], at[TIMESTAMP_SIZE] = "", without[120] = "without credential";
    const struct plugin *p = j ? job_configuration(j)->plugin : NULL;
    int slot = p ? plugin_credential(p) : -1;
    if (slot >= 0)
        snprintf(without, sizeof without, "without credential: %s is empty", plugin_descriptor(p)->slots[slot]->name);
    bool known = x->later_at && timestamp_rfc3339(x->later_at, at, sizeof at) >= 0;
    snprintf(later, sizeof later, "not due yet%s%s", known ? ", none until " : "", known ? at : "");
    json_begin_array(w, "reasons");
    reason(w, x->left_out, j && !job_configuration(j)->only_count
                                ? "added since the table was last looked through; see rescan"
                                : "left out by `only`, or added since the table was last looked through");
    reason(w, x->without_credential, without);
    reason(w, x->later, later);
    reason(w, x->never, "nothing to do: they do not run out, or cannot be read (see their last error)");
    reason(w, x->backoff, "failed, and wait for their next try");
    reason(w, x->too_early, "too early: the provider would refuse");
    reason(w, x->leased_here, "an attempt is under way");
    reason(w, x->leased_elsewhere, "leased elsewhere: another host or process presents their credential");
    reason(w, x->silent, "presented without an answer; not presented again before the last safe moment");
    reason(w, x->spent, "hold a credential that was replaced or is dead");
    reason(w, x->states[STATE_RECONNECT], person);
    reason(w, x->states[STATE_PENDING], "their new token is kept aside; the database refused the row");
    put_due(w, x, j);
    json_end(w);
}

static void explained(void *ctx, const struct explanation *x, int result, const char *why)
{
    struct request *q = ctx;
    struct answer a;
    struct job *j = q->api ? engine_job_by_name(q->api->engine, q->job) : NULL;

    if (result < 0 && j && job_held(j)) {
        answer_error(q, 409, "held", "job %s is held: %s", q->job, job_held(j));
        return;
    }
    if (result < 0 || !q->api) {
        answer_failure(q, result < 0 ? result : -ESHUTDOWN, result < 0 ? why : "renewd is stopping");
        return;
    }
    answer_begin(&a);
    json_begin_object(&a.json, NULL);
    json_put_text(&a.json, "job", q->job);
    json_put_text(&a.json, "held", j ? job_held(j) : NULL);
    json_put_bool(&a.json, "paused", j && job_paused(j));
    json_put_text(&a.json, "last_run_refused", *x->refused ? x->refused : NULL);
    json_put_text(&a.json, "row_security", j ? job_row_security(j) : NULL);
    json_put_text(&a.json, "pg_cron", *x->pg_cron ? x->pg_cron : NULL);
    json_put_integer(&a.json, "rows", x->rows);
    json_put_integer(&a.json, "records", x->records);
    json_put_integer(&a.json, "due", x->due);
    json_put_time(&a.json, "next_at", x->next_at);
    json_put_time(&a.json, "next_run_at", j ? job_next_at(j) : 0);
    put_reasons(&a.json, x, j, reconnect_url_of(q));
    json_end(&a.json);
    answer_json(q, 200, &a);
}

void handle_explain(struct request *q)
{
    if (job_has_records(q))
        engine_explain(q->api->engine, q->found, explained, q);
}

static void why_known(void *ctx, const struct record *r, int result, const char *why)
{
    struct request *q = ctx;
    struct answer a;

    if (result == -ENOENT) {
        answer_error(q, 404, "unknown_record",
                     "job %s has no record %s: there is no such row, `only` leaves it out, or it is newer than "
                     "the last look at the table (rescan)", q->job, q->id);
        return;
    }
    if (result < 0) {
        answer_failure(q, result, why);
        return;
    }
    answer_begin(&a);
    json_begin_object(&a.json, NULL);
    json_put_text(&a.json, "job", q->job);
    json_put_text(&a.json, "id", r->key);
    json_put_text(&a.json, "state", state_name(state_shown(r->state, r->expires_at, clock_now())));
    json_put_text(&a.json, "why", why);
    bool failed = r->state != STATE_OK && (r->last_code || r->last_text);
    cleanup(free_p) char *said = failed ? xasprintf("%s%s%s", r->last_code ? r->last_code : "",
                                                    r->last_code && r->last_text ? ": " : "",
                                                    r->last_text ? r->last_text : "") : NULL;
    json_put_text(&a.json, "last_error", said); /* the reason that a record's own answer has */
    if (r->state == STATE_RECONNECT)
        json_put_text(&a.json, "reconnect_url", reconnect_url_of(q));
    json_end(&a.json);
    answer_json(q, 200, &a);
}

void handle_explain_record(struct request *q)
{
    if (job_has_records(q))
        engine_explain_record(q->api->engine, q->found, q->id, why_known, q);
}
