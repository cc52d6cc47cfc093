/* SPDX-License-Identifier: MIT
 * Rows that cannot be read: damaged, too long, or sealed with another key or by another program. Each is named in
 * the log and in its own last_error, by key and account and never by its contents. A round counts them. If no value
 * opened with the job's key, the key is wrong.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/engine/commit/commit.h"
#include "core/engine/discover/discover.h"
#include "core/engine/rows/rows.h"
#include "core/rules/outcome.h"

enum { NAMED_MAX = 20 /* of one round; the others are only counted */, SHOWN_MAX = 120, LATER_MAX = 1000 };

static const char code[] = CODE_ROW;

void job_hidden(struct job *j, const char *why)
{
    bool news = why && (!j->hidden || strcmp(why, j->hidden) != 0);
    free(j->hidden);
    j->hidden = xstrdup_or_null(why);
    if (news)
        log_line(LEVEL_WARNING, "renewd may not read all rows of the job's table", "job", j->config->job, "reason",
                 why, NULL);
}

const char *job_row_security(const struct job *j)
{
    return j->hidden;
}

static void name(const struct job *j, const struct record *r)
{
    char key[SHOWN_MAX], account[SHOWN_MAX];
    snprintf(key, sizeof key, "%s", r->key);
    snprintf(account, sizeof account, "%s", r->account ? r->account : "");
    log_line(LEVEL_WARNING, "a row cannot be read, and nothing is sent for it until it changes", "job",
             j->config->job, "record", key, "account", account[0] ? account : NULL, "reason", r->last_text, NULL);
}

void unreadable_seen(struct job *j, const struct record *now, const struct record *known, struct round *of)
{
    bool news = !known->source || !unreadable_is(known) ||
                strcmp(known->last_text ? known->last_text : "", now->last_text ? now->last_text : "") != 0;
    if (!of && news)
        name(j, now);
    if (of && of->unreadable++ < NAMED_MAX && (news || j->discovery.full))
        name(j, now);
}

void unreadable_round(struct job *j, const struct round *of)
{
    char rows[24], more[24];
    if (!j->discovery.full || !of->unreadable)
        return;
    snprintf(rows, sizeof rows, "%" PRId64, of->unreadable);
    snprintf(more, sizeof more, "%" PRId64, of->unreadable - NAMED_MAX);
    log_line(LEVEL_WARNING, "rows of the job's table cannot be read", "job", j->config->job, "rows", rows,
             "not_named", of->unreadable > NAMED_MAX ? more : NULL, NULL);
}

void unreadable_long_keys(struct job *j, const struct page *p, struct round *of)
{
    char rows[24];
    if (!p->long_keys)
        return;
    of->unreadable += p->long_keys;
    snprintf(rows, sizeof rows, "%" PRId64, p->long_keys);
    log_line(LEVEL_WARNING, "rows whose key is longer than 4096 bytes are not used: give them a shorter key", "job",
             j->config->job, "rows", rows, "first_key_begins", p->long_key, NULL);
}

bool unreadable_by_key(const struct round *of)
{
    return of->wrong_key && !of->opened;
}

struct commit *unreadable_note(const struct job *j, const struct record *now, const struct record *known,
                               const struct row *row)
{
    if (!unreadable_is(now) || j->table->own || j->table->unwritten)
        return NULL;
    cleanup(free_p) char *text = failure_said(code, now->last_outcome, now->last_text);
    cleanup(free_p) char *mark = error_mark(text);
    bool told =
        known->source && unreadable_is(known) && known->wrote_error && strcmp(mark, known->wrote_error) == 0;
    return told ? NULL : outcome_unreadable(j, now, row, text);
}

void unreadable_later(struct round *of, struct commit *note)
{
    if (!note || of->later_count >= LATER_MAX) {
        commit_free(note);
        return;
    }
    of->later = xrealloc(of->later, (of->later_count + 1) * sizeof *of->later);
    of->later[of->later_count++] = note;
}

int unreadable_put(struct db *db, struct commit *const *notes, size_t count, struct error *e)
{
    struct error why = {""};
    int res = store_commit(db, notes, count, &why);
    return res == -ENOTCONN ? error_set(e, res, "%s", why.text) : 0;
}

void unreadable_noted(const struct job *j, const struct commit *note)
{
    const char *why = note->why[0] ? note->why : "the row, or its table, was locked for too long";
    if (note->result == COMMIT_REJECTED || note->result == COMMIT_WAITING)
        log_line(LEVEL_WARNING,
                 "the last_error of a row that cannot be read could not be written; it is written when renewd "
                 "next reads the whole table",
                 "job", j->config->job, "record", note->after.key, "account", note->after.account, "reason", why,
                 NULL);
}

struct unreadable_later_task {
    struct job *job;
    struct commit **list;
    size_t count;
};

static void later_free(struct commit **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        commit_free(list[i]);
    free(list);
}

static int unreadable_later_work(struct db *db, void *arg, struct error *e)
{
    struct unreadable_later_task *t = arg;
    return unreadable_put(db, t->list, t->count, e);
}

static void unreadable_later_done(void *arg, int result, const struct error *e)
{
    struct unreadable_later_task *t = arg;
    if (result < 0)
        log_line(LEVEL_WARNING, "the last_error of rows that cannot be read could not be written", "job",
                 t->job->config->job, "reason", e->text, NULL);
    for (size_t i = 0; result >= 0 && i < t->count; i++)
        unreadable_noted(t->job, t->list[i]);
    later_free(t->list, t->count);
    free(t);
}

void unreadable_note_later(struct job *j, struct round *of, bool right)
{
    if (!right || !of->later_count) {
        later_free(of->later, of->later_count);
    } else {
        struct unreadable_later_task *t = xcalloc(1, sizeof *t);
        *t = (struct unreadable_later_task){j, of->later, of->later_count};
        engine_async(j->engine, unreadable_later_work, t, unreadable_later_done);
    }
    of->later = NULL;
    of->later_count = 0;
}
