/* SPDX-License-Identifier: MIT
 * The raw clocks behind clock.h; tests may link their own. Only clock.c calls these.
 */
#ifndef CORE_BASE_CLOCK_SOURCE_H
#define CORE_BASE_CLOCK_SOURCE_H

#include <stdint.h>

int64_t clock_source_real_ms(void);
int64_t clock_source_boot_ms(void);

#endif
