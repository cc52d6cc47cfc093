/* SPDX-License-Identifier: MIT
 * Shared by the API's own files: one request from its arrival to its answer, the routes, the JSON forms. Only
 * core/api and its tests include it.
 */
#ifndef CORE_API_INTERNAL_H
#define CORE_API_INTERNAL_H

#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "core/api/api.h"
#include "core/base/buf.h"
#include "core/http/server/server.h"
#include "core/json/json.h"

enum {
    SEGMENTS_MAX = 8,
    LIMIT_DEFAULT = 100,
    LIMIT_MAX = 1000,
    ANSWER_MAX = 16 * 1024 * 1024,
};

struct request;
struct incoming;
LIST_HEAD(requests, request);
TAILQ_HEAD(incomings, incoming);

struct api {
    struct engine *engine;
    struct loop *loop;
    const struct config *config;
    struct plugins *plugins; /* for describe: the plugins loaded here are the engine's */
    struct http_server *socket, *tcp;
    struct old_server *old; /* with an earlier certificate, until its connections end */
    struct loop_timer *old_timer;
    char *certificate;          /* that tcp uses, as PEM; NULL: none */
    unsigned char tls_hash[32]; /* of the certificate and key that tcp uses */
    bool ready;                 /* the engine has reported it */
    struct auth_throttle *door; /* delays wrong secrets */
    struct requests requests;   /* not answered yet */
    struct incomings incomings; /* large bodies of events, of which the first is being read */
    struct loop_timer *incomings_timer;
};

/* Answered exactly once, by answer_json or answer_error, which free it. Work under way may outlive the API itself:
 * then call is NULL, and an answer only frees the request. */
struct request {
    LIST_ENTRY(request) link;
    struct api *api;        /* NULL when the API is gone */
    struct http_call *call; /* likewise */
    const struct route *route;
    char *memory, *segments[SEGMENTS_MAX];
    char *called;                    /* the job's present name, where the path has its earlier one; else NULL */
    const char *rest;                /* of the path, as received: what follows .../forward/; NULL elsewhere */
    char *job, *id;                  /* of the path: the segments for {job}, {id}, {name}; in memory */
    const struct api_client *client; /* over TCP: the client; NULL over the socket */
    bool anonymous;                  /* over TCP, a function: without a key */
    bool tcp;                        /* otherwise over the socket, where the kernel identifies the caller: */
    bool known;                      /* it did */
    uid_t uid;
    gid_t gid;
    struct job *found;  /* routes with {job}: valid until the handler returns, then only to be compared */
    int64_t started_at; /* clock_now() */
};

enum body_kind {
    BODY_NONE, /* nothing, or an empty JSON object */
    BODY_JSON,
    BODY_LINES,
    BODY_ANY, /* of any type; the handler checks it */
};

struct route {
    const char *method, *pattern; /* "/v1/jobs/{job}/run"; "*": the handler looks at the method */
    void (*handle)(struct request *q);
    const char *query; /* names of its parameters, each followed by a blank; "" = none, NULL = any */
    int body;          /* enum body_kind */
    const char *right; /* what `allow` of a client must hold; NULL: read for GET, else operate */
};

/* ---- routes.c ---- */
/* All of them; NULL after the last. */
const struct route *route_at(size_t index);
/* The route of a path and method, or NULL. Then *ret_allow, when it is not NULL afterwards, lists the path's
 * methods ("GET, POST"), the caller's to free; NULL: no such path. */
const struct route *route_find(const char *method, char *const segments[], size_t count, struct request *q,
                               char **ret_allow);

/* ---- request.c ---- */
/* The server's handler: from the received call to the route. */
void request_arrived(void *ctx, struct http_call *call);
/* For api_free: separates the request from its call. */
void requests_detach(struct requests *list);
/* The body as an object with no other members than `known` (names, each followed by a blank). An empty body is an
 * empty object. -EINVAL: the request was answered. *ret is freed by json_free. */
int request_object(struct request *q, const char *known, struct json **ret);
/* 0 with *ret: the parameter `limit`, or fallback. -EINVAL: the request was answered. */
int request_limit(struct request *q, size_t *ret);
/* 0 with *ret, which is NULL when the parameter is absent. -EINVAL: the request was answered. */
int request_parameter(struct request *q, const char *name, const char **ret);

/* Adds to the next answer when to ask again. */
void request_retry_after(struct request *q, int64_t seconds);

/* ---- api/compat/functions.c ---- */
/* Whether the path, in count segments, is that of a function. */
bool is_function(const struct request *q, size_t count);
void function_arrived(struct request *q);

/* ---- local_peer.c ---- */
/* Root, the daemon's own user, and the group renewd. */
bool local_peer_may_operate(const struct request *q);
/* Root and the daemon's own user, and the users of api.token_users. */
bool local_peer_may_have_tokens(const struct request *q);
/* "renewd" when that group exists and this process may give a file to it, else NULL. */
const char *local_peer_group(void);

/* ---- origin.c ---- */
/* Whether the request names one of our hosts. False: it was answered, 421. */
bool origin_host_fits(struct request *q);
/* Whether the request does not come from a page of another origin. False: it was answered, 403. */
bool origin_fits(struct request *q);

/* ---- certificates.c ---- */
/* Opens the listener with the certificate and key of the configuration. */
int tls_open(struct api *a, struct error *err);
void old_servers_free(struct api *a);

/* ---- rights.c ---- */
struct requirement {
    const char *right; /* what a client's `allow` must hold */
    const char *job;   /* NULL: for all jobs */
    bool tokens;       /* a token of the job is handed out, or used for the caller */
    bool anonymous;    /* the job answers callers without a key */
};

#define NO_TOKENS_HERE                                                                                \
    "over this socket only root, renewd's own user and the users of api.token_users may have tokens " \
    "and have them used"

/* Every route and every function checks here. */
bool caller_may(const struct request *q, const struct requirement *w);
/* For a known route. False: it was answered, 403. */
bool caller_may_route(struct request *q);
/* What a client must be allowed to use the route. */
const char *route_right(const struct route *r);
/* Its holder gets tokens, or has renewd use them. */
bool right_is_of_tokens(const char *right);

/* ---- clients.c ---- */
enum { CLIENT_KNOWN, CLIENT_NO_HEADER, CLIENT_WRONG };
/* Over TCP: the client whose secret came with the request. */
int client_identify(struct request *q);
bool client_allows(const struct api_client *c, const char *right, const char *job);
/* ---- auth_throttle.c ---- */
struct auth_throttle *auth_throttle_new(void);
/* Answers the requests that it delays. */
void auth_throttle_free(struct auth_throttle *d);
/* One log line a second for each kind of refusal, however many there are. */
enum refusal { REFUSED_NO_HEADER, REFUSED_WRONG, REFUSED_LATER, REFUSED_HOST, REFUSALS };
bool auth_throttle_may_log(struct auth_throttle *d, int refusal);
/* Sixteen log lines a second for webhooks; *ret_silent: how many had none since the last one that had. */
bool auth_throttle_may_log_webhook(struct auth_throttle *d, int64_t *ret_silent);
/* Answers by answer(q), delayed when there have been many such answers. */
void auth_throttle_delay(struct request *q, void (*answer)(struct request *q));
/* False: it was answered, 401. */
bool client_enter(struct request *q);

/* ---- answer.c ---- */
struct answer {
    struct buf body;
    struct json_writer json;
};
void answer_begin(struct answer *a);
/* An object, begun here, ended and sent by answer_object. */
void answer_begin_object(struct answer *a);
void answer_object(struct request *q, int status, struct answer *a);
/* One whose first member is a list: ended and sent by answer_list, or with what follows in the object. */
void answer_begin_list(struct answer *a, const char *name);
void answer_list(struct request *q, struct answer *a);
/* The list is a page: next, or NULL, is where another one begins. */
void answer_page(struct request *q, struct answer *a, const char *next);
/* Sends and frees; status 500 when the answer exceeds its limit. Ends both. */
void answer_json(struct request *q, int status, struct answer *a);
void answer_error(struct request *q, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Marks the next answer as renewd's own refusal: with the header Renewd-Error. */
void answer_mark(struct request *q, const char *code);
void answer_bytes(struct request *q, int status, const char *type, const void *body, size_t len);
/* A refusal by the engine or the store: not available 503, refused 409, otherwise its own status. */
void answer_failure(struct request *q, int result, const char *why);
/* True: the result is a failure, and was answered as one. */
bool answer_failed(struct request *q, int result, const char *why);

/* ---- json_shapes.c: the API's documented JSON of records and runs, into a writer ---- */
/* Where the owners of the request's job connect an account again, or NULL. */
const char *reconnect_url_of(const struct request *q);
void json_record(struct json_writer *w, const char *name, const struct record *r, const char *reconnect_url);
void json_run(struct json_writer *w, const char *name, const struct run_row *r);
/* The members of a run that a caller waited for, without braces. */
void json_run_members(struct json_writer *w, const struct run_row *r);
/* Why a run skipped records; NULL: it skipped none. */
void json_skipped(struct json_writer *w, const struct reason_count *because);
void json_failures(struct json_writer *w, const struct failure_row *list, size_t count);
/* counts as of store_state_counts; NULL: null. */
/* "refused", "failed" or "succeeded", of a run that has ended. */
const char *run_status(const struct run_row *r);
void json_counts(struct json_writer *w, const char *name, const int64_t *counts);
/* How far the reading of its table is; null: none is under way. */
void json_reading(struct json_writer *w, const struct job *j);
void json_status(struct json_writer *w, const struct engine *e, const struct engine_status *s, int64_t now);
/* When a record is due next; 0 = not automatically. */
int64_t record_next_at(const struct record *r);

/* ---- the handlers ---- */
/* api/routes/health.c */
void handle_status(struct request *q);
void handle_healthz(struct request *q);
void handle_readyz(struct request *q);
void handle_reload(struct request *q);
void handle_adopt(struct request *q);
void handle_plugin(struct request *q);
/* api/routes/hosts.c */
void handle_hosts(struct request *q);
void handle_parked(struct request *q);
void handle_parked_apply(struct request *q);
void handle_forget_host(struct request *q);
/* api/routes/jobs.c */
void handle_jobs(struct request *q);
void handle_pause(struct request *q);
void handle_resume(struct request *q);
/* api/routes/runs.c */
void handle_run(struct request *q);
void handle_runs(struct request *q);
void handle_refresh_record(struct request *q);
void handle_refresh_job(struct request *q);
/* api/routes/event_list.c */
void handle_event_list(struct request *q);
void handle_event_retry(struct request *q);
/* api/routes/explain.c */
void handle_explain(struct request *q);
void handle_explain_record(struct request *q);
/* api/routes/records.c */
void handle_records(struct request *q);
void handle_record(struct request *q);
void handle_import(struct request *q);
/* api/routes/token.c */
void handle_token(struct request *q);
/* Why there is no token: 404, 409 with state and reconnect_url, 503 with Retry-After. */
void answer_no_token(struct request *q, const struct token_answer *t);
void shape_token(struct json_writer *w, const struct token_answer *t);
/* False when its job cannot be asked, or its records hold no access token; then the request was answered. */
bool job_has_token(struct request *q);
/* api/routes/forward.c */
void handle_forward(struct request *q);
/* api/routes/refused.c */
void handle_refused(struct request *q);
/* api/routes/events.c */
void handle_events(struct request *q);
/* For api_free: answers the bodies that are not read yet. */
void incomings_stop(struct api *a);
/* False when its job cannot be asked: held, or its table not resolved yet; then the request was answered. */
bool job_has_records(struct request *q);

#endif
