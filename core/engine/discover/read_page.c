/* SPDX-License-Identifier: MIT
 * Reads a page of a job's table with what renewd knows of its rows: their records, and which of those hold a
 * credential that is spent or dead. A round's first page also shows what the table hides or refuses.
 */
#include "core/engine/discover/read_page.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/map.h"
#include "core/engine/commit/commit.h"
#include "core/engine/discover/discover.h"
#include "core/store/shared_credential.h"
#include "core/store/user_table_check.h"
#include "core/store/wrote_trouble.h"

/* Each credential is handled once. */
static void tell_once(const char *const *fingerprints, bool *spent, size_t count)
{
    struct map *told = map_new();
    for (size_t i = 0; i < count; i++)
        if (spent[i] && map_put(told, fingerprints[i], told))
            spent[i] = false;
    map_free(told, NULL);
}

static int page_spent(struct db *db, struct page_task *t, struct error *e)
{
    size_t count = t->page.count;
    const char **fingerprints = xcalloc(count + 1, sizeof *fingerprints);
    t->spent = xcalloc(count + 1, sizeof *t->spent);
    t->dead = xcalloc(count + 1, sizeof *t->dead);
    for (size_t i = 0; i < count; i++)
        fingerprints[i] = t->page.records[i].fingerprint;
    int res = store_spent(db, fingerprints, count, t->spent, t->dead, e);
    if (res >= 0)
        tell_once(fingerprints, t->spent, count);
    free(fingerprints);
    return res;
}

/* They were dead before the job had its `also`, or before renewd stored which records it had written it for. */
static int page_untold(struct db *db, struct page_task *t, struct error *e)
{
    size_t count = 0, *at = xcalloc(t->page.count + 1, sizeof *at);
    const char **keys = xcalloc(t->page.count + 1, sizeof *keys);
    bool *missing = xcalloc(t->page.count + 1, sizeof *missing);
    t->untold = xcalloc(t->page.count + 1, sizeof *t->untold);
    for (size_t i = 0; i < t->page.count; i++)
        if (t->page.records[i].source && status_columns_person(t->job, &t->page.records[i])) {
            at[count] = i;
            keys[count++] = t->page.records[i].key;
        }
    int res = store_told_missing(db, t->job->table->source, keys, count, missing, e);
    for (size_t i = 0; res >= 0 && i < count; i++)
        t->untold[at[i]] = missing[i];
    free(missing);
    free(keys);
    free(at);
    return res;
}

/* A table that looks empty, or that cannot be written, shows it with its first page. */
static void look_hidden(struct db *db, struct page_task *t)
{
    cleanup(table_look_done) struct table_look look = {0};
    struct error ignored;
    t->looked = table_look(db, t->job->table, &look, &ignored) >= 0;
    if (t->looked)
        t->hidden = table_look_hidden(&look, t->job->table, t->page.count > 0);
}

/* A withdrawn right is reported together with all other missing rights, before a token is spent. */
static int first_page(struct db *db, struct page_task *t, struct error *e)
{
    int res = t->after ? 0 : job_rights(db, t->job->config, t->job->table, t->full, e);
    return res < 0 ? res : store_page(db, t->job->table, t->after, t->limit, &t->page, e);
}

int page_work(struct db *db, void *arg, struct error *e)
{
    struct page_task *t = arg;
    struct error ignored;
    int res = first_page(db, t, e);
    if (res >= 0 && !t->after && t->full && store_long_keys(db, t->job->table, &t->page, e) == -ENOTCONN)
        res = -ENOTCONN; /* otherwise they are counted another time */
    if (res >= 0 && !t->after && (t->full || !t->page.count))
        look_hidden(db, t);
    if (res >= 0 && !t->after && t->full && !t->page.last)
        t->about = store_rows_about(db, t->job->table);
    if (res >= 0 && t->ask_only)
        t->only_asked = only_unheld_look(db, t->job->config, t->job->table, &t->unheld, &ignored) >= 0;
    if (res < 0)
        return job_still_fits(db, t->job, res, e);
    res = page_spent(db, t, e);
    return res < 0 || !t->job->config->also_count ? res : page_untold(db, t, e);
}

void page_task_free(struct page_task *t)
{
    page_done(&t->page);
    free(t->hidden);
    only_unheld_done(&t->unheld);
    free(t->spent);
    free(t->dead);
    free(t->untold);
    free(t->after);
    free(t);
}
