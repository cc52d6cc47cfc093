/* SPDX-License-Identifier: MIT
 * Lightspeed X-Series: a path for each retailer in the place of its host, the account's name. A
 * refresh revokes what it used at once. POST /x/STORE/api/1.0/token,
 * GET /x/STORE/api/2.0/retailer.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "tests/sim/form.h"
#include "tests/sim/sim.h"
#include "tests/sim/truth.h"

static struct token *ours(const char *value)
{
    struct token *token = value ? token_find(value) : NULL;
    return token && token->account->provider == &lightspeed_x_provider ? token : NULL;
}

static struct token *x_presents(const struct request *request)
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

static void limit_headers(struct reply *reply)
{
    char reset[32];
    snprintf(reset, sizeof(reset), "%lld", (long long)sim_now() + 300);
    reply_header(reply, "X-RateLimit-Limit", "300");
    reply_header(reply, "X-RateLimit-Remaining", "299");
    reply_header(reply, "X-RateLimit-Reset", reset);
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
    json_object_object_add(json, "access_token", json_object_new_string(access->value));
    json_object_object_add(json, "token_type", json_object_new_string("Bearer"));
    json_object_object_add(json, "expires", json_object_new_int64(access->expires_at));
    json_object_object_add(json, "expires_in", json_object_new_int64(account->expires_in));
    json_object_object_add(json, "refresh_token", json_object_new_string(refresh->value));
    json_object_object_add(json, "domain_prefix", json_object_new_string(account->name));
    json_object_object_add(json, "scope", json_object_new_string(""));
    reply_json(reply, 200, json);
    reply->outcome = "ok";
}

/* store: the path's. A grant is known at its own retailer's server alone. */
static void grant_answer(struct token *token, const char *store, struct reply *reply)
{
    bool known = token && token->kind == TOKEN_REFRESH && strcmp(token->account->name, store) == 0;

    if (known && !token->spent && !token->revoked && !token_expired(token)) {
        rotate(token, reply);
        return;
    }
    reply_oauth_error(reply, 400, "invalid_grant", NULL);
    if (!known)
        return;
    token->account->refresh_refused++;
    if (token->spent) {
        token->account->reuse++;
        account_revoke(token->account, "reuse");
        reply->outcome = "reuse";
    }
}

static bool client_is_good(const struct client_claim *claim)
{
    bool registered;
    const struct client *client = client_find(&lightspeed_x_provider, claim->id, &registered);

    return claim->id && claim->secret &&
           (!registered || (client && !client->deleted && strcmp(client->secret, claim->secret) == 0));
}

static void token_answer(const struct request *request, const char *store, struct reply *reply)
{
    struct client_claim claim;
    struct form form;

    form_parse(request->body, &form);
    client_claim_read(request, &form, &claim);
    const char *grant_type = form_get(&form, "grant_type");
    if (!content_is_form(request) || form.malformed || form.twice || *request->query)
        reply_oauth_error(reply, 400, "invalid_request", NULL);
    else if (!client_is_good(&claim))
        reply_oauth_error(reply, 401, "invalid_client", NULL);
    else if (!grant_type || strcmp(grant_type, "refresh_token") != 0)
        reply_oauth_error(reply, 400, "unsupported_grant_type", NULL);
    else
        grant_answer(ours(form_get(&form, "refresh_token")), store, reply);
    client_claim_done(&claim);
    form_done(&form);
    limit_headers(reply);
}

static void retailer_answer(const struct request *request, const char *store, struct reply *reply)
{
    const struct token *token = ours(bearer_of(request));
    bool good = token && token->kind == TOKEN_ACCESS && strcmp(token->account->name, store) == 0 &&
                strcmp(token_state(token), "live") == 0;

    if (!good) {
        reply_oauth_error(reply, 401, "Unauthorized", NULL);
        reply->outcome = "resource_refused";
        return;
    }
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "domain_prefix", json_object_new_string(store));
    reply_json(reply, 200, json);
    reply->outcome = "resource";
}

static void x_answer(const struct request *request, struct reply *reply)
{
    size_t len = strcspn(request->rest + 1, "/");
    cleanup(free_p) char *store = xstrndup(request->rest + 1, len);
    const char *path = request->rest + 1 + len;
    bool post = strcmp(request->method, "POST") == 0;

    if (!account_find(&lightspeed_x_provider, store))
        reply_text(reply, 404, "text/html; charset=utf-8", "<title>No such store</title>");
    else if (post && strcmp(path, "/api/1.0/token") == 0)
        token_answer(request, store, reply);
    else if (!post && strcmp(path, "/api/2.0/retailer") == 0)
        retailer_answer(request, store, reply);
    else
        reply_text(reply, 404, "text/html; charset=utf-8", "<title>404 Not Found</title>");
}

const struct provider lightspeed_x_provider = {
    .name = "lightspeed_x",
    .prefix = "/x",
    .token_path = "/api/1.0/token",
    .scope = "",
    .life = 604800,
    .presents = x_presents,
    .answer = x_answer,
};
