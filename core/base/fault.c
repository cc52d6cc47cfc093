/* SPDX-License-Identifier: MIT
 * See fault.h; compiled with --enable-fault-points alone.
 *
 * RENEWD_FAULT         POINT:NTH:ACTION[:ARGUMENT], several with commas. NTH: at which passing,
 *                      "3+" for every one from the third on. Actions: kill, stop (until SIGCONT),
 *                      hold (this thread alone, until SIGCONT: a transaction of another thread goes on
 *                      to its end), pause:MS (this thread), error:NAME (ENOSPC, EIO, ENOTCONN), clock:SECONDS
 *                      (the time of decisions is moved), sleep:SECONDS (as if the machine had slept
 *                      so long).
 * RENEWD_FAULT_TRACE   a file: a line "PID POINT RECORD" for each passing, "PID ! POINT ACTION" for
 *                      each action.
 * RENEWD_DEFENCES_OFF  names with commas.
 */
#include "core/base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"

enum { ORDERS_MAX = 8, NAME_MAX_LEN = 40 };

enum action {
    ACTION_KILL,
    ACTION_STOP,
    ACTION_HOLD,
    ACTION_PAUSE,
    ACTION_ERROR,
    ACTION_CLOCK,
    ACTION_SLEEP,
    ACTION_COUNT
};

struct order {
    enum fault_point point;
    unsigned nth;
    bool every;
    enum action action;
    int64_t number;
};

static const char *const point_names[FAULT_POINT_COUNT] = {
    [FAULT_START] = "start",
    [FAULT_READY] = "ready",
    [FAULT_DISCOVERED] = "discovered",
    [FAULT_CLAIM_READY] = "claim-ready",
    [FAULT_CLAIM_COMMITTED] = "claim-committed",
    [FAULT_CLAIMED] = "claimed",
    [FAULT_INTENT] = "intent",
    [FAULT_INTENT_WRITTEN] = "intent-written",
    [FAULT_REQUEST] = "request",
    [FAULT_WIRE] = "wire",
    [FAULT_REPLY] = "reply",
    [FAULT_TOKEN_SET] = "token-set",
    [FAULT_SEAL] = "seal-value",
    [FAULT_SPOOL_WRITE] = "spool-write",
    [FAULT_SPOOL_TORN] = "spool-torn",
    [FAULT_SPOOL_WRITTEN] = "spool-written",
    [FAULT_SYNC] = "sync",
    [FAULT_SYNCED] = "synced",
    [FAULT_COMMIT_BEGIN] = "commit-begin",
    [FAULT_COMMIT_READY] = "commit-ready",
    [FAULT_COMMIT_SENT] = "commit-sent",
    [FAULT_COMMIT_ANSWERED] = "commit-answered",
    [FAULT_COMMITTED] = "committed",
    [FAULT_SETTLED] = "settled",
    [FAULT_FAILED] = "failed",
    [FAULT_RELEASE] = "release",
    [FAULT_RELEASED] = "released",
    [FAULT_KEEP] = "keep",
    [FAULT_KEPT] = "kept",
    [FAULT_DRAIN] = "drain",
    [FAULT_DRAINED] = "drained",
    [FAULT_STOPPING] = "stopping",
};

static const char *const defence_names[DEFENCE_COUNT] = {
    [DEFENCE_LEASE] = "lease",
    [DEFENCE_INTENT] = "intent",
    [DEFENCE_SEND_ONCE] = "send-once",
    [DEFENCE_LATE] = "late",
    [DEFENCE_READ_ONCE_MORE] = "read-once-more",
    [DEFENCE_SPOOL] = "spool",
    [DEFENCE_DRAIN] = "drain",
    [DEFENCE_COMMIT_CONDITION] = "commit-condition",
    [DEFENCE_ALREADY] = "already",
    [DEFENCE_WRITE_BACK] = "write-back",
    [DEFENCE_SPENT] = "spent",
    [DEFENCE_SILENCE] = "silence",
    [DEFENCE_PLACE] = "place",
    [DEFENCE_SEQUENCE] = "sequence",
    [DEFENCE_BREAKER] = "breaker",
    [DEFENCE_RETENTION] = "retention",
    [DEFENCE_ONCE] = "once",
    [DEFENCE_GONE] = "gone",
};

static const char *const action_names[ACTION_COUNT] = {
    [ACTION_KILL] = "kill",   [ACTION_STOP] = "stop",   [ACTION_HOLD] = "hold",   [ACTION_PAUSE] = "pause",
    [ACTION_ERROR] = "error", [ACTION_CLOCK] = "clock", [ACTION_SLEEP] = "sleep",
};

/* Written only by fault_setup, before threads start. */
static struct order orders[ORDERS_MAX];
static size_t order_count;
static bool off[DEFENCE_COUNT];
static int trace_fd = -1;

static _Atomic unsigned passed[FAULT_POINT_COUNT];
static _Atomic int64_t slept_ms;
static atomic_bool continued; /* SIGCONT came */

static int index_of(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

/* The next part of *text up to sep, into part; false at the end. */
static bool fault_next_part(const char **text, char sep, char part[NAME_MAX_LEN])
{
    const char stops[] = {sep, '\0'};
    size_t len = strcspn(*text, stops);

    if (len == 0 || len >= NAME_MAX_LEN)
        return false;
    memcpy(part, *text, len);
    part[len] = '\0';
    *text += len;
    *text += **text == sep;
    return true;
}

static bool read_nth(const char *text, struct order *o)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    o->nth = (unsigned)n;
    o->every = *end == '+';
    return n > 0 && n < UINT_MAX && (*end == '\0' || strcmp(end, "+") == 0);
}

static bool read_argument(const char *text, struct order *o)
{
    static const struct {
        const char *name;
        int number;
    } errors[] = {{"ENOSPC", ENOSPC}, {"EIO", EIO}, {"ENOTCONN", ENOTCONN}};
    char *end;

    if (o->action == ACTION_KILL || o->action == ACTION_STOP || o->action == ACTION_HOLD)
        return *text == '\0';
    if (o->action != ACTION_ERROR) {
        o->number = strtoll(text, &end, 10);
        return *text && !*end;
    }
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strcmp(errors[i].name, text) == 0)
            o->number = errors[i].number;
    return o->number != 0;
}

static bool read_order(const char *text, struct order *o)
{
    char part[NAME_MAX_LEN];
    int point, action;

    *o = (struct order){0};
    if (!fault_next_part(&text, ':', part) || (point = index_of(point_names, FAULT_POINT_COUNT, part)) < 0)
        return false;
    if (!fault_next_part(&text, ':', part) || !read_nth(part, o))
        return false;
    if (!fault_next_part(&text, ':', part) || (action = index_of(action_names, ACTION_COUNT, part)) < 0)
        return false;
    o->point = (enum fault_point)point;
    o->action = (enum action)action;
    return read_argument(text, o);
}

static bool read_orders(const char *text)
{
    char part[NAME_MAX_LEN];

    while (text && *text)
        if (order_count == ORDERS_MAX || !fault_next_part(&text, ',', part) ||
            !read_order(part, &orders[order_count++]))
            return false;
    return true;
}

static bool read_defences(const char *text)
{
    char part[NAME_MAX_LEN];

    while (text && *text) {
        int d = fault_next_part(&text, ',', part) ? index_of(defence_names, DEFENCE_COUNT, part) : -1;
        if (d < 0)
            return false;
        off[d] = true;
    }
    return true;
}

static bool open_trace(const char *path)
{
    trace_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return trace_fd >= 0;
}

static void on_continue(int number)
{
    (void)number;
    atomic_store(&continued, true);
}

bool fault_setup(char *ret, size_t size)
{
    const char *file = getenv("RENEWD_FAULT_TRACE");
    const struct sigaction go_on = {.sa_handler = on_continue, .sa_flags = SA_RESTART};

    sigaction(SIGCONT, &go_on, NULL);

    if (!read_orders(getenv("RENEWD_FAULT")))
        snprintf(ret, size, "RENEWD_FAULT: write POINT:NTH:ACTION[:ARGUMENT] (core/base/fault.c)");
    else if (!read_defences(getenv("RENEWD_DEFENCES_OFF")))
        snprintf(ret, size, "RENEWD_DEFENCES_OFF: no such defence (core/base/fault.c)");
    else if (file && !open_trace(file))
        snprintf(ret, size, "RENEWD_FAULT_TRACE: it cannot be opened: %s", strerror(errno));
    else
        return true;
    return false;
}

/* One write for each line: it is complete and stays in the file even if the process is killed next. */
static void trace(const char *mark, enum fault_point p, const char *what)
{
    char line[256];
    int len;

    if (trace_fd < 0)
        return;
    len = snprintf(line, sizeof line, "%ld %s%s %.150s\n", (long)getpid(), mark, point_names[p], what ? what : "-");
    (void)!write(trace_fd, line, (size_t)len);
}

static void pause_ms(int64_t ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};

    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

/* Ends with the test that ordered it, however that ends. */
static void hold(void)
{
    pid_t parent = getppid();

    while (!atomic_load(&continued)) {
        if (getppid() != parent)
            _exit(1);
        pause_ms(10);
    }
}

static void move_clock(int64_t seconds)
{
    clock_set_offset((clock_now_ms() - clock_real_ms()) / 1000 + seconds);
}

static int fault_act(const struct order *o)
{
    trace("! ", o->point, action_names[o->action]);
    switch (o->action) {
    case ACTION_KILL:
        kill(getpid(), SIGKILL);
        break;
    case ACTION_STOP:
        raise(SIGSTOP); /* sent to this thread, which could otherwise continue until another thread handles it */
        break;
    case ACTION_HOLD:
        hold();
        break;
    case ACTION_PAUSE:
        pause_ms(o->number);
        break;
    case ACTION_CLOCK:
        move_clock(o->number);
        break;
    case ACTION_SLEEP:
        atomic_fetch_add(&slept_ms, o->number * 1000);
        move_clock(o->number);
        break;
    default:
        return -(int)o->number;
    }
    return 0;
}

/* Counts the passing and returns the order to execute, or NULL. */
static const struct order *pass(enum fault_point p, const char *record)
{
    unsigned n = atomic_fetch_add(&passed[p], 1) + 1;

    trace("", p, record);
    for (size_t i = 0; i < order_count; i++)
        if (orders[i].point == p && (orders[i].nth == n || (orders[i].every && n > orders[i].nth)))
            return &orders[i];
    return NULL;
}

void fault_point(enum fault_point p, const char *record)
{
    const struct order *o = pass(p, record);

    if (o)
        fault_act(o);
}

int fault_error(enum fault_point p, const char *record)
{
    const struct order *o = pass(p, record);

    return o ? fault_act(o) : 0;
}

void fault_torn(enum fault_point p, int fd, const void *data, size_t len, off_t at)
{
    const struct order *o = pass(p, NULL);

    if (!o)
        return;
    (void)!pwrite(fd, data, len / 2, at);
    fault_act(o);
}

int64_t fault_slept_ms(void)
{
    return atomic_load(&slept_ms);
}

bool defence_off(enum defence d)
{
    return off[d];
}
