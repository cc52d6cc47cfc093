/* SPDX-License-Identifier: MIT
 * Whether a job is failing, and whether its last run was refused (core/engine/refresh/failing.c), over a store and a
 * clock that are this program. Other hosts may refresh the records.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/engine/refresh/refresh.h"
#include "tests/unit/engine_kit.h"

static struct {
    int asked, asked_run;
    int64_t failing; /* records, of which none was refreshed */
    const char *refused;
    int64_t started_at; /* of the last run; 0 = there was none */
} store;

int store_failing(struct db *db, const char *source, struct failing_seen *ret, struct error *e)
{
    (void)db;
    (void)e;
    CU_ASSERT_STRING_EQUAL(source, "people/token");
    store.asked++;
    ret->records = store.failing;
    return 0;
}

void failing_seen_done(struct failing_seen *f)
{
    (void)f;
}

int store_last_run(struct db *db, const char *job, bool tells, struct run_row **ret, struct error *e)
{
    (void)db;
    (void)e;
    CU_ASSERT_STRING_EQUAL(job, "mail");
    CU_ASSERT_TRUE(tells);
    store.asked_run++;
    if (!store.started_at)
        return 0;
    *ret = xcalloc(1, sizeof **ret);
    (*ret)->refused = store.refused ? xstrdup(store.refused) : NULL;
    (*ret)->started_at = store.started_at;
    return 0;
}

void runs_free(struct run_row *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i].refused);
    free(list);
}

static void begin(void)
{
    kit_begin();
    memset(&store, 0, sizeof store);
    failing_look(&kit.job, true);
    kit_wait(1);
}

static void end(void)
{
    failing_done(&kit.job);
    kit_end();
}

static bool is_failing(void)
{
    int64_t records;
    return job_failing(&kit.job, &records) != NULL;
}

static const char *refused(void)
{
    int64_t at;
    return job_last_refused(&kit.job, &at);
}

/* This host makes no attempt: another one does. */
static void test_others(void)
{
    begin();
    CU_ASSERT_FALSE(is_failing());
    store.failing = 4;
    store.refused = "its table is gone";
    store.started_at = clock_now();
    kit_wait(61);
    CU_ASSERT_TRUE(is_failing());
    CU_ASSERT_PTR_NOT_NULL_FATAL(refused());
    CU_ASSERT_STRING_EQUAL(refused(), "its table is gone");
    store.failing = 0;
    store.refused = NULL;
    store.started_at = clock_now();
    kit_wait(61);
    CU_ASSERT_FALSE(is_failing());
    CU_ASSERT_PTR_NULL(refused());
    end();
}

/* What the store says of an older run changes nothing. */
static void test_newer(void)
{
    begin();
    store.refused = "its table is gone";
    store.started_at = clock_now();
    kit_wait(10);
    last_run_note(&kit.job, NULL, clock_now()); /* something was refreshed here */
    kit_wait(120);
    CU_ASSERT_PTR_NULL(refused());
    end();
}

/* The look of each minute does not keep back one that is wanted sooner, and many that are wanted are one. */
static void test_soon(void)
{
    begin();
    int before = store.asked;
    store.failing = 4;
    failing_look(&kit.job, false);
    failing_look(&kit.job, false);
    kit_wait(6);
    CU_ASSERT_EQUAL(store.asked, before + 1);
    CU_ASSERT_TRUE(is_failing());
    end();
}

static void test_away(void)
{
    begin();
    kit.engine.phase = ENGINE_AWAY;
    int before = store.asked;
    kit_wait(300);
    CU_ASSERT_EQUAL(store.asked, before);
    kit.engine.phase = ENGINE_WORKING;
    store.failing = 4;
    kit_wait(61);
    CU_ASSERT_TRUE(is_failing());
    end();
}

int main(void)
{
    const struct unit_test tests[] = {
        {"what other hosts' attempts and runs say is seen within a minute", test_others},
        {"what this host knows to be newer stays", test_newer},
        {"a look is made soon when it is wanted", test_soon},
        {"looks go on when the database was away", test_away},
        {NULL, NULL},
    };
    return run_tests("engine_failing", tests);
}
