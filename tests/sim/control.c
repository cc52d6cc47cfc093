/* SPDX-License-Identifier: MIT
 * The control API under /_sim/: what tests set and what they ask. Requests with a member that
 * nobody knows are refused, so that a slip in a test does not pass for a wish.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "tests/sim/facebook_events.h"
#include "tests/sim/form.h"
#include "tests/sim/ledger.h"
#include "tests/sim/misbehave.h"
#include "tests/sim/sim.h"
#include "tests/sim/truth.h"

enum { ACCOUNTS_MAX = 1000000, TEXT_MAX = 1 << 30 };

/* One control request: the JSON sent, the query, and what became of it. */
struct call {
    struct json_object *json; /* an object, or NULL when there was no body */
    struct form query;
    struct reply *reply;
    char wrong[160];
};

static void answer_json(struct call *call, struct json_object *json)
{
    reply_json(call->reply, 200, json);
}

static void answer_empty(struct call *call)
{
    answer_json(call, json_object_new_object());
}

static void wrong(struct call *call, const char *what, const char *name)
{
    if (!*call->wrong)
        snprintf(call->wrong, sizeof(call->wrong), "%s: %.60s", what, name);
}

/* The member, or NULL when absent or null; a wrong type is a mistake. */
static struct json_object *member(struct call *call, const char *name, enum json_type type)
{
    struct json_object *value = NULL;

    if (!call->json || !json_object_object_get_ex(call->json, name, &value) || !value)
        return NULL;
    if (json_object_is_type(value, type))
        return value;
    wrong(call, "wrong type", name);
    return NULL;
}

static const char *text(struct call *call, const char *name)
{
    struct json_object *value = member(call, name, json_type_string);
    return value ? json_object_get_string(value) : NULL;
}

static int64_t number(struct call *call, const char *name, int64_t otherwise)
{
    struct json_object *value = member(call, name, json_type_int);
    return value ? json_object_get_int64(value) : otherwise;
}

static bool truth_value(struct call *call, const char *name)
{
    struct json_object *value = member(call, name, json_type_boolean);
    return value && json_object_get_boolean(value);
}

/* names: those allowed, each between blanks. */
static void only(struct call *call, const char *names)
{
    if (!call->json)
        return;
    json_object_object_foreach(call->json, name, value)
    {
        char padded[64];
        (void)value;
        snprintf(padded, sizeof(padded), " %.60s ", name);
        if (!strstr(names, padded))
            wrong(call, "no such member", name);
    }
}

static const struct provider *provider(struct call *call)
{
    const char *name = text(call, "provider");
    const struct provider *found = name ? provider_named(name) : NULL;

    if (!found)
        wrong(call, "no such provider", name ? name : "(none given)");
    return found;
}

static void post_reset(struct call *call)
{
    truth_reset();
    answer_empty(call);
}

static void post_mark(struct call *call)
{
    ledger_mark();
    answer_empty(call);
}

static void get_clock(struct call *call)
{
    struct json_object *json = json_object_new_object();

    json_object_object_add(json, "now", json_object_new_int64(sim_now()));
    json_object_object_add(json, "frozen", json_object_new_boolean(sim_clock_frozen()));
    answer_json(call, json);
}

static void post_clock(struct call *call)
{
    only(call, " now advance real ");
    int64_t now = number(call, "now", -1), advance = number(call, "advance", 0);
    bool real = truth_value(call, "real");

    if (*call->wrong)
        return;
    if (real)
        sim_clock_real();
    if (now >= 0)
        sim_clock_set(now);
    sim_clock_advance(advance);
    get_clock(call);
}

static void post_clients(struct call *call)
{
    only(call, " provider client_id client_secret auth deleted ");
    const struct provider *of = provider(call);
    const char *id = text(call, "client_id"), *secret = text(call, "client_secret");
    const char *auth = text(call, "auth");
    bool deleted = truth_value(call, "deleted");
    enum client_auth kind = AUTH_ANY;

    if (auth && strcmp(auth, "post") == 0)
        kind = AUTH_POST;
    else if (auth && strcmp(auth, "basic") == 0)
        kind = AUTH_BASIC;
    else if (auth && strcmp(auth, "any") != 0)
        wrong(call, "auth is post, basic or any", auth);
    if (!id || !secret)
        wrong(call, "needed", "client_id, client_secret");
    if (*call->wrong)
        return;
    client_add(of, id, secret, kind, deleted);
    answer_empty(call);
}

static struct json_object *issued_json(const struct account *account)
{
    struct json_object *json = json_object_new_object();

    json_object_object_add(json, "account", json_object_new_string(account->name));
    json_object_object_add(json, "access_token", json_object_new_string(account->access->value));
    json_object_object_add(json, "refresh_token", json_object_new_string(account->refresh->value));
    json_object_object_add(json, "expires_at", json_object_new_int64(account->access->expires_at));
    json_object_object_add(json, "scope", json_object_new_string(account->scope));
    return json;
}

static bool wants_lines(const struct call *call)
{
    const char *format = form_get(&call->query, "format");
    return format && strcmp(format, "tsv") == 0;
}

static void answer_lines(struct call *call, struct buf *lines)
{
    size_t len = lines->len;
    char *body = buf_steal(lines);

    reply_text(call->reply, 200, "text/tab-separated-values; charset=utf-8", "");
    reply_body(call->reply, body ? body : xstrdup(""), body ? len : 0);
}

static void answer_accounts(struct call *call, struct json_object *list, struct buf *lines)
{
    if (wants_lines(call)) {
        json_object_put(list);
        answer_lines(call, lines);
        return;
    }
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "accounts", list);
    answer_json(call, json);
}

static void read_spec(struct call *call, const struct provider *of, struct account_spec *ret_spec)
{
    ret_spec->client_id = text(call, "client_id");
    ret_spec->scope = text(call, "scope");
    if (!ret_spec->scope)
        ret_spec->scope = of->scope;
    ret_spec->access_token = text(call, "access_token");
    ret_spec->refresh_token = text(call, "refresh_token");
    ret_spec->expires_in = number(call, "expires_in", of->life);
    ret_spec->refresh_expires_in = number(call, "refresh_expires_in", of->refresh_life);
    ret_spec->grace = number(call, "grace", 0);
    ret_spec->bucket = number(call, "bucket", 0);
    ret_spec->age = number(call, "age", 0);
    ret_spec->testing = truth_value(call, "testing");
    ret_spec->rotate = truth_value(call, "rotate");
    if (ret_spec->expires_in < 1 || ret_spec->refresh_expires_in < 0 || ret_spec->grace < 0)
        wrong(call, "positive", "expires_in, refresh_expires_in, grace");
}

/* count accounts PREFIX-1 ... (numbers taken are passed over), or the one that is named. */
static void add_accounts(struct call *call, const struct provider *of, struct account_spec *spec, int64_t count)
{
    const char *prefix = text(call, "prefix"), *name = text(call, "account");
    struct json_object *list = json_object_new_array();
    struct buf lines;

    buf_init(&lines, TEXT_MAX);
    for (int64_t made = 0, i = 1; made < count; i++) {
        cleanup(free_p) char *numbered = xasprintf("%s-%lld", prefix ? prefix : "acct", (long long)i);
        spec->name = name ? name : numbered;
        if (!name && account_find(of, numbered))
            continue;
        const struct account *account = account_add(of, spec);
        if (!account) {
            wrong(call, "taken: this name or one of its tokens", spec->name);
            break;
        }
        json_object_array_add(list, issued_json(account));
        buf_printf(&lines, "%s\t%s\t%s\t%lld\n", account->name, account->access->value, account->refresh->value,
                   (long long)account->access->expires_at);
        made++;
    }
    answer_accounts(call, list, &lines);
    buf_done(&lines);
}

static void post_accounts(struct call *call)
{
    struct account_spec spec = {0};

    only(call, " provider count prefix account access_token refresh_token expires_in"
               " refresh_expires_in scope client_id grace bucket age testing rotate ");
    const struct provider *of = provider(call);
    if (!of)
        return;
    read_spec(call, of, &spec);
    int64_t count = number(call, "count", 1);
    bool one = text(call, "account") || spec.access_token || spec.refresh_token;
    if (count < 0 || count > ACCOUNTS_MAX || (one && count != 1))
        wrong(call, "count", one ? "one account can be named at a time" : "out of range");
    if (!*call->wrong)
        add_accounts(call, of, &spec, count);
}

static void list_accounts(struct call *call, const struct provider *of, struct json_object *list, struct buf *lines)
{
    const char *since_text = form_get(&call->query, "since");
    const char *name = form_get(&call->query, "account");
    int64_t since = since_text ? strtoll(since_text, NULL, 10) : INT64_MIN;
    const struct account *account;
    size_t cursor = 0;
    bool tsv = wants_lines(call);

    while ((account = account_next(of, &cursor))) {
        if (account->changed_at < since || (name && strcmp(name, account->name) != 0))
            continue;
        if (tsv)
            truth_account_line(account, lines);
        else
            json_object_array_add(list, truth_account_json(account));
    }
}

static void get_accounts(struct call *call)
{
    const char *name = form_get(&call->query, "provider");
    struct json_object *list = json_object_new_array();
    struct buf lines;

    buf_init(&lines, TEXT_MAX);
    if (name && !provider_named(name))
        wrong(call, "no such provider", name);
    for (size_t i = 0; provider_at(i); i++)
        if (!name || strcmp(name, provider_at(i)->name) == 0)
            list_accounts(call, provider_at(i), list, &lines);
    answer_accounts(call, list, &lines);
    buf_done(&lines);
}

static void get_token(struct call *call)
{
    const char *value = form_get(&call->query, "value");

    if (!value)
        wrong(call, "needed", "value");
    else
        answer_json(call, truth_token_json(value));
}

/* NULL: it was answered. */
static struct token *named_token(struct call *call)
{
    only(call, " token ");
    const char *value = text(call, "token");
    struct token *token = value ? token_find(value) : NULL;

    if (!token)
        wrong(call, "no such", "token");
    if (*call->wrong)
        return NULL;
    answer_empty(call);
    return token;
}

static void post_unfit(struct call *call)
{
    struct token *token = named_token(call);

    if (token)
        token->unfit = true;
}

static void post_kill(struct call *call)
{
    struct token *token = named_token(call);

    if (token)
        token->revoked = true;
}

static void post_pixels(struct call *call)
{
    only(call, " pixel account refusal ");
    const char *pixel = text(call, "pixel"), *account = text(call, "account");
    int64_t refusal = number(call, "refusal", 0);

    if (!pixel || refusal < 0 || refusal > 1000000)
        wrong(call, "needed", "pixel; refusal is a code");
    if (*call->wrong)
        return;
    pixel_add(pixel, account, (int)refusal);
    answer_empty(call);
}

static void get_events(struct call *call)
{
    const char *pixel = form_get(&call->query, "pixel");
    struct buf lines;

    if (!wants_lines(call)) {
        answer_json(call, events_json(pixel, form_get(&call->query, "event_id")));
        return;
    }
    buf_init(&lines, TEXT_MAX);
    events_lines(pixel, &lines);
    answer_lines(call, &lines);
    buf_done(&lines);
}

static void post_revoke(struct call *call)
{
    only(call, " provider account reason ");
    const struct provider *of = provider(call);
    const char *name = text(call, "account"), *reason = text(call, "reason");
    struct account *account = of && name ? account_find(of, name) : NULL;

    if (!account)
        wrong(call, "no such account", name ? name : "(none given)");
    if (*call->wrong)
        return;
    account_revoke(account, reason ? reason : "revoked");
    answer_empty(call);
}

/* What is granted from now on; what was granted stands. */
static void post_lives(struct call *call)
{
    only(call, " provider account expires_in refresh_expires_in ");
    const struct provider *of = provider(call);
    const char *name = text(call, "account");
    int64_t life = number(call, "expires_in", -1);
    int64_t refresh_life = number(call, "refresh_expires_in", -1);
    struct account *account;
    size_t cursor = 0;

    while (of && !*call->wrong && (account = account_next(of, &cursor))) {
        if (name && strcmp(name, account->name) != 0)
            continue;
        if (life > 0)
            account->expires_in = life;
        if (refresh_life >= 0)
            account->refresh_expires_in = refresh_life;
    }
    answer_empty(call);
}

static void get_misbehave(struct call *call)
{
    struct json_object *json = json_object_new_object();

    json_object_object_add(json, "queued", json_object_new_int64((int64_t)misbehave_queued()));
    answer_json(call, json);
}

static void post_misbehave(struct call *call)
{
    if (truth_value(call, "clear")) {
        misbehave_reset();
    } else {
        const char *mistake = call->json ? misbehave_add(call->json) : "no body";
        if (mistake)
            wrong(call, "misbehave", mistake);
    }
    get_misbehave(call);
}

static void get_log(struct call *call)
{
    const char *n = form_get(&call->query, "n");
    struct json_object *json = json_object_new_object();
    long long wanted = n ? strtoll(n, NULL, 10) : 100;

    json_object_object_add(json, "requests", ledger_log(wanted > 0 ? (size_t)wanted : 0));
    answer_json(call, json);
}

static void get_counts(struct call *call)
{
    answer_json(call, ledger_counts());
}

static const struct {
    const char *method, *path;
    void (*answer)(struct call *call);
} routes[] = {
    {"POST", "reset", post_reset},     {"POST", "mark", post_mark},         {"GET", "clock", get_clock},
    {"POST", "clock", post_clock},     {"POST", "clients", post_clients},   {"POST", "accounts", post_accounts},
    {"GET", "accounts", get_accounts}, {"GET", "token", get_token},         {"POST", "lives", post_lives},
    {"POST", "unfit", post_unfit},     {"POST", "pixels", post_pixels},     {"GET", "events", get_events},
    {"POST", "revoke", post_revoke},   {"GET", "misbehave", get_misbehave}, {"POST", "misbehave", post_misbehave},
    {"GET", "log", get_log},           {"GET", "counts", get_counts},       {"POST", "kill", post_kill},
};

static void mistake(struct reply *reply, int status, const char *what)
{
    struct json_object *json = json_object_new_object();

    json_object_object_add(json, "error", json_object_new_string(what));
    reply_json(reply, status, json);
}

static void run(const struct request *request, struct call *call, size_t route)
{
    if (request->len) {
        call->json = json_tokener_parse(request->body);
        if (!json_object_is_type(call->json, json_type_object)) {
            mistake(call->reply, 400, "the body is not a JSON object");
            json_object_put(call->json);
            return;
        }
    }
    form_parse(request->query, &call->query);
    truth_lock();
    routes[route].answer(call);
    truth_unlock();
    form_done(&call->query);
    if (*call->wrong)
        mistake(call->reply, 400, call->wrong);
    json_object_put(call->json);
}

void control_answer(const struct request *request, struct reply *reply)
{
    struct call call = {.reply = reply};

    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (strcmp(request->method, routes[i].method) == 0 &&
            strcmp(request->path + strlen("/_sim/"), routes[i].path) == 0) {
            run(request, &call, i);
            return;
        }
    mistake(reply, 404, "no such control route");
}
