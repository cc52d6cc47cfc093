/* SPDX-License-Identifier: MIT
 * The six outcomes of an attempt and the states of a record, the same numbers and names in the ABI, the store, the
 * API and the log. Eight states are stored; the others are seen when somebody looks (record_shown).
 */
#ifndef CORE_RULES_OUTCOME_H
#define CORE_RULES_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

enum outcome {
    OUTCOME_NONE = 0,
    OUTCOME_OK = 1,
    OUTCOME_TRANSIENT = 2,
    OUTCOME_RATE_LIMITED = 3,
    OUTCOME_RECONNECT = 4,
    OUTCOME_MISCONFIGURED = 5,
    OUTCOME_AMBIGUOUS = 6,
};

enum state {
    STATE_OK = 1,
    STATE_RETRYING,
    STATE_RATE_LIMITED,
    STATE_RECONNECT,
    STATE_MISCONFIGURED,
    STATE_AMBIGUOUS,
    STATE_PENDING,
    STATE_PAUSED,
    STATE_EXPIRED, /* from here on shown, never stored: its access token has ended, nobody is to blame yet: it was ok, or a suspect */
    STATE_WITHOUT_CREDENTIAL, /* its row holds none */
    STATE_DISCONNECTED,       /* its row is gone, or no longer one of the job's */
};
enum { STATES_MAX = STATE_PAUSED + 1, STATES_SHOWN = STATE_DISCONNECTED + 1 };

/* "none" for OUTCOME_NONE; NULL for a number that is none of these. */
const char *outcome_name(int outcome);
/* -EINVAL for an unknown name; "none" is not accepted. */
int outcome_from_name(const char *name);

/* NULL for a number that is no state. */
const char *state_name(int state);
/* -EINVAL for an unknown name. */
int state_from_name(const char *name);
/* The code of a record that is misconfigured by its own row, which cannot be read; with any other it is a suspect. */
#define CODE_ROW "row"
/* The state in which an outcome leaves its record; 0 for OUTCOME_NONE and unknown numbers. */
int state_after(int outcome);
/* How badly off a record is, to say which of two stands: 0 = well. */
int state_rank(int state);
/* What a failure leaves in last_error: "code: text". Both may be NULL. The caller's. */
char *failure_said(const char *code, int outcome, const char *text);
/* By which such a text is known again: 16 hexadecimal digits. The caller's. */
char *error_mark(const char *text);

#endif
