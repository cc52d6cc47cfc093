/* SPDX-License-Identifier: MIT
 * An API that shows what arrived: /echo/... takes the access token of any provider as a bearer, or as
 * access_token in the query, a form or the header X-Access-Token, and answers with method, target, headers and
 * body. A dead token is refused with 401.
 */
#include <json-c/json.h>
#include <microhttpd.h>
#include <string.h>

#include "tests/sim/form.h"
#include "tests/sim/sim.h"
#include "tests/sim/truth.h"

static struct token *token_in(const char *members)
{
    struct form form;

    form_parse(members, &form);
    const char *value = form_get(&form, "access_token");
    struct token *token = value ? token_find(value) : NULL;
    form_done(&form);
    return token;
}

static struct token *echo_presents(const struct request *request)
{
    const char *bearer = bearer_of(request), *header = request_header(request, "X-Access-Token");
    struct token *token = bearer ? token_find(bearer) : header ? token_find(header) : token_in(request->query);

    return token || !content_is_form(request) ? token : token_in(request->body);
}

static enum MHD_Result add_header(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    json_object_object_add(ctx, name, json_object_new_string(value ? value : ""));
    return MHD_YES;
}

static void show(const struct request *request, struct reply *reply)
{
    struct json_object *json = json_object_new_object(), *headers = json_object_new_object();

    json_object_object_add(json, "method", json_object_new_string(request->method));
    json_object_object_add(json, "path", json_object_new_string(request->rest));
    json_object_object_add(json, "query", json_object_new_string(request->query));
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, add_header, headers);
    json_object_object_add(json, "headers", headers);
    json_object_object_add(json, "body", json_object_new_string(request->body));
    reply_json(reply, 200, json);
    reply->outcome = "resource";
    reply_header(reply, "Set-Cookie", "session=1");
    reply_header(reply, "X-Echo", "yes");
    reply_header(reply, "X-Echo", "twice");
    reply_header(reply, "Renewd-Error", "forged");
    reply_header(reply, "X-Hop", "ends here");
    reply_header(reply, "Connection", "X-Hop");
}

static void echo_answer(const struct request *request, struct reply *reply)
{
    const struct token *token = echo_presents(request);

    if (token && token->kind == TOKEN_ACCESS && strcmp(token_state(token), "live") == 0) {
        show(request, reply);
        return;
    }
    reply_oauth_error(reply, 401, "invalid_token", "The access token is not valid");
    reply->outcome = "resource_refused";
}

const struct provider echo_provider = {
    .name = "echo",
    .prefix = "/echo",
    .token_path = "/none",
    .scope = "all",
    .life = 3600,
    .presents = echo_presents,
    .answer = echo_answer,
};
