/* SPDX-License-Identifier: MIT
 * oauth2.so: any provider that follows RFC 6749, by settings alone. A refresh token is presented as
 * if the provider rotates: a repeat may revoke the grant.
 */
#include <renewd/plugin.h>
#include <stdlib.h>
#include <string.h>

#include "oauth_common.h"

#define TEN_YEARS (INT64_C(3650) * 86400)

struct oauth2 {
    const struct renewd_services *services;
    struct renewd_host *host;
    const char *token_url, *client_id, *client_secret, *scope; /* settings */
    int basic;
    int64_t assumed_life;
};

/* ---- Settings ---------------------------------------------------------------------------- */

static const struct renewd_setting token_url = {
    .size = sizeof(struct renewd_setting),
    .name = "token_url",
    .type = RENEWD_URL,
    .required = 1,
    .help = "The provider's token endpoint, the whole URL",
};
static const struct renewd_setting client_id = {
    .size = sizeof(struct renewd_setting),
    .name = "client_id",
    .type = RENEWD_TEXT,
    .required = 1,
    .help = "The OAuth client's id",
};
static const struct renewd_setting client_secret = {
    .size = sizeof(struct renewd_setting),
    .name = "client_secret",
    .type = RENEWD_TEXT,
    .secret = 1,
    .help = "The OAuth client's secret; a public client has none",
};
static const struct renewd_setting client_auth = {
    .size = sizeof(struct renewd_setting),
    .name = "client_auth",
    .type = RENEWD_TEXT,
    .default_value = "post",
    .choices = "post|basic",
    .help = "Where id and secret go: into the body, or into the Authorization header",
};
static const struct renewd_setting scope = {
    .size = sizeof(struct renewd_setting),
    .name = "scope",
    .type = RENEWD_TEXT,
    .help = "Sent only if set; never more than was granted",
};
static const struct renewd_setting extra = {
    .size = sizeof(struct renewd_setting),
    .name = "extra",
    .type = RENEWD_GROUP,
    .help = "Additional members of the form",
};
static const struct renewd_setting assumed_life = {
    .size = sizeof(struct renewd_setting),
    .name = "assumed_life",
    .type = RENEWD_DURATION,
    .default_value = "1h",
    .help = "Life of an access token where the answer does not say it (expires_in absent or invalid)",
};
static const struct renewd_setting *const settings[] = {
    &token_url, &client_id, &client_secret, &client_auth, &scope, &extra, &assumed_life, NULL,
};

/* ---- RFC 6749, section 5.2 --------------------------------------------------------------- */

static const struct oauth_verdict verdicts[] = {
    {"invalid_grant", RENEWD_RECONNECT},
    {"invalid_scope", RENEWD_RECONNECT}, /* more was asked for than this grant holds */
    {"invalid_client", RENEWD_MISCONFIGURED},
    {"unauthorized_client", RENEWD_MISCONFIGURED},
    {"invalid_request", RENEWD_MISCONFIGURED},
    {"unsupported_grant_type", RENEWD_MISCONFIGURED},
    {NULL, 0},
};

/* A success that cannot be read may have spent the refresh token. */
static const struct oauth_provider generic = {
    .name = "the provider",
    .verdicts = verdicts,
    .unreadable = RENEWD_AMBIGUOUS,
    .longest_life = TEN_YEARS,
};

/* ---- Callbacks --------------------------------------------------------------------------- */

/* Why these settings cannot be combined, or NULL. */
static const char *mistake(const struct oauth2 *o)
{
    static const char *const ours[] = {"grant_type", "refresh_token", "client_id", "client_secret", "scope", NULL};
    const char *name, *value;

    if (o->basic && !o->client_secret)
        return "client_auth = \"basic\" needs a client_secret";
    if (o->assumed_life <= 0 || o->assumed_life > TEN_YEARS)
        return "assumed_life must be more than 0 and at most ten years";
    for (size_t i = 0; o->services->setting_member(o->host, "extra", i, &name, &value); i++)
        for (size_t k = 0; ours[k]; k++)
            if (strcmp(name, ours[k]) == 0)
                return "extra repeats a member that renewd sends itself (grant_type, refresh_token, client_id, client_secret "
                       "or scope)";
    return NULL;
}

static int32_t oauth2_open(void *instance, const struct renewd_open_in *in, struct renewd_open_out *out)
{
    const struct renewd_services *s = in->services;
    struct oauth2 *o = calloc(1, sizeof(*o));

    (void)instance;
    if (!o)
        return s->fail(in->call, RENEWD_TRANSIENT, NULL, "out of memory");
    o->services = s;
    o->host = in->host;
    o->token_url = s->setting_text(in->host, "token_url");
    o->client_id = s->setting_text(in->host, "client_id");
    o->client_secret = s->setting_text(in->host, "client_secret");
    o->scope = s->setting_text(in->host, "scope");
    o->assumed_life = s->setting_integer(in->host, "assumed_life");
    const char *auth = s->setting_text(in->host, "client_auth");
    o->basic = auth && strcmp(auth, "basic") == 0;
    const char *wrong = mistake(o);
    if (wrong) {
        free(o);
        return s->fail(in->call, RENEWD_MISCONFIGURED, NULL, wrong);
    }
    out->instance = o;
    return 0;
}

static int32_t oauth2_close(void *instance, const struct renewd_close_in *in, struct renewd_close_out *out)
{
    (void)in;
    (void)out;
    free(instance);
    return 0;
}

static int32_t oauth2_needs_refresh(void *instance, const struct renewd_needs_refresh_in *in,
                                    struct renewd_needs_refresh_out *out)
{
    const struct oauth2 *o = instance;

    oauth_window(o->services, in, o->assumed_life, out);
    return 0;
}

/* RFC 6749, section 2.3.1: both are encoded as in a form before base64. */
static void add_basic(const struct oauth2 *o, struct renewd_call *call, struct renewd_request *r)
{
    const struct renewd_services *s = o->services;
    const char *const pair[] = {s->percent_encode(call, o->client_id), ":",
                                s->percent_encode(call, o->client_secret), NULL};
    const char *both = s->join(call, pair);
    const char *const value[] = {"Basic ", s->base64(call, both, strlen(both)), NULL};

    s->header(r, "Authorization", s->join(call, value));
}

static int32_t ask(const struct oauth2 *o, const struct renewd_refresh_in *in)
{
    const struct renewd_services *s = o->services;
    const struct renewd_value *grant = s->slot(in->records[0], "refresh_token");
    const char *name, *value;

    if (!grant->present)
        return s->fail(in->call, RENEWD_RECONNECT, "no_refresh_token",
                       "the record has no refresh token; the account has to be connected again");
    struct renewd_request *r = s->request(in->call, "POST", o->token_url);
    s->header(r, "Accept", "application/json");
    if (o->basic)
        add_basic(o, in->call, r);
    s->form(r, "grant_type", "refresh_token");
    s->form(r, "refresh_token", grant->text);
    if (!o->basic)
        s->form(r, "client_id", o->client_id);
    if (!o->basic && o->client_secret)
        s->form(r, "client_secret", o->client_secret);
    if (o->scope)
        s->form(r, "scope", o->scope);
    for (size_t i = 0; s->setting_member(o->host, "extra", i, &name, &value); i++)
        s->form(r, name, value);
    return RENEWD_WAIT;
}

static int32_t oauth2_refresh(void *instance, const struct renewd_refresh_in *in, struct renewd_refresh_out *out)
{
    const struct oauth2 *o = instance;

    (void)out;
    if (!in->reply)
        return ask(o, in);
    const struct oauth_call call = {
        .services = o->services,
        .provider = &generic,
        .in = in,
        .assumed_life = o->assumed_life,
    };
    return oauth_read(&call);
}

static int32_t oauth2_on_answer(void *instance, const struct renewd_on_answer_in *in,
                                struct renewd_on_answer_out *out)
{
    const struct oauth2 *o = instance;

    oauth_answer(o->services, in, out);
    return 0;
}

static const struct renewd_plugin plugin = {
    .size = sizeof(struct renewd_plugin),
    .minor = RENEWD_MINOR,
    .replay = RENEWD_REPLAY_SINGLE_USE,
    .name = "oauth2",
    .version = "1.0",
    .summary = "Any OAuth 2 provider (RFC 6749) by settings",
    .settings = settings,
    .slots = oauth_slots,
    .open = oauth2_open,
    .close = oauth2_close,
    .needs_refresh = oauth2_needs_refresh,
    .refresh = oauth2_refresh,
    .on_answer = oauth2_on_answer,
};

const struct renewd_plugin *renewd_plugin_v1(void)
{
    return &plugin;
}
