/* SPDX-License-Identifier: MIT
 *
 * renewd/plugin.h: the whole interface between renewd and a provider plugin.
 *
 * A plugin is one shared object, NAME.so, that knows one provider and answers three questions: when does a record
 * need a refresh, how is it refreshed, what follows from a failure. Optionally it answers two more: what a reply
 * means for a token, and how events are sent. It is built with this header only:
 *
 *     cc -std=c99 -fPIC -shared -fvisibility=hidden -Wl,-z,defs \
 *        $(pkg-config --cflags renewd) -o acme.so acme.c
 *
 * and exports one function, renewd_plugin_v1, that returns its descriptor. It gets everything that it needs from
 * renewd as a table of functions in `open`. It does not link against renewd, opens no socket, starts no thread,
 * keeps no global state and never blocks.
 *
 * Compatibility: the major version is in the entry symbol. Members are only appended to structs; `size` is the size
 * that the creator of a struct knew; a member that is zero means "as before". An old plugin runs on every later
 * renewd of the same major version. Only fixed-width integers, size_t and pointers are passed. Strings given to a
 * callback are valid until it returns; a service copies the strings given to it. Times are Unix seconds (UTC), 0 =
 * none. Valid C99, C11 and C++.
 */
#ifndef RENEWD_PLUGIN_H
#define RENEWD_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RENEWD_MINOR 2

#if defined(__GNUC__)
#define RENEWD_EXPORT __attribute__((visibility("default")))
#else
#define RENEWD_EXPORT
#endif

/* Outcomes of an attempt. */
#define RENEWD_OK 1
#define RENEWD_TRANSIENT 2     /* nothing was sent, 5xx, "try later" */
#define RENEWD_RATE_LIMITED 3  /* 429, usage headers, the provider's own codes */
#define RENEWD_RECONNECT 4     /* this grant is dead or lacks a scope: only a person can help */
#define RENEWD_MISCONFIGURED 5 /* our client id, secret or request is wrong; says nothing about the grant */
#define RENEWD_AMBIGUOUS 6     /* sent, but no answer came */

/* What `refresh` returns. */
#define RENEWD_DONE 1   /* the recorded effects are complete; after a reply there must be some (renewd-plugin(3)) */
#define RENEWD_WAIT 2   /* one HTTP request was queued: call again with its reply */
#define RENEWD_FAILED 3 /* outcome, code and text were given to services->fail() */

/* What presenting a spent credential again means at this provider. */
#define RENEWD_REPLAY_SAFE 1       /* the provider does not rotate: repeating is harmless */
#define RENEWD_REPLAY_GRACE 2      /* a spent one is taken for `replay_grace` seconds more;
                                      0 = until the new access token is first used */
#define RENEWD_REPLAY_SINGLE_USE 3 /* a repeat may revoke the grant (RFC 9700, section 4.14.2) */

/* Why `refresh` is called. Later minors may add purposes (probe, revoke, connect); they are asked
 * only of plugins that say they know them. */
#define RENEWD_PURPOSE_REFRESH 1

/* The result of an event that came in: what `take_event` returns. (minor 1) */
#define RENEWD_EVENT_TAKE 1   /* out says what is stored and sent */
#define RENEWD_EVENT_REFUSE 2 /* it can never be sent: services->fail() says why; answered 400 */
#define RENEWD_EVENT_FORGED 3 /* its signature is absent or wrong, fail() may say more; answered 401 */
#define RENEWD_EVENT_IGNORE 4 /* valid, but of no use here; answered 200 and dropped */
#define RENEWD_EVENT_UNKNOWN 5 /* a webhook of a source that it does not know; answered 404 */

/* The result of a batch of events that was sent: out->became of `send_events`. (minor 1) */
#define RENEWD_SENT 1          /* the provider has all of them */
#define RENEWD_SENT_BAD 2      /* it refuses the batch for an event's sake: the batch is halved until that one
                                  stands alone, and is set aside */
#define RENEWD_SENT_TOKEN 3    /* it refuses the access token */
#define RENEWD_SENT_HOLD 4     /* it refuses the destination (unknown, no permission): its events wait for a person */
#define RENEWD_SENT_LATER 5    /* none of them arrived: again after out->wait, or with backoff */
#define RENEWD_SENT_TOO_OLD 6  /* an event is too old for it: as BAD, and that one is given up */
#define RENEWD_SENT_UNKNOWN 7  /* they may have arrived: sent again with the same ids */

/* Types of settings, slots and statement parameters. */
#define RENEWD_TEXT 1
#define RENEWD_SECRET 2
#define RENEWD_TIME 3     /* Unix seconds here; in its table in the form of the column */
#define RENEWD_INTEGER 4
#define RENEWD_BOOLEAN 5  /* settings only */
#define RENEWD_DURATION 6 /* settings only; written "10m", read in seconds */
#define RENEWD_URL 7      /* settings only; http:// or https://, without trailing slash */
#define RENEWD_GROUP 8    /* settings only; named texts */
#define RENEWD_AS_READ 9  /* statement parameters only: a slot's stored value, unchanged */

/* Directions of a slot. */
#define RENEWD_IN 1  /* read from the record */
#define RENEWD_OUT 2 /* may be written by the plugin */
#define RENEWD_INOUT 3

/* Row counts of a named statement. */
#define RENEWD_ROWS_ONE 1
#define RENEWD_ROWS_ZERO_OR_ONE 2
#define RENEWD_ROWS_ANY 3

/* Log levels. */
#define RENEWD_LOG_ERROR 0
#define RENEWD_LOG_WARNING 1
#define RENEWD_LOG_INFO 2
#define RENEWD_LOG_DEBUG 3

/* Opaque to plugins. */
struct renewd_host;    /* one job's view of renewd; valid as long as the instance */
struct renewd_call;    /* one callback; its allocations are valid until it returns */
struct renewd_request; /* an HTTP request being built */
struct renewd_json;    /* parsed JSON */
struct renewd_writer;  /* JSON being written */

/* ---- What a plugin declares -------------------------------------------------------------- */

/* A setting of conf.d's `settings` group. renewd checks type, presence and choices, with file and
 * line, before `open` is called. */
struct renewd_setting {
    size_t size;
    const char *name;
    int32_t type;
    int32_t required;
    int32_t secret;            /* written as env:, file: or credential:, never printed */
    int32_t reserved;
    const char *default_value; /* as it would be written; NULL = absent */
    const char *choices;       /* "post|basic"; NULL = any */
    const char *help;
};

/* One value that a record carries. The names access_token, refresh_token, expires_at, refresh_expires_at and
 * scope have the same meaning in every plugin; the plugin defines others. */
struct renewd_slot {
    size_t size;
    const char *name;
    int32_t type;       /* TEXT, SECRET, TIME or INTEGER */
    int32_t direction;
    int32_t required;   /* a job with `records` must map it */
    int32_t credential; /* 1 for the one slot whose value a refresh presents */
    const char *help;
    int32_t destination; /* minor 1. 1: where events go (a pixel's id). Events of records that agree in their
                            credential and all such slots may travel in one request */
    int32_t reserved;
};

/* A statement of sql/DRIVER/PLUGIN/NAME.sql, run in the transaction that commits the attempt. */
struct renewd_statement {
    size_t size;
    const char *name;
    const int32_t *parameters; /* types, ended by 0 */
    int32_t rows;              /* another count rolls the record's effects back */
    int32_t reserved;
    const char *help;
};

/* ---- What callbacks are given and give back ---------------------------------------------- */

/* A slot's value as read. */
struct renewd_value {
    size_t size;
    const char *name;
    int32_t type;
    int32_t present;  /* 0: not mapped, NULL or empty */
    const char *text; /* NUL-terminated; NULL when not present. TIME and INTEGER have it too */
    size_t length;
    int64_t number;   /* TIME: Unix seconds; INTEGER: the number; otherwise 0 */
};

struct renewd_record {
    size_t size;
    const char *key;                          /* the row's key as text */
    const struct renewd_value *const *values; /* NULL-terminated, in the order of the slots */
    int64_t refreshed_at; /* last ok, by renewd or by the mapped column; 0 = never seen */
    int64_t first_seen;   /* when renewd first saw this credential */
    int64_t life;         /* seconds of life last granted; 0 = unknown */
    int32_t attempts;     /* since the last ok */
    int32_t strikes;
    const void *memo;     /* what the plugin left with `memo`; NULL when nothing */
    size_t memo_length;
};

struct renewd_reply {
    size_t size;
    int32_t status;   /* HTTP status; 0 = no answer (only after a token was set) */
    int32_t reserved;
    const char *body; /* at most 1 MiB after decompression, NUL-terminated */
    size_t length;
    const struct renewd_json *json; /* NULL when the body is not JSON */
};

struct renewd_services;

struct renewd_open_in {
    size_t size;
    struct renewd_host *host;
    const struct renewd_services *services;
    struct renewd_call *call;
    const char *job;
};
struct renewd_open_out {
    size_t size;
    void *instance;
    int32_t replay; /* 0 = as the descriptor says */
    int32_t reserved;
    int64_t replay_grace;
};

struct renewd_close_in {
    size_t size;
};
struct renewd_close_out {
    size_t size;
};

struct renewd_needs_refresh_in {
    size_t size;
    struct renewd_call *call;
    const struct renewd_record *const *records; /* NULL-terminated; one today */
    int64_t now;
    int64_t refresh_before; /* the job's wish in seconds; 0 = the plugin's own */
};
/* The window. renewd spreads records over [preferred, latest] and decides alone.
 * All zero: nothing to do for this record. */
struct renewd_needs_refresh_out {
    size_t size;
    int64_t earliest;  /* before this the provider refuses or it is pointless; 0 = any time */
    int64_t preferred;
    int64_t latest;    /* should be done by then */
    int64_t death;     /* after this a refresh is impossible; 0 = does not end by itself */
};

struct renewd_refresh_in {
    size_t size;
    struct renewd_call *call;
    int32_t purpose;
    int32_t step;      /* 0, then 1 after the first reply, ... */
    int32_t token_set; /* an earlier step set a token: end in RENEWD_DONE whatever comes */
    int32_t reserved;
    const struct renewd_record *const *records; /* NULL-terminated; one today */
    const struct renewd_reply *reply;           /* NULL at step 0 */
    int64_t now;
    void *scratch; /* scratch_size bytes, zeroed before step 0, wiped after the attempt */
};
struct renewd_refresh_out {
    size_t size;
    int64_t slow_for; /* seconds to slow the whole job down, beside DONE */
};

struct renewd_on_failure_in {
    size_t size;
    struct renewd_call *call;
    const struct renewd_record *const *records;
    const struct renewd_reply *reply; /* NULL when there was none */
    int32_t outcome;
    int32_t status;
    const char *code;
    const char *text;
    int32_t attempts;
    int32_t strikes;
    int64_t seconds_to_death; /* negative = past it; INT64_MAX = does not end */
    int64_t retry_after;      /* seconds, 1..3600, from the reply; 0 = none */
    int64_t now;
    void *scratch;
};
/* The decision, filled with renewd's default before the call. */
struct renewd_on_failure_out {
    size_t size;
    int32_t outcome;
    int32_t strike;
    int32_t notify;
    int32_t reserved;
    int64_t next_at; /* 0 = no further attempt by itself; see renewd-plugin(3) about reconnect */
};

/* ---- minor 1: tokens in use, and events ---- */

/* An answer of the provider's API to a call made with the record's access token, by renewd or by an
 * application that hands it in. */
struct renewd_on_answer_in {
    size_t size;
    struct renewd_call *call;
    const struct renewd_record *const *records; /* NULL-terminated; one today. Only what is known without
                                                   secrets: key and times; its slots are not present */
    const struct renewd_reply *reply;
    int64_t retry_after; /* seconds, 1..3600, from the reply; 0 = none */
    int64_t now;
};
/* Filled before the call with the usual decision: 401 refuses the token, 429 slows. */
struct renewd_on_answer_out {
    size_t size;
    int32_t token_refused; /* 1: the access token, not the request: a fresh one is worth a try */
    int32_t reserved;
    int64_t slow_for;      /* seconds, at most a day, in which no further call of this record is made; 0 = none */
};

/* One event of an application, or one webhook. */
struct renewd_take_event_in {
    size_t size;
    struct renewd_call *call;
    const char *source; /* "" = an application's event; else the WORD of the path /webhooks/WORD/... */
    const struct renewd_reply *message; /* status 0; its body as it came, its headers by reply_header. An
                                           application's event: one JSON object, without headers. A webhook's
                                           json is NULL: json_parse, once its signature is found good */
    const char *const *secrets; /* the job's webhooks.secrets; NULL-terminated, never NULL */
    const char *job, *key;      /* of the record */
    int64_t now;
    const struct renewd_json *beside; /* minor 2. The members of the body that held the event in a list, but the
                                         list: of those that event_members names; NULL = it came alone */
};
/* For RENEWD_EVENT_TAKE; copied by renewd. Texts are UTF-8 without control characters, of at most 200
 * bytes; what goes beyond that, or beyond a limit below, counts as the plugin's mistake: nothing is kept. */
struct renewd_take_event_out {
    size_t size;
    const char *event;    /* the JSON object that send_events will be given; at most 256 KiB */
    size_t event_length;
    const char *event_id; /* the same for the same event, for ever */
    const char *name;     /* what happened ("Purchase"); NULL = nothing to say */
    const char *const *same; /* at most 16 further keys, NULL-terminated, or NULL: an event of this record that came with one
                                of them, or with this name and event_id, is this event again */
    int64_t event_time;   /* when it happened; 0 = now */
    int64_t last_at;      /* the provider takes it until then; 0 = for ever */
    const char *dropped;  /* minor 2. Not NULL: a sentence that says why it is never sent. It is listed, known when
                             it comes again, and kept without its text */
};

struct renewd_event {
    size_t size;
    const char *text; /* as take_event gave it */
    size_t length;
    int64_t event_time;
    int32_t sends;    /* how often it was sent before */
    int32_t reserved;
};

/* A batch: events of at most 1 MiB together; its request may have 4 MiB. Without a reply: queue the request
 * that carries it and return RENEWD_WAIT. With one: say in out what became of the batch and return
 * RENEWD_DONE; also without one, where it is known without asking (nowhere to send to: HOLD). RENEWD_FAILED
 * after fail() at either: as LATER. RENEWD_SENT is believed with an answer alone. */
struct renewd_send_events_in {
    size_t size;
    struct renewd_call *call;
    const struct renewd_record *const *records; /* NULL-terminated; one: whose token and destination serve */
    const struct renewd_event *const *events;   /* NULL-terminated; 1 .. event_batch */
    size_t count;
    const struct renewd_reply *reply; /* status 0 = no complete answer came */
    int64_t retry_after;
    int64_t now;
};
struct renewd_send_events_out {
    size_t size;
    int32_t became;   /* RENEWD_SENT... */
    int32_t reserved;
    int64_t wait;     /* LATER: seconds, at most 3600; 0 = renewd's backoff */
    const char *code; /* the provider's own short word, or NULL */
    const char *text; /* a sentence for people, with what to do; copied */
    size_t first;     /* minor 2, beside RENEWD_WAIT: the request carries the first so many events alone, the
                         others are asked for after it; 0 = it carries all */
};

struct renewd_plugin {
    size_t size;
    int32_t minor;        /* RENEWD_MINOR */
    int32_t replay;
    int64_t replay_grace;
    const char *name;     /* [a-z0-9_]+, the file's name without .so */
    const char *version;
    const char *summary;
    const struct renewd_setting *const *settings;     /* NULL-terminated, or NULL */
    const struct renewd_slot *const *slots;           /* NULL-terminated, or NULL */
    const struct renewd_statement *const *statements; /* NULL-terminated, or NULL */
    size_t scratch_size;
    /* Makes the job's instance, `out->instance`; the argument `instance` is NULL here alone.
     * 0 = success; anything else refuses the job with the text given to fail(). */
    int32_t (*open)(void *instance, const struct renewd_open_in *in, struct renewd_open_out *out);
    /* Frees the instance. May be NULL. */
    int32_t (*close)(void *instance, const struct renewd_close_in *in, struct renewd_close_out *out);
    /* A pure function: the same input gives the same window. 0 = success. */
    int32_t (*needs_refresh)(void *instance, const struct renewd_needs_refresh_in *in,
                             struct renewd_needs_refresh_out *out);
    /* RENEWD_DONE, RENEWD_WAIT or RENEWD_FAILED. */
    int32_t (*refresh)(void *instance, const struct renewd_refresh_in *in,
                       struct renewd_refresh_out *out);
    /* May change the decision and record effects. 0 = success. May be NULL. */
    int32_t (*on_failure)(void *instance, const struct renewd_on_failure_in *in,
                          struct renewd_on_failure_out *out);

    /* ---- minor 1; each may be NULL ---- */
    /* Decides what an answer says about the token that was used. 0 = success. */
    int32_t (*on_answer)(void *instance, const struct renewd_on_answer_in *in,
                         struct renewd_on_answer_out *out);
    /* RENEWD_EVENT_... NULL: the job takes no events. */
    int32_t (*take_event)(void *instance, const struct renewd_take_event_in *in,
                          struct renewd_take_event_out *out);
    int32_t (*send_events)(void *instance, const struct renewd_send_events_in *in,
                           struct renewd_send_events_out *out);
    int64_t event_batch; /* events in one request, at most 10000; 0 = 1 */

    /* ---- minor 2 ---- */
    /* Names of members that may stand beside the list of events in the body that brings them; NULL-terminated,
     * or NULL = none. Others are refused. */
    const char *const *event_members;
};

/* ---- What renewd offers ------------------------------------------------------------------ */

/* A service that is used wrongly (an unknown slot, a line break in a header, too much of anything) does nothing,
 * and the callback counts as failed with a sentence that says so. A plugin need not check each call. Returned
 * texts are valid until the callback returns and are never NULL unless the comment says so. */

/* Kinds of a JSON value. */
#define RENEWD_JSON_ABSENT 0
#define RENEWD_JSON_NULL 1
#define RENEWD_JSON_BOOLEAN 2
#define RENEWD_JSON_INTEGER 3
#define RENEWD_JSON_NUMBER 4 /* with fraction or exponent */
#define RENEWD_JSON_STRING 5
#define RENEWD_JSON_ARRAY 6
#define RENEWD_JSON_OBJECT 7

/* How json_integer found its number; negative = not found. */
#define RENEWD_FOUND 0
#define RENEWD_FOUND_IN_STRING 1 /* "3600" */
#define RENEWD_FOUND_ROUNDED 2   /* had a fraction or exponent; cut towards zero */
#define RENEWD_FOUND_BIG 3       /* beyond 2^53: exact here, not in every other program */
#define RENEWD_ABSENT (-1)
#define RENEWD_NULL (-2)
#define RENEWD_WRONG_TYPE (-3)
#define RENEWD_OUT_OF_RANGE (-4)

struct renewd_parameter {
    size_t size;
    int32_t type;     /* TEXT, INTEGER, TIME, AS_READ */
    int32_t is_null;
    const char *text; /* TEXT: the value; AS_READ: the slot's name */
    int64_t number;   /* INTEGER, TIME */
};

/* Append-only. A member added by minor N is used only where RENEWD_HAS(services, member). */
struct renewd_services {
    size_t size;
    int32_t minor;
    int32_t reserved;

    /* Settings, checked and with their defaults. NULL / 0 when absent. They are valid as long as the instance. */
    const char *(*setting_text)(struct renewd_host *host, const char *name);
    int64_t (*setting_integer)(struct renewd_host *host, const char *name); /* also BOOLEAN, DURATION */
    /* The index-th member of a GROUP: 1 and its name and value, or 0. */
    int32_t (*setting_member)(struct renewd_host *host, const char *group, size_t index,
                              const char **ret_name, const char **ret_value);

    /* The present time of renewd. A plugin must not read the system's clock. */
    int64_t (*now)(struct renewd_host *host);
    /* One log line with the job's name. Never give it a token, a secret or a provider's body. */
    void (*log)(struct renewd_host *host, int32_t level, const char *text);
    /* Stores the reason and returns RENEWD_FAILED. code is the provider's own short word, or NULL. */
    int32_t (*fail)(struct renewd_call *call, int32_t outcome, const char *code, const char *text);

    /* Memory that is valid until the callback returns; zeroed; NULL beyond 1 MiB for each callback. */
    void *(*memory)(struct renewd_call *call, size_t size);
    /* The texts of a NULL-terminated array, one after the other. */
    const char *(*join)(struct renewd_call *call, const char *const *parts);

    /* A slot of a record by name. Never NULL; an undeclared slot is never present. */
    const struct renewd_value *(*slot)(const struct renewd_record *record, const char *name);

    /* HTTP. One request for each RENEWD_WAIT; never NULL. query and form percent-encode name and
     * value. The url is http:// or https://, its path already encoded. */
    struct renewd_request *(*request)(struct renewd_call *call, const char *method, const char *url);
    void (*query)(struct renewd_request *request, const char *name, const char *value);
    void (*header)(struct renewd_request *request, const char *name, const char *value);
    void (*form)(struct renewd_request *request, const char *name, const char *value);
    void (*body)(struct renewd_request *request, const char *content_type, const void *bytes,
                 size_t length);
    /* The exact bytes of the body as they will be sent, for signing. */
    const void *(*request_bytes)(struct renewd_request *request, size_t *ret_length);
    /* A header of the reply, name in any case; NULL when absent. */
    const char *(*reply_header)(const struct renewd_reply *reply, const char *name);

    /* Text as one segment of a path or one value of a query: all but A-Z a-z 0-9 - . _ ~ as %XX. */
    const char *(*percent_encode)(struct renewd_call *call, const char *text);

    /* JSON reading. Paths are member names and array indexes: "data.0.access_token"; a backslash takes the next
     * character as it is. json may be NULL everywhere: then every value is absent. */
    const struct renewd_json *(*json_parse)(struct renewd_call *call, const char *text, size_t length);
    int32_t (*json_kind)(const struct renewd_json *json, const char *path);
    /* A string's text, or NULL when the path leads to anything but a string. */
    const char *(*json_text)(const struct renewd_json *json, const char *path);
    int32_t (*json_integer)(const struct renewd_json *json, const char *path, int64_t *ret);
    int32_t (*json_boolean)(const struct renewd_json *json, const char *path); /* 1 true, 0 not */
    /* All digits of an integer (up to 2^64, in a string of any length) or of another number as it
     * is written; NULL otherwise. For ids beyond 2^53. */
    const char *(*json_digits)(struct renewd_call *call, const struct renewd_json *json,
                               const char *path);
    size_t (*json_count)(const struct renewd_json *json, const char *path); /* array or object */
    /* Name of an object's index-th member; NULL past the end. */
    const char *(*json_name)(const struct renewd_json *json, const char *path, size_t index);

    /* JSON writing: an object; name is NULL inside an array. */
    struct renewd_writer *(*json_write)(struct renewd_call *call);
    void (*write_text)(struct renewd_writer *writer, const char *name, const char *text);
    void (*write_integer)(struct renewd_writer *writer, const char *name, int64_t number);
    void (*write_raw)(struct renewd_writer *writer, const char *name, const char *json);
    void (*write_open)(struct renewd_writer *writer, const char *name, int32_t kind);
    void (*write_close)(struct renewd_writer *writer);
    const char *(*written)(struct renewd_writer *writer, size_t *ret_length);

    /* Crypto. hex, base64 and base64url return text that is valid until the callback returns. */
    void (*sha256)(const void *data, size_t length, uint8_t *ret_32);
    void (*hmac_sha256)(const void *key, size_t key_length, const void *data, size_t length,
                        uint8_t *ret_32);
    const char *(*hex)(struct renewd_call *call, const void *data, size_t length);
    const char *(*base64)(struct renewd_call *call, const void *data, size_t length);
    const char *(*base64url)(struct renewd_call *call, const void *data, size_t length); /* no padding */
    int32_t (*random)(void *ret, size_t length);                          /* 0 = success */
    int32_t (*equal)(const void *a, const void *b, size_t length);        /* 1 = equal; constant time */

    /* Time. 0 = success. */
    int32_t (*parse_time)(const char *text, int64_t *ret);      /* ISO 8601 */
    const char *(*format_time)(struct renewd_call *call, int64_t time);
    int32_t (*parse_http_date)(const char *text, int64_t *ret); /* RFC 9110, section 5.6.7 */
    const char *(*format_http_date)(struct renewd_call *call, int64_t time);
    /* months later, in UTC; on day anchor_day (0 = the day of time), or the month's last. */
    int64_t (*add_months)(int64_t time, int32_t anchor_day, int32_t months);

    /* Effects: recorded now, committed together after RENEWD_DONE or on_failure, or not at all.
     * An empty value never replaces the credential; time 0 stores NULL. */
    void (*set_text)(struct renewd_call *call, const char *slot, const char *text);
    void (*set_time)(struct renewd_call *call, const char *slot, int64_t time);
    void (*set_integer)(struct renewd_call *call, const char *slot, int64_t number);
    void (*set_null)(struct renewd_call *call, const char *slot);
    void (*memo)(struct renewd_call *call, const void *bytes, size_t length); /* at most 1 KiB */
    /* Runs a declared statement; parameters is NULL-terminated. */
    void (*run)(struct renewd_call *call, const char *statement,
                const struct renewd_parameter *const *parameters);
    /* If key was recorded before by any attempt of this job, the effects recorded after this
     * are dropped; those before it stay. */
    void (*once)(struct renewd_call *call, const char *key);

    /* ---- minor 2 ---- */
    /* Like add_months, by the calendar of a time zone ("Asia/Kolkata"; NULL or "" = the job's `timezone`): the
     * local time of day stays the same. A local time that a clock change skips is read by the clock before the
     * change; of one that it repeats the later is used. RENEWD_FOUND; RENEWD_WRONG_TYPE: this machine has no
     * such zone; RENEWD_OUT_OF_RANGE: beyond the year 9999. */
    int32_t (*add_months_in)(struct renewd_host *host, int64_t time, int32_t anchor_day, int32_t months,
                             const char *zone, int64_t *ret);
    /* The day of the month there, 1..31; 0: no such zone. */
    int32_t (*day_in)(struct renewd_host *host, int64_t time, const char *zone);
};

#define RENEWD_HAS(services, member)                                                          \
    ((services)->size >= offsetof(struct renewd_services, member) + sizeof((services)->member) && \
     (services)->member)

RENEWD_EXPORT const struct renewd_plugin *renewd_plugin_v1(void);

#ifdef __cplusplus
}
#endif

#endif
