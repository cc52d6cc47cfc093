/* SPDX-License-Identifier: MIT
 * See graph.h.
 */
#include "tests/sim/graph.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

void graph_refuse(struct reply *reply, int status, int code, int subcode, const char *type, const char *message)
{
    struct json_object *json = json_object_new_object(), *error = json_object_new_object();

    json_object_object_add(error, "message", json_object_new_string(message));
    json_object_object_add(error, "type", json_object_new_string(type));
    json_object_object_add(error, "code", json_object_new_int(code));
    if (subcode)
        json_object_object_add(error, "error_subcode", json_object_new_int(subcode));
    json_object_object_add(error, "fbtrace_id", json_object_new_string("AbcExample"));
    json_object_object_add(json, "error", error);
    reply_json(reply, status, json);
    reply->outcome = "refused";
}

void graph_refuse_token(struct reply *reply, const struct token *token)
{
    const char *reason = token->account->reason ? token->account->reason : "";

    token->account->refresh_refused++;
    if (token->revoked && strcmp(reason, "tester") == 0)
        graph_refuse(reply, 400, 100, 0, "IGApiException", "Unsupported request - method type: get");
    else if (token->revoked)
        graph_refuse(reply, 400, 190, atoi(reason), "OAuthException",
                     "Error validating access token: the session has been invalidated.");
    else
        graph_refuse(reply, 400, 190, 463, "OAuthException",
                     "Error validating access token: Session has expired on Thursday, 15-Jan-26.");
}

void graph_grant(struct reply *reply, const char *token, int64_t expires_in)
{
    struct json_object *json = json_object_new_object();

    json_object_object_add(json, "access_token", json_object_new_string(token));
    json_object_object_add(json, "token_type", json_object_new_string("bearer"));
    if (expires_in)
        json_object_object_add(json, "expires_in", json_object_new_int64(expires_in));
    reply_json(reply, 200, json);
    reply_header(reply, "X-App-Usage", "{\"call_count\":1,\"total_time\":2,\"total_cputime\":1}");
    reply->outcome = "ok";
}

struct token *graph_token(const struct provider *provider, const struct request *request, const char *name)
{
    struct form form;

    form_parse(request->query, &form);
    const char *value = form_get(&form, name);
    struct token *token = value ? token_find(value) : NULL;
    form_done(&form);
    return token && token->account->provider == provider ? token : NULL;
}
