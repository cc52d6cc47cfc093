/* SPDX-License-Identifier: MIT
 * When a job's runs begin (core/engine/refresh/schedule.c), over a store and a clock that are this program.
 */
#include <errno.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/engine/refresh/refresh.h"
#include "tests/unit/engine_kit.h"

/* ---- the rest of the engine, and the store ---- */

static struct {
    int ticks, autos; /* runs that began */
    int64_t at;       /* when the last one did */
    int pumped;
} runs;
static struct {
    int asked;
    int64_t due_at;         /* of the next record */
    const char *held_under; /* what was asked for */
    int64_t tick, next_tick;
    int noted;
} store;
static bool breaker_hold;

struct run *run_start(struct job *j, int mode, const char *trigger, const char *const *keys, size_t count,
                      run_done done, void *ctx)
{
    (void)j;
    (void)keys;
    (void)done;
    (void)ctx;
    CU_ASSERT_EQUAL(count, 0);
    CU_ASSERT_STRING_EQUAL(trigger, mode == CLAIM_TICK ? "tick" : "auto");
    *(mode == CLAIM_TICK ? &runs.ticks : &runs.autos) += 1;
    runs.at = clock_now();
    return NULL;
}

void run_pump(struct run *r)
{
    (void)r;
    runs.pumped++;
}

void limits_tick(struct job *j)
{
    (void)j;
}

bool breaker_holds(const struct job *j)
{
    (void)j;
    return breaker_hold;
}

int store_next_due(struct db *db, const struct table *t, bool safe, const char *held_under, int64_t *ret,
                   struct error *e)
{
    (void)db;
    (void)e;
    CU_ASSERT_PTR_EQUAL(t, &kit.table);
    CU_ASSERT_TRUE(safe);
    store.asked++;
    store.held_under = held_under;
    *ret = store.due_at;
    return 0;
}

int store_job_tick(struct db *db, const char *job, int64_t tick, int64_t next_tick, struct error *e)
{
    (void)db;
    (void)e;
    CU_ASSERT_STRING_EQUAL(job, "mail");
    store.noted++;
    store.tick = tick;
    store.next_tick = next_tick;
    return 0;
}

/* ---- a job ---- */

static struct cron crons[2];
static struct zone *utc;

static void begin(const char *expression, int64_t last_tick)
{
    struct error e;
    kit_begin();
    memset(&runs, 0, sizeof runs);
    memset(&store, 0, sizeof store);
    breaker_hold = false;
    if (!utc)
        CU_ASSERT_EQUAL_FATAL(zone_load("UTC", &utc, &e), 0);
    if (expression)
        CU_ASSERT_EQUAL_FATAL(cron_parse(expression, &crons[0], &e), 0);
    kit.config.crons = crons;
    kit.config.cron_count = expression ? 1 : 0;
    kit.config.zone = utc;
    kit.job.last_tick = last_tick;
}

static void start(void)
{
    schedule_start(&kit.job);
    kit_store_answers();
}

static void end(void)
{
    schedule_stop(&kit.job);
    kit_end();
}

enum { HOUR = 3600 };

/* ---- ticks ---- */

static void test_tick(void)
{
    begin("0 * * * *", KIT_START);
    start();
    CU_ASSERT_EQUAL(kit.job.next_tick, KIT_START + HOUR);
    kit_wait(HOUR - 1);
    CU_ASSERT_EQUAL(runs.ticks, 0);
    kit_wait(1);
    CU_ASSERT_EQUAL(runs.ticks, 1);
    CU_ASSERT_EQUAL(runs.at, KIT_START + HOUR);
    CU_ASSERT_EQUAL(store.tick, KIT_START + HOUR);
    CU_ASSERT_EQUAL(store.next_tick, KIT_START + 2 * HOUR);
    kit_wait(HOUR);
    CU_ASSERT_EQUAL(runs.ticks, 2);
    end();
}

static void test_missed(void)
{
    begin("0 * * * *", KIT_START - 5 * HOUR);
    start();
    CU_ASSERT_EQUAL(runs.ticks, 1); /* for the five that passed */
    CU_ASSERT_EQUAL(store.tick, KIT_START);
    kit_wait(HOUR - 1);
    CU_ASSERT_EQUAL(runs.ticks, 1);
    end();
}

static void test_new_job(void)
{
    begin("30 * * * *", 0);
    start();
    CU_ASSERT_EQUAL(runs.ticks, 0);
    CU_ASSERT_EQUAL(store.tick, KIT_START - HOUR / 2);
    kit_wait(HOUR / 2);
    CU_ASSERT_EQUAL(runs.ticks, 1);
    end();
}

static void test_two_expressions(void)
{
    struct error e;
    begin("0 * * * *", KIT_START);
    CU_ASSERT_EQUAL_FATAL(cron_parse("20 8 * * *", &crons[1], &e), 0);
    kit.config.cron_count = 2;
    start();
    kit_wait(20 * 60);
    CU_ASSERT_EQUAL(runs.ticks, 1);
    CU_ASSERT_EQUAL(kit.job.next_tick, KIT_START + HOUR);
    kit_wait(40 * 60);
    CU_ASSERT_EQUAL(runs.ticks, 2);
    end();
}

static void test_paused(void)
{
    begin("0 * * * *", KIT_START);
    start();
    kit.job.paused = true;
    kit_wait(2 * HOUR);
    CU_ASSERT_EQUAL(runs.ticks, 0);
    CU_ASSERT_EQUAL(store.noted, 0);
    kit.job.paused = false;
    start(); /* as a resume does */
    CU_ASSERT_EQUAL(runs.ticks, 1);
    CU_ASSERT_EQUAL(store.tick, KIT_START + 2 * HOUR);
    end();
}

static void test_clock_set(void)
{
    begin("0 0 * * *", KIT_START - 8 * HOUR);
    start();
    kit_wait(60);
    kit_set_clock(16 * HOUR);
    CU_ASSERT_EQUAL(runs.ticks, 0);
    kit_wait(600);
    CU_ASSERT_EQUAL(runs.ticks, 1);
    CU_ASSERT_EQUAL(store.tick, KIT_START + 16 * HOUR);
    end();
}

static void test_tick_not_written(void)
{
    begin("0 * * * *", KIT_START);
    start();
    kit_store_fails(-EIO, "the disk is full");
    kit_wait(HOUR);
    CU_ASSERT_EQUAL(runs.ticks, 1);
    kit_wait(HOUR - 1);
    CU_ASSERT_EQUAL(runs.ticks, 1); /* this process remembers it */
    end();
}

/* ---- a record's own time ---- */

static void test_own_time(void)
{
    begin(NULL, 0);
    store.due_at = KIT_START + 90;
    start();
    kit_wait(89);
    CU_ASSERT_EQUAL(runs.autos, 0);
    kit_wait(1);
    CU_ASSERT_EQUAL(runs.autos, 1);
    CU_ASSERT_EQUAL(runs.at, KIT_START + 90);
    kit_wait(1); /* still due: the run was not allowed to take all */
    CU_ASSERT_EQUAL(runs.autos, 2);
    store.due_at = KIT_START + 500; /* the first is refreshed */
    kit_wait(400);
    CU_ASSERT_EQUAL(runs.autos, 2);
    kit_wait(9);
    CU_ASSERT_EQUAL(runs.autos, 3);
    CU_ASSERT_EQUAL(runs.at, KIT_START + 500);
    end();
}

static void test_earlier(void)
{
    begin(NULL, 0);
    store.due_at = KIT_START + 500;
    start();
    schedule_due(&kit.job, KIT_START + 550); /* later: nothing changes */
    CU_ASSERT_EQUAL(kit.job.auto_at, KIT_START + 500);
    store.due_at = KIT_START + 50;
    schedule_due(&kit.job, KIT_START + 50);
    kit_wait(50);
    CU_ASSERT_EQUAL(runs.autos, 1);
    end();
}

static void test_same_minute(void)
{
    struct run minute = {.job = &kit.job, .mode = CLAIM_AUTO, .exhausted = true};
    begin(NULL, 0);
    start();
    kit.job.runs = &minute;
    schedule_due(&kit.job, KIT_START);
    CU_ASSERT_EQUAL(runs.autos, 0);
    CU_ASSERT_EQUAL(runs.pumped, 1);
    CU_ASSERT_FALSE(minute.exhausted);
    minute.finishing = true;
    kit.job.auto_at = 0;
    schedule_due(&kit.job, KIT_START);
    CU_ASSERT_EQUAL(runs.autos, 1);
    end();
}

static void test_nothing_due(void)
{
    begin(NULL, 0);
    start();
    CU_ASSERT_EQUAL(store.asked, 1);
    kit_wait(599);
    CU_ASSERT_EQUAL(store.asked, 1);
    kit_wait(1);
    CU_ASSERT_EQUAL(store.asked, 2);
    CU_ASSERT_EQUAL(runs.autos, 0);
    end();
}

static void test_held(void)
{
    begin(NULL, 0);
    breaker_hold = true;
    start();
    CU_ASSERT_PTR_EQUAL(store.held_under, kit.job.settings_id);
    breaker_hold = false;
    schedule_due(&kit.job, 0);
    kit_store_answers();
    CU_ASSERT_PTR_NULL(store.held_under);
    end();
}

/* ---- when nothing may begin ---- */

static void test_nothing(void)
{
    begin("0 * * * *", KIT_START - HOUR);
    kit.engine.setup.daemon = false; /* --once */
    start();
    schedule_due(&kit.job, KIT_START);
    CU_ASSERT_EQUAL(kit_timers(), 0);
    kit.engine.setup.daemon = true;
    kit.engine.phase = ENGINE_DRAINING; /* dead processes' results first */
    start();
    CU_ASSERT_EQUAL(kit_timers(), 0);
    kit.engine.phase = ENGINE_WORKING;
    store.due_at = KIT_START;
    schedule_start(&kit.job);
    kit.engine.phase = ENGINE_AWAY; /* before the store has answered */
    runs.ticks = 0;
    kit_store_answers();
    kit_wait(3 * HOUR);
    CU_ASSERT_EQUAL(runs.ticks + runs.autos, 0);
    end();
}

int main(void)
{
    const struct unit_test tests[] = {
        {"a tick begins one run at its time, and the store is told it and the next", test_tick},
        {"ticks missed while renewd was down are made up by one run", test_missed},
        {"a new job waits for its first tick", test_new_job},
        {"of several expressions the earliest counts", test_two_expressions},
        {"a paused job has no ticks, and makes up one when it goes on", test_paused},
        {"a clock that is set forward is noticed within ten minutes", test_clock_set},
        {"a tick that the store could not note runs once in this process", test_tick_not_written},
        {"a record's own time begins a run to the second, and later again", test_own_time},
        {"an earlier record moves the time, a later one does not", test_earlier},
        {"a run of this minute takes what is due meanwhile; one that ends does not", test_same_minute},
        {"with nothing due the store is asked every ten minutes", test_nothing_due},
        {"while the breaker holds, the store is asked for records that were fine", test_held},
        {"--once, a spool that is not drained and a store that is away begin nothing", test_nothing},
        {NULL, NULL},
    };
    int status = run_tests("engine_schedule", tests);
    zone_free(utc);
    return status;
}
