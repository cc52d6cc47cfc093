/* SPDX-License-Identifier: MIT
 * A clock that runs faster, for tests alone: loaded before a program (LD_PRELOAD), with FAST_CLOCK="FROM SPEED" in
 * its environment. From FROM (Unix seconds) on the wall clock and the boot clock run SPEED times as fast, and waits
 * of epoll and timers are as much shorter. The monotonic clock stays: threads and libcurl wait by it.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int64_t from_ns, boot_ns, speed;

static int64_t read_ns(clockid_t id)
{
    struct timespec t;
    syscall(SYS_clock_gettime, id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("FAST_CLOCK");
    char *rest = NULL;
    if (!text)
        return;
    from_ns = strtoll(text, &rest, 10) * 1000000000;
    boot_ns = read_ns(CLOCK_BOOTTIME) - (read_ns(CLOCK_REALTIME) - from_ns);
    speed = strtoll(rest, NULL, 10);
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
    if (!speed || (id != CLOCK_REALTIME && id != CLOCK_BOOTTIME))
        return (int)syscall(SYS_clock_gettime, id, ret);
    int64_t base = id == CLOCK_REALTIME ? from_ns : boot_ns;
    int64_t now = base + (read_ns(id) - base) * speed;
    *ret = (struct timespec){.tv_sec = now / 1000000000, .tv_nsec = now % 1000000000};
    return 0;
}

int epoll_wait(int fd, struct epoll_event *events, int most, int timeout)
{
    if (speed && timeout > 0)
        timeout = (int)((timeout + speed - 1) / speed);
    return epoll_pwait(fd, events, most, timeout, NULL);
}

int timerfd_settime(int fd, int flags, const struct itimerspec *spec, struct itimerspec *old)
{
    struct itimerspec faster = *spec;
    if (speed && flags == 0) {
        int64_t ns = ((int64_t)spec->it_value.tv_sec * 1000000000 + spec->it_value.tv_nsec) / speed;
        faster.it_value = (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    }
    return (int)syscall(SYS_timerfd_settime, fd, flags, &faster, old);
}
