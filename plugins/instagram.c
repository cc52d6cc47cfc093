/* SPDX-License-Identifier: MIT
 * instagram.so: tokens of the Instagram API, in the two families that must not be mixed. "instagram_login":
 * graph.instagram.com extends a token that is at least a day old and has not expired (ig_refresh_token, without any
 * secret); a short-lived one is exchanged first, which takes the app's secret. "facebook_login": tokens of
 * Facebook, exchanged as meta.so does. A token does not show its family: its first letters are only a hint for
 * people.
 */
#include <renewd/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"

#define HOUR INT64_C(3600)
#define DAY GRAPH_DAY
#define LIFE (60 * DAY)
#define TOO_EARLY "too_early"
#define SHORT (2 * HOUR) /* a short-lived token is valid for an hour */

enum { ASKED_REFRESH = 11, ASKED_SHORT };

struct instagram {
    struct graph graph;
    const char *base_url;
    int facebook;  /* the family */
    int exchanges; /* short-lived tokens */
};

/* ---- Settings ---------------------------------------------------------------------------- */

static const struct renewd_setting family = {
    .size = sizeof(struct renewd_setting),
    .name = "family",
    .type = RENEWD_TEXT,
    .default_value = "instagram_login",
    .choices = "instagram_login|facebook_login",
    .help = "How the accounts were connected; tokens of one kind are refused for the other",
};
static const struct renewd_setting app_id = {
    .size = sizeof(struct renewd_setting),
    .name = "app_id",
    .type = RENEWD_TEXT,
    .help = "facebook_login: the Facebook app's id",
};
static const struct renewd_setting app_secret = {
    .size = sizeof(struct renewd_setting),
    .name = "app_secret",
    .type = RENEWD_TEXT,
    .secret = 1,
    .help = "instagram_login: the Instagram app's secret, with which short-lived tokens are "
            "exchanged; facebook_login: the Facebook app's",
};
static const struct renewd_setting exchange_short_lived = {
    .size = sizeof(struct renewd_setting),
    .name = "exchange_short_lived",
    .type = RENEWD_BOOLEAN,
    .default_value = "true",
    .help = "instagram_login: exchange tokens that look short-lived, where app_secret is set",
};
static const struct renewd_setting appsecret_proof = {
    .size = sizeof(struct renewd_setting),
    .name = "appsecret_proof",
    .type = RENEWD_BOOLEAN,
    .default_value = "false",
    .help = "facebook_login: send appsecret_proof, for apps that enforce it",
};
static const struct renewd_setting version = {
    .size = sizeof(struct renewd_setting),
    .name = "version",
    .type = RENEWD_TEXT,
    .default_value = "v26.0",
    .help = "facebook_login: version of the Graph API",
};
static const struct renewd_setting base_url = {
    .size = sizeof(struct renewd_setting),
    .name = "base_url",
    .type = RENEWD_URL,
    .default_value = "https://graph.instagram.com",
    .help = "Address of the API of instagram_login",
};
static const struct renewd_setting facebook_url = {
    .size = sizeof(struct renewd_setting),
    .name = "facebook_url",
    .type = RENEWD_URL,
    .default_value = "https://graph.facebook.com",
    .help = "Address of the API of facebook_login",
};
static const struct renewd_setting *const settings[] = {
    &family,   &app_id,       &app_secret, &exchange_short_lived, &appsecret_proof, &version,
    &base_url, &facebook_url, NULL,
};

static const struct renewd_slot *const slots[] = {&graph_access_token, &graph_expires_at, &graph_data_access, NULL};

/* ---- One instance per job ---------------------------------------------------------------- */

static const char *mistake(const struct instagram *i)
{
    const struct graph *g = &i->graph;

    if (i->facebook && (!g->app_id || !*g->app_id || !g->app_secret || !*g->app_secret))
        return "family = \"facebook_login\" needs app_id and app_secret, those of the Facebook app";
    if (!graph_version_ok(g->version))
        return "version must be like \"v26.0\": a v, digits and dots";
    return NULL;
}

static int32_t instagram_open(void *instance, const struct renewd_open_in *in, struct renewd_open_out *out)
{
    const struct renewd_services *s = in->services;
    struct instagram *i = calloc(1, sizeof(*i));

    (void)instance;
    if (!i)
        return s->fail(in->call, RENEWD_TRANSIENT, NULL, "out of memory");
    const char *name = s->setting_text(in->host, "family");
    struct graph *g = &i->graph;
    g->services = s;
    g->host = in->host;
    g->name = "Instagram";
    g->facebook_url = s->setting_text(in->host, "facebook_url");
    g->version = s->setting_text(in->host, "version");
    g->app_id = s->setting_text(in->host, "app_id");
    g->app_secret = s->setting_text(in->host, "app_secret");
    g->proof = s->setting_integer(in->host, "appsecret_proof") != 0;
    i->base_url = s->setting_text(in->host, "base_url");
    i->facebook = name && strcmp(name, "facebook_login") == 0;
    i->exchanges = s->setting_integer(in->host, "exchange_short_lived") && g->app_secret && *g->app_secret;
    const char *wrong = mistake(i);
    if (wrong) {
        free(i);
        return s->fail(in->call, RENEWD_MISCONFIGURED, NULL, wrong);
    }
    out->instance = i;
    return 0;
}

static int32_t instagram_close(void *instance, const struct renewd_close_in *in, struct renewd_close_out *out)
{
    (void)in;
    (void)out;
    free(instance);
    return 0;
}

/* ---- When -------------------------------------------------------------------------------- */

/* A token that was not refreshed yet and that ends within two hours or at an unknown time. */
static int looks_short(const struct instagram *i, const struct renewd_record *r)
{
    int64_t expires = i->graph.services->slot(r, "expires_at")->number;

    return i->exchanges && !graph_refreshed(r) &&
           (expires <= 0 || (expires > r->first_seen && expires - r->first_seen <= SHORT));
}

/* From here on it is a day old for certain: renewd has refreshed it that long ago, or known it. */
static int64_t surely_old(const struct renewd_record *r)
{
    return (graph_refreshed(r) ? r->refreshed_at : r->first_seen) + DAY;
}

/* Before this the token may be under a day old and would be refused. If its time of issue is unknown it follows
 * from its end, since a token is valid for at most 60 days. A wrong end or a shorter life makes it look older
 * than it is; refuse() handles that. */
static int64_t old_enough(const struct instagram *i, const struct renewd_record *r)
{
    int64_t expires = i->graph.services->slot(r, "expires_at")->number, issued;

    if (graph_refreshed(r) || expires <= 0)
        return surely_old(r);
    issued = expires - LIFE + HOUR; /* an hour, for lifetimes that are a little shorter */
    if (issued < r->refreshed_at && r->refreshed_at < r->first_seen)
        issued = r->refreshed_at;
    return (issued < r->first_seen ? issued : r->first_seen) + DAY;
}

static void set_window(struct renewd_needs_refresh_out *out, int64_t earliest, int64_t preferred, int64_t latest)
{
    out->earliest = earliest;
    out->preferred = preferred > earliest ? preferred : earliest;
    if (out->preferred < 1)
        out->preferred = 1;
    out->latest = latest > out->preferred ? latest : out->preferred;
}

static int32_t instagram_needs_refresh(void *instance, const struct renewd_needs_refresh_in *in,
                                       struct renewd_needs_refresh_out *out)
{
    const struct instagram *i = instance;
    const struct renewd_record *r = in->records[0];
    int64_t expires = i->graph.services->slot(r, "expires_at")->number;
    int64_t before = in->refresh_before > 0 ? in->refresh_before : 7 * DAY, spread = DAY;
    int64_t earliest = old_enough(i, r);

    if (i->facebook) {
        graph_window(&i->graph, in, out);
        return 0;
    }
    out->death = expires;
    if (looks_short(i, r)) {
        set_window(out, 0, r->first_seen, r->first_seen);
        return 0;
    }
    if (expires <= 0) { /* daily, until an answer says when it ends */
        set_window(out, earliest, earliest, earliest);
        return 0;
    }
    if (graph_refreshed(r) && r->life > 0 && before > r->life / 2)
        before = r->life / 2;
    if (graph_refreshed(r) && r->life > 0 && spread > r->life / 4)
        spread = r->life / 4;
    set_window(out, earliest, expires - before - spread, expires - before);
    return 0;
}

/* ---- Asking ------------------------------------------------------------------------------ */

static int32_t ask(const struct instagram *i, const struct renewd_refresh_in *in, int32_t what)
{
    const struct renewd_services *s = i->graph.services;
    const struct renewd_value *token = s->slot(in->records[0], "access_token");
    int exchange = what == ASKED_SHORT;
    const char *const url[] = {i->base_url, exchange ? "/access_token" : "/refresh_access_token", NULL};
    struct renewd_request *r = s->request(in->call, "GET", s->join(in->call, url));

    s->query(r, "grant_type", exchange ? "ig_exchange_token" : "ig_refresh_token");
    if (exchange)
        s->query(r, "client_secret", i->graph.app_secret);
    s->query(r, "access_token", token->text);
    ((struct graph_steps *)in->scratch)->asked = what;
    return RENEWD_WAIT;
}

/* ---- Reading ----------------------------------------------------------------------------- */

/* The other family's tokens have another prefix: only a hint, which decides nothing. */
static int looks_foreign(const struct instagram *i, const struct renewd_record *r)
{
    return strncmp(i->graph.services->slot(r, "access_token")->text, "EAA", 3) == 0;
}

/* Whether the reply does not say what is wrong. How a token under a day old is refused is not documented; for a
 * revoked or expired one the reply says so. */
static int unclear(const struct graph_verdict *v)
{
    return v->strike || (v->outcome == RENEWD_MISCONFIGURED && !v->secret);
}

static int32_t refuse(const struct instagram *i, const struct renewd_refresh_in *in)
{
    const struct renewd_record *r = in->records[0];
    const struct graph *g = &i->graph;
    struct graph_verdict v;
    int64_t when = 0;

    graph_judge(g, in->call, in->reply, &v);
    if ((v.unsupported || v.unparsable) && looks_foreign(i, r)) {
        v.outcome = RENEWD_MISCONFIGURED;
        v.strike = 0;
        v.why = "; the token looks like one of Facebook Login: set family = \"facebook_login\"";
    } else if (unclear(&v) && in->now < surely_old(r)) {
        v.outcome = RENEWD_TRANSIENT;
        v.strike = 1;
        v.why = "; a token that is under a day old cannot be refreshed: renewd tries again when it is older";
    } else if (v.unsupported && graph_marked(g, in->call, r, &when) == GRAPH_UNSUPPORTED &&
               in->now - when >= HOUR) {
        v.outcome = RENEWD_RECONNECT;
        v.why = ", twice, an hour apart: the account was deleted, or has not accepted its invitation as a tester";
    }
    return graph_fail(g, in->call, in->reply, &v);
}

static int32_t store(const struct instagram *i, const struct renewd_refresh_in *in, const char *token)
{
    const struct renewd_services *s = i->graph.services;
    int64_t life = graph_life(&i->graph, in->reply);

    s->set_text(in->call, "access_token", token);
    s->set_time(in->call, "expires_at", life ? in->now + life : 0);
    s->memo(in->call, "", 0);
    return RENEWD_DONE;
}

/* The exchange rejects a token that is already long-lived; it is then refreshed, if that is allowed. */
static int32_t read_short(const struct instagram *i, const struct renewd_refresh_in *in)
{
    const struct renewd_record *r = in->records[0];
    struct graph_verdict v;

    graph_judge(&i->graph, in->call, in->reply, &v);
    if (!unclear(&v))
        return graph_fail(&i->graph, in->call, in->reply, &v);
    if (in->now >= old_enough(i, r) || i->graph.services->slot(r, "expires_at")->present)
        return ask(i, in, ASKED_REFRESH);
    return i->graph.services
        ->fail(in->call, RENEWD_TRANSIENT, TOO_EARLY,
               "Instagram does not exchange this token, so it is not a short-lived one; renewd refreshes "
               "it when it is a day old");
}

static int32_t instagram_refresh(void *instance, const struct renewd_refresh_in *in, struct renewd_refresh_out *out)
{
    struct instagram *i = instance;
    const struct renewd_services *s = i->graph.services;
    const struct graph_steps *steps = in->scratch;

    if (i->facebook)
        return graph_exchange(&i->graph, in, out);
    if (!s->slot(in->records[0], "access_token")->present)
        return s->fail(in->call, RENEWD_RECONNECT, "no_access_token",
                       "the record has no access token; the account has to be connected again");
    if (!in->reply)
        return ask(i, in, looks_short(i, in->records[0]) ? ASKED_SHORT : ASKED_REFRESH);
    out->slow_for = graph_slow_for(&i->graph, in->call, in->reply);
    const char *token = graph_token(&i->graph, in->reply);
    if (token)
        return store(i, in, token);
    return steps->asked == ASKED_SHORT ? read_short(i, in) : refuse(i, in);
}

/* When a token that may be too young is presented again: as soon as it is old enough for certain. If its stated
 * end is before that, also in between, since it may be old enough. */
static int64_t when_older(const struct instagram *i, const struct renewd_record *r, int64_t now)
{
    int64_t expires = i->graph.services->slot(r, "expires_at")->number, old = surely_old(r);

    if (expires <= now || expires >= old)
        return old;
    int64_t half = (expires - now) / 2 > HOUR ? (expires - now) / 2 : HOUR;
    return now + half < old ? now + half : old;
}

/* One "Unsupported request" is not conclusive: the second, an hour later, is believed. */
static int32_t instagram_on_failure(void *instance, const struct renewd_on_failure_in *in,
                                    struct renewd_on_failure_out *out)
{
    struct instagram *i = instance;
    struct graph *g = &i->graph;
    const struct renewd_record *r = in->records[0];
    struct graph_verdict v = {0};
    char hash[GRAPH_HASH];

    graph_decide(g, in, out);
    if (i->facebook || out->outcome != RENEWD_TRANSIENT || !in->reply || in->reply->status == 0)
        return 0;
    graph_judge(g, in->call, in->reply, &v);
    if (unclear(&v) && in->now < surely_old(r)) {
        out->strike = 0;
        out->next_at = when_older(i, r, in->now);
        return 0;
    }
    if (!v.unsupported)
        return 0;
    if (out->next_at < in->now + HOUR + 60)
        out->next_at = in->now + HOUR + 60;
    if (graph_marked(g, in->call, r, NULL) == GRAPH_UNSUPPORTED)
        return 0;
    graph_hash(g, in->call, g->services->slot(r, "access_token")->text, hash);
    graph_mark(g, in->call, GRAPH_UNSUPPORTED, hash, in->now);
    return 0;
}

static int32_t instagram_on_answer(void *instance, const struct renewd_on_answer_in *in,
                                   struct renewd_on_answer_out *out)
{
    const struct instagram *i = instance;

    graph_answer(&i->graph, in, out);
    return 0;
}

static const struct renewd_plugin plugin = {
    .size = sizeof(struct renewd_plugin),
    .minor = RENEWD_MINOR,
    .replay = RENEWD_REPLAY_SAFE,
    .name = "instagram",
    .version = "1.0",
    .summary = "Instagram accounts, connected by Instagram Login or by Facebook Login",
    .settings = settings,
    .slots = slots,
    .scratch_size = sizeof(struct graph_steps),
    .open = instagram_open,
    .close = instagram_close,
    .needs_refresh = instagram_needs_refresh,
    .refresh = instagram_refresh,
    .on_failure = instagram_on_failure,
    .on_answer = instagram_on_answer,
};

const struct renewd_plugin *renewd_plugin_v1(void)
{
    return &plugin;
}
