/* SPDX-License-Identifier: MIT
 * Events that applications handed in, kept until the provider has them. Read and written by the engine's events and
 * by the API. The engine decides what may be sent together, and when.
 */
#ifndef CORE_STORE_EVENTS_EVENTS_H
#define CORE_STORE_EVENTS_EVENTS_H

#include "core/store/store.h"

enum event_state {
    EVENT_WAITING = 1,
    EVENT_HELD,    /* its destination refuses events; tried again at growing intervals, or on request */
    EVENT_SENT,    /* kept without its text, so that a repetition is recognised */
    EVENT_ASIDE,   /* the provider refuses this one event */
    EVENT_EXPIRED, /* given up: it became too old */
    EVENT_DROPPED, /* taken in, but never sent: a test, for example; kept without its text */
    EVENT_STATES,
};
const char *event_state_name(int state); /* "waiting" "held" "sent" "aside" "expired" "dropped"; NULL = unknown */
int event_state_of(const char *name);    /* 0 = unknown */

struct new_event {
    const char *key, *event_id, *name, *text;
    size_t len;
    const char *const *same;     /* NULL-terminated or NULL; name and event_id are always among them */
    int64_t event_time, last_at; /* last_at 0 = never given up */
    const char *dropped;         /* why it is never sent; NULL = it waits */
    int64_t id;                  /* result: its own id, or that of the event that it repeats */
    bool duplicate;              /* result */
};
/* All or none, committed when it returns. -ENOENT: the job has no such record; -EILSEQ: a text is not valid UTF-8
 * or contains a NUL; -EDQUOT: `depth` (0 = no limit) events of the job wait already, and at least one of these is
 * new. Two of one batch may be the same event. -ENOTCONN: the transaction may have been committed; if they are
 * handed in again, they are recognised. */
int store_events_add(struct db *db, const char *job, const char *source, struct new_event *list, size_t count,
                     int64_t depth, int64_t now, struct error *e);

/* Whose events come next: keys of records with an event that is due and not leased; first those whose event has
 * waited longest. *ret_next: when the next event that is not due now becomes due; 0 = none. */
int store_events_due(struct db *db, const char *job, int64_t now, size_t limit, char ***ret_keys, size_t *ret_count,
                     int64_t *ret_next, struct error *e);

struct event_row {
    int64_t id;
    char *key, *event_id, *name, *text; /* text: NULL once it is sent */
    size_t len;
    int state, sends; /* sends: how often it was sent before */
    int64_t event_time, last_at, created_at, due_at, finished_at;
    char *code, *why; /* of the last refusal; may be NULL */
};
void event_rows_free(struct event_row *list, size_t count);

/* Claims due events of these keys, oldest first, and counts the sending; no other process claims them before
 * lease_s seconds have passed by the database's clock. Those whose last_at has passed are expired instead; with
 * *ret_count 0 there are no more at this time. Oldest: due longest, then taken in first. */
struct event_claim {
    const char *job, *host, *incarnation;
    const char *const *keys;
    size_t key_count, limit;
    int64_t now, lease_s;
};
int store_events_claim(struct db *db, const struct event_claim *q, struct event_row **ret, size_t *ret_count,
                       int64_t *ret_expired, struct error *e);

/* Stores the results of claimed events: only those still leased to this incarnation. EVENT_SENT drops the text.
 * unsent: they never left, the sending does not count. */
struct event_settle {
    const char *host, *incarnation;
    const int64_t *ids;
    size_t count;
    int state;
    int64_t due_at, now;
    bool unsent;
    const char *code, *why; /* NULL: the old value stays */
};
int store_events_settle(struct db *db, const struct event_settle *s, struct error *e);

/* Every other waiting or held event of these keys that is not leased gets the same state (WAITING or HELD) as the
 * settled ones. Writes each event whose state differs: for rare changes. */
struct event_move {
    int state;
    int64_t due_at;
    const char *code, *why; /* NULL: the old value stays */
};
int store_events_move(struct db *db, const char *job, const char *const *keys, size_t key_count,
                      const struct event_move *to, struct error *e);

/* Gives up waiting and held events of the job whose last_at has passed, even those that no process claims (their
 * record needs a person); at most limit of them. */
int store_events_expire(struct db *db, const char *job, int64_t now, size_t limit, int64_t *ret, struct error *e);

/* Releases the leases of a dead process of this host; their events are due at once. */
int store_events_release(struct db *db, const char *host, const char *incarnation, int64_t *ret, struct error *e);

/* ---- for operators ---- */
struct event_query {
    const char *job;
    int state;     /* 0 = any */
    int64_t after; /* id; 0 = from the first */
    size_t limit;
};
/* Without their text. */
int store_events(struct db *db, const struct event_query *q, struct event_row **ret, size_t *ret_count,
                 struct error *e);
/* Held, aside and expired ones (ids NULL: all held ones of the job) wait again and are due now; their texts are
 * still there. An expired or aside one is sent however old it is. Those that are leased, waiting or sent are not
 * changed. -ENOENT: an id is no event of the job; then nothing is done. */
int store_events_retry(struct db *db, const char *job, const int64_t *ids, size_t count, int64_t now, int64_t *ret,
                       struct error *e);
/* counts[state], except the sent ones, which are many; counts[0] = sendings after the first of each event. */
int store_event_counts(struct db *db, const char *job, int64_t counts[EVENT_STATES], struct error *e);
/* Removes events that entered that state (EVENT_SENT, EVENT_ASIDE, EVENT_EXPIRED, EVENT_DROPPED) before that time,
 * with their keys: at most limit of them, and at most 2,000. */
int store_events_sweep(struct db *db, int state, int64_t before, size_t limit, int64_t *ret, struct error *e);

#endif
