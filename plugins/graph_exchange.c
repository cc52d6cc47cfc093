/* SPDX-License-Identifier: MIT
 * See graph.h: a Facebook token is exchanged for its own successor (fb_exchange_token) while it is valid; an
 * expired one never is. If a reply does not give the token's lifetime, or it is unknown whether the token expires,
 * debug_token is called: many tokens never expire and are not exchanged.
 */
#include "graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WEEK (7 * GRAPH_DAY)
#define LONG (60 * GRAPH_DAY)
#define LAST INT64_C(253402300799) /* the end of the year 9999 */
#define SOONEST 60                 /* seconds after a success, whatever was granted */

enum { HEAD = GRAPH_HASH + 3, MEMO = HEAD + 20 };
enum { ASKED_EXCHANGE = 1, ASKED_FIRST, ASKED_AFTER };

/* ---- The memo: "n <hash> <when>" ----------------------------------------------------------- */

void graph_hash(const struct graph *g, struct renewd_call *call, const char *token, char *ret)
{
    uint8_t hash[32];

    g->services->sha256(token, strlen(token), hash);
    memcpy(ret, g->services->hex(call, hash, GRAPH_HASH / 2), GRAPH_HASH);
}

int graph_marked(const struct graph *g, struct renewd_call *call, const struct renewd_record *r, int64_t *ret_when)
{
    const struct renewd_value *token = g->services->slot(r, "access_token");
    char memo[MEMO + 1], hash[GRAPH_HASH];

    if (!r->memo || r->memo_length < HEAD || r->memo_length > MEMO || !token->present)
        return 0;
    memcpy(memo, r->memo, r->memo_length);
    memo[r->memo_length] = '\0';
    graph_hash(g, call, token->text, hash);
    if (memcmp(memo + 2, hash, GRAPH_HASH) != 0)
        return 0;
    if (ret_when)
        *ret_when = strtoll(memo + HEAD, NULL, 10);
    return memo[0];
}

int graph_looks(const struct graph *g, struct renewd_call *call, const struct renewd_record *r)
{
    const struct renewd_value *token = g->services->slot(r, "access_token");
    char hash[GRAPH_HASH];

    if (g->looks == 0 || !token->present)
        return 0;
    graph_hash(g, call, token->text, hash);
    for (size_t i = 0; i < GRAPH_LOOKS; i++)
        if (memcmp(g->look[i], hash, GRAPH_HASH) == 0)
            return 1;
    return 0;
}

void graph_mark(const struct graph *g, struct renewd_call *call, int what, const char *hash, int64_t when)
{
    char memo[MEMO + 1];

    int len = snprintf(memo, sizeof(memo), "%c %.*s %lld", what, GRAPH_HASH, hash, (long long)when);
    g->services->memo(call, memo, what && len > 0 ? (size_t)len : 0);
}

/* ---- When -------------------------------------------------------------------------------- */

int graph_refreshed(const struct renewd_record *r)
{
    return r->refreshed_at > 0 && r->refreshed_at >= r->first_seen;
}

/* The end is unknown: refreshed once now, then daily. */
static void window_unknown(const struct graph *g, const struct renewd_needs_refresh_in *in,
                           struct renewd_needs_refresh_out *out)
{
    const struct renewd_record *r = in->records[0];

    if (graph_marked(g, in->call, r, NULL) == GRAPH_NEVER)
        return;
    out->preferred = r->first_seen > 0 ? r->first_seen : in->now;
    if (graph_refreshed(r))
        out->preferred = r->refreshed_at + GRAPH_DAY;
    out->latest = out->preferred;
}

void graph_window(const struct graph *g, const struct renewd_needs_refresh_in *in,
                  struct renewd_needs_refresh_out *out)
{
    const struct renewd_record *r = in->records[0];
    int64_t expires = g->services->slot(r, "expires_at")->number;
    int64_t before = in->refresh_before > 0 ? in->refresh_before : WEEK, spread = GRAPH_DAY;

    if (expires <= 0) {
        window_unknown(g, in, out);
        return;
    }
    out->death = expires;
    int mark = graph_marked(g, in->call, r, NULL);
    if (graph_refreshed(r) && (mark == GRAPH_SAME || mark == GRAPH_SAME_SYSTEM)) {
        out->earliest = out->preferred = r->refreshed_at + GRAPH_DAY;
    } else if (graph_refreshed(r)) { /* a short lifetime must not cause constant refreshes */
        if (r->life > 0 && before > r->life / 2)
            before = r->life / 2;
        if (r->life > 0 && spread > r->life / 4)
            spread = r->life / 4;
        out->preferred = r->refreshed_at + SOONEST;
    }
    out->latest = expires - before;
    if (out->preferred < out->latest - spread)
        out->preferred = out->latest - spread;
    if (out->preferred < 1)
        out->preferred = 1;
    if (out->latest < out->preferred)
        out->latest = out->preferred;
}

/* ---- Asking ------------------------------------------------------------------------------ */

static struct renewd_request *get(const struct graph *g, struct renewd_call *call, const char *path)
{
    const char *const url[] = {g->facebook_url, "/", g->version, path, NULL};
    return g->services->request(call, "GET", g->services->join(call, url));
}

void graph_proof(const struct graph *g, struct renewd_call *call, struct renewd_request *r, const char *token)
{
    const struct renewd_services *s = g->services;
    uint8_t mac[32];

    if (!g->proof)
        return;
    s->hmac_sha256(g->app_secret, strlen(g->app_secret), token, strlen(token), mac);
    s->query(r, "appsecret_proof", s->hex(call, mac, sizeof(mac)));
}

static int32_t ask_exchange(const struct graph *g, const struct renewd_refresh_in *in, const char *token)
{
    const struct renewd_services *s = g->services;
    struct renewd_request *r = get(g, in->call, "/oauth/access_token");
    struct graph_steps *steps = in->scratch;
    int mark = graph_marked(g, in->call, in->records[0], NULL);

    if (mark == GRAPH_SYSTEM || mark == GRAPH_SAME_SYSTEM)
        steps->system = 1;

    s->query(r, "grant_type", "fb_exchange_token");
    s->query(r, "client_id", g->app_id);
    s->query(r, "client_secret", g->app_secret);
    s->query(r, "fb_exchange_token", token);
    if (g->system_user || steps->system)
        s->query(r, "set_token_expires_in_60_days", "true");
    graph_proof(g, in->call, r, token);
    steps->asked = ASKED_EXCHANGE;
    return RENEWD_WAIT;
}

static int32_t ask_debug(const struct graph *g, const struct renewd_refresh_in *in, const char *token,
                         int32_t asked)
{
    const struct renewd_services *s = g->services;
    const char *const app[] = {g->app_id, "|", g->app_secret, NULL};
    const char *app_token = s->join(in->call, app);
    struct renewd_request *r = get(g, in->call, "/debug_token");

    s->query(r, "input_token", token);
    s->query(r, "access_token", app_token);
    graph_proof(g, in->call, r, app_token);
    ((struct graph_steps *)in->scratch)->asked = asked;
    return RENEWD_WAIT;
}

/* ---- Reading ----------------------------------------------------------------------------- */

static void tell_short(struct graph *g, int64_t life)
{
    char text[400];

    if (life >= LONG / 2 || g->told_short)
        return;
    g->told_short = 1;
    snprintf(
        text, sizeof(text),
        "%s grants %lld hours of life instead of about 60 days. Causes: an exchange of a token that already lives long "
        "does not always restart its life; the token belongs to another app than app_id; a system user's token needs "
        "system_user = true; the person has not used the app for long",
        g->name, (long long)(life / 3600));
    g->services->log(g->host, RENEWD_LOG_WARNING, text);
}

/* The end of the new token, and whether the exchange was of any use. */
static void store_end(struct graph *g, const struct renewd_refresh_in *in, int64_t end)
{
    const struct graph_steps *steps = in->scratch;
    int64_t before = g->services->slot(in->records[0], "expires_at")->number;

    if (before <= 0)
        before = steps->end;
    g->services->set_time(in->call, "expires_at", end);
    int same = before > 0 && end <= before + 3600;
    graph_mark(g, in->call,
               same            ? (steps->system ? GRAPH_SAME_SYSTEM : GRAPH_SAME)
               : steps->system ? GRAPH_SYSTEM
                               : 0,
               steps->hash, in->now);
    tell_short(g, end - in->now);
}

static int32_t read_exchange(struct graph *g, const struct renewd_refresh_in *in)
{
    struct graph_steps *steps = in->scratch;
    const char *token = graph_token(g, in->reply);
    int64_t life = graph_life(g, in->reply);

    if (!token)
        return graph_refuse(g, in->call, in->reply);
    g->services->set_text(in->call, "access_token", token);
    graph_hash(g, in->call, token, steps->hash);
    if (life) {
        store_end(g, in, in->now + life);
        return RENEWD_DONE;
    }
    g->services->set_time(in->call, "expires_at", 0);
    return ask_debug(g, in, token, ASKED_AFTER);
}

/* When debug_token says that the token ends: 0 = never, -1 = it does not say. */
static int64_t debugged_end(const struct graph *g, const struct renewd_reply *reply)
{
    const struct renewd_services *s = g->services;
    int64_t end = 0;

    if (reply->status < 200 || reply->status > 299 || !s->json_boolean(reply->json, "data.is_valid") ||
        s->json_integer(reply->json, "data.expires_at", &end) < 0 || end < 0 || end > LAST)
        return -1;
    return end;
}

/* Whether debug_token knows the token as a system user's, which is exchanged in its own way; said once. */
static void learn_kind(struct graph *g, const struct renewd_refresh_in *in)
{
    struct graph_steps *steps = in->scratch;
    const char *type = g->services->json_text(in->reply->json, "data.type");

    if (g->system_user || !g->has_system || !type || strcmp(type, "SYSTEM_USER") != 0)
        return;
    steps->system = 1;
    if (g->told_system)
        return;
    g->told_system = 1;
    const char *const text[] = {g->name,
                                " says that a token belongs to a system user, and it is exchanged as such; if all "
                                "tokens of the job do, system_user = true in its settings saves this request",
                                NULL};
    g->services->log(g->host, RENEWD_LOG_WARNING, g->services->join(in->call, text));
}

/* The token may be valid for longer, but every call for data fails after this: a person has to use the app
 * again. */
static void store_access(struct graph *g, const struct renewd_refresh_in *in)
{
    const struct renewd_services *s = g->services;
    int64_t end = 0;

    if (s->json_integer(in->reply->json, "data.data_access_expires_at", &end) < 0 || end < 0 || end > LAST)
        return;
    s->set_time(in->call, "data_access_expires_at", end);
    if (end == 0 || end - in->now > WEEK || g->told_access)
        return;
    g->told_access = 1;
    const char *const text[] =
        {g->name, " gives a token access to the person's data only until ", s->format_time(in->call, end),
         ", although the token is valid longer: the person has to log in to the app again; a refresh "
         "of the token does not help",
         NULL};
    s->log(g->host, RENEWD_LOG_WARNING, s->join(in->call, text));
}

/* The token is stored whatever debug_token says; an unknown end is checked again in a day. */
static int32_t read_debug_after(struct graph *g, const struct renewd_refresh_in *in)
{
    const struct graph_steps *steps = in->scratch;
    int64_t end = debugged_end(g, in->reply);

    if (end >= 0) {
        store_access(g, in);
        learn_kind(g, in);
    }
    if (end > 0)
        store_end(g, in, end);
    else
        graph_mark(g, in->call, end == 0 ? GRAPH_NEVER : 0, steps->hash, in->now);
    return RENEWD_DONE;
}

static int32_t refuse_debug(const struct graph *g, const struct renewd_refresh_in *in)
{
    const struct renewd_services *s = g->services;
    const struct renewd_json *json = in->reply->json;
    int64_t code = 0, subcode = 0;
    struct graph_verdict v;

    if (s->json_kind(json, "data.error") == RENEWD_JSON_OBJECT) {
        s->json_integer(json, "data.error.code", &code);
        s->json_integer(json, "data.error.subcode", &subcode);
        graph_judge_code(g, in->call, code, subcode, &v);
        return graph_fail(g, in->call, in->reply, &v);
    }
    graph_judge(g, in->call, in->reply, &v);
    if (v.outcome == RENEWD_RECONNECT) /* the app's own token was refused, not the user's */
        v.outcome = RENEWD_MISCONFIGURED;
    v.why = "";
    return graph_fail(g, in->call, in->reply, &v);
}

/* Before any exchange of a token whose end is unknown. */
static int32_t read_debug_first(struct graph *g, const struct renewd_refresh_in *in)
{
    struct graph_steps *steps = in->scratch;
    const char *token = g->services->slot(in->records[0], "access_token")->text;
    int64_t end = debugged_end(g, in->reply);

    if (end < 0)
        return refuse_debug(g, in);
    steps->end = end;
    store_access(g, in);
    learn_kind(g, in);
    if (end > 0 && (end - in->now <= WEEK || graph_looks(g, in->call, in->records[0])))
        return ask_exchange(g, in, token);
    graph_hash(g, in->call, token, steps->hash);
    g->services->set_time(in->call, "expires_at", end);
    graph_mark(g, in->call, !end ? GRAPH_NEVER : steps->system ? GRAPH_SYSTEM : 0, steps->hash, in->now);
    return RENEWD_DONE;
}

int32_t graph_exchange(struct graph *g, const struct renewd_refresh_in *in, struct renewd_refresh_out *out)
{
    const struct renewd_services *s = g->services;
    const struct graph_steps *steps = in->scratch;
    const struct renewd_value *token = s->slot(in->records[0], "access_token");

    if (!token->present)
        return s->fail(in->call, RENEWD_RECONNECT, "no_access_token",
                       "the record has no access token; the account has to be connected again");
    if (!in->reply)
        return s->slot(in->records[0], "expires_at")->present && !graph_looks(g, in->call, in->records[0])
                   ? ask_exchange(g, in, token->text)
                   : ask_debug(g, in, token->text, ASKED_FIRST);
    out->slow_for = graph_slow_for(g, in->call, in->reply);
    if (steps->asked == ASKED_EXCHANGE)
        return read_exchange(g, in);
    return steps->asked == ASKED_FIRST ? read_debug_first(g, in) : read_debug_after(g, in);
}
