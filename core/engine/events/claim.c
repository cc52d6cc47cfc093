/* SPDX-License-Identifier: MIT
 * The claim of one batch: events that are due, each with its record's row as it is now. Events that exceed a
 * request's limits, or that now have another destination, are given back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/engine/events/internal.h"
#include "core/engine/rows/rows.h"

static int event_claim_work(struct db *db, void *arg, struct error *e)
{
    struct sending *s = arg;
    const struct job *j = s->of->job;
    const struct state_dir *host = j->engine->setup.state;
    size_t limit = s->trial && s->of->limit > TRIAL ? TRIAL : s->of->limit;
    const struct event_claim q = {.job = j->config->job,
                                  .host = host->host,
                                  .incarnation = host->incarnation,
                                  .keys = (const char *const *)s->keys,
                                  .key_count = s->key_count,
                                  .limit = limit,
                                  .now = clock_now(),
                                  .lease_s = job_lease_s(j)};
    s->lease_boot_ms = clock_boot_ms() + q.lease_s * 1000;
    int res = store_events_claim(db, &q, &s->events, &s->count, &s->expired, e);
    if (res < 0 || !s->count)
        return res;
    s->from = xcalloc(s->key_count + 1, sizeof *s->from);
    return store_rows(db, j->table, q.keys, s->key_count, s->from, e);
}

static size_t from_of(const struct sending *s, const char *key)
{
    size_t i = 0;
    while (i < s->key_count && strcmp(s->keys[i], key) != 0)
        i++;
    return i;
}

/* Rows may have changed since the batch was put together, the first one's by a refresh. Only events that still
 * agree with the first one stay in it. */
static bool event_claim_strangers(struct sending *s, bool *drop)
{
    struct job *j = s->of->job;
    struct error e;
    bool any = false;
    cleanup(free_p) bool *other = xcalloc(s->key_count + 1, sizeof *other);
    cleanup(free_p) char *first = event_from_found(&s->from[0]) ? events_destination(j, &s->from[0].row, &e) : NULL;
    for (size_t i = 0; i < s->key_count; i++) {
        cleanup(free_p) char *own =
            event_from_found(&s->from[i]) ? events_destination(j, &s->from[i].row, &e) : NULL;
        other[i] = !first || !own || strcmp(first, own) != 0;
    }
    for (size_t i = 0; i < s->count; i++) {
        size_t at = from_of(s, s->events[i].key);
        drop[i] = at == s->key_count || other[at];
        any = any || drop[i];
    }
    return any;
}

/* A request has limits: events that exceed them go with the next one. */
static bool too_many(struct sending *s, bool *drop)
{
    size_t bytes = 0, kept = 0, large = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (drop[i])
            continue;
        if (kept && bytes + s->events[i].len > BATCH_TEXT_MAX) {
            drop[i] = true;
            large++;
            continue;
        }
        bytes += s->events[i].len;
        kept++;
    }
    size_t most = instance_event_batch(s->of->job->instance);
    s->of->limit = large ? kept : s->of->limit * 2 < most ? s->of->limit * 2 : most;
    return large > 0;
}

/* Events that stay in the batch are moved to the front, in their order. */
static void keep_only(struct sending *s, const bool *drop)
{
    struct event_row *list = xcalloc(s->count + 1, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        if (!drop[i])
            list[n++] = s->events[i];
    s->range = (struct range){0, n};
    for (size_t i = 0; i < s->count; i++)
        if (drop[i])
            list[n++] = s->events[i];
    memcpy(s->events, list, s->count * sizeof *list);
    free(list);
}

static int open_lead(struct sending *s, struct error *e)
{
    struct job *j = s->of->job;
    struct known_row *lead = &s->from[0];
    if (!event_from_found(lead))
        return -ENOENT;
    int res = row_values_decrypt(j, &lead->row, &s->values, e);
    if (res < 0)
        return res;
    row_values_for_plugin(j, &lead->record, &lead->row, &s->values, &s->view);
    s->memo = record_memo(&lead->record, &s->view.memo_len);
    s->view.memo = s->memo;
    s->generation = lead->record.generation;
    return 0;
}

static void event_claim_begin(struct sending *s)
{
    struct error e = {""};
    cleanup(free_p) bool *drop = xcalloc(s->count + 1, sizeof *drop);
    bool some = event_claim_strangers(s, drop);
    some = too_many(s, drop) || some;
    for (size_t i = 0; i < s->count; i++)
        s->released = s->released || s->events[i].state == EVENT_HELD;
    if (some) {
        const struct fate f = {.state = EVENT_WAITING, .due_at = clock_now()};
        settle_marked(s, drop, &f);
    }
    keep_only(s, drop);
    if (!s->range.count || s->of->job->engine->stopping || open_lead(s, &e) < 0) {
        const struct fate f = {.state = EVENT_WAITING, .due_at = clock_now() + 1};
        settle_rest(s, &f);
        return;
    }
    s->ranges[s->range_count++] = s->range;
    s->range.count = 0;
    sending_next(s);
}

static void event_claim_done(void *arg, int result, const struct error *err)
{
    struct sending *s = arg;
    struct job *j = s->of->job;
    if (result < 0 && !store_is_away(result))
        log_line(LEVEL_WARNING, "the due events could not be claimed in the database; renewd tries again", "job",
                 j->config->job, "reason", err->text, NULL);
    events_say_expired(j, s->expired);
    s->presented = false;
    if (result < 0 || !s->count)
        sending_end(s, 1000); /* what was claimed all the same is due again when its lease ends */
    else
        event_claim_begin(s);
}

void sending_claim(struct sending *s)
{
    struct engine *e = s->of->job->engine;
    engine_async(e, event_claim_work, s, event_claim_done);
}
