/* SPDX-License-Identifier: MIT
 * A shared object that is no plugin: its entry has another name.
 */
#include "bad_common.h"

static const struct renewd_plugin plugin = {
    .size = sizeof(struct renewd_plugin),
    .replay = RENEWD_REPLAY_SAFE,
    .name = "bad_symbol",
    .version = "1",
    .open = stub_open,
    .needs_refresh = stub_needs_refresh,
    .refresh = stub_refresh,
};

RENEWD_EXPORT const struct renewd_plugin *something_else(void);
const struct renewd_plugin *something_else(void)
{
    return &plugin;
}
