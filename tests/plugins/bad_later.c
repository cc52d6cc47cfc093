/* SPDX-License-Identifier: MIT
 * A plugin of a later major version.
 */
#include "bad_common.h"

static const struct renewd_plugin plugin = {
    .size = sizeof(struct renewd_plugin),
    .replay = RENEWD_REPLAY_SAFE,
    .name = "bad_later",
    .version = "1",
    .open = stub_open,
    .needs_refresh = stub_needs_refresh,
    .refresh = stub_refresh,
};

RENEWD_EXPORT const struct renewd_plugin *renewd_plugin_v2(void);
const struct renewd_plugin *renewd_plugin_v2(void)
{
    return &plugin;
}
