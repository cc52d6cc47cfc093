/* SPDX-License-Identifier: MIT
 * The lowest folder of the engine over a store and a loop that are this program: why a job may not work, when the jobs
 * are ready, how work for the store is counted.
 */
#include <errno.h>
#include <string.h>

#include "core/engine/state/state.h"
#include "tests/unit/runner.h"

/* ---- the store and the loop ---- */

static struct {
    struct store_thread *to;
    store_work work;
    void *arg;
    store_done done;
} submitted;
static struct {
    loop_fn *cb;
    void *ctx;
    int count;
} timer;
static char the_timer, the_store, the_reader;

#define STORE ((struct store_thread *)&the_store)
#define READER ((struct store_thread *)&the_reader)

void store_submit(struct store_thread *st, store_work work, void *arg, store_done done)
{
    submitted.to = st;
    submitted.work = work;
    submitted.arg = arg;
    submitted.done = done;
}

struct loop_timer *loop_after(struct loop *loop, int64_t ms, loop_fn *cb, void *ctx)
{
    (void)loop;
    (void)ms;
    timer.cb = cb;
    timer.ctx = ctx;
    timer.count++;
    return (struct loop_timer *)&the_timer;
}

static void store_answers(void)
{
    struct error e = {""};
    int result = submitted.work(NULL, submitted.arg, &e);
    submitted.done(submitted.arg, result, &e);
}

/* ---- an engine with one job ---- */

static struct engine engine;
static struct job job;
static struct job_config config;
static struct table table;
static struct job *jobs[] = {&job};
static int readies;

static void ready(void *ctx)
{
    (void)ctx;
    readies++;
}

static void check_stopped(void *ctx)
{
    (void)ctx;
}

static const struct engine_listeners listeners = {.check_stopped = check_stopped};

static void begin(void)
{
    config = (struct job_config){.job = (char *)"mail"};
    job = (struct job){.engine = &engine, .config = &config, .table = &table, .discovered = true};
    engine = (struct engine){.on = &listeners,
                             .jobs = jobs,
                             .job_count = 1,
                             .store = STORE,
                             .reader = READER,
                             .phase = ENGINE_WORKING,
                             .setup = {.ready = ready}};
    memset(&submitted, 0, sizeof submitted);
    memset(&timer, 0, sizeof timer);
    readies = 0;
}

static void says(int error, const char *part)
{
    int is = 1;
    const char *why = job_why_not(&job, &is);
    CU_ASSERT_EQUAL(is, error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(why);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, part));
    CU_ASSERT_FALSE(job_may_claim(&job));
}

static void test_why_not(void)
{
    int error = 1;
    begin();
    CU_ASSERT_PTR_NULL(job_why_not(&job, &error));
    CU_ASSERT_EQUAL(error, 0);
    CU_ASSERT_TRUE(job_may_claim(&job));
    job.discovered = false;
    says(-ENOTCONN, "being discovered");
    engine.phase = ENGINE_AWAY;
    says(-ENOTCONN, "the database is not available");
    engine.phase = ENGINE_READ_ONLY;
    engine.store_why = (char *)"a copy of another database";
    says(-EROFS, "a copy of another database");
    engine.stopping = STOP_ASKED;
    says(-ESHUTDOWN, "stopping");
    job.paused = true;
    says(-EBUSY, "paused");
    job_hold(&job, HOLD_TABLE, "its table is gone");
    says(-EBUSY, "its table is gone");
    job_holds_free(&job);
}

/* Each reason stands by itself and ends by what ends it. */
static void test_holds(void)
{
    begin();
    job_hold(&job, HOLD_PLUGIN, "job mail: its plugin is at fault");
    job_hold(&job, HOLD_TABLE, "its table is gone");
    says(-EBUSY, "its table is gone");
    says(-EBUSY, "its plugin is at fault");
    CU_ASSERT_FALSE(job_may_read(&job));
    job_release_hold(&job, HOLD_TABLE);
    CU_ASSERT_STRING_EQUAL(job.held, "its plugin is at fault");
    CU_ASSERT_TRUE(job_may_read(&job));
    job_hold(&job, HOLD_ROWS, "none of its rows opens");
    job_release_hold(&job, HOLD_PLUGIN);
    job_release_hold(&job, HOLD_PLUGIN);
    CU_ASSERT_STRING_EQUAL(job_stands(&job), "none of its rows opens");
    CU_ASSERT_TRUE(job_may_read(&job)); /* how else would it end */
    job_release_hold(&job, HOLD_ROWS);
    CU_ASSERT_PTR_NULL(job_stands(&job));
    CU_ASSERT_TRUE(job_may_claim(&job));
}

static void test_claims(void)
{
    int error;
    begin();
    engine.phase = ENGINE_DRAINING;
    CU_ASSERT_PTR_NULL(job_why_not(&job, &error)); /* a run may begin, and waits */
    CU_ASSERT_FALSE(job_may_claim(&job));
    begin();
    job.removed = true;
    CU_ASSERT_FALSE(job_may_claim(&job));
}

static void test_ready(void)
{
    begin();
    job.discovered = false;
    engine_check_ready(&engine);
    CU_ASSERT_EQUAL(readies, 0);
    job_hold(&job, HOLD_TABLE, "job mail: its table is gone");
    CU_ASSERT_STRING_EQUAL(job.held, "its table is gone");
    CU_ASSERT_EQUAL(readies, 1);
    job_release_hold(&job, HOLD_TABLE);
    CU_ASSERT_PTR_NULL(job.held);
    job.discovered = true;
    engine_check_ready(&engine);
    CU_ASSERT_EQUAL(readies, 1);
}

static size_t busy_in_done;
static int results;

static int work(struct db *db, void *arg, struct error *e)
{
    (void)db;
    return error_set(e, -EIO, "%s", (const char *)arg);
}

static void done(void *arg, int result, const struct error *e)
{
    CU_ASSERT_EQUAL(result, -EIO);
    CU_ASSERT_STRING_EQUAL(e->text, arg);
    busy_in_done = engine.busy;
    CU_ASSERT_EQUAL(timer.count, 0);
    results++;
}

static void test_async(void)
{
    begin();
    results = 0;
    engine.stopping = STOP_ASKED;
    engine_async(&engine, work, (void *)"the disk is full", done);
    CU_ASSERT_PTR_EQUAL(submitted.to, STORE);
    CU_ASSERT_EQUAL(engine.busy, 1);
    CU_ASSERT_EQUAL(timer.count, 0);
    store_answers();
    CU_ASSERT_EQUAL(results, 1);
    CU_ASSERT_EQUAL(busy_in_done, 0);
    CU_ASSERT_EQUAL(engine.busy, 0);
    CU_ASSERT_EQUAL(timer.count, 1);
    CU_ASSERT_PTR_EQUAL(timer.ctx, &engine);
    CU_ASSERT_TRUE(timer.cb == check_stopped);
}

static void test_reader(void)
{
    begin();
    engine_async_read(&engine, work, (void *)"", done);
    CU_ASSERT_PTR_EQUAL(submitted.to, STORE); /* the reader is not up yet */
    store_answers();
    engine.reader_up = true;
    engine_async_read(&engine, work, (void *)"", done);
    CU_ASSERT_PTR_EQUAL(submitted.to, READER);
    store_answers();
    CU_ASSERT_EQUAL(engine.busy, 0);
    CU_ASSERT_EQUAL(timer.count, 0); /* nothing stops */
}

int main(void)
{
    const struct unit_test tests[] = {
        {"a job says why it may not work, the first reason first", test_why_not},
        {"a job is held for several reasons, each of which ends by itself", test_holds},
        {"nothing is claimed before dead processes' work is in, nor by a job that was taken out", test_claims},
        {"the engine is ready when all jobs are discovered or held, and says so once", test_ready},
        {"work for the store is counted until its result was handled", test_async},
        {"what is only read goes to the reader once it is up", test_reader},
        {NULL, NULL},
    };
    return run_tests("engine_state", tests);
}
