/* SPDX-License-Identifier: MIT
 * The breaker of a job (rule 10): a wrong client secret condemns nobody. A verdict that would send a person
 * to reconnect waits a moment for the other answers: as soon as enough of them are fine, or none is on
 * its way any more, it stands. When too many are refused alike the job is held, what waits is withheld,
 * and what was committed in that time is taken back.
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
#include "core/domain/duration.h"
#include "core/domain/hash.h"
#include "core/domain/outcome.h"
#include "core/engine/internal.h"

enum { SETTLE_MS = 50, WAIT_MAX_MS = 5000, REOPEN_BATCH = 100 };

struct withheld {
    struct commit *commit;
    struct run *run;
    uint64_t number;                 /* of the answer */
    int64_t until_boot_ms;
    struct withheld *next;
};

static void limits_of(const struct job *j, struct breaker_limits *ret)
{
    *ret = (struct breaker_limits){j->config->breaker_records, j->config->breaker_share,
                                   j->config->breaker_within_s};
}

bool breaker_holds(const struct job *j)
{
    return j->breaker.row.held_at != 0;
}

static uint64_t note(struct job *j, const char *key, int sign, bool was_ok, int64_t at)
{
    struct breaker_limits l;
    struct breaker_answer a = {
        .record = hash_bytes(0, key, strlen(key)), .at = at, .sign = sign, .was_ok = was_ok};
    limits_of(j, &l);
    return breaker_note(&j->breaker.window, &l, &a);
}

/* Those of the list that `over` does not mean stay, in their order. */
static void submit_where(struct job *j, bool (*over)(const struct job *j, const struct withheld *w))
{
    struct withheld **p = &j->breaker.withheld, *out = NULL, **last = &out;
    while (*p) {
        struct withheld *w = *p;
        if (!over(j, w)) {
            p = &w->next;
            continue;
        }
        *p = w->next;
        w->next = NULL;
        *last = w;
        last = &w->next;
    }
    while (out) { /* outside of the list: what a commit sets off may come back here */
        struct withheld *w = out;
        out = w->next;
        commits_submit(j->engine, j, w->run, w->commit, false, false);
        free(w);
    }
}

static bool disproved(const struct job *j, const struct withheld *w)
{
    struct breaker_limits l;
    limits_of(j, &l);
    return breaker_disproved(&j->breaker.window, &l, w->number);
}

static bool waited(const struct job *j, const struct withheld *w)
{
    (void)j;
    return w->until_boot_ms <= clock_boot_ms();
}

static bool any(const struct job *j, const struct withheld *w)
{
    (void)j;
    (void)w;
    return true;
}

/* No answer is on its way that could say more. */
static bool quiet(const struct job *j)
{
    for (const struct run *r = j->runs; r; r = r->next)
        if (r->claiming)
            return false;
    return j->active == 0;
}

static void look_again(void *ctx)
{
    struct job *j = ctx;
    struct breaker *b = &j->breaker;
    b->settle_timer = NULL;
    submit_where(j, quiet(j) ? any : waited);
    if (b->withheld && !b->settle_timer)
        b->settle_timer = loop_after(j->engine->loop, SETTLE_MS, look_again, j);
}

static void settle(struct job *j)
{
    loop_cancel(&j->breaker.settle_timer);
    submit_where(j, any);
}

static void withhold(struct job *j, struct run *r, struct commit *c, uint64_t number)
{
    struct breaker *b = &j->breaker;
    struct withheld *w = xcalloc(1, sizeof *w);
    *w = (struct withheld){c, r, number, clock_boot_ms() + WAIT_MAX_MS, b->withheld};
    b->withheld = w;
    if (!b->settle_timer)
        b->settle_timer = loop_after(j->engine->loop, SETTLE_MS, look_again, j);
    job_pump(j); /* the others are what it waits for */
}

static char *alarm_text(const struct job *j, int found, int64_t records, const struct commit *c)
{
    char within[32];
    duration_format(j->config->breaker_within_s * 1000, within, sizeof within);
    if (found == BREAKER_CANARY)
        return xasprintf("the provider calls our request or client misconfigured (%s), also for a record that was "
                         "refreshed before; look at client_id, client_secret and the URLs of the settings",
                         c->code ? c->code : "no code");
    return xasprintf("the provider refused %" PRId64 " records within %s (%s), which looks like a wrong "
                     "client_id or client_secret rather than so many dead accounts; nobody is told to reconnect",
                     records, within, c->code ? c->code : "no code");
}

static void withhold_all(struct job *j)
{
    for (struct withheld *w = j->breaker.withheld; w; w = w->next)
        outcome_withhold(j, w->commit);
}

void breaker_held_elsewhere(struct job *j)
{
    withhold_all(j);
    settle(j);
    attempt_abandon_unsent(j);
}

static void trip(struct job *j, int found, int64_t since, int64_t records, const struct commit *c)
{
    withhold_all(j);
    if (j->removed) { /* the configuration that took its place is judged by itself */
        settle(j);
        return;
    }
    struct breaker_row row = {.held_at = clock_now(), .since = since,
                              .why = alarm_text(j, found, records, c)};
    canary_hold(j, &row);
    settle(j);
    attempt_abandon_unsent(j);
}

/* It was withheld before, and a canary has shown since that the client works: it is this account's own. */
static bool confirmed(const struct job *j, const struct commit *c)
{
    return c->before.last_code && strcmp(c->before.last_code, "withheld") == 0 &&
           j->breaker.row.proved_at && j->breaker.row.proved_at >= c->before.last_at;
}

void breaker_fine(struct job *j, struct run *r, const struct commit *c)
{
    note(j, c->before.key, BREAKER_FINE, false, c->finished_at);
    if (breaker_holds(j) && r->probes)
        canary_release(j, c->finished_at);
    submit_where(j, disproved);
}

void breaker_failed(struct job *j, struct run *r, struct commit *c)
{
    bool person = c->outcome == OUTCOME_RECONNECT;
    if ((!person && c->outcome != OUTCOME_MISCONFIGURED) || (person && confirmed(j, c))) {
        commits_submit(j->engine, j, r, c, false, false);
        return;
    }
    const struct record *before = &c->before;
    uint64_t number = note(j, before->key, person ? BREAKER_REFUSED : BREAKER_MISCONFIGURED,
                           before->state == STATE_OK && before->ok_at > 0, c->finished_at);
    struct breaker_limits l;
    int64_t since = 0, records = 0;
    limits_of(j, &l);
    int found = BREAKER_CALM;
    if (!breaker_holds(j) && !defence_off(DEFENCE_BREAKER))
        found = breaker_find(&j->breaker.window, &l, c->finished_at, &since, &records);
    if (found != BREAKER_CALM)
        trip(j, found, since, records, c);
    if (person && (breaker_holds(j) || found != BREAKER_CALM))
        outcome_withhold(j, c);
    else if (person) {
        withhold(j, r, c, number);
        return;
    }
    commits_submit(j->engine, j, r, c, false, false);
}

/* A process that begins goes on where the last one was. */
void breaker_remember(struct job *j, const struct answer_row *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].outcome == OUTCOME_OK)
            note(j, list[i].key, BREAKER_FINE, false, list[i].at);
        else if (list[i].outcome == OUTCOME_RECONNECT)
            note(j, list[i].key, BREAKER_REFUSED, false, list[i].at);
        else if (list[i].outcome == OUTCOME_MISCONFIGURED)
            note(j, list[i].key, BREAKER_MISCONFIGURED, false, list[i].at);
}

void breaker_done(struct job *j)
{
    struct breaker *b = &j->breaker;
    loop_cancel(&b->settle_timer);
    loop_cancel(&b->canary_timer);
    loop_cancel(&b->tell_timer);
    while (b->withheld) {
        struct withheld *w = b->withheld;
        b->withheld = w->next;
        commit_free(w->commit);
        free(w);
    }
    breaker_window_done(&b->window);
    breaker_row_done(&b->row);
}

/* ---- verdicts that were committed before it was clear ---- */

struct reopen_task {
    struct job *job;
    int64_t since;
    char *after;
    struct record *records;
    struct row *rows;
    bool *found;
    size_t count;
};

static int reopen_work(struct db *db, void *arg, struct error *e)
{
    struct reopen_task *t = arg;
    const struct job *j = t->job;
    int res = store_breaker_condemned(db, j->table->source, t->since, t->after, REOPEN_BATCH, &t->records,
                                      &t->count, e);
    if (res < 0)
        return res;
    t->rows = xcalloc(t->count + 1, sizeof *t->rows);
    t->found = xcalloc(t->count + 1, sizeof *t->found);
    for (size_t i = 0; i < t->count; i++) {
        struct record same = {0};
        bool known = false;
        res = store_row(db, j->table, t->records[i].key, &t->rows[i], &same, &known, e);
        t->found[i] = res == 0;
        record_done(&same);
        if (res < 0 && res != -ENOENT)
            return res;
    }
    return 0;
}

static void reopen_free(struct reopen_task *t)
{
    for (size_t i = 0; t->rows && i < t->count; i++)
        row_done(&t->rows[i]);
    records_free(t->records, t->count);
    free(t->rows);
    free(t->found);
    free(t->after);
    free(t);
}

static void reopen_from(struct job *j, int64_t since, const char *after);

static void reopen_done(void *arg, int result, const struct error *err)
{
    struct reopen_task *t = arg;
    struct job *j = t->job;
    struct engine *e = j->engine;
    e->busy--;
    if (result < 0)
        log_line(LEVEL_WARNING, "verdicts from before the breaker held the job could not be taken back; they are "
                 "at the next start", "job", j->config->job, "reason", err->text, NULL);
    for (size_t i = 0; result >= 0 && i < t->count; i++)
        if (t->found[i])
            commits_submit(e, j, NULL, outcome_reopen(j, &t->records[i], &t->rows[i]), false, false);
    if (result >= 0 && t->count == REOPEN_BATCH && !e->stopping)
        reopen_from(j, t->since, t->records[t->count - 1].key);
    reopen_free(t);
    engine_check_stopped(e);
}

static void reopen_from(struct job *j, int64_t since, const char *after)
{
    struct reopen_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->since = since;
    t->after = xstrdup(after);
    j->engine->busy++;
    store_submit(j->engine->store, reopen_work, t, reopen_done);
}

void breaker_reopen(struct job *j)
{
    if (j->table && breaker_holds(j) && !j->engine->stopping)
        reopen_from(j, j->breaker.row.since, "");
}
