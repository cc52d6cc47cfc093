/* SPDX-License-Identifier: MIT
 * "Nothing is refreshed" has an answer: a job's records counted by what keeps them, and one record's reason.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/domain/outcome.h"
#include "core/domain/silence.h"
#include "core/domain/timestamp.h"
#include "core/engine/internal.h"
#include "core/engine/unreadable.h"
#include "core/store/pg_cron.h"

enum { WHY_MAX = 800, CALLS_MAX = 16 };

struct explain_task {
    struct job *job;
    struct explain_query query;
    struct explanation explanation;
    void (*done)(void *ctx, const struct explanation *x, int result, const char *why);
    void *ctx;
};

static void fill(const struct job *j, int64_t now, struct explain_query *ret)
{
    const struct state_dir *s = j->engine->setup.state;
    *ret = (struct explain_query){.table = j->table, .host = s->host, .incarnation = s->incarnation,
                                  .safe = j->safe, .now = now,
                                  .tick = schedule_prev(j, now), .next_tick = schedule_next(j, now)};
}

/* When a record whose point lies ahead is taken: at its own time, or at the tick that comes before the
 * point and has none after it. */
static int64_t taken_at(const struct job *j, int64_t point, int64_t now)
{
    if (!point || j->config->automatic)
        return point;
    int64_t next = schedule_next(j, now), last = schedule_prev(j, point);
    return last > next ? last : next;
}

static char *with_underscores(const char *name)
{
    char *text = xstrdup(name);
    for (char *p = text; *p; p++)
        *p = *p == '-' ? '_' : *p;
    return text;
}

/* The endpoints that the job answers, and the functions in SQL of these names and of its old one. The endpoint that
 * several jobs share is told apart by the platform, which is the plugin. */
static void find_pg_cron(struct db *db, const struct job_config *c, char *ret, size_t size)
{
    struct cron_call calls[CALLS_MAX] = {{0}};
    char *own[CALLS_MAX];
    size_t n = 0, owned = 0;
    for (size_t i = 0; c->functions && c->functions[i] && n + 3 < CALLS_MAX; i++) {
        const char *platform = strcmp(c->functions[i], "refresh-token") == 0 ? c->plugin_name : NULL;
        calls[n++] = (struct cron_call){c->functions[i], platform};
        own[owned] = with_underscores(c->functions[i]);
        calls[n++] = (struct cron_call){own[owned++], platform};
    }
    if (c->legacy_name) {
        own[owned] = with_underscores(c->legacy_name);
        calls[n++] = (struct cron_call){own[owned++], NULL};
    }
    store_pg_cron(db, calls, n, ret, size);
    while (owned)
        free(own[--owned]);
}

static int explain_work(struct db *db, void *arg, struct error *e)
{
    struct explain_task *t = arg;
    int res = store_explain(db, &t->query, &t->explanation, e);
    if (res >= 0)
        find_pg_cron(db, t->job->config, t->explanation.pg_cron, sizeof t->explanation.pg_cron);
    return res;
}

static void explain_done(void *arg, int result, const struct error *e)
{
    struct explain_task *t = arg;
    struct engine *engine = t->job->engine;
    engine->busy--;
    t->explanation.later_at = taken_at(t->job, t->explanation.later_point, t->query.now);
    t->done(t->ctx, &t->explanation, result, e->text);
    free(t);
    engine_check_stopped(engine);
}

void engine_explain(struct engine *e, struct job *j,
                    void (*done)(void *ctx, const struct explanation *x, int result, const char *why),
                    void *ctx)
{
    struct explain_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->done = done;
    t->ctx = ctx;
    fill(j, clock_now(), &t->query);
    e->busy++;
    store_submit(e->store, explain_work, t, explain_done);
}

static void at_text(int64_t at, char *ret, size_t size)
{
    if (timestamp_rfc3339(at, ret, size) < 0)
        snprintf(ret, size, "an unknown time");
}

static void lease_why(const struct lease_seen *l, char *ret, size_t size)
{
    char at[TIMESTAMP_SIZE] = "";
    at_text(l->until, at, sizeof at);
    if (l->elsewhere)
        snprintf(ret, size, "leased elsewhere until %s: another host or process presents its credential, or has "
                            "to say what became of it; if its host does not come back: renewctl forget-host", at);
    else
        snprintf(ret, size, "leased here until %s: an attempt is under way", at);
}

/* Nothing about its job keeps it. */
static void own_why(const struct record *r, const struct lease_seen *l, const struct explain_query *q, char *ret,
                    size_t size)
{
    char at[TIMESTAMP_SIZE] = "";
    if (r->state == STATE_PENDING)
        snprintf(ret, size, "its new token is kept aside: the database refused the row; it is tried again every minute");
    else if (!r->point)
        snprintf(ret, size, "%s%s", unreadable_is(r) ? "its row cannot be read: " : "",
                 unreadable_is(r) && r->last_text ? r->last_text
                 : r->last_text                   ? "it cannot be read; see its last error"
                                               : "the plugin asks for nothing: it does not run out");
    else if (l->held)
        lease_why(l, ret, size);
    else if (l->spent || l->dead)
        snprintf(ret, size, "its credential was replaced or is dead, and is not presented again by itself; a changed "
                            "row or renewctl refresh clears dead");
    else if (r->not_before == SILENCE_FOR_EVER)
        snprintf(ret, size, "its credential was presented twice and no answer came; it is not presented again "
                            "by itself: refresh it by hand, or have the account connected again");
    else if (r->not_before > q->now && r->state == STATE_AMBIGUOUS) {
        at_text(r->not_before, at, sizeof at);
        snprintf(ret, size, "no answer came, and its credential may be spent; it is presented again at %s", at);
    } else if (r->not_before > q->now) {
        at_text(r->not_before, at, sizeof at);
        snprintf(ret, size, "it failed and is tried again at %s", at);
    } else if (r->window.earliest > q->now) {
        at_text(r->window.earliest, at, sizeof at);
        snprintf(ret, size, "the provider would refuse it before %s", at);
    } else if (r->point > q->now && !(r->point < q->next_tick && r->ok_at < q->tick)) {
        at_text(r->point, at, sizeof at);
        snprintf(ret, size, "not due: its time is %s", at);
    } else {
        snprintf(ret, size, "due: the next run takes it");
    }
}

static void record_why(const struct job *j, const struct record *r, const struct lease_seen *l,
                       const struct explain_query *q, char *ret, size_t size)
{
    if (r->without_credential)
        snprintf(ret, size, "without credential: the row holds none");
    else if (r->state == STATE_RECONNECT)
        snprintf(ret, size, "only a person can help: the account must be reconnected by its owner");
    else if (j->paused)
        snprintf(ret, size, "paused, with its job: renewctl resume %s", j->config->job);
    else if (j->held)
        snprintf(ret, size, "held, with its job: %s", j->held);
    else if (breaker_holds(j) && (r->state == STATE_MISCONFIGURED || strcmp(r->ok_under, j->settings_id) != 0))
        snprintf(ret, size, "held by the breaker, with its job: %s", j->breaker.row.why);
    else
        own_why(r, l, q, ret, size);
}

struct why_task {
    struct job *job;
    struct explain_query query;
    char *key;
    struct record record;
    struct lease_seen lease;
    why_done done;
    void *ctx;
};

static int why_work(struct db *db, void *arg, struct error *e)
{
    struct why_task *t = arg;
    return store_explain_record(db, &t->query, t->key, &t->record, &t->lease, e);
}

static void why_known(void *arg, int result, const struct error *e)
{
    struct why_task *t = arg;
    struct engine *engine = t->job->engine;
    char why[WHY_MAX] = "";
    engine->busy--;
    if (result >= 0)
        record_why(t->job, &t->record, &t->lease, &t->query, why, sizeof why);
    t->done(t->ctx, &t->record, result, result < 0 ? e->text : why);
    if (result >= 0)
        record_done(&t->record);
    free(t->key);
    free(t);
    engine_check_stopped(engine);
}

void engine_explain_record(struct engine *e, struct job *j, const char *key, why_done done, void *ctx)
{
    struct why_task *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->key = xstrdup(key);
    t->done = done;
    t->ctx = ctx;
    fill(j, clock_now(), &t->query);
    e->busy++;
    store_submit(e->store, why_work, t, why_known);
}
