/* SPDX-License-Identifier: MIT
 * One running callback of a plugin: its memory, its requests, the effects that it recorded, its mistakes. Defines
 * the opaque types of the public header. Only core/plugin includes it.
 */
#ifndef CORE_PLUGIN_CALL_H
#define CORE_PLUGIN_CALL_H

#include <stdbool.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/http/client/client.h"
#include "core/json/json.h"
#include "core/plugin/check.h"
#include "core/plugin/instance.h"
#include "core/plugin/settings.h"

enum {
    CALL_MEMORY = 1024 * 1024,
    CALL_SLOW_MS = 50,
    CODE_SIZE = 65,
    TEXT_SIZE = 501,
    EFFECTS_MAX = 64,
    EFFECT_TEXT_MAX = 64 * 1024,
    EFFECTS_TEXT_MAX = 160 * 1024, /* of one attempt together: sealed, twice, it fits a spool entry */
    MEMO_MAX = 1024,
    DOCUMENTS_MAX = 16,
    BODY_MAX = 1024 * 1024,
    SPOILED_MAX = 200,
};

struct renewd_host {
    const struct plugin *plugin;
    const struct settings *settings;
    char *job;
    const struct renewd_call *call; /* while one runs */
    const struct zone *zone;        /* the job's; NULL = UTC. Its owner's */
    struct map *zones;              /* name -> struct zone, that plugins asked for */
};

struct renewd_json {
    struct json *doc; /* NULL: everything is absent */
    struct renewd_json *next;
};

struct renewd_writer {
    struct renewd_call *call;
    struct buf buf;
    struct json_writer writer;
    struct renewd_writer *next;
};

struct redact;
struct view;

struct renewd_call {
    struct renewd_host *host;
    /* What it was shown that may hold secrets; each may be NULL. */
    const struct view *view;
    const struct http_reply *reply;
    const struct redact *earlier; /* of the replies to earlier steps */
    const char *const *secrets;
    const char *hidden;
    const char *spoiled;     /* the reply's members whose text is none; NULL or "" */
    const char *question;    /* "refresh": which callback runs */
    struct effects *effects; /* NULL: this callback records none */
    bool may_request;
    size_t json_max;                /* of a text that is read as JSON; 0 = JSON_TEXT_MAX */
    size_t body_max;                /* of the request, and of JSON that is written */
    struct renewd_request *request; /* owned until taken */
    struct arena *arena;
    struct renewd_json *documents;
    size_t document_count;
    struct renewd_writer *writers;
    int64_t started_ms;
    bool failed; /* fail() was called */
    int outcome;
    char code[CODE_SIZE]; /* "" = none */
    char text[TEXT_SIZE];
    char broken[TEXT_SIZE]; /* "" = the plugin did nothing wrong */
    bool misused;           /* it broke a rule; false: all that is wrong is a value, which came from outside */
};

/* call.c */
void call_begin(struct renewd_call *c, struct renewd_host *host, const char *question);
/* Reports a slow callback; to be called right after it returned. */
void call_returned(struct renewd_call *c);
void call_done(struct renewd_call *c); /* wipes */
/* Marks the call as broken if fail() was called with a result other than the one for failure. */
void call_judge_fail(struct renewd_call *c, bool failed, const char *result);
/* Why it failed: the rule that it broke, or the text given to fail(), or a sentence that it gave no reason. */
const char *call_why(const struct renewd_call *c);
/* Stores the plugin's first mistake. */
void call_break(struct renewd_call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for a value that cannot be stored: the provider gave it, and any other mistake is told before it. */
void call_unfit(struct renewd_call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void *call_alloc(struct renewd_call *c, size_t size);                       /* NULL past the limit */
const char *call_text(struct renewd_call *c, const void *data, size_t len); /* "" past the limit */

/* services.c */
extern const struct renewd_services host_services;

/* outside_text.c: what in a reply is or looks like a secret. */
void outside_learn(struct redact *r, const struct http_reply *reply);
/* Text from the plugin, which may quote others, without secrets, of at most size - 1 bytes. */
void host_outside(const struct renewd_host *host, const char *text, char *ret, size_t size);

/* view.c: the public forms of records and replies. */
struct view *view_new(const struct plugin *p, const struct record_view *r); /* copies all */
void view_free(struct view *v);                                             /* wipes */
const struct renewd_record *const *view_records(const struct view *v);
/* For a line of the log: NULL where there is none, as there is none of no view. */
const char *view_key(const struct view *v);
const char *view_account(const struct view *v);
struct reply_view {
    struct renewd_reply public; /* first: reply_header finds the rest from it */
    const struct http_reply *reply;
    struct renewd_json json;
    struct buf spoiled; /* members whose text is none, by name, with ", " between */
};
/* A received event: its body unchanged, and on request also parsed as JSON, if it is strictly valid. */
void message_view_init(struct reply_view *v, const struct http_reply *message, bool parsed);
/* NULL reply gives NULL. A reply that did not arrive completely has status 0 and no body. */
const struct renewd_reply *reply_view_init(struct reply_view *v, const struct http_reply *reply);
void reply_view_done(struct reply_view *v);

/* request.c */
void request_free(struct renewd_request *r); /* wipes */
/* The finished request; points into r. */
void request_fill(struct renewd_request *r, struct http_request *ret);

/* The functions of the table, by file. services.c has the rest as its own. */
const struct renewd_value *service_slot(const struct renewd_record *record, const char *name);
const char *service_reply_header(const struct renewd_reply *reply, const char *name);

struct renewd_request *service_request(struct renewd_call *c, const char *method, const char *url);
void service_query(struct renewd_request *r, const char *name, const char *value);
void service_header(struct renewd_request *r, const char *name, const char *value);
void service_form(struct renewd_request *r, const char *name, const char *value);
void service_body(struct renewd_request *r, const char *content_type, const void *bytes, size_t len);
const void *service_request_bytes(struct renewd_request *r, size_t *ret_len);
const char *service_percent_encode(struct renewd_call *c, const char *text);

const struct renewd_json *service_json_parse(struct renewd_call *c, const char *text, size_t len);
int32_t service_json_kind(const struct renewd_json *j, const char *path);
const char *service_json_text(const struct renewd_json *j, const char *path);
int32_t service_json_integer(const struct renewd_json *j, const char *path, int64_t *ret);
int32_t service_json_boolean(const struct renewd_json *j, const char *path);
const char *service_json_digits(struct renewd_call *c, const struct renewd_json *j, const char *path);
size_t service_json_count(const struct renewd_json *j, const char *path);
const char *service_json_name(const struct renewd_json *j, const char *path, size_t index);
struct renewd_writer *service_json_write(struct renewd_call *c);
void service_write_text(struct renewd_writer *w, const char *name, const char *text);
void service_write_integer(struct renewd_writer *w, const char *name, int64_t number);
void service_write_raw(struct renewd_writer *w, const char *name, const char *json);
void service_write_open(struct renewd_writer *w, const char *name, int32_t kind);
void service_write_close(struct renewd_writer *w);
const char *service_written(struct renewd_writer *w, size_t *ret_len);
void writer_free(struct renewd_writer *w);

void service_set_text(struct renewd_call *c, const char *slot, const char *text);
void service_set_time(struct renewd_call *c, const char *slot, int64_t time);
void service_set_integer(struct renewd_call *c, const char *slot, int64_t number);
void service_set_null(struct renewd_call *c, const char *slot);
void service_memo(struct renewd_call *c, const void *bytes, size_t len);
void service_run(struct renewd_call *c, const char *statement, const struct renewd_parameter *const *parameters);
void service_once(struct renewd_call *c, const char *key);

#endif
