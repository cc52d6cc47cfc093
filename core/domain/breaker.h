/* SPDX-License-Identifier: MIT
 * The breaker's decision: do the refusals of late speak of the accounts, or of our own client id and
 * secret? A window of a job's answers, newest last; what follows is the engine's business.
 *
 * The share is taken over the newest answers, as far back as it stays reached: a thousand successes
 * before a secret went wrong do not hide what came after them.
 */
#ifndef CORE_DOMAIN_BREAKER_H
#define CORE_DOMAIN_BREAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct breaker_limits {
    int64_t records;       /* so many distinct ones */
    int64_t share;         /* and so many of 100 answers */
    int64_t within_s;
};

enum breaker_sign {
    BREAKER_FINE = 1,      /* refreshed: the client works */
    BREAKER_REFUSED,       /* reconnect */
    BREAKER_MISCONFIGURED,
};

struct breaker_answer {
    uint64_t record;       /* a hash of its key */
    int64_t at;            /* Unix seconds */
    int sign;              /* enum breaker_sign; 0 = superseded by a later one of the same record */
    bool was_ok;           /* the record's answer before this one was a success: a canary */
};

struct breaker_window {
    struct breaker_answer *list;
    size_t count, room;
    uint64_t first;        /* number of list[0] */
};

/* A zeroed window is empty. */
void breaker_window_done(struct breaker_window *w);
/* Returns the answer's number. */
uint64_t breaker_note(struct breaker_window *w, const struct breaker_limits *l,
                      const struct breaker_answer *a);

enum breaker_finding {
    BREAKER_CALM,
    BREAKER_CANARY,        /* two records or more are misconfigured, a canary among them, none fine since */
    BREAKER_MANY,          /* as many records as the limits say were refused or misconfigured */
};
/* Asked after each refusal. *ret_since is the first answer that speaks for it, *ret_records how many do. */
int breaker_find(const struct breaker_window *w, const struct breaker_limits *l, int64_t now,
                 int64_t *ret_since, int64_t *ret_records);
/* True when the answers from this number on no longer reach the share: the refusal was the account's own. */
bool breaker_disproved(const struct breaker_window *w, const struct breaker_limits *l, uint64_t number);

#endif
