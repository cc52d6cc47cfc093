/* SPDX-License-Identifier: MIT
 * A plugin that forgot to fill in its size.
 */
#include "bad_common.h"

static const struct renewd_plugin plugin = {
    .size = 0,
    .replay = RENEWD_REPLAY_SAFE,
    .name = "bad_size",
    .version = "1",
    .open = stub_open,
    .needs_refresh = stub_needs_refresh,
    .refresh = stub_refresh,
};

const struct renewd_plugin *renewd_plugin_v1(void)
{
    return &plugin;
}
