/* SPDX-License-Identifier: MIT
 * Twins: all records, of any job, that hold one credential, each with its row. The credential's outcome applies to
 * all of them (share_credential.c, share_outcome.c). They are found on the store's thread and used on the loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/engine/commit/commit.h"
#include "core/engine/rows/rows.h"
#include "core/store/shared_credential.h"

enum { TWINS_MAX = 1000 };

/* A reload may change the engine's list at any time. The jobs themselves stay allocated while the engine is
 * busy. */
void twins_begin(struct twins *t, struct engine *e, const char *fingerprint)
{
    t->engine = e;
    e->twins++;
    memcpy(t->fingerprint, fingerprint, sizeof t->fingerprint);
    t->jobs = xcalloc(e->job_count + 1, sizeof *t->jobs);
    for (size_t i = 0; i < e->job_count; i++)
        if (e->jobs[i]->table)
            t->jobs[t->job_count++] = e->jobs[i];
}

void twins_done(struct twins *t)
{
    for (size_t i = 0; i < t->count; i++) {
        record_done(&t->list[i].record);
        row_done(&t->list[i].row);
    }
    free(t->list);
    free(t->jobs);
    struct engine *e = t->engine;
    if (e && --e->twins == 0)
        for (size_t i = 0; i < e->job_count; i++)
            e->on->job_may_go_on(e->jobs[i]);
}

static struct job *twins_job_of(const struct twins *t, const char *source)
{
    for (size_t i = 0; i < t->job_count; i++)
        if (strcmp(t->jobs[i]->table->source, source) == 0)
            return t->jobs[i];
    return NULL;
}

int twins_find(struct db *db, struct twins *t, struct error *e)
{
    struct record *list = NULL;
    size_t count = 0;
    int res = store_sharing(db, t->fingerprint, TWINS_MAX, &list, &count, e);
    t->list = xcalloc(count + 1, sizeof *t->list);
    for (size_t i = 0; res >= 0 && i < count; i++) {
        struct twin *w = &t->list[t->count];
        bool known;
        w->job = twins_job_of(t, list[i].source);
        if (!w->job)
            continue;
        res = store_row(db, w->job->table, list[i].key, &w->row, &w->record, &known, e);
        if (res == -ENOENT) {
            record_done(&w->record);
            memset(w, 0, sizeof *w);
            res = 0;
        } else if (res >= 0) {
            t->count++;
        }
    }
    records_free(list, count);
    return res;
}

bool twin_is(const struct twin *w, const struct record *rec)
{
    return strcmp(w->record.source, rec->source) == 0 && strcmp(w->record.key, rec->key) == 0;
}

bool twin_open(const struct twins *t, struct twin *w, struct row_values *ret)
{
    char fp[FINGERPRINT_SIZE];
    struct error e;
    if (w->record.state == STATE_PENDING) /* its row refused this pair, which is parked */
        return false;
    if (row_is_filtered_out(w->job, &w->row, &w->record)) /* disconnected by its application */
        return false;
    if (row_values_decrypt(w->job, &w->row, ret, &e) < 0)
        return false;
    row_fingerprint(w->job, w->row.key, ret, fp);
    if (strcmp(fp, t->fingerprint) == 0)
        return true;
    row_values_done(ret);
    return false;
}
