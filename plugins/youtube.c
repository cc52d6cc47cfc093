/* SPDX-License-Identifier: MIT
 * youtube.so: Google's OAuth 2 token endpoint, as YouTube accounts use it. Google does not rotate
 * refresh tokens, so repeating a request does no harm.
 */
#include <renewd/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oauth_common.h"

#define HOUR 3600
#define DAY (24 * HOUR)
#define YEAR (INT64_C(365) * DAY)
#define RATE_WINDOW 60 /* seconds over which Google counts a user's calls */

enum { REASONS = 8 }; /* of one error, as many as are looked at */

struct youtube {
    const struct renewd_services *services;
    struct renewd_host *host;
    const char *base_url, *client_id, *client_secret; /* settings, valid as long as this */
    int warned_testing;
};

/* ---- Settings ---------------------------------------------------------------------------- */

static const struct renewd_setting client_id = {
    .size = sizeof(struct renewd_setting),
    .name = "client_id",
    .type = RENEWD_TEXT,
    .required = 1,
    .help = "The OAuth client's id, ...apps.googleusercontent.com",
};
static const struct renewd_setting client_secret = {
    .size = sizeof(struct renewd_setting),
    .name = "client_secret",
    .type = RENEWD_TEXT,
    .required = 1,
    .secret = 1,
    .help = "The OAuth client's secret",
};
static const struct renewd_setting base_url = {
    .size = sizeof(struct renewd_setting),
    .name = "base_url",
    .type = RENEWD_URL,
    .default_value = "https://oauth2.googleapis.com",
    .help = "Address of Google's token endpoint; /token is added",
};
static const struct renewd_setting *const settings[] = {&client_id, &client_secret, &base_url, NULL};

/* ---- What Google answers ----------------------------------------------------------------- */

static const struct oauth_verdict verdicts[] = {
    {"invalid_grant", RENEWD_RECONNECT}, /* revoked, unused for 6 months, "Testing" for 7 days */
    {"admin_policy_enforced", RENEWD_RECONNECT}, {"access_denied", RENEWD_RECONNECT},
    {"org_internal", RENEWD_RECONNECT},          {"invalid_client", RENEWD_MISCONFIGURED},
    {"deleted_client", RENEWD_MISCONFIGURED},    {"unauthorized_client", RENEWD_MISCONFIGURED},
    {"invalid_request", RENEWD_MISCONFIGURED},   {"unsupported_grant_type", RENEWD_MISCONFIGURED},
    {"invalid_scope", RENEWD_MISCONFIGURED},     {NULL, 0},
};

static const struct oauth_provider google = {
    .name = "Google",
    .verdicts = verdicts,
    .unreadable = RENEWD_TRANSIENT,
    .longest_life = YEAR,
};

/* Seven days, less a second or two: the project's consent screen is still in "Testing". */
static void warn_testing(struct youtube *y, const struct renewd_reply *reply)
{
    int64_t life = oauth_grant_life(y->services, reply->json);

    if (y->warned_testing || life < 604790 || life > 604800)
        return;
    y->warned_testing = 1;
    y->services->log(y->host, RENEWD_LOG_WARNING,
                     "Google limits these grants to seven days: the project's consent screen is in "
                     "\"Testing\"; publish it and have the accounts connected again");
}

/* ---- Callbacks --------------------------------------------------------------------------- */

static int32_t youtube_open(void *instance, const struct renewd_open_in *in, struct renewd_open_out *out)
{
    const struct renewd_services *s = in->services;
    struct youtube *y = calloc(1, sizeof(*y));

    (void)instance;
    if (!y)
        return s->fail(in->call, RENEWD_TRANSIENT, NULL, "out of memory");
    y->services = s;
    y->host = in->host;
    y->base_url = s->setting_text(in->host, "base_url");
    y->client_id = s->setting_text(in->host, "client_id");
    y->client_secret = s->setting_text(in->host, "client_secret");
    out->instance = y;
    return 0;
}

static int32_t youtube_close(void *instance, const struct renewd_close_in *in, struct renewd_close_out *out)
{
    (void)in;
    (void)out;
    free(instance);
    return 0;
}

static int32_t youtube_needs_refresh(void *instance, const struct renewd_needs_refresh_in *in,
                                     struct renewd_needs_refresh_out *out)
{
    const struct youtube *y = instance;

    oauth_window(y->services, in, HOUR, out);
    return 0;
}

static int32_t ask(const struct youtube *y, const struct renewd_refresh_in *in)
{
    const struct renewd_services *s = y->services;
    const struct renewd_value *grant = s->slot(in->records[0], "refresh_token");
    const char *const url[] = {y->base_url, "/token", NULL};

    if (!grant->present)
        return s->fail(in->call, RENEWD_RECONNECT, "no_refresh_token",
                       "the record has no refresh token; the account has to be connected again");
    struct renewd_request *r = s->request(in->call, "POST", s->join(in->call, url));
    s->header(r, "Accept", "application/json");
    s->form(r, "grant_type", "refresh_token");
    s->form(r, "refresh_token", grant->text);
    s->form(r, "client_id", y->client_id);
    s->form(r, "client_secret", y->client_secret);
    return RENEWD_WAIT;
}

static int32_t youtube_refresh(void *instance, const struct renewd_refresh_in *in, struct renewd_refresh_out *out)
{
    struct youtube *y = instance;

    (void)out;
    if (!in->reply)
        return ask(y, in);
    const struct oauth_call call = {
        .services = y->services,
        .provider = &google,
        .in = in,
        .assumed_life = HOUR,
    };
    int32_t result = oauth_read(&call);
    if (result == RENEWD_DONE)
        warn_testing(y, in->reply);
    return result;
}

/* ---- Answers to calls with the token ------------------------------------------------------- */

/* Whether the error of Google's APIs has that reason, in its older place or in its newer one. */
static int has_reason(const struct renewd_services *s, const struct renewd_json *json, const char *reason)
{
    static const char *const lists[] = {"errors", "details"};
    char path[48];

    for (size_t i = 0; i < 2; i++)
        for (int k = 0; k < REASONS; k++) {
            snprintf(path, sizeof(path), "error.%s.%d.reason", lists[i], k);
            const char *text = s->json_text(json, path);
            if (text && strcmp(text, reason) == 0)
                return 1;
        }
    return 0;
}

/* A day's quota returns at midnight in California, which is 07:00 UTC in summer and 08:00 in winter.
 * It may be raised before: it is asked for each hour. */
static int64_t quota_wait(int64_t now)
{
    int64_t second = now % DAY, seven = (7 * HOUR - second + DAY) % DAY, eight = (8 * HOUR - second + DAY) % DAY;
    int64_t wait = seven > 0 && (eight <= 0 || seven < eight) ? seven : eight;

    return wait > HOUR ? HOUR : wait;
}

/* 403 is a quota or a missing permission, never the token; an account without a channel gets 401, and
 * no token changes that. */
static int32_t youtube_on_answer(void *instance, const struct renewd_on_answer_in *in,
                                 struct renewd_on_answer_out *out)
{
    const struct renewd_services *s = ((const struct youtube *)instance)->services;
    const struct renewd_json *json = in->reply->json;

    oauth_answer(s, in, out);
    if (in->reply->status < 400 || in->reply->status > 499)
        return 0;
    if (has_reason(s, json, "youtubeSignupRequired"))
        out->token_refused = 0;
    if (has_reason(s, json, "quotaExceeded") || has_reason(s, json, "dailyLimitExceeded"))
        out->slow_for = in->retry_after ? in->retry_after : quota_wait(in->now);
    else if (has_reason(s, json, "rateLimitExceeded") || has_reason(s, json, "userRateLimitExceeded") ||
             has_reason(s, json, "RATE_LIMIT_EXCEEDED"))
        out->slow_for = in->retry_after ? in->retry_after : RATE_WINDOW;
    return 0;
}

static const struct renewd_plugin plugin = {
    .size = sizeof(struct renewd_plugin),
    .minor = RENEWD_MINOR,
    .replay = RENEWD_REPLAY_SAFE,
    .name = "youtube",
    .version = "1.0",
    .summary = "YouTube and other Google accounts",
    .settings = settings,
    .slots = oauth_slots,
    .open = youtube_open,
    .close = youtube_close,
    .needs_refresh = youtube_needs_refresh,
    .refresh = youtube_refresh,
    .on_answer = youtube_on_answer,
};

const struct renewd_plugin *renewd_plugin_v1(void)
{
    return &plugin;
}
