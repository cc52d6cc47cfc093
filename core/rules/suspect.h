/* SPDX-License-Identifier: MIT
 * Rule 10 as a decision: a refusal makes a suspect, not a verdict; a verdict wants an earlier refusal, a
 * witness and no recovery between; and a job whose good credentials are refused alike is held. Pure: what is
 * known goes in and out as two structs (one of a job under its settings, one of a credential), which the
 * engine keeps in the store and the model test in memory. All times are Unix milliseconds; 0 = never.
 *
 * A suspect is a credential that was refused last. A witness is the success of another one. A recovery is
 * a suspect's success with the credential that was refused: it shows that the provider's no was none.
 */
#ifndef CORE_RULES_SUSPECT_H
#define CORE_RULES_SUSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct suspect_limits {
    int64_t records; /* so many alike are no accident */
    int64_t within_ms, again_ms, apart_ms, alone_ms;
    bool off; /* the tests' own: each refusal is believed */
};

/* A job under its settings. */
struct suspect_job {
    int64_t success_at;                   /* the newest; 0 = these settings never worked */
    int64_t recovery_at, recovering_from; /* the newest; the first of those less than an hour apart */
    int64_t streak;                       /* the most refusals that one of them came after */
    int64_t turned;                       /* credentials refused since success_at that were fine before */
    int64_t held_at, ended_at;            /* of this hold, of the last one */
    int64_t alarmed_at;                   /* of this incident */
    int64_t canary_at, canaries;          /* when the next may be asked, how many were in this hold */
    int64_t believed_at;                  /* the operator's word about who was a suspect then */
};

/* A credential under them. */
struct suspect {
    int64_t began_at; /* 0 = it is none */
    int64_t since;    /* its first refusal since a recovery */
    int64_t asked_at, refusals, next_at;
    int64_t told_at; /* of a verdict that is not final */
    int64_t struck_at;
};

struct suspect_refusal {
    bool dead_grant; /* the provider's own word for a dead grant */
    bool was_fine;   /* its answer before was a success under these settings */
    bool unanswered; /* it was presented once without an answer: it is not asked again */
};

/* What else is known; asked only where it matters. */
struct suspect_others {
    /* How many others became suspects between the two. */
    int64_t (*began)(void *ctx, int64_t from, int64_t until);
    /* How many others are suspects now. */
    int64_t (*count)(void *ctx);
    /* Whether another record's last answer was a success. */
    bool (*fine_left)(void *ctx);
    void *ctx;
};

enum suspect_verdict {
    SUSPECT_WITHHELD,
    SUSPECT_STRIKE,    /* no verdict, but a day of refusals while others succeeded */
    SUSPECT_NOT_FINAL, /* told, asked again all the same */
    SUSPECT_FINAL,
};

struct suspect_ruling {
    int verdict;        /* enum suspect_verdict */
    int64_t next_at;    /* of the next asking; 0 with SUSPECT_FINAL */
    bool at_once;       /* it is now: again is 0, and nobody was asked twice yet */
    bool held;          /* from now on */
    bool alarm;         /* and it is a new incident */
    bool wants_witness; /* nobody else was asked since: a fine one may be, ahead of its time */
};

/* After each refusal; job and s are brought up to date. */
void suspect_refused(const struct suspect_limits *l, struct suspect_job *job, struct suspect *s,
                     const struct suspect_refusal *r, const struct suspect_others *o, int64_t now,
                     struct suspect_ruling *ret);
/* The same without an asking, of one that is not asked again (rule 11): its one refusal stands or waits. */
void suspect_judge(const struct suspect_limits *l, struct suspect_job *job, struct suspect *s,
                   const struct suspect_refusal *r, const struct suspect_others *o, int64_t now,
                   struct suspect_ruling *ret);
/* s may be none (began_at 0), and is none afterwards. True: a hold is over, and all suspects are due once. */
bool suspect_succeeded(struct suspect_job *job, struct suspect *s, int64_t now);
/* A person says go on; believe: and the provider is right about those who are suspects now. True: see above. */
bool suspect_resumed(struct suspect_job *job, bool believe, int64_t now);

/* Takes the turn to ask a canary; false: it is not the time. */
bool suspect_canary(struct suspect_job *job, int64_t now);
/* The alarm is due again while the hold lasts. */
bool suspect_alarm_again(struct suspect_job *job, int64_t repeat_ms, int64_t now);
/* Of `room` requests so many at least are for suspects, should any be due; others: those made since the last. */
size_t suspect_share(size_t room, size_t others);

#endif
