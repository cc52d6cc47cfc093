/* SPDX-License-Identifier: MIT
 * See outcome.h.
 */
#include "core/rules/outcome.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/rules/hash.h"

static const char *const outcome_names[] = {
    [OUTCOME_NONE] = "none",           [OUTCOME_OK] = "ok",
    [OUTCOME_TRANSIENT] = "transient", [OUTCOME_RATE_LIMITED] = "rate_limited",
    [OUTCOME_RECONNECT] = "reconnect", [OUTCOME_MISCONFIGURED] = "misconfigured",
    [OUTCOME_AMBIGUOUS] = "ambiguous",
};

static const char *const state_names[] = {
    [STATE_OK] = "ok",
    [STATE_RETRYING] = "retrying",
    [STATE_RATE_LIMITED] = "rate_limited",
    [STATE_RECONNECT] = "reconnect",
    [STATE_MISCONFIGURED] = "misconfigured",
    [STATE_AMBIGUOUS] = "ambiguous",
    [STATE_PENDING] = "pending",
    [STATE_PAUSED] = "paused",
    [STATE_EXPIRED] = "expired",
    [STATE_WITHOUT_CREDENTIAL] = "without_credential",
    [STATE_DISCONNECTED] = "disconnected",
};

static int outcome_find(const char *const *names, int first, int last, const char *name)
{
    for (int i = first; name && i <= last; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -EINVAL;
}

const char *outcome_name(int outcome)
{
    return outcome >= OUTCOME_NONE && outcome <= OUTCOME_AMBIGUOUS ? outcome_names[outcome] : NULL;
}

int outcome_from_name(const char *name)
{
    return outcome_find(outcome_names, OUTCOME_OK, OUTCOME_AMBIGUOUS, name);
}

const char *state_name(int state)
{
    return state >= STATE_OK && state <= STATE_DISCONNECTED ? state_names[state] : NULL;
}

int state_from_name(const char *name)
{
    return outcome_find(state_names, STATE_OK, STATE_DISCONNECTED, name);
}

int state_after(int outcome)
{
    switch (outcome) {
    case OUTCOME_OK:
        return STATE_OK;
    case OUTCOME_TRANSIENT:
        return STATE_RETRYING;
    case OUTCOME_RATE_LIMITED:
        return STATE_RATE_LIMITED;
    case OUTCOME_RECONNECT:
        return STATE_RECONNECT;
    case OUTCOME_MISCONFIGURED:
        return STATE_MISCONFIGURED;
    case OUTCOME_AMBIGUOUS:
        return STATE_AMBIGUOUS;
    default:
        return 0;
    }
}

int state_rank(int state)
{
    static const int ranks[STATES_MAX] = {
        [STATE_RATE_LIMITED] = 1, [STATE_RETRYING] = 2,      [STATE_AMBIGUOUS] = 3,
        [STATE_PENDING] = 4,      [STATE_MISCONFIGURED] = 5, [STATE_RECONNECT] = 6,
    };
    return state > 0 && state < STATES_MAX ? ranks[state] : 0;
}

char *failure_said(const char *code, int outcome, const char *text)
{
    return xasprintf("%s%s%s", code ? code : outcome_name(outcome), text ? ": " : "", text ? text : "");
}

char *error_mark(const char *text)
{
    return xasprintf("%016llx", (unsigned long long)hash_bytes(0, text, strlen(text)));
}
