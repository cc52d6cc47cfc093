/* SPDX-License-Identifier: MIT
 * skeleton.so: the file to copy for a provider of your own. It is complete: it refreshes tokens at
 * a small invented provider. To make your plugin of it:
 *
 * 1. Copy it to NAME.c and write NAME instead of "skeleton" at the end of the file.
 *   2. List what must be configured (settings) and what a record carries (slots).
 *   3. Write how to ask (ask) and how to read the answer (read_reply).
 *   4. cc -std=c99 -fPIC -shared -fvisibility=hidden -Wl,-z,defs \
 *         $(pkg-config --cflags renewd) -o NAME.so NAME.c
 *      and put NAME.so into the folder that `pkg-config --variable=plugindir renewd` prints.
 *
 * A plugin never blocks, sleeps, opens a socket, reads the clock or writes to a database: it says what it wants,
 * renewd does it. Texts given to a callback are valid until it returns.
 */
#include <renewd/plugin.h>
#include <stdlib.h>
#include <string.h>

/* One per job: renewd's table of functions, and the settings, which are valid as long as this struct. */
struct skeleton {
    const struct renewd_services *services;
    const char *base_url, *api_key;
};

/* ---- What must be configured: a file of conf.d, settings = { ... } --------------------------- */

static const struct renewd_setting api_key = {
    .size = sizeof(struct renewd_setting),
    .name = "api_key",
    .type = RENEWD_TEXT,
    .required = 1,
    .secret = 1, /* written as "env:NAME", "file:PATH" or "credential:NAME"; never shown */
    .help = "The key that the provider gave to this application",
};
/* Every provider's address is a setting, so that tests and proxies can replace it. */
static const struct renewd_setting base_url = {
    .size = sizeof(struct renewd_setting),
    .name = "base_url",
    .type = RENEWD_URL,
    .default_value = "https://auth.example.com",
    .help = "Where the provider is",
};
static const struct renewd_setting *const settings[] = {&api_key, &base_url, NULL};

/* ---- What a record carries: records = { columns = { ... } } ------------------------------- */

static const struct renewd_slot access_token = {
    .size = sizeof(struct renewd_slot),
    .name = "access_token",
    .type = RENEWD_SECRET,
    .direction = RENEWD_INOUT,
    .required = 1,
    .help = "What the provider's API is called with",
};
static const struct renewd_slot refresh_token = {
    .size = sizeof(struct renewd_slot),
    .name = "refresh_token",
    .type = RENEWD_SECRET,
    .direction = RENEWD_INOUT,
    .required = 1,
    .credential = 1, /* what a refresh presents: renewd lets no two hosts do so at once */
    .help = "What a new access token is asked for with",
};
static const struct renewd_slot expires_at = {
    .size = sizeof(struct renewd_slot),
    .name = "expires_at",
    .type = RENEWD_TIME,
    .direction = RENEWD_INOUT,
    .help = "When the access token ends",
};
static const struct renewd_slot *const slots[] = {&access_token, &refresh_token, &expires_at, NULL};

/* ---- One instance per job ----------------------------------------------------------------- */

static int32_t skeleton_open(void *instance, const struct renewd_open_in *in, struct renewd_open_out *out)
{
    struct skeleton *k = calloc(1, sizeof(*k));

    (void)instance;
    if (!k)
        return in->services->fail(in->call, RENEWD_TRANSIENT, NULL, "out of memory");
    k->services = in->services;
    k->base_url = in->services->setting_text(in->host, "base_url");
    k->api_key = in->services->setting_text(in->host, "api_key");
    out->instance = k; /* the other callbacks get it back */
    return 0;
}

static int32_t skeleton_close(void *instance, const struct renewd_close_in *in, struct renewd_close_out *out)
{
    (void)in;
    (void)out;
    free(instance);
    return 0;
}

/* ---- First question: when? ----------------------------------------------------------------- */

/* Says between which times a refresh is wanted; renewd spreads the records over it. Nothing but
 * `in` may decide: renewd asks often and remembers the answer. */
static int32_t skeleton_needs_refresh(void *instance, const struct renewd_needs_refresh_in *in,
                                      struct renewd_needs_refresh_out *out)
{
    const struct skeleton *k = instance;
    const struct renewd_record *record = in->records[0];
    const struct renewd_value *expires = k->services->slot(record, "expires_at");
    int64_t before = in->refresh_before ? in->refresh_before : 300;

    if (expires->present) {
        if (record->life > 0 && before > record->life / 2)
            before = record->life / 2; /* a short life is not refreshed all the time */
        out->latest = expires->number - before;
        out->preferred = out->latest - before;
    } else {
        /* The expiry is unknown: now if it was never refreshed, then every hour. */
        out->preferred = out->latest = record->refreshed_at ? record->refreshed_at + 3600 : in->now;
    }
    return 0;
}

/* ---- Second question: how? ----------------------------------------------------------------- */

/* Without a reply: build one request and wait. */
static int32_t ask(const struct skeleton *k, const struct renewd_refresh_in *in)
{
    const struct renewd_services *s = k->services;
    const char *const url[] = {k->base_url, "/v1/token", NULL};
    struct renewd_request *r = s->request(in->call, "POST", s->join(in->call, url));

    s->header(r, "X-Api-Key", k->api_key);
    s->form(r, "grant_type", "refresh_token");
    s->form(r, "refresh_token", s->slot(in->records[0], "refresh_token")->text);
    return RENEWD_WAIT;
}

/* What the provider's refusal means. When in doubt: RENEWD_TRANSIENT, which loses nothing. */
static int32_t refuse(const struct skeleton *k, const struct renewd_refresh_in *in)
{
    const struct renewd_services *s = k->services;
    const char *code = s->json_text(in->reply->json, "error");

    if (in->reply->status == 429)
        return s->fail(in->call, RENEWD_RATE_LIMITED, code, "the provider asks for fewer requests");
    if (in->reply->status < 500 && code && strcmp(code, "invalid_grant") == 0)
        return s->fail(in->call, RENEWD_RECONNECT, code,
                       "the provider no longer accepts this grant; connect the account again");
    if (in->reply->status < 500 && code && strcmp(code, "invalid_key") == 0)
        return s->fail(in->call, RENEWD_MISCONFIGURED, code, "the provider refuses api_key");
    return s->fail(in->call, RENEWD_TRANSIENT, code, "the provider could not refresh now");
}

/* With the reply: record what is to be stored. All of it is committed together. */
static int32_t read_reply(const struct skeleton *k, const struct renewd_refresh_in *in)
{
    const struct renewd_services *s = k->services;
    const struct renewd_json *json = in->reply->json; /* NULL when it is not JSON: all is absent */
    const char *access = s->json_text(json, "access_token");
    const char *refresh = s->json_text(json, "refresh_token");
    int64_t life = 0;

    if (in->reply->status != 200 || !access || !*access)
        return refuse(k, in);
    s->set_text(in->call, "access_token", access);
    if (refresh && *refresh) /* absent means: keep the old one */
        s->set_text(in->call, "refresh_token", refresh);
    if (s->json_integer(json, "expires_in", &life) < 0 || life <= 0 || life > 366 * 86400)
        life = 3600; /* absent or senseless */
    s->set_time(in->call, "expires_at", in->now + life);
    return RENEWD_DONE;
}

static int32_t skeleton_refresh(void *instance, const struct renewd_refresh_in *in, struct renewd_refresh_out *out)
{
    (void)out;
    return in->reply ? read_reply(instance, in) : ask(instance, in);
}

/* ---- Third question: what follows from a failure? ------------------------------------------ */

/* Optional. `out` holds renewd's own decision; here the provider is known to be back within ten
 * minutes of its nightly pause, so there is no need to wait longer than that. */
static int32_t skeleton_on_failure(void *instance, const struct renewd_on_failure_in *in,
                                   struct renewd_on_failure_out *out)
{
    (void)instance;
    if (in->status == 503 && out->next_at > in->now + 600)
        out->next_at = in->now + 600;
    return 0;
}

/* ---- Fourth question: what does an answer say about the token? ------------------------------ */

/* Optional. Applications' calls of the provider's API go through renewd, or are told to it; each
 * answer is shown here. `out` says already what holds for most: 401 refuses the token, 429 slows.
 * This provider refuses a token with 403 and a word, and gives 401 to a wrong api_key alone. */
static int32_t skeleton_on_answer(void *instance, const struct renewd_on_answer_in *in,
                                  struct renewd_on_answer_out *out)
{
    const struct skeleton *k = instance;
    const char *code = k->services->json_text(in->reply->json, "error");

    out->token_refused = in->reply->status == 403 && code && strcmp(code, "token_expired") == 0;
    if (in->reply->status == 503 && out->slow_for == 0)
        out->slow_for = in->retry_after ? in->retry_after : 30; /* it is pausing: calls are of no use */
    return 0;
}

/* ---- The descriptor, and the one function that the file exports ---------------------------- */

static const struct renewd_plugin plugin = {
    .size = sizeof(struct renewd_plugin),
    .minor = RENEWD_MINOR,
    .replay = RENEWD_REPLAY_SINGLE_USE, /* the careful answer; SAFE if the provider never rotates */
    .name = "skeleton",
    .version = "1.0",
    .summary = "An example to copy",
    .settings = settings,
    .slots = slots,
    .open = skeleton_open,
    .close = skeleton_close,
    .needs_refresh = skeleton_needs_refresh,
    .refresh = skeleton_refresh,
    .on_failure = skeleton_on_failure,
    .on_answer = skeleton_on_answer,
};

const struct renewd_plugin *renewd_plugin_v1(void)
{
    return &plugin;
}
