/* SPDX-License-Identifier: MIT
 * meta.so's events: converts an application's event or a shop's webhook for the Conversions API, and sends batches.
 * Includes only the public header.
 */
#ifndef PLUGINS_META_EVENTS_H
#define PLUGINS_META_EVENTS_H

#include "graph.h"

#define META_BATCH 1000 /* events in one request */
#define META_LIFE (7 * GRAPH_DAY)
#define META_STORE_LIFE (62 * GRAPH_DAY) /* of what happened in a shop that one walks into */

/* One job. */
struct meta {
    struct graph graph;          /* first: what serves instagram.so too takes this */
    const char *test_code;       /* NULL: events count */
    const char *order_test_code; /* of a shop's test orders; NULL: they are not sent */
    const char *content_id;      /* the kind of id by which a shop's goods are known */
};

/* What a request says beside its events. One request carries only events that agree in it. NULL = nothing. */
struct meta_beside {
    const char *test_code, *partner;
};

/* Members that hosts of minor 1 do not know. */
#define META_GIVEN(in_or_out, type, member) ((in_or_out)->size > offsetof(struct type, member))

int32_t meta_take_event(void *instance, const struct renewd_take_event_in *in, struct renewd_take_event_out *out);
int32_t meta_send_events(void *instance, const struct renewd_send_events_in *in,
                         struct renewd_send_events_out *out);

/* Refuses an event; parts end with NULL. */
int32_t meta_refuse_event(const struct meta *m, struct renewd_call *call, const char *const *parts);

/* Gives out what is to be sent: text is an object without event_time and event_id, which are put first. One that is
 * marked as a test is known as another event than the one that counts. */
int32_t meta_give_event(const struct meta *m, struct renewd_call *call, const struct meta_beside *beside,
                        const char *text, size_t length, struct renewd_take_event_out *out);

/* meta_send.c reads what meta_give_event wrote: {"test_event_code":...,"partner_agent":...,"event":{...}}, or the event
 * alone where nothing stands beside it. */
#define META_EVENT "\"event\":{\"event_time\""

/* shopify.c: a webhook of a shop. */
int32_t shopify_take(const struct meta *m, const struct renewd_take_event_in *in,
                     struct renewd_take_event_out *out);

#endif
