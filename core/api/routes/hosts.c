/* SPDX-License-Identifier: MIT
 * Routes about the hosts that work on this database: listing them, and forgetting one that does not come back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/api/internal.h"
#include "core/base/alloc.h"
#include "core/store/hosts.h"

struct hosts_task {
    struct request *q;
    char own[ID_SIZE];
    struct host_row *list;
    size_t count;
};

static int hosts_work(struct db *db, void *arg, struct error *e)
{
    struct hosts_task *t = arg;

    return store_hosts(db, &t->list, &t->count, e);
}

static void put_host(struct json_writer *w, const struct host_row *h, bool own)
{
    json_begin_object(w, NULL);
    json_put_text(w, "host", h->id);
    json_put_text(w, "name", h->name);
    json_put_time(w, "heartbeat_at", h->beat_at);
    json_put_bool(w, "alive", h->now - h->beat_at <= HOST_ALIVE_S);
    json_put_bool(w, "own", own);
    json_put_integer(w, "leases", h->leases);
    json_end(w);
}

static void hosts_done(void *arg, int result, const struct error *e)
{
    struct hosts_task *t = arg;
    struct answer a;

    if (result < 0) {
        answer_failure(t->q, result, e->text);
    } else {
        answer_begin_list(&a, "hosts");
        for (size_t i = 0; i < t->count; i++)
            put_host(&a.json, &t->list[i], strcmp(t->list[i].id, t->own) == 0);
        answer_list(t->q, &a);
    }
    hosts_free(t->list, t->count);
    free(t);
}

void handle_hosts(struct request *q)
{
    struct hosts_task *t = xcalloc(1, sizeof *t);
    struct engine_status s;

    engine_status(q->api->engine, &s);
    t->q = q;
    memcpy(t->own, s.host, ID_SIZE);
    engine_read(q->api->engine, hosts_work, t, hosts_done);
}

static void forgotten(void *ctx, const struct host_row *h, int result, const char *why)
{
    struct request *q = ctx;
    struct answer a;

    if (result < 0) {
        if (result == -ENOENT)
            answer_error(q, 404, "unknown_host", "%s", why);
        else
            answer_failure(q, result, why);
        return;
    }
    answer_begin_object(&a);
    json_put_text(&a.json, "host", h->id);
    json_put_text(&a.json, "name", h->name);
    json_put_integer(&a.json, "leases", h->leases);
    answer_object(q, 200, &a);
}

void handle_forget_host(struct request *q)
{
    if (q->client)
        answer_error(q, 403, "forbidden", "forget-host works over the operator's socket only");
    else
        engine_forget_host(q->api->engine, q->id, forgotten, q);
}
