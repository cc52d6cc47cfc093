/* SPDX-License-Identifier: MIT
 * What is true at the providers: clients, accounts, every token ever issued and what became of it,
 * the clock that lifetimes run on. One lock over all of it; functions below want it held
 * unless they say otherwise. Pointers are good until the lock is let go.
 */
#ifndef TESTS_SIM_TRUTH_H
#define TESTS_SIM_TRUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct provider;
struct json_object;
struct buf;

enum token_kind { TOKEN_ACCESS, TOKEN_REFRESH };

struct token {
    char *value;
    struct account *account;
    struct token *older; /* the account's next older token */
    enum token_kind kind;
    int64_t issued_at, expires_at; /* expires_at 0: never */
    int64_t spent_at;
    bool spent, revoked;
    bool unfit;                               /* Facebook's API refuses it, an exchange takes it */
    struct token *next_refresh, *next_access; /* what a spent one was exchanged for */
    uint64_t presented;
    unsigned in_flight, most_in_flight;
};

struct account {
    const struct provider *provider;
    char *name, *client_id, *scope; /* client_id NULL: any client's */
    int64_t expires_in, refresh_expires_in, grace;
    int64_t created_at, last_used_at, changed_at;
    bool testing, rotate, revoked;
    char *reason;          /* of revoked */
    struct token *newest;  /* all tokens, newest first */
    struct token *refresh; /* the newest refresh token */
    struct token *access;
    uint64_t spent, presented, refresh_ok, refresh_refused, reuse, repeats, misbehaved;
    int64_t minute, bucket, bucket_at; /* Lightspeed: of the last repeats; in hundredths, as of */
    int64_t bucket_size;               /* likewise; 0: as most have it */
    unsigned repeats_of_minute;
    uint64_t most_presented; /* of one refresh token */
    unsigned most_in_flight;
};

enum client_auth { AUTH_ANY, AUTH_POST, AUTH_BASIC };

struct client {
    char *id, *secret;
    enum client_auth auth;
    bool deleted;
};

/* What an account starts with; strings are copied, NULL and 0 are defaults. */
struct account_spec {
    const char *name, *client_id, *scope, *access_token, *refresh_token;
    int64_t expires_in, refresh_expires_in, grace;
    int64_t bucket;
    int64_t age; /* how many seconds ago the access token was issued */
    bool testing, rotate;
};

void truth_lock(void);
void truth_unlock(void);
void truth_init(void);
void truth_done(void);
/* Forgets everything: accounts, clients, counts, log; the clock is real again. */
void truth_reset(void);

int64_t sim_now(void);
void sim_clock_set(int64_t now);
void sim_clock_advance(int64_t seconds);
void sim_clock_real(void);
bool sim_clock_frozen(void);

/* NULL when the name, or a token given for it, is taken. */
struct account *account_add(const struct provider *provider, const struct account_spec *spec);
struct account *account_find(const struct provider *provider, const char *name);
void account_revoke(struct account *account, const char *reason);
/* Iterates in the order of creation over one provider's accounts. */
struct account *account_next(const struct provider *provider, size_t *cursor);

struct token *token_find(const char *value);
/* A new token of the account; for a refresh token, expiry from refresh_expires_in. */
struct token *token_issue(struct account *account, enum token_kind kind);
void token_spend(struct token *token, struct token *next_refresh, struct token *next_access);
bool token_expired(const struct token *token);
/* "live", "spent", "revoked" or "expired". */
const char *token_state(const struct token *token);
void token_presented(struct token *token);
/* By value: the token may have been forgotten meanwhile. */
void token_released(const char *value);

void client_add(const struct provider *provider, const char *id, const char *secret, enum client_auth auth,
                bool deleted);
/* With no client registered for the provider every client is let in: *ret_known false, NULL. */
const struct client *client_find(const struct provider *provider, const char *id, bool *ret_registered);

struct json_object *truth_account_json(const struct account *account);
void truth_account_line(const struct account *account, struct buf *out);
struct json_object *truth_token_json(const char *value);

#endif
