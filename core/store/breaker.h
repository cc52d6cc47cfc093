/* SPDX-License-Identifier: MIT
 * A job that is held by its breaker, as all hosts see it: columns of its row in {jobs}. What trips it and
 * what follows is the engine's business.
 */
#ifndef CORE_STORE_BREAKER_H
#define CORE_STORE_BREAKER_H

#include "core/store/store.h"

struct breaker_row {
    int64_t held_at;             /* 0 = not held */
    int64_t since;               /* the first refusal that speaks for it */
    int64_t next_at, asked_at;   /* when a canary is asked next, was asked last */
    int64_t tries;
    int64_t proved_at;           /* when a canary last was fine */
    char *why;
};
void breaker_row_done(struct breaker_row *b);

/* -ENOENT: the job has no row. */
int store_breaker_read(struct db *db, const char *job, struct breaker_row *ret, struct error *e);
/* Holds the job as b says. *ret_first false: another host was quicker, and its row stays. */
int store_breaker_hold(struct db *db, const char *job, const struct breaker_row *b, bool *ret_first,
                       struct error *e);
/* Takes the turn to ask a canary: *ret_key NULL = it is not the time, or there is none to ask. Those that
 * were fine come first, due or not, then of the others who was not asked since. */
int store_breaker_turn(struct db *db, const char *job, const char *source, int64_t now, int64_t next_at,
                       char **ret_key, struct error *e);
/* The job goes on. What was withheld or misconfigured since b->since is due again. proved_at 0: nobody proved it. */
int store_breaker_release(struct db *db, const char *job, const char *source, const struct breaker_row *b,
                          int64_t proved_at, struct error *e);
/* Records of the source that turned reconnect since then, with a key after `after`; their credentials are no
 * longer dead. */
int store_breaker_condemned(struct db *db, const char *source, int64_t since, const char *after,
                            size_t limit, struct record **ret, size_t *ret_count, struct error *e);

/* The job's answers since then, oldest first: for a window that outlives its process. */
struct answer_row {
    char *key;
    int outcome;
    int64_t at;
};
int store_breaker_answers(struct db *db, const char *job, int64_t since, struct answer_row **ret,
                          size_t *ret_count, struct error *e);
void answers_free(struct answer_row *list, size_t count);

#endif
