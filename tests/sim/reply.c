/* SPDX-License-Identifier: MIT
 * Building a reply: status, headers, a body from JSON or text.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "tests/sim/sim.h"

static void reply_type(struct reply *reply, const char *type)
{
    snprintf(reply->content_type, sizeof(reply->content_type), "%s", type);
}

void reply_done(struct reply *reply)
{
    for (size_t i = 0; i < reply->header_count; i++) {
        free(reply->headers[i].name);
        free(reply->headers[i].value);
    }
    json_object_put(reply->json);
    free(reply->body);
    memset(reply, 0, sizeof(*reply));
}

void reply_header(struct reply *reply, const char *name, const char *value)
{
    if (reply->header_count == REPLY_HEADERS)
        return;
    struct header *header = &reply->headers[reply->header_count++];
    header->name = xstrdup(name);
    header->value = xstrdup(value);
}

void reply_body(struct reply *reply, char *body, size_t len)
{
    json_object_put(reply->json);
    reply->json = NULL;
    free(reply->body);
    reply->body = body;
    reply->len = len;
}

void reply_json(struct reply *reply, int status, struct json_object *json)
{
    reply_body(reply, NULL, 0);
    reply->status = status;
    reply->json = json;
    reply_type(reply, "application/json; charset=utf-8");
}

void reply_text(struct reply *reply, int status, const char *type, const char *text)
{
    reply_body(reply, xstrdup(text), strlen(text));
    reply->status = status;
    reply_type(reply, type);
}

void reply_oauth_error(struct reply *reply, int status, const char *code, const char *description)
{
    struct json_object *json = json_object_new_object();

    json_object_object_add(json, "error", json_object_new_string(code));
    if (description)
        json_object_object_add(json, "error_description", json_object_new_string(description));
    reply_json(reply, status, json);
    reply->outcome = "refused";
}

void reply_render(struct reply *reply)
{
    if (!reply->json)
        return;
    const char *text =
        json_object_to_json_string_ext(reply->json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    size_t len = strlen(text);
    char *copy = xstrndup(text, len);
    reply_body(reply, copy, len);
}
