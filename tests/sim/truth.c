/* SPDX-License-Identifier: MIT
 * The truth of the simulator: accounts, tokens, clients and the clock.
 */
#include "tests/sim/truth.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/map.h"
#include "tests/sim/facebook_events.h"
#include "tests/sim/ledger.h"
#include "tests/sim/misbehave.h"
#include "tests/sim/sim.h"

enum { PROVIDERS_MAX = 16, TOKENS_MAX = 4000000 };

static struct {
    pthread_mutex_t lock;
    struct map *tokens;                  /* value -> struct token, owns */
    struct map *accounts[PROVIDERS_MAX]; /* name -> struct account, owns */
    struct map *clients[PROVIDERS_MAX];  /* id -> struct client, owns */
    int64_t offset, frozen_at;
    bool frozen;
    uint64_t issued;
} truth = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t provider_index(const struct provider *provider)
{
    size_t i = 0;
    while (i < PROVIDERS_MAX - 1 && provider_at(i) != provider)
        i++;
    return i;
}

void truth_lock(void)
{
    pthread_mutex_lock(&truth.lock);
}

void truth_unlock(void)
{
    pthread_mutex_unlock(&truth.lock);
}

static void token_free(void *p)
{
    struct token *token = p;
    free(token->value);
    free(token);
}

static void account_free(void *p)
{
    struct account *account = p;
    free(account->name);
    free(account->client_id);
    free(account->scope);
    free(account->reason);
    free(account);
}

static void client_free(void *p)
{
    struct client *client = p;
    free(client->id);
    free(client->secret);
    free(client);
}

void truth_init(void)
{
    events_init();
    truth.tokens = map_new();
    for (size_t i = 0; i < PROVIDERS_MAX; i++) {
        truth.accounts[i] = map_new();
        truth.clients[i] = map_new();
    }
}

void truth_done(void)
{
    events_done();
    map_free(truth.tokens, token_free);
    for (size_t i = 0; i < PROVIDERS_MAX; i++) {
        map_free(truth.accounts[i], account_free);
        map_free(truth.clients[i], client_free);
    }
    misbehave_reset();
}

void truth_reset(void)
{
    truth_done();
    truth_init();
    sim_clock_real();
    ledger_reset();
}

static int64_t real_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec;
}

int64_t sim_now(void)
{
    return truth.frozen ? truth.frozen_at : real_now() + truth.offset;
}

void sim_clock_set(int64_t now)
{
    truth.frozen = true;
    truth.frozen_at = now;
}

void sim_clock_advance(int64_t seconds)
{
    if (truth.frozen)
        truth.frozen_at += seconds;
    else
        truth.offset += seconds;
}

void sim_clock_real(void)
{
    truth.frozen = false;
    truth.offset = 0;
}

bool sim_clock_frozen(void)
{
    return truth.frozen;
}

/* 40 random characters. Strict's alphabet holds everything that a careless client forgets to
 * percent-encode in a form; Google's tokens hold slashes and dashes. */
static void random_text(const char *alphabet, char out[41])
{
    unsigned char bytes[40];
    size_t n = strlen(alphabet);

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        abort();
    for (size_t i = 0; i < sizeof(bytes); i++)
        out[i] = alphabet[bytes[i] % n];
    out[sizeof(bytes)] = '\0';
}

/* Each provider's begin as its real ones do: a text that quotes a piece of one quotes no word of ours. */
static char *token_text(const struct provider *provider, enum token_kind kind)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    static const char rich[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=%&;";
    static const struct {
        const char *name, *access, *refresh;
    } begins[] = {
        {"google", "ya29.a0", "1//0g"},         {"facebook", "EAAG", "EAAG"},
        {"instagram", "IGAA", "IGAA"},          {"tiktok", "act.", "rft."},
        {"lightspeed", "lsr_at_", "lsr_rt_"},   {"lightspeed_x", "lsxs_at_", "lsxs_rt_"},
        {"strict", "strict.at.", "strict.rt."},
    };
    const char *begin = NULL;
    char text[41];

    for (size_t i = 0; i < sizeof(begins) / sizeof(*begins); i++)
        if (strcmp(begins[i].name, provider->name) == 0)
            begin = kind == TOKEN_ACCESS ? begins[i].access : begins[i].refresh;
    random_text(provider == &google_provider || kind == TOKEN_ACCESS ? plain : rich, text);
    return xasprintf("%s%s-%llu", begin ? begin : "other.", text, (unsigned long long)++truth.issued);
}

static struct token *token_new(struct account *account, enum token_kind kind, char *value)
{
    struct token *token = xcalloc(1, sizeof(*token));

    if (map_count(truth.tokens) >= TOKENS_MAX) {
        fprintf(stderr, "simulator: %d tokens issued, that is enough; reset it\n", TOKENS_MAX);
        abort();
    }
    token->value = value;
    token->account = account;
    token->kind = kind;
    token->issued_at = sim_now();
    token->older = account->newest;
    account->newest = token;
    account->changed_at = token->issued_at;
    if (kind == TOKEN_ACCESS)
        account->access = token;
    else
        account->refresh = token;
    map_put(truth.tokens, value, token);
    return token;
}

struct token *token_issue(struct account *account, enum token_kind kind)
{
    struct token *token = token_new(account, kind, token_text(account->provider, kind));
    int64_t life = kind == TOKEN_ACCESS ? account->expires_in : account->refresh_expires_in;

    token->expires_at = life > 0 ? token->issued_at + life : 0;
    return token;
}

struct account *account_add(const struct provider *provider, const struct account_spec *spec)
{
    struct map *accounts = truth.accounts[provider_index(provider)];
    const char *access = spec->access_token, *refresh = spec->refresh_token;

    if (map_get(accounts, spec->name) || (access && token_find(access)) || (refresh && token_find(refresh)) ||
        (access && refresh && strcmp(access, refresh) == 0))
        return NULL;
    struct account *account = xcalloc(1, sizeof(*account));
    account->provider = provider;
    account->name = xstrdup(spec->name);
    account->client_id = spec->client_id ? xstrdup(spec->client_id) : NULL;
    account->scope = xstrdup(spec->scope ? spec->scope : "");
    account->expires_in = spec->expires_in;
    account->refresh_expires_in = spec->refresh_expires_in;
    account->grace = spec->grace;
    account->bucket_size = spec->bucket;
    account->testing = spec->testing;
    account->rotate = spec->rotate;
    account->created_at = account->last_used_at = sim_now();
    map_put(accounts, account->name, account);

    struct token *first =
        token_new(account, TOKEN_ACCESS, access ? xstrdup(access) : token_text(provider, TOKEN_ACCESS));
    first->issued_at -= spec->age;
    first->expires_at = first->issued_at + account->expires_in;
    struct token *second =
        token_new(account, TOKEN_REFRESH, refresh ? xstrdup(refresh) : token_text(provider, TOKEN_REFRESH));
    second->expires_at = spec->refresh_expires_in ? sim_now() + spec->refresh_expires_in : 0;
    return account;
}

struct account *account_find(const struct provider *provider, const char *name)
{
    return map_get(truth.accounts[provider_index(provider)], name);
}

struct account *account_next(const struct provider *provider, size_t *cursor)
{
    const char *name;
    void *value;
    bool more = map_next(truth.accounts[provider_index(provider)], cursor, &name, &value);
    return more ? value : NULL;
}

void account_revoke(struct account *account, const char *reason)
{
    if (account->revoked)
        return;
    account->revoked = true;
    account->reason = xstrdup(reason);
    account->changed_at = sim_now();
    for (struct token *token = account->newest; token; token = token->older)
        token->revoked = true;
}

struct token *token_find(const char *value)
{
    return map_get(truth.tokens, value);
}

void token_spend(struct token *token, struct token *next_refresh, struct token *next_access)
{
    token->spent = true;
    token->spent_at = sim_now();
    token->next_refresh = next_refresh;
    token->next_access = next_access;
    token->account->spent++;
}

bool token_expired(const struct token *token)
{
    return token->expires_at && sim_now() >= token->expires_at;
}

const char *token_state(const struct token *token)
{
    if (token->revoked)
        return "revoked";
    if (token->spent)
        return "spent";
    return token_expired(token) ? "expired" : "live";
}

void token_presented(struct token *token)
{
    struct account *account = token->account;

    token->presented++;
    token->in_flight++;
    if (token->in_flight > token->most_in_flight)
        token->most_in_flight = token->in_flight;
    if (token->kind != TOKEN_REFRESH)
        return;
    account->presented++;
    if (token->presented > account->most_presented)
        account->most_presented = token->presented;
    if (token->most_in_flight > account->most_in_flight)
        account->most_in_flight = token->most_in_flight;
}

void token_released(const char *value)
{
    struct token *token = token_find(value);
    if (token && token->in_flight)
        token->in_flight--;
}

void client_add(const struct provider *provider, const char *id, const char *secret, enum client_auth auth,
                bool deleted)
{
    struct client *client = xcalloc(1, sizeof(*client));

    client->id = xstrdup(id);
    client->secret = xstrdup(secret);
    client->auth = auth;
    client->deleted = deleted;
    struct client *before = map_put(truth.clients[provider_index(provider)], id, client);
    if (before)
        client_free(before);
}

const struct client *client_find(const struct provider *provider, const char *id, bool *ret_registered)
{
    const struct map *clients = truth.clients[provider_index(provider)];

    *ret_registered = map_count(clients) > 0;
    return id ? map_get(clients, id) : NULL;
}
