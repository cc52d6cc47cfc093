/* SPDX-License-Identifier: MIT
 * Facebook's Graph API: GET /facebook/VERSION/oauth/access_token exchanges a valid token for a new
 * one, the old one keeps its own end; GET /facebook/VERSION/debug_token; GET /facebook/VERSION/me;
 * POST /facebook/VERSION/PIXEL/events, in facebook_events.c.
 * Of an account, "testing" means that its tokens never expire, "grace" that an exchange does not
 * extend their life, "rotate" that the answers do not say how long they live.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "tests/sim/facebook_events.h"
#include "tests/sim/graph.h"

enum { LONG_LIFE = 5183944 };

static const char exchange_path[] = "/oauth/access_token", debug_path[] = "/debug_token";

/* The path behind "/v26.0", or NULL. */
static const char *behind_version(const char *rest)
{
    if (strncmp(rest, "/v", 2) != 0)
        return NULL;
    rest += 2;
    rest += strspn(rest, "0123456789.");
    return *rest == '/' ? rest : NULL;
}

/* In the query, as a bearer, or among what the body holds. */
static struct token *events_token(const struct request *request)
{
    struct token *token = graph_token(&facebook_provider, request, "access_token");
    const char *bearer = bearer_of(request);
    struct form form;

    if (!token && bearer)
        token = token_find(bearer);
    if (!token && !bearer) {
        events_form(request, &form);
        const char *value = form_get(&form, "access_token");
        token = value ? token_find(value) : NULL;
        form_done(&form);
    }
    return token && token->account->provider == &facebook_provider ? token : NULL;
}

static struct token *facebook_presents(const struct request *request)
{
    const char *path = behind_version(request->rest);
    if (events_path(path))
        return events_token(request);
    const char *name = !path                              ? "access_token"
                       : strcmp(path, exchange_path) == 0 ? "fb_exchange_token"
                       : strcmp(path, debug_path) == 0    ? "input_token"
                                                          : "access_token";
    return graph_token(&facebook_provider, request, name);
}

static bool is_over(const struct token *token)
{
    return !token->account->testing && token_expired(token);
}

static bool client_ok(const char *id, const char *secret, struct reply *reply)
{
    bool registered;
    const struct client *client = client_find(&facebook_provider, id, &registered);

    if (!id || (registered && !client))
        graph_refuse(reply, 400, 101, 0, "OAuthException",
                     "Error validating application. Cannot get application info.");
    else if (!secret || (client && strcmp(client->secret, secret) != 0))
        graph_refuse(reply, 400, 1, 0, "OAuthException", "Error validating client secret.");
    else
        return true;
    return false;
}

static bool is_good(struct token *token, struct reply *reply)
{
    if (!token || token->kind != TOKEN_ACCESS)
        graph_refuse(reply, 400, 190, 0, "OAuthException",
                     "Invalid OAuth access token - Cannot parse access token");
    else if (token->revoked || is_over(token))
        graph_refuse_token(reply, token);
    else
        return true;
    return false;
}

static void exchange(const struct form *form, struct token *token, struct reply *reply)
{
    const char *grant = form_get(form, "grant_type");

    if (!grant || strcmp(grant, "fb_exchange_token") != 0) {
        graph_refuse(reply, 400, 100, 0, "OAuthException", "Invalid grant_type");
    } else if (client_ok(form_get(form, "client_id"), form_get(form, "client_secret"), reply) &&
               is_good(token, reply)) {
        struct account *account = token->account;
        int64_t end = token->expires_at;
        struct token *next = token_issue(account, TOKEN_ACCESS);
        next->expires_at = account->grace ? end : sim_now() + LONG_LIFE;
        account->refresh_ok++;
        account->last_used_at = sim_now();
        graph_grant(reply, next->value, account->testing || account->rotate ? 0 : next->expires_at - sim_now());
    }
}

static struct json_object *token_data(const struct token *token)
{
    struct json_object *data = json_object_new_object(), *error = json_object_new_object();
    bool valid = token && !token->revoked && !is_over(token);

    json_object_object_add(data, "app_id", json_object_new_string("app"));
    json_object_object_add(data, "is_valid", json_object_new_boolean(valid));
    json_object_object_add(data, "type", json_object_new_string("USER"));
    if (valid) {
        json_object_put(error);
        json_object_object_add(data, "issued_at", json_object_new_int64(token->issued_at));
        json_object_object_add(data, "expires_at",
                               json_object_new_int64(token->account->testing ? 0 : token->expires_at));
        return data;
    }
    json_object_object_add(error, "code", json_object_new_int(190));
    json_object_object_add(error, "message", json_object_new_string("Error validating token"));
    json_object_object_add(error, "subcode", json_object_new_int(463));
    json_object_object_add(data, "error", error);
    return data;
}

static void debug(const struct form *form, const struct token *token, struct reply *reply)
{
    const char *app = form_get(form, "access_token");
    cleanup(free_p) char *id = app ? xstrdup(app) : NULL;
    char *bar = id ? strchr(id, '|') : NULL;

    if (bar)
        *bar = '\0';
    if (!bar || !client_ok(id, bar + 1, reply)) {
        graph_refuse(reply, 400, 190, 0, "OAuthException",
                     "Invalid OAuth access token - Cannot parse access token");
        return;
    }
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "data", token_data(token));
    reply_json(reply, 200, json);
    reply->outcome = "resource";
}

/* A call of the API itself: some tokens serve for an exchange alone. */
static bool serves(struct token *token, struct reply *reply)
{
    if (!is_good(token, reply))
        return false;
    if (token->unfit)
        graph_refuse(reply, 400, 190, 463, "OAuthException",
                     "Error validating access token: Session has expired on Thursday, 15-Jan-26.");
    return !token->unfit;
}

static void take_events(const struct request *request, struct token *token, struct reply *reply)
{
    struct form form;

    if (serves(token, reply)) {
        events_form(request, &form);
        events_take(request, &form, token, reply);
        form_done(&form);
    }
    reply->outcome = reply->status == 200 ? "resource" : "resource_refused";
}

static void facebook_answer(const struct request *request, struct reply *reply)
{
    const char *path = behind_version(request->rest);
    struct token *token = facebook_presents(request);
    struct form form;

    form_parse(request->query, &form);
    if (events_path(path) && strcmp(request->method, "POST") == 0) {
        take_events(request, token, reply);
    } else if (strcmp(request->method, "GET") != 0 || !path) {
        graph_refuse(reply, 400, 100, 0, "GraphMethodException", "Unsupported request");
    } else if (strcmp(path, exchange_path) == 0) {
        exchange(&form, token, reply);
    } else if (strcmp(path, debug_path) == 0) {
        debug(&form, token, reply);
    } else if (strcmp(path, "/me") == 0) {
        if (serves(token, reply)) {
            struct json_object *json = json_object_new_object();
            json_object_object_add(json, "id", json_object_new_string(token->account->name));
            reply_json(reply, 200, json);
        }
        reply->outcome = reply->status == 200 ? "resource" : "resource_refused";
    } else {
        graph_refuse(reply, 404, 100, 0, "GraphMethodException", "Unsupported path");
    }
    form_done(&form);
}

const struct provider facebook_provider = {
    .name = "facebook",
    .prefix = "/facebook",
    .token_path = "access_token",
    .scope = "ads_management,pages_show_list",
    .life = LONG_LIFE,
    .presents = facebook_presents,
    .answer = facebook_answer,
};
