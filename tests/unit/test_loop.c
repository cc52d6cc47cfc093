/* SPDX-License-Identifier: MIT
 * The loop: order and removal of watches, timers, work from other threads, signals.
 */
#include "config.h"

#include "core/loop/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "tests/unit/runner.h"

static char trace[64];

static void note(void *ctx)
{
    strncat(trace, ctx, sizeof trace - strlen(trace) - 1);
}

static void timers_in_order(void)
{
    struct loop *loop = loop_new();
    char a[] = "a", b[] = "b", c[] = "c";

    trace[0] = '\0';
    loop_after(loop, 20, note, c);
    struct loop_timer *never = loop_after(loop, 5, note, b);
    loop_after(loop, 10, note, b);
    loop_after(loop, -5, note, a);
    loop_cancel(&never);
    CU_ASSERT_PTR_NULL(never);
    loop_cancel(&never);
    int64_t begun = clock_boot_ms();
    while (strlen(trace) < 3)
        loop_turn(loop, -1);
    CU_ASSERT(clock_boot_ms() - begun >= 19);
    CU_ASSERT_STRING_EQUAL(trace, "abc");
    struct loop_timer *far = loop_after(loop, 100000, note, a);
    struct loop_timer *never_due = loop_after(loop, INT64_MAX, note, a);
    loop_turn(loop, 1);
    CU_ASSERT_STRING_EQUAL(trace, "abc");
    loop_cancel(&far);
    loop_cancel(&never_due);
    loop_turn(loop, 0);
    loop_free(loop);
}

struct again {
    struct loop *loop;
    int times;
};

static void set_again(void *ctx)
{
    struct again *again = ctx;

    if (++again->times < 1000)
        loop_after(again->loop, 0, set_again, again);
}

static void timer_that_sets_itself_lets_the_turn_end(void)
{
    struct again again = {.loop = loop_new()};

    loop_after(again.loop, 0, set_again, &again);
    loop_turn(again.loop, 0);
    CU_ASSERT_EQUAL(again.times, 1);
    while (again.times < 1000)
        loop_turn(again.loop, -1);
    loop_free(again.loop);
}

struct pair {
    struct loop_watch *mine, *other;
    int calls, fd;
};

static void end_both(void *ctx, uint32_t events)
{
    struct pair *pair = ctx;

    CU_ASSERT_EQUAL(events, LOOP_READ);
    pair->calls++;
    loop_unwatch(&pair->mine);
    loop_unwatch(&pair->other);
}

static void unwatch_inside_a_callback(void)
{
    struct loop *loop = loop_new();
    struct pair pair = {0};
    int one[2], two[2];

    CU_ASSERT_FATAL(pipe(one) == 0 && pipe(two) == 0);
    CU_ASSERT_EQUAL(loop_watch(loop, one[0], LOOP_READ, end_both, &pair, &pair.mine), 0);
    CU_ASSERT_EQUAL(loop_watch(loop, two[0], LOOP_READ, end_both, &pair, &pair.other), 0);
    CU_ASSERT(write(one[1], "x", 1) == 1 && write(two[1], "x", 1) == 1);
    for (int i = 0; i < 3; i++)
        loop_turn(loop, 0);
    CU_ASSERT_EQUAL(pair.calls, 1);
    CU_ASSERT(!pair.mine && !pair.other);
    struct loop_watch *bad = NULL;
    CU_ASSERT_EQUAL(loop_watch(loop, -1, LOOP_READ, end_both, &pair, &bad), -EBADF);
    CU_ASSERT_PTR_NULL(bad);
    for (int i = 0; i < 2; i++)
        close(one[i]), close(two[i]);
    loop_free(loop);
}

static void count_ready(void *ctx, uint32_t events)
{
    struct pair *pair = ctx;
    char c;

    pair->calls++;
    if ((events & LOOP_READ) && read(pair->fd, &c, 1) == 0)
        loop_unwatch(&pair->mine);
}

static void change_and_hang_up(void)
{
    struct loop *loop = loop_new();
    struct pair pair = {0};
    int ends[2];

    CU_ASSERT_FATAL(pipe(ends) == 0);
    pair.fd = ends[0];
    CU_ASSERT_EQUAL(loop_watch(loop, ends[0], 0, count_ready, &pair, &pair.mine), 0);
    close(ends[1]);
    loop_turn(loop, 0);
    CU_ASSERT_EQUAL(pair.calls, 0); /* nothing was asked for, a hang-up neither */
    CU_ASSERT_EQUAL(loop_watch_change(pair.mine, LOOP_READ), 0);
    loop_turn(loop, 0);
    CU_ASSERT_EQUAL(pair.calls, 1);
    CU_ASSERT_PTR_NULL(pair.mine);
    close(ends[0]);
    loop_free(loop);
}

struct posting {
    struct loop *loop;
    int next, wrong;
    pthread_t thread;
};

struct number {
    struct posting *posting;
    int n;
};

static struct number numbers[1000];

static void take_number(void *ctx)
{
    const struct number *number = ctx;
    struct posting *posting = number->posting;

    if (number->n != posting->next++ || pthread_equal(pthread_self(), posting->thread))
        posting->wrong++;
    if (posting->next == 1000)
        loop_stop(posting->loop);
}

static void *post_all(void *ctx)
{
    struct posting *posting = ctx;

    for (int i = 0; i < 1000; i++) {
        numbers[i] = (struct number){posting, i};
        loop_post(posting->loop, take_number, &numbers[i]);
    }
    return NULL;
}

static void posts_arrive_in_order(void)
{
    struct posting posting = {.loop = loop_new()};

    CU_ASSERT_FATAL(pthread_create(&posting.thread, NULL, post_all, &posting) == 0);
    CU_ASSERT_EQUAL(loop_run(posting.loop), 0);
    pthread_join(posting.thread, NULL);
    CU_ASSERT_EQUAL(posting.next, 1000);
    CU_ASSERT_EQUAL(posting.wrong, 0);
    loop_post(posting.loop, take_number, &numbers[0]); /* dropped with the loop */
    loop_free(posting.loop);
}

static void stop_on_signal(void *ctx, int signo)
{
    snprintf(trace, sizeof trace, "%d", signo);
    loop_stop(ctx);
}

static void signals_become_calls(void)
{
    struct loop *loop = loop_new();
    char expected[16];

    snprintf(expected, sizeof expected, "%d", SIGUSR1);
    CU_ASSERT_EQUAL(loop_signal(loop, SIGUSR1, stop_on_signal, loop), 0);
    CU_ASSERT_EQUAL(loop_signal(loop, SIGUSR2, stop_on_signal, loop), 0);
    CU_ASSERT_EQUAL(loop_signal(loop, SIGUSR1, stop_on_signal, loop), -EEXIST);
    CU_ASSERT_EQUAL(loop_signal(loop, 0, stop_on_signal, loop), -EINVAL);
    CU_ASSERT_EQUAL(kill(getpid(), SIGUSR1), 0);
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT_STRING_EQUAL(trace, expected);
    loop_free(loop);
}

static void stop_before_run(void)
{
    struct loop *loop = loop_new();

    loop_stop(loop);
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    loop_free(loop);
    loop_free(NULL);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"timers in order", timers_in_order},
        {"a timer that sets itself lets the turn end", timer_that_sets_itself_lets_the_turn_end},
        {"unwatch inside a callback", unwatch_inside_a_callback},
        {"change of events, hang-up", change_and_hang_up},
        {"posts of another thread arrive in order", posts_arrive_in_order},
        {"signals become calls", signals_become_calls},
        {"stop before run", stop_before_run},
        {NULL, NULL},
    };
    return run_tests("loop", tests);
}
