/* SPDX-License-Identifier: MIT
 * lightspeed.so: Lightspeed Retail, R-Series and X-Series, chosen by the setting `series`.
 *
 * R-Series: one host. Access tokens live 30 or 60 minutes. Every refresh replaces the pair, but a used refresh
 * token is taken again until the new access token is first used (at most 5 times a minute), so that a lost reply
 * can be requested again: store first, use afterwards. A refresh token that is unused for 30 days expires.
 *
 * X-Series: a host for each retailer, named by the record's domain_prefix. The used refresh token
 * is revoked at once. Lifetimes are whatever `expires_in`, or `expires` as a point in time, says.
 */
#include <renewd/plugin.h>
#include <stdlib.h>
#include <string.h>

#include "lightspeed_limits.h"
#include "oauth_common.h"

#define HOUR 3600
#define DAY (24 * HOUR)
#define YEAR (INT64_C(365) * DAY)
#define IDLE_LIMIT (30 * DAY) /* R-Series: an unused refresh token */
#define IDLE_MARGIN (7 * DAY) /* how long before that it is used at the latest */

struct lightspeed {
    const struct renewd_services *services;
    struct renewd_host *host;
    const struct oauth_provider *provider;
    const char *base_url, *x_base_url, *client_id, *client_secret; /* settings */
    int x_series;
};

/* ---- Settings and slots ------------------------------------------------------------------ */

static const struct renewd_setting series = {
    .size = sizeof(struct renewd_setting),
    .name = "series",
    .type = RENEWD_TEXT,
    .default_value = "r",
    .choices = "r|x",
    .help = "Lightspeed Retail R-Series or X-Series",
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
    .help = "The OAuth client's secret; publicly distributed R-Series clients have none",
};
static const struct renewd_setting base_url = {
    .size = sizeof(struct renewd_setting),
    .name = "base_url",
    .type = RENEWD_URL,
    .default_value = "https://cloud.lightspeedapp.com",
    .help = "R-Series: address of its server; /auth/oauth/token is added",
};
static const struct renewd_setting x_base_url = {
    .size = sizeof(struct renewd_setting),
    .name = "x_base_url",
    .type = RENEWD_URL,
    .default_value = "https://{domain_prefix}.retail.lightspeed.app",
    .help =
        "X-Series: a retailer's server, with {domain_prefix} in place of the record's own name; /api/1.0/token is added",
};
static const struct renewd_setting *const settings[] = {&series,   &client_id,  &client_secret,
                                                        &base_url, &x_base_url, NULL};

static const struct renewd_slot domain_prefix = {
    .size = sizeof(struct renewd_slot),
    .name = "domain_prefix",
    .type = RENEWD_TEXT,
    .direction = RENEWD_INOUT,
    .help = "X-Series: the retailer's own part of the host's name",
};
static const struct renewd_slot *const slots[] = {
    &oauth_access_token,
    &oauth_refresh_token,
    &oauth_expires_at,
    &oauth_refresh_expires_at,
    &oauth_scope,
    &domain_prefix,
    NULL,
};

/* ---- What Lightspeed answers ------------------------------------------------------------- */

static const struct oauth_verdict verdicts[] = {
    {"invalid_grant", RENEWD_RECONNECT}, /* used, revoked, or unused for too long */
    {"invalid_client", RENEWD_MISCONFIGURED},
    {"unauthorized_client", RENEWD_MISCONFIGURED},
    {"invalid_request", RENEWD_MISCONFIGURED}, /* but see judge() */
    {"invalid_scope", RENEWD_MISCONFIGURED},
    {"unsupported_grant_type", RENEWD_MISCONFIGURED},
    {NULL, 0},
};

static const struct oauth_provider r_series = {
    .name = "Lightspeed (R-Series)",
    .verdicts = verdicts,
    .unreadable = RENEWD_AMBIGUOUS, /* asked again at once, as the replay contract allows */
    .longest_life = YEAR,
};
static const struct oauth_provider x_series = {
    .name = "Lightspeed (X-Series)",
    .verdicts = verdicts,
    .unreadable = RENEWD_AMBIGUOUS,
    .longest_life = YEAR,
};

static int32_t judge(const struct lightspeed *l, const struct oauth_call *c, const char *code)
{
    const struct renewd_reply *reply = c->in->reply;
    int32_t outcome = oauth_judge(c, code);

    /* R-Series' older servers refuse a refresh token in this way. With 400 the request is at fault. */
    if (!l->x_series && reply->status == 401 && code && strcmp(code, "invalid_request") == 0 &&
        oauth_blames_grant(l->services, reply->json))
        return RENEWD_RECONNECT;
    /* X-Series' codes for a wrong client are not known; the status is. */
    if (l->x_series && reply->status == 401 && outcome == RENEWD_TRANSIENT)
        return RENEWD_MISCONFIGURED;
    return outcome;
}

/* Seconds until requests are allowed again, from the headers of the series. */
static int64_t until_free(const struct lightspeed *l, const struct renewd_reply *reply, int64_t now)
{
    int64_t wait =
        l->x_series ? lightspeed_window_wait(l->services, reply, now) : lightspeed_bucket_wait(l->services, reply);
    return wait > HOUR ? HOUR : wait;
}

/* ---- A success --------------------------------------------------------------------------- */

static int is_prefix(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return len > 0 && len < 64 && !text[len];
}

/* Seconds of life where `expires_in` does not say: X-Series has `expires`, a point in time, too. */
static int64_t assumed_life(const struct lightspeed *l, const struct renewd_refresh_in *in)
{
    int64_t expires = 0;

    if (!l->x_series)
        return HOUR / 2;
    if (l->services->json_integer(in->reply->json, "expires", &expires) >= 0 && expires > in->now &&
        expires - in->now <= YEAR)
        return expires - in->now;
    return HOUR;
}

/* For a renamed retailer the new pair belongs to the new host. */
static void store_prefix(const struct lightspeed *l, const struct renewd_refresh_in *in)
{
    const struct renewd_services *s = l->services;
    const struct renewd_value *known = s->slot(in->records[0], "domain_prefix");
    const char *told = s->json_text(in->reply->json, "domain_prefix");

    if (told && is_prefix(told) && known->present && strcmp(told, known->text) != 0)
        s->set_text(in->call, "domain_prefix", told);
}

static int32_t read_reply(const struct lightspeed *l, const struct renewd_refresh_in *in,
                          struct renewd_refresh_out *out)
{
    const struct oauth_call c = {
        .services = l->services,
        .provider = l->provider,
        .in = in,
        .assumed_life = assumed_life(l, in),
    };
    const struct renewd_reply *reply = in->reply;
    const char *code = oauth_error(l->services, reply->json);
    const char *access = oauth_token(l->services, reply->json, "access_token");

    if (reply->status < 200 || reply->status > 299 || code || !access)
        return oauth_fail(&c, judge(l, &c, code), code);
    int32_t stored = oauth_store(&c, access);
    if (stored != RENEWD_DONE)
        return stored;
    if (l->x_series)
        store_prefix(l, in);
    out->slow_for = until_free(l, reply, in->now);
    return RENEWD_DONE;
}

/* ---- Callbacks --------------------------------------------------------------------------- */

static const char *mistake(const struct lightspeed *l)
{
    if (l->x_series && (!l->client_secret || !*l->client_secret))
        return "series = \"x\" needs a client_secret";
    if (l->x_series && !strstr(l->x_base_url, "{domain_prefix}"))
        return "x_base_url must hold {domain_prefix}, which each record replaces by its own";
    return NULL;
}

static int32_t lightspeed_open(void *instance, const struct renewd_open_in *in, struct renewd_open_out *out)
{
    const struct renewd_services *s = in->services;
    struct lightspeed *l = calloc(1, sizeof(*l));

    (void)instance;
    if (!l)
        return s->fail(in->call, RENEWD_TRANSIENT, NULL, "out of memory");
    l->services = s;
    l->host = in->host;
    l->x_series = strcmp(s->setting_text(in->host, "series"), "x") == 0;
    l->provider = l->x_series ? &x_series : &r_series;
    l->base_url = s->setting_text(in->host, "base_url");
    l->x_base_url = s->setting_text(in->host, "x_base_url");
    l->client_id = s->setting_text(in->host, "client_id");
    l->client_secret = s->setting_text(in->host, "client_secret");
    const char *wrong = mistake(l);
    if (wrong) {
        free(l);
        return s->fail(in->call, RENEWD_MISCONFIGURED, NULL, wrong);
    }
    out->replay = l->x_series ? RENEWD_REPLAY_SINGLE_USE : RENEWD_REPLAY_GRACE;
    out->replay_grace = 0; /* until the new access token is first used */
    out->instance = l;
    return 0;
}

static int32_t lightspeed_close(void *instance, const struct renewd_close_in *in, struct renewd_close_out *out)
{
    (void)in;
    (void)out;
    free(instance);
    return 0;
}

/* R-Series: every refresh token must be used within 30 days, whatever the lifetime of its access token. */
static int32_t lightspeed_needs_refresh(void *instance, const struct renewd_needs_refresh_in *in,
                                        struct renewd_needs_refresh_out *out)
{
    const struct lightspeed *l = instance;
    const struct renewd_record *r = in->records[0];

    oauth_window(l->services, in, l->x_series ? HOUR : HOUR / 2, out);
    int64_t since = r->refreshed_at > 0 ? r->refreshed_at : r->first_seen;
    if (l->x_series || since <= 0)
        return 0;
    if (out->death <= 0 || out->death > since + IDLE_LIMIT)
        out->death = since + IDLE_LIMIT;
    if (out->latest > since + IDLE_LIMIT - IDLE_MARGIN)
        out->latest = since + IDLE_LIMIT - IDLE_MARGIN;
    if (out->preferred > out->latest)
        out->preferred = out->latest - DAY;
    return 0;
}

/* The URL of the token endpoint, or NULL when the record's domain_prefix is not valid. It becomes part of a
 * host's name, so only letters, digits and dashes are allowed. */
static const char *token_url(const struct lightspeed *l, const struct renewd_refresh_in *in)
{
    static const char mark[] = "{domain_prefix}";
    const struct renewd_services *s = l->services;
    const struct renewd_value *prefix = s->slot(in->records[0], "domain_prefix");

    if (!l->x_series) {
        const char *const url[] = {l->base_url, "/auth/oauth/token", NULL};
        return s->join(in->call, url);
    }
    if (!prefix->present || !is_prefix(prefix->text))
        return NULL;
    const char *at = strstr(l->x_base_url, mark);
    char *before = s->memory(in->call, strlen(l->x_base_url) + 1);
    if (!before)
        return NULL;
    memcpy(before, l->x_base_url, (size_t)(at - l->x_base_url));
    const char *const url[] = {before, prefix->text, at + strlen(mark), "/api/1.0/token", NULL};
    return s->join(in->call, url);
}

/* A form without scope or other members: those have been refused as invalid_grant. */
static int32_t ask(const struct lightspeed *l, const struct renewd_refresh_in *in)
{
    const struct renewd_services *s = l->services;
    const struct renewd_value *grant = s->slot(in->records[0], "refresh_token");
    const char *url = token_url(l, in);

    if (!grant->present)
        return s->fail(in->call, RENEWD_RECONNECT, "no_refresh_token",
                       "the record has no refresh token; the account has to be connected again");
    if (!url)
        return s->fail(in->call, RENEWD_MISCONFIGURED, "domain_prefix",
                       "the record's domain_prefix is empty, or holds more than the letters a-z, "
                       "digits and dashes of a retailer's name");
    struct renewd_request *r = s->request(in->call, "POST", url);
    s->header(r, "Accept", "application/json");
    s->form(r, "grant_type", "refresh_token");
    s->form(r, "refresh_token", grant->text);
    s->form(r, "client_id", l->client_id);
    if (l->client_secret)
        s->form(r, "client_secret", l->client_secret);
    return RENEWD_WAIT;
}

static int32_t lightspeed_refresh(void *instance, const struct renewd_refresh_in *in,
                                  struct renewd_refresh_out *out)
{
    return in->reply ? read_reply(instance, in, out) : ask(instance, in);
}

/* A 429 without Retry-After may say in its other headers when to come back. */
static int32_t lightspeed_on_failure(void *instance, const struct renewd_on_failure_in *in,
                                     struct renewd_on_failure_out *out)
{
    const struct lightspeed *l = instance;
    int64_t wait = in->reply ? until_free(l, in->reply, in->now) : 0;

    if (in->outcome == RENEWD_RATE_LIMITED && !in->retry_after && wait > 0)
        out->next_at = in->now + wait;
    return 0;
}

/* R-Series gives the reason for refusing a token in `hint`; any 401 of X-Series refers to the token. */
static int refuses_token(const struct lightspeed *l, const struct renewd_reply *reply)
{
    const char *hint = l->x_series ? NULL : l->services->json_text(reply->json, "hint");

    if (hint && reply->status >= 400 && reply->status < 500)
        return strncmp(hint, "Access token", strlen("Access token")) == 0;
    return reply->status == 401;
}

static int32_t lightspeed_on_answer(void *instance, const struct renewd_on_answer_in *in,
                                    struct renewd_on_answer_out *out)
{
    const struct lightspeed *l = instance;
    int64_t wait = until_free(l, in->reply, in->now);

    out->token_refused = refuses_token(l, in->reply);
    if (!l->x_series && wait == 0)
        wait = lightspeed_burst_wait(l->services, in->reply);
    if (in->reply->status != 429 || (wait > 0 && !in->retry_after))
        out->slow_for = wait;
    return 0;
}

static const struct renewd_plugin plugin = {
    .size = sizeof(struct renewd_plugin),
    .minor = RENEWD_MINOR,
    .replay = RENEWD_REPLAY_GRACE,
    .replay_grace = 0,
    .name = "lightspeed",
    .version = "1.0",
    .summary = "Lightspeed Retail, R-Series and X-Series",
    .settings = settings,
    .slots = slots,
    .open = lightspeed_open,
    .close = lightspeed_close,
    .needs_refresh = lightspeed_needs_refresh,
    .refresh = lightspeed_refresh,
    .on_failure = lightspeed_on_failure,
    .on_answer = lightspeed_on_answer,
};

const struct renewd_plugin *renewd_plugin_v1(void)
{
    return &plugin;
}
