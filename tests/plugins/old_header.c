/* SPDX-License-Identifier: MIT
 * A plugin of a header in which the descriptor ended before on_failure.
 */
#include "bad_common.h"

static const struct renewd_plugin plugin = {
    .size = offsetof(struct renewd_plugin, on_failure),
    .replay = RENEWD_REPLAY_SAFE,
    .name = "old_header",
    .version = "1",
    .open = stub_open,
    .needs_refresh = stub_needs_refresh,
    .refresh = stub_refresh,
};

const struct renewd_plugin *renewd_plugin_v1(void)
{
    return &plugin;
}
