/* SPDX-License-Identifier: MIT
 * A plugin whose name is not its file's.
 */
#include "bad_common.h"

static const struct renewd_plugin plugin = {
    .size = sizeof(struct renewd_plugin),
    .replay = RENEWD_REPLAY_SAFE,
    .name = "other",
    .version = "1",
    .open = stub_open,
    .needs_refresh = stub_needs_refresh,
    .refresh = stub_refresh,
};

const struct renewd_plugin *renewd_plugin_v1(void)
{
    return &plugin;
}
