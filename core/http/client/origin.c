/* SPDX-License-Identifier: MIT
 * The queue of each origin: one transfer connects to a new origin first, the others follow. If the origin refuses
 * the connection or cannot be resolved, the waiting transfers fail with it: nothing of them was sent.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/map.h"
#include "core/http/client/internal.h"

/* Shorter than libcurl's DNS cache, which holds 60 s. */
#define KNOWN_MS (50 * 1000)
#define ORIGINS_KEPT 1024

void http_origin_free(void *p)
{
    struct http_origin *origin = p;

    free(origin->name);
    free(origin);
}

/* Keeps the map small: unused origins are removed. */
static void forget_unused(struct http_client *client)
{
    size_t cursor = 0;
    const char *name;
    void *p;

    while (map_next(client->origins, &cursor, &name, &p)) {
        struct http_origin *origin = p;
        if (origin->users > 0)
            continue;
        if (origin->release)
            LIST_REMOVE(origin, link);
        map_remove(client->origins, origin->name);
        http_origin_free(origin);
    }
    client->origins_forget_at = map_count(client->origins) * 2;
}

static void want_release(struct http_client *client, struct http_origin *origin)
{
    if (!origin->release && !TAILQ_EMPTY(&origin->waiting)) {
        origin->release = true;
        LIST_INSERT_HEAD(&client->to_release, origin, link);
        http_client_kick(client);
    }
}

/* The transfer is queued; the next kick starts it if it may start. */
void http_origin_enter(struct http_transfer *t, const char *name)
{
    struct http_client *client = t->client;
    struct http_origin *origin = map_get(client->origins, name);

    if (!origin) {
        size_t count = map_count(client->origins);
        if (count >= ORIGINS_KEPT && count >= client->origins_forget_at)
            forget_unused(client);
        origin = xcalloc(1, sizeof *origin);
        origin->name = xstrdup(name);
        TAILQ_INIT(&origin->waiting);
        map_put(client->origins, name, origin);
    }
    origin->users++;
    t->origin = origin;
    t->state = TRANSFER_WAITING;
    TAILQ_INSERT_TAIL(&origin->waiting, t, link);
    client->waiting++;
    want_release(client, origin);
}

void http_origin_connected(struct http_transfer *t)
{
    struct http_origin *origin = t->origin;

    origin->known_until_ms = clock_boot_ms() + KNOWN_MS;
    if (origin->probe == t)
        origin->probe = NULL;
    want_release(t->client, origin);
}

static void fail_waiting(struct http_origin *origin, const char *why)
{
    struct http_transfer *t;

    while ((t = TAILQ_FIRST(&origin->waiting))) {
        snprintf(t->why, sizeof t->why, "%s", why);
        http_transfer_end(t, HTTP_NOT_SENT);
    }
}

void http_origin_leave(struct http_transfer *t)
{
    struct http_origin *origin = t->origin;

    if (!origin)
        return;
    t->origin = NULL;
    if (t->unreachable)
        origin->known_until_ms = 0;
    if (origin->probe == t) {
        if (t->unreachable)
            fail_waiting(origin, t->why);
        origin->probe = NULL;
        want_release(t->client, origin);
    }
    origin->users--;
}

static void start_one(struct http_transfer *t)
{
    struct http_client *client = t->client;

    TAILQ_REMOVE(&t->origin->waiting, t, link);
    client->waiting--;
    t->state = TRANSFER_RUNNING;
    TAILQ_INSERT_TAIL(&client->running, t, link);
    if (http_handle_start(t) < 0) {
        snprintf(t->why, sizeof t->why, "the request to %s could not be started", t->origin->name);
        http_transfer_end(t, HTTP_NOT_SENT);
    }
}

static void release_origin(struct http_origin *origin, int64_t now)
{
    struct http_transfer *t;

    while ((t = TAILQ_FIRST(&origin->waiting))) {
        if (origin->known_until_ms <= now) {
            if (origin->probe)
                return;
            origin->probe = t;
        }
        start_one(t);
    }
}

void http_origins_release(struct http_client *client)
{
    int64_t now = clock_boot_ms();
    struct http_origin *origin;

    while ((origin = LIST_FIRST(&client->to_release))) {
        LIST_REMOVE(origin, link);
        origin->release = false;
        release_origin(origin, now);
    }
}
