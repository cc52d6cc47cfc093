/* SPDX-License-Identifier: MIT
 * The six outcomes of an attempt and the states of a record, with the same numbers and names in the ABI, the store,
 * the API and the log. Eight states are stored; the others are computed when a record is shown (record_shown).
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
    /* The states from here on are shown, never stored. Expired: its access token has ended, and the cause is not
     * known yet; its stored state is ok, or it is a suspect. */
    STATE_EXPIRED,
    STATE_WITHOUT_CREDENTIAL, /* its row holds none */
    STATE_DISCONNECTED,       /* its row is gone, or no longer one of the job's */
};
enum { STATES_MAX = STATE_PAUSED + 1, STATES_SHOWN = STATE_DISCONNECTED + 1 };

/* "none" for OUTCOME_NONE; NULL for an unknown number. */
const char *outcome_name(int outcome);
/* -EINVAL for an unknown name; "none" is not accepted. */
int outcome_from_name(const char *name);

/* NULL for an unknown number. */
const char *state_name(int state);
/* -EINVAL for an unknown name. */
int state_from_name(const char *name);
/* The code of a record that is misconfigured because its row cannot be read; with any other code the record is a
 * suspect. */
#define CODE_ROW "row"
/* The state in which an outcome leaves its record; 0 for OUTCOME_NONE and unknown numbers. */
int state_after(int outcome);
/* The severity of a state, to choose the worse of two; 0 = ok. */
int state_rank(int state);
/* The text of a failure for last_error: "code: text". Both may be NULL. The caller frees it. */
char *failure_said(const char *code, int outcome, const char *text);
/* A hash by which such a text is recognised: 16 hexadecimal digits. The caller frees it. */
char *error_mark(const char *text);

#endif
