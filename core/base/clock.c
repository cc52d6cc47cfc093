/* SPDX-License-Identifier: MIT
 * See clock.h.
 */
#include "core/base/clock.h"

#include <stdatomic.h>

#include "core/base/clock_source.h"
#include "core/base/fault.h"

static _Atomic int64_t offset_ms;
static int64_t due_ahead;
static bool due_moved;

static int64_t floor_seconds(int64_t ms)
{
    return ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000);
}

int64_t clock_now_ms(void)
{
    return clock_source_real_ms() + atomic_load_explicit(&offset_ms, memory_order_relaxed);
}

int64_t clock_now(void)
{
    return floor_seconds(clock_now_ms());
}

void clock_set_offset(int64_t seconds)
{
    atomic_store_explicit(&offset_ms, seconds * 1000, memory_order_relaxed);
}

int64_t clock_due(void)
{
    return clock_now() + due_ahead;
}

bool clock_due_moved(void)
{
    return due_moved;
}

void clock_set_due(int64_t at)
{
    due_ahead = at - clock_now();
    due_moved = true;
}

int64_t clock_real_ms(void)
{
    return clock_source_real_ms();
}

int64_t clock_real(void)
{
    return floor_seconds(clock_source_real_ms());
}

int64_t clock_boot_ms(void)
{
    return clock_source_boot_ms() + fault_slept_ms();
}
