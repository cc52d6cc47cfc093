/* SPDX-License-Identifier: MIT
 * A strict RFC 6749 server: every refresh rotates the pair; a spent refresh token that comes
 * again outside its grace revokes the whole grant. POST /strict/token, /strict/revoke,
 * GET /strict/api/me.
 */
#include <json-c/json.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "tests/sim/form.h"
#include "tests/sim/sim.h"
#include "tests/sim/truth.h"

static struct token *strict_presents(const struct request *request)
{
    const char *bearer = bearer_of(request);
    struct form form;

    if (bearer)
        return token_find(bearer);
    form_parse(request->body, &form);
    const char *value = form_get(&form, strcmp(request->rest, "/token") == 0 ? "refresh_token" : "token");
    struct token *token = value ? token_find(value) : NULL;
    form_done(&form);
    return token && token->account->provider == &strict_provider ? token : NULL;
}

static bool client_is_good(const struct client_claim *claim)
{
    bool registered;
    const struct client *client = client_find(&strict_provider, claim->id, &registered);

    if (!claim->id || !*claim->id || !claim->secret || claim->malformed)
        return false;
    if (!registered)
        return true;
    if (!client || client->deleted || strcmp(client->secret, claim->secret) != 0)
        return false;
    return client->auth == AUTH_ANY || (client->auth == AUTH_BASIC) == claim->basic;
}

/* True when the client may go on; the reply is filled otherwise. */
static bool check_client(const struct client_claim *claim, struct reply *reply)
{
    if (claim->both) {
        reply_oauth_error(reply, 400, "invalid_request", "Two ways of client authentication");
        return false;
    }
    if (client_is_good(claim))
        return true;
    reply_oauth_error(reply, 401, "invalid_client", "Client authentication failed");
    reply_header(reply, "WWW-Authenticate", "Basic realm=\"strict\", charset=\"UTF-8\"");
    return false;
}

static void pair_answer(struct account *account, const struct token *access, const struct token *refresh,
                        struct reply *reply)
{
    struct json_object *json = json_object_new_object();

    account->refresh_ok++;
    account->last_used_at = sim_now();
    json_object_object_add(json, "access_token", json_object_new_string(access->value));
    json_object_object_add(json, "token_type", json_object_new_string("bearer"));
    json_object_object_add(json, "expires_in", json_object_new_int64(access->expires_at - sim_now()));
    json_object_object_add(json, "refresh_token", json_object_new_string(refresh->value));
    if (refresh->expires_at)
        json_object_object_add(json, "refresh_expires_in", json_object_new_int64(refresh->expires_at - sim_now()));
    if (*account->scope)
        json_object_object_add(json, "scope", json_object_new_string(account->scope));
    reply_json(reply, 200, json);
    reply->outcome = "ok";
}

/* A spent one within its grace brings the same pair again, as long as that is not spent too. */
static bool within_grace(const struct token *token)
{
    const struct account *account = token->account;
    return account->grace > 0 && !account->revoked && sim_now() <= token->spent_at + account->grace &&
           token->next_refresh && !token->next_refresh->spent;
}

static void spent_answer(struct token *token, struct reply *reply)
{
    struct account *account = token->account;

    if (within_grace(token)) {
        account->repeats++;
        pair_answer(account, token->next_access, token->next_refresh, reply);
        return;
    }
    account->reuse++;
    account->refresh_refused++;
    account_revoke(account, "reuse");
    reply_oauth_error(reply, 400, "invalid_grant", "Refresh token was used before; grant revoked");
    reply->outcome = "reuse";
}

static void rotate(struct token *token, struct reply *reply)
{
    struct token *access = token_issue(token->account, TOKEN_ACCESS);
    struct token *refresh = token_issue(token->account, TOKEN_REFRESH);

    token_spend(token, refresh, access);
    pair_answer(token->account, access, refresh, reply);
}

static void grant_answer(struct token *token, const struct client_claim *claim, const char *scope,
                         struct reply *reply)
{
    if (!token || token->kind != TOKEN_REFRESH || token->account->provider != &strict_provider) {
        reply_oauth_error(reply, 400, "invalid_grant", "Unknown refresh token");
        return;
    }
    struct account *account = token->account;
    if (account->client_id && strcmp(account->client_id, claim->id) != 0)
        reply_oauth_error(reply, 400, "invalid_grant", "Issued to another client");
    else if (token->spent) {
        spent_answer(token, reply);
        return;
    } else if (token->revoked)
        reply_oauth_error(reply, 400, "invalid_grant", "Grant was revoked");
    else if (token_expired(token))
        reply_oauth_error(reply, 400, "invalid_grant", "Refresh token has expired");
    else if (scope && !scope_within(scope, account->scope))
        reply_oauth_error(reply, 400, "invalid_scope", "More than was granted");
    else {
        rotate(token, reply);
        return;
    }
    account->refresh_refused++;
}

static void refresh(const struct form *form, const struct client_claim *claim, struct reply *reply)
{
    const char *grant_type = form_get(form, "grant_type");
    const char *value = form_get(form, "refresh_token");

    if (form->malformed || form->twice)
        reply_oauth_error(reply, 400, "invalid_request", "Malformed, or a parameter given twice");
    else if (!check_client(claim, reply))
        return;
    else if (!grant_type || !*grant_type)
        reply_oauth_error(reply, 400, "invalid_request", "Missing parameter: grant_type");
    else if (strcmp(grant_type, "refresh_token") != 0)
        reply_oauth_error(reply, 400, "unsupported_grant_type", NULL);
    else if (!value || !*value)
        reply_oauth_error(reply, 400, "invalid_request", "Missing parameter: refresh_token");
    else
        grant_answer(token_find(value), claim, form_get(form, "scope"), reply);
}

/* RFC 7009: 200 also for a token that nobody knows. */
static void revoke_grant(const struct form *form, const struct client_claim *claim, struct reply *reply)
{
    const char *value = form_get(form, "token");
    struct token *token = value ? token_find(value) : NULL;

    if (!check_client(claim, reply))
        return;
    if (!value) {
        reply_oauth_error(reply, 400, "invalid_request", "Missing parameter: token");
        return;
    }
    if (token && token->account->provider == &strict_provider)
        account_revoke(token->account, "revoked");
    reply_json(reply, 200, json_object_new_object());
    reply->outcome = "revoked";
}

static void form_answer(const struct request *request, struct reply *reply)
{
    struct client_claim claim;
    struct form form;

    if (!content_is_form(request)) {
        reply_oauth_error(reply, 400, "invalid_request", "The body is not a form");
        return;
    }
    form_parse(request->body, &form);
    client_claim_read(request, &form, &claim);
    if (strcmp(request->rest, "/token") == 0)
        refresh(&form, &claim, reply);
    else
        revoke_grant(&form, &claim, reply);
    client_claim_done(&claim);
    form_done(&form);
}

static void me_answer(const struct request *request, struct reply *reply)
{
    const char *bearer = bearer_of(request);
    const struct token *token = bearer ? token_find(bearer) : NULL;
    bool good = token && token->kind == TOKEN_ACCESS && token->account->provider == &strict_provider &&
                strcmp(token_state(token), "live") == 0;

    if (!good) {
        reply_oauth_error(reply, 401, "invalid_token", "The access token is not good");
        reply_header(reply, "WWW-Authenticate",
                     bearer ? "Bearer realm=\"strict\", error=\"invalid_token\"" : "Bearer realm=\"strict\"");
        reply->outcome = "resource_refused";
        return;
    }
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "sub", json_object_new_string(token->account->name));
    reply_json(reply, 200, json);
    reply->outcome = "resource";
}

static void strict_answer(const struct request *request, struct reply *reply)
{
    bool post = strcmp(request->method, "POST") == 0;

    if (strcmp(request->rest, "/api/me") == 0) {
        me_answer(request, reply);
    } else if (strcmp(request->rest, "/token") != 0 && strcmp(request->rest, "/revoke") != 0) {
        reply_text(reply, 404, "text/plain", "no such resource\n");
    } else if (!post) {
        reply_text(reply, 405, "text/plain", "POST only\n");
        reply_header(reply, "Allow", "POST");
    } else {
        form_answer(request, reply);
    }
    reply_header(reply, "Cache-Control", "no-store");
    reply_header(reply, "Pragma", "no-cache");
}

const struct provider strict_provider = {
    .name = "strict",
    .prefix = "/strict",
    .token_path = "/token",
    .scope = "read write",
    .life = 3600,
    .presents = strict_presents,
    .answer = strict_answer,
};
