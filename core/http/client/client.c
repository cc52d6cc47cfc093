/* SPDX-License-Identifier: MIT
 * The states of a transfer: accepted, waiting or running, done, delivered. This file also enforces the deadlines.
 * The calls of libcurl are in multi.c and easy.c.
 */
#include "config.h"

#include "core/http/client/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/map.h"
#include "core/http/client/internal.h"
#include "core/loop/loop.h"

#define TRANSFERS_PER_HANDLE 256
#define TRANSFERS_MAX 16384
#define REPLY_LIMIT (1024 * 1024)

enum { LATE_MS = 1000, AFTER_SLEEP_MS = 5000 };

int http_client_new(struct loop *loop, const struct http_client_options *options, struct http_client **ret_client)
{
    struct http_client *client = xcalloc(1, sizeof *client);

    client->loop = loop;
    if (options)
        client->options = *options;
    if (client->options.transfers_per_handle == 0)
        client->options.transfers_per_handle = TRANSFERS_PER_HANDLE;
    if (client->options.transfers_max == 0)
        client->options.transfers_max = TRANSFERS_MAX;
    const char *agent = client->options.user_agent;
    client->user_agent = xstrdup(agent ? agent : "renewd/" PACKAGE_VERSION);
    client->options.user_agent = client->user_agent;
    LIST_INIT(&client->handles);
    LIST_INIT(&client->to_release);
    TAILQ_INIT(&client->running);
    TAILQ_INIT(&client->done);
    client->origins = map_new();
    int r = http_curl_open(client);
    if (r < 0) {
        http_client_free(client);
        return r;
    }
    *ret_client = client;
    return 0;
}

static void free_all(struct http_transfers *queue)
{
    struct http_transfer *t;

    while ((t = TAILQ_FIRST(queue)))
        http_transfer_free(t);
}

void http_client_free(struct http_client *client)
{
    size_t cursor = 0;
    void *origin;

    if (!client)
        return;
    while (map_next(client->origins, &cursor, NULL, &origin))
        free_all(&((struct http_origin *)origin)->waiting);
    free_all(&client->running);
    free_all(&client->done);
    loop_cancel(&client->kick_timer);
    http_curl_close(client);
    map_free(client->origins, http_origin_free);
    free(client->user_agent);
    free(client);
}

static void leave_queue(struct http_transfer *t)
{
    struct http_client *client = t->client;

    switch (t->state) {
    case TRANSFER_WAITING:
        TAILQ_REMOVE(&t->origin->waiting, t, link);
        client->waiting--;
        break;
    case TRANSFER_RUNNING:
        TAILQ_REMOVE(&client->running, t, link);
        http_handle_stop(t);
        break;
    case TRANSFER_DONE:
        TAILQ_REMOVE(&client->done, t, link);
        break;
    }
}

void http_transfer_free(struct http_transfer *t)
{
    leave_queue(t);
    http_origin_leave(t);
    loop_cancel(&t->deadline_timer);
    http_easy_close(t);
    if (t->body)
        explicit_bzero(t->body, t->body_len);
    free(t->body);
    buf_done(&t->reply_headers);
    buf_done(&t->reply_body);
    t->client->in_flight--;
    free(t);
}

void http_transfer_end(struct http_transfer *t, enum http_failure failure)
{
    leave_queue(t);
    loop_cancel(&t->deadline_timer);
    t->failure = failure;
    t->state = TRANSFER_DONE;
    TAILQ_INSERT_TAIL(&t->client->done, t, link);
    http_origin_leave(t);
}

static void deliver_one(struct http_transfer *t)
{
    bool usable = t->failure == HTTP_OK_REPLY;
    struct http_reply reply = {
        .failure = t->failure,
        .status = t->status,
        .body = usable && t->reply_body.data ? t->reply_body.data : "",
        .body_len = usable ? t->reply_body.len : 0,
        .part = usable ? NULL : t->reply_body.data,
        .part_len = usable ? 0 : t->reply_body.len,
        .sent = t->sent,
        .timed_out = t->timed_out,
        .why = t->why,
        .received_at = clock_now(),
        .headers = t->reply_headers.data ? t->reply_headers.data : "",
        .headers_len = t->reply_headers.len,
    };
    struct buf body = t->reply_body, headers = t->reply_headers;
    char why[HTTP_WHY_MAX];
    http_done_fn *done = t->done;
    void *ctx = t->ctx;

    memcpy(why, t->why, sizeof why);
    reply.why = why;
    buf_init(&t->reply_body, 0);
    buf_init(&t->reply_headers, 0);
    http_transfer_free(t);
    done(ctx, &reply);
    buf_done(&body);
    buf_done(&headers);
}

void http_client_deliver(struct http_client *client)
{
    struct http_transfer *t;

    while ((t = TAILQ_FIRST(&client->done)))
        deliver_one(t);
}

static void client_kicked(void *ctx)
{
    struct http_client *client = ctx;

    client->kick_timer = NULL;
    http_origins_release(client);
    http_client_deliver(client);
}

void http_client_kick(struct http_client *client)
{
    if (!client->kick_timer)
        client->kick_timer = loop_after(client->loop, 0, client_kicked, client);
}

static void deadline_passed(void *ctx);

/* The process slept past the deadline, or was held up: the network wakes with it, and the reply comes a moment later. */
static bool waits_after_sleep(struct http_transfer *t)
{
    if (t->state != TRANSFER_RUNNING || !t->sent || t->woken || defence_off(DEFENCE_READ_ONCE_MORE) ||
        clock_boot_ms() - t->deadline_boot_ms < LATE_MS)
        return false;
    t->woken = true;
    t->deadline_timer = loop_after(t->client->loop, AFTER_SLEEP_MS, deadline_passed, t);
    return true;
}

/* The reply may have arrived while this process slept, so the socket is read before the transfer is given up. */
static void deadline_passed(void *ctx)
{
    struct http_transfer *t = ctx;
    struct http_client *client = t->client;

    t->deadline_timer = NULL;
    if (t->state == TRANSFER_RUNNING && !defence_off(DEFENCE_READ_ONCE_MORE))
        http_handle_read_once_more(t);
    if (waits_after_sleep(t))
        return;
    if (t->state != TRANSFER_DONE) {
        t->timed_out = true;
        t->status = t->state == TRANSFER_RUNNING ? http_easy_status(t) : 0;
        snprintf(t->why, sizeof t->why, "%s did not %s in time", t->origin->name,
                 !t->sent    ? "accept the request"
                 : t->status ? "finish its answer"
                             : "answer");
        http_transfer_end(t, !t->sent ? HTTP_NOT_SENT : t->status ? HTTP_CUT : HTTP_NO_ANSWER);
    }
    http_client_deliver(client);
}

int http_client_send(struct http_client *client, const struct http_request *request, http_done_fn *done, void *ctx,
                     struct http_transfer **ret_transfer, struct error *error)
{
    char *origin = NULL;

    if (client->in_flight >= client->options.transfers_max)
        return error_set(error, -EAGAIN, "%zu requests are already under way", client->in_flight);
    int r = http_request_check(request, &origin, error);
    if (r < 0)
        return r;

    struct http_transfer *t = xcalloc(1, sizeof *t);
    t->client = client;
    t->done = done;
    t->ctx = ctx;
    t->fd = -1;
    t->deadline_boot_ms = request->deadline_boot_ms;
    t->lease_boot_ms = request->lease_boot_ms;
    t->resend_allowed = request->resend_allowed;
    t->body_len = request->body ? request->body_len : 0;
    t->body = t->body_len ? xmemdup(request->body, t->body_len) : NULL;
    buf_init(&t->reply_headers, HTTP_HEADERS_MAX);
    buf_init(&t->reply_body, request->reply_limit ? request->reply_limit : REPLY_LIMIT);
    client->in_flight++;
    http_origin_enter(t, origin);
    free(origin);

    r = http_easy_open(t, request, error);
    if (r < 0) {
        http_transfer_free(t);
        return r;
    }
    if (t->deadline_boot_ms > 0)
        t->deadline_timer = loop_at(client->loop, t->deadline_boot_ms, deadline_passed, t);
    http_client_kick(client);
    if (ret_transfer)
        *ret_transfer = t;
    return 0;
}

void http_transfer_cancel(struct http_transfer **transfer)
{
    struct http_transfer *t = *transfer;

    *transfer = NULL;
    if (t)
        http_transfer_free(t);
}

bool http_transfer_sent(const struct http_transfer *transfer)
{
    return transfer->sent;
}

const char *http_reply_header(const struct http_reply *reply, const char *name)
{
    size_t name_len = strlen(name);
    const char *found = NULL, *end = reply->headers + reply->headers_len;

    for (const char *line = reply->headers; line < end; line += strlen(line) + 1)
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':') {
            found = line + name_len + 1;
            found += strspn(found, " \t");
        }
    return found;
}

void http_client_count(const struct http_client *client, struct http_client_counts *ret_counts)
{
    const struct http_handle *handle;
    size_t handles = 0;

    LIST_FOREACH(handle, &client->handles, link)
    handles++;
    *ret_counts = (struct http_client_counts){
        .in_flight = client->in_flight,
        .waiting = client->waiting,
        .open = client->open,
        .handles = handles,
        .sent_total = client->sent_total,
    };
}
