/* SPDX-License-Identifier: MIT
 * The decisions of rule 10: a refusal makes a suspect, not a verdict; a verdict needs an earlier refusal, a witness
 * and no recovery between them; a job whose good credentials are refused in the same way is held. Pure functions on
 * two structs (one for a job and its settings, one for a credential), which the engine keeps in the store and the
 * model test in memory. All times are Unix milliseconds; 0 = never.
 *
 * A suspect is a credential whose last answer was a refusal. A witness is the success of another one. A recovery is
 * a suspect's success with the credential that was refused: it shows that the refusal was false.
 */
#ifndef CORE_RULES_SUSPECT_H
#define CORE_RULES_SUSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct suspect_limits {
    int64_t records; /* so many similar refusals are not chance */
    int64_t within_ms, again_ms, apart_ms, alone_ms;
    bool off; /* for tests only: each refusal is believed */
};

/* A job and its settings. */
struct suspect_job {
    int64_t success_at;                   /* the newest; 0 = these settings never worked */
    int64_t recovery_at, recovering_from; /* the newest; the first of those less than an hour apart */
    int64_t streak;                       /* the most refusals that one of them came after */
    int64_t turned;                       /* credentials refused since success_at that were fine before */
    int64_t held_at, ended_at;            /* of this hold, of the last one */
    int64_t alarmed_at;                   /* of this incident */
    int64_t canary_at, canaries;          /* when the next may be asked, how many were in this hold */
    int64_t believed_at;                  /* the operator's answer about those who were suspects then */
};

/* A credential of that job and settings. */
struct suspect {
    int64_t began_at; /* 0 = it is none */
    int64_t since;    /* its first refusal since a recovery */
    int64_t asked_at, refusals, next_at;
    int64_t told_at; /* of a verdict that is not final */
    int64_t struck_at;
};

struct suspect_refusal {
    bool dead_grant; /* the provider's explicit code for a dead grant */
    bool was_fine;   /* its answer before was a success under these settings */
    bool unanswered; /* it was presented once without an answer: it is not presented again */
};

/* Queries for other facts; called only when needed. */
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
    SUSPECT_STRIKE,    /* no verdict, but refused for a day while others succeeded */
    SUSPECT_NOT_FINAL, /* shown, but presented again nevertheless */
    SUSPECT_FINAL,
};

struct suspect_ruling {
    int verdict;        /* enum suspect_verdict */
    int64_t next_at;    /* of the next asking; 0 with SUSPECT_FINAL */
    bool at_once;       /* it is now: again is 0, and no suspect was presented twice yet */
    bool held;          /* from now on */
    bool alarm;         /* and it is a new incident */
    bool wants_witness; /* no other was presented since: one that is fine may be refreshed early */
};

/* To be called after each refusal; updates job and s. */
void suspect_refused(const struct suspect_limits *l, struct suspect_job *job, struct suspect *s,
                     const struct suspect_refusal *r, const struct suspect_others *o, int64_t now,
                     struct suspect_ruling *ret);
/* The same for a suspect that is not presented again (rule 11): its one refusal becomes a verdict or waits. */
void suspect_judge(const struct suspect_limits *l, struct suspect_job *job, struct suspect *s,
                   const struct suspect_refusal *r, const struct suspect_others *o, int64_t now,
                   struct suspect_ruling *ret);
/* After a success: s may be no suspect (began_at 0), and is none afterwards. True: a hold has ended, and all
 * suspects are due once. */
bool suspect_succeeded(struct suspect_job *job, struct suspect *s, int64_t now);
/* A person resumes the job; believe: the provider is right about the present suspects. True: see above. */
bool suspect_resumed(struct suspect_job *job, bool believe, int64_t now);

/* Takes the turn to try a canary; false: it is not time yet. */
bool suspect_canary(struct suspect_job *job, int64_t now);
/* The alarm is due again while the hold lasts. */
bool suspect_alarm_again(struct suspect_job *job, int64_t repeat_ms, int64_t now);
/* The least number of `room` requests for suspects, if any are due; others: the requests made since the last
 * one. */
size_t suspect_share(size_t room, size_t others);

#endif
