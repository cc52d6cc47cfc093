/* SPDX-License-Identifier: MIT
 * Recovery after a crash (rules 2 and 6): the spool of dead processes of this host is committed before anything is
 * claimed. A lease without an intent was never used and is given back. An intent without a result is an attempt
 * with an unknown end: ambiguous. A reboot may lose an intent with the machine's memory, so after one every such
 * lease is ambiguous. Also here: pairs that a row refused are tried again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/engine/commit/commit.h"
#include "core/engine/state/state.h"
#include "core/engine/recovery/recovery.h"
#include "core/engine/rows/rows.h"
#include "core/rules/outcome.h"
#include "core/store/events/events.h"
#include "core/store/hosts.h"

enum { KEPT_BATCH = 100, CANNOT_AGAIN_S = 3600, ASK_AGAIN_MS = 1000 };

/* ---- leases of dead incarnations ---- */

struct lease_task {
    struct engine *engine;
    size_t file;
    struct lease_row *leases;
    size_t count;
    int64_t events; /* that the process held */
};

static void ask_leases(void *ctx);

static void ask_leases_again(struct engine *e, size_t file)
{
    e->leftovers[file].leases_asked = e->leftovers[file].leases_done = false;
    if (!e->recover_timer && !e->stopping)
        e->recover_timer = loop_after(e->loop, ASK_AGAIN_MS, ask_leases, e);
}

/* An unlocked file shows that its process is dead, unless the file is a copy or was written before a reboot, which
 * a copied machine looks like. Then the process has to be silent first. */
static int leases_work(struct db *db, void *arg, struct error *e)
{
    struct lease_task *t = arg;
    const struct spool_file *f = &t->engine->leftovers[t->file];
    bool lives = false;
    int res = f->copied || !f->same_boot ? store_process_lives(db, f->host, f->incarnation, &lives, e) : 0;
    if (res == 0 && lives)
        return -EAGAIN;
    if (res == 0)
        res = store_process_over(db, f->host, f->incarnation, e);
    if (res >= 0)
        res = store_events_release(db, f->host, f->incarnation, &t->events, e);
    return res < 0 ? res : store_leases(db, f->host, f->incarnation, &t->leases, &t->count, e);
}

static const struct spool_leftover *crashed_leftover_of(const struct spool_file *f, const char *attempt_id)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->leftovers[i].attempt_id, attempt_id) == 0)
            return &f->leftovers[i];
    return NULL;
}

struct give_back_task {
    struct engine *engine;
    size_t file;
    struct record record;
    char attempt_id[ID_SIZE];
};

static int give_back_work(struct db *db, void *arg, struct error *e)
{
    struct give_back_task *t = arg;
    return store_release(db, &t->record, t->attempt_id, e);
}

static void give_back_done(void *arg, int result, const struct error *err)
{
    struct give_back_task *t = arg;
    struct engine *e = t->engine;
    struct spool_file *f = &e->leftovers[t->file];
    f->giving_back--;
    if (result < 0) {
        log_line(LEVEL_WARNING,
                 "the leases of a process that has ended could not be released yet; renewd tries again", "job",
                 t->record.job, "record", t->record.key, "account", t->record.account, "reason", err->text, NULL);
        ask_leases_again(e, t->file);
    }
    record_done(&t->record);
    free(t);
    recover_check(e);
}

/* The spool file stays until all of its leases are given back, because it names them. */
static void crashed_give_back(struct engine *e, struct spool_file *f, const struct lease_row *l)
{
    struct give_back_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    t->file = (size_t)(f - e->leftovers);
    record_copy(&t->record, &l->record);
    memcpy(t->attempt_id, l->attempt_id, ID_SIZE);
    f->giving_back++;
    engine_async(e, give_back_work, t, give_back_done);
}

/* One lease of a dead process. If its attempt may have been sent, it stays leased while its job is not loaded. */
static void settle_lease(struct engine *e, struct spool_file *f, struct lease_row *l)
{
    struct job *j = l->record.source ? job_by_source(e, l->record.source) : NULL;
    const struct spool_leftover *left = crashed_leftover_of(f, l->attempt_id);
    if (left && left->text)
        return;                                         /* its result is on the way */
    bool unsent = !left && f->same_boot && !f->damaged; /* its intent may be the damaged entry */
    if (j && !unsent) {
        struct commit *c =
            expired_lease_commit(e, j, l, "interrupted", "renewd was stopped between the request and its answer");
        commits_submit(e, j, NULL, c, true, false);
    } else if (unsent && l->record.source) {
        if (j)
            record_schedule(j, &l->record); /* the claim had moved it out of the way */
        crashed_give_back(e, f, l);
    } else if (!unsent && l->record.source) {
        log_line(LEVEL_WARNING,
                 "an interrupted attempt belongs to a job that is not loaded now; its record waits for that job",
                 "job", l->record.job, "record", l->record.key, "account", l->record.account, NULL);
        f->stays = true;
    }
}

static void say_alive(struct engine *e, struct spool_file *f)
{
    if (!f->said_alive)
        log_line(LEVEL_WARNING,
                 "the process that wrote this spool file was alive a minute ago: its leases are left alone "
                 "until it sends no more heartbeats. If this machine or state_dir is a copy of a running one, "
                 "stop this process and give it an empty state_dir",
                 "file", f->path, "state_dir", e->setup.state->path, NULL);
    f->said_alive = true;
}

static void leases_done(void *arg, int result, const struct error *err)
{
    struct lease_task *t = arg;
    struct engine *e = t->engine;
    if (result == -EAGAIN) {
        say_alive(e, &e->leftovers[t->file]);
        ask_leases_again(e, t->file);
    } else if (result < 0) {
        log_line(LEVEL_ERROR,
                 "the leases of a process that has ended could not be read from the database; renewd tries again",
                 "reason", err->text, NULL);
        ask_leases_again(e, t->file);
    } else {
        struct spool_file *f = &e->leftovers[t->file];
        for (size_t i = 0; i < t->count; i++)
            settle_lease(e, f, &t->leases[i]);
        f->leases_done = true;
    }
    leases_free(t->leases, t->count);
    free(t);
    recover_check(e);
}

static void ask_leases(void *ctx)
{
    struct engine *e = ctx;
    e->recover_timer = NULL;
    for (size_t i = 0; i < e->leftover_count; i++) {
        if (e->leftovers[i].leases_asked || e->leftovers[i].leases_done)
            continue;
        e->leftovers[i].leases_asked = true;
        struct lease_task *t = xcalloc(1, sizeof *t);
        t->engine = e;
        t->file = i;
        engine_async(e, leases_work, t, leases_done);
    }
}

/* ---- draining ---- */

static void drain_file(struct engine *e, size_t index)
{
    struct spool_file *f = &e->leftovers[index];
    bool other_host = strcmp(f->host, e->setup.state->host) != 0;
    if (other_host || (f->installation[0] && strcmp(f->installation, e->installation) != 0)) {
        log_line(LEVEL_WARNING,
                 other_host ? "a spool file of another host is left alone"
                            : "a spool file of another installation's database is left alone",
                 "file", f->path, NULL);
        f->foreign = f->leases_done = true;
        e->left_alone++;
        return;
    }
    size_t results = 0;
    for (size_t i = 0; i < f->count; i++) {
        const struct spool_leftover *l = &f->leftovers[i];
        struct job *j = NULL;
        struct error why;
        if (!l->text || defence_off(DEFENCE_DRAIN))
            continue;
        fault_point(FAULT_DRAIN, l->key);
        struct commit *c = commit_revive(e, l->text, l->text_len, &j, &why);
        if (!c) {
            log_line(LEVEL_ERROR,
                     "new tokens on the spool belong to a job that is not loaded now; they stay there until its "
                     "file and table are back",
                     "record", l->key, "account",
                     engine_account(e, l->source ? job_by_source(e, l->source) : NULL, l->key), "file", f->path,
                     "reason", why.text, NULL);
            f->stays = true;
            continue;
        }
        results++;
        commits_submit(e, j, NULL, c, true, false);
    }
    if (results) {
        char n[24];
        snprintf(n, sizeof n, "%zu", results);
        log_line(LEVEL_INFO, "results that an ended process left on the spool are committed", "results", n, NULL);
    }
}

static bool tables_known(const struct engine *e)
{
    for (size_t i = 0; i < e->job_count; i++)
        if (!e->jobs[i]->table && job_may_read(e->jobs[i]))
            return false;
    return true;
}

/* Called when the store answers and whenever a job's table becomes known: drains once all that can be known is
 * known. */
static void recover_start(struct engine *e)
{
    if (e->recovering || !tables_known(e))
        return;
    e->recovering = true;
    e->set_back = SET_BACK_TO_LOOK;
    restored_database_take(e); /* before anything is drained, which is retained as well */
    struct error err;
    e->left_alone =
        spool_leftovers(e->setup.state->path, e->setup.config->keys, &e->leftovers, &e->leftover_count, &err) < 0;
    if (e->left_alone)
        log_line(LEVEL_ERROR, "a spool file could not be used and is left as it is", "reason", err.text, NULL);
    for (size_t i = 0; i < e->leftover_count; i++)
        drain_file(e, i);
    ask_leases(e);
    recover_check(e);
}

static bool from_spool_waiting(const struct engine *e)
{
    for (const struct commit_task *t = e->commits; t; t = t->next)
        if (t->from_spool)
            return true;
    return false;
}

static void finish_file(struct engine *e, size_t index)
{
    struct spool_file *f = &e->leftovers[index];
    if (!f->foreign && !f->stays)
        spool_file_remove(f);
}

/* The store has what dead processes left. */
static bool leftovers_done(struct engine *e)
{
    for (size_t i = 0; i < e->leftover_count; i++)
        if (!e->leftovers[i].leases_done || e->leftovers[i].giving_back)
            return false;
    if (e->leftover_count)
        fault_point(FAULT_DRAINED, NULL);
    for (size_t i = 0; i < e->leftover_count; i++)
        finish_file(e, i);
    spool_files_free(e->leftovers, e->leftover_count);
    e->leftovers = NULL;
    e->leftover_count = 0;
    e->dead_files = spool_dead_files(e->setup.state->path);
    return true;
}

/* With the heartbeat: a --once beside the daemon may have died. Files that were left in place were counted, so that
 * these files alone cause no new drain. */
void recover_siblings(struct engine *e)
{
    if (!engine_may_work(e) || e->recovering || !tables_known(e))
        return;
    size_t dead = spool_dead_files(e->setup.state->path);
    bool more = dead > e->dead_files;
    e->dead_files = dead;
    if (!more)
        return;
    engine_enter(e, ENGINE_DRAINING);
    recover_start(e);
}

void recover_check(struct engine *e)
{
    if (e->phase != ENGINE_DRAINING || e->stopping)
        return;
    if (!e->recovering) {
        recover_start(e);
        return;
    }
    if (from_spool_waiting(e) || !leftovers_done(e))
        return;
    restored_database_check(e);
    if (e->set_back != SET_BACK_WRITING)
        return;
    e->recovering = false;
    e->on->drained(e);
}

/* ---- pairs that a row refused ---- */

struct kept_task {
    struct engine *engine;
    int64_t retry_before;
    struct kept *list;
    size_t count;
};

static int kept_work(struct db *db, void *arg, struct error *e)
{
    struct kept_task *t = arg;
    return store_parked_pair(db, "pending", t->retry_before, KEPT_BATCH, &t->list, &t->count, e);
}

struct later_task {
    struct engine *engine;
    char attempt_id[ID_SIZE];
    int64_t retry_at;
};

static int crashed_later_work(struct db *db, void *arg, struct error *e)
{
    struct later_task *t = arg;
    return store_parked_later(db, t->attempt_id, t->retry_at, e);
}

static void crashed_later_done(void *arg, int result, const struct error *e)
{
    (void)result;
    (void)e;
    struct later_task *t = arg;
    free(t);
}

/* Waiting does not resolve it: it is logged again in an hour, or at the next start. */
static void cannot_try(struct engine *e, const struct kept *k, const char *why)
{
    log_line(LEVEL_WARNING, "parked tokens cannot be written into their row", "job", k->job, "record", k->key,
             "account", engine_account(e, job_by_source(e, k->source), k->key), "attempt", k->attempt_id, "reason",
             why, NULL);
    struct later_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    snprintf(t->attempt_id, sizeof t->attempt_id, "%s", k->attempt_id);
    t->retry_at = clock_now() + CANNOT_AGAIN_S;
    engine_async(e, crashed_later_work, t, crashed_later_done);
}

static void try_kept(struct engine *e, const struct kept *k)
{
    for (const struct commit_task *t = e->commits; t; t = t->next)
        if (strcmp(t->commit->attempt_id, k->attempt_id) == 0)
            return;
    struct secret *text = NULL;
    const char *reason = NULL;
    struct job *j = NULL;
    struct error why = {"it cannot be decrypted"};
    struct commit *c = NULL;
    if (seal_open(e->setup.config->keys, "kept", k->attempt_id, "commit", k->sealed, &text, &reason) >= 0)
        c = commit_revive(e, secret_text(text), secret_len(text), &j, &why);
    secret_free(text);
    if (c)
        commits_submit(e, j, NULL, c, false, true);
    else
        cannot_try(e, k, why.text);
}

static void parked_pairs_done(void *arg, int result, const struct error *err)
{
    (void)err;
    struct kept_task *t = arg;
    struct engine *e = t->engine;
    for (size_t i = 0; result >= 0 && i < t->count && engine_may_work(e); i++)
        try_kept(e, &t->list[i]);
    kept_free(t->list, t->count);
    free(t);
}

/* all: also those whose minute has not passed, as at a start. */
void recover_kept(struct engine *e, bool all)
{
    if (!engine_may_work(e))
        return;
    struct kept_task *t = xcalloc(1, sizeof *t);
    t->engine = e;
    t->retry_before = all ? INT64_MAX : clock_now();
    engine_async(e, kept_work, t, parked_pairs_done);
}
