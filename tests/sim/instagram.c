/* SPDX-License-Identifier: MIT
 * Instagram Login: GET /instagram/refresh_access_token extends a token that is a day old, lives
 * long and has not expired; GET /instagram/access_token makes a long-lived one of a short-lived one;
 * GET /instagram/me. The token keeps its text, or gets a new one where the account says "rotate".
 * A refresh of a token under a day old counts as "reuse".
 */
#include <json-c/json.h>
#include <string.h>

#include "tests/sim/graph.h"

enum { DAY = 86400, LONG_LIFE = 5183944, SHORT_LIFE = 7200 };

static struct token *instagram_presents(const struct request *request)
{
    return graph_token(&instagram_provider, request, "access_token");
}

static bool is_short(const struct token *token)
{
    return token->expires_at - token->issued_at <= SHORT_LIFE;
}

static void unsupported(struct reply *reply)
{
    graph_refuse(reply, 400, 100, 0, "IGApiException", "Unsupported request - method type: get");
}

/* The same text lives on, or a new one takes its place; the old one keeps its own end. */
static void extend(struct token *token, struct reply *reply)
{
    struct account *account = token->account;

    if (is_short(token))
        account->expires_in = LONG_LIFE;
    if (account->rotate || is_short(token)) {
        token = token_issue(account, TOKEN_ACCESS);
    } else {
        token->issued_at = account->changed_at = sim_now();
        token->expires_at = sim_now() + account->expires_in;
    }
    account->refresh_ok++;
    account->last_used_at = sim_now();
    graph_grant(reply, token->value, account->expires_in);
}

static bool is_good(struct token *token, struct reply *reply)
{
    if (!token || token->kind != TOKEN_ACCESS)
        graph_refuse(reply, 400, 190, 0, "OAuthException",
                     "Invalid OAuth access token - Cannot parse access token");
    else if (token->revoked || token_expired(token))
        graph_refuse_token(reply, token);
    else
        return true;
    return false;
}

static void refresh(const struct form *form, struct token *token, struct reply *reply)
{
    const char *grant = form_get(form, "grant_type");

    if (!grant || strcmp(grant, "ig_refresh_token") != 0) {
        graph_refuse(reply, 400, 100, 0, "IGApiException", "Invalid grant_type");
    } else if (is_good(token, reply)) {
        if (!is_short(token) && sim_now() - token->issued_at >= DAY) {
            extend(token, reply);
            return;
        }
        token->account->reuse++;
        token->account->refresh_refused++;
        unsupported(reply);
    }
}

static bool secret_known(const char *secret)
{
    bool registered;
    const struct client *client = client_find(&instagram_provider, "app", &registered);

    return secret && (!registered || (client && strcmp(client->secret, secret) == 0));
}

static void exchange(const struct form *form, struct token *token, struct reply *reply)
{
    const char *grant = form_get(form, "grant_type");

    if (!grant || strcmp(grant, "ig_exchange_token") != 0)
        graph_refuse(reply, 400, 100, 0, "IGApiException", "Invalid grant_type");
    else if (!secret_known(form_get(form, "client_secret")))
        graph_refuse(reply, 400, 100, 0, "IGApiException", "Error validating client secret");
    else if (!is_good(token, reply))
        return;
    else if (is_short(token))
        extend(token, reply);
    else
        graph_refuse(reply, 400, 452, 0, "IGApiException", "Session key invalid");
}

static void instagram_answer(const struct request *request, struct reply *reply)
{
    struct token *token = instagram_presents(request);
    struct form form;

    form_parse(request->query, &form);
    if (strcmp(request->method, "GET") != 0) {
        unsupported(reply);
    } else if (strcmp(request->rest, "/refresh_access_token") == 0) {
        refresh(&form, token, reply);
    } else if (strcmp(request->rest, "/access_token") == 0) {
        exchange(&form, token, reply);
    } else if (strcmp(request->rest, "/me") == 0) {
        if (is_good(token, reply)) {
            struct json_object *json = json_object_new_object();
            json_object_object_add(json, "id", json_object_new_string(token->account->name));
            reply_json(reply, 200, json);
        }
        reply->outcome = reply->status == 200 ? "resource" : "resource_refused";
    } else {
        graph_refuse(reply, 404, 100, 0, "IGApiException", "Unsupported path");
    }
    form_done(&form);
}

const struct provider instagram_provider = {
    .name = "instagram",
    .prefix = "/instagram",
    .token_path = "access_token",
    .scope = "instagram_business_basic",
    .life = LONG_LIFE,
    .presents = instagram_presents,
    .answer = instagram_answer,
};
