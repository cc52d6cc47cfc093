/* SPDX-License-Identifier: MIT
 * How many attempts are under way at once, which begins next, and claims ahead of need (core/engine/refresh/ready.c),
 * over a clock that is this program.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/engine/refresh/refresh.h"
#include "tests/unit/engine_kit.h"

/* ---- the rest of the engine ---- */

static char begun[512], returned[512]; /* their keys, in order */
static size_t most_begun;
static bool breaker_hold;

bool breaker_holds(const struct job *j)
{
    (void)j;
    return breaker_hold;
}

bool run_names_keys(const struct run *r)
{
    return r->mode == CLAIM_MANUAL || r->mode == CLAIM_DEMAND;
}

static void say(char *to, const char *key)
{
    size_t len = strlen(to);
    snprintf(to + len, sizeof begun - len, "%s%s", len ? " " : "", key);
}

void attempt_start(struct attempt *a)
{
    say(begun, a->claim.record.key);
    if (ready_under_way(a->job) > most_begun)
        most_begun = ready_under_way(a->job);
}

static void leave(struct attempt *a)
{
    struct job *j = a->job;
    for (struct attempt **p = &j->attempts; *p; p = &(*p)->next)
        if (*p == a) {
            *p = a->next;
            break;
        }
    j->active--;
    a->run->active--;
    record_done(&a->claim.record);
    free(a);
    ready_soon(j);
}

void attempt_give_up_unsent(struct attempt *a, bool again)
{
    say(returned, a->claim.record.key);
    CU_ASSERT_TRUE(again);
    leave(a);
}

/* ---- the scene ---- */

static struct run all, other, hand, caller;

static void scene_begin(int in_flight)
{
    kit_begin();
    kit.config.in_flight = in_flight;
    kit.config.timeout_ms = 10000;
    begun[0] = returned[0] = '\0';
    most_begun = 0;
    breaker_hold = false;
    all = (struct run){.job = &kit.job, .mode = CLAIM_AUTO};
    other = (struct run){.job = &kit.job, .mode = CLAIM_TICK};
    hand = (struct run){.job = &kit.job, .mode = CLAIM_MANUAL};
    caller = (struct run){.job = &kit.job, .mode = CLAIM_DEMAND};
}

static void claimed(struct run *r, const char *key)
{
    struct attempt *a = calloc(1, sizeof *a);
    *a = (struct attempt){.job = &kit.job, .run = r, .lease_boot_ms = clock_boot_ms() + 60000};
    a->claim.record.key = strdup(key);
    a->next = kit.job.attempts;
    kit.job.attempts = a;
    kit.job.active++;
    r->active++;
    if (!ready_add(a))
        attempt_start(a);
}

static void ends(const char *key)
{
    for (struct attempt *a = kit.job.attempts; a; a = a->next)
        if (strcmp(a->claim.record.key, key) == 0) {
            leave(a);
            break;
        }
    kit_wait_ms(0);
}

static void scene_end(void)
{
    while (kit.job.attempts)
        leave(kit.job.attempts);
    kit.job.ready = (struct ready){.timer = kit.job.ready.timer};
    loop_cancel(&kit.job.ready.timer);
    kit_end();
}

/* ---- the tests ---- */

static void strictly_so_many(void)
{
    scene_begin(1);
    claimed(&all, "a");
    claimed(&other, "b"); /* of a claim that was under way at the same time */
    claimed(&caller, "c");
    kit_wait_ms(1000);
    CU_ASSERT_STRING_EQUAL(begun, "a");
    ends("a");
    CU_ASSERT_STRING_EQUAL(begun, "a c");
    ends("c");
    CU_ASSERT_STRING_EQUAL(begun, "a c b");
    CU_ASSERT_EQUAL(most_begun, 1);
    scene_end();
}

static void claims_under_way_take_room(void)
{
    scene_begin(10);
    CU_ASSERT_EQUAL(ready_room(&all), 10);
    kit.job.claiming = 7;
    CU_ASSERT_EQUAL(ready_room(&all), 3);
    claimed(&other, "a");
    CU_ASSERT_EQUAL(ready_room(&all), 2);
    kit.job.claiming = 9;
    CU_ASSERT_EQUAL(ready_room(&all), 0);
    CU_ASSERT_EQUAL(ready_room(&caller), 1);
    scene_end();
}

static void who_begins_first(void)
{
    scene_begin(1);
    claimed(&all, "a");
    claimed(&all, "b");
    claimed(&all, "c");
    claimed(&hand, "h");
    claimed(&caller, "x");
    claimed(&caller, "y");
    for (const char *key = "axyhbc"; *key; key++)
        ends((const char[]){*key, '\0'});
    CU_ASSERT_STRING_EQUAL(begun, "a x y h b c");
    scene_end();
}

/* A caller asks for a record that was claimed ahead: it does not wait behind the others. */
static void wanted_first(void)
{
    scene_begin(1);
    claimed(&all, "a");
    claimed(&all, "b");
    claimed(&all, "c");
    claimed(&all, "d");
    ready_wanted(&kit.job, "d");
    ready_wanted(&kit.job, "nobody");
    claimed(&all, "e");
    for (const char *key = "adbc"; *key; key++)
        ends((const char[]){*key, '\0'});
    CU_ASSERT_STRING_EQUAL(begun, "a d b c e");
    ready_wanted(&kit.job, "e");
    CU_ASSERT_TRUE(kit.job.attempts && kit.job.attempts->caller);
    scene_end();
}

static void given_back(void)
{
    scene_begin(1);
    claimed(&all, "a");
    claimed(&all, "b");
    claimed(&all, "c");
    kit_wait(31); /* three timeouts do not fit into what is left of the lease */
    ends("a");
    CU_ASSERT_STRING_EQUAL(begun, "a");
    CU_ASSERT_STRING_EQUAL(returned, "b c");
    claimed(&all, "d");
    claimed(&all, "e");
    claimed(&all, "f");
    ready_give_back(&kit.job, true); /* the store is lost */
    CU_ASSERT_STRING_EQUAL(returned, "b c e f");
    CU_ASSERT_EQUAL(kit.job.ready.count, 0);
    CU_ASSERT_EQUAL(kit.job.active, 1);
    ends("d");
    claimed(&all, "g");
    CU_ASSERT_STRING_EQUAL(begun, "a d g");
    scene_end();
}

static void ahead_of_need(void)
{
    scene_begin(20);
    CU_ASSERT_EQUAL(ready_ahead(&kit.job), 0);
    kit_wait_ms(200);
    for (int i = 0; i < 30; i++)
        ready_attempt_ended(&kit.job);
    kit_wait_ms(200);
    ready_attempt_ended(&kit.job);
    CU_ASSERT_TRUE(ready_ahead(&kit.job) >= 8);
    CU_ASSERT_TRUE(ready_room(&all) > 20);
    kit.job.safe = false; /* each would be in doubt if this machine were lost */
    CU_ASSERT_TRUE(ready_ahead(&kit.job) <= 20);
    breaker_hold = true;
    CU_ASSERT_EQUAL(ready_ahead(&kit.job), 0);
    breaker_hold = false;
    kit.job.ramp_up_limit = 1;
    CU_ASSERT_EQUAL(ready_room(&all), 1);
    kit.job.ramp_up_limit = 0;
    kit_wait(1);
    CU_ASSERT_EQUAL(ready_ahead(&kit.job), 0);
    CU_ASSERT_EQUAL(ready_room(&all), 20);
    scene_end();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"in_flight is strict, whoever claims", strictly_so_many},
        {"claims under way take room", claims_under_way_take_room},
        {"callers first, then what was named", who_begins_first},
        {"a record that a caller wants is next", wanted_first},
        {"what cannot begin any more is given back", given_back},
        {"claims ahead of need", ahead_of_need},
        {NULL, NULL},
    };
    return run_tests("engine ready", tests);
}
