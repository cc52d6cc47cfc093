/* SPDX-License-Identifier: MIT
 * See engine_kit.h.
 */
#include "tests/unit/engine_kit.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"

struct engine_kit kit;

/* ---- the clock ---- */

static int64_t boot_ms, offset_ms; /* the time is their sum */

int64_t clock_boot_ms(void)
{
    return boot_ms;
}

int64_t clock_now_ms(void)
{
    return boot_ms + offset_ms;
}

int64_t clock_now(void)
{
    return clock_now_ms() / 1000;
}

int64_t clock_due(void)
{
    return clock_now();
}

int64_t clock_real(void)
{
    return clock_now();
}

int64_t clock_real_ms(void)
{
    return clock_now_ms();
}

/* For fault points, which otherwise bring the real clock with them. */
void clock_set_offset(int64_t seconds)
{
    offset_ms = seconds * 1000;
}

void kit_set_clock(int64_t seconds_forward)
{
    offset_ms += seconds_forward * 1000;
}

/* ---- the loop's timers ---- */

struct loop_timer {
    int64_t at;
    loop_fn *cb;
    void *ctx;
    struct loop_timer *next;
};
static struct loop_timer *timers; /* the next first; of the same time in their order */

struct loop_timer *loop_at(struct loop *loop, int64_t at, loop_fn *cb, void *ctx)
{
    struct loop_timer *t = xcalloc(1, sizeof *t), **p = &timers;
    (void)loop;
    *t = (struct loop_timer){at, cb, ctx, NULL};
    while (*p && (*p)->at <= at)
        p = &(*p)->next;
    t->next = *p;
    *p = t;
    return t;
}

struct loop_timer *loop_after(struct loop *loop, int64_t ms, loop_fn *cb, void *ctx)
{
    return loop_at(loop, boot_ms + (ms > 0 ? ms : 0), cb, ctx);
}

void loop_cancel(struct loop_timer **timer)
{
    for (struct loop_timer **p = &timers; *timer && *p; p = &(*p)->next)
        if (*p == *timer) {
            *p = (*p)->next;
            free(*timer);
            break;
        }
    *timer = NULL;
}

size_t kit_timers(void)
{
    size_t count = 0;
    for (const struct loop_timer *t = timers; t; t = t->next)
        count++;
    return count;
}

void kit_wait_ms(int64_t ms)
{
    int64_t until = boot_ms + ms;
    while (timers && timers->at <= until) {
        struct loop_timer *t = timers;
        timers = t->next;
        if (t->at > boot_ms)
            boot_ms = t->at;
        loop_fn *cb = t->cb;
        void *ctx = t->ctx;
        free(t);
        cb(ctx);
        kit_store_answers();
    }
    boot_ms = until;
}

void kit_wait(int64_t seconds)
{
    kit_wait_ms(seconds * 1000);
}

/* ---- the store thread ---- */

struct submitted {
    store_work work;
    void *arg;
    store_done done;
    struct submitted *next;
};
static struct submitted *queue;
static int store_error;
static struct error store_text;
static bool stalled;

void store_submit(struct store_thread *st, store_work work, void *arg, store_done done)
{
    struct submitted *s = xcalloc(1, sizeof *s), **p = &queue;
    (void)st;
    *s = (struct submitted){work, arg, done, NULL};
    while (*p)
        p = &(*p)->next;
    *p = s;
}

size_t kit_store_waiting(void)
{
    size_t count = 0;
    for (const struct submitted *s = queue; s; s = s->next)
        count++;
    return count;
}

void kit_store_fails(int error, const char *text)
{
    store_error = error;
    if (error)
        error_set(&store_text, error, "%s", text);
}

void kit_store_stalls(bool stalls)
{
    stalled = stalls;
}

void kit_store_answers(void)
{
    while (queue && !stalled) {
        struct submitted s = *queue;
        struct error e = {""};
        free(queue);
        queue = s.next;
        if (store_error)
            s.done(s.arg, store_error, &store_text);
        else
            s.done(s.arg, s.work(NULL, s.arg, &e), &e);
    }
}

/* ---- the engine ---- */

static void check_stopped(void *ctx)
{
    (void)ctx;
}

static const struct engine_listeners listeners = {.check_stopped = check_stopped};

void kit_begin(void)
{
    CU_ASSERT_EQUAL(kit_timers(), 0);
    CU_ASSERT_EQUAL(kit_store_waiting(), 0);
    memset(&kit, 0, sizeof kit);
    boot_ms = 1000000;
    offset_ms = KIT_START * 1000LL - boot_ms;
    kit_store_fails(0, NULL);
    kit.config = (struct job_config){.job = (char *)"mail"};
    kit.table = (struct table){.source = (char *)"people/token"};
    kit.jobs[0] = &kit.job;
    kit.job = (struct job){.engine = &kit.engine,
                           .config = &kit.config,
                           .table = &kit.table,
                           .discovered = true,
                           .safe = true};
    memset(kit.job.settings_id, 's', FINGERPRINT_SIZE - 1);
    kit.engine = (struct engine){.on = &listeners,
                                 .jobs = kit.jobs,
                                 .job_count = 1,
                                 .phase = ENGINE_WORKING,
                                 .setup = {.daemon = true}};
}

void kit_end(void)
{
    CU_ASSERT_EQUAL(kit_timers(), 0);
    CU_ASSERT_EQUAL(kit_store_waiting(), 0);
    CU_ASSERT_EQUAL(kit.engine.busy, 0);
}
