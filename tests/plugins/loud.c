/* SPDX-License-Identifier: MIT
 * oauth2.so under another name, which repeats every answer that is no success as its authors may: cut to a buffer of
 * its own, in the log and as the reason of its failure. The header Location too. After a 202 it asks again, and
 * repeats both answers.
 */
#define renewd_plugin_v1 renewd_plugin_of_oauth2
#include "../../plugins/oauth2.c"
#undef renewd_plugin_v1

#include <stdio.h>

static int32_t loud_refresh(void *instance, const struct renewd_refresh_in *in, struct renewd_refresh_out *out)
{
    const struct oauth2 *o = instance;
    static char before[300];
    char text[300], both[600];

    if (!in->reply)
        before[0] = '\0';
    if (in->reply && in->reply->status == 202) {
        struct renewd_refresh_in again = *in;
        snprintf(before, sizeof(before), "%s", in->reply->body);
        again.reply = NULL;
        return oauth2_refresh(instance, &again, out);
    }
    if (!in->reply || in->reply->status == 200)
        return oauth2_refresh(instance, in, out);
    const char *place = o->services->reply_header(in->reply, "Location");
    o->services->log(o->host, RENEWD_LOG_WARNING, in->reply->body);
    if (place)
        o->services->log(o->host, RENEWD_LOG_INFO, place);
    snprintf(text, sizeof(text), "the provider said %s", in->reply->body);
    snprintf(both, sizeof(both), "%s%s", text, before);
    return o->services->fail(in->call, RENEWD_TRANSIENT, "loud", both);
}

const struct renewd_plugin *renewd_plugin_v1(void)
{
    static struct renewd_plugin loud;

    loud = *renewd_plugin_of_oauth2();
    loud.name = "loud";
    loud.refresh = loud_refresh;
    return &loud;
}
