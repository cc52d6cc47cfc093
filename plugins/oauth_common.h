/* SPDX-License-Identifier: MIT
 * What the plugins for OAuth 2 share: reading a token endpoint's reply, and computing the window from lifetimes.
 * Linked into each plugin that uses it; includes only the public header.
 */
#ifndef PLUGINS_OAUTH_COMMON_H
#define PLUGINS_OAUTH_COMMON_H

#include <renewd/plugin.h>

extern const struct renewd_slot oauth_access_token, oauth_refresh_token /* the credential */, oauth_expires_at,
    oauth_refresh_expires_at, oauth_scope;
/* These five. */
extern const struct renewd_slot *const oauth_slots[];

/* What a word in the answer's `error` means. */
struct oauth_verdict {
    const char *code;
    int32_t outcome;
};

struct oauth_provider {
    const char *name;                     /* for people: "Google" */
    const struct oauth_verdict *verdicts; /* ended by a NULL code */
    int32_t unreadable;                   /* outcome of a 2xx that holds neither token nor error */
    int64_t longest_life;                 /* an expires_in beyond it is not believed */
    const char *client;                   /* the client's settings, for people; NULL: the usual */
    char scope_separator;                 /* of the answer's scope; 0: blanks */
    int remember_grant_end;               /* also where the table has no column for it */
};

/* One question while it is asked. */
struct oauth_call {
    const struct renewd_services *services;
    const struct oauth_provider *provider;
    const struct renewd_refresh_in *in;
    int64_t assumed_life; /* seconds, where the answer does not say */
};

/* The grant's own remaining life that a success names, in either spelling; 0 = not named. */
int64_t oauth_grant_life(const struct renewd_services *s, const struct renewd_json *json);

/* A non-empty text that could stand in a header, or NULL. */
const char *oauth_token(const struct renewd_services *s, const struct renewd_json *json, const char *path);

/* The answer's error: NULL when it has none, "error" when it has one that is no word. Some servers
 * put an object there. */
const char *oauth_error(const struct renewd_services *s, const struct renewd_json *json);

/* Whether the answer's words for people complain of the refresh token, and not of its absence. */
int oauth_blames_grant(const struct renewd_services *s, const struct renewd_json *json);

/* What a reply that is not a success means: first the codes for temporary trouble, then the status if it is
 * decisive, then the provider's verdicts. The status alone never means reconnect. */
int32_t oauth_judge(const struct oauth_call *c, const char *code);

/* Fails with a sentence of ours for that outcome. code may be NULL. */
int32_t oauth_fail(const struct oauth_call *c, int32_t outcome, const char *code);

/* Records what a success holds; access is its access token. Fails where its refresh token can be none. */
int32_t oauth_store(const struct oauth_call *c, const char *access);

/* Reads in->reply: records the new tokens and lifetimes, or fails with the reason. */
int32_t oauth_read(const struct oauth_call *c);

/* What an answer to a call with the access token says about it, by RFC 6750: in the error of a
 * WWW-Authenticate: Bearer, or in the body's `error`; for on_answer. */
void oauth_answer(const struct renewd_services *s, const struct renewd_on_answer_in *in,
                  struct renewd_on_answer_out *out);

/* The window of in's record. assumed_life: where no expiry is known after a refresh. */
void oauth_window(const struct renewd_services *s, const struct renewd_needs_refresh_in *in, int64_t assumed_life,
                  struct renewd_needs_refresh_out *out);

#endif
