/* SPDX-License-Identifier: MIT
 * core/domain: when a job's refusals are its own client's fault.
 */
#include <stdlib.h>
#include <string.h>

#include "core/domain/breaker.h"
#include "tests/unit/runner.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct breaker_limits usual = {.records = 10, .share = 50, .within_s = 600};

/* One answer a letter, each of another record: o ok, r refused, m misconfigured, c the same of a canary;
 * "s" is a refusal of always the same record. */
static int play(struct breaker_window *w, const struct breaker_limits *l, const char *letters,
                int64_t *at, int64_t step)
{
    int found = BREAKER_CALM;
    for (const char *p = letters; *p; p++, *at += step) {
        struct breaker_answer a = {.record = *p == 's' ? 1 : 1000 + w->first + w->count, .at = *at};
        int64_t since, records;
        a.sign = *p == 'o' ? BREAKER_FINE : *p == 'm' || *p == 'c' ? BREAKER_MISCONFIGURED : BREAKER_REFUSED;
        a.was_ok = *p == 'c';
        breaker_note(w, l, &a);
        if (a.sign != BREAKER_FINE && found == BREAKER_CALM)
            found = breaker_find(w, l, *at, &since, &records);
    }
    return found;
}

static int found_in(const struct breaker_limits *l, const char *letters, int64_t step)
{
    struct breaker_window w = {0};
    int64_t at = 1000000;
    int found = play(&w, l, letters, &at, step);
    breaker_window_done(&w);
    return found;
}

static void test_found(void)
{
    static const struct breaker_limits few = {3, 50, 600}, all = {3, 100, 600}, one = {1, 1, 600};
    static const struct {
        const struct breaker_limits *limits;
        const char *letters;
        int64_t step;
        int found;
    } cases[] = {
        {&usual, "rrr", 1, BREAKER_CALM},                              /* three accounts, all dead */
        {&usual, "rrrrrrrrr", 1, BREAKER_CALM},
        {&usual, "rrrrrrrrrr", 1, BREAKER_MANY},
        {&usual, "ssssssssssssssssssss", 1, BREAKER_CALM},             /* one account, asked often */
        {&usual, "orororororororororor", 1, BREAKER_MANY},             /* half of them */
        {&usual, "oorroorroorroorroorr", 1, BREAKER_MANY},
        {&usual, "rooroorooroorooroorooroorooroorooroo", 1, BREAKER_CALM},
        {&usual, "oooooooooooooooooooooooooooooorrrrrrrrrr", 1, BREAKER_MANY}, /* went wrong on the way */
        {&usual, "rrrrrrrrrr", 67, BREAKER_CALM},                      /* 603 s from first to last */
        {&usual, "rrrrrrrrrr", 66, BREAKER_MANY},
        {&usual, "mmmmmmmmm", 1, BREAKER_CALM},                        /* none was ever ok */
        {&usual, "mmmmmmmmmm", 1, BREAKER_MANY},
        {&usual, "c", 1, BREAKER_CALM},
        {&usual, "mc", 1, BREAKER_CANARY},
        {&usual, "cm", 1, BREAKER_CANARY},
        {&usual, "moc", 1, BREAKER_CALM},                              /* the client works */
        {&usual, "cr", 1, BREAKER_CALM},
        {&usual, "crc", 1, BREAKER_CANARY},
        {&usual, "cc", 601, BREAKER_CALM},
        {&few, "rr", 1, BREAKER_CALM},
        {&few, "rrr", 1, BREAKER_MANY},
        {&all, "rror", 1, BREAKER_CALM},
        {&all, "rrorrr", 1, BREAKER_MANY},
        {&one, "r", 1, BREAKER_MANY},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        CU_ASSERT_EQUAL(found_in(cases[i].limits, cases[i].letters, cases[i].step), cases[i].found);
}

static void test_since(void)
{
    struct breaker_window w = {0};
    int64_t at = 100, since = 0, records = 0;
    play(&w, &usual, "ooooooooooor", &at, 1); /* the refusal at 111 */
    play(&w, &usual, "orrrrrrrrr", &at, 1);
    CU_ASSERT_EQUAL(breaker_find(&w, &usual, at, &since, &records), BREAKER_MANY);
    CU_ASSERT_EQUAL(since, 111);
    CU_ASSERT_EQUAL(records, 10);
    breaker_window_done(&w);
}

static void test_disproved(void)
{
    struct breaker_window w = {0};
    int64_t at = 100;
    play(&w, &usual, "oor", &at, 1);
    CU_ASSERT_FALSE(breaker_disproved(&w, &usual, 2)); /* what was fine before proves nothing */
    play(&w, &usual, "o", &at, 1);
    CU_ASSERT_FALSE(breaker_disproved(&w, &usual, 2));
    play(&w, &usual, "o", &at, 1);
    CU_ASSERT_TRUE(breaker_disproved(&w, &usual, 2));
    play(&w, &usual, "rr", &at, 1);
    CU_ASSERT_FALSE(breaker_disproved(&w, &usual, 2));
    CU_ASSERT_FALSE(breaker_disproved(&w, &usual, 5));
    breaker_window_done(&w);
}

/* Longer than what is kept: the newest stay, under their numbers. */
static void test_bounded(void)
{
    struct breaker_window w = {0};
    struct breaker_answer a = {.at = 100, .sign = BREAKER_FINE};
    uint64_t number = 0;
    for (int i = 0; i < 20000; i++)
        number = breaker_note(&w, &usual, &a);
    CU_ASSERT_EQUAL(number, 19999);
    CU_ASSERT_TRUE(w.count <= 4096);
    CU_ASSERT_EQUAL(w.first + w.count, 20000);
    a.sign = BREAKER_REFUSED;
    number = breaker_note(&w, &usual, &a);
    CU_ASSERT_FALSE(breaker_disproved(&w, &usual, number));
    CU_ASSERT_TRUE(breaker_disproved(&w, &usual, 7)); /* as far as it is still known */
    breaker_window_done(&w);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"the breaker finds what is our own fault", test_found},
        {"and since when", test_since},
        {"an account's own fault is told by those that are fine after it", test_disproved},
        {"the window is bounded", test_bounded},
        {NULL, NULL},
    };
    return run_tests("domain_breaker", tests);
}
