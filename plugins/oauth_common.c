/* SPDX-License-Identifier: MIT
 * See oauth_common.h. The provider's free text is never repeated: it may hold a token.
 */
#include "oauth_common.h"

#include <stdio.h>
#include <string.h>

#define DAY 86400
#define LONGEST_GRANT (INT64_C(3650) * DAY)
#define LONGEST_COMMIT 900 /* seconds from an attempt's answer to its commit */

/* ---- Slots ------------------------------------------------------------------------------- */

const struct renewd_slot oauth_access_token = {
    .size = sizeof(struct renewd_slot),
    .name = "access_token",
    .type = RENEWD_SECRET,
    .direction = RENEWD_INOUT,
    .required = 1,
    .help = "Access token, for calls of the provider's API",
};
const struct renewd_slot oauth_refresh_token = {
    .size = sizeof(struct renewd_slot),
    .name = "refresh_token",
    .type = RENEWD_SECRET,
    .direction = RENEWD_INOUT,
    .required = 1,
    .credential = 1,
    .help = "Refresh token; replaced when the provider issues a new one",
};
const struct renewd_slot oauth_expires_at = {
    .size = sizeof(struct renewd_slot),
    .name = "expires_at",
    .type = RENEWD_TIME,
    .direction = RENEWD_INOUT,
    .help = "When the access token expires",
};
const struct renewd_slot oauth_refresh_expires_at = {
    .size = sizeof(struct renewd_slot),
    .name = "refresh_expires_at",
    .type = RENEWD_TIME,
    .direction = RENEWD_INOUT,
    .help = "When the refresh token expires, where the provider limits it",
};
const struct renewd_slot oauth_scope = {
    .size = sizeof(struct renewd_slot),
    .name = "scope",
    .type = RENEWD_TEXT,
    .direction = RENEWD_OUT,
    .help = "What the access token may do, separated by blanks",
};
const struct renewd_slot *const oauth_slots[] = {
    &oauth_access_token, &oauth_refresh_token, &oauth_expires_at, &oauth_refresh_expires_at, &oauth_scope, NULL,
};

/* ---- Lifetimes --------------------------------------------------------------------------- */

/* Seconds of life at path, however they are written; 0 = absent, not positive, or absurd. */
static int64_t oauth_life(const struct renewd_services *s, const struct renewd_json *json, const char *path,
                          int64_t longest)
{
    int64_t seconds = 0;

    if (s->json_integer(json, path, &seconds) < 0 || seconds <= 0 || seconds > longest)
        return 0;
    return seconds;
}

int64_t oauth_grant_life(const struct renewd_services *s, const struct renewd_json *json)
{
    int64_t life = oauth_life(s, json, "refresh_token_expires_in", LONGEST_GRANT);
    return life ? life : oauth_life(s, json, "refresh_expires_in", LONGEST_GRANT);
}

const char *oauth_token(const struct renewd_services *s, const struct renewd_json *json, const char *path)
{
    const char *text = s->json_text(json, path);

    if (!text || !*text)
        return NULL;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p < ' ' || *p == 0x7f)
            return NULL;
    return text;
}

/* ---- Errors ------------------------------------------------------------------------------ */

/* Whether a code is a plain word, fit to be shown. */
static int oauth_is_word(const char *code)
{
    size_t len = strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");
    return len > 0 && len <= 64 && !code[len];
}

const char *oauth_error(const struct renewd_services *s, const struct renewd_json *json)
{
    static const char *const places[] = {"error", "error.error", "error.code", "error.type", "error.status", NULL};
    int32_t kind = s->json_kind(json, "error");

    if (kind == RENEWD_JSON_ABSENT || kind == RENEWD_JSON_NULL ||
        (kind == RENEWD_JSON_BOOLEAN && !s->json_boolean(json, "error")))
        return NULL;
    for (size_t i = 0; places[i]; i++) {
        const char *text = s->json_text(json, places[i]);
        if (text && !*text && i == 0)
            return NULL;
        if (text && oauth_is_word(text))
            return text;
    }
    return "error";
}

/* Codes that mean "try later" with any status. */
static int says_later(const char *text)
{
    return text && (strcmp(text, "internal_failure") == 0 || strcmp(text, "server_error") == 0 ||
                    strcmp(text, "temporarily_unavailable") == 0);
}

static int same_letter(char a, char b)
{
    return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a == '_' ? ' ' : a) == b;
}

static int holds(const char *text, const char *words)
{
    for (; *text; text++) {
        size_t i = 0;
        while (words[i] && same_letter(text[i], words[i]))
            i++;
        if (!words[i])
            return 1;
    }
    return 0;
}

int oauth_blames_grant(const struct renewd_services *s, const struct renewd_json *json)
{
    static const char *const places[] = {"error_description", "hint", "message", NULL};
    int blamed = 0;

    for (size_t i = 0; places[i]; i++) {
        const char *text = s->json_text(json, places[i]);
        if (text && (holds(text, "missing") || holds(text, "required")))
            return 0;
        blamed |= text && holds(text, "refresh token");
    }
    return blamed;
}

int32_t oauth_judge(const struct oauth_call *c, const char *code)
{
    const struct renewd_reply *reply = c->in->reply;

    if (says_later(code) || says_later(c->services->json_text(reply->json, "error_description")))
        return RENEWD_TRANSIENT;
    if (reply->status == 429)
        return RENEWD_RATE_LIMITED;
    if (reply->status == 0)
        return RENEWD_AMBIGUOUS;
    if (reply->status == 408 || reply->status >= 500)
        return RENEWD_TRANSIENT;
    for (const struct oauth_verdict *v = c->provider->verdicts; code && v->code; v++)
        if (strcmp(v->code, code) == 0)
            return v->outcome;
    if (!code && reply->status >= 200 && reply->status < 300)
        return c->provider->unreadable;
    return RENEWD_TRANSIENT; /* a status alone is never a verdict */
}

static const char *explain(int32_t outcome, int readable)
{
    switch (outcome) {
    case RENEWD_RECONNECT:
        return " no longer accepts this grant; the account has to be connected again";
    case RENEWD_MISCONFIGURED:
        return " refuses this client or its request; check ";
    case RENEWD_RATE_LIMITED:
        return " asks for fewer requests";
    default:
        return readable ? " could not refresh the token now" : " answered with neither a token nor an error code";
    }
}

int32_t oauth_fail(const struct oauth_call *c, int32_t outcome, const char *code)
{
    const struct renewd_services *s = c->services;
    const struct renewd_reply *reply = c->in->reply;
    const char *subtype = s->json_text(reply->json, "error_subtype");
    const char *client = c->provider->client ? c->provider->client : "client_id and client_secret";
    char status[32];

    snprintf(status, sizeof(status), " (HTTP %d", (int)reply->status);
    int shown = subtype && oauth_is_word(subtype);
    const char *const parts[] = {c->provider->name,
                                 explain(outcome, code != NULL),
                                 outcome == RENEWD_MISCONFIGURED ? client : "",
                                 status,
                                 code ? ", " : "",
                                 code ? code : "",
                                 shown ? ", " : "",
                                 shown ? subtype : "",
                                 ")",
                                 NULL};
    return s->fail(c->in->call, outcome, code, s->join(c->in->call, parts));
}

/* ---- Success ----------------------------------------------------------------------------- */

/* The table may have no column for the end of a grant: it is then stored in the memo, with the time of the
 * reply. */
static void remember_grant_end(const struct oauth_call *c, int64_t end)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "%lld %lld", (long long)c->in->now, (long long)end);

    c->services->memo(c->in->call, text, (size_t)len);
}

/* The stored end, unless another program has replaced the credential since. */
static int64_t remembered_grant_end(const struct renewd_record *r)
{
    char text[64];
    long long said_at, end;

    if (!r->memo || r->memo_length >= sizeof(text))
        return 0;
    memcpy(text, r->memo, r->memo_length);
    text[r->memo_length] = '\0';
    if (sscanf(text, "%lld %lld", &said_at, &end) != 2 || r->first_seen > said_at + LONGEST_COMMIT)
        return 0;
    return end;
}

/* When the grant itself ends. An end that the reply does not repeat stays valid, unless it has passed or
 * belonged to a token that was replaced. */
static void store_grant_end(const struct oauth_call *c, int replaced)
{
    const struct renewd_services *s = c->services;
    const struct renewd_value *old = s->slot(c->in->records[0], "refresh_expires_at");
    int64_t life = oauth_grant_life(s, c->in->reply->json);

    if (life && c->provider->remember_grant_end)
        remember_grant_end(c, c->in->now + life);
    if (life)
        s->set_time(c->in->call, "refresh_expires_at", c->in->now + life);
    else if (old->present && (replaced || old->number <= c->in->now))
        s->set_null(c->in->call, "refresh_expires_at");
}

/* The slot's words are separated by blanks, whatever separator the provider uses. */
static void store_scope(const struct oauth_call *c)
{
    const struct renewd_services *s = c->services;
    const char *scope = s->json_text(c->in->reply->json, "scope");
    char *copy = scope && *scope ? s->memory(c->in->call, strlen(scope) + 1) : NULL;

    if (!copy)
        return;
    for (size_t i = 0; scope[i]; i++)
        copy[i] = scope[i] == c->provider->scope_separator ? ' ' : scope[i];
    s->set_text(c->in->call, "scope", copy);
}

static int same_word(const char *a, const char *b)
{
    while (*a && *b && (*a >= 'A' && *a <= 'Z' ? *a - 'A' + 'a' : *a) == *b)
        a++, b++;
    return !*a && !*b;
}

/* RFC 6749, section 7.1: a token of a type that is not understood must not be used. Those that name themselves otherwise
 * ("bot", "user", "User Access Token") are sent like bearer ones. */
static const char *wants_proof(const struct oauth_call *c)
{
    static const char *const types[] = {"mac", "dpop", "pop", NULL};
    const char *type = c->services->json_text(c->in->reply->json, "token_type");

    for (size_t i = 0; type && types[i]; i++)
        if (same_word(type, types[i]))
            return types[i];
    return NULL;
}

static int32_t refuse_type(const struct oauth_call *c, const char *type)
{
    const char *const parts[] = {c->provider->name, " gives tokens of the type \"", type,
                                 "\", which a call must prove with a "
                                 "key; renewd sends bearer tokens "
                                 "only. Set the client up for bearer "
                                 "tokens at the provider",
                                 NULL};
    return c->services->fail(c->in->call, RENEWD_MISCONFIGURED, "token_type",
                             c->services->join(c->in->call, parts));
}

/* An invalid new refresh token may have replaced the old one, but it cannot be stored in its place. */
static int32_t unusable(const struct oauth_call *c)
{
    const char *const parts[] = {c->provider->name,
                                 " answered with an unusable refresh_token; nothing of the answer is "
                                 "written, and the row stays as it is",
                                 NULL};
    return c->services->fail(c->in->call, RENEWD_AMBIGUOUS, "unusable_token",
                             c->services->join(c->in->call, parts));
}

int32_t oauth_store(const struct oauth_call *c, const char *access)
{
    const struct renewd_services *s = c->services;
    const struct renewd_json *json = c->in->reply->json;
    const struct renewd_value *old = s->slot(c->in->records[0], "refresh_token");
    const char *refresh = s->json_text(json, "refresh_token");
    int64_t life = oauth_life(s, json, "expires_in", c->provider->longest_life);

    if (wants_proof(c))
        return refuse_type(c, wants_proof(c));
    if (refresh && *refresh && !oauth_token(s, json, "refresh_token"))
        return unusable(c);
    s->set_text(c->in->call, "access_token", access);
    if (refresh && *refresh)
        s->set_text(c->in->call, "refresh_token", refresh);
    s->set_time(c->in->call, "expires_at", c->in->now + (life ? life : c->assumed_life));
    store_grant_end(c, refresh && *refresh && old->present && strcmp(refresh, old->text) != 0);
    store_scope(c);
    return RENEWD_DONE;
}

int32_t oauth_read(const struct oauth_call *c)
{
    const struct renewd_services *s = c->services;
    const struct renewd_reply *reply = c->in->reply;
    const char *access = oauth_token(s, reply->json, "access_token");
    const char *code = oauth_error(s, reply->json);

    if (reply->status < 200 || reply->status > 299 || !access || code)
        return oauth_fail(c, oauth_judge(c, code), code);
    return oauth_store(c, access);
}

/* ---- Answers to calls with the token ------------------------------------------------------- */

/* Whether the challenge's `error` is that word. Quoted text before it may hold anything. */
static int challenge_says(const char *text, const char *word)
{
    int quoted = 0;

    for (const char *p = text; *p; p++) {
        if (*p == '"') {
            quoted = !quoted;
        } else if (quoted) {
            p += *p == '\\' && p[1];
        } else if ((p == text || strchr(" \t,", p[-1])) && strncmp(p, "error=", 6) == 0) {
            p += 6 + (p[6] == '"');
            size_t len = strcspn(p, "\", \t");
            return len == strlen(word) && strncmp(p, word, len) == 0;
        }
    }
    return 0;
}

void oauth_answer(const struct renewd_services *s, const struct renewd_on_answer_in *in,
                  struct renewd_on_answer_out *out)
{
    static const struct {
        const char *word;
        int32_t refused;
    } words[] = {{"insufficient_scope", 0}, {"invalid_request", 0}, {"invalid_token", 1}};
    const struct renewd_reply *reply = in->reply;
    const char *challenge = s->reply_header(reply, "WWW-Authenticate");
    const char *error = s->json_text(reply->json, "error");

    if (reply->status < 400 || reply->status > 499)
        return;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if ((challenge && challenge_says(challenge, words[i].word)) || (error && strcmp(error, words[i].word) == 0))
            out->token_refused = words[i].refused;
}

/* ---- The window -------------------------------------------------------------------------- */

void oauth_window(const struct renewd_services *s, const struct renewd_needs_refresh_in *in, int64_t assumed_life,
                  struct renewd_needs_refresh_out *out)
{
    const struct renewd_record *r = in->records[0];
    int64_t expires = s->slot(r, "expires_at")->number;
    int64_t life = r->life > 0 ? r->life : 0;

    out->death = s->slot(r, "refresh_expires_at")->number;
    if (out->death <= 0)
        out->death = remembered_grant_end(r);
    if (expires <= 0 && r->refreshed_at <= 0) {
        out->preferred = out->latest = r->first_seen > 0 ? r->first_seen : in->now;
        return;
    }
    if (expires <= 0) {
        life = life ? life : assumed_life;
        expires = r->refreshed_at + life;
    }
    int64_t before = in->refresh_before > 0 ? in->refresh_before : 300;
    if (life && before > life / 2)
        before = life / 2;
    int64_t spread = !life ? 900 : life / 4 < DAY ? life / 4 : DAY;
    out->latest = expires - before;
    /* A grant that ends before its access token is used once more before its end. */
    if (out->death > 0 && out->latest > out->death - before && r->refreshed_at < out->death - before - spread)
        out->latest = out->death - before;
    out->preferred = out->latest - spread;
    /* Never twice within seconds, for any lifetime and any content of the table. */
    if (r->refreshed_at > 0 && r->refreshed_at <= in->now && out->preferred < r->refreshed_at + 10)
        out->preferred = r->refreshed_at + 10;
    if (out->preferred < 1)
        out->preferred = 1;
    if (out->latest < out->preferred)
        out->latest = out->preferred;
}
