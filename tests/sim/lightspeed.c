/* SPDX-License-Identifier: MIT
 * Lightspeed R-Series: every refresh brings another pair, but what was used for it is taken again
 * until something of what it brought is used. POST /lightspeed/auth/oauth/token,
 * GET /lightspeed/API/V3/Account.json.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/form.h"
#include "tests/sim/sim.h"
#include "tests/sim/truth.h"

/* The bucket's size; its level in hundredths, which loses DRIP a second. */
enum { REPEATS_A_MINUTE = 5, BUCKET = 90, DRIP = 100, COST = 100 };

static const char missing[] = "The request is missing a required parameter";

static struct token *ours(const char *value)
{
    struct token *token = value ? token_find(value) : NULL;
    return token && token->account->provider == &lightspeed_provider ? token : NULL;
}

static struct token *lightspeed_presents(const struct request *request)
{
    const char *bearer = bearer_of(request);
    struct form form;

    if (bearer)
        return ours(bearer);
    form_parse(request->body, &form);
    struct token *token = ours(form_get(&form, "refresh_token"));
    form_done(&form);
    return token;
}

static bool check_client(const struct client_claim *claim, struct reply *reply)
{
    bool registered;
    const struct client *client = client_find(&lightspeed_provider, claim->id, &registered);

    if (!claim->id || !*claim->id) {
        reply_oauth_error(reply, 400, "invalid_request", missing);
        json_object_object_add(reply->json, "hint", json_object_new_string("Check the `client_id` parameter"));
        return false;
    }
    if (!registered)
        return true;
    if (client && !client->deleted && claim->secret && strcmp(client->secret, claim->secret) == 0)
        return true;
    reply_oauth_error(reply, 401, "invalid_client", "Client authentication failed");
    return false;
}

static void refuse_grant(struct reply *reply, const char *hint)
{
    reply_oauth_error(reply, 400, "invalid_grant", "The refresh token is invalid.");
    json_object_object_add(reply->json, "hint", json_object_new_string(hint));
}

/* Something of what this token brought was used: it is of no more use. */
static bool is_over(const struct token *token)
{
    return token->spent && (token->next_access->presented || token->next_refresh->presented);
}

/* True while this minute's repeats are not used up. */
static bool may_repeat(struct account *account)
{
    if (sim_now() >= account->minute + 60) {
        account->minute = sim_now();
        account->repeats_of_minute = 0;
    }
    return account->repeats_of_minute++ < REPEATS_A_MINUTE;
}

static void bucket_headers(struct account *account, struct reply *reply)
{
    char text[64];
    int64_t level = account->bucket - (sim_now() - account->bucket_at) * DRIP;

    account->bucket = (level > 0 ? level : 0) + COST;
    account->bucket_at = sim_now();
    snprintf(text, sizeof(text), "%lld.%02lld/%lld", (long long)(account->bucket / 100),
             (long long)(account->bucket % 100), (long long)(account->bucket_size ? account->bucket_size : BUCKET));
    reply_header(reply, "X-LS-Api-Bucket-Level", text);
    reply_header(reply, "X-LS-Api-Drip-Rate", "1");
    reply_header(reply, "X-LS-API-Request-Cost", "1");
}

static void pair_answer(struct token *token, struct reply *reply)
{
    struct account *account = token->account;
    struct json_object *json = json_object_new_object();

    account->access->revoked = true; /* also while it lives */
    if (token->spent)
        token->next_refresh->revoked = true;
    struct token *access = token_issue(account, TOKEN_ACCESS);
    struct token *refresh = token_issue(account, TOKEN_REFRESH);
    if (token->spent)
        account->repeats++;
    token_spend(token, refresh, access);
    account->refresh_ok++;
    account->last_used_at = sim_now();
    json_object_object_add(json, "token_type", json_object_new_string("Bearer"));
    json_object_object_add(json, "expires_in", json_object_new_int64(account->expires_in));
    json_object_object_add(json, "access_token", json_object_new_string(access->value));
    json_object_object_add(json, "refresh_token", json_object_new_string(refresh->value));
    reply_json(reply, 200, json);
    reply->outcome = "ok";
    bucket_headers(account, reply);
}

static void grant_answer(struct token *token, const struct client_claim *claim, struct reply *reply)
{
    if (!token || token->kind != TOKEN_REFRESH) {
        refuse_grant(reply, "Cannot decrypt the refresh token");
        return;
    }
    struct account *account = token->account;
    if (account->client_id && strcmp(account->client_id, claim->id) != 0) {
        refuse_grant(reply, "Token is not linked to client");
    } else if (is_over(token)) {
        refuse_grant(reply, "Token has been revoked");
        account->reuse++;
        reply->outcome = "reuse";
    } else if (token->revoked) {
        refuse_grant(reply, "Token has been revoked");
    } else if (token_expired(token)) {
        refuse_grant(reply, "Token has expired");
    } else if (token->spent && !may_repeat(account)) {
        reply_oauth_error(reply, 429, "too_many_requests", "Too many refreshes");
        reply_header(reply, "Retry-After", "60");
    } else {
        pair_answer(token, reply);
        return;
    }
    account->refresh_refused++;
}

static void refresh(const struct form *form, const struct client_claim *claim, struct reply *reply)
{
    const char *grant_type = form_get(form, "grant_type");
    const char *value = form_get(form, "refresh_token");

    if (!check_client(claim, reply))
        return;
    if (form->malformed || form->twice || !value || !*value)
        reply_oauth_error(reply, 400, "invalid_request", missing);
    else if (!grant_type || strcmp(grant_type, "refresh_token") != 0)
        reply_oauth_error(reply, 400, "unsupported_grant_type", NULL);
    else if (form_get(form, "scope")) /* seen in the wild */
        refuse_grant(reply, "Unexpected scope");
    else
        grant_answer(ours(value), claim, reply);
}

static void token_answer(const struct request *request, struct reply *reply)
{
    struct client_claim claim;
    struct form form;

    if (!content_is_form(request)) {
        reply_oauth_error(reply, 400, "invalid_request", "The body is not a form");
        return;
    }
    form_parse(request->body, &form);
    client_claim_read(request, &form, &claim);
    refresh(&form, &claim, reply);
    client_claim_done(&claim);
    form_done(&form);
}

static void account_answer(const struct request *request, struct reply *reply)
{
    struct token *token = ours(bearer_of(request));
    bool good = token && token->kind == TOKEN_ACCESS && strcmp(token_state(token), "live") == 0;

    if (!good) {
        reply_oauth_error(reply, 401, "access_denied",
                          "The resource owner or authorization server denied the request.");
        json_object_object_add(reply->json, "hint",
                               json_object_new_string(token && token->revoked
                                                          ? "Access token has been revoked"
                                                          : "Access token could not be verified"));
        reply->outcome = "resource_refused";
        return;
    }
    struct json_object *json = json_object_new_object(), *account = json_object_new_object();
    json_object_object_add(account, "accountID", json_object_new_string("1"));
    json_object_object_add(account, "name", json_object_new_string(token->account->name));
    json_object_object_add(json, "Account", account);
    reply_json(reply, 200, json);
    reply->outcome = "resource";
    bucket_headers(token->account, reply);
}

static void lightspeed_answer(const struct request *request, struct reply *reply)
{
    bool post = strcmp(request->method, "POST") == 0;

    if (strcmp(request->rest, "/auth/oauth/token") == 0) {
        if (post)
            token_answer(request, reply);
        else
            reply_oauth_error(reply, 405, "invalid_request", "POST only");
    } else if (!post && strcmp(request->rest, "/API/V3/Account.json") == 0) {
        account_answer(request, reply);
    } else {
        reply_text(reply, 404, "text/html; charset=utf-8", "<title>404 Not Found</title>");
    }
}

const struct provider lightspeed_provider = {
    .name = "lightspeed",
    .prefix = "/lightspeed",
    .token_path = "/auth/oauth/token",
    .scope = "employee:all",
    .life = 1800,
    .refresh_life = 30 * 86400,
    .presents = lightspeed_presents,
    .answer = lightspeed_answer,
};
