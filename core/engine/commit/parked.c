/* SPDX-License-Identifier: MIT
 * Parked pairs and answers, for operators: the list with their accounts, and writing a pair into its row on
 * request, where the row still holds the credential that the pair replaced (rule 4).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/log.h"
#include "core/crypto/crypto.h"
#include "core/engine/commit/commit.h"
#include "core/engine/rows/rows.h"
#include "core/store/parked.h"
#include "core/store/shared_credential.h"

enum { LIST_MAX = 1000, ROUNDS_MAX = 8 };

/* ---- the list ---- */

struct list_task {
    struct engine *engine;
    char *job;
    struct kept *list;
    size_t count;
    parked_done *done;
    void *ctx;
};

static int list_work(struct db *db, void *arg, struct error *e)
{
    struct list_task *t = arg;
    return store_parked(db, t->job, LIST_MAX, &t->list, &t->count, e);
}

static struct commit *open_kept(struct engine *e, const struct kept *k)
{
    struct secret *text = NULL;
    const char *reason = NULL;
    struct commit *c = NULL;
    struct error why;
    if (seal_open(e->setup.config->keys, "kept", k->attempt_id, "commit", k->sealed, &text, &reason) >= 0)
        (void)commit_from_text(secret_text(text), secret_len(text), &c, &why);
    secret_free(text);
    return c;
}

static void parked_list_done(void *arg, int result, const struct error *err)
{
    struct list_task *t = arg;
    struct engine *e = t->engine;
    struct parked *list = xcalloc(t->count + 1, sizeof *list);
    for (size_t i = 0; i < t->count; i++) {
        struct kept *k = &t->list[i];
        struct commit *c = k->account ? NULL : open_kept(e, k); /* its row is gone: the account as it was then */
        if (c)
            k->account = xstrdup_or_null(c->after.account);
        commit_free(c);
        bool waits = strcmp(k->kind, "pending") == 0;
        list[i] = (struct parked){.id = k->attempt_id,
                                  .kind = k->kind,
                                  .job = k->job,
                                  .record = k->key,
                                  .account = k->account,
                                  .why = k->why,
                                  .created_at = k->created_at,
                                  .until = waits ? 0 : k->created_at + ORPHANS_S,
                                  .next_at = waits ? k->retry_at : 0};
    }
    t->done(t->ctx, list, t->count, result, err->text);
    free(list);
    kept_free(t->list, t->count);
    free(t->job);
    free(t);
}

void engine_parked(struct engine *e, const char *job, parked_done *done, void *ctx)
{
    struct list_task *t = xcalloc(1, sizeof *t);
    *t = (struct list_task){.engine = e, .job = job ? xstrdup(job) : NULL, .done = done, .ctx = ctx};
    engine_async_read(e, list_work, t, parked_list_done);
}

/* ---- writing one into its row ---- */

struct apply_task {
    struct engine *engine;
    char id[ID_SIZE];
    struct kept *kept;
    struct job *job;
    struct commit *commit;
    struct record now;        /* its record as it is now; source NULL: it has none */
    struct standing standing; /* of the pair's own credential */
    bool there;               /* the row holds the pair already */
    int rounds;
    parked_apply_done *done;
    void *ctx;
};

static void apply_end(struct apply_task *t, int result, const char *why)
{
    struct engine *e = t->engine;
    const struct parked said = {.id = t->id,
                                .kind = t->kept ? t->kept->kind : NULL,
                                .job = t->kept ? t->kept->job : NULL,
                                .record = t->kept ? t->kept->key : NULL,
                                .account = t->now.account};
    t->done(t->ctx, &said, result, why);
    kept_free(t->kept, t->kept ? 1 : 0);
    commit_free(t->commit);
    record_done(&t->now);
    free(t);
    parked_count(e);
    engine_check_stopped(e);
}

static int apply_work(struct db *db, void *arg, struct error *e)
{
    struct apply_task *t = arg;
    int res = t->there ? 0 : store_commit(db, &t->commit, 1, e);
    bool stored =
        t->there || (res >= 0 && (t->commit->result == COMMIT_DONE || t->commit->result == COMMIT_ALREADY));
    return res >= 0 && stored ? store_parked_drop(db, t->id, e) : res;
}

static void apply_stored(struct apply_task *t)
{
    const struct commit *c = t->commit;
    struct engine *e = t->engine;
    log_line(LEVEL_INFO, "parked tokens are written into their row", "job", c->after.job, "record", c->after.key,
             "account", c->after.account, NULL);
    e->on->record_committed(e, t->job, c);
    if (c->twins)
        propagate_credential(e, t->job, c);
    if (c->after.due_at)
        e->on->record_due(t->job, c->after.due_at);
    apply_end(t, 0, NULL);
}

static void apply_done(void *arg, int result, const struct error *err);

static void parked_submit(struct apply_task *t)
{
    engine_async(t->engine, apply_work, t, apply_done);
}

/* The row holds other bytes: the same credential in another sealing, the pair itself, or another credential. */
static void row_differs(struct apply_task *t)
{
    struct commit *c = t->commit;
    struct row_values now = {0};
    struct error e;
    char fp[FINGERPRINT_SIZE] = "";
    if (row_values_decrypt(t->job, &c->current, &now, &e) >= 0) {
        row_fingerprint(t->job, c->current.key, &now, fp);
        row_values_done(&now);
    }
    t->there = fp[0] && strcmp(fp, c->after.fingerprint) == 0;
    if (t->rounds++ < ROUNDS_MAX && (t->there || (fp[0] && strcmp(fp, c->before.fingerprint) == 0))) {
        row_done(&c->row);
        c->row = c->current;
        memset(&c->current, 0, sizeof c->current);
        parked_submit(t);
        return;
    }
    apply_end(t, -EBUSY,
              "its row holds another credential than the one that these tokens replaced: the application has "
              "connected the account again, and that credential stays");
}

static void apply_done(void *arg, int result, const struct error *err)
{
    struct apply_task *t = arg;
    if (result < 0) {
        apply_end(t, result, err->text);
        return;
    }
    switch (t->there ? COMMIT_DONE : t->commit->result) {
    case COMMIT_DONE:
    case COMMIT_ALREADY:
        apply_stored(t);
        return;
    case COMMIT_CHANGED:
        row_differs(t);
        return;
    case COMMIT_GONE:
        apply_end(t, -EBUSY,
                  "its row was deleted, or `only` leaves it out: restore the row with the credential that it held, "
                  "and run renewctl parked apply again");
        return;
    default:
        apply_end(t, -EBUSY, t->commit->why);
    }
}

/* A late one becomes an attempt of its own: under its old id the history says that it was parked. */
static void parked_fit(struct apply_task *t)
{
    struct commit *c = t->commit;
    if (strcmp(t->kept->kind, "orphan") == 0)
        crypto_id(c->attempt_id);
    if (t->now.source && t->now.generation >= c->after.generation)
        c->after.generation = t->now.generation + 1;
    c->run_id = 0;
    siblings_add(c, t->job);
}

static int parked_read_work(struct db *db, void *arg, struct error *e)
{
    struct apply_task *t = arg;
    int res = store_parked_one(db, t->id, &t->kept, e);
    if (res < 0)
        return res;
    res = store_record(db, t->kept->source, t->kept->key, &t->now, e);
    return res == -ENOENT ? 0 : res;
}

static int standing_work(struct db *db, void *arg, struct error *e)
{
    struct apply_task *t = arg;
    return store_standing(db, t->commit->after.fingerprint, t->commit->safe, &t->standing, e);
}

static void parked_standing_done(void *arg, int result, const struct error *err)
{
    struct apply_task *t = arg;
    if (result < 0)
        apply_end(t, result, err->text);
    else if (t->standing.spent)
        apply_end(t, -EBUSY, "newer tokens came later; these are spent");
    else if (t->standing.dead)
        apply_end(t, -EBUSY, "the provider has since refused these tokens for good");
    else {
        parked_fit(t);
        parked_submit(t);
    }
}

static void parked_read_done(void *arg, int result, const struct error *err)
{
    struct apply_task *t = arg;
    struct engine *e = t->engine;
    struct secret *text = NULL;
    const char *reason = NULL;
    struct error why = {"it cannot be decrypted with the keys of renewd.conf"};
    if (result < 0) {
        apply_end(t, result, err->text);
        return;
    }
    if (strcmp(t->kept->kind, "answer") == 0) {
        apply_end(t, -EBUSY, "it is an answer that could not be read: it has no tokens to write");
        return;
    }
    if (seal_open(e->setup.config->keys, "kept", t->id, "commit", t->kept->sealed, &text, &reason) >= 0)
        t->commit = commit_revive(e, secret_text(text), secret_len(text), &t->job, &why);
    secret_free(text);
    if (!t->commit) {
        apply_end(t, -EBUSY, why.text);
        return;
    }
    engine_async(e, standing_work, t, parked_standing_done);
}

void engine_parked_apply(struct engine *e, const char *id, parked_apply_done *done, void *ctx)
{
    struct apply_task *t = xcalloc(1, sizeof *t);
    *t = (struct apply_task){.engine = e, .done = done, .ctx = ctx};
    memcpy(t->id, id, strnlen(id, ID_SIZE - 1));
    if (!engine_may_work(e)) {
        done(ctx, &(struct parked){.id = t->id}, -ENOTCONN,
             "the database is not available or is only read; run renewctl "
             "parked apply again when it answers");
        free(t);
        return;
    }
    engine_async(e, parked_read_work, t, parked_read_done);
}
