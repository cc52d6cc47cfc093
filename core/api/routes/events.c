/* SPDX-License-Identifier: MIT
 * The route that takes events of an application: one, or up to a thousand, all of them or none. It answers 202 only
 * when the store has them. Large bodies are read in parts, one body after the other, so that other work on the loop
 * goes on.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/internal.h"
#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/secret.h"
#include "core/json/json_mend.h"
#include "core/loop/loop.h"
#include "core/plugin/instance.h"

enum {
    EVENTS_MAX = 1000,
    DEPTH_RETRY_S = 30,
    AT_ONCE = 16 * 1024, /* bytes of a body that is read as it arrives; larger ones wait for each other */
    TURN_MS = 10,        /* time on the loop for reading the larger ones */
};

struct incoming {
    struct request *q;
    struct json *doc; /* NULL: not read yet */
    char *beside;     /* its other members; NULL = none */
    const char *path; /* of the list in it */
    bool is_list;
    size_t next; /* the first one that the plugin has not read */
    struct taken_event *list;
    size_t count;  /* of the body; list holds those that are to be stored */
    size_t *place; /* of each that is to be stored, in the body */
    size_t kept;
    TAILQ_ENTRY(incoming) link;
};

static void incoming_free(struct incoming *in)
{
    json_free(in->doc);
    wipe_free(in->beside);
    for (size_t i = 0; i < in->kept; i++)
        taken_event_done(&in->list[i]);
    free(in->list);
    free(in->place);
    free(in);
}

/* ---- the body ---- */

/* Where the list is in it: "" for an array, "data" or "events"; *ret_list false: the body is one event. */
static int find_list(struct request *q, const struct json *doc, const char **ret_path, bool *ret_list)
{
    static const char *const names[] = {"data", "events"};
    const char *name;

    *ret_path = "";
    *ret_list = json_kind(doc, "") == JSON_ARRAY;
    if (*ret_list)
        return 0;
    if (json_kind(doc, "") != JSON_OBJECT) {
        answer_error(q, 400, "bad_events", "the body must be an event, a list of events, or {\"data\":[...]}");
        return -EINVAL;
    }
    for (size_t i = 0; i < 2 && !*ret_list; i++)
        if (json_kind(doc, names[i]) == JSON_ARRAY) {
            *ret_path = names[i];
            *ret_list = true;
        }
    for (size_t i = 0; *ret_list && json_member(doc, "", i, &name); i++)
        if (strcmp(name, *ret_path) != 0 && !job_event_member(q->found, name)) {
            answer_error(q, 400, "unknown_member", "unknown member \"%.60s\" beside \"%s\"", name, *ret_path);
            return -EINVAL;
        }
    return 0;
}

/* The members beside the list, for the plugin. Their names are the plugin's own, without dots. */
static int read_beside(struct incoming *in)
{
    cleanup(buf_done) struct buf b = {0};
    struct json_writer w;
    const char *name;
    size_t members = 0;

    if (!*in->path)
        return 0;
    buf_init(&b, JSON_TEXT_MAX);
    json_writer_init(&w, &b);
    json_begin_object(&w, NULL);
    for (size_t i = 0; json_member(in->doc, "", i, &name); i++) {
        char *text = NULL;
        if (strcmp(name, in->path) == 0)
            continue;
        if (json_raw(in->doc, name, &text) == 0)
            json_put_raw(&w, name, text);
        wipe_free(text);
        members++;
    }
    json_end(&w);
    if (json_finish(&w) < 0) {
        answer_error(in->q, 400, "bad_events", "the members beside \"%s\" cannot be read", in->path);
        return -EINVAL;
    }
    if (members)
        in->beside = buf_steal(&b);
    return 0;
}

static int count_events(struct request *q, const struct json *doc, const char *path, bool list, size_t *ret)
{
    *ret = 1;
    if (list)
        (void)json_array_length(doc, path, ret);
    if (*ret > EVENTS_MAX) {
        answer_error(q, 413, "too_many_events", "at most %d events in one request; these are %zu", (int)EVENTS_MAX,
                     *ret);
        return -EINVAL;
    }
    if (*ret == 0) {
        answer_error(q, 400, "bad_events", "there is no event in the body");
        return -EINVAL;
    }
    return 0;
}

/* ---- the plugin's result ---- */

static int events_route_refuse(struct request *q, size_t index, bool list, const char *why)
{
    if (list)
        answer_error(q, 400, "bad_event", "event %zu: %s; none of them was taken", index, why);
    else
        answer_error(q, 400, "bad_event", "%s", why);
    return -EINVAL;
}

static int events_route_take(struct incoming *in, size_t index, bool list, const char *text, size_t len)
{
    static const char *const no_secrets[] = {NULL};
    struct request *q = in->q;
    struct taken_event *t = &in->list[in->kept];
    struct error e = {""};
    const struct event_message m =
        {.source = "", .body = text, .body_len = len, .secrets = no_secrets, .key = q->id, .beside = in->beside};
    int res = engine_take_event(q->found, &m, t, &e);

    if (res < 0)
        return events_route_refuse(q, index, list, e.text);
    if (t->what == RENEWD_EVENT_TAKE) {
        in->place[in->kept++] = index;
        return 0;
    }
    res = t->what == RENEWD_EVENT_IGNORE ? 0 : events_route_refuse(q, index, list, t->why);
    taken_event_done(t);
    return res;
}

static int events_route_take_one(struct incoming *in, size_t index)
{
    char at[32];
    char *text = NULL;

    snprintf(at, sizeof at, "%s%s%zu", in->path, *in->path ? "." : "", index);
    int res = json_raw(in->doc, at, &text);
    if (res < 0)
        return events_route_refuse(in->q, index, true,
                                   res == -ERANGE
                                       ? "an integer in it is beyond 64 bits; it can be written as a text"
                                       : "it cannot be read");
    res = events_route_take(in, index, true, text, strlen(text));
    wipe_free(text);
    return res;
}

/* -EINVAL: the request was answered. */
static int events_route_read_body(struct incoming *in)
{
    struct request *q = in->q;
    size_t len, offset = 0;
    const char *body = http_call_body(q->call, &len);

    int r = json_parse(body, len, &in->doc, &offset);
    if (r < 0) {
        answer_error(q, 400, "bad_json", "%s", json_fault("the body", body, len, r, offset).why);
        return -EINVAL;
    }
    if (find_list(q, in->doc, &in->path, &in->is_list) < 0 ||
        count_events(q, in->doc, in->path, in->is_list, &in->count) < 0 || read_beside(in) < 0)
        return -EINVAL;
    in->list = xcalloc(in->count + 1, sizeof *in->list);
    in->place = xcalloc(in->count + 1, sizeof *in->place);
    return 0;
}

static int events_route_take_next(struct incoming *in)
{
    size_t len, index = in->next++;
    const char *body;

    if (in->is_list)
        return events_route_take_one(in, index);
    body = http_call_body(in->q->call, &len);
    return events_route_take(in, index, false, body, len);
}

/* ---- the answer ---- */

static void events_route_put_event(struct json_writer *w, const struct added_event *e)
{
    char id[24];

    json_begin_object(w, NULL);
    if (e) {
        snprintf(id, sizeof id, "%" PRId64, e->id);
        json_put_text(w, "id", id);
        json_put_text(w, "event_id", e->event_id);
        json_put_bool(w, "duplicate", e->duplicate);
    } else {
        json_put_bool(w, "ignored", true);
    }
    json_end(w);
}

static void kept(void *ctx, const struct added_event *list, size_t count, int result, const char *why)
{
    struct incoming *in = ctx;
    struct request *q = in->q;
    struct answer a;
    size_t n = 0;

    if (result == -EDQUOT) {
        request_retry_after(q, DEPTH_RETRY_S);
        answer_error(q, 429, "too_many_waiting", "%s", why);
    } else if (result == -ENOENT) {
        answer_error(q, 404, "unknown_record", "job %s has no record %s", q->job, q->id);
    } else if (result == -EINVAL || result == -EILSEQ) {
        answer_error(q, 400, "bad_event", "%s", why);
    } else if (result == -ENOSPC || (store_passes(result) && !store_is_away(result))) {
        request_retry_after(q, DEPTH_RETRY_S);
        answer_error(q, 503, "store_busy", "%s; nothing was stored, send it again", why);
    } else if (result < 0) {
        request_retry_after(q, 1);
        answer_failure(q, result, why);
    } else {
        answer_begin_list(&a, "events");
        for (size_t i = 0; i < in->count; i++) {
            bool is = n < count && in->place[n] == i;
            events_route_put_event(&a.json, is ? &list[n] : NULL);
            n += is;
        }
        json_end(&a.json);
        answer_object(q, 202, &a);
    }
    in->kept = 0; /* the engine has taken them */
    incoming_free(in);
}

/* ---- reading in parts ---- */

static void events_route_keep(struct incoming *in)
{
    struct request *q = in->q;

    if (in->kept)
        engine_events_add(q->api->engine, q->found, q->id, in->list, in->kept, kept, in);
    else
        kept(in, NULL, 0, 0, NULL);
}

/* True: nothing of it is left to be read, or it was answered. */
static bool events_route_go_on(struct incoming *in, int64_t until_ms)
{
    if (!in->doc) {
        if (events_route_read_body(in) < 0) {
            incoming_free(in);
            return true;
        }
        if (clock_boot_ms() >= until_ms)
            return false;
    }
    while (in->next < in->count) {
        if (events_route_take_next(in) < 0) {
            incoming_free(in);
            return true;
        }
        if (in->next < in->count && clock_boot_ms() >= until_ms)
            return false;
    }
    events_route_keep(in);
    return true;
}

static void events_route_not_now(struct incoming *in, const char *code, const char *why)
{
    request_retry_after(in->q, 1);
    answer_error(in->q, 503, code, "%s; nothing was stored, send it again", why);
    incoming_free(in);
}

static void turn(void *ctx)
{
    struct api *a = ctx;
    struct incoming *in = TAILQ_FIRST(&a->incomings);
    const struct job *j = engine_job_by_name(a->engine, in->q->job);

    a->incomings_timer = NULL;
    TAILQ_REMOVE(&a->incomings, in, link);
    if (j != in->q->found || !job_takes_events(j))
        events_route_not_now(in, "reloaded", "the job is being reloaded");
    else if (!events_route_go_on(in, clock_boot_ms() + TURN_MS))
        TAILQ_INSERT_HEAD(&a->incomings, in, link);
    if (!TAILQ_EMPTY(&a->incomings))
        a->incomings_timer = loop_after(a->loop, 0, turn, a);
}

static void wait_for_turn(struct incoming *in)
{
    struct api *a = in->q->api;

    TAILQ_INSERT_TAIL(&a->incomings, in, link);
    if (!a->incomings_timer)
        a->incomings_timer = loop_after(a->loop, 0, turn, a);
}

void incomings_stop(struct api *a)
{
    struct incoming *in;

    loop_cancel(&a->incomings_timer);
    while ((in = TAILQ_FIRST(&a->incomings))) {
        TAILQ_REMOVE(&a->incomings, in, link);
        events_route_not_now(in, "stopping", "renewd is stopping");
    }
}

void handle_events(struct request *q)
{
    const struct job *j = q->found;
    size_t len;

    if (!job_has_records(q))
        return;
    if (!job_takes_events(j)) {
        answer_error(q, 404, "no_events", "job %s takes no events: its plugin sends none", q->job);
        return;
    }
    struct incoming *in = xcalloc(1, sizeof *in);
    in->q = q;
    (void)http_call_body(q->call, &len);
    if (len <= AT_ONCE)
        (void)events_route_go_on(in, INT64_MAX);
    else
        wait_for_turn(in);
}
