/* SPDX-License-Identifier: MIT
 * Which events are sent next (core/engine/events/dispatch.c and blocked.c), over a store, a clock and sendings that are
 * this program.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/engine/events/events.h"
#include "core/engine/events/internal.h"
#include "core/engine/rows/rows.h"
#include "tests/unit/engine_kit.h"

/* ---- the store ---- */

static const struct person {
    const char *key, *credential, *pixel;
} people[] = {{"anna", "c1", "p1"},
              {"ben", "c1", "p1"},
              {"cleo", "c1", "p2"},
              {"dora", "c2", "p1"},
              {NULL, NULL, NULL}};

static struct {
    const char *due[5]; /* whose events are due, NULL-terminated */
    int64_t next;       /* when the next one is */
    int asked;
    char moved[100]; /* what was noted: "key=state@in so many seconds:code " */
} store;

int store_events_due(struct db *db, const char *job, int64_t now, size_t limit, char ***ret_keys, size_t *ret_count,
                     int64_t *ret_next, struct error *e)
{
    (void)db;
    (void)e;
    CU_ASSERT_STRING_EQUAL(job, "mail");
    CU_ASSERT_EQUAL(now, clock_now());
    CU_ASSERT(limit > 4);
    store.asked++;
    *ret_keys = xcalloc(5, sizeof **ret_keys);
    for (*ret_count = 0; store.due[*ret_count]; ++*ret_count)
        (*ret_keys)[*ret_count] = xstrdup(store.due[*ret_count]);
    *ret_next = store.next;
    return 0;
}

int store_rows(struct db *db, const struct table *t, const char *const *keys, size_t count, struct known_row *ret,
               struct error *e)
{
    (void)db;
    (void)e;
    CU_ASSERT_PTR_EQUAL(t, &kit.table);
    for (size_t i = 0; i < count; i++)
        for (const struct person *p = people; p->key; p++)
            if (strcmp(p->key, keys[i]) == 0) {
                struct row *row = &ret[i].row;
                *row = (struct row){.key = xstrdup(keys[i]), .cells = xcalloc(2, sizeof(struct cell)), .count = 2};
                row->cells[0] = (struct cell){.text = xstrdup(p->credential), .len = 2};
                row->cells[1] = (struct cell){.text = xstrdup(p->pixel), .len = 2};
                ret[i].record.source = xstrdup("people");
            }
    return 0;
}

void known_rows_free(struct known_row *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++) {
        row_done(&list[i].row);
        record_done(&list[i].record);
    }
    free(list);
}

int store_events_move(struct db *db, const char *job, const char *const *keys, size_t key_count,
                      const struct event_move *to, struct error *e)
{
    (void)db;
    (void)job;
    (void)e;
    size_t len = strlen(store.moved);
    CU_ASSERT_EQUAL(key_count, 1);
    snprintf(store.moved + len, sizeof store.moved - len, "%s=%s@%d:%s ", keys[0], event_state_name(to->state),
             (int)(to->due_at - clock_now()), to->code ? to->code : "");
    return 0;
}

/* ---- the rest of the engine ---- */

static struct {
    int count;
    char text[200]; /* "key+key " for each */
} sendings;

void sending_start(struct job_events *je, char *destination, char **keys, size_t count)
{
    struct sending *s = xcalloc(1, sizeof *s);
    *s = (struct sending){.of = je,
                          .destination = destination,
                          .keys = keys,
                          .key_count = count,
                          .next = je->sendings};
    je->sendings = s;
    je->active++;
    sendings.count++;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(sendings.text);
        snprintf(sendings.text + len, sizeof sendings.text - len, "%s%s", keys[i], i + 1 < count ? "+" : " ");
    }
}

void sending_free(struct sending *s)
{
    for (struct sending **p = &s->of->sendings; *p; p = &(*p)->next)
        if (*p == s) {
            *p = s->next;
            break;
        }
    s->of->active--;
    for (size_t i = 0; i < s->key_count; i++)
        free(s->keys[i]);
    free(s->keys);
    free(s->destination);
    free(s);
}

/* The oldest one is over, and its events are sent. */
static void sending_is_over(void)
{
    struct job_events *je = kit.job.events;
    struct sending *s = je->sendings;
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    while (s->next)
        s = s->next;
    sending_free(s);
    events_look_in(je, 0);
}

void settles_wait(struct sending *s)
{
    (void)s;
}

void http_transfer_cancel(struct http_transfer **transfer)
{
    (void)transfer;
}

void tidy_start(struct job_events *je)
{
    (void)je;
}

void posts_free(struct job_events *je)
{
    (void)je;
}

bool instance_takes_events(const struct instance *i)
{
    (void)i;
    return true;
}

bool instance_event_member(const struct instance *i, const char *name)
{
    (void)i;
    (void)name;
    return false;
}

size_t instance_event_batch(const struct instance *i)
{
    (void)i;
    return 50;
}

static const struct renewd_slot token = {.size = sizeof token, .name = "token", .credential = 1};
static const struct renewd_slot pixel = {.size = sizeof pixel, .name = "pixel", .destination = 1};
static const struct renewd_slot *const slots[] = {&token, &pixel, NULL};
static const struct renewd_plugin descriptor = {.slots = slots};

const struct renewd_plugin *plugin_descriptor(const struct plugin *p)
{
    (void)p;
    return &descriptor;
}

static const char *does_not_open; /* of whom */

int row_values_decrypt(const struct job *j, const struct row *r, struct row_values *ret, struct error *e)
{
    (void)j;
    if (does_not_open && strcmp(does_not_open, r->key) == 0)
        return error_set(e, -EBADMSG, "the value does not open");
    ret->list = xcalloc(2, sizeof *ret->list);
    for (size_t i = 0; i < 2; i++)
        ret->list[i] = (struct slot_value){.text = r->cells[i].text, .len = r->cells[i].len};
    return 0;
}

void row_values_done(struct row_values *v)
{
    free(v->list);
}

int row_fingerprint(const struct job *j, const char *key, const struct row_values *v, char ret[FINGERPRINT_SIZE])
{
    (void)j;
    (void)key;
    snprintf(ret, FINGERPRINT_SIZE, "%s", v->list[0].text);
    return 0;
}

static const char *filtered; /* who is no record of the job any more */

bool row_is_filtered_out(const struct job *j, const struct row *row, const struct record *known)
{
    (void)j;
    (void)known;
    return filtered && row->key && strcmp(filtered, row->key) == 0;
}

/* ---- a job that takes events ---- */

static void begin(void)
{
    kit_begin();
    memset(&store, 0, sizeof store);
    memset(&sendings, 0, sizeof sendings);
    does_not_open = filtered = NULL;
    events_new(&kit.job);
    CU_ASSERT_TRUE(job_takes_events(&kit.job));
}

static void end(void)
{
    events_free(&kit.job);
    CU_ASSERT_PTR_NULL(kit.job.events);
    kit_end();
}

static void due(const char *a, const char *b, const char *c, const char *d)
{
    store.due[0] = a;
    store.due[1] = b;
    store.due[2] = c;
    store.due[3] = d;
}

static void start(void)
{
    events_start(&kit.job);
    kit_wait_ms(0);
}

/* ---- together or apart ---- */

static void test_groups(void)
{
    begin();
    due("anna", "cleo", "ben", "dora");
    start();
    CU_ASSERT_EQUAL(sendings.count, 3);
    CU_ASSERT_PTR_NOT_NULL(strstr(sendings.text, "anna+ben ")); /* one credential and one pixel */
    CU_ASSERT_PTR_NOT_NULL(strstr(sendings.text, "cleo "));     /* another pixel */
    CU_ASSERT_PTR_NOT_NULL(strstr(sendings.text, "dora "));     /* another credential */
    CU_ASSERT_FALSE(events_idle(&kit.job));
    end();
}

static void test_one_at_a_time(void)
{
    begin();
    due("anna", NULL, NULL, NULL);
    start();
    CU_ASSERT_EQUAL(sendings.count, 1);
    due("ben", "anna", NULL, NULL); /* of the same destination */
    events_came(&kit.job);
    kit_wait_ms(20);
    CU_ASSERT_EQUAL(sendings.count, 1);
    sending_is_over();
    kit_wait_ms(0);
    CU_ASSERT_STRING_EQUAL(sendings.text, "anna ben+anna ");
    end();
}

static void test_at_most_eight(void)
{
    begin();
    kit.job.events->active = SENDINGS_MAX;
    due("anna", NULL, NULL, NULL);
    start();
    CU_ASSERT_EQUAL(sendings.count, 0);
    kit.job.events->active = SENDINGS_MAX - 1;
    events_look_in(kit.job.events, 0);
    kit_wait_ms(0);
    CU_ASSERT_EQUAL(sendings.count, 1);
    end();
}

/* ---- when ---- */

static void test_gathered(void)
{
    begin();
    start();
    CU_ASSERT_EQUAL(store.asked, 1);
    for (int i = 0; i < 19; i++) {
        events_came(&kit.job); /* posted one by one */
        kit_wait_ms(1);
    }
    CU_ASSERT_EQUAL(store.asked, 1);
    kit_wait_ms(1);
    CU_ASSERT_EQUAL(store.asked, 2);
    end();
}

static void test_polled(void)
{
    begin();
    start();
    kit_wait_ms(4999);
    CU_ASSERT_EQUAL(store.asked, 1);
    kit_wait_ms(1); /* another host may have taken some in */
    CU_ASSERT_EQUAL(store.asked, 2);
    store.next = clock_now() + 7;
    kit_wait_ms(5000);
    CU_ASSERT_EQUAL(store.asked, 3);
    kit_wait_ms(1999); /* the next is due in two seconds */
    CU_ASSERT_EQUAL(store.asked, 3);
    store.next = 0;
    kit_wait_ms(1);
    CU_ASSERT_EQUAL(store.asked, 4);
    end();
}

static void test_came_meanwhile(void)
{
    begin();
    kit_store_stalls(true);
    start(); /* the store is asked, and does not answer yet */
    events_came(&kit.job);
    kit_wait_ms(20);
    CU_ASSERT_EQUAL(kit_store_waiting(), 1);
    kit_store_stalls(false);
    kit_store_answers();
    CU_ASSERT_EQUAL(store.asked, 1);
    kit_wait_ms(0); /* asked again at once */
    CU_ASSERT_EQUAL(store.asked, 2);
    end();
}

/* ---- who stays ---- */

static void test_blocked(void)
{
    begin();
    blocked_record_note(kit.job.events, "anna", EVENT_HELD, clock_now() + 60, true, "pixel", "the pixel is closed");
    due("anna", "dora", NULL, NULL);
    start();
    CU_ASSERT_STRING_EQUAL(sendings.text, "dora ");
    CU_ASSERT_STRING_EQUAL(store.moved, "anna=held@60:pixel ");
    due("anna", NULL, NULL, NULL);
    kit_wait(61);
    CU_ASSERT_STRING_EQUAL(sendings.text, "dora anna ");
    end();
}

static void test_failures_in_a_row(void)
{
    begin();
    struct job_events *je = kit.job.events;
    CU_ASSERT_EQUAL(blocked_record_note(je, "anna", EVENT_WAITING, 1, false, NULL, NULL)->failures, 1);
    CU_ASSERT_EQUAL(blocked_record_note(je, "anna", EVENT_WAITING, 2, false, "x", "y")->failures, 2);
    CU_ASSERT_EQUAL(blocked_record_note(je, "anna", EVENT_HELD, 3, false, NULL, NULL)->failures, 1);
    blocked_record_end(je, "anna");
    CU_ASSERT_PTR_NULL(blocked_record_of(je, "anna"));
    end();
}

static void test_unreadable(void)
{
    begin();
    does_not_open = "anna";
    filtered = "ben";
    due("anna", "ben", "nobody", "dora");
    start();
    CU_ASSERT_STRING_EQUAL(sendings.text, "dora ");
    CU_ASSERT_STRING_EQUAL(store.moved,
                           "anna=waiting@600:record ben=waiting@600:record nobody=waiting@600:record ");
    CU_ASSERT_STRING_EQUAL(blocked_record_of(kit.job.events, "anna")->why, "the value does not open");
    end();
}

static void test_changed(void)
{
    begin();
    struct job_events *je = kit.job.events;
    start();
    blocked_record_note(je, "anna", EVENT_HELD, clock_now() + 60, true, "pixel", "closed");
    blocked_record_note(je, "ben", EVENT_HELD, clock_now() + 60, false, "later", "the provider said so");
    events_record_changed(&kit.job, "anna", false);
    events_record_changed(&kit.job, "ben", false);
    events_record_changed(&kit.job, "cleo", false); /* another process may have blocked it */
    events_record_changed(&kit.job, "dora", true);  /* new: nothing can have waited */
    kit_store_answers();
    CU_ASSERT_STRING_EQUAL(store.moved, "anna=waiting@0: cleo=waiting@0: ");
    CU_ASSERT_PTR_NULL(blocked_record_of(je, "anna"));
    CU_ASSERT_PTR_NOT_NULL(blocked_record_of(je, "ben"));
    end();
}

/* ---- when nothing leaves ---- */

static void test_waits(void)
{
    begin();
    due("anna", NULL, NULL, NULL);
    kit.job.paused = true;
    start();
    kit_wait(10);
    CU_ASSERT_EQUAL(store.asked, 0);
    kit.job.paused = false;
    kit_store_stalls(true);
    kit_wait(5);
    kit.job.paused = true; /* while the store is asked */
    kit_store_stalls(false);
    kit_store_answers();
    CU_ASSERT_EQUAL(sendings.count, 0);
    kit.job.paused = false;
    kit_wait(5);
    CU_ASSERT_EQUAL(sendings.count, 1);
    end();
    begin();
    due("anna", NULL, NULL, NULL);
    kit_store_fails(-ENOTCONN, "away");
    start();
    CU_ASSERT_EQUAL(sendings.count, 0);
    kit_store_fails(0, NULL);
    kit_wait(5);
    CU_ASSERT_EQUAL(sendings.count, 1);
    end();
    begin();
    kit.engine.setup.daemon = false; /* --once sends none */
    start();
    events_came(&kit.job);
    CU_ASSERT_EQUAL(kit_timers(), 0);
    end();
}

static void test_end(void)
{
    begin();
    due("anna", NULL, NULL, NULL);
    start();
    CU_ASSERT_TRUE(events_at_work(&kit.job));
    kit.engine.phase = ENGINE_AWAY; /* its result would not reach the store */
    CU_ASSERT_FALSE(events_at_work(&kit.job));
    kit.engine.stopping = STOP_ASKED;
    events_came(&kit.job);
    events_stop(&kit.job);
    CU_ASSERT_EQUAL(kit_timers(), 0);
    sending_is_over();
    CU_ASSERT_EQUAL(kit_timers(), 0);
    CU_ASSERT_TRUE(events_idle(&kit.job));
    end();
}

int main(void)
{
    const struct unit_test tests[] = {
        {"events of one credential and destination leave together, others apart", test_groups},
        {"a destination gets one batch after the other", test_one_at_a_time},
        {"a job sends to at most eight destinations at a time", test_at_most_eight},
        {"events that are posted one by one are gathered for 20 ms", test_gathered},
        {"the store is asked every five seconds, or when the next event is due", test_polled},
        {"what comes while the store is asked is asked for at once afterwards", test_came_meanwhile},
        {"a record that is blocked keeps its events until then, and the store knows why", test_blocked},
        {"failures in a row are counted, those of one kind", test_failures_in_a_row},
        {"a record that cannot be read or is gone keeps its own events alone", test_unreadable},
        {"a changed record ends what waits for a change, and nothing else", test_changed},
        {"a paused job, a store that is away and --once send nothing", test_waits},
        {"at the end no timer is left, and an unknown result is not waited for without a store", test_end},
        {NULL, NULL},
    };
    return run_tests("engine_events", tests);
}
