/* SPDX-License-Identifier: MIT
 * Callbacks that do next to nothing, for plugins that exist to be refused.
 */
#ifndef TESTS_PLUGINS_BAD_COMMON_H
#define TESTS_PLUGINS_BAD_COMMON_H

#include <renewd/plugin.h>

static inline int32_t stub_open(void *instance, const struct renewd_open_in *in, struct renewd_open_out *out)
{
    (void)in;
    out->instance = instance;
    return 0;
}

static inline int32_t stub_needs_refresh(void *instance, const struct renewd_needs_refresh_in *in,
                                         struct renewd_needs_refresh_out *out)
{
    (void)instance;
    out->latest = in->now;
    return 0;
}

static inline int32_t stub_refresh(void *instance, const struct renewd_refresh_in *in,
                                   struct renewd_refresh_out *out)
{
    (void)instance;
    (void)in;
    (void)out;
    return RENEWD_DONE;
}

#endif
