/* SPDX-License-Identifier: MIT
 * The provider simulator: one request, one reply, and the table of providers between them.
 * A provider is one file with one struct provider; server.c owns connections, truth.h the tokens.
 * Everything here is invented: no secret of anybody passes through, so all may be shown.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct MHD_Connection;
struct provider;
struct token;

enum { BODY_MAX = 64 << 20, PROVIDER_BODY_MAX = 4 << 20, REPLY_HEADERS = 16 };

/* One connection, for as long as it lives. */
struct peer {
    uint64_t id;
    bool drop_next;     /* take the next request of this connection and close without a byte */
    bool drop_next_rst; /* ... with a reset rather than an orderly end */
    bool close_after;   /* close once the reply is out, without having said so */
};

struct request {
    struct MHD_Connection *connection;
    struct peer *peer;
    const char *method;
    char *path;  /* raw, without the query */
    char *query; /* raw, "" when there is none */
    char *body;  /* NUL-terminated */
    size_t len, cap;
    bool too_large;
    uint64_t number; /* in the log; 0 for the control API */
    uint64_t luck;   /* what its misbehaviour chooses by */
    const struct provider *provider;
    const char *rest; /* path behind the provider's prefix */
};

struct header {
    char *name, *value;
};

enum drop { DROP_NO, DROP_FIN, DROP_RST };

/* json (owned) becomes the body where it is set, body (owned) otherwise. */
struct reply {
    int status;
    struct json_object *json;
    char *body;
    size_t len;
    char content_type[80];
    struct header headers[REPLY_HEADERS];
    size_t header_count;
    enum drop drop;
    bool cut;
    size_t cut_at; /* bytes of the body that go out when cut */
    const char *outcome;
};

struct provider {
    const char *name, *prefix;
    const char *token_path; /* how the token endpoint's path ends, behind the prefix */
    /* What an account is granted when its maker does not say; refresh_life 0: for ever. */
    const char *scope;
    int64_t life, refresh_life;
    /* Which token of ours the request presents, or NULL. Called under the truth's lock. */
    struct token *(*presents)(const struct request *request);
    /* Processes the request and fills the reply. Called under the truth's lock. */
    void (*answer)(const struct request *request, struct reply *reply);
};

extern const struct provider google_provider;
extern const struct provider strict_provider;
extern const struct provider tiktok_provider;
extern const struct provider lightspeed_provider;
extern const struct provider lightspeed_x_provider;
extern const struct provider instagram_provider;
extern const struct provider facebook_provider;
extern const struct provider echo_provider;

/* providers.c */
const struct provider *provider_of_path(const char *path, const char **ret_rest);
const struct provider *provider_named(const char *name);
const struct provider *provider_at(size_t index); /* NULL past the last */

/* reply.c: reply_text and reply_json replace what was there. */
void reply_done(struct reply *reply);
void reply_header(struct reply *reply, const char *name, const char *value);
void reply_json(struct reply *reply, int status, struct json_object *json);
void reply_text(struct reply *reply, int status, const char *type, const char *text);
void reply_body(struct reply *reply, char *body, size_t len);
/* An OAuth error; description NULL leaves it out. */
void reply_oauth_error(struct reply *reply, int status, const char *code, const char *description);
/* Turns json into body; misbehaviours that touch bytes call it early. */
void reply_render(struct reply *reply);
const char *request_header(const struct request *request, const char *name);

/* control.c: the /_sim/ routes; takes the truth's lock itself. */
void control_answer(const struct request *request, struct reply *reply);

/* server.c */
struct server_options {
    uint16_t port;
    const char *certificate, *key; /* PEM texts, both or none */
};
struct server;
/* NULL with a message on stderr when the port cannot be had. */
struct server *server_start(const struct server_options *options, uint16_t *ret_port);
/* Wakes sleeping requests, ends all connections. */
void server_stop(struct server *server);

#endif
