/* SPDX-License-Identifier: MIT
 * renewd's own row about one record, as the engine and the store exchange it: its state, when it is due, its last
 * outcome. It never holds a token.
 *
 * A record is known by `source` and `key`: source is "TABLE/CREDENTIAL COLUMN" of the user's table
 * as resolved ("public.lightspeed_connections/refresh_token_encrypted"; without a credential slot
 * "TABLE/-JOB"), or "job:NAME" for rows in renewd's own table. Where several jobs keep rows of one table and column,
 * each further one has a number behind it ("...?2"; core/store/sources.h).
 */
#ifndef CORE_RULES_RECORD_H
#define CORE_RULES_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "core/rules/outcome.h"
#include "core/rules/refresh_window.h"

#define FINGERPRINT_SIZE 65 /* 64 hex digits and NUL; "" = no credential */
#define ID_SIZE 33          /* 32 hex digits and NUL */

struct record {
    char *source, *key, *job;
    char *account, *owner;       /* for people; may be NULL */
    int state;                   /* enum state */
    int64_t generation;          /* how often renewd or the application replaced it */
    char hash[FINGERPRINT_SIZE]; /* of the mapped columns as last seen; "" = its row no longer belongs to the job */
    char fingerprint[FINGERPRINT_SIZE]; /* of the credential as last seen */
    int without_credential;             /* the credential slot is NULL or empty: never due */
    int64_t expires_at;                 /* of the access token; 0 = unknown */
    int64_t refreshed_at;               /* last ok, by renewd or by the mapped column; 0 = never */
    int64_t first_seen;                 /* when this credential was first seen */
    int64_t life;                       /* seconds of life last granted; 0 = unknown */
    struct window window;
    int64_t point;      /* its point in the window; 0 = never due */
    int64_t due_at;     /* when the daemon starts it at its own time; 0 = never */
    int64_t not_before; /* backoff: no tick or run before this; 0 = none */
    int64_t ok_at;      /* last ok by renewd; 0 = never */
    int attempts;       /* since the last ok */
    int strikes;
    int last_outcome;            /* enum outcome; OUTCOME_NONE before the first attempt */
    char *last_code, *last_text; /* of the last failure; NULL after ok */
    int64_t last_at;
    char *wrote_status;              /* what renewd last wrote into the status column; NULL = nothing */
    char *wrote_error;               /* into last_error, as error_mark(); NULL = nothing, or it is not known */
    char *memo;                      /* the plugin's, hex; NULL = none */
    char ok_under[FINGERPRINT_SIZE]; /* a hash of the settings of its last ok */
};

/* Frees what a record holds, not the record itself. Accepts a zeroed one. */
void record_done(struct record *r);
/* Replaces one of its texts by a copy; NULL = none. */
void record_set_text(char **field, const char *text);
void record_copy(struct record *ret, const struct record *from);
/* The state that is shown to people; core/store/read.c has the same rule in SQL. */
int record_shown(const struct record *r, int64_t now);

#endif
