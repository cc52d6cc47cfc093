/* SPDX-License-Identifier: MIT
 * Fault points and switched-off defences, only for tests. A point is a named step of renewd at which a test can
 * kill, stop or delay the process, make the step fail, or move the clock. A defence is a rule that prevents a loss
 * or a credential spent twice; a test turns it off to check that the test notices. Both exist only in a build
 * configured with --enable-fault-points; in any other build these functions are empty and the program does not
 * contain their names.
 *
 * To add a point: a name in the enumeration, its text in fault.c, one call where the step is. To
 * add a defence: the same, `if (!defence_off(DEFENCE_X))` around what it does, and a case in
 * tests/faults/defences.sh that must fail without it. tests/README.md says how tests use both.
 */
#ifndef CORE_BASE_FAULT_H
#define CORE_BASE_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum fault_point {
    FAULT_START,
    FAULT_READY,
    FAULT_DISCOVERED,  /* a page of rows was read and is stored */
    FAULT_CLAIM_READY, /* before the claim's COMMIT */
    FAULT_CLAIM_COMMITTED,
    FAULT_CLAIMED, /* one record, its row read */
    FAULT_INTENT,  /* before the intent is written */
    FAULT_INTENT_WRITTEN,
    FAULT_REQUEST,       /* connected, the first byte leaves next */
    FAULT_WIRE,          /* data was sent or received */
    FAULT_REPLY,         /* a reply or a failure arrived, before the plugin sees it */
    FAULT_TOKEN_SET,     /* the plugin has set a token, which is only in memory */
    FAULT_SEAL,          /* before a value is sealed for its row */
    FAULT_SPOOL_WRITE,   /* an entry of any kind is written next */
    FAULT_SPOOL_TORN,    /* half of a result is written */
    FAULT_SPOOL_WRITTEN, /* the result is written to the spool, not yet synced */
    FAULT_SYNC,          /* before fdatasync of the spool */
    FAULT_SYNCED,
    FAULT_COMMIT_BEGIN,
    FAULT_COMMIT_READY, /* all statements ran, before COMMIT */
    FAULT_COMMIT_SENT,  /* COMMIT was sent to the server; only PostgreSQL */
    FAULT_COMMIT_ANSWERED,
    FAULT_COMMITTED, /* the loop knows of it, the spool does not */
    FAULT_SETTLED,
    FAULT_FAILED,  /* an attempt failed, before its failure is submitted */
    FAULT_RELEASE, /* before a lease is released */
    FAULT_RELEASED,
    FAULT_KEEP, /* before a pair that its row refused is parked */
    FAULT_KEPT,
    FAULT_DRAIN,   /* a dead process's result was read, before it is submitted */
    FAULT_DRAINED, /* all are committed, their files still exist */
    FAULT_STOPPING,
    FAULT_POINT_COUNT
};

enum defence {
    DEFENCE_LEASE,            /* a credential under a lease is not claimed (1) */
    DEFENCE_INTENT,           /* an intent is on the spool before a request leaves (2) */
    DEFENCE_SEND_ONCE,        /* a repeat by libcurl is refused (2) */
    DEFENCE_LATE,             /* nothing is sent when the lease is about to end (2) */
    DEFENCE_READ_ONCE_MORE,   /* the socket is read again before a transfer is given up (2) */
    DEFENCE_SPOOL,            /* a fresh token is written to the spool (3) */
    DEFENCE_DRAIN,            /* what a dead process left on the spool is committed (6) */
    DEFENCE_COMMIT_CONDITION, /* the row must hold the credential that was spent (4) */
    DEFENCE_ALREADY,          /* an attempt found in the history is not committed again (4) */
    DEFENCE_WRITE_BACK,       /* a spent credential in a row is replaced by the newest (5) */
    DEFENCE_SPENT,            /* a credential that has a successor is not claimed (7) */
    DEFENCE_SILENCE,          /* one that may be spent waits for the last safe moment (11) */
    DEFENCE_PLACE,            /* a database that was moved is only read (13) */
    DEFENCE_SEQUENCE,         /* so is one that is older than what this host has seen (13) */
    DEFENCE_BREAKER,          /* many similar refusals hold their job (10) */
    DEFENCE_RETENTION,        /* what a restored database has lost is committed again (6) */
    DEFENCE_ONCE,             /* after two presentations without an answer there is no third (11) */
    DEFENCE_GONE,             /* the lease of a dead process is kept until the last safe moment (6) */
    DEFENCE_COUNT
};

#ifdef FAULT_POINTS

/* Reads RENEWD_FAULT, RENEWD_FAULT_TRACE and RENEWD_DEFENCES_OFF. On a mistake in them false, and
 * what is wrong in ret. */
bool fault_setup(char *ret, size_t size);
/* The step is passed by this record (NULL: no particular one); executes what was ordered for it. */
void fault_point(enum fault_point p, const char *record);
/* The same for a step that can fail: 0, or the negative errno that was ordered. */
int fault_error(enum fault_point p, const char *record);
/* The same in the middle of a write: half of it is written before the order is executed. */
void fault_torn(enum fault_point p, int fd, const void *data, size_t len, off_t at);
/* How long the machine slept according to the orders, in milliseconds. */
int64_t fault_slept_ms(void);
bool defence_off(enum defence d);

#else

static inline __attribute__((always_inline)) bool fault_setup(char *ret, size_t size)
{
    (void)ret;
    (void)size;
    return true;
}

static inline __attribute__((always_inline)) void fault_point(enum fault_point p, const char *record)
{
    (void)p;
    (void)record;
}

static inline __attribute__((always_inline)) int fault_error(enum fault_point p, const char *record)
{
    (void)p;
    (void)record;
    return 0;
}

static inline __attribute__((always_inline)) void fault_torn(enum fault_point p, int fd, const void *data,
                                                             size_t len, off_t at)
{
    (void)p;
    (void)fd;
    (void)data;
    (void)len;
    (void)at;
}

static inline __attribute__((always_inline)) int64_t fault_slept_ms(void)
{
    return 0;
}

static inline __attribute__((always_inline)) bool defence_off(enum defence d)
{
    (void)d;
    return false;
}

#endif
#endif
