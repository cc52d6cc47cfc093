/* SPDX-License-Identifier: MIT
 * Routes about parked pairs: listing them, and writing one into its row.
 */
#include <errno.h>

#include "core/api/internal.h"

static void put_parked(struct json_writer *w, const struct parked *p)
{
    json_begin_object(w, NULL);
    json_put_text(w, "id", p->id);
    json_put_text(w, "kind", p->kind);
    json_put_text(w, "job", p->job);
    json_put_text(w, "record", p->record);
    json_put_text(w, "account", p->account);
    json_put_text(w, "why", p->why);
    json_put_time(w, "created_at", p->created_at);
    json_put_time(w, "until", p->until);
    json_put_time(w, "next_at", p->next_at);
    json_end(w);
}

static void parked_route_listed(void *ctx, const struct parked *list, size_t count, int result, const char *why)
{
    struct request *q = ctx;
    struct answer a;

    if (answer_failed(q, result, why))
        return;
    answer_begin_list(&a, "parked");
    for (size_t i = 0; i < count; i++)
        put_parked(&a.json, &list[i]);
    answer_list(q, &a);
}

void handle_parked(struct request *q)
{
    engine_parked(q->api->engine, q->job, parked_route_listed, q);
}

static void applied(void *ctx, const struct parked *p, int result, const char *why)
{
    struct request *q = ctx;
    struct answer a;

    if (result == -ENOENT) {
        answer_error(q, 404, "unknown_parked", "%s", why);
        return;
    }
    if (result == -EBUSY) {
        answer_error(q, 409, "does_not_fit", "job %s, record %s: %s", p->job, p->record, why);
        return;
    }
    if (answer_failed(q, result, why))
        return;
    answer_begin_object(&a);
    json_put_text(&a.json, "id", p->id);
    json_put_text(&a.json, "job", p->job);
    json_put_text(&a.json, "record", p->record);
    json_put_text(&a.json, "account", p->account);
    answer_object(q, 200, &a);
}

void handle_parked_apply(struct request *q)
{
    engine_parked_apply(q->api->engine, q->id, applied, q);
}
