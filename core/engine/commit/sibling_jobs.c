/* SPDX-License-Identifier: MIT
 * Sibling jobs: other jobs that keep records in the same rows (a bot's and a user's tokens in one row) and write a
 * column that this job writes too: status, last_error, strikes. The worse of both values stands. The store decides
 * it within the commit, by the records of the other jobs.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/engine/commit/commit.h"
#include "core/engine/state/state.h"
#include "core/rules/outcome.h"

const char *status_value(const struct job_config *c, int state)
{
    int wanted = state == STATE_RATE_LIMITED || state == STATE_AMBIGUOUS ? STATE_RETRYING : state;
    const char *value = NULL;
    for (size_t i = 0; i < c->status_value_count; i++) {
        if (c->status_values[i].state == state)
            return c->status_values[i].value;
        if (c->status_values[i].state == wanted)
            value = c->status_values[i].value;
    }
    return value;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_column(const struct table *a, const struct table *b, const char *slot)
{
    int x = table_column(a, slot), y = table_column(b, slot);
    return x >= 0 && y >= 0 && strcmp(a->columns[x].name, b->columns[y].name) == 0;
}

/* Jobs of one column keep different rows. */
static bool same_rows(const struct table *a, const struct table *b)
{
    return !(a->base && same_text(a->base, b->base)) && !a->own && !b->own && same_text(a->schema, b->schema) &&
           strcmp(a->name, b->name) == 0;
}

static void sibling_fill(const struct job *other, const struct table *mine, struct sibling *s)
{
    s->source = xstrdup(other->table->source);
    s->key = strcmp(mine->key, other->table->key) != 0 ? xstrdup(other->table->key) : NULL;
    s->last_error = same_column(mine, other->table, "last_error");
    s->strikes = same_column(mine, other->table, "strikes");
    s->refreshed_at = same_column(mine, other->table, "refreshed_at");
    s->status = same_column(mine, other->table, "status");
    for (int state = STATE_OK; s->status && state < STATES_MAX; state++) {
        const char *value = status_value(other->config, state);
        s->values[state] = value ? xstrdup(value) : NULL;
    }
}

void siblings_add(struct commit *c, const struct job *j)
{
    const struct engine *e = j->engine;
    if (c->siblings || !j->table)
        return;
    for (size_t i = 0; i < e->job_count; i++) {
        struct sibling s = {0};
        if (e->jobs[i] == j || !e->jobs[i]->table || !same_rows(j->table, e->jobs[i]->table))
            continue;
        sibling_fill(e->jobs[i], j->table, &s);
        c->siblings = xrealloc(c->siblings, (c->sibling_count + 1) * sizeof *c->siblings);
        c->siblings[c->sibling_count++] = s;
    }
}
