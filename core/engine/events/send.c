/* SPDX-License-Identifier: MIT
 * One batch of events: its token (refreshed first when it ends soon), its request, and what follows from the
 * answer. Events whose result is unknown are sent again with the same ids, and each claim is counted. A batch that
 * is refused because of one event is halved until that event is alone.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/crypto/crypto.h"
#include "core/engine/events/internal.h"
#include "core/engine/rows/rows.h"
#include "core/rules/backoff.h"

enum {
    MIN_VALID_S = 60, /* a token that ends sooner is refreshed first */
    SERVE_MS = 5000,
    WAIT_MS = 30000,
    PERSON_S = 60, /* beside the wake-up by a changed record: other hosts see changes, too */
    GONE_S = 600,
    SHARED_MS = 200,         /* for a newer token to reach the other rows that hold the one before */
    SETTLE_SPARE_MS = 10000, /* of the lease, for storing the events' results */
    HOLD_S = 600,
    HOLD_MAX_S = 3600,
    LATER_S = 5,
    LATER_MAX_S = 300,
    UNKNOWN_S = 1,
    UNKNOWN_MAX_S = 60,
    REFUSED_S = 60,
    REFUSED_MAX_S = 3600, /* a fresh token that is refused again */
};

/* ---- start and end ---- */

void sending_free(struct sending *s)
{
    struct job_events *je = s->of;
    for (struct sending **p = &je->sendings; *p; p = &(*p)->next)
        if (*p == s) {
            *p = s->next;
            break;
        }
    http_transfer_cancel(&s->transfer);
    settles_free(s);
    plugin_batch_free(s->batch);
    row_values_done(&s->values);
    free(s->memo);
    known_rows_free(s->from, s->key_count);
    event_rows_free(s->events, s->count);
    for (size_t i = 0; i < s->key_count; i++)
        free(s->keys[i]);
    free(s->keys);
    wipe_free(s->token);
    free(s->destination);
    free(s);
    je->active--;
}

void sending_end(struct sending *s, int64_t look_ms)
{
    struct job_events *je = s->of;
    sending_free(s);
    events_look_in(je, look_ms);
    engine_check_stopped(je->job->engine);
}

/* ---- what blocks them ---- */

static int failures_of(const struct sending *s, int state)
{
    const struct trouble *t = blocked_record_of(s->of, s->keys[0]);
    return t && t->state == state ? t->failures : 0;
}

static uint64_t jitter(void)
{
    uint64_t seed = 0;
    (void)crypto_random(&seed, sizeof seed);
    return seed;
}

static void event_send_note(struct sending *s, int state, int64_t wait_s, bool freed_by_change, const char *code,
                            const char *why)
{
    for (size_t i = 0; i < s->key_count; i++)
        blocked_record_note(s->of, s->keys[i], state, clock_now() + wait_s, freed_by_change, code, why);
}

/* These records' events do not leave for so long. */
static void stay(struct sending *s, int64_t wait_s, bool freed_by_change, const char *code, const char *why)
{
    event_send_note(s, EVENT_WAITING, wait_s, freed_by_change, code, why);
    events_park(s->of, s->keys, s->key_count, blocked_record_of(s->of, s->keys[0]));
    sending_end(s, 0);
}

static void say_waiting(const struct sending *s, const char *message, const char *code, const char *why)
{
    const struct job *j = s->of->job;
    const struct trouble *t = blocked_record_of(s->of, s->keys[0]);
    if (t && t->why && why && strcmp(t->why, why) == 0)
        return; /* logged before */
    log_line(LEVEL_WARNING, message, "job", j->config->job, "record", s->keys[0], "account",
             sending_account(s, s->keys[0]), "code", code, "reason", why, "reconnect_url", j->config->reconnect_url,
             NULL);
}

/* ---- the token ---- */

static void event_send_serve(struct sending *s, const struct token_answer *t)
{
    const struct trouble *before = blocked_record_of(s->of, s->keys[0]);
    int refused = before ? before->refused : 0;
    if (!s->token)
        sending_claim(s);
    else if (t->generation == s->generation)
        stay(s, backoff_next(refused, jitter(), REFUSED_S, REFUSED_MAX_S), true, "token",
             "the provider refuses the record's access token, and there is no newer one");
    else if (refused > 1)
        stay(s, backoff_next(refused, jitter(), REFUSED_S, REFUSED_MAX_S), true, "token",
             "the provider refuses this access token, as it refused the one before");
    else
        sending_end(s, SHARED_MS); /* the events are due, and are sent with the newer token */
}

static void event_send_token_known(void *ctx, const struct token_answer *t)
{
    struct sending *s = ctx;
    switch (t->status) {
    case TOKEN_SERVED:
        event_send_serve(s, t);
        return;
    case TOKEN_UNKNOWN:
        stay(s, GONE_S, true, "record", "its record is no longer one of the job's; the event waits for it");
        return;
    case TOKEN_PERSON:
        say_waiting(s, "events wait for their access token, which renewd cannot refresh", t->code, t->why);
        stay(s, PERSON_S, true, t->code ? t->code : "token", t->why);
        return;
    case TOKEN_LATER:
        stay(s, t->retry_after > 0 ? t->retry_after : 1, true, t->code ? t->code : "token", t->why);
        return;
    case TOKEN_UNDER_WAY:
        stay(s, 1, true, "token", "its token is being refreshed");
        return;
    default: /* the database is not available, or renewd stops */
        sending_end(s, 1000);
    }
}

static void event_send_ask_token(struct sending *s)
{
    struct job *j = s->of->job;
    const struct token_requirement w = {.min_valid = MIN_VALID_S,
                                        .serve_ms = SERVE_MS,
                                        .wait_ms = WAIT_MS,
                                        .refused = s->token != NULL,
                                        .refused_generation = s->generation,
                                        .refused_token = s->token};
    if (plugin_slot(j->config->plugin, "access_token") < 0)
        sending_claim(s);
    else
        engine_token(j->engine, j, s->keys[0], &w, event_send_token_known, s);
}

void sending_start(struct job_events *je, char *destination, char **keys, size_t count)
{
    struct sending *s = xcalloc(1, sizeof *s);
    s->of = je;
    s->destination = destination;
    s->keys = keys;
    s->key_count = count;
    s->next = je->sendings;
    je->sendings = s;
    je->active++;
    s->trial = failures_of(s, EVENT_HELD) > 0;
    event_send_ask_token(s);
}

/* ---- the request ---- */

static void event_send_judged(struct sending *s, const struct batch_result *r);

static void event_send_replied(void *ctx, const struct http_reply *reply)
{
    struct sending *s = ctx;
    struct batch_result r;
    s->transfer = NULL;
    s->presented = s->presented || reply->failure != HTTP_NOT_SENT;
    if (reply->failure == HTTP_NOT_SENT) {
        r = (struct batch_result){.became = RENEWD_SENT_LATER, .code = "not_sent", .text = reply->why};
        event_send_judged(s, &r);
        return;
    }
    plugin_batch_reply(s->batch, reply, clock_now(), &r);
    event_send_judged(s, &r);
}

static int make_request(struct sending *s, struct http_request *ret, struct error *e)
{
    struct job *j = s->of->job;
    cleanup(free_p) struct batch_event *list = xcalloc(s->range.count + 1, sizeof *list);
    for (size_t i = 0; i < s->range.count; i++) {
        const struct event_row *r = &s->events[s->range.at + i];
        list[i] = (struct batch_event){r->text, r->len, r->event_time, r->sends};
    }
    plugin_batch_free(s->batch);
    s->batch = plugin_batch_new(j->instance, &s->view, list, s->range.count);
    int res = plugin_batch_request(s->batch, clock_now(), ret, e);
    if (res < 0)
        return res;
    size_t carried = plugin_batch_carried(s->batch);
    if (carried < s->range.count) /* the others come next: the range that was removed left room */
        s->ranges[s->range_count++] = (struct range){s->range.at + carried, s->range.count - carried};
    s->range.count = carried;
    ret->deadline_boot_ms = clock_boot_ms() + j->config->timeout_ms;
    ret->lease_boot_ms = s->lease_boot_ms - j->config->timeout_ms - SETTLE_SPARE_MS;
    ret->ca_file = j->config->ca_file;
    ret->allow_insecure = j->config->allow_insecure;
    return 0;
}

static bool time_left(const struct sending *s)
{
    const struct job *j = s->of->job;
    return !j->engine->stopping && clock_boot_ms() + j->config->timeout_ms + SETTLE_SPARE_MS < s->lease_boot_ms;
}

/* The next range, or the end: ranges are left only while the batch is being halved. */
void sending_next(struct sending *s)
{
    struct http_request q;
    struct batch_result r;
    struct error e = {""};
    if (!s->range_count) {
        sending_go_on(s);
        return;
    }
    if (!time_left(s)) {
        const struct fate f = {.state = EVENT_WAITING, .due_at = clock_now()};
        settle_rest(s, &f);
        return;
    }
    s->range = s->ranges[--s->range_count];
    int res = make_request(s, &q, &e);
    if (res == -ECANCELED) { /* known already: there is no destination */
        plugin_batch_decided(s->batch, &r);
        event_send_judged(s, &r);
        return;
    }
    if (res >= 0)
        res = http_client_send(s->of->job->engine->http, &q, event_send_replied, s, &s->transfer, &e);
    if (res < 0) {
        r = (struct batch_result){.became = RENEWD_SENT_LATER, .code = "request", .text = e.text};
        event_send_judged(s, &r);
    }
}

/* ---- what follows ---- */

static void say_sent(const struct sending *s)
{
    const struct job *j = s->of->job;
    const struct renewd_plugin *d = plugin_descriptor(j->config->plugin);
    const char *where = NULL;
    char count[24];
    for (size_t i = 0; d->slots[i] && !where; i++)
        if (d->slots[i]->destination && d->slots[i]->type != RENEWD_SECRET)
            where = s->values.list[i].text;
    snprintf(count, sizeof count, "%zu", s->range.count);
    log_line(LEVEL_INFO, "events sent", "job", j->config->job, "record", s->keys[0], "account",
             sending_account(s, s->keys[0]), "destination", where, "events", count, NULL);
}

static void was_sent(struct sending *s)
{
    const struct fate f = {.state = EVENT_SENT};
    say_sent(s);
    for (size_t i = 0; i < s->key_count; i++)
        blocked_record_end(s->of, s->keys[i]);
    s->released = s->released || s->trial;
    s->sent += s->range.count;
    settle_events(s, &s->range, &f);
    sending_next(s);
}

/* One of several is bad: each half is sent by itself. */
static void halve(struct sending *s)
{
    size_t half = s->range.count / 2;
    s->ranges[s->range_count++] = (struct range){s->range.at + half, s->range.count - half};
    s->ranges[s->range_count++] = (struct range){s->range.at, half};
    sending_next(s);
}

static void is_bad(struct sending *s, const struct batch_result *r)
{
    const struct event_row *row = &s->events[s->range.at];
    bool old = r->became == RENEWD_SENT_TOO_OLD;
    const struct fate f = {.state = old ? EVENT_EXPIRED : EVENT_ASIDE, .code = r->code, .why = r->text};
    char id[24];
    if (s->range.count > 1 && s->range_count + 2 <= RANGES_MAX) {
        halve(s);
        return;
    }
    snprintf(id, sizeof id, "%" PRId64, row->id);
    log_line(LEVEL_ERROR,
             old ? "an event is dropped: it is too old for the provider"
                 : "an event was parked (state aside): the provider refuses it",
             "job", s->of->job->config->job, "record", row->key, "account", sending_account(s, row->key), "event",
             id, "code", r->code, "reason", r->text, NULL);
    settle_events(s, &s->range, &f);
    sending_next(s);
}

static void token_is_refused(struct sending *s, const struct batch_result *r)
{
    int slot = plugin_slot(s->of->job->config->plugin, "access_token");
    const struct fate f = {.state = EVENT_WAITING, .due_at = clock_now(), .code = r->code, .why = r->text};
    if (slot >= 0 && s->values.list[slot].text)
        s->token = xstrndup(s->values.list[slot].text, s->values.list[slot].len);
    s->token_refused = true;
    log_line(LEVEL_WARNING, "events were refused because of their access token; it is refreshed", "job",
             s->of->job->config->job, "record", s->keys[0], "account", sending_account(s, s->keys[0]), "code",
             r->code, "reason", r->text, NULL);
    for (size_t i = 0; i < s->key_count; i++)
        blocked_record_note(s->of, s->keys[i], EVENT_WAITING, clock_now(), false, r->code, r->text)->refused++;
    settle_rest(s, &f);
}

static void is_held(struct sending *s, const struct batch_result *r)
{
    int times = failures_of(s, EVENT_HELD);
    int64_t spacing = HOLD_S;
    while (times-- > 0 && spacing < HOLD_MAX_S)
        spacing *= 2;
    if (spacing > HOLD_MAX_S)
        spacing = HOLD_MAX_S;
    const struct fate f = {.state = EVENT_HELD,
                           .due_at = clock_now() + spacing,
                           .code = r->code,
                           .why = r->text,
                           .others = true};
    say_waiting(s, "events are held: their destination is missing or does not accept them", r->code, r->text);
    event_send_note(s, EVENT_HELD, spacing, true, r->code, r->text);
    s->released = false;
    settle_rest(s, &f);
}

static void again_later(struct sending *s, const struct batch_result *r)
{
    bool unknown = r->became == RENEWD_SENT_UNKNOWN;
    int times = failures_of(s, EVENT_WAITING) + 1;
    int64_t wait = r->wait > 0 ? r->wait
                   : unknown   ? backoff_next(times, jitter(), UNKNOWN_S, UNKNOWN_MAX_S)
                               : backoff_next(times, jitter(), LATER_S, LATER_MAX_S);
    const struct fate f = {.state = EVENT_WAITING,
                           .due_at = clock_now() + wait,
                           .code = r->code,
                           .why = r->text,
                           .others = true};
    log_line(LEVEL_WARNING,
             unknown ? "events were sent and no answer came; they are sent again with the same ids"
                     : "events could not be sent; they are sent later",
             "job", s->of->job->config->job, "record", s->keys[0], "account", sending_account(s, s->keys[0]),
             "code", r->code, "reason", r->text, NULL);
    event_send_note(s, EVENT_WAITING, wait, false, r->code, r->text);
    settle_rest(s, &f);
}

static void event_send_judged(struct sending *s, const struct batch_result *r)
{
    switch (r->became) {
    case RENEWD_SENT:
        was_sent(s);
        return;
    case RENEWD_SENT_BAD:
    case RENEWD_SENT_TOO_OLD:
        is_bad(s, r);
        return;
    case RENEWD_SENT_TOKEN:
        token_is_refused(s, r);
        return;
    case RENEWD_SENT_HOLD:
        is_held(s, r);
        return;
    default:
        again_later(s, r);
    }
}

/* ---- the end ---- */

struct event_release_task {
    struct job *job;
    char **keys;
    size_t count;
};

static int event_send_release_work(struct db *db, void *arg, struct error *e)
{
    struct event_release_task *t = arg;
    const struct event_move now = {.state = EVENT_WAITING, .due_at = clock_now()};
    return store_events_move(db, t->job->config->job, (const char *const *)t->keys, t->count, &now, e);
}

static void event_send_release_done(void *arg, int result, const struct error *err)
{
    struct event_release_task *t = arg;
    if (result < 0)
        log_line(LEVEL_WARNING, "held events could not be released together; each is sent at its next try", "job",
                 t->job->config->job, "reason", err->text, NULL);
    if (t->job->events)
        events_look_in(t->job->events, 0);
    for (size_t i = 0; i < t->count; i++)
        free(t->keys[i]);
    free(t->keys);
    free(t);
}

/* The destination accepts events again: all that were held for it are sent. Takes the keys over. */
static void event_send_release(struct sending *s)
{
    struct event_release_task *t = xcalloc(1, sizeof *t);
    t->job = s->of->job;
    t->keys = xcalloc(s->key_count + 1, sizeof *t->keys);
    for (size_t i = 0; i < s->key_count; i++)
        t->keys[t->count++] = xstrdup(s->keys[i]);
    engine_async(t->job->engine, event_send_release_work, t, event_send_release_done);
}

void sending_go_on(struct sending *s)
{
    if (s->transfer || s->settles || s->range_count)
        return;
    if (s->sent && s->released && !s->of->job->engine->stopping)
        event_send_release(s);
    if (s->token_refused && !s->of->job->engine->stopping) {
        s->token_refused = false;
        event_send_ask_token(s);
        return;
    }
    sending_end(s, 0);
}
