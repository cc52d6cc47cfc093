/* SPDX-License-Identifier: MIT
 * See instance.h: opening a job's instance, its window, its end. Attempts are in attempt.c.
 */
#include "core/plugin/instance.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/map.h"
#include "core/plugin/call.h"
#include "core/plugin/instance_internal.h"
#include "core/time/zone.h"

static int open_failed(struct renewd_call *c, const char *job, struct error *e)
{
    if (c->broken[0])
        return error_set(e, -EBADMSG, "%s", c->broken);
    if (c->failed && c->text[0])
        return error_set(e, -EBADMSG, "the plugin %s refuses the job %s: %s", c->host->plugin->name, job, c->text);
    return error_set(e, -EBADMSG, "the plugin %s refuses the job %s and gives no reason", c->host->plugin->name,
                     job);
}

/* What open may say of replay for its instance; as the descriptor says where it says nothing. */
static int take_replay(struct instance *i, const struct renewd_open_out *out, struct error *e)
{
    const struct renewd_plugin *d = &i->host.plugin->descriptor;

    i->replay = d->replay;
    i->replay_grace = d->replay_grace;
    if (out->replay == 0)
        return 0;
    if (out->replay < RENEWD_REPLAY_SAFE || out->replay > RENEWD_REPLAY_SINGLE_USE || out->replay_grace < 0)
        return error_set(e, -EBADMSG, "the plugin %s is at fault: its open gives an unknown replay",
                         i->host.plugin->name);
    i->replay = out->replay;
    i->replay_grace = out->replay == RENEWD_REPLAY_GRACE ? out->replay_grace : 0;
    return 0;
}

static int instance_call_open(struct instance *i, struct error *e)
{
    struct renewd_open_out out = {.size = sizeof(out)};
    struct renewd_call c;

    call_begin(&c, &i->host, "open");
    struct renewd_open_in in = {.size = sizeof(in),
                                .host = &i->host,
                                .services = &host_services,
                                .call = &c,
                                .job = i->host.job};
    int32_t result = i->host.plugin->descriptor.open(NULL, &in, &out);
    call_returned(&c);
    i->state = out.instance;
    i->opened = result == 0;
    int r = result || c.broken[0] ? open_failed(&c, i->host.job, e) : take_replay(i, &out, e);
    call_done(&c);
    return r;
}

static void free_instance_p(struct instance **i)
{
    instance_free(*i);
}

int instance_open(const struct plugin *p, const char *job, const struct settings *s, struct instance **ret,
                  struct error *e)
{
    cleanup(free_instance_p) struct instance *i = xcalloc(1, sizeof(*i));

    i->host = (struct renewd_host){.plugin = p, .settings = s, .job = xstrdup(job)};
    int r = instance_call_open(i, e);
    if (r < 0)
        return r;
    *ret = i;
    i = NULL;
    return 0;
}

static void free_zone(void *zone)
{
    zone_free(zone);
}

void instance_free(struct instance *i)
{
    if (!i)
        return;
    if (i->opened && i->host.plugin->descriptor.close) {
        struct renewd_close_in in = {.size = sizeof(in)};
        struct renewd_close_out out = {.size = sizeof(out)};
        i->host.plugin->descriptor.close(i->state, &in, &out);
    }
    free(i->host.job);
    if (i->host.zones)
        map_free(i->host.zones, free_zone);
    free(i);
}

void instance_zone(struct instance *i, const struct zone *zone)
{
    i->host.zone = zone;
}

int instance_replay(const struct instance *i, int64_t *ret_grace_s)
{
    if (ret_grace_s)
        *ret_grace_s = i->replay_grace;
    return i->replay;
}

int instance_window(struct instance *i, const struct record_view *r, int64_t now, int64_t refresh_before_s,
                    struct window *ret, struct error *e)
{
    struct renewd_needs_refresh_out out = {.size = sizeof(out)};
    struct view *view = view_new(i->host.plugin, r);
    struct renewd_call c;
    int res = 0;

    call_begin(&c, &i->host, "needs_refresh");
    c.view = view;
    struct renewd_needs_refresh_in in = {.size = sizeof(in),
                                         .call = &c,
                                         .records = view_records(view),
                                         .now = now,
                                         .refresh_before = refresh_before_s};
    int32_t result = i->host.plugin->descriptor.needs_refresh(i->state, &in, &out);
    call_returned(&c);
    if (result != 0 && !c.broken[0])
        call_break(&c, "failed: %.300s", c.text[0] ? c.text : "no reason given");
    if (c.broken[0])
        res = error_set(e, -EBADMSG, "%s", c.broken);
    else
        *ret = (struct window){.earliest = out.earliest,
                               .preferred = out.preferred,
                               .latest = out.latest,
                               .death = out.death};
    call_done(&c);
    view_free(view);
    return res;
}
