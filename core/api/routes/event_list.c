/* SPDX-License-Identifier: MIT
 * Routes about the events of a job: listing them in pages without their texts, and sending again those that are
 * held, aside or given up.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/internal.h"
#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/store/events/events.h"

enum { IDS_MAX = 1000, ID_TEXT = 24 };

static bool takes_events(struct request *q)
{
    const char *held = job_held(q->found);

    if (job_takes_events(q->found))
        return true;
    if (held)
        answer_error(q, 409, "held", "job %s is held: %s", q->job, held);
    else
        answer_error(q, 404, "no_events", "job %s takes no events: its plugin sends none", q->job);
    return false;
}

/* Digits only, as the list shows them. */
static bool read_id(const char *text, int64_t *ret)
{
    char *end;

    if (!*text || strspn(text, "0123456789") != strlen(text) || strlen(text) >= 19)
        return false;
    *ret = strtoll(text, &end, 10);
    return *end == '\0';
}

/* ---- a page ---- */

struct event_list_task {
    struct request *q;
    struct event_query query;
    char *job;
    struct event_row *list;
    size_t count, limit;
};

/* One more than requested shows whether there is a next page. */
static int event_list_work(struct db *db, void *arg, struct error *e)
{
    struct event_list_task *t = arg;

    return store_events(db, &t->query, &t->list, &t->count, e);
}

static const char *event_id_text(int64_t id, char text[ID_TEXT])
{
    snprintf(text, ID_TEXT, "%" PRId64, id);
    return text;
}

static void event_list_route_put_event(struct json_writer *w, const struct event_row *r)
{
    char id[ID_TEXT];

    json_begin_object(w, NULL);
    json_put_text(w, "id", event_id_text(r->id, id));
    json_put_text(w, "record", r->key);
    json_put_text(w, "event_id", r->event_id);
    json_put_text(w, "name", r->name);
    json_put_text(w, "state", event_state_name(r->state));
    json_put_integer(w, "sends", r->sends);
    json_put_time(w, "event_time", r->event_time);
    json_put_time(w, "created_at", r->created_at);
    json_put_time(w, "next_at", r->state < EVENT_SENT ? r->due_at : 0);
    json_put_time(w, "finished_at", r->finished_at);
    if (r->code || r->why) {
        json_begin_object(w, "last_error");
        json_put_text(w, "code", r->code);
        json_put_text(w, "text", r->why);
        json_end(w);
    } else {
        json_put_null(w, "last_error");
    }
    json_end(w);
}

static void answer_events(const struct event_list_task *t)
{
    size_t shown = t->count < t->limit ? t->count : t->limit;
    char next[ID_TEXT];
    struct answer a;

    answer_begin_list(&a, "events");
    for (size_t i = 0; i < shown; i++)
        event_list_route_put_event(&a.json, &t->list[i]);
    answer_page(t->q, &a, t->count > shown ? event_id_text(t->list[shown - 1].id, next) : NULL);
}

static void event_list_done(void *arg, int result, const struct error *e)
{
    struct event_list_task *t = arg;

    if (result < 0)
        answer_failure(t->q, result, e->text);
    else
        answer_events(t);
    event_rows_free(t->list, t->count);
    free(t->job);
    free(t);
}

/* -EINVAL: the request was answered. */
static int event_list_route_take_query(struct request *q, struct event_query *ret)
{
    const char *state, *after;

    if (request_parameter(q, "state", &state) < 0 || request_parameter(q, "after", &after) < 0 ||
        request_limit(q, &ret->limit) < 0)
        return -EINVAL;
    ret->state = state ? event_state_of(state) : 0;
    if (state && !ret->state) {
        answer_error(q, 400, "bad_parameter", "state must be one of waiting, held, sent, aside, expired, dropped");
        return -EINVAL;
    }
    if (after && !read_id(after, &ret->after)) {
        answer_error(q, 400, "bad_parameter", "after must be the id of an event");
        return -EINVAL;
    }
    return 0;
}

void handle_event_list(struct request *q)
{
    struct event_query query = {0};

    if (event_list_route_take_query(q, &query) < 0 || !takes_events(q))
        return;
    struct event_list_task *t = xcalloc(1, sizeof *t);
    t->q = q;
    t->job = xstrdup(q->job);
    t->limit = query.limit;
    t->query = query;
    t->query.job = t->job;
    t->query.limit = query.limit + 1;
    engine_read(q->api->engine, event_list_work, t, event_list_done);
}

/* ---- sending again ---- */

static void event_list_route_retried(void *ctx, int64_t count, int result, const char *why)
{
    struct request *q = ctx;
    struct answer a;

    if (result == -ENOENT) {
        answer_error(q, 404, "unknown_event", "%s; nothing was done", why);
        return;
    }
    if (answer_failed(q, result, why))
        return;
    answer_begin_object(&a);
    json_put_integer(&a.json, "retried", count);
    answer_object(q, 200, &a);
}

static int take_id(struct request *q, const struct json *doc, size_t i, int64_t *ret)
{
    char path[ID_TEXT + 8];
    const char *text = NULL;

    snprintf(path, sizeof path, "ids.%zu", i);
    if (json_text(doc, path, &text, NULL) == 0 && read_id(text, ret))
        return 0;
    answer_error(q, 400, "bad_member", "%s must be the id of an event: a text of digits", path);
    return -EINVAL;
}

/* *ret: malloc'd; NULL when there is no member ids. -EINVAL: the request was answered. */
static int take_ids(struct request *q, const struct json *doc, int64_t **ret, size_t *ret_count)
{
    if (json_kind(doc, "ids") == JSON_ABSENT)
        return 0;
    if (json_array_length(doc, "ids", ret_count) < 0) {
        answer_error(q, 400, "bad_member", "ids must be a list of events' ids");
        return -EINVAL;
    }
    if (*ret_count > IDS_MAX) {
        answer_error(q, 400, "bad_member", "ids may hold %d ids, these are %zu", IDS_MAX, *ret_count);
        return -EINVAL;
    }
    *ret = xcalloc(*ret_count + 1, sizeof **ret);
    for (size_t i = 0; i < *ret_count; i++)
        if (take_id(q, doc, i, &(*ret)[i]) < 0)
            return -EINVAL;
    return 0;
}

void handle_event_retry(struct request *q)
{
    cleanup(json_free_p) struct json *doc = NULL;
    cleanup(free_p) int64_t *ids = NULL;
    size_t count = 0;

    if (request_object(q, "ids ", &doc) < 0 || take_ids(q, doc, &ids, &count) < 0 || !takes_events(q))
        return;
    engine_events_retry(q->api->engine, q->found, ids, count, event_list_route_retried, q);
}
