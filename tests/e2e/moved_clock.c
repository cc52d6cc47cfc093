/* SPDX-License-Identifier: MIT
 * For LD_PRELOAD, in tests alone: for the process it is loaded into it is MOVED_CLOCK (Unix seconds) when it first
 * looks at the wall clock. Time passes from there; the boot clock, and with it every timer, stays what it is. So a test
 * sees what a program does next week, where `renewd --at` moves what is due and nothing else.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static int (*real)(clockid_t, struct timespec *);
static time_t ahead;

static void begin(void)
{
    struct timespec now = {0};
    const char *at = getenv("MOVED_CLOCK");

    real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (at && real(CLOCK_REALTIME, &now) == 0)
        ahead = (time_t)atoll(at) - now.tv_sec;
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, begin);
    int r = real(id, ret);
    if (r == 0 && id == CLOCK_REALTIME)
        ret->tv_sec += ahead;
    return r;
}
