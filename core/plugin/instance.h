/* SPDX-License-Identifier: MIT
 * One job's instance of a plugin, and the calls of its callbacks, on the loop thread. The public ABI is not used
 * above this header: the engine has its own records, windows, effects and outcomes. Every callback is timed; one
 * over 50 ms is logged with its name.
 */
#ifndef CORE_PLUGIN_INSTANCE_H
#define CORE_PLUGIN_INSTANCE_H

#include <stdbool.h>

#include "core/base/error.h"
#include "core/http/client/client.h"
#include "core/plugin/load.h"
#include "core/plugin/settings.h"
#include "core/rules/refresh_window.h"

struct instance;
struct zone;

/* The caller owns settings and must not free them before the instance. */
int instance_open(const struct plugin *p, const char *job, const struct settings *s, struct instance **ret,
                  struct error *e);
void instance_free(struct instance *i);
/* The zone in which its plugin counts months; the caller must not free it before the instance. */
void instance_zone(struct instance *i, const struct zone *zone);
int instance_replay(const struct instance *i, int64_t *ret_grace_s); /* RENEWD_REPLAY_... */

/* A record as the engine shows it to a plugin. values: one for each slot of the descriptor, in its
 * order; text NULL = absent. */
struct slot_value {
    const char *text;
    size_t len;
    int64_t number;
};
struct record_view {
    const char *key;
    const char *account; /* for lines of the log; NULL where it is not known */
    const struct slot_value *values;
    int64_t refreshed_at, first_seen, life;
    int attempts, strikes;
    const void *memo;
    size_t memo_len;
    const char *hidden; /* its access token, where it is not shown and may stand in what is */
};

/* Text from outside about this job, without its secrets and those of values, which may be NULL; at most max
 * bytes; NULL gives NULL. The caller frees it. */
char *instance_outside(const struct instance *i, const struct slot_value *values, const char *text, size_t max);

/* -EBADMSG with a sentence when the callback fails; the window is as the plugin gave it, not cleaned. */
int instance_window(struct instance *i, const struct record_view *r, int64_t now, int64_t refresh_before_s,
                    struct window *ret, struct error *e);

/* What an attempt wants changed, in the order recorded. */
enum effect_type { EFFECT_SET = 1, EFFECT_MEMO, EFFECT_STATEMENT, EFFECT_KEY };
struct effect_parameter {
    int type; /* RENEWD_TEXT, RENEWD_INTEGER, RENEWD_TIME, RENEWD_AS_READ */
    bool is_null;
    char *text; /* AS_READ: the slot's name */
    int64_t number;
};
struct effect {
    int type;
    int index; /* SET: the slot; STATEMENT: of the descriptor's statements */
    bool is_null;
    char *text; /* SET: the value (numbers and times in decimal); MEMO: bytes; KEY: the key */
    size_t len;
    int64_t number; /* SET of a TIME or INTEGER */
    struct effect_parameter *parameters;
    size_t parameter_count;
};
struct effects {
    struct effect *list;
    size_t count;
    bool token_set;          /* a SECRET slot was set */
    bool credential_refused; /* the plugin had a new credential, and it was of no form that can be stored */
};
void effects_done(struct effects *e); /* wipes */

/* One refresh over all its steps: scratch, effects, the request to send next. */
struct plugin_attempt;
struct plugin_attempt *plugin_attempt_new(struct instance *i, const struct record_view *r);
void plugin_attempt_free(struct plugin_attempt *a); /* wipes */

struct step_result {
    int what; /* RENEWD_DONE, RENEWD_WAIT, RENEWD_FAILED */
    /* WAIT: the request, valid until the next step; fields of transport (deadline, ca ...) unset */
    struct http_request request;
    int64_t slow_for;        /* DONE */
    int outcome;             /* FAILED: enum outcome */
    const char *code, *text; /* FAILED: valid until the attempt is freed; code may be NULL */
    /* FAILED: it broke a rule after the provider had answered with a success or a token was set: what it was given
     * may be lost, and no other credential must be spent by it. */
    bool misused;
};
/* reply NULL at step 0. A plugin that breaks the rules (no request before WAIT, unknown result, no fail() before
 * FAILED; with a credential: DONE after a reply without an effect, or without the new credential that a reply has)
 * gives FAILED with the code "plugin": ambiguous when a reply was a success, else transient. DONE without effects is
 * allowed where nothing was asked, or the plugin has no credential. What is set stays set: the caller stores a token, whatever the result is. With a token
 * fail() alone is DONE. A new credential that could not be taken: ambiguous, with nothing set. */
void plugin_attempt_step(struct plugin_attempt *a, const struct http_reply *reply, int64_t now,
                         struct step_result *ret);
const struct effects *plugin_attempt_effects(const struct plugin_attempt *a);

/* on_failure: the decision is filled with the core's default and may be changed. Effects of the
 * failure replace those recorded before (a failed attempt sets no token), unless a token was set. */
struct decision {
    int outcome;
    bool strike, notify;
    int64_t next_at;
    const char *misused; /* the rule that on_failure broke beside a token that it set, which stays set; else NULL.
                          * Valid until the attempt is freed */
};
struct failure {
    int outcome, status;
    const char *code, *text;
    int64_t seconds_to_death, retry_after;
};
void plugin_attempt_failed(struct plugin_attempt *a, const struct failure *f, const struct http_reply *reply,
                           int64_t now, struct decision *io);

/* ---- Tokens in use, and events: answer.c, events.c, batch.c ---- */
/* Of the header Retry-After, 1..3600; 0 = absent, nonsense or over. */
int64_t retry_after_seconds(const struct http_reply *reply);

struct answer_says {
    bool token_refused;
    int64_t slow_for; /* seconds, 0..86400 */
};
/* Without the callback, or when it fails: 401 refuses the token, 429 slows. An incomplete reply says nothing. r
 * shows no values: its `values` is NULL. */
void instance_answer(struct instance *i, const struct record_view *r, const struct http_reply *reply, int64_t now,
                     struct answer_says *ret);

bool instance_takes_events(const struct instance *i);
/* Whether a body may have a member of that name beside its list of events. */
bool instance_event_member(const struct instance *i, const char *name);
size_t instance_event_batch(const struct instance *i); /* at least 1 */

enum {
    EVENT_TEXT_MAX = 256 * 1024,        /* of one event as take_event gave it */
    EVENT_KEY_MAX = 200,                /* bytes of an event_id, a name, a further key */
    EVENT_SAME_MAX = 16,                /* further keys of an event */
    WEBHOOK_BODY_MAX = 8 * 1024 * 1024, /* of a message that a webhook brings */
    BATCH_TEXT_MAX = 1024 * 1024,       /* of the events of one batch together: the caller cuts it there */
};

struct event_message {
    const char *source; /* "" or the webhook's word */
    const char *body;   /* NUL-terminated beyond its length */
    size_t body_len;
    const char *headers; /* as http_reply's; NULL = none */
    size_t headers_len;
    const char *const *secrets; /* NULL-terminated */
    const char *key;
    const char *beside; /* the other members of its body, a JSON object; NULL = none */
};
struct taken_event {
    int what;                      /* RENEWD_EVENT_... */
    char *event, *event_id, *name; /* TAKE; name may be NULL */
    size_t event_len;
    char **same;        /* NULL-terminated; may be NULL */
    int64_t event_time; /* never 0 */
    int64_t last_at;
    char *dropped; /* TAKE: why it is never sent; NULL = it is */
    char *why;     /* REFUSE, FORGED: a sentence */
};
/* -EBADMSG with a sentence when the plugin breaks a rule; ret is empty then. */
int instance_take_event(struct instance *i, const struct event_message *m, int64_t now, struct taken_event *ret,
                        struct error *e);
void taken_event_done(struct taken_event *t);

struct batch_event {
    const char *text;
    size_t len;
    int64_t event_time;
    int sends;
};
/* One batch that is being sent: created with all its data, then called twice. */
struct plugin_batch;
struct plugin_batch *plugin_batch_new(struct instance *i, const struct record_view *r,
                                      const struct batch_event *events, size_t count); /* copies all */
void plugin_batch_free(struct plugin_batch *b);                                        /* wipes */
/* The request, valid until the batch is freed; transport's fields unset. -EBADMSG with a sentence; -ECANCELED:
 * there is none, plugin_batch_decided says what is to become of the events. */
int plugin_batch_request(struct plugin_batch *b, int64_t now, struct http_request *ret, struct error *e);
size_t plugin_batch_carried(const struct plugin_batch *b); /* so many of them, from the first, are in the request */
struct batch_result {
    int became;              /* RENEWD_SENT...; a plugin that breaks a rule: LATER */
    int64_t wait;            /* seconds, 0..3600 */
    const char *code, *text; /* valid until the batch is freed; code may be NULL, "plugin": it broke a rule */
};
void plugin_batch_decided(const struct plugin_batch *b, struct batch_result *ret);
void plugin_batch_reply(struct plugin_batch *b, const struct http_reply *reply, int64_t now,
                        struct batch_result *ret);

#endif
