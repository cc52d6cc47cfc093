/* SPDX-License-Identifier: MIT
 * Commits made after a row was read, without an attempt: what renewd wrote about a trouble is taken back when the
 * record is well again; `also` columns that were missed are written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine/commit/commit.h"
#include "core/engine/state/state.h"
#include "core/engine/rows/rows.h"
#include "core/rules/outcome.h"

/* True while the cell holds what renewd wrote. A value of the application is not touched. */
static bool still_ours(const struct job *j, const struct row *row, const char *slot, const char *ours)
{
    const struct cell *cell = row_cell(j->table, row, slot);
    return cell && cell->text && ours && strcmp(cell->text, ours) == 0;
}

/* The record of an earlier version has no wrote_error: there the text of its last failure is compared. */
static bool error_is_ours(const struct job *j, const struct row *row, const struct record *known)
{
    const struct cell *cell = row_cell(j->table, row, "last_error");
    if (!cell || !cell->text)
        return false;
    char *said = failure_said(known->last_code, known->last_outcome, known->last_text);
    char *mark = error_mark(cell->text);
    bool ours = known->wrote_error ? strcmp(mark, known->wrote_error) == 0
                                   : known->last_outcome > OUTCOME_OK && strcmp(cell->text, said) == 0;
    free(said);
    free(mark);
    return ours;
}

/* A row without a credential has no trouble, and is not well either. */
static void take_back(struct commit *c, const struct job *j, const struct record *known, const struct record *now)
{
    char strikes[24];
    bool status = !now->without_credential && still_ours(j, &c->row, "status", known->wrote_status);
    snprintf(strikes, sizeof strikes, "%d", known->strikes);
    outcome_take_back(c, j, status, error_is_ours(j, &c->row, known),
                      known->strikes && still_ours(j, &c->row, "strikes", strikes));
}

static struct commit *begin_noticed(const struct job *j, const struct record *known, const struct row *row)
{
    struct commit *c = outcome_begin(j, known, row);
    c->release = false;
    c->alone = c->noticed = true;
    c->outcome = OUTCOME_NONE;
    return c;
}

struct commit *outcome_recovered(const struct job *j, const struct record *known, const struct record *now,
                                 const struct row *row)
{
    struct commit *c = begin_noticed(j, known, row);
    record_done(&c->after);
    record_copy(&c->after, now);
    if (status_columns_person(j, known))
        status_columns_take_back(c, j);
    if (!j->table->unwritten)
        take_back(c, j, known, now);
    c->touches_row = c->write_count > 0;
    siblings_add(c, j); /* it goes to the store as it is */
    if (c->touches_row || c->effect_count)
        return c;
    commit_free(c);
    return NULL;
}

/* The cell is empty, holds what renewd wrote, or one of the values between which renewd changes it. Any other value
 * is the application's. */
static bool status_is_ours(const struct job *j, const struct row *row, const struct record *rec)
{
    const struct cell *cell = row_cell(j->table, row, "status");
    if (!cell || (!cell->text && row->unfit))
        return false;
    bool ours = !cell->text || (rec->wrote_status && strcmp(cell->text, rec->wrote_status) == 0);
    for (size_t i = 0; !ours && i < j->config->status_value_count; i++)
        ours = strcmp(cell->text, j->config->status_values[i].value) == 0;
    return ours;
}

struct commit *outcome_unreadable(const struct job *j, const struct record *rec, const struct row *row,
                                  const char *text)
{
    struct commit *c = begin_noticed(j, rec, row);
    outcome_note(c, j, status_is_ours(j, row, rec), text);
    c->touches_row = c->write_count > 0;
    siblings_add(c, j);
    if (c->touches_row)
        return c;
    commit_free(c);
    return NULL;
}

void outcome_reopened(const struct job *j, const struct record *known, struct record *ret)
{
    record_copy(ret, known);
    ret->state = STATE_OK;
    ret->attempts = ret->strikes = 0;
    ret->not_before = 0;
    ret->last_outcome = OUTCOME_NONE;
    record_set_text(&ret->last_code, NULL);
    record_set_text(&ret->last_text, NULL);
    record_schedule(j, ret);
}

struct commit *outcome_told(const struct job *j, const struct record *rec, const struct row *row)
{
    struct commit *c = begin_noticed(j, rec, row);
    status_columns_tell(c, j);
    if (c->effect_count)
        return c;
    commit_free(c);
    return NULL;
}
