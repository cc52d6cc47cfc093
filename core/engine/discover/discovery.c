/* SPDX-License-Identifier: MIT
 * Finds the records of a job. A full round, at start and when the database is available again, reads every row in
 * pages by key. Later rounds run every `rescan`, slowly, with at most 1 % of a core. A round ends with a sweep over
 * renewd's own rows that removes records whose rows are gone.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/engine/commit/commit.h"
#include "core/engine/discover/discover.h"
#include "core/engine/discover/read_page.h"
#include "core/engine/rows/rows.h"

enum { SLOW_SHARE = 100, BEHIND_MS = 1000, MISFIT_S = 30, SAY_MS = 10000, MANY = 1000 };

struct put_task {
    struct job *job;
    struct record_change *changes;
    bool *spent, *dead; /* which of them hold a credential that has a successor, or is dead */
    size_t count;
    char *next;
    bool last;
};

struct sweep_task {
    struct job *job;
    char *after, *next;
    size_t limit;
    int64_t standing; /* of the whole table's rows, as just read; -1: not known */
    bool many;        /* a part of the records that counts was added or changed in this round */
    int64_t removed;
    char *blind;
};

static void ask_page(void *ctx);
static void ask_sweep(void *ctx);

/* What was read ahead is not current any more. */
static void drop_ahead(struct discovery *d)
{
    struct page_task *t = d->ahead;
    d->ahead = NULL;
    if (t && t->ahead == AHEAD_THERE)
        page_task_free(t);
    else if (t)
        t->ahead = AHEAD_DROPPED;
}

static size_t page_rows(const struct discovery *d)
{
    return d->full || d->looking ? FULL_PAGE_ROWS : PAGE_ROWS;
}

static void from_the_first(struct job *j)
{
    struct discovery *d = &j->discovery;
    drop_ahead(d);
    d->restart = d->sweeping = false;
    unreadable_note_later(j, &d->round, false);
    d->round = (struct round){0};
    d->started_ms = d->said_ms = clock_boot_ms();
    d->about = 0;
    d->pages = 0;
    free(d->after);
    d->after = NULL;
}

static void begin_again(struct job *j)
{
    from_the_first(j);
    ask_page(j);
}

static void round_failed(struct job *j, int result, const struct error *e)
{
    struct discovery *d = &j->discovery;
    d->running = d->restart = false;
    looks_end(j, e->text);
    if (store_is_away(result))
        return; /* startup_up starts a full round again */
    if (result == -ESTALE) {
        discovery_misfit(j, e->text);
        return;
    }
    log_line(LEVEL_WARNING, "reading the job's table failed; it is tried again", "job", j->config->job, "reason",
             e->text, NULL);
    if (!d->timer)
        d->timer = loop_after(j->engine->loop, 5000, ask_page, j);
    d->running = true;
    from_the_first(j);
}

/* Schedules the next step of the round: at once in a full round and in one that a caller waits for, otherwise after
 * a pause 99 times as long as the work took. */
static void discovery_go_on(struct job *j, void (*step)(void *))
{
    struct discovery *d = &j->discovery;
    int64_t rest = 0;
    if (!d->full && !d->looking)
        rest = (clock_boot_ms() - d->page_started_ms) * (SLOW_SHARE - 1);
    d->timer = loop_after(j->engine->loop, rest, step, j);
}

static void next_round(void *ctx)
{
    struct job *j = ctx;
    j->discovery.timer = NULL;
    discovery_start(j, j->holds[HOLD_ROWS] != NULL);
}

static void hold_for(struct job *j, const char *why, int64_t again_s)
{
    struct discovery *d = &j->discovery;
    if (d->timer)
        d->running = false; /* the round pauses between two steps */
    loop_cancel(&d->timer);
    if (d->running)
        d->again = true; /* the result that is under way ends it */
    else if (j->engine->setup.daemon && !j->engine->stopping)
        d->timer = loop_after(j->engine->loop, again_s * 1000, next_round, j);
    looks_end(j, why);
    job_hold(j, HOLD_ROWS, why);
}

/* The job is held because of what its table contains or refuses; a full round later checks again. */
void discovery_hold(struct job *j, const char *why)
{
    hold_for(j, why, j->config->rescan_s);
}

void discovery_misfit(struct job *j, const char *why)
{
    int64_t rescan = j->config->rescan_s;
    hold_for(j, why, rescan < MISFIT_S ? rescan : MISFIT_S);
}

/* One page further than any earlier round that did not finish. */
static void page_done_with(struct discovery *d)
{
    if (++d->pages <= d->furthest)
        return;
    d->furthest = d->pages;
    d->steps++;
}

static void discovery_round_done(struct job *j)
{
    struct discovery *d = &j->discovery;
    d->furthest = 0;
    bool first = !j->discovered;
    d->running = false;
    d->table_rows = d->round.rows;
    d->none_taken = !d->round.taken;
    free(d->after);
    d->after = NULL;
    if (d->full || d->round.changed || d->round.removed) {
        char rows[24], changed[24], removed[24];
        snprintf(rows, sizeof rows, "%" PRId64, d->round.rows);
        snprintf(changed, sizeof changed, "%" PRId64, d->round.changed);
        snprintf(removed, sizeof removed, "%" PRId64, d->round.removed);
        log_line(LEVEL_INFO, "records discovered", "job", j->config->job, "rows", rows, "changed", changed,
                 "removed", removed, NULL);
    }
    unreadable_round(j, &d->round);
    if (d->full)
        d->unreadable = d->round.unreadable;
    unreadable_note_later(j, &d->round, d->opened);
    if (d->full && unreadable_by_key(&d->round)) {
        discovery_hold(j, "none of its rows opens with its key: check sealed_key and keys of renewd.conf");
        return;
    }
    if (j->holds[HOLD_ROWS]) {
        job_release_hold(j, HOLD_ROWS);
        j->engine->on->hold_ended(j);
    }
    j->discovered = true;
    j->engine->on->job_discovered(j);
    if (d->again) {
        d->again = false;
        discovery_start(j, true);
        looks_over(j);
        return;
    }
    if (j->engine->setup.daemon)
        d->timer =
            loop_after(j->engine->loop, d->changed_behind ? BEHIND_MS : j->config->rescan_s * 1000, next_round, j);
    d->changed_behind = false;
    j->engine->on->round_ended(j, first);
    if (first)
        engine_check_ready(j->engine);
    looks_over(j);
}

/* The end of a round. What cannot be done here for another reason than the connection is done later. */
static int round_settle(struct db *db, struct sweep_task *t, struct error *e)
{
    int res = status_columns_settle(db, t->job, e);
    t->blind = res >= 0 ? status_columns_blind(db, t->job) : NULL;
    if (res >= 0 && t->many && store_statistics(db, e) == -ENOTCONN)
        res = -ENOTCONN;
    return res;
}

static int sweep_work(struct db *db, void *arg, struct error *e)
{
    struct sweep_task *t = arg;
    int64_t count = 0;
    struct error ignored;
    /* Every row that was read has a record; as many records as that: none is of a row that is gone. */
    if (t->standing >= 0 && store_records_count(db, t->job->table->source, &count, &ignored) == 0 &&
        count == t->standing)
        return round_settle(db, t, e);
    int res = store_sweep(db, t->job->table, t->after, t->limit, &t->next, &t->removed, e);
    return res < 0 || t->next ? res : round_settle(db, t, e);
}

static void sweep_done(void *arg, int result, const struct error *e)
{
    struct sweep_task *t = arg;
    struct job *j = t->job;
    struct discovery *d = &j->discovery;
    if (!d->running) {
        free(t->next);
    } else if (result < 0) {
        round_failed(j, result, e);
    } else {
        d->round.removed += t->removed;
        page_done_with(d);
        free(d->after);
        d->after = t->next;
        if (d->restart)
            begin_again(j);
        else if (d->after)
            discovery_go_on(j, ask_sweep);
        else {
            status_columns_blind_take(j, t->blind);
            t->blind = NULL;
            discovery_round_done(j);
        }
    }
    free(t->blind);
    free(t->after);
    free(t);
}

static void ask_sweep(void *ctx)
{
    struct job *j = ctx;
    struct discovery *d = &j->discovery;
    d->timer = NULL;
    d->page_started_ms = clock_boot_ms();
    struct sweep_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->after = xstrdup_or_null(d->after);
    t->limit = page_rows(d);
    t->many = d->full && d->round.changed >= MANY && d->round.changed >= d->round.rows / 10;
    t->standing = !d->after && (d->full || d->looking) ? d->round.standing : -1;
    engine_async(j->engine, sweep_work, t, sweep_done);
}

static void begin_sweep(struct job *j)
{
    free(j->discovery.after);
    j->discovery.after = NULL;
    j->discovery.sweeping = true;
    ask_sweep(j);
}

static int put_work(struct db *db, void *arg, struct error *e)
{
    struct put_task *t = arg;
    return changes_put(db, t->changes, t->count, t->spent, t->dead, e);
}

static void put_free(struct put_task *t)
{
    for (size_t i = 0; i < t->count; i++)
        change_done(&t->changes[i]);
    free(t->changes);
    free(t->spent);
    free(t->dead);
    free(t->next);
    free(t);
}

/* A large table takes minutes; with --once its caller says it. */
static void say_so_far(struct job *j)
{
    struct discovery *d = &j->discovery;
    struct progress p;
    int64_t now = clock_boot_ms();
    if (!j->engine->setup.daemon || now - d->said_ms < SAY_MS || !job_reading(j, &p))
        return;
    d->said_ms = now;
    job_log_reading(j, &p);
}

static void page_taken(struct job *j, char **next, bool last)
{
    struct discovery *d = &j->discovery;
    page_done_with(d);
    say_so_far(j);
    if (d->restart) {
        begin_again(j);
        return;
    }
    if (last) {
        begin_sweep(j);
        return;
    }
    free(d->after);
    d->after = *next;
    *next = NULL;
    discovery_go_on(j, ask_page);
}

static void put_done(void *arg, int result, const struct error *e)
{
    struct put_task *t = arg;
    struct job *j = t->job;
    fault_point(FAULT_DISCOVERED, NULL);
    if (j->discovery.running) {
        if (result < 0) {
            round_failed(j, result, e);
        } else {
            for (size_t i = 0; i < t->count; i++) {
                change_put(j, &t->changes[i], t->spent[i], t->dead[i]);
                if (t->changes[i].revives || t->changes[i].recovery)
                    drop_ahead(&j->discovery); /* it may hold the same credential */
            }
            page_taken(j, &t->next, t->last);
        }
    }
    put_free(t);
}

static void tell_untold(struct job *j, const struct record *rec, const struct row *row)
{
    struct commit *c = outcome_told(j, rec, row);
    if (c)
        commits_submit(j->engine, j, NULL, c, false, false);
}

/* Rows that are added later mostly sort after it. */
static void note_last(struct discovery *d, const char *key)
{
    char *last = key ? xstrdup(key) : xstrdup_or_null(d->after);
    free(d->last_key);
    d->last_key = last;
}

static void look_through(struct job *j, struct page_task *t)
{
    struct page *p = &t->page;
    struct put_task *put = xcalloc(1, sizeof *put);
    struct round *of = &j->discovery.round;
    put->job = j;
    put->changes = xcalloc(p->count + 1, sizeof *put->changes);
    put->spent = xcalloc(p->count + 1, sizeof *put->spent);
    put->dead = xcalloc(p->count + 1, sizeof *put->dead);
    for (size_t i = 0; i < p->count; i++) {
        of->taken += !p->rows[i].outside;
        of->standing += !row_is_filtered_out(j, &p->rows[i], &p->records[i]);
    }
    for (size_t i = 0; i < p->count; i++)
        if (change_look(j, &p->rows[i], &p->records[i], &put->changes[put->count], of))
            put->count++;
        else {
            change_catch_up(j, &p->records[i], t->spent[i], t->dead[i]);
            if (t->untold && t->untold[i] && !row_is_filtered_out(j, &p->rows[i], &p->records[i]))
                tell_untold(j, &p->records[i], &p->rows[i]);
        }
    put->last = p->last;
    put->next = p->next;
    p->next = NULL;
    if (put->last)
        note_last(&j->discovery, put->next);
    unreadable_long_keys(j, p, of);
    of->rows += (int64_t)p->count;
    of->changed += (int64_t)put->count;
    if (put->count) {
        engine_async(j->engine, put_work, put, put_done);
        return;
    }
    page_taken(j, &put->next, put->last || !put->next);
    put_free(put);
}

/* Read as points in time they would all have ended long ago, and every account would be refreshed at once. */
static void lengths_alone(struct job *j, const char *why)
{
    j->discovery.running = false;
    discovery_hold(j, why);
}

static void page_asked(struct job *j, const char *after, bool ahead);

/* On the loop, in its turn. */
static void page_taken_up(struct page_task *t, int result, const struct error *e)
{
    struct job *j = t->job;
    struct discovery *d = &j->discovery;
    if (t->looked)
        job_hidden(j, t->hidden);
    if (!t->after && t->full)
        d->about = t->about;
    if (t->only_asked)
        only_unheld_take(j, &t->unheld);
    if (d->running) {
        if (result < 0) {
            round_failed(j, result, e);
        } else if (t->full && t->page.lengths) {
            lengths_alone(j, t->page.lengths);
        } else {
            if ((d->full || d->looking) && !t->page.last && t->page.next && !d->restart)
                page_asked(j, t->page.next, true);
            look_through(j, t);
        }
    }
    page_task_free(t);
}

static void discovery_page_done(void *arg, int result, const struct error *e)
{
    struct page_task *t = arg;
    if (t->ahead == AHEAD_ASKED) {
        t->ahead = AHEAD_THERE;
        t->result = result;
        t->why = *e;
    } else if (t->ahead == AHEAD_DROPPED) {
        page_task_free(t);
    } else {
        page_taken_up(t, result, e);
    }
}

static void page_asked(struct job *j, const char *after, bool ahead)
{
    struct discovery *d = &j->discovery;
    struct page_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->after = xstrdup_or_null(after);
    t->full = d->full;
    t->limit = page_rows(d);
    t->ask_only = !t->after && (t->full || j->unheld.text || d->none_taken);
    if (ahead) {
        t->ahead = AHEAD_ASKED;
        d->ahead = t;
    }
    engine_async(j->engine, page_work, t, discovery_page_done);
}

static void ask_page(void *ctx)
{
    struct job *j = ctx;
    struct discovery *d = &j->discovery;
    struct page_task *t = d->ahead;
    d->timer = NULL;
    d->page_started_ms = clock_boot_ms();
    d->ahead = NULL;
    if (!t)
        page_asked(j, d->after, false);
    else if (t->ahead == AHEAD_THERE)
        page_taken_up(t, t->result, &t->why);
    else
        t->ahead = AHEAD_NO; /* it is taken up when it arrives */
}

void discovery_start(struct job *j, bool full)
{
    struct discovery *d = &j->discovery;
    if (d->running) {
        d->again = d->again || full;
        return;
    }
    loop_cancel(&d->timer);
    if (!engine_may_work(j->engine) || !job_may_read(j) || !j->table)
        return;
    d->running = true;
    d->full = full;
    begin_again(j);
}

bool discovery_quick(struct job *j)
{
    struct discovery *d = &j->discovery;
    if (d->running && d->full)
        return false;
    if (!d->running) {
        discovery_start(j, false);
    } else if (d->timer) {
        loop_cancel(&d->timer);
        begin_again(j);
    } else {
        d->restart = true;
    }
    return d->running;
}

void discovery_again(struct job *j)
{
    if (j->discovery.running)
        j->discovery.changed_behind = true;
    else
        discovery_start(j, false);
}

void discovery_stop(struct job *j)
{
    j->discovery.running = false;
    j->discovery.again = false;
    loop_cancel(&j->discovery.timer);
    from_the_first(j);
    looks_end(j, "renewd is stopping, or the job was removed");
}
