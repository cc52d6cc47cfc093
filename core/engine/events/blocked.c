/* SPDX-License-Identifier: MIT
 * Remembers what keeps the events of a record from leaving: see internal.h.
 */
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/base/map.h"
#include "core/engine/events/internal.h"

static void blocked_record_free(void *p)
{
    struct trouble *t = p;
    if (!t)
        return;
    free(t->code);
    free(t->why);
    free(t);
}

struct trouble *blocked_record_of(const struct job_events *je, const char *key)
{
    return map_get(je->troubles, key);
}

struct trouble *blocked_record_note(struct job_events *je, const char *key, int state, int64_t not_before,
                                    bool freed_by_change, const char *code, const char *why)
{
    struct trouble *t = map_get(je->troubles, key);
    if (!t) {
        t = xcalloc(1, sizeof *t);
        map_put(je->troubles, key, t);
    }
    t->failures = t->state == state ? t->failures + 1 : 1;
    t->state = state;
    t->not_before = not_before;
    t->freed_by_change = freed_by_change;
    free(t->code);
    free(t->why);
    t->code = xstrdup_or_null(code);
    t->why = xstrdup_or_null(why);
    return t;
}

void blocked_record_end(struct job_events *je, const char *key)
{
    blocked_record_free(map_remove(je->troubles, key));
}

void blocked_records_free(struct job_events *je)
{
    map_free(je->troubles, blocked_record_free);
    je->troubles = NULL;
}

void blocked_records_forget(struct job_events *je)
{
    blocked_records_free(je);
    je->troubles = map_new();
}
