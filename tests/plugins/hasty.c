/* SPDX-License-Identifier: MIT
 * oauth2.so under another name, which wants every failure tried again at once: what it may not decide.
 */
#define renewd_plugin_v1 renewd_plugin_of_oauth2
#include "../../plugins/oauth2.c"
#undef renewd_plugin_v1

static int32_t hasty_on_failure(void *instance, const struct renewd_on_failure_in *in,
                                struct renewd_on_failure_out *out)
{
    (void)instance;
    out->next_at = in->now + 1;
    return 0;
}

const struct renewd_plugin *renewd_plugin_v1(void)
{
    static struct renewd_plugin hasty;

    hasty = *renewd_plugin_of_oauth2();
    hasty.name = "hasty";
    hasty.on_failure = hasty_on_failure;
    return &hasty;
}
