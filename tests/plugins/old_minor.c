/* SPDX-License-Identifier: MIT
 * A whole plugin that is built with the header of minor 0 (tests/abi/minor-0): its structs end where
 * they ended then.
 */
#include <renewd/plugin.h>
#include <stdlib.h>

#if RENEWD_MINOR != 0
#    error this is to be built with the header of minor 0
#endif

struct old {
    const struct renewd_services *services;
};

static const struct renewd_slot access_token = {
    .size = sizeof(struct renewd_slot),
    .name = "access_token",
    .type = RENEWD_SECRET,
    .direction = RENEWD_INOUT,
};
static const struct renewd_slot refresh_token = {
    .size = sizeof(struct renewd_slot),
    .name = "refresh_token",
    .type = RENEWD_SECRET,
    .direction = RENEWD_INOUT,
    .credential = 1,
};
static const struct renewd_slot expires_at = {
    .size = sizeof(struct renewd_slot),
    .name = "expires_at",
    .type = RENEWD_TIME,
    .direction = RENEWD_INOUT,
};
static const struct renewd_slot *const slots[] = {&access_token, &refresh_token, &expires_at, NULL};

static int32_t old_open(void *instance, const struct renewd_open_in *in, struct renewd_open_out *out)
{
    struct old *o = calloc(1, sizeof(*o));

    (void)instance;
    if (!o)
        return in->services->fail(in->call, RENEWD_TRANSIENT, NULL, "out of memory");
    o->services = in->services;
    out->instance = o;
    return 0;
}

static int32_t old_close(void *instance, const struct renewd_close_in *in, struct renewd_close_out *out)
{
    (void)in;
    (void)out;
    free(instance);
    return 0;
}

static int32_t old_needs_refresh(void *instance, const struct renewd_needs_refresh_in *in,
                                 struct renewd_needs_refresh_out *out)
{
    const struct old *o = instance;

    out->preferred = out->latest = o->services->slot(in->records[0], "expires_at")->number - 60;
    return 0;
}

static int32_t old_refresh(void *instance, const struct renewd_refresh_in *in, struct renewd_refresh_out *out)
{
    const struct renewd_services *s = ((const struct old *)instance)->services;

    (void)out;
    if (!in->reply) {
        s->form(s->request(in->call, "POST", "https://auth.example.com/token"), "refresh_token",
                s->slot(in->records[0], "refresh_token")->text);
        return RENEWD_WAIT;
    }
    const char *access = s->json_text(in->reply->json, "access_token");
    if (!access)
        return s->fail(in->call, RENEWD_TRANSIENT, NULL, "no token came");
    s->set_text(in->call, "access_token", access);
    return RENEWD_DONE;
}

static int32_t old_on_failure(void *instance, const struct renewd_on_failure_in *in,
                              struct renewd_on_failure_out *out)
{
    (void)instance;
    out->next_at = in->now + 60;
    return 0;
}

static const struct renewd_plugin plugin = {
    .size = sizeof(struct renewd_plugin),
    .minor = RENEWD_MINOR,
    .replay = RENEWD_REPLAY_SINGLE_USE,
    .name = "old_minor",
    .version = "1",
    .summary = "Built with the header of minor 0",
    .slots = slots,
    .open = old_open,
    .close = old_close,
    .needs_refresh = old_needs_refresh,
    .refresh = old_refresh,
    .on_failure = old_on_failure,
};

const struct renewd_plugin *renewd_plugin_v1(void)
{
    return &plugin;
}
