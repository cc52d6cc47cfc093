/* SPDX-License-Identifier: MIT
 * What instagram.so and meta.so share of Meta's Graph API: what its errors mean, what its usage headers ask for,
 * and the exchange of a Facebook token for one with a longer life. Linked into both; includes only the public
 * header.
 */
#ifndef PLUGINS_GRAPH_H
#define PLUGINS_GRAPH_H

#include <renewd/plugin.h>

#define GRAPH_DAY INT64_C(86400)

/* access_token (the credential), expires_at and data_access_expires_at. */
extern const struct renewd_slot graph_access_token, graph_expires_at, graph_data_access;

#define GRAPH_HASH 16 /* hex digits of a token's hash */
#define GRAPH_LOOKS 32

/* One job. The texts are settings, valid as long as this struct. */
struct graph {
    const struct renewd_services *services;
    struct renewd_host *host;
    const char *name;         /* for people: "Instagram" */
    const char *facebook_url; /* the host of Facebook tokens, without the version */
    const char *version, *app_id, *app_secret;
    int proof;       /* send appsecret_proof */
    int system_user; /* ask for 60 days, as system users have to */
    int told_short;  /* a life far below 60 days was reported */
    int told_access; /* so was the end of data access */
    int has_system;  /* the plugin has the setting system_user */
    int told_system; /* that it should be true was said */
    char look[GRAPH_LOOKS]
             [GRAPH_HASH]; /* whose exchange was refused as a system user's might be: debug_token first */
    unsigned looks;
};

/* Whether the text can stand in a path: "v26.0". */
int graph_version_ok(const char *version);

/* ---- Answers (graph.c) ---- */

/* What an answer that is no success means. */
struct graph_verdict {
    int32_t outcome;
    int32_t strike;      /* this record was refused for an unknown reason */
    int32_t unsupported; /* Instagram's "Unsupported request", which may mean anything */
    int32_t secret;      /* the app's secret is wrong */
    int32_t unparsable;  /* the token is not for this host: the wrong family, or cut */
    int32_t blocked;     /* for policy: come back late */
    int32_t heals;       /* this token may work again after the person has acted */
    const char *code;    /* "190/463"; NULL = none */
    const char *why;     /* what befell the grant, for people; "" = not said */
};
void graph_judge(const struct graph *g, struct renewd_call *call, const struct renewd_reply *reply,
                 struct graph_verdict *ret);

/* The same for an error that stands elsewhere than usual (debug_token's own): 1 = a known code. */
int graph_judge_code(const struct graph *g, struct renewd_call *call, int64_t code, int64_t subcode,
                     struct graph_verdict *ret);

/* Fails with what the answer means. */
int32_t graph_refuse(const struct graph *g, struct renewd_call *call, const struct renewd_reply *reply);
int32_t graph_fail(const struct graph *g, struct renewd_call *call, const struct renewd_reply *reply,
                   const struct graph_verdict *v);

/* The token of a success, or NULL when the answer is none. */
const char *graph_token(const struct graph *g, const struct renewd_reply *reply);

/* Seconds of life that a success grants; 0 = not said, or nothing to believe. */
int64_t graph_life(const struct graph *g, const struct renewd_reply *reply);

/* Seconds by which the usage headers want the job slowed down; 0 = all is well. */
int64_t graph_slow_for(const struct graph *g, struct renewd_call *call, const struct renewd_reply *reply);

/* What an answer to a call with the token says about it, whatever its status; for on_answer. */
void graph_answer(const struct graph *g, const struct renewd_on_answer_in *in, struct renewd_on_answer_out *out);

/* Strikes, and how long a limit lasts; for on_failure. */
void graph_decide(struct graph *g, const struct renewd_on_failure_in *in, struct renewd_on_failure_out *out);

/* ---- Facebook's exchange (graph_exchange.c) ---- */

/* What renewd's memo says about the token that it now holds. */
#define GRAPH_NEVER 'n'       /* it does not expire: left alone */
#define GRAPH_SAME 's'        /* the last exchange did not extend its life */
#define GRAPH_SYSTEM 'y'      /* debug_token says that it is a system user's */
#define GRAPH_SAME_SYSTEM 'z' /* both */
#define GRAPH_UNSUPPORTED 'u' /* refused with "Unsupported request" */

/* Writes GRAPH_HASH characters, without an end. */
void graph_hash(const struct graph *g, struct renewd_call *call, const char *token, char *ret);

/* The mark that the memo holds for the token, and when it was made (ret_when may be NULL); 0 =
 * none, or it is another token's. */
int graph_marked(const struct graph *g, struct renewd_call *call, const struct renewd_record *r, int64_t *ret_when);
/* Whether the token is among those that debug_token is to be asked about before they are exchanged. */
int graph_looks(const struct graph *g, struct renewd_call *call, const struct renewd_record *r);

/* what 0 empties the memo. */
void graph_mark(const struct graph *g, struct renewd_call *call, int what, const char *hash, int64_t when);

/* appsecret_proof, where the job wants it: that this caller knows the secret, and not the token alone. */
void graph_proof(const struct graph *g, struct renewd_call *call, struct renewd_request *r, const char *token);

/* Whether renewd (or another program that writes refreshed_at) has refreshed this token. */
int graph_refreshed(const struct renewd_record *r);

void graph_window(const struct graph *g, const struct renewd_needs_refresh_in *in,
                  struct renewd_needs_refresh_out *out);

/* The steps of an exchange; scratch is of this size. */
struct graph_steps {
    int32_t asked;         /* for what the reply answers */
    char hash[GRAPH_HASH]; /* of the new token */
    int64_t end;           /* of the old one, as debug_token says; 0 = not asked */
    int32_t system;        /* the token is a system user's */
    int32_t reserved;
};
int32_t graph_exchange(struct graph *g, const struct renewd_refresh_in *in, struct renewd_refresh_out *out);

#endif
