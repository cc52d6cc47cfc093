/* SPDX-License-Identifier: MIT
 * What providers that speak OAuth 2 share: reading a token endpoint's answer, and the window that
 * follows from lifetimes. Linked into each plugin that uses it; sees the public header only.
 */
#ifndef PLUGINS_OAUTH_COMMON_H
#define PLUGINS_OAUTH_COMMON_H

#include <renewd/plugin.h>

/* access_token, refresh_token (the credential), expires_at, refresh_expires_at, scope. */
extern const struct renewd_slot *const oauth_slots[];

/* What a word in the answer's `error` means. */
struct oauth_verdict {
    const char *code;
    int32_t outcome;
};

struct oauth_provider {
    const char *name;                      /* for people: "Google" */
    const struct oauth_verdict *verdicts;  /* ended by a NULL code */
    int32_t unreadable;                    /* outcome of a 2xx that holds neither token nor error */
    int64_t longest_life;                  /* an expires_in beyond it is not believed */
};

/* One question while it is asked. */
struct oauth_call {
    const struct renewd_services *services;
    const struct oauth_provider *provider;
    const struct renewd_refresh_in *in;
    int64_t assumed_life; /* seconds, where the answer does not say */
};

/* Seconds of life at path, however they are written; 0 = absent, not positive, or absurd. */
int64_t oauth_life(const struct renewd_services *s, const struct renewd_json *json,
                   const char *path, int64_t longest);

/* The grant's own remaining life that a success names, in either spelling; 0 = not named. */
int64_t oauth_grant_life(const struct renewd_services *s, const struct renewd_json *json);

/* Reads in->reply: records the new tokens and lifetimes, or fails with the reason. */
int32_t oauth_read(const struct oauth_call *c);

/* The window of in's record. assumed_life: where no expiry is known after a refresh. */
void oauth_window(const struct renewd_services *s, const struct renewd_needs_refresh_in *in,
                  int64_t assumed_life, struct renewd_needs_refresh_out *out);

#endif
