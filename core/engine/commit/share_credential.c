/* SPDX-License-Identifier: MIT
 * Writes a newer pair into rows that still hold a credential that it replaced: into the twins of a record that was
 * refreshed (rule 1), and into a row in which the application stored a spent credential again (rule 5). The row is
 * written under the same condition as after an attempt, and a row is added to the history.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/engine/commit/commit.h"
#include "core/engine/rows/rows.h"

struct propagate_task {
    struct twins twins;            /* what a row holds that needs the newer pair */
    char newest[FINGERPRINT_SIZE]; /* of the pair itself; its sealing is bound to it */
    char *sealed;                  /* NULL: to be looked up */
    const char *why;
    struct record from; /* the record that already has the pair; source NULL: none */
    struct job *job;    /* not NULL: only rows of this job */
};

static void share_task_free(struct propagate_task *t)
{
    twins_done(&t->twins);
    record_done(&t->from);
    wipe_free(t->sealed);
    free(t);
}

static int propagate_work(struct db *db, void *arg, struct error *e)
{
    struct propagate_task *t = arg;
    int res = 0;
    if (!t->sealed)
        res = store_successor(db, t->twins.fingerprint, t->newest, &t->sealed, e);
    if (res == -ENOENT)
        return 0;
    return res < 0 ? res : twins_find(db, &t->twins, e);
}

static void share_set_slot(struct row_values *after, size_t slot, const char *text, size_t len)
{
    secret_free(after->owned[slot]);
    after->owned[slot] = secret_new(text, len);
    after->list[slot] =
        (struct slot_value){.text = secret_text(after->owned[slot]), .len = len, .number = strtoll(text, NULL, 10)};
}

/* The commit that writes the pair into one row; NULL when the row holds another credential by now. */
static struct commit *carry(const struct propagate_task *t, struct twin *w, const struct json *pair)
{
    struct job *j = w->job;
    struct row_values after = {0};
    if ((t->job && t->job != j) || (t->from.source && twin_is(w, &t->from)) || !twin_open(&t->twins, w, &after))
        return NULL;
    struct commit *c = outcome_begin(j, &w->record, &w->row);
    const struct renewd_slot *const *slots = plugin_descriptor(j->config->plugin)->slots;
    for (size_t i = 0; c && i < after.count; i++) {
        const char *text;
        size_t len;
        if (json_text(pair, slots[i]->name, &text, &len) < 0)
            continue;
        share_set_slot(&after, i, text, len);
        int res = outcome_write_slot(c, j, (int)i, text, len);
        if (res < 0) {
            log_line(LEVEL_ERROR,
                     "new tokens could not be sealed for a row that shares the credential; renewd tries again "
                     "when it next reads the table",
                     "job", j->config->job, "record", w->row.key, "account", w->record.account, "slot",
                     slots[i]->name, "reason", strerror(-res), NULL);
            commit_free(c);
            c = NULL;
        }
    }
    if (c) {
        memcpy(c->before.fingerprint, t->twins.fingerprint, FINGERPRINT_SIZE);
        c->replaces = c->alone = true;
        c->code = xstrdup("shared");
        c->sealed_pair = xstrdup(t->sealed);
        outcome_settle_ok(c, j, &after);
    }
    row_values_done(&after);
    return c;
}

static void propagate_done(void *arg, int result, const struct error *err)
{
    struct propagate_task *t = arg;
    struct engine *e = t->twins.engine;
    cleanup(secret_free_p) struct secret *plain = NULL;
    cleanup(json_free_p) struct json *pair = NULL;
    const char *why = NULL;
    if (result < 0)
        log_line(LEVEL_WARNING,
                 "the rows that hold the same credential could not be read; they get the new token when renewd "
                 "next reads their table",
                 "reason", err->text, NULL);
    else if (t->twins.count &&
             seal_open(e->setup.config->keys, "credentials", t->newest, "pair", t->sealed, &plain, &why) >= 0)
        json_parse(secret_text(plain), secret_len(plain), &pair, NULL);
    for (size_t i = 0; pair && i < t->twins.count && engine_may_work(e); i++) {
        struct commit *c = carry(t, &t->twins.list[i], pair);
        if (!c)
            continue;
        log_line(LEVEL_INFO, t->why, "job", c->after.job, "record", c->after.key, "account", c->after.account,
                 NULL);
        commits_submit(e, t->twins.list[i].job, NULL, c, false, false);
    }
    share_task_free(t);
}

static void share_start(struct engine *e, struct propagate_task *t, const char *old)
{
    twins_begin(&t->twins, e, old);
    engine_async(e, propagate_work, t, propagate_done);
}

/* A credential that was not replaced brings a new access token for the other rows of its job only: another job may
 * have asked for another scope. */
void propagate_credential(struct engine *e, struct job *j, const struct commit *c)
{
    bool same = strcmp(c->before.fingerprint, c->after.fingerprint) == 0;
    if (!c->sealed_pair || !c->replaces || (same && !j))
        return;
    struct propagate_task *t = xcalloc(1, sizeof *t);
    memcpy(t->newest, c->after.fingerprint, sizeof t->newest);
    t->sealed = xstrdup(c->sealed_pair);
    record_copy(&t->from, &c->after);
    t->job = same ? j : NULL;
    t->why = "a record that shares the credential gets the new tokens";
    share_start(e, t, c->before.fingerprint);
}

void restore_newest_credential(struct engine *e, const char *fingerprint)
{
    if (!fingerprint[0])
        return;
    struct propagate_task *t = xcalloc(1, sizeof *t);
    t->why = "a row holds a spent credential again; the newest one is written back";
    share_start(e, t, fingerprint);
}
