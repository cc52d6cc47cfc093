/* SPDX-License-Identifier: MIT
 * The definition of struct instance, for the files of core/plugin.
 */
#ifndef CORE_PLUGIN_INSTANCE_INTERNAL_H
#define CORE_PLUGIN_INSTANCE_INTERNAL_H

#include "core/plugin/call.h"

struct instance {
    struct renewd_host host;
    void *state; /* the plugin's */
    bool opened;
    int replay;
    int64_t replay_grace;
};

#endif
