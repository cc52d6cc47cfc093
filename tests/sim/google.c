/* SPDX-License-Identifier: MIT
 * Google: one refresh token for life, any number of access tokens, repeats are safe.
 * POST /google/token (and /google/oauth2/v4/token), /google/revoke, GET /google/tokeninfo,
 * GET /google/youtube/v3/channels.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "tests/sim/form.h"
#include "tests/sim/sim.h"
#include "tests/sim/truth.h"

enum { TESTING_LIFE = 604799, UNUSED_LIFE = 183 * 86400 };

static bool is_token_path(const char *rest)
{
    return strcmp(rest, "/token") == 0 || strcmp(rest, "/oauth2/v4/token") == 0;
}

/* The token of a revoke or tokeninfo request: in the query or in the form. */
static char *named_token(const struct request *request, const char *name)
{
    struct form form;
    form_parse(request->query, &form);
    const char *value = form_get(&form, name);
    if (!value) {
        form_done(&form);
        form_parse(request->body, &form);
        value = form_get(&form, name);
    }
    char *copy = value ? xstrdup(value) : NULL;
    form_done(&form);
    return copy;
}

static struct token *google_presents(const struct request *request)
{
    const char *bearer = bearer_of(request);
    if (bearer)
        return token_find(bearer);
    const char *name = is_token_path(request->rest)               ? "refresh_token"
                       : strcmp(request->rest, "/tokeninfo") == 0 ? "access_token"
                                                                  : "token";
    cleanup(free_p) char *value = named_token(request, name);
    return value ? token_find(value) : NULL;
}

static void refuse(struct reply *reply, int status, const char *code, const char *description)
{
    reply_oauth_error(reply, status, code, description);
}

/* True when the client is who it says; the reply is filled otherwise. */
static bool check_client(const struct client_claim *claim, struct reply *reply)
{
    bool registered;
    const struct client *client = client_find(&google_provider, claim->id, &registered);

    if (!claim->id || !*claim->id || claim->malformed)
        refuse(reply, 400, "invalid_request", "Could not determine client ID from request.");
    else if (!claim->secret || !*claim->secret)
        refuse(reply, 400, "invalid_request", "client_secret is missing.");
    else if (client && client->deleted)
        refuse(reply, 401, "deleted_client", "The OAuth client was deleted.");
    else if (registered && !client)
        refuse(reply, 401, "invalid_client", "The OAuth client was not found.");
    else if (client &&
             (strcmp(client->secret, claim->secret) != 0 || (client->auth == AUTH_BASIC && !claim->basic) ||
              (client->auth == AUTH_POST && claim->basic)))
        refuse(reply, 401, "invalid_client", "The provided client secret is invalid.");
    else
        return true;
    return false;
}

/* Lets time do what it does to a grant: seven days in Testing, six months unused. */
static void age_grant(struct account *account)
{
    if (account->testing && sim_now() >= account->created_at + TESTING_LIFE)
        account_revoke(account, "testing");
    else if (sim_now() - account->last_used_at > UNUSED_LIFE)
        account_revoke(account, "unused");
}

static void refuse_revoked(const struct account *account, struct reply *reply)
{
    const char *reason = account->reason ? account->reason : "";

    if (strcmp(reason, "deleted") == 0) {
        refuse(reply, 400, "invalid_grant", "Account has been deleted");
    } else if (strcmp(reason, "rapt") == 0) {
        refuse(reply, 400, "invalid_grant", "reauth related error (invalid_rapt)");
        json_object_object_add(reply->json, "error_subtype", json_object_new_string("invalid_rapt"));
    } else {
        refuse(reply, 400, "invalid_grant", "Token has been expired or revoked.");
    }
}

static bool check_grant(struct token *token, const struct client_claim *claim, struct reply *reply)
{
    if (!token || token->kind != TOKEN_REFRESH || token->account->provider != &google_provider) {
        refuse(reply, 400, "invalid_grant", "Bad Request");
        return false;
    }
    struct account *account = token->account;
    age_grant(account);
    if (account->client_id && strcmp(account->client_id, claim->id) != 0)
        refuse(reply, 401, "unauthorized_client", "Unauthorized");
    else if (token->revoked)
        refuse_revoked(account, reply);
    else if (token_expired(token))
        refuse(reply, 400, "invalid_grant", "Token has been expired or revoked.");
    else
        return true;
    account->refresh_refused++;
    return false;
}

static void grant_answer(struct token *token, struct reply *reply)
{
    struct account *account = token->account;
    struct json_object *json = json_object_new_object();
    struct token *access = token_issue(account, TOKEN_ACCESS);
    int64_t dies = account->testing ? account->created_at + TESTING_LIFE : token->expires_at;

    account->last_used_at = sim_now();
    account->refresh_ok++;
    json_object_object_add(json, "access_token", json_object_new_string(access->value));
    json_object_object_add(json, "expires_in", json_object_new_int64(account->expires_in));
    json_object_object_add(json, "scope", json_object_new_string(account->scope));
    json_object_object_add(json, "token_type", json_object_new_string("Bearer"));
    if (dies)
        json_object_object_add(json, "refresh_token_expires_in", json_object_new_int64(dies - sim_now()));
    if (account->rotate) /* the old one stays good: Google's repeats are safe */
        json_object_object_add(json, "refresh_token",
                               json_object_new_string(token_issue(account, TOKEN_REFRESH)->value));
    reply_json(reply, 200, json);
    reply_header(reply, "Cache-Control", "no-cache, no-store, max-age=0, must-revalidate");
    reply->outcome = "ok";
}

static void refresh(const struct form *form, const struct client_claim *claim, struct reply *reply)
{
    const char *grant_type = form_get(form, "grant_type");
    const char *value = form_get(form, "refresh_token"), *scope = form_get(form, "scope");
    char text[200];

    if (form->malformed || form->twice) {
        refuse(reply, 400, "invalid_request", "Malformed request: parameter given twice?");
    } else if (!grant_type || !*grant_type) {
        refuse(reply, 400, "invalid_request", "Missing required parameter: grant_type");
    } else if (strcmp(grant_type, "refresh_token") != 0) {
        snprintf(text, sizeof(text), "Invalid grant_type: %.100s", grant_type);
        refuse(reply, 400, "unsupported_grant_type", text);
    } else if (!value || !*value) {
        refuse(reply, 400, "invalid_request", "Missing required parameter: refresh_token");
    } else if (check_client(claim, reply)) {
        struct token *token = token_find(value);
        if (!check_grant(token, claim, reply))
            return;
        if (scope && !scope_within(scope, token->account->scope))
            refuse(reply, 400, "invalid_scope", "Some requested scopes were invalid.");
        else
            grant_answer(token, reply);
    }
}

static void token_answer(const struct request *request, struct reply *reply)
{
    struct client_claim claim;
    struct form form;

    if (!content_is_form(request)) {
        refuse(reply, 400, "invalid_request", "Content-Type is not a form.");
        return;
    }
    form_parse(request->body, &form);
    client_claim_read(request, &form, &claim);
    refresh(&form, &claim, reply);
    client_claim_done(&claim);
    form_done(&form);
}

static void revoke_answer(const struct request *request, struct reply *reply)
{
    cleanup(free_p) char *value = named_token(request, "token");
    struct token *token = value ? token_find(value) : NULL;

    if (!token || token->account->provider != &google_provider || token->revoked || token_expired(token)) {
        refuse(reply, 400, "invalid_token", "Token expired or revoked");
        return;
    }
    account_revoke(token->account, "revoked");
    reply_json(reply, 200, json_object_new_object());
    reply->outcome = "revoked";
}

static bool access_is_good(const struct token *token)
{
    return token && token->kind == TOKEN_ACCESS && token->account->provider == &google_provider &&
           strcmp(token_state(token), "live") == 0;
}

static void tokeninfo_answer(const struct request *request, struct reply *reply)
{
    cleanup(free_p) char *value = named_token(request, "access_token");
    struct token *token = value ? token_find(value) : NULL;
    char text[32];

    if (!access_is_good(token)) {
        refuse(reply, 400, "invalid_token", "Invalid Value");
        reply->outcome = "resource_refused";
        return;
    }
    const char *client = token->account->client_id;
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "azp", json_object_new_string(client ? client : "any"));
    json_object_object_add(json, "aud", json_object_new_string(client ? client : "any"));
    json_object_object_add(json, "scope", json_object_new_string(token->account->scope));
    snprintf(text, sizeof(text), "%lld", (long long)token->expires_at);
    json_object_object_add(json, "exp", json_object_new_string(text));
    snprintf(text, sizeof(text), "%lld", (long long)(token->expires_at - sim_now()));
    json_object_object_add(json, "expires_in", json_object_new_string(text));
    json_object_object_add(json, "access_type", json_object_new_string("offline"));
    reply_json(reply, 200, json);
    reply->outcome = "resource";
}

static void channels_answer(const struct request *request, struct reply *reply)
{
    const char *bearer = bearer_of(request);
    const struct token *token = bearer ? token_find(bearer) : NULL;

    if (!access_is_good(token)) {
        reply_text(reply, 401, "application/json; charset=UTF-8",
                   "{\"error\":{\"code\":401,\"message\":\"Request had invalid authentication "
                   "credentials.\",\"errors\":[{\"message\":\"Invalid Credentials\",\"domain\":"
                   "\"global\",\"reason\":\"authError\"}],\"status\":\"UNAUTHENTICATED\"}}");
        reply_header(reply, "WWW-Authenticate",
                     "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"");
        reply->outcome = "resource_refused";
        return;
    }
    struct json_object *json = json_object_new_object();
    struct json_object *items = json_object_new_array(), *item = json_object_new_object();
    json_object_object_add(item, "kind", json_object_new_string("youtube#channel"));
    json_object_object_add(item, "id", json_object_new_string(token->account->name));
    json_object_array_add(items, item);
    json_object_object_add(json, "kind", json_object_new_string("youtube#channelListResponse"));
    json_object_object_add(json, "items", items);
    reply_json(reply, 200, json);
    reply->outcome = "resource";
}

static void google_answer(const struct request *request, struct reply *reply)
{
    bool post = strcmp(request->method, "POST") == 0;
    bool get = strcmp(request->method, "GET") == 0;

    if (post && is_token_path(request->rest))
        token_answer(request, reply);
    else if (post && strcmp(request->rest, "/revoke") == 0)
        revoke_answer(request, reply);
    else if (get && strcmp(request->rest, "/tokeninfo") == 0)
        tokeninfo_answer(request, reply);
    else if (get && strcmp(request->rest, "/youtube/v3/channels") == 0)
        channels_answer(request, reply);
    else
        reply_text(reply, 404, "text/html; charset=UTF-8", "<title>Error 404 (Not Found)</title>");
}

const struct provider google_provider = {
    .name = "google",
    .prefix = "/google",
    .token_path = "/token",
    .scope = "https://www.googleapis.com/auth/youtube.upload "
             "https://www.googleapis.com/auth/youtube.readonly",
    .life = 3599,
    .presents = google_presents,
    .answer = google_answer,
};
