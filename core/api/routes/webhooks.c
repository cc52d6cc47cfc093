/* SPDX-License-Identifier: MIT
 * Webhooks: /webhooks/WORD/JOB/ID. A sender needs one of the job's secrets. The job's plugin knows what the word
 * means and how a message is signed. Senders read only the status: after 2xx they forget the message, after any
 * other they send it again. So a message is answered 200 only when the store has it.
 */
#include "core/api/routes/webhooks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/base/secret.h"
#include "core/loop/loop.h"
#include "core/plugin/instance.h"

enum {
    PATIENCE_MS = 4000, /* senders disconnect after five seconds */
    HEADERS_ROOM = 64 * 1024,
    RETRY_S = 30,
    BODY_MAX = 1024 * 1024, /* for every other request */
};

/* A message that is being stored: the sender may be answered earlier. */
struct hook {
    struct request *q; /* NULL: answered */
    struct loop_timer *timer;
};

bool is_webhook(const struct request *q, size_t count)
{
    return count == 4 && strcmp(q->segments[0], "webhooks") == 0 && q->segments[1][0];
}

static void webhook_route_say(struct request *q, int status, const char *text)
{
    answer_bytes(q, status, "text/plain; charset=utf-8", text, strlen(text));
}

static const char *whose(const struct request *q)
{
    return engine_account(q->api->engine, q->found, q->id);
}

/* One log line for each refused message. Only unknown senders that send many get fewer lines, each of which counts
 * the others. */
static void note_refusal(struct api *a, const struct request *q, const char *message, const char *record,
                         const char *why)
{
    char more[24];
    int64_t silent = 0;

    if (!auth_throttle_may_log_webhook(a->door, &silent))
        return;
    snprintf(more, sizeof more, "%" PRId64, silent);
    log_line(LEVEL_WARNING, message, "job", q ? q->job : NULL, "record", record, "account", q ? whose(q) : NULL,
             "reason", why, "more_without_a_line", silent ? more : NULL, NULL);
}

static void refuse_forged(struct request *q)
{
    webhook_route_say(q, 401, "the signature is absent or wrong\n");
}

static void not_here(struct request *q)
{
    webhook_route_say(q, 404, "no webhooks are accepted here\n");
}

static void webhook_route_later(struct request *q, const char *why)
{
    request_retry_after(q, RETRY_S);
    if (q->api && auth_throttle_may_log(q->api->door, REFUSED_LATER))
        log_line(LEVEL_WARNING, "a webhook could not be stored; its sender has to send it again", "job", q->job,
                 "record", q->id, "account", whose(q), "reason", why, NULL);
    webhook_route_say(q, 503, "not stored; send it again\n");
}

/* ---- storing ---- */

static void impatient(void *ctx)
{
    struct hook *h = ctx;
    h->timer = NULL;
    webhook_route_later(h->q, "the database takes too long");
    h->q = NULL;
}

static void webhook_route_kept(void *ctx, const struct added_event *list, size_t count, int result, const char *why)
{
    struct hook *h = ctx;
    struct request *q = h->q;

    (void)list;
    (void)count;
    loop_cancel(&h->timer);
    free(h);
    if (!q)
        return;
    if (result == -ENOENT) {
        log_line(LEVEL_WARNING, "a webhook was refused", "job", q->job, "record", q->id, "account", whose(q),
                 "reason", "the job has no such record; the record is a part of the address that the sender calls",
                 NULL);
        not_here(q);
    } else if (result == -EDQUOT) {
        log_line(LEVEL_WARNING, "a webhook was refused", "job", q->job, "record", q->id, "account", whose(q),
                 "reason", why, NULL);
        request_retry_after(q, RETRY_S);
        webhook_route_say(q, 429, "too many events wait already; send it again later\n");
    } else if (result == -EINVAL || result == -EILSEQ) {
        log_line(LEVEL_WARNING, "a webhook was refused", "job", q->job, "record", q->id, "account", whose(q),
                 "reason", why, NULL);
        webhook_route_say(q, 400, "it cannot be stored\n");
    } else if (result < 0) {
        webhook_route_later(q, why);
    } else {
        webhook_route_say(q, 200, "ok\n");
    }
}

static void webhook_route_keep(struct request *q, struct taken_event *t)
{
    struct hook *h = xcalloc(1, sizeof *h);

    h->q = q;
    h->timer = loop_after(q->api->loop, PATIENCE_MS, impatient, h);
    engine_events_add(q->api->engine, q->found, q->id, t, 1, webhook_route_kept, h);
}

/* ---- taking ---- */

static bool webhook_route_add_header(void *ctx, const char *name, const char *value)
{
    struct buf *b = ctx;

    return buf_printf(b, "%s: %s", name, value) >= 0 && buf_char(b, '\0') >= 0;
}

/* Any sender that signs it may fill the log. */
static void webhook_route_refused(struct request *q, const char *why)
{
    log_line(LEVEL_WARNING, "a webhook was refused", "job", q->job, "record", q->id, "account", whose(q), "reason",
             why, NULL);
    webhook_route_say(q, 400, why);
}

static void webhook_route_judge(struct request *q, struct taken_event *t)
{
    switch (t->what) {
    case RENEWD_EVENT_TAKE:
        webhook_route_keep(q, t);
        return;
    case RENEWD_EVENT_FORGED:
        note_refusal(q->api, q, "a webhook with a wrong signature was refused", q->id, t->why);
        auth_throttle_delay(q, refuse_forged);
        return;
    case RENEWD_EVENT_IGNORE:
        webhook_route_say(q, 200, "ok\n");
        return;
    case RENEWD_EVENT_UNKNOWN:
        note_refusal(q->api, q, "a webhook was refused", q->id, t->why);
        not_here(q);
        return;
    default:
        webhook_route_refused(q, t->why);
    }
}

static void webhook_route_take(struct request *q)
{
    const struct job_config *c = job_configuration(q->found);
    cleanup(free_p) const char **secrets = xcalloc(c->webhook_secret_count + 1, sizeof *secrets);
    cleanup(buf_done) struct buf headers = {0};
    struct event_message m = {.source = q->segments[1], .secrets = secrets, .key = q->id};
    struct taken_event t = {0};
    struct error e = {""};

    for (size_t i = 0; i < c->webhook_secret_count; i++)
        secrets[i] = secret_text(c->webhook_secrets[i]);
    buf_init(&headers, HEADERS_ROOM);
    http_call_headers(q->call, webhook_route_add_header, &headers);
    m.headers = headers.data;
    m.headers_len = headers.len;
    m.body = http_call_body(q->call, &m.body_len);
    if (engine_take_event(q->found, &m, &t, &e) < 0)
        webhook_route_refused(q, e.text);
    else
        webhook_route_judge(q, &t);
    taken_event_done(&t);
}

void webhook_arrived(struct request *q)
{
    q->job = q->segments[2];
    q->id = q->segments[3];
    q->found = *q->job && *q->id ? engine_job_by_name(q->api->engine, q->job) : NULL;
    if (!q->found || !job_configuration(q->found)->webhook_secret_count) {
        note_refusal(q->api, q, "a webhook was refused", q->id,
                     q->found                                         ? "the job has no webhooks.secrets"
                     : engine_disabled_called(q->api->engine, q->job) ? "the job is disabled (enabled = false)"
                                                                      : "there is no job of that name");
        not_here(q);
    } else if (strcmp(http_call_method(q->call), "POST") != 0) {
        note_refusal(q->api, q, "a webhook was refused", q->id, "it did not come by POST");
        (void)http_answer_header(q->call, "Allow", "POST");
        webhook_route_say(q, 405, "webhooks come by POST\n");
    } else if (job_takes_events(q->found)) {
        webhook_route_take(q);
    } else if (job_stands(q->found)) {
        webhook_route_later(q, job_stands(q->found));
    } else {
        note_refusal(q->api, q, "a webhook was refused", q->id, "the job's plugin accepts no webhooks");
        not_here(q);
    }
}

/* ---- before the body is read ---- */

static bool is_webhook_path(const char *path)
{
    return strncmp(path, "/webhooks/", strlen("/webhooks/")) == 0;
}

size_t webhook_body_max(const char *path)
{
    return is_webhook_path(path) ? WEBHOOK_BODY_MAX : BODY_MAX;
}

void webhook_unread(void *ctx, const struct http_call *call, const char *why)
{
    struct api *a = ctx;

    if (is_webhook_path(http_call_path(call)))
        note_refusal(a, NULL, "a webhook was refused unread", http_call_path(call) + strlen("/webhooks/"), why);
}
