/* SPDX-License-Identifier: MIT
 * TikTok, version 2: every refresh replaces the pair, a spent refresh token that comes again ends
 * the grant. Errors of the token endpoint are flat and come with status 200.
 * POST /tiktok/v2/oauth/token/, /tiktok/v2/oauth/revoke/, GET /tiktok/v2/user/info/.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/form.h"
#include "tests/sim/sim.h"
#include "tests/sim/truth.h"

static const char token_path[] = "/v2/oauth/token/", revoke_path[] = "/v2/oauth/revoke/",
                  user_path[] = "/v2/user/info/";

static struct token *ours(const char *value)
{
    struct token *token = value ? token_find(value) : NULL;
    return token && token->account->provider == &tiktok_provider ? token : NULL;
}

static struct token *tiktok_presents(const struct request *request)
{
    const char *bearer = bearer_of(request);
    struct form form;

    if (bearer)
        return ours(bearer);
    form_parse(request->body, &form);
    bool refresh = strcmp(request->rest, token_path) == 0;
    struct token *token = ours(form_get(&form, refresh ? "refresh_token" : "token"));
    form_done(&form);
    return token;
}

static void refuse(struct reply *reply, const char *code, const char *description)
{
    reply_oauth_error(reply, 200, code, description);
    json_object_object_add(reply->json, "log_id", json_object_new_string("20261121000000000000000000000000"));
}

/* True when the client may go on; the reply is filled otherwise. */
static bool check_client(const struct form *form, struct reply *reply)
{
    const char *key = form_get(form, "client_key"), *secret = form_get(form, "client_secret");
    bool registered;
    const struct client *client = client_find(&tiktok_provider, key, &registered);

    if (!key || !*key || !secret || !*secret) {
        refuse(reply, "invalid_request", "The request parameters are malformed.");
        return false;
    }
    if (!registered || (client && !client->deleted && strcmp(client->secret, secret) == 0))
        return true;
    refuse(reply, "invalid_client", "Client key or secret is incorrect.");
    return false;
}

static void add_text(struct json_object *json, const char *name, const char *value)
{
    json_object_object_add(json, name, json_object_new_string(value));
}

static void add_open_id(struct json_object *json, const struct account *account)
{
    char open_id[128];
    snprintf(open_id, sizeof(open_id), "open-%.100s", account->name);
    add_text(json, "open_id", open_id);
}

static void rotate(struct token *token, struct reply *reply)
{
    struct account *account = token->account;
    struct token *access = token_issue(account, TOKEN_ACCESS);
    struct token *refresh = token_issue(account, TOKEN_REFRESH);
    struct json_object *json = json_object_new_object();

    token_spend(token, refresh, access);
    account->refresh_ok++;
    account->last_used_at = sim_now();
    add_text(json, "access_token", access->value);
    json_object_object_add(json, "expires_in", json_object_new_int64(account->expires_in));
    add_open_id(json, account);
    if (refresh->expires_at)
        json_object_object_add(json, "refresh_expires_in", json_object_new_int64(refresh->expires_at - sim_now()));
    add_text(json, "refresh_token", refresh->value);
    add_text(json, "scope", account->scope);
    add_text(json, "token_type", "Bearer");
    reply_json(reply, 200, json);
    reply->outcome = "ok";
}

static void grant_answer(struct token *token, const char *key, struct reply *reply)
{
    static const char words[] = "Refresh token is invalid or expired.";

    if (!token || token->kind != TOKEN_REFRESH) {
        refuse(reply, "invalid_grant", words);
        return;
    }
    struct account *account = token->account;
    bool other_app = account->client_id && strcmp(account->client_id, key) != 0;
    if (!other_app && !token->spent && !token->revoked && !token_expired(token)) {
        rotate(token, reply);
        return;
    }
    refuse(reply, "invalid_grant", words);
    account->refresh_refused++;
    if (token->spent) {
        account->reuse++;
        account_revoke(account, "reuse");
        reply->outcome = "reuse";
    }
}

static void refresh(const struct form *form, struct reply *reply)
{
    const char *grant_type = form_get(form, "grant_type");
    const char *value = form_get(form, "refresh_token");

    if (form->malformed || form->twice)
        refuse(reply, "invalid_request", "The request parameters are malformed.");
    else if (!check_client(form, reply))
        return;
    else if (!grant_type || strcmp(grant_type, "refresh_token") != 0)
        refuse(reply, "unsupported_grant_type", "Grant type is not supported.");
    else if (!value || !*value)
        refuse(reply, "invalid_request", "Missing required parameter: refresh_token");
    else
        grant_answer(ours(value), form_get(form, "client_key"), reply);
}

static void revoke_answer(const struct form *form, struct reply *reply)
{
    struct token *token = ours(form_get(form, "token"));

    if (!check_client(form, reply))
        return;
    if (!token || token->kind != TOKEN_ACCESS || token->revoked) {
        refuse(reply, "invalid_request", "The access token is invalid.");
        return;
    }
    account_revoke(token->account, "revoked");
    reply_json(reply, 200, json_object_new_object());
    reply->outcome = "revoked";
}

static void form_answer(const struct request *request, struct reply *reply)
{
    struct form form;

    if (!content_is_form(request)) {
        refuse(reply, "invalid_request",
               "Only `application/x-www-form-urlencoded` is accepted as "
               "Content-Type.");
        return;
    }
    form_parse(request->body, &form);
    if (strcmp(request->rest, token_path) == 0)
        refresh(&form, reply);
    else
        revoke_answer(&form, reply);
    form_done(&form);
}

/* The envelope of the API: an error object beside every success. */
static void user_answer(const struct request *request, struct reply *reply)
{
    const char *bearer = bearer_of(request);
    const struct token *token = ours(bearer);
    bool good = token && token->kind == TOKEN_ACCESS && strcmp(token_state(token), "live") == 0;
    struct json_object *json = json_object_new_object(), *data = json_object_new_object();
    struct json_object *error = json_object_new_object();

    if (good) {
        struct json_object *user = json_object_new_object();
        add_open_id(user, token->account);
        json_object_object_add(data, "user", user);
    }
    add_text(error, "code", good ? "ok" : "access_token_invalid");
    add_text(error, "message", good ? "" : "The access token is invalid or not found.");
    json_object_object_add(json, "data", data);
    json_object_object_add(json, "error", error);
    reply_json(reply, good ? 200 : 401, json);
    reply->outcome = good ? "resource" : "resource_refused";
}

static void tiktok_answer(const struct request *request, struct reply *reply)
{
    bool post = strcmp(request->method, "POST") == 0;
    bool oauth = strcmp(request->rest, token_path) == 0 || strcmp(request->rest, revoke_path) == 0;

    if (post && oauth)
        form_answer(request, reply);
    else if (!post && strcmp(request->rest, user_path) == 0)
        user_answer(request, reply);
    else
        reply_text(reply, 404, "text/html; charset=utf-8", "<title>404 Not Found</title>");
}

const struct provider tiktok_provider = {
    .name = "tiktok",
    .prefix = "/tiktok",
    .token_path = "/v2/oauth/token/",
    .scope = "user.info.basic,video.list,video.publish",
    .life = 86400,
    .refresh_life = 365 * 86400,
    .presents = tiktok_presents,
    .answer = tiktok_answer,
};
