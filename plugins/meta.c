/* SPDX-License-Identifier: MIT
 * meta.so: long-lived tokens of Meta's Graph API, of users, pages and system users. A token is exchanged for its
 * successor some days before it ends; one that never ends is not exchanged. The old token keeps its own life, so
 * repeating a request does no harm. Events for the Conversions API are in meta_events.c, meta_send.c and shopify.c.
 */
#include <renewd/plugin.h>
#include <stdlib.h>

#include "meta_events.h"

/* ---- Settings ---------------------------------------------------------------------------- */

static const struct renewd_setting app_id = {
    .size = sizeof(struct renewd_setting),
    .name = "app_id",
    .type = RENEWD_TEXT,
    .required = 1,
    .help = "The app's id (client_id)",
};
static const struct renewd_setting app_secret = {
    .size = sizeof(struct renewd_setting),
    .name = "app_secret",
    .type = RENEWD_TEXT,
    .required = 1,
    .secret = 1,
    .help = "The app's secret (client_secret)",
};
static const struct renewd_setting system_user = {
    .size = sizeof(struct renewd_setting),
    .name = "system_user",
    .type = RENEWD_BOOLEAN,
    .default_value = "false",
    .help = "Tokens of system users: ask for 60 days of life (set_token_expires_in_60_days)",
};
static const struct renewd_setting appsecret_proof = {
    .size = sizeof(struct renewd_setting),
    .name = "appsecret_proof",
    .type = RENEWD_BOOLEAN,
    .default_value = "false",
    .help = "Send appsecret_proof, for apps that enforce it",
};
static const struct renewd_setting version = {
    .size = sizeof(struct renewd_setting),
    .name = "version",
    .type = RENEWD_TEXT,
    .default_value = "v26.0",
    .help = "Version of the Graph API",
};
static const struct renewd_setting base_url = {
    .size = sizeof(struct renewd_setting),
    .name = "base_url",
    .type = RENEWD_URL,
    .default_value = "https://graph.facebook.com",
    .help = "Address of the Graph API",
};
static const struct renewd_setting test_event_code = {
    .size = sizeof(struct renewd_setting),
    .name = "test_event_code",
    .type = RENEWD_TEXT,
    .help = "Events are tests, shown under this code in the Events Manager and not counted",
};
static const struct renewd_setting test_order_code = {
    .size = sizeof(struct renewd_setting),
    .name = "test_order_code",
    .type = RENEWD_TEXT,
    .help =
        "Code under which a shop's test orders are sent as test events; without it they are listed and not sent",
};
static const struct renewd_setting content_id = {
    .size = sizeof(struct renewd_setting),
    .name = "content_id",
    .type = RENEWD_TEXT,
    .default_value = "variant_id",
    .choices = "variant_id|product_id|sku",
    .help = "By which id the catalogue knows a shop's goods; lines without one are left out of contents",
};
static const struct renewd_setting *const settings[] = {
    &app_id,   &app_secret,      &system_user,     &appsecret_proof, &version,
    &base_url, &test_event_code, &test_order_code, &content_id,      NULL,
};
/* What Meta takes beside "data"; the credential is the record's own, whatever stands there. */
static const char *const members[] = {"test_event_code", "partner_agent", "access_token", "appsecret_proof", NULL};

static const struct renewd_slot pixel_id = {
    .size = sizeof(struct renewd_slot),
    .name = "pixel_id",
    .type = RENEWD_TEXT,
    .direction = RENEWD_IN,
    .help = "The pixel (dataset) that the record's events go to; without it they are held",
    .destination = 1,
};
static const struct renewd_slot *const slots[] = {&graph_access_token, &graph_expires_at, &graph_data_access,
                                                  &pixel_id, NULL};

/* ---- Callbacks --------------------------------------------------------------------------- */

static int32_t meta_open(void *instance, const struct renewd_open_in *in, struct renewd_open_out *out)
{
    const struct renewd_services *s = in->services;
    struct meta *m = calloc(1, sizeof(*m));

    (void)instance;
    if (!m)
        return s->fail(in->call, RENEWD_TRANSIENT, NULL, "out of memory");
    struct graph *g = &m->graph;
    g->services = s;
    g->host = in->host;
    g->name = "Meta";
    g->has_system = 1;
    g->facebook_url = s->setting_text(in->host, "base_url");
    g->version = s->setting_text(in->host, "version");
    g->app_id = s->setting_text(in->host, "app_id");
    g->app_secret = s->setting_text(in->host, "app_secret");
    g->system_user = s->setting_integer(in->host, "system_user") != 0;
    g->proof = s->setting_integer(in->host, "appsecret_proof") != 0;
    if (!graph_version_ok(g->version)) {
        free(m);
        return s->fail(in->call, RENEWD_MISCONFIGURED, NULL,
                       "version must be like \"v26.0\": a v, digits and dots");
    }
    m->test_code = s->setting_text(in->host, "test_event_code");
    m->order_test_code = s->setting_text(in->host, "test_order_code");
    m->content_id = s->setting_text(in->host, "content_id");
    if (!m->content_id)
        m->content_id = content_id.default_value;
    out->instance = m;
    return 0;
}

static int32_t meta_close(void *instance, const struct renewd_close_in *in, struct renewd_close_out *out)
{
    (void)in;
    (void)out;
    free(instance);
    return 0;
}

static int32_t meta_needs_refresh(void *instance, const struct renewd_needs_refresh_in *in,
                                  struct renewd_needs_refresh_out *out)
{
    graph_window(instance, in, out);
    return 0;
}

static int32_t meta_refresh(void *instance, const struct renewd_refresh_in *in, struct renewd_refresh_out *out)
{
    return graph_exchange(instance, in, out);
}

static int32_t meta_on_failure(void *instance, const struct renewd_on_failure_in *in,
                               struct renewd_on_failure_out *out)
{
    graph_decide(instance, in, out);
    return 0;
}

static int32_t meta_on_answer(void *instance, const struct renewd_on_answer_in *in,
                              struct renewd_on_answer_out *out)
{
    graph_answer(instance, in, out);
    return 0;
}

static const struct renewd_plugin plugin = {
    .size = sizeof(struct renewd_plugin),
    .minor = RENEWD_MINOR,
    .replay = RENEWD_REPLAY_SAFE,
    .name = "meta",
    .version = "1.0",
    .summary = "Long-lived tokens of Facebook users, pages and system users",
    .settings = settings,
    .slots = slots,
    .scratch_size = sizeof(struct graph_steps),
    .open = meta_open,
    .close = meta_close,
    .needs_refresh = meta_needs_refresh,
    .refresh = meta_refresh,
    .on_failure = meta_on_failure,
    .on_answer = meta_on_answer,
    .take_event = meta_take_event,
    .send_events = meta_send_events,
    .event_batch = META_BATCH,
    .event_members = members,
};

const struct renewd_plugin *renewd_plugin_v1(void)
{
    return &plugin;
}
