/* SPDX-License-Identifier: MIT
 * A newer pair into rows that still hold what it replaced: records that share a credential when one of them
 * was refreshed (rule 1), and a row into which its application saved a spent credential again (rule 5).
 * The row is written under the same condition as after an attempt, and leaves a row in the history.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/domain/outcome.h"
#include "core/engine/internal.h"
#include "core/store/sharing.h"

enum { SHARING_MAX = 1000 };

struct held_row {
    struct job *job;
    struct record record;
    struct row row;
};

struct newest_task {
    struct engine *engine;
    char old[FINGERPRINT_SIZE];    /* what a row holds that wants the newer pair */
    char newest[FINGERPRINT_SIZE]; /* the pair's own; binds its sealing */
    char *sealed;                  /* NULL: to be looked up */
    const char *why;
    struct job **jobs;             /* whose tables are known; as they are now, for the store's thread */
    size_t job_count;
    struct held_row *rows;
    size_t count;
};

static void task_free(struct newest_task *t)
{
    for (size_t i = 0; i < t->count; i++) {
        record_done(&t->rows[i].record);
        row_done(&t->rows[i].row);
    }
    free(t->rows);
    free(t->jobs);
    wipe_free(t->sealed);
    free(t);
}

static struct job *job_of(const struct newest_task *t, const char *source)
{
    for (size_t i = 0; i < t->job_count; i++)
        if (strcmp(t->jobs[i]->table->source, source) == 0)
            return t->jobs[i];
    return NULL;
}

static int find_rows(struct db *db, struct newest_task *t, struct error *e)
{
    struct record *list = NULL;
    size_t count = 0;
    int res = store_sharing(db, t->old, SHARING_MAX, &list, &count, e);
    t->rows = xcalloc(count + 1, sizeof *t->rows);
    for (size_t i = 0; res >= 0 && i < count; i++) {
        struct held_row *h = &t->rows[t->count];
        bool known;
        h->job = job_of(t, list[i].source);
        if (!h->job)
            continue;
        res = store_row(db, h->job->table, list[i].key, &h->row, &h->record, &known, e);
        if (res == -ENOENT) {
            record_done(&h->record);
            memset(h, 0, sizeof *h);
            res = 0;
        } else if (res >= 0) {
            t->count++;
        }
    }
    records_free(list, count);
    return res;
}

static int newest_work(struct db *db, void *arg, struct error *e)
{
    struct newest_task *t = arg;
    int res = 0;
    if (!t->sealed)
        res = store_successor(db, t->old, t->newest, &t->sealed, e);
    if (res == -ENOENT)
        return 0;
    return res < 0 ? res : find_rows(db, t, e);
}

static void set_slot(struct values *after, size_t slot, const char *text, size_t len)
{
    secret_free(after->owned[slot]);
    after->owned[slot] = secret_new(text, len);
    after->list[slot] = (struct slot_value){
        .text = secret_text(after->owned[slot]), .len = len, .number = strtoll(text, NULL, 10)};
}

/* The commit that writes the pair into one row; NULL when the row holds something else by now. */
static struct commit *carry(const struct newest_task *t, struct held_row *h, const struct json *pair)
{
    struct job *j = h->job;
    struct values after = {0};
    struct error e;
    char fp[FINGERPRINT_SIZE];
    if (h->record.state == STATE_PENDING) /* its row refused the very pair, which is kept for it */
        return NULL;
    if (look_left_out(j, &h->row, &h->record)) /* disconnected by its application */
        return NULL;
    if (values_open(j, &h->row, &after, &e) < 0)
        return NULL;
    look_fingerprint(j, h->row.key, &after, fp);
    struct commit *c = strcmp(fp, t->old) == 0 ? outcome_begin(j, &h->record, &h->row) : NULL;
    const struct renewd_slot *const *slots = plugin_descriptor(j->config->plugin)->slots;
    for (size_t i = 0; c && i < after.count; i++) {
        const char *text;
        size_t len;
        if (json_text(pair, slots[i]->name, &text, &len) < 0)
            continue;
        set_slot(&after, i, text, len);
        int res = outcome_write_slot(c, j, (int)i, text, len);
        if (res < 0) {
            log_line(LEVEL_ERROR, "a newer pair could not be sealed for a row that shares its credential; the next "
                     "look tries it again", "job", j->config->job, "record", h->row.key, "slot", slots[i]->name,
                     "reason", strerror(-res), NULL);
            commit_free(c);
            c = NULL;
        }
    }
    if (c) {
        memcpy(c->before.fingerprint, fp, sizeof fp);
        c->replaces = true;
        c->code = xstrdup("shared");
        c->sealed_pair = xstrdup(t->sealed);
        outcome_settle_ok(c, j, &after);
    }
    values_done(&after);
    return c;
}

static void newest_known(void *arg, int result, const struct error *err)
{
    struct newest_task *t = arg;
    struct engine *e = t->engine;
    e->busy--;
    cleanup(secret_free_p) struct secret *plain = NULL;
    cleanup(json_free_p) struct json *pair = NULL;
    const char *why = NULL;
    if (result < 0)
        log_line(LEVEL_WARNING, "rows that share a credential were not looked up; the next look does it",
                 "reason", err->text, NULL);
    else if (t->count && seal_open(e->setup.config->keys, "credentials", t->newest, "pair", t->sealed, &plain,
                                   &why) >= 0)
        json_parse(secret_text(plain), secret_len(plain), &pair, NULL);
    for (size_t i = 0; pair && i < t->count && engine_may_work(e); i++) {
        struct commit *c = carry(t, &t->rows[i], pair);
        if (!c)
            continue;
        log_line(LEVEL_INFO, t->why, "job", c->after.job, "record", c->after.key, NULL);
        commits_submit(e, t->rows[i].job, NULL, c, false, false);
    }
    task_free(t);
    engine_check_stopped(e);
}

/* A reload may change the engine's list at any time; the jobs stay while the engine is busy. */
static void start(struct engine *e, struct newest_task *t)
{
    t->engine = e;
    t->jobs = xcalloc(e->job_count + 1, sizeof *t->jobs);
    for (size_t i = 0; i < e->job_count; i++)
        if (e->jobs[i]->table)
            t->jobs[t->job_count++] = e->jobs[i];
    e->busy++;
    store_submit(e->store, newest_work, t, newest_known);
}

void newest_share(struct engine *e, const struct commit *c)
{
    if (!c->sealed_pair || !c->replaces || strcmp(c->before.fingerprint, c->after.fingerprint) == 0)
        return;
    struct newest_task *t = xcalloc(1, sizeof *t);
    memcpy(t->old, c->before.fingerprint, sizeof t->old);
    memcpy(t->newest, c->after.fingerprint, sizeof t->newest);
    t->sealed = xstrdup(c->sealed_pair);
    t->why = "a record that shares the credential gets the new one";
    start(e, t);
}

void newest_check(struct engine *e, const char *fingerprint)
{
    if (!fingerprint[0])
        return;
    struct newest_task *t = xcalloc(1, sizeof *t);
    memcpy(t->old, fingerprint, sizeof t->old);
    t->why = "a row held a spent credential again; the newest is written back";
    start(e, t);
}
