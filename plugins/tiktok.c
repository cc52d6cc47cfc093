/* SPDX-License-Identifier: MIT
 * tiktok.so: TikTok's Login Kit, version 2 of its token endpoint. Every refresh replaces the refresh token, and the
 * old one must not be presented again. Both lifetimes are read from each reply: access tokens were valid for 24
 * hours and may be for 2, refresh tokens for 365 days or 180.
 *
 * Errors are told apart by the answer, not by its status: OAuth errors often come with 200.
 *   1. `error` is a word                      an OAuth error
 *   2. `error` is an object, code not "ok"    an error of the API, version 2
 *   3. `data.error_code` or `message` "error" an error of the old version 1
 *   4. `access_token`                         a success
 *   5. the status
 */
#include <renewd/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oauth_common.h"

#define DAY 86400
#define YEAR (INT64_C(365) * DAY)
#define RATE_WINDOW 60          /* seconds over which the API counts calls */
#define ASSUMED_LIFE (2 * 3600) /* of an access token whose answer does not say */

struct tiktok {
    const struct renewd_services *services;
    struct renewd_host *host;
    const char *base_url, *client_key, *client_secret; /* settings, valid as long as this */
};

/* ---- Settings and slots ------------------------------------------------------------------ */

static const struct renewd_setting client_key = {
    .size = sizeof(struct renewd_setting),
    .name = "client_key",
    .type = RENEWD_TEXT,
    .required = 1,
    .help = "The app's client key, which is not called client_id",
};
static const struct renewd_setting client_secret = {
    .size = sizeof(struct renewd_setting),
    .name = "client_secret",
    .type = RENEWD_TEXT,
    .required = 1,
    .secret = 1,
    .help = "The app's client secret",
};
static const struct renewd_setting base_url = {
    .size = sizeof(struct renewd_setting),
    .name = "base_url",
    .type = RENEWD_URL,
    .default_value = "https://open.tiktokapis.com",
    .help = "Address of TikTok's API; /v2/oauth/token/ is added",
};
static const struct renewd_setting *const settings[] = {&client_key, &client_secret, &base_url, NULL};

static const struct renewd_slot open_id = {
    .size = sizeof(struct renewd_slot),
    .name = "open_id",
    .type = RENEWD_TEXT,
    .direction = RENEWD_INOUT,
    .help = "The user's id in this app; filled where it is empty, never changed",
};
static const struct renewd_slot *const slots[] = {
    &oauth_access_token,
    &oauth_refresh_token,
    &oauth_expires_at,
    &oauth_refresh_expires_at,
    &oauth_scope,
    &open_id,
    NULL,
};

/* ---- What TikTok answers ----------------------------------------------------------------- */

static const struct oauth_verdict verdicts[] = {
    /* The token endpoint. */
    {"invalid_grant", RENEWD_RECONNECT}, /* expired, revoked, or replaced elsewhere */
    {"access_denied", RENEWD_RECONNECT},
    {"invalid_request", RENEWD_MISCONFIGURED}, /* but see judge() */
    {"invalid_client", RENEWD_MISCONFIGURED},
    {"unauthorized_client", RENEWD_MISCONFIGURED},
    {"invalid_scope", RENEWD_MISCONFIGURED},
    {"unsupported_grant_type", RENEWD_MISCONFIGURED},
    {"unsupported_response_type", RENEWD_MISCONFIGURED},
    {"rate_limit_exceeded", RENEWD_RATE_LIMITED},
    /* The API's object. */
    {"access_token_invalid", RENEWD_RECONNECT},
    {"scope_not_authorized", RENEWD_RECONNECT},
    {"scope_permission_missed", RENEWD_RECONNECT},
    {"invalid_param", RENEWD_MISCONFIGURED},
    {"invalid_params", RENEWD_MISCONFIGURED},
    {"internal_error", RENEWD_TRANSIENT},
    /* Version 1. */
    {"10010", RENEWD_RECONNECT}, /* refresh token expired */
    {NULL, 0},
};

/* A 200 without an error or a token may have spent the refresh token. */
static const struct oauth_provider tiktok = {
    .name = "TikTok",
    .verdicts = verdicts,
    .unreadable = RENEWD_AMBIGUOUS,
    .longest_life = YEAR,
    .client = "client_key and client_secret",
    .scope_separator = ',',
    .remember_grant_end = 1,
};

/* Version 1's number as a word, NULL when it is absent or 0. */
static const char *old_code(const struct renewd_services *s, struct renewd_call *call,
                            const struct renewd_json *json)
{
    const char *message = s->json_text(json, "message");
    int64_t number = 0;

    if (s->json_integer(json, "data.error_code", &number) >= 0 && number != 0) {
        char *word = s->memory(call, 24);
        if (word)
            snprintf(word, 24, "%lld", (long long)number);
        return word;
    }
    return message && strcmp(message, "error") == 0 ? "error" : NULL;
}

/* The answer's error in whichever of the three shapes, or NULL. "ok" and 0 are none. */
static const char *error_word(const struct renewd_services *s, struct renewd_call *call,
                              const struct renewd_json *json)
{
    const char *word = oauth_error(s, json);
    int64_t number = 1;

    if (word && strcmp(word, "ok") == 0 && s->json_kind(json, "error") == RENEWD_JSON_OBJECT)
        word = NULL;
    if (word && s->json_integer(json, "error", &number) >= 0 && number == 0)
        word = NULL;
    return word ? word : old_code(s, call, json);
}

static int32_t judge(const struct oauth_call *c, const char *word)
{
    const struct renewd_json *json = c->in->reply->json;
    int32_t outcome = oauth_judge(c, word);

    /* The request is always well formed, so that this can only mean the token in it. */
    if (outcome == RENEWD_MISCONFIGURED && strcmp(word, "invalid_request") == 0 &&
        oauth_blames_grant(c->services, json))
        return RENEWD_RECONNECT;
    /* Version 1 has many numbers for what is wrong with a request. */
    if (outcome == RENEWD_TRANSIENT && c->in->reply->status < 500 && word &&
        strspn(word, "-0123456789") == strlen(word))
        return RENEWD_MISCONFIGURED;
    return outcome;
}

/* ---- A success --------------------------------------------------------------------------- */

/* The pair is stored with any open_id, because the token that it replaces is spent. */
static void check_open_id(const struct tiktok *t, const struct oauth_call *c)
{
    const struct renewd_services *s = c->services;
    const struct renewd_value *known = s->slot(c->in->records[0], "open_id");
    const char *told = s->json_text(c->in->reply->json, "open_id");

    if (!told || !*told)
        return;
    if (!known->present)
        s->set_text(c->in->call, "open_id", told);
    else if (strcmp(told, known->text) != 0) {
        const char *const parts[] =
            {"TikTok answered the refresh of record ", c->in->records[0]->key,
             " with another open_id than the row's; the tokens are stored, and the row's open_id "
             "stays as it is: check whether the account was connected by another user",
             NULL};
        s->log(t->host, RENEWD_LOG_WARNING, s->join(c->in->call, parts));
    }
}

static int32_t read_reply(const struct tiktok *t, const struct renewd_refresh_in *in)
{
    const struct oauth_call c = {
        .services = t->services,
        .provider = &tiktok,
        .in = in,
        .assumed_life = ASSUMED_LIFE,
    };
    const char *word = error_word(t->services, in->call, in->reply->json);
    const char *access = oauth_token(t->services, in->reply->json, "access_token");

    if (word || !access)
        return oauth_fail(&c, judge(&c, word), word);
    int32_t stored = oauth_store(&c, access);
    if (stored != RENEWD_DONE)
        return stored;
    check_open_id(t, &c);
    return RENEWD_DONE;
}

/* ---- Callbacks --------------------------------------------------------------------------- */

static int32_t tiktok_open(void *instance, const struct renewd_open_in *in, struct renewd_open_out *out)
{
    const struct renewd_services *s = in->services;
    struct tiktok *t = calloc(1, sizeof(*t));

    (void)instance;
    if (!t)
        return s->fail(in->call, RENEWD_TRANSIENT, NULL, "out of memory");
    t->services = s;
    t->host = in->host;
    t->base_url = s->setting_text(in->host, "base_url");
    t->client_key = s->setting_text(in->host, "client_key");
    t->client_secret = s->setting_text(in->host, "client_secret");
    out->instance = t;
    return 0;
}

static int32_t tiktok_close(void *instance, const struct renewd_close_in *in, struct renewd_close_out *out)
{
    (void)in;
    (void)out;
    free(instance);
    return 0;
}

/* A quarter of the life last granted before its end, be that 24 hours or 2. */
static int32_t tiktok_needs_refresh(void *instance, const struct renewd_needs_refresh_in *in,
                                    struct renewd_needs_refresh_out *out)
{
    const struct tiktok *t = instance;
    struct renewd_needs_refresh_in wish = *in;

    if (wish.refresh_before <= 0)
        wish.refresh_before = in->records[0]->life / 4;
    oauth_window(t->services, &wish, ASSUMED_LIFE, out);
    return 0;
}

/* A form and nothing else: JSON brings 200 and invalid_request. The path ends in a slash. */
static int32_t ask(const struct tiktok *t, const struct renewd_refresh_in *in)
{
    const struct renewd_services *s = t->services;
    const struct renewd_value *grant = s->slot(in->records[0], "refresh_token");
    const char *const url[] = {t->base_url, "/v2/oauth/token/", NULL};

    if (!grant->present)
        return s->fail(in->call, RENEWD_RECONNECT, "no_refresh_token",
                       "the record has no refresh token; the account has to be connected again");
    struct renewd_request *r = s->request(in->call, "POST", s->join(in->call, url));
    s->header(r, "Accept", "application/json");
    s->header(r, "Cache-Control", "no-cache");
    s->form(r, "client_key", t->client_key);
    s->form(r, "client_secret", t->client_secret);
    s->form(r, "grant_type", "refresh_token");
    s->form(r, "refresh_token", grant->text);
    return RENEWD_WAIT;
}

static int32_t tiktok_refresh(void *instance, const struct renewd_refresh_in *in, struct renewd_refresh_out *out)
{
    (void)out;
    return in->reply ? read_reply(instance, in) : ask(instance, in);
}

/* access_token_invalid comes with 401, and with 200; a scope that is missing comes with 401 too, and
 * no new token has it. */
static int32_t tiktok_on_answer(void *instance, const struct renewd_on_answer_in *in,
                                struct renewd_on_answer_out *out)
{
    const struct tiktok *t = instance;
    const char *word = error_word(t->services, in->call, in->reply->json);

    for (size_t i = 0; word && verdicts[i].code; i++)
        if (strcmp(verdicts[i].code, word) == 0)
            out->token_refused = strcmp(word, "access_token_invalid") == 0;
    if (word && strcmp(word, "rate_limit_exceeded") == 0)
        out->slow_for = in->retry_after ? in->retry_after : RATE_WINDOW;
    return 0;
}

static const struct renewd_plugin plugin = {
    .size = sizeof(struct renewd_plugin),
    .minor = RENEWD_MINOR,
    .replay = RENEWD_REPLAY_SINGLE_USE,
    .name = "tiktok",
    .version = "1.0",
    .summary = "TikTok accounts (Login Kit, version 2)",
    .settings = settings,
    .slots = slots,
    .open = tiktok_open,
    .close = tiktok_close,
    .needs_refresh = tiktok_needs_refresh,
    .refresh = tiktok_refresh,
    .on_answer = tiktok_on_answer,
};

const struct renewd_plugin *renewd_plugin_v1(void)
{
    return &plugin;
}
