/* SPDX-License-Identifier: MIT
 * See clock_source.h: the only reads of the wall clock and of the boot clock.
 */
#include "core/base/clock_source.h"

#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_source_real_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

int64_t clock_source_boot_ms(void)
{
    return read_ms(CLOCK_BOOTTIME);
}
