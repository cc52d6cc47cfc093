/* SPDX-License-Identifier: MIT
 * Shared by the files of the engine's events. The way of one event: taken and added (intake.c), due (dispatch.c),
 * claimed (claim.c), sent and judged (send.c), settled (settle.c). Inside core/engine only.
 *
 * Events of one destination (credential and destination slots) go out one batch after the other. What keeps a
 * record's events from leaving is remembered under its key (blocked.c): until when, and how often it failed. All
 * that is remembered here may be lost: the store holds every event with its state and time.
 */
#ifndef CORE_ENGINE_EVENTS_INTERNAL_H
#define CORE_ENGINE_EVENTS_INTERNAL_H

#include "core/engine/state/state.h"
#include "core/store/events/events.h"

enum {
    SENDINGS_MAX = 8, /* of one job at a time, to as many destinations */
    RANGES_MAX = 32,  /* halves of halves of a batch that wait */
    TRIAL = 10,       /* events of a batch that tests whether a refused destination accepts events again */
};

/* What keeps the events of a record from leaving. */
struct trouble {
    int64_t not_before;   /* clock_now() */
    int state;            /* EVENT_WAITING or EVENT_HELD, of its events meanwhile */
    bool freed_by_change; /* a changed record ends it */
    int failures;         /* in a row */
    int refused;          /* fresh tokens, in a row */
    char *code, *why;
};

struct range {
    size_t at, count;
};

struct settle_task;

/* Its record is known, and has a row. */
static inline bool event_from_found(const struct known_row *from)
{
    return from->row.key && from->record.source;
}

/* One batch, from the request for its token until the store knows the result of each event. */
struct sending {
    struct job_events *of;
    char *destination;
    char **keys; /* the first: its token and destination are used */
    size_t key_count;
    int64_t generation; /* of the token that is used */
    char *token;        /* of that generation, once it was refused */
    bool trial;
    /* claimed: */
    struct event_row *events;
    size_t count;
    int64_t expired;
    struct known_row *from; /* of the keys, as the store has them */
    int64_t lease_boot_ms;
    struct row_values values;
    void *memo;
    struct record_view view;
    struct range ranges[RANGES_MAX], range;
    size_t range_count;
    struct plugin_batch *batch;
    struct http_transfer *transfer;
    struct settle_task *settles; /* results that the store does not have yet */
    size_t sent;
    bool presented;               /* a request may have left since they were claimed */
    bool token_refused, released; /* released: the events that were held with these wait again */
    struct sending *next;
};

struct post;

struct job_events {
    struct job *job;
    struct loop_timer *timer;
    int64_t look_boot_ms; /* when the timer fires */
    struct loop_timer *tidy_timer;
    unsigned tidied;
    bool started, looking, again;
    struct sending *sendings;
    size_t active;
    size_t limit;         /* events in the next batch: fewer while they are large */
    struct map *troubles; /* key -> struct trouble */
    struct post *posts;   /* not yet submitted */
    bool adding;          /* the store has some before it */
    size_t searching;     /* posts whose record is being read */
};

/* dispatch.c */
void events_look_in(struct job_events *je, int64_t ms);
/* Says which other records' events may go out with this one's; malloc'd, NULL with a sentence when the row cannot
 * be read. */
char *events_destination(struct job *j, const struct row *row, struct error *e);
/* Their events do not leave now; the store notes it as `how` says. */
void events_park(struct job_events *je, char *const *keys, size_t count, const struct trouble *how);

/* send.c: takes the keys over. */
void sending_start(struct job_events *je, char *destination, char **keys, size_t count);
void sending_free(struct sending *s);
/* Schedules the next poll of the events in so many ms. */
void sending_end(struct sending *s, int64_t look_ms);
/* The next range, or the end. */
void sending_next(struct sending *s);
/* The store has noted the results. */
void sending_go_on(struct sending *s);

/* claim.c: continues with sending_next, or ends. */
void sending_claim(struct sending *s);

/* settle.c. For a log line: the account of one of its records, where it is known; or NULL. */
const char *sending_account(const struct sending *s, const char *key);

/* settle.c */
struct fate {
    int state; /* EVENT_... */
    int64_t due_at;
    const char *code, *why;
    bool others; /* the other events of these records as well */
};
void settle_events(struct sending *s, const struct range *r, const struct fate *f);
/* These and all that have not been sent yet. */
void settle_rest(struct sending *s, const struct fate *f);
void settle_marked(struct sending *s, const bool *marked, const struct fate *f);
/* None of them is tried again. */
void settles_wait(struct sending *s);
void settles_free(struct sending *s);

/* blocked.c */
struct trouble *blocked_record_of(const struct job_events *je, const char *key); /* NULL = none */
struct trouble *blocked_record_note(struct job_events *je, const char *key, int state, int64_t not_before,
                                    bool freed_by_change, const char *code, const char *why);
void blocked_record_end(struct job_events *je, const char *key);
void blocked_records_forget(struct job_events *je);
void blocked_records_free(struct job_events *je);

/* maintenance.c */
void events_say_expired(const struct job *j, int64_t count);
void tidy_start(struct job_events *je);

/* intake.c */
void posts_free(struct job_events *je);

#endif
