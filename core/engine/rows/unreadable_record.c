/* SPDX-License-Identifier: MIT
 * A record whose row cannot be read.
 */
#include <string.h>

#include "core/engine/rows/rows.h"
#include "core/rules/outcome.h"

void unreadable_make(struct record *r, const char *why)
{
    r->state = STATE_MISCONFIGURED;
    r->last_outcome = OUTCOME_MISCONFIGURED;
    record_set_text(&r->last_code, CODE_ROW);
    record_set_text(&r->last_text, why);
    r->window = (struct window){0};
    r->point = r->due_at = 0;
}

bool unreadable_is(const struct record *r)
{
    return r->state == STATE_MISCONFIGURED && r->last_code && strcmp(r->last_code, CODE_ROW) == 0;
}
