/* SPDX-License-Identifier: MIT
 * The truth, told: one account or one token as JSON, one account as a line for shell tools.
 */
#include <json-c/json.h>

#include "core/base/buf.h"
#include "tests/sim/sim.h"
#include "tests/sim/truth.h"

static void add_text(struct json_object *json, const char *name, const char *value)
{
    json_object_object_add(json, name, value ? json_object_new_string(value) : NULL);
}

static void add_number(struct json_object *json, const char *name, uint64_t value)
{
    json_object_object_add(json, name, json_object_new_int64((int64_t)value));
}

static void add_time(struct json_object *json, const char *name, int64_t value)
{
    json_object_object_add(json, name, value ? json_object_new_int64(value) : NULL);
}

static bool is_live(const struct token *token)
{
    return token && !token->revoked && !token->spent && !token_expired(token);
}

static struct json_object *live_tokens(const struct account *account)
{
    struct json_object *list = json_object_new_array();

    for (const struct token *token = account->newest; token; token = token->older)
        if (token->kind == TOKEN_ACCESS && is_live(token))
            json_object_array_add(list, json_object_new_string(token->value));
    return list;
}

struct json_object *truth_account_json(const struct account *account)
{
    struct json_object *json = json_object_new_object();
    const struct token *refresh = is_live(account->refresh) ? account->refresh : NULL;
    const struct token *access = is_live(account->access) ? account->access : NULL;

    add_text(json, "provider", account->provider->name);
    add_text(json, "account", account->name);
    add_text(json, "access_token", access ? access->value : NULL);
    add_time(json, "expires_at", access ? access->expires_at : 0);
    json_object_object_add(json, "live_access_tokens", live_tokens(account));
    add_text(json, "refresh_token", refresh ? refresh->value : NULL);
    add_time(json, "refresh_expires_at", refresh ? refresh->expires_at : 0);
    add_text(json, "scope", account->scope);
    json_object_object_add(json, "revoked", json_object_new_boolean(account->revoked));
    add_text(json, "reason", account->reason);
    add_number(json, "spent", account->spent);
    add_number(json, "presented", account->presented);
    add_number(json, "refresh_ok", account->refresh_ok);
    add_number(json, "refresh_refused", account->refresh_refused);
    add_number(json, "reuse", account->reuse);
    add_number(json, "repeats", account->repeats);
    add_number(json, "misbehaved", account->misbehaved);
    add_number(json, "max_presented", account->most_presented);
    add_number(json, "max_concurrent", account->most_in_flight);
    add_time(json, "changed_at", account->changed_at);
    return json;
}

void truth_account_line(const struct account *account, struct buf *out)
{
    buf_printf(out, "%s\t%s\t%s\t%d\t%llu\t%llu\t%llu\t%llu\t%llu\t%u\n", account->name,
               is_live(account->access) ? account->access->value : "",
               is_live(account->refresh) ? account->refresh->value : "", account->revoked ? 1 : 0,
               (unsigned long long)account->presented, (unsigned long long)account->reuse,
               (unsigned long long)account->refresh_ok, (unsigned long long)account->misbehaved,
               (unsigned long long)account->most_presented, account->most_in_flight);
}

struct json_object *truth_token_json(const char *value)
{
    struct json_object *json = json_object_new_object();
    const struct token *token = token_find(value);

    add_text(json, "state", token ? token_state(token) : "unknown");
    if (!token)
        return json;
    add_text(json, "provider", token->account->provider->name);
    add_text(json, "account", token->account->name);
    add_text(json, "kind", token->kind == TOKEN_ACCESS ? "access" : "refresh");
    add_number(json, "presented", token->presented);
    add_number(json, "max_concurrent", token->most_in_flight);
    add_time(json, "issued_at", token->issued_at);
    add_time(json, "expires_at", token->expires_at);
    add_time(json, "spent_at", token->spent_at);
    add_text(json, "next_refresh_token", token->next_refresh ? token->next_refresh->value : NULL);
    return json;
}
