/* SPDX-License-Identifier: MIT
 * Delays the answers to callers with a wrong secret more and more, so that secrets cannot be guessed fast. A caller
 * with the right secret is never delayed.
 */
#include <stdlib.h>

#include "core/api/internal.h"
#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/loop/loop.h"

enum {
    FREE = 5, /* wrong ones in a minute that are answered at once */
    STEP_MS = 100,
    DELAY_MAX_MS = 1000,
    HELD_MAX = 64, /* that wait at the same time; further ones are told to come back */
    MINUTE_MS = 60000,
    HOOK_LINES = 16, /* of webhooks, a second */
};

struct delayed {
    struct request *q;
    struct auth_throttle *door;
    void (*answer)(struct request *q);
    struct loop_timer *timer;
    LIST_ENTRY(delayed) link;
};

struct auth_throttle {
    LIST_HEAD(, delayed) held;
    size_t held_count;
    int64_t since_ms; /* of the minute that is counted */
    int64_t logged_ms[REFUSALS];
    int64_t wrong;
    int64_t hooks_since_ms; /* of the second that is counted */
    int hooks;
    int64_t hooks_silent;
};

struct auth_throttle *auth_throttle_new(void)
{
    struct auth_throttle *d = xcalloc(1, sizeof *d);

    LIST_INIT(&d->held);
    return d;
}

static void throttle_release(void *ctx)
{
    struct delayed *h = ctx;

    LIST_REMOVE(h, link);
    h->door->held_count--;
    loop_cancel(&h->timer);
    h->answer(h->q);
    free(h);
}

static void fired(void *ctx)
{
    ((struct delayed *)ctx)->timer = NULL;
    throttle_release(ctx);
}

void auth_throttle_free(struct auth_throttle *d)
{
    if (!d)
        return;
    while (!LIST_EMPTY(&d->held))
        throttle_release(LIST_FIRST(&d->held));
    free(d);
}

bool auth_throttle_may_log(struct auth_throttle *d, int refusal)
{
    int64_t now = clock_boot_ms();

    if (d->logged_ms[refusal] && now - d->logged_ms[refusal] < 1000)
        return false;
    d->logged_ms[refusal] = now;
    return true;
}

bool auth_throttle_may_log_webhook(struct auth_throttle *d, int64_t *ret_silent)
{
    int64_t now = clock_boot_ms();

    if (now - d->hooks_since_ms >= 1000) {
        d->hooks_since_ms = now;
        d->hooks = 0;
    }
    if (d->hooks++ >= HOOK_LINES) {
        d->hooks_silent++;
        return false;
    }
    *ret_silent = d->hooks_silent;
    d->hooks_silent = 0;
    return true;
}

static int64_t delay(struct auth_throttle *d)
{
    int64_t now = clock_boot_ms();

    if (now - d->since_ms > MINUTE_MS) {
        d->since_ms = now;
        d->wrong /= 2; /* a long series of tries is not forgotten at once */
    }
    d->wrong++;
    int64_t ms = d->wrong > FREE ? (d->wrong - FREE) * STEP_MS : 0;
    return ms < DELAY_MAX_MS ? ms : DELAY_MAX_MS;
}

void auth_throttle_delay(struct request *q, void (*answer)(struct request *q))
{
    struct auth_throttle *d = q->api->door;
    int64_t ms = delay(d);

    if (!ms) {
        answer(q);
        return;
    }
    if (d->held_count >= HELD_MAX) {
        request_retry_after(q, 1);
        answer_error(q, 429, "too_many", "too many requests with a wrong secret; try again later");
        return;
    }
    struct delayed *h = xcalloc(1, sizeof *h);
    *h = (struct delayed){.q = q, .door = d, .answer = answer};
    LIST_INSERT_HEAD(&d->held, h, link);
    d->held_count++;
    h->timer = loop_after(q->api->loop, ms, fired, h);
}
