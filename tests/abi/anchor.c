/* SPDX-License-Identifier: MIT
 * Never installed: a shared object whose debug information holds every public struct, so that tools
 * can compare the interface of two versions.
 */
#include <renewd/plugin.h>

struct renewd_public {
    const struct renewd_plugin *plugin;
    const struct renewd_services *services;
    const struct renewd_parameter *parameter;
};

RENEWD_EXPORT void renewd_abi_anchor(const struct renewd_public *everything);
void renewd_abi_anchor(const struct renewd_public *everything)
{
    (void)everything;
}
