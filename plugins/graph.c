/* SPDX-License-Identifier: MIT
 * See graph.h: errors, usage headers, lifetimes. The Graph API's free text is never repeated, because it may hold a
 * token. Its HTTP status says little, so errors are classified by code, then subcode, then is_transient, then
 * status.
 */
#include "graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR INT64_C(3600)
#define LIMIT_USUAL 300                /* seconds without a call if the reply does not say how long a limit lasts */
#define LIMIT_NEAR 60                  /* and just before it */
#define NAME_LENGTH 64                 /* of an account or a measure; the provider's have 20 */
#define LONGEST_LIFE (400 * GRAPH_DAY) /* more is not believed */

/* ---- Slots ------------------------------------------------------------------------------- */

const struct renewd_slot graph_access_token = {
    .size = sizeof(struct renewd_slot),
    .name = "access_token",
    .type = RENEWD_SECRET,
    .direction = RENEWD_INOUT,
    .required = 1,
    .credential = 1,
    .help = "Access token; there is no refresh token: the token itself is exchanged for a new one",
};
const struct renewd_slot graph_expires_at = {
    .size = sizeof(struct renewd_slot),
    .name = "expires_at",
    .type = RENEWD_TIME,
    .direction = RENEWD_INOUT,
    .help = "When the token expires; empty = unknown, or never",
};
const struct renewd_slot graph_data_access = {
    .size = sizeof(struct renewd_slot),
    .name = "data_access_expires_at",
    .type = RENEWD_TIME,
    .direction = RENEWD_OUT,
    .help =
        "When the token's access to the person's data ends, even if the token is valid longer; known only where "
        "debug_token was asked; empty = never",
};

int graph_version_ok(const char *version)
{
    return version && version[0] == 'v' && version[1] && strspn(version + 1, "0123456789.") == strlen(version + 1);
}

/* ---- Errors ------------------------------------------------------------------------------ */

struct meaning {
    int32_t first, last; /* codes */
    int32_t outcome;
};

static const struct meaning meanings[] = {
    {1, 2, RENEWD_TRANSIENT},
    {3, 3, RENEWD_RECONNECT},
    {4, 4, RENEWD_RATE_LIMITED},
    {10, 10, RENEWD_RECONNECT},
    {17, 17, RENEWD_RATE_LIMITED},
    {32, 32, RENEWD_RATE_LIMITED},
    {100, 101, RENEWD_MISCONFIGURED},
    {102, 102, RENEWD_RECONNECT},
    {190, 190, RENEWD_RECONNECT},
    {200, 299, RENEWD_RECONNECT},
    {341, 341, RENEWD_RATE_LIMITED},
    {368, 368, RENEWD_RATE_LIMITED},
    {613, 613, RENEWD_RATE_LIMITED},
    {80000, 80006, RENEWD_RATE_LIMITED},
    {80008, 80009, RENEWD_RATE_LIMITED},
    {80014, 80014, RENEWD_RATE_LIMITED},
};

/* What became of the grant, by the subcode of 190 and 102. */
static const struct {
    int32_t subcode;
    const char *why;
    int32_t heals; /* without a new token, once the person has done it */
} losses[] = {
    {458, ": the user removed the app", 0},
    {459, ": the user has to log in at facebook.com first (checkpoint)", 1},
    {460, ": the password was changed", 0},
    {463, ": the token has expired", 0},
    {464, ": the user has to confirm the account at facebook.com first", 1},
    {467, ": the user logged out or revoked it", 0},
    {492, ": the user has no role on the page any more; give the role back first", 0},
};

static int is_permission(int64_t code)
{
    return code == 3 || code == 10 || (code >= 200 && code <= 299);
}

static int begins(const char *text, const char *with)
{
    return text && strncmp(text, with, strlen(with)) == 0;
}

/* The error's number. The flat form is that of api.instagram.com. */
static int64_t error_number(const struct renewd_services *s, const struct renewd_json *json, const char *name,
                            const char *flat)
{
    int64_t number = 0;

    if (s->json_integer(json, name, &number) >= 0 && number > 0)
        return number;
    if (s->json_kind(json, "error") == RENEWD_JSON_OBJECT || !flat || s->json_integer(json, flat, &number) < 0)
        return 0;
    return number > 0 ? number : 0;
}

static const char *code_text(const struct renewd_services *s, struct renewd_call *call, int64_t code,
                             int64_t subcode)
{
    char text[48];

    if (code <= 0)
        return NULL;
    if (subcode > 0)
        snprintf(text, sizeof(text), "%lld/%lld", (long long)code, (long long)subcode);
    else
        snprintf(text, sizeof(text), "%lld", (long long)code);
    const char *const parts[] = {text, NULL};
    return s->join(call, parts);
}

/* A few codes have several meanings, which only the message distinguishes. */
static void judge_message(const char *message, const char *type, int64_t code, struct graph_verdict *v)
{
    if ((code == 1 || code == 100) && begins(message, "Error validating client secret")) {
        v->outcome = RENEWD_MISCONFIGURED;
        v->secret = 1;
    }
    if (begins(message, "Invalid platform app"))
        v->outcome = RENEWD_MISCONFIGURED;
    if (code == 100 && type && strcmp(type, "IGApiException") == 0 && begins(message, "Unsupported request")) {
        v->outcome = RENEWD_TRANSIENT;
        v->unsupported = v->strike = 1;
    }
    if (code == 190 && message && strstr(message, "Cannot parse access token"))
        v->unparsable = 1;
}

static void judge_status(const struct renewd_reply *reply, int named, int says_later, struct graph_verdict *v)
{
    v->outcome = RENEWD_TRANSIENT; /* a status alone is never a verdict */
    if (reply->status == 0)
        v->outcome = RENEWD_AMBIGUOUS;
    else if (reply->status == 429 && !says_later)
        v->outcome = RENEWD_RATE_LIMITED;
    else if (named && !says_later && reply->status >= 400 && reply->status < 500 && reply->status != 408)
        v->strike = 1;
}

int graph_judge_code(const struct graph *g, struct renewd_call *call, int64_t code, int64_t subcode,
                     struct graph_verdict *ret)
{
    int known = 0;

    *ret = (struct graph_verdict){.outcome = RENEWD_TRANSIENT, .why = ""};
    ret->code = code_text(g->services, call, code, subcode);
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
        if (code >= meanings[i].first && code <= meanings[i].last) {
            ret->outcome = meanings[i].outcome;
            known = 1;
        }
    ret->blocked = code == 368;
    if (is_permission(code))
        ret->why = ": a permission is missing";
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
        if ((code == 190 || code == 102) && subcode == losses[i].subcode) {
            ret->why = losses[i].why;
            ret->heals = losses[i].heals;
        }
    return known;
}

void graph_judge(const struct graph *g, struct renewd_call *call, const struct renewd_reply *reply,
                 struct graph_verdict *ret)
{
    const struct renewd_services *s = g->services;
    const struct renewd_json *json = reply->json;
    int64_t code = error_number(s, json, "error.code", "code");
    int64_t subcode = error_number(s, json, "error.error_subcode", NULL);
    const char *message = s->json_text(json, "error.message");

    if (!graph_judge_code(g, call, code, subcode, ret))
        judge_status(reply, ret->code || s->json_kind(json, "error") == RENEWD_JSON_OBJECT,
                     s->json_boolean(json, "error.is_transient"), ret);
    judge_message(message ? message : s->json_text(json, "error_message"), s->json_text(json, "error.type"), code,
                  ret);
}

static const char *explain(const struct graph *g, const struct graph_verdict *v)
{
    switch (v->outcome) {
    case RENEWD_RECONNECT:
        return v->heals ? " does not accept this token for now; renewd tries again every day"
                        : " no longer accepts this token; the account has to be connected again";
    case RENEWD_MISCONFIGURED:
        return g->has_system ? " refuses this app or its request; check app_id and app_secret"
                             : " refuses this app or its request; check app_id, app_secret and family";
    case RENEWD_RATE_LIMITED:
        return v->blocked ? " blocks these requests for a while (policy)" : " asks for fewer requests";
    default:
        return v->strike ? " refused this token without a reason"
               : v->code ? " could not refresh the token now"
                         : " answered with neither a token nor an error code";
    }
}

/* 100, a bad parameter, may be one that is absent: a system user's token wants one of its own. */
static int maybe_system(const struct graph *g, const struct graph_verdict *v)
{
    return g->has_system && !g->system_user && v->outcome == RENEWD_MISCONFIGURED && !v->secret && v->code &&
           strncmp(v->code, "100", 3) == 0 && (v->code[3] == '\0' || v->code[3] == '/');
}

int32_t graph_fail(const struct graph *g, struct renewd_call *call, const struct renewd_reply *reply,
                   const struct graph_verdict *v)
{
    char status[32];

    snprintf(status, sizeof(status), " (HTTP %d", (int)reply->status);
    const char *const parts[] = {g->name,
                                 explain(g, v),
                                 v->why,
                                 maybe_system(g, v) ? "; if this is a system user's token, set system_user = true"
                                                    : "",
                                 status,
                                 v->code ? ", " : "",
                                 v->code ? v->code : "",
                                 ")",
                                 NULL};
    return g->services->fail(call, v->outcome, v->code, g->services->join(call, parts));
}

int32_t graph_refuse(const struct graph *g, struct renewd_call *call, const struct renewd_reply *reply)
{
    struct graph_verdict v;

    graph_judge(g, call, reply, &v);
    return graph_fail(g, call, reply, &v);
}

/* ---- Success ----------------------------------------------------------------------------- */

const char *graph_token(const struct graph *g, const struct renewd_reply *reply)
{
    const struct renewd_services *s = g->services;
    int32_t error = s->json_kind(reply->json, "error");
    const char *text = s->json_text(reply->json, "access_token");

    if (reply->status < 200 || reply->status > 299 || !text || !*text ||
        (error != RENEWD_JSON_ABSENT && error != RENEWD_JSON_NULL))
        return NULL;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p <= ' ' || *p == 0x7f)
            return NULL;
    return text;
}

int64_t graph_life(const struct graph *g, const struct renewd_reply *reply)
{
    static const char *const names[] = {"expires_in", "expires", NULL};

    for (size_t i = 0; names[i]; i++) {
        int64_t seconds = 0;
        if (g->services->json_integer(reply->json, names[i], &seconds) >= 0)
            return seconds > 0 && seconds <= LONGEST_LIFE ? seconds : 0;
    }
    return 0;
}

/* ---- Usage headers ----------------------------------------------------------------------- */

struct usage {
    int64_t percent; /* the highest of all */
    int64_t regain;  /* seconds until calls are let in again; 0 = not said */
};

static void raise(int64_t *to, int64_t value)
{
    if (value > *to)
        *to = value;
}

/* Whether a name can stand in a path as it is, without using up the callback's memory. */
static int is_plain(const char *name)
{
    return strlen(name) <= NAME_LENGTH && !strpbrk(name, ".\\");
}

/* Every number of the object at path is a percentage, but for the times. */
static void read_usage(const struct graph *g, struct renewd_call *call, const struct renewd_json *json,
                       const char *path, struct usage *u)
{
    const struct renewd_services *s = g->services;
    const char *name;

    for (size_t i = 0; i < 16 && (name = s->json_name(json, path, i)); i++) {
        const char *const parts[] = {path, *path ? "." : "", name, NULL};
        int64_t number = 0;
        if (!is_plain(name) || s->json_integer(json, s->join(call, parts), &number) < 0)
            continue;
        if (strcmp(name, "estimated_time_to_regain_access") == 0)
            raise(&u->regain, number > 60 ? HOUR : number * 60); /* minutes */
        else if (strcmp(name, "reset_time_duration") == 0)
            raise(&u->regain, number);
        else
            raise(&u->percent, number);
    }
}

/* An object of lists of such objects, by account. */
static void read_business(const struct graph *g, struct renewd_call *call, const struct renewd_json *json,
                          struct usage *u)
{
    const struct renewd_services *s = g->services;
    const char *name;

    for (size_t i = 0; i < 8 && (name = s->json_name(json, "", i)); i++)
        for (int k = 0; k < 8 && is_plain(name); k++) {
            char index[16];
            snprintf(index, sizeof(index), ".%d", k);
            const char *const parts[] = {name, index, NULL};
            const char *path = s->join(call, parts);
            if (s->json_kind(json, path) != RENEWD_JSON_OBJECT)
                break;
            read_usage(g, call, json, path, u);
        }
}

static void read_headers(const struct graph *g, struct renewd_call *call, const struct renewd_reply *reply,
                         struct usage *u)
{
    static const char *const names[] = {"X-App-Usage", "X-Ad-Account-Usage", "X-Business-Use-Case-Usage", NULL};

    *u = (struct usage){0};
    for (size_t i = 0; names[i]; i++) {
        const char *text = reply ? g->services->reply_header(reply, names[i]) : NULL;
        if (!text)
            continue;
        const struct renewd_json *json = g->services->json_parse(call, text, strlen(text));
        if (i < 2)
            read_usage(g, call, json, "", u);
        else
            read_business(g, call, json, u);
    }
    if (u->regain > HOUR || u->regain < 0)
        u->regain = HOUR;
}

/* Throttling begins at 100 %. */
int64_t graph_slow_for(const struct graph *g, struct renewd_call *call, const struct renewd_reply *reply)
{
    struct usage u;

    read_headers(g, call, reply, &u);
    if (u.percent >= 100)
        return u.regain ? u.regain : HOUR;
    if (u.percent >= 90)
        return 900;
    return u.percent >= 75 ? 300 : 0;
}

/* ---- Answers to calls with the token ------------------------------------------------------- */

/* 492 names a role that is missing on the page: the next token fails the same way, and the one after
 * it. The flat form is believed of errors alone: a success may have a `code` of its own. */
static int refuses_token(int64_t code, int64_t subcode)
{
    return (code == 190 || code == 102) && subcode != 492;
}

static int64_t limit_lasts(const struct graph_verdict *v, const struct usage *u, int64_t retry_after,
                           int64_t otherwise)
{
    if (v->blocked)
        return HOUR;
    if (retry_after)
        return retry_after;
    return u->regain ? u->regain : otherwise;
}

void graph_answer(const struct graph *g, const struct renewd_on_answer_in *in, struct renewd_on_answer_out *out)
{
    const struct renewd_services *s = g->services;
    const struct renewd_reply *reply = in->reply;
    int64_t code = error_number(s, reply->json, "error.code", reply->status >= 400 ? "code" : NULL);
    int64_t subcode = error_number(s, reply->json, "error.error_subcode", NULL);
    struct graph_verdict v;
    struct usage u;

    graph_judge_code(g, in->call, code, subcode, &v);
    read_headers(g, in->call, reply, &u);
    if (code > 0)
        out->token_refused = refuses_token(code, subcode);
    if (v.outcome == RENEWD_RATE_LIMITED)
        out->slow_for = limit_lasts(&v, &u, in->retry_after, LIMIT_USUAL);
    else if (reply->status == 429)
        out->slow_for = limit_lasts(&v, &u, in->retry_after, out->slow_for);
    else if (u.percent >= 100)
        out->slow_for = limit_lasts(&v, &u, in->retry_after, LIMIT_USUAL);
    else if (u.percent >= 95)
        out->slow_for = LIMIT_NEAR;
}

/* ---- After a failure --------------------------------------------------------------------- */

/* A code as graph_judge_code wrote it; debug_token's refusals stand elsewhere in the reply. */
static int code_heals(const char *code)
{
    const char *subcode = code ? strchr(code, '/') : NULL;

    for (size_t i = 0; subcode && i < sizeof(losses) / sizeof(losses[0]); i++)
        if (losses[i].heals && strtol(subcode + 1, NULL, 10) == losses[i].subcode)
            return 1;
    return 0;
}

/* What was learned is kept, also if the exchange that followed failed. */
static void keep_learned(const struct graph *g, const struct renewd_on_failure_in *in)
{
    const struct renewd_services *s = g->services;
    const struct graph_steps *steps = in->scratch;

    if (steps && steps->end > 0 && !s->slot(in->records[0], "expires_at")->present)
        s->set_time(in->call, "expires_at", steps->end);
}

void graph_decide(struct graph *g, const struct renewd_on_failure_in *in, struct renewd_on_failure_out *out)
{
    const struct renewd_value *token = g->services->slot(in->records[0], "access_token");
    struct graph_verdict v;
    struct usage u;

    keep_learned(g, in);
    if (!in->reply || in->reply->status == 0)
        return;
    graph_judge(g, in->call, in->reply, &v);
    if (maybe_system(g, &v) && token->present && !graph_looks(g, in->call, in->records[0]))
        graph_hash(g, in->call, token->text, g->look[g->looks++ % GRAPH_LOOKS]);
    if (out->outcome == RENEWD_TRANSIENT && v.strike)
        out->strike = 1;
    if (out->outcome == RENEWD_RECONNECT && code_heals(in->code))
        out->next_at = in->now + GRAPH_DAY;
    if (out->outcome != RENEWD_RATE_LIMITED)
        return;
    read_headers(g, in->call, in->reply, &u);
    if (v.blocked)
        out->next_at = in->now + HOUR;
    else if (u.regain > 0 && in->retry_after == 0)
        out->next_at = in->now + u.regain;
}
