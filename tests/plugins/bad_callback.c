/* SPDX-License-Identifier: MIT
 * A plugin without its most important callback.
 */
#include "bad_common.h"

static const struct renewd_plugin plugin = {
    .size = sizeof(struct renewd_plugin),
    .replay = RENEWD_REPLAY_SAFE,
    .name = "bad_callback",
    .version = "1",
    .open = stub_open,
    .needs_refresh = stub_needs_refresh,
    .refresh = NULL,
};

const struct renewd_plugin *renewd_plugin_v1(void)
{
    return &plugin;
}
