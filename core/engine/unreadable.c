/* SPDX-License-Identifier: MIT
 * Rows that cannot be read: damaged, sealed with another key or by another program, too long. Each is named, by key
 * and account and never by what it holds, in the log and in its own last_error; a round counts them, and
 * where nothing opened with the job's key it is the key that is wrong.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/domain/outcome.h"
#include "core/engine/internal.h"

enum { NAMED_MAX = 20 /* of one round; the rest is counted */, SHOWN_MAX = 120, LATER_MAX = 1000 };

static const char code[] = "row";

void job_hidden(struct job *j, const char *why)
{
    bool news = why && (!j->hidden || strcmp(why, j->hidden) != 0);
    free(j->hidden);
    j->hidden = why ? xstrdup(why) : NULL;
    if (news)
        log_line(LEVEL_WARNING, "rows of the job's table are kept from renewd", "job", j->config->job, "reason", why, NULL);
}

const char *job_row_security(const struct job *j)
{
    return j->hidden;
}

void unreadable_make(struct record *r, const char *why)
{
    r->state = STATE_MISCONFIGURED;
    r->last_outcome = OUTCOME_MISCONFIGURED;
    record_set_text(&r->last_code, code);
    record_set_text(&r->last_text, why);
    r->window = (struct window){0};
    r->point = r->due_at = 0;
}

bool unreadable_is(const struct record *r)
{
    return r->state == STATE_MISCONFIGURED && r->last_code && strcmp(r->last_code, code) == 0;
}

static void name(const struct job *j, const struct record *r)
{
    char key[SHOWN_MAX], account[SHOWN_MAX];
    snprintf(key, sizeof key, "%s", r->key);
    snprintf(account, sizeof account, "%s", r->account ? r->account : "");
    log_line(LEVEL_WARNING, "a row cannot be read, and nothing is sent for it until it changes", "job", j->config->job,
             "record", key, "account", account[0] ? account : NULL, "reason", r->last_text, NULL);
}

void unreadable_seen(struct job *j, const struct record *now, const struct record *known, struct round *of)
{
    bool news = !known->source || !unreadable_is(known) || strcmp(known->last_text ? known->last_text : "",
                                                                  now->last_text ? now->last_text : "") != 0;
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
    log_line(LEVEL_WARNING, "rows of the job's table cannot be read", "job", j->config->job, "rows", rows, "not_named",
             of->unreadable > NAMED_MAX ? more : NULL, NULL);
}

void unreadable_long_keys(struct job *j, const struct page *p, struct round *of)
{
    char rows[24];
    if (!p->long_keys)
        return;
    of->unreadable += p->long_keys;
    snprintf(rows, sizeof rows, "%" PRId64, p->long_keys);
    log_line(LEVEL_WARNING, "rows whose key is longer than 4096 bytes are no records: give them a shorter key", "job",
             j->config->job, "rows", rows, "first_key_begins", p->long_key, NULL);
}

bool unreadable_by_key(const struct round *of)
{
    return of->wrong_key && !of->opened;
}

void unreadable_later(struct round *of, const struct record *now)
{
    if (of->later_count >= LATER_MAX)
        return;
    of->later = xrealloc(of->later, (of->later_count + 1) * sizeof *of->later);
    record_copy(&of->later[of->later_count++], now);
}

struct later_task {
    struct job *job;
    struct record *list;
    size_t count;
};

static int later_work(struct db *db, void *arg, struct error *e)
{
    struct later_task *t = arg;
    static const struct record nothing;
    int res = 0;
    for (size_t i = 0; i < t->count && res != -ENOTCONN; i++)
        res = unreadable_note(db, t->job->table, &t->list[i], &nothing, e);
    return res;
}

static void later_done(void *arg, int result, const struct error *e)
{
    struct later_task *t = arg;
    struct engine *engine = t->job->engine;
    if (result < 0)
        log_line(LEVEL_WARNING, "the last_error of rows that cannot be read could not be written", "job",
                 t->job->config->job, "reason", e->text, NULL);
    records_free(t->list, t->count);
    free(t);
    engine->busy--;
    engine_check_stopped(engine);
}

void unreadable_note_later(struct job *j, struct round *of, bool right)
{
    if (!right || !of->later_count) {
        records_free(of->later, of->later_count);
    } else {
        struct later_task *t = xcalloc(1, sizeof *t);
        *t = (struct later_task){j, of->later, of->later_count};
        j->engine->busy++;
        store_submit(j->engine->store, later_work, t, later_done);
    }
    of->later = NULL;
    of->later_count = 0;
}

static char *note_of(const struct record *r)
{
    return r->source && unreadable_is(r) ? xasprintf("%s: %s", code, r->last_text ? r->last_text : "it cannot be read")
                                         : NULL;
}

int unreadable_note(struct db *db, const struct table *t, const struct record *now, const struct record *known,
                    struct error *e)
{
    cleanup(free_p) char *note = note_of(now);
    cleanup(free_p) char *before = note_of(known);
    if (t->own || t->view || (!note && !before) || (note && before && strcmp(note, before) == 0))
        return 0;
    return store_note(db, t, now->key, note, before, e);
}
