/* SPDX-License-Identifier: MIT
 * A plugin whose entry returns nothing.
 */
#include "bad_common.h"

const struct renewd_plugin *renewd_plugin_v1(void)
{
    return NULL;
}
