/* SPDX-License-Identifier: MIT
 * Runs curl's multi handles on the loop: sockets, timers, finished transfers. The number of transfers of one handle
 * is limited, because libcurl's cost for each request grows with it. All handles share one cache of names and TLS
 * sessions.
 */
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/base/fault.h"
#include "core/http/client/internal.h"
#include "core/loop/loop.h"

#define READS_AT_DEADLINE 1024

static void read_results(struct http_handle *handle)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(handle->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct http_transfer *t = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
        if (!http_probe_start(t, (int)code))
            http_transfer_end(t, http_easy_result(t, (int)code));
    }
}

static void multi_act(struct http_handle *handle, curl_socket_t fd, int events)
{
    int running;

    (void)curl_multi_socket_action(handle->multi, fd, events, &running);
    fault_point(FAULT_WIRE, NULL);
    read_results(handle);
}

static void socket_ready(void *ctx, uint32_t events)
{
    const struct http_socket *s = ctx;
    struct http_handle *handle = s->handle;
    struct http_client *client = handle->client;
    int what = 0;

    if (events & LOOP_READ)
        what |= CURL_CSELECT_IN;
    if (events & LOOP_WRITE)
        what |= CURL_CSELECT_OUT;
    multi_act(handle, s->fd, what);
    http_client_deliver(client);
}

static void multi_timer_fired(void *ctx)
{
    struct http_handle *handle = ctx;
    struct http_client *client = handle->client;

    handle->timer = NULL;
    multi_act(handle, CURL_SOCKET_TIMEOUT, 0);
    http_client_deliver(client);
}

static int want_timer(CURLM *multi, long ms, void *ctx)
{
    struct http_handle *handle = ctx;

    (void)multi;
    loop_cancel(&handle->timer);
    if (ms >= 0)
        handle->timer = loop_after(handle->client->loop, ms, multi_timer_fired, handle);
    return 0;
}

static void socket_free(struct http_socket *s)
{
    loop_unwatch(&s->watch);
    LIST_REMOVE(s, link);
    free(s);
}

static void note_fd(CURL *easy, curl_socket_t fd, bool gone)
{
    struct http_transfer *t = NULL;

    if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t) != CURLE_OK || !t)
        return;
    if (!gone)
        t->fd = fd;
    else if (t->fd == fd)
        t->fd = -1;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct http_handle *handle = ctx;
    struct http_socket *s = socket_ctx;
    uint32_t events = 0;

    note_fd(easy, fd, what == CURL_POLL_REMOVE);
    if (what == CURL_POLL_REMOVE) {
        if (s)
            socket_free(s);
        return 0;
    }
    if (what & CURL_POLL_IN)
        events |= LOOP_READ;
    if (what & CURL_POLL_OUT)
        events |= LOOP_WRITE;
    if (s)
        return loop_watch_change(s->watch, events) < 0 ? -1 : 0;
    s = xcalloc(1, sizeof *s);
    s->handle = handle;
    s->fd = fd;
    LIST_INSERT_HEAD(&handle->sockets, s, link);
    if (loop_watch(handle->client->loop, fd, events, socket_ready, s, &s->watch) < 0) {
        socket_free(s);
        return -1; /* libcurl ends this handle's transfers, so that they do not wait forever */
    }
    curl_multi_assign(handle->multi, fd, s);
    return 0;
}

static struct http_handle *handle_new(struct http_client *client)
{
    CURLM *multi = curl_multi_init();

    if (!multi)
        return NULL;
    struct http_handle *handle = xcalloc(1, sizeof *handle);
    handle->client = client;
    handle->multi = multi;
    LIST_INIT(&handle->sockets);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, handle);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, want_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, handle);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)client->options.transfers_per_handle);
    return handle;
}

/* The oldest handle with room, so that few handles hold the connections when there is little to do. */
static struct http_handle *handle_with_room(struct http_client *client)
{
    struct http_handle *handle, *last = NULL;

    LIST_FOREACH(handle, &client->handles, link)
    {
        if (handle->in_flight < client->options.transfers_per_handle)
            return handle;
        last = handle;
    }
    handle = handle_new(client);
    if (!handle)
        return NULL;
    if (last)
        LIST_INSERT_AFTER(last, handle, link);
    else
        LIST_INSERT_HEAD(&client->handles, handle, link);
    return handle;
}

int http_handle_start(struct http_transfer *t)
{
    struct http_handle *handle = handle_with_room(t->client);

    if (!handle || curl_multi_add_handle(handle->multi, t->easy) != CURLM_OK)
        return -EIO;
    t->handle = handle;
    handle->in_flight++;
    return 0;
}

void http_handle_stop(struct http_transfer *t)
{
    if (!t->handle)
        return;
    curl_multi_remove_handle(t->handle->multi, t->easy);
    t->handle->in_flight--;
    t->handle = NULL;
    t->fd = -1;
}

void http_handle_read_once_more(struct http_transfer *t)
{
    for (int i = 0; i < READS_AT_DEADLINE && t->state == TRANSFER_RUNNING && t->fd >= 0; i++) {
        struct pollfd p = {.fd = t->fd, .events = POLLIN};
        if (poll(&p, 1, 0) != 1 || !(p.revents & (POLLIN | POLLHUP | POLLERR)))
            return;
        multi_act(t->handle, t->fd, CURL_CSELECT_IN);
    }
}

int http_curl_open(struct http_client *client)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -EIO;
    client->curl_ready = true;
    client->share = curl_share_init();
    if (!client->share)
        return -ENOMEM;
    curl_share_setopt(client->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(client->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    client->one_ca_file = info->age >= CURLVERSION_SEVENTH && info->cainfo;
    return 0;
}

static void handle_free(struct http_handle *handle)
{
    struct http_socket *s;

    curl_multi_cleanup(handle->multi);
    while ((s = LIST_FIRST(&handle->sockets)))
        socket_free(s);
    loop_cancel(&handle->timer);
    LIST_REMOVE(handle, link);
    free(handle);
}

void http_curl_close(struct http_client *client)
{
    struct http_handle *handle;

    while ((handle = LIST_FIRST(&client->handles)))
        handle_free(handle);
    if (client->share)
        curl_share_cleanup(client->share);
    if (client->curl_ready)
        curl_global_cleanup();
}
