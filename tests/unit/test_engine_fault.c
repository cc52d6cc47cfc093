/* SPDX-License-Identifier: MIT
 * A job that is held because its plugin broke a rule (core/engine/refresh/at_fault.c), over a store and a clock that are
 * this program: what is stored of it and when, and what ends it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/refresh/refresh.h"
#include "core/engine/discover/discover.h"
#include "tests/unit/engine_kit.h"

static struct {
    int faults;
    char file[32], text[256];
} store;
static int discoveries, schedules, abandoned;
static char plugin, other; /* two plugins, by address */

int store_job_fault(struct db *db, const char *job, const char *file, const char *text, struct error *e)
{
    (void)db;
    (void)e;
    CU_ASSERT_STRING_EQUAL(job, "mail");
    store.faults++;
    snprintf(store.file, sizeof store.file, "%s", file);
    snprintf(store.text, sizeof store.text, "%s", text);
    return 0;
}

const char *plugin_file_hash(const struct plugin *p)
{
    return p == (struct plugin *)&plugin ? "abc" : "def";
}

const char *plugin_name(const struct plugin *p)
{
    (void)p;
    return "careless";
}

void discovery_start(struct job *j, bool full)
{
    (void)j;
    discoveries += full;
}

void schedule_start(struct job *j)
{
    (void)j;
    schedules++;
}

void attempt_abandon_unsent(struct job *j)
{
    (void)j;
    abandoned++;
}

static void begin(void)
{
    kit_begin();
    memset(&store, 0, sizeof store);
    discoveries = schedules = abandoned = 0;
    kit.engine.ready_told = true;
    kit.config.plugin = (struct plugin *)&plugin;
    kit.job.instance = (struct instance *)&other;
}

static void end(void)
{
    job_holds_free(&kit.job);
    kit_end();
}

static void fault(void)
{
    struct attempt a = {.job = &kit.job, .token_set = true};
    a.claim.record.key = (char *)"7";
    job_plugin_at_fault(&kit.job, &a, "it lost a token");
}

static void look(const char *file)
{
    job_fault_look(&kit.job, &(struct job_row){.fault_file = (char *)file, .fault = (char *)"another one's"});
}

static void test_stored(void)
{
    begin();
    fault();
    CU_ASSERT_PTR_NOT_NULL_FATAL(strstr(kit.job.held, "it lost a token; correct the plugin"));
    kit_store_answers();
    CU_ASSERT_EQUAL(store.faults, 1);
    CU_ASSERT_STRING_EQUAL(store.file, "abc");
    CU_ASSERT_STRING_EQUAL(store.text, kit.job.held);
    kit_wait(60);
    CU_ASSERT_EQUAL(store.faults, 1);
    end();
}

/* The database went away with the fault: it is told when it answers, and until then nothing ends the hold. */
static void test_stored_later(void)
{
    begin();
    kit_store_fails(-ENOTCONN, "the database is not available");
    fault();
    kit_store_answers();
    look(NULL); /* it does not know yet */
    CU_ASSERT_PTR_NOT_NULL(kit.job.held);
    kit_wait(60);
    CU_ASSERT_EQUAL(store.faults, 0);
    kit_store_fails(0, NULL);
    kit_wait(6);
    CU_ASSERT_EQUAL(store.faults, 1);
    kit_wait(60);
    CU_ASSERT_EQUAL(store.faults, 1);
    look(NULL); /* resumed at another host before it was ever seen stored */
    CU_ASSERT_PTR_NULL(kit.job.held);
    end();
}

static void test_stored_at_the_end(void)
{
    begin();
    kit_store_fails(-EBUSY, "the database is locked");
    fault();
    kit_store_answers();
    kit_store_fails(0, NULL);
    kit.engine.stopping = true;
    job_fault_stop(&kit.job);
    kit_store_answers();
    CU_ASSERT_EQUAL(store.faults, 1);
    kit_wait(1); /* whether all has stopped */
    end();
}

/* A reload replaces the job before the store knows. */
static void test_follows(void)
{
    struct job fresh = {.engine = &kit.engine, .config = &kit.config};
    begin();
    fresh.instance = kit.job.instance;
    kit_store_fails(-EBUSY, "the database is locked");
    fault();
    kit_store_answers();
    kit_store_fails(0, NULL);
    job_fault_follow(&fresh, &kit.job);
    kit.job.removed = true;
    loop_cancel(&kit.job.fault_timer);
    CU_ASSERT_STRING_EQUAL(fresh.held, kit.job.held);
    kit_store_answers();
    CU_ASSERT_EQUAL(store.faults, 1);
    CU_ASSERT_TRUE(fresh.fault_stored);
    job_holds_free(&fresh);
    struct job_config changed = kit.config;
    changed.plugin = (struct plugin *)&other;
    struct job next = {.engine = &kit.engine, .config = &changed, .instance = kit.job.instance};
    job_fault_follow(&next, &kit.job);
    CU_ASSERT_PTR_NULL(next.held); /* another plugin */
    end();
}

/* An attempt of the job before a reload: the job after it is held. */
static void test_late(void)
{
    begin();
    struct job old = kit.job;
    struct attempt a = {.job = &old};
    a.claim.record.key = (char *)"7";
    old.removed = true;
    job_plugin_at_fault(&old, &a, "it lost a token");
    CU_ASSERT_PTR_NULL(old.held);
    CU_ASSERT_PTR_NOT_NULL(kit.job.held);
    kit_store_answers();
    CU_ASSERT_EQUAL(store.faults, 1);
    end();
}

/* Each reason to hold the job ends by what ends it. */
static void test_other_reason(void)
{
    begin();
    job_hold(&kit.job, HOLD_ROWS, "none of its rows opens");
    look("abc");
    CU_ASSERT_PTR_NOT_NULL(strstr(kit.job.held, "none of its rows opens"));
    CU_ASSERT_PTR_NOT_NULL(strstr(kit.job.held, "another one's"));
    CU_ASSERT_EQUAL(abandoned, 1);
    job_fault_over(&kit.job);
    CU_ASSERT_STRING_EQUAL(kit.job.held, "none of its rows opens");
    look("abc");
    job_release_hold(&kit.job, HOLD_ROWS);
    CU_ASSERT_STRING_EQUAL(kit.job.held, "another one's");
    look("def"); /* another host's plugin file is at fault: it does not say that this one is not */
    CU_ASSERT_PTR_NOT_NULL(kit.job.held);
    schedules = 0;
    look(NULL);
    CU_ASSERT_PTR_NULL(kit.job.held);
    CU_ASSERT_EQUAL(schedules, 1);
    job_fault_over(&kit.job);
    CU_ASSERT_EQUAL(schedules, 1);
    end();
}

/* A job whose file names no plugin that there is. */
static void test_without_plugin(void)
{
    begin();
    kit.job.instance = NULL;
    kit.config.plugin = NULL;
    look("abc");
    look("def");
    CU_ASSERT_PTR_NULL(kit.job.held);
    end();
}

int main(void)
{
    const struct unit_test tests[] = {
        {"the store is told once, with the plugin's file", test_stored},
        {"while it does not answer it is told again, and no look ends the hold", test_stored_later},
        {"a last time when the engine stops", test_stored_at_the_end},
        {"a job that is replaced stays held, unless by another plugin", test_follows},
        {"a late attempt holds the job that runs now", test_late},
        {"resume and other hosts end this hold, and no other one", test_other_reason},
        {"a job without a plugin is looked at", test_without_plugin},
        {NULL, NULL},
    };
    return run_tests("engine_fault", tests);
}
