/* SPDX-License-Identifier: MIT
 * The state of rule 10, shared by all hosts and kept across restarts: a row of {breakers} for a job under its
 * settings, and one of {suspects} for a credential that was refused under them. Each call is one transaction around
 * the pure decision of core/rules/suspect.h. Times of these rows are milliseconds.
 */
#ifndef CORE_STORE_SUSPECTS_H
#define CORE_STORE_SUSPECTS_H

#include "core/rules/suspect.h"
#include "core/store/store.h"

struct breaker_key {
    const char *job, *settings, *source;
};

struct breaker_row {
    struct suspect_job state;
    char *why; /* while the job is held */
};
void breaker_row_done(struct breaker_row *b);

/* The row is made where there is none. Records that are suspects under other settings only are due again. */
int store_breaker_open(struct db *db, const struct breaker_key *k, int64_t now, struct breaker_row *ret,
                       struct error *e);
int store_breaker_read(struct db *db, const struct breaker_key *k, struct breaker_row *ret, struct error *e);

struct refusal {
    const char *fingerprint, *rkey;
    bool dead_grant, unanswered;
    bool asked;              /* false: looked at again without a presentation; the refusal is in the store */
    bool fine_before;        /* the record's last success was under these settings */
    const char *code, *text; /* the provider's message; stored */
    int64_t success_at;      /* as this process has it */
};
struct refused_ruling {
    struct suspect_ruling ruling;
    struct breaker_row job;
    bool dead_grant;
    char *code, *text; /* as they were stored; with asked false */
};
void refused_ruling_done(struct refused_ruling *r);
/* Records that hold the same credential become suspects, too. */
int store_breaker_refused(struct db *db, const struct breaker_key *k, const struct suspect_limits *l,
                          const struct refusal *r, int64_t now, struct refused_ruling *ret, struct error *e);

/* *ret_over: a hold is over, and all suspects are due. */
int store_breaker_succeeded(struct db *db, const struct breaker_key *k, const char *fingerprint, int64_t now,
                            struct breaker_row *ret, bool *ret_over, struct error *e);
int store_breaker_resumed(struct db *db, const struct breaker_key *k, bool believe, int64_t now,
                          struct breaker_row *ret, struct error *e);

/* Takes the turn to try a canary: *ret_key NULL = it is not the time, or there is none to try. */
int store_breaker_canary(struct db *db, const struct breaker_key *k, int64_t now, int64_t repeat_ms,
                         struct breaker_row *ret, char **ret_key, bool *ret_alarm, struct error *e);
/* The same for a witness, which is tried ahead of its time: at most one a minute, and only while a suspect has
 * none. *ret_wait_ms: it is too soon. */
int store_breaker_witness(struct db *db, const struct breaker_key *k, int64_t now, char **ret_key,
                          int64_t *ret_wait_ms, struct error *e);

/* Records that another host refused under other settings are not suspects here: they are due. *ret: how many. */
int store_breaker_free(struct db *db, const struct breaker_key *k, int64_t now, int64_t *ret, struct error *e);

/* All jobs under all settings; active: a record was refused under them within the hour. */
struct held_job {
    char *job, *settings;
    bool held, active;
};
int store_breakers_held(struct db *db, int64_t now, struct held_job **ret, size_t *ret_count, struct error *e);
void held_jobs_free(struct held_job *list, size_t count);

#endif
