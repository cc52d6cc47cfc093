/* SPDX-License-Identifier: MIT
 * The commits of a batch that differ in nothing but their values, written by one statement for each table instead of
 * one for each commit. Called inside the batch's transaction, with all records and credentials locked. What needs a
 * decision of its own (rows of several jobs, a row that takes no update) is left to be written alone.
 */
#include "core/store/commit_internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/map.h"

enum { BYTES_MAX = 32 * 1024 };

/* Small enough that 500 of them are one statement. */
static bool fits(const struct commit *c)
{
    size_t bytes = c->sealed_pair ? strlen(c->sealed_pair) : 0;

    for (size_t i = 0; i < c->write_count; i++) {
        if (c->writes[i].plain)
            return false;
        bytes += c->writes[i].len;
    }
    for (size_t i = 0; i < c->effect_count; i++)
        for (size_t k = 0; k < c->effects[i].bound_count; k++)
            bytes += c->effects[i].bound[k].text ? strlen(c->effects[i].bound[k].text) : 0;
    if (c->touches_row && c->table->credential >= 0)
        bytes += c->row.cells[c->table->credential].len;
    return bytes <= BYTES_MAX;
}

bool commit_is_plain(const struct commit *c)
{
    if (c->noticed || c->sibling_count || c->answer || !commit_effects_fit(c))
        return false;
    if (c->touches_row && (!c->table || !c->write_count || c->row.unfit ||
                           (c->table->credential >= 0 && (size_t)c->table->credential >= c->row.count)))
        return false;
    return fits(c);
}

static bool writes_more_than_history(const struct commit_work *w)
{
    return !w->lease_passed || w->c->replaces || w->c->outcome == OUTCOME_OK;
}

static void names(struct map *known, const char *fingerprint, struct commit_work *w)
{
    struct commit_work *other = fingerprint[0] ? map_get(known, fingerprint) : NULL;

    if (other)
        other->shared = w->shared = true;
    else if (fingerprint[0])
        map_put(known, fingerprint, w);
}

/* One statement cannot write a row twice, and which of two comes first matters. The list is in order of records. */
static void mark_shared(struct commit_work *list, size_t count)
{
    struct map *known = map_new();

    for (size_t i = 0; i < count; i++) {
        const struct record *rec = &list[i].c->before;
        names(known, rec->fingerprint, &list[i]);
        if (strcmp(rec->fingerprint, list[i].c->after.fingerprint) != 0)
            names(known, list[i].c->after.fingerprint, &list[i]);
        if (i && !strcmp(rec->key, list[i - 1].c->before.key) && !strcmp(rec->source, list[i - 1].c->before.source))
            list[i].shared = list[i - 1].shared = true;
    }
    map_free(known, NULL);
}

/* Closes the gaps of those that are left to be written alone. */
static size_t taken(struct commit_work **some, size_t count)
{
    size_t left = 0;

    for (size_t i = 0; i < count; i++)
        if (some[i])
            some[left++] = some[i];
    return left;
}

static int own_rows(struct db *db, struct commit_work *const *some, size_t count, struct error *e)
{
    cleanup(free_p) const struct commit **commits = xcalloc(count + 1, sizeof(*commits));

    for (size_t i = 0; i < count; i++)
        commits[i] = some[i]->c;
    int r = commit_records(db, (const struct commit_work *const *)some, count, e);
    if (r == 0)
        r = commit_credentials(db, commits, count, true, e);
    return r < 0 ? r : commit_history(db, commits, count, e);
}

int commit_set(struct db *db, struct commit_work *list, size_t count, size_t *ret_at, struct error *e)
{
    cleanup(free_p) struct commit_work **some = xcalloc(count + 1, sizeof(*some));
    struct commit_work *at = NULL;
    size_t left = 0;

    mark_shared(list, count);
    for (size_t i = 0; i < count; i++)
        if (!list[i].already && !list[i].shared && writes_more_than_history(&list[i]) &&
            commit_is_plain(list[i].c) && (db_is_postgresql(db) || !list[i].c->effect_count))
            some[left++] = &list[i];
    int r = commit_rows(db, some, left, e);
    if (r < 0)
        return r;
    left = taken(some, left);
    r = commit_effects_many(db, some, left, &at, e);
    if (r < 0 && at)
        *ret_at = (size_t)(at - list);
    if (r < 0)
        return r;
    left = taken(some, left);
    r = own_rows(db, some, left, e);
    for (size_t i = 0; r == 0 && i < left; i++)
        some[i]->verdict = COMMIT_DONE;
    return r;
}
