/* SPDX-License-Identifier: MIT
 * The documented JSON of the API: a record, a run, a failure, counts, the status. Ids are texts, times RFC 3339 UTC
 * or null. It never contains a token.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/api/internal.h"
#include "core/base/clock.h"
#include "core/rules/outcome.h"
#include "core/rules/replay.h"

/* A list of failures ends before the answer exceeds our own limit for JSON documents. */
enum { STATES = 16, ID_TEXT = 24, FAILURES_MAX = JSON_TEXT_MAX - 64 * 1024 };

static void shape_put_id(struct json_writer *w, const char *name, int64_t id)
{
    char text[ID_TEXT];

    snprintf(text, sizeof text, "%" PRId64, id);
    json_put_text(w, name, text);
}

/* During the wait after a first failure nothing happens, and a wait that has passed is not shown; a pending record
 * waits for its row. */
int64_t record_next_at(const struct record *r)
{
    if (r->state == STATE_RECONNECT || r->state == STATE_PENDING || r->without_credential)
        return 0;
    if (r->not_before == SILENCE_FOR_EVER)
        return 0;
    if (r->due_at)
        return r->due_at;
    return r->not_before > r->point ? r->not_before : r->point;
}

static void put_last_error(struct json_writer *w, const struct record *r)
{
    if (!r->last_code && !r->last_text) {
        json_put_null(w, "last_error");
        return;
    }
    json_begin_object(w, "last_error");
    json_put_text(w, "outcome", outcome_name(r->last_outcome));
    json_put_text(w, "code", r->last_code);
    json_put_text(w, "text", r->last_text);
    json_put_time(w, "at", r->last_at);
    json_end(w);
}

void json_record(struct json_writer *w, const char *name, const struct record *r, const char *reconnect_url)
{
    json_begin_object(w, name);
    json_put_text(w, "job", r->job);
    json_put_text(w, "id", r->key);
    json_put_text(w, "account", r->account);
    json_put_text(w, "owner", r->owner);
    json_put_text(w, "state", state_name(record_shown(r, clock_now())));
    json_put_time(w, "expires_at", r->expires_at);
    json_put_time(w, "refreshed_at", r->refreshed_at);
    json_put_integer(w, "attempts", r->attempts);
    json_put_time(w, "next_at", record_next_at(r));
    json_put_integer(w, "generation", r->generation);
    put_last_error(w, r);
    if (r->state == STATE_RECONNECT) {
        json_put_text(w, "remedy",
                      "the account's owner has to connect it again; renewd makes no further "
                      "attempt until its application stores a new credential");
        json_put_text(w, "reconnect_url", reconnect_url);
    } else if (r->last_outcome == OUTCOME_RECONNECT && r->state == STATE_RETRYING) {
        json_put_text(w, "remedy",
                      "the account's owner has to do what the last error says; renewd tries again by itself");
        json_put_text(w, "reconnect_url", reconnect_url);
    }
    if (r->state == STATE_AMBIGUOUS && r->not_before == SILENCE_FOR_EVER) {
        json_put_text(w, "remedy",
                      "no answer came twice, and the credential may be spent; renewd does not present it again by "
                      "itself: run renewctl refresh for the record, or have the account connected again");
        json_put_text(w, "reconnect_url", reconnect_url);
    }
    json_end(w);
}

void json_run_members(struct json_writer *w, const struct run_row *r)
{
    shape_put_id(w, "id", r->id);
    json_put_text(w, "job", r->job);
    json_put_text(w, "trigger", r->trigger);
    json_put_time(w, "started_at", r->started_at);
    json_put_time(w, "finished_at", r->finished_at);
    json_put_integer(w, "due", r->due);
    json_put_integer(w, "refreshed", r->refreshed);
    json_put_integer(w, "failed", r->failed);
    json_put_integer(w, "skipped", r->skipped);
    if (r->refused) /* why it attempted nothing */
        json_put_text(w, "refused", r->refused);
}

const char *run_status(const struct run_row *r)
{
    return r->waiting                                               ? "waiting"
           : r->refused && strcmp(r->refused, RUN_INTERRUPTED) == 0 ? "interrupted"
           : r->refused                                             ? "refused"
           : !r->finished_at                                        ? "running"
           : r->failed                                              ? "failed"
                                                                    : "succeeded";
}

void json_run(struct json_writer *w, const char *name, const struct run_row *r)
{
    json_begin_object(w, name);
    json_run_members(w, r);
    json_put_text(w, "status", run_status(r));
    json_end(w);
}

void json_skipped(struct json_writer *w, const struct reason_count *because)
{
    json_begin_array(w, "skipped_because");
    for (int why = 0; because && why < REASONS_MAX; why++) {
        if (!because[why].count)
            continue;
        json_begin_object(w, NULL);
        json_put_integer(w, "count", because[why].count);
        json_put_text(w, "why", reason_of_many((enum reason)why));
        json_end(w);
    }
    json_end(w);
}

void json_failures(struct json_writer *w, const struct failure_row *list, size_t count)
{
    json_begin_array(w, "failures");
    for (size_t i = 0; i < count && w->to->len < FAILURES_MAX; i++) {
        json_begin_object(w, NULL);
        json_put_text(w, "id", list[i].key);
        json_put_text(w, "outcome", list[i].outcome);
        json_put_text(w, "code", list[i].code);
        json_put_text(w, "text", list[i].text);
        json_end(w);
    }
    json_end(w);
}

void json_counts(struct json_writer *w, const char *name, const int64_t *counts)
{
    if (!counts) {
        json_put_null(w, name);
        return;
    }
    json_begin_object(w, name);
    json_put_integer(w, "all", counts[0]);
    for (int state = 1; state < STATES; state++)
        if (state_name(state))
            json_put_integer(w, state_name(state), counts[state]);
    json_end(w);
}

static void put_store(struct json_writer *w, const struct engine_status *s)
{
    json_begin_object(w, "store");
    json_put_text(w, "driver", s->store_driver);
    json_put_bool(w, "up", s->store_up);
    json_put_bool(w, "read_only", s->read_only);
    json_put_text(w, "why", s->store_up ? NULL : s->store_why ? s->store_why : "not connected yet");
    json_end(w);
}

/* Unknown members are null. */
static void put_progress(struct json_writer *w, const struct progress *p)
{
    json_put_integer(w, "rows", p->rows);
    if (p->about)
        json_put_integer(w, "about", p->about);
    else
        json_put_null(w, "about");
    if (p->left >= 0)
        json_put_integer(w, "left", p->left);
    else
        json_put_null(w, "left");
}

void json_reading(struct json_writer *w, const struct job *j)
{
    struct progress p;
    if (!job_reading(j, &p)) {
        json_put_null(w, "reading");
        return;
    }
    json_begin_object(w, "reading");
    put_progress(w, &p);
    json_end(w);
}

static void put_readings(struct json_writer *w, const struct engine *e)
{
    struct progress p;
    const struct job *j;
    json_begin_array(w, "reading");
    for (size_t i = 0; (j = engine_job(e, i)); i++) {
        if (!job_reading(j, &p))
            continue;
        json_begin_object(w, NULL);
        json_put_text(w, "job", job_configuration(j)->job);
        put_progress(w, &p);
        json_end(w);
    }
    json_end(w);
}

void json_status(struct json_writer *w, const struct engine *e, const struct engine_status *s, int64_t now)
{
    json_begin_object(w, NULL);
    json_put_text(w, "version", PACKAGE_VERSION);
    json_put_text(w, "host", s->host);
    json_put_text(w, "incarnation", s->incarnation);
    json_put_time(w, "started_at", s->started_at);
    json_put_integer(w, "uptime", now > s->started_at ? now - s->started_at : 0);
    put_store(w, s);
    json_put_integer(w, "jobs", (int64_t)s->jobs);
    json_put_integer(w, "held", (int64_t)s->held);
    json_put_integer(w, "failing", (int64_t)s->failing);
    json_put_integer(w, "paused", (int64_t)s->paused);
    json_put_integer(w, "in_flight", (int64_t)s->in_flight);
    json_put_integer(w, "waiting_commits", (int64_t)s->waiting_commits);
    json_begin_object(w, "set_aside");
    json_put_integer(w, "pending", s->pending);
    json_put_integer(w, "orphans", s->orphans);
    json_put_integer(w, "answers", s->answers);
    json_end(w);
    json_begin_object(w, "spool");
    json_put_integer(w, "entries", s->spool_entries);
    json_put_integer(w, "bytes", s->spool_bytes);
    json_put_time(w, "oldest_at", s->spool_oldest_at);
    json_put_integer(w, "kept", s->kept);
    json_put_integer(w, "kept_bytes", s->kept_bytes);
    json_put_integer(w, "left_alone", s->left_alone);
    json_end(w);
    put_readings(w, e);
    const char *warning;
    json_begin_array(w, "warnings");
    for (size_t i = 0; (warning = engine_warning(e, i)); i++)
        json_put_text(w, NULL, warning);
    json_end(w);
    json_end(w);
}
