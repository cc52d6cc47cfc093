/* SPDX-License-Identifier: MIT
 * core/rules/suspect: the rules one by one; whole worlds are in test_rules_suspect_worlds.c.
 */
#include "core/rules/suspect.h"
#include "tests/unit/runner.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

static const struct suspect_limits usual = {10, 10 * MINUTE, MINUTE, HOUR, 15 * MINUTE, false};
static const int64_t START = 1700000000000;

static int64_t none(void *ctx, int64_t from, int64_t until)
{
    (void)ctx, (void)from, (void)until;
    return 0;
}
static int64_t nobody(void *ctx)
{
    (void)ctx;
    return 0;
}
static bool yes(void *ctx)
{
    (void)ctx;
    return true;
}
static const struct suspect_others alone = {none, nobody, yes, NULL};

static void test_stray(void)
{
    struct suspect_job job = {.success_at = START - MINUTE};
    struct suspect s = {0};
    struct suspect_ruling r;
    suspect_refused(&usual, &job, &s, &(struct suspect_refusal){.was_fine = true}, &alone, START, &r);
    CU_ASSERT(r.verdict == SUSPECT_WITHHELD && r.next_at == START + 10 * SECOND && !r.held);
    CU_ASSERT(!suspect_succeeded(&job, &s, START + 10 * SECOND));
    CU_ASSERT(!s.began_at && job.recovery_at == START + 10 * SECOND && job.turned == 0);
}

static void test_askings(void)
{
    static const int64_t waits[] = {10, 60, 120, 240, 480, 960, 1920, 3600, 3600};
    struct suspect_job job = {.success_at = START - MINUTE};
    struct suspect s = {0};
    struct suspect_ruling r;
    int64_t now = START;
    for (size_t i = 0; i < COUNT(waits); i++, now = r.next_at) {
        suspect_refused(&usual, &job, &s, &(struct suspect_refusal){.dead_grant = true}, &alone, now, &r);
        CU_ASSERT_EQUAL(r.next_at - now, waits[i] * SECOND);
    }
    CU_ASSERT(r.verdict == SUSPECT_WITHHELD && r.wants_witness); /* nobody else was asked */
    job.success_at = now - 1;
    suspect_refused(&usual, &job, &s, &(struct suspect_refusal){.dead_grant = true}, &alone, now, &r);
    CU_ASSERT(r.verdict == SUSPECT_FINAL && !s.began_at && !r.next_at);
}

static void test_misconfigured_is_a_strike_a_day(void)
{
    struct suspect_job job = {.success_at = START - MINUTE};
    struct suspect s = {0};
    struct suspect_ruling r;
    int64_t strikes = 0, told = 0;
    for (int64_t now = START; now < START + 4 * (int64_t)DAY; now = r.next_at) {
        suspect_refused(&usual, &job, &s, &(struct suspect_refusal){0}, &alone, now, &r);
        strikes += r.verdict == SUSPECT_STRIKE;
        told += r.verdict > SUSPECT_STRIKE;
        job.success_at = now + 1;
    }
    CU_ASSERT(strikes == 3 && told == 0);
}

static void test_unanswered(void)
{
    struct suspect_job job = {.success_at = START - MINUTE};
    struct suspect s = {0};
    struct suspect_refusal silent = {.dead_grant = true, .unanswered = true};
    struct suspect_ruling r;
    suspect_refused(&usual, &job, &s, &silent, &alone, START, &r);
    CU_ASSERT(r.verdict == SUSPECT_WITHHELD && r.wants_witness);
    suspect_judge(&usual, &job, &s, &silent, &alone, START + 10 * SECOND, &r);
    CU_ASSERT(r.verdict == SUSPECT_WITHHELD && s.refusals == 1);
    job.success_at = START + 15 * SECOND;
    suspect_judge(&usual, &job, &s, &silent, &alone, START + 20 * SECOND, &r);
    CU_ASSERT(r.verdict == SUSPECT_FINAL);
}

static void test_believed(void)
{
    struct suspect_job job = {0};
    struct suspect s = {0};
    struct suspect_ruling r;
    suspect_refused(&usual, &job, &s, &(struct suspect_refusal){.dead_grant = true}, &alone, START, &r);
    CU_ASSERT(suspect_resumed(&job, true, START + MINUTE));
    suspect_refused(&usual, &job, &s, &(struct suspect_refusal){.dead_grant = true}, &alone, START + HOUR, &r);
    CU_ASSERT_EQUAL(r.verdict, SUSPECT_FINAL);
    suspect_refused(&usual, &job, &s, &(struct suspect_refusal){.dead_grant = true}, &alone, START + 2 * HOUR, &r);
    CU_ASSERT_EQUAL(r.verdict, SUSPECT_WITHHELD); /* the word was about those of then */
}

static void test_canaries(void)
{
    struct suspect_job job = {.held_at = START, .canary_at = START + 10 * SECOND};
    CU_ASSERT_FALSE(suspect_canary(&job, START + 9 * SECOND));
    CU_ASSERT_TRUE(suspect_canary(&job, START + 10 * SECOND));
    CU_ASSERT_EQUAL(job.canary_at, START + 21 * SECOND);
    job.canaries = 1000;
    CU_ASSERT_TRUE(suspect_canary(&job, START + HOUR));
    CU_ASSERT_EQUAL(job.canary_at, START + 2 * HOUR);
    CU_ASSERT(suspect_resumed(&job, false, START + 2 * HOUR) && !job.held_at);
    CU_ASSERT_FALSE(suspect_canary(&job, START + 9 * HOUR));
    CU_ASSERT(suspect_share(10, 0) == 1 && suspect_share(1, 8) == 0 && suspect_share(1, 9) == 1);
    CU_ASSERT(suspect_share(100, 0) == 10 && suspect_share(3, 500) == 3);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a stray refusal ends with the next asking", test_stray},
        {"when a suspect is asked again", test_askings},
        {"what nobody understands is a strike a day", test_misconfigured_is_a_strike_a_day},
        {"an unanswered presentation is not repeated", test_unanswered},
        {"the operator's word", test_believed},
        {"canaries and shares", test_canaries},
        {NULL, NULL},
    };
    return run_tests("domain_suspect", tests);
}
