/* SPDX-License-Identifier: MIT
 * The body of struct instance, shared by instance.c and attempt.c alone.
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
