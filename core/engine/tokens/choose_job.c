/* SPDX-License-Identifier: MIT
 * Chooses among several jobs that may keep an account the one whose column is filled: Instagram accounts were
 * connected in one of two ways, each with a column and a job of its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/engine/rows/rows.h"
#include "core/engine/tokens/internal.h"

struct choose_job_task {
    struct engine *engine;
    struct job **jobs;
    size_t count;
    char *key;
    size_t best;
    int filled;
    job_chosen *done;
    void *ctx;
};

static bool choose_job_has(const struct table *t, const struct row *row, int column)
{
    return column >= 0 && (size_t)column < row->count && row->cells[column].text && row->cells[column].len &&
           t->column_count > (size_t)column;
}

static int choose_job_look(struct db *db, const struct job *j, const char *key, int *ret, struct error *e)
{
    struct row row = {0};
    struct record rec = {0};
    bool known;

    *ret = FILLED_NO_ROW;
    if (!j->table)
        return 0;
    int res = store_row(db, j->table, key, &row, &rec, &known, e);
    if (res >= 0 && row_is_filtered_out(j, &row, &rec))
        *ret = FILLED_NO_ROW;
    else if (res >= 0)
        *ret = choose_job_has(j->table, &row, j->table->credential) ? FILLED : FILLED_EMPTY;
    row_done(&row);
    record_done(&rec);
    return res == -ENOENT ? 0 : res;
}

static int choose_job_work(struct db *db, void *arg, struct error *e)
{
    struct choose_job_task *t = arg;

    for (size_t i = 0; i < t->count && t->filled != FILLED; i++) {
        int filled, res = choose_job_look(db, t->jobs[i], t->key, &filled, e);
        if (res < 0)
            return res;
        if (filled > t->filled) {
            t->filled = filled;
            t->best = i;
        }
    }
    return 0;
}

/* While the database is not available, the tokens asked for lately are used instead. */
static void from_memory(struct choose_job_task *t, int *io_result)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->jobs[i]->table && tokens_get(t->engine->tokens, t->jobs[i]->table->source, t->key)) {
            t->best = i;
            t->filled = FILLED;
            *io_result = 0;
            return;
        }
}

static void choose_job_done(void *arg, int result, const struct error *e)
{
    struct choose_job_task *t = arg;

    if (result < 0)
        from_memory(t, &result);
    t->done(t->ctx, t->jobs[t->best], t->filled, result, e->text);
    free(t->jobs);
    free(t->key);
    free(t);
}

void engine_choose_job(struct engine *e, struct job *const *jobs, size_t count, const char *key, job_chosen *done,
                       void *ctx)
{
    struct choose_job_task *t = xcalloc(1, sizeof *t);

    *t = (struct choose_job_task){.engine = e, .count = count, .done = done, .ctx = ctx};
    t->jobs = xmemdup(jobs, count * sizeof(struct job *));
    t->key = xstrdup(key);
    engine_async_read(e, choose_job_work, t, choose_job_done);
}
