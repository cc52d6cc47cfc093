/* SPDX-License-Identifier: MIT
 * A token on demand. All callers that ask for one record at the same time share one request: one read of the row,
 * and one attempt if a refresh is due. While another process or host holds the lease, the record is read again
 * until it is over. A token that is asked for frequently is read ahead of its next caller. While the database is
 * not available, the remembered token is served as long as it is valid. A token that the provider has refused is
 * not served: one refresh follows, also shared, whatever its remaining lifetime.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/engine/commit/commit.h"
#include "core/engine/discover/discover.h"
#include "core/engine/refresh/refresh.h"
#include "core/engine/rows/rows.h"
#include "core/engine/tokens/internal.h"
#include "core/engine/tokens/tokens.h"
#include "core/rules/outcome.h"
#include "core/store/shared_credential.h"

enum {
    FRESH_MS = 500,      /* what was read this recently is not read again */
    AHEAD_MS = 250,      /* a token asked for after that is read ahead, so that its next callers need not wait */
    SLOW_READ_MS = 1500, /* a remembered token is served while the store does not answer */
    POLL_MS = 100,       /* of a record that is leased elsewhere */
    BARREN_MAX = 3,      /* runs that found nothing to do for a record that wants one, with growing pauses */
};

struct token_waiter {
    struct token_request *request;
    struct token_requirement requirement;
    token_done done;
    void *ctx;
    struct secret *refused_token; /* the requirement's */
    bool tried;                   /* an attempt has ended since the request */
    bool looked;                  /* ok_at is the record's value at the time of the request */
    int64_t ok_at;
    int64_t until_ms;
    struct loop_timer *timer;
    struct token_waiter *next;
};

struct token_request {
    struct engine *engine;
    struct job *job;
    char *key;
    struct token_waiter *waiters;
    bool reading, running, looked;
    bool ahead;               /* to be read, though no caller waits for it */
    struct loop_timer *timer; /* of the next read */
    struct row row;           /* of the read under way */
    struct record record;
    bool known, found;
    struct standing standing; /* of its credential, which another record may have used up */
    bool carried;             /* a spent one: the newest was asked for */
    int barren;               /* runs in a row that found nothing to do */
    char *refused;            /* why the last run did not start, or did nothing */
    struct token_request *next;
};

static void token_request_read_again(void *ctx);

static const struct token_entry *remembered(const struct token_request *d)
{
    return tokens_get(d->engine->tokens, d->job->table->source, d->key);
}

static void token_request_free(struct token_request *d)
{
    struct engine *e = d->engine;
    for (struct token_request **p = &e->token_requests; *p; p = &(*p)->next)
        if (*p == d) {
            *p = d->next;
            break;
        }
    loop_cancel(&d->timer);
    row_done(&d->row);
    record_done(&d->record);
    free(d->refused);
    free(d->key);
    free(d);
    e->busy--;
    engine_check_stopped(e);
}

/* ---- answers ---- */

static void token_request_answer(struct token_waiter *a, const struct token_answer *said)
{
    struct token_request *d = a->request;
    for (struct token_waiter **p = &d->waiters; *p; p = &(*p)->next)
        if (*p == a) {
            *p = a->next;
            break;
        }
    loop_cancel(&a->timer);
    a->done(a->ctx, said);
    secret_free(a->refused_token);
    free(a);
}

static void token_request_fill(const struct token_entry *t, struct token_answer *ret)
{
    *ret = (struct token_answer){
        .access_token = secret_text(t->token),
        .expires_at = t->expires_at,
        .generation = t->generation,
        .state = t->state,
        .lives = token_lives(t, clock_now()),
        .without_credential = t->without_credential,
    };
}

static void token_request_serve(struct token_waiter *a, const struct token_entry *t)
{
    struct token_answer said;
    token_request_fill(t, &said);
    said.status = TOKEN_SERVED;
    said.code = t->code;
    said.why = t->text;
    said.tried = a->tried;
    token_request_answer(a, &said);
}

static void token_request_refuse(struct token_waiter *a, const struct token_entry *t)
{
    struct token_answer said;
    token_request_fill(t, &said);
    token_refusal(a->request->job, t, &a->requirement, &said);
    said.tried = a->tried;
    if (said.status == TOKEN_LATER && a->request->refused)
        said.why = a->request->refused;
    token_request_answer(a, &said);
}

static void answer_all(struct token_request *d, int status, const char *why)
{
    const struct token_answer said = {.status = status, .why = why, .retry_after = 1};
    while (d->waiters)
        token_request_answer(d->waiters, &said);
}

/* Nothing new can be learned: the remembered token is served while it is valid. */
static void answer_from_memory(struct token_request *d, int status, const char *why)
{
    const struct token_entry *t = remembered(d);
    for (struct token_waiter *a = d->waiters, *next; a && t; a = next) {
        next = a->next;
        if (token_judge(d->job, t, &a->requirement, false) == VERDICT_SERVE)
            token_request_serve(a, t);
    }
    answer_all(d, status, why);
}

/* ---- limits of waiting ---- */

/* While the present token is valid it is served early; without one the caller waits as long as it asked. */
static void token_request_waited(void *ctx)
{
    struct token_waiter *a = ctx;
    struct token_request *d = a->request;
    const struct token_entry *t = remembered(d);
    int64_t now = clock_boot_ms();
    a->timer = NULL;
    if (t && token_judge(d->job, t, &a->requirement, false) == VERDICT_SERVE) {
        token_request_serve(a, t);
        return;
    }
    if (now < a->until_ms) {
        a->timer = loop_after(d->engine->loop, a->until_ms - now, token_request_waited, a);
        return;
    }
    struct token_answer said = {0};
    if (t)
        token_request_fill(t, &said);
    said.status = TOKEN_UNDER_WAY;
    said.retry_after = 1;
    said.why = d->running || d->standing.leased ? "the refresh is still under way; its result will be stored"
                                                : "the record could not be read in time; no refresh was started";
    token_request_answer(a, &said);
}

/* ---- the attempt ---- */

static void token_request_run_over(void *ctx, const struct run_result *r)
{
    struct token_request *d = ctx;
    bool nothing = !r->error && !r->why && !r->refreshed && !r->failed;
    d->running = false;
    free(d->refused);
    d->refused = r->why ? xstrdup(r->why) : NULL;
    d->barren = nothing ? d->barren + 1 : 0;
    if (d->barren >= BARREN_MAX)
        d->refused =
            xstrdup("no refresh of the record could be started now; ask again, or see renewctl explain for it");
    for (struct token_waiter *a = d->waiters; a && !nothing; a = a->next)
        a->tried = true;
    loop_cancel(&d->timer);
    d->timer = loop_after(d->engine->loop, nothing ? POLL_MS << d->barren : 0, token_request_read_again, d);
}

/* Of the callers that were refused the record's present token, one that knows the token is used for all. */
static void add_refused(const struct token_request *d, const struct token_waiter *a, struct token_requirement *io)
{
    const struct token_held held = token_held_of(remembered(d));
    if (!token_refused(&a->requirement, &held, clock_now()))
        return;
    io->refused = true;
    io->refused_generation = a->requirement.refused_generation;
    if (a->requirement.refused_token)
        io->refused_token = a->requirement.refused_token;
}

static void start_run(struct token_request *d)
{
    const char *keys[] = {d->key};
    struct token_requirement most = {.min_valid = -1};
    for (const struct token_waiter *a = d->waiters; a; a = a->next) {
        most.as_tick = most.as_tick || a->requirement.as_tick;
        if (!a->requirement.as_tick && a->requirement.min_valid > most.min_valid)
            most.min_valid = a->requirement.min_valid;
        add_refused(d, a, &most);
    }
    d->running = true;
    struct run *r =
        run_start(d->job, CLAIM_DEMAND, most.as_tick ? "function" : "demand", keys, 1, token_request_run_over, d);
    if (r)
        run_set_requirement(r, &most);
}

/* ---- reading ---- */

static int token_request_read_work(struct db *db, void *arg, struct error *e)
{
    struct token_request *d = arg;
    int res = store_row(db, d->job->table, d->key, &d->row, &d->record, &d->known, e);
    if (res == -ENOENT)
        return 0;
    d->found = res >= 0;
    if (res >= 0 && d->known)
        res = store_standing(db, d->record.fingerprint, d->job->safe, &d->standing, e);
    return res;
}

/* The credential's state counts, even if another record learned it. */
static void share_standing(struct token_request *d)
{
    struct record *r = &d->record;
    if (d->standing.hold_until > r->not_before)
        r->not_before = d->standing.hold_until;
    if (!d->standing.dead || r->state == STATE_RECONNECT || r->state == STATE_PENDING)
        return;
    r->state = STATE_RECONNECT;
    record_set_text(&r->last_text, NULL);
    if (engine_may_work(d->engine))
        share_dead_outcome(d->engine, r->fingerprint);
}

/* The credential is being presented, or it is spent and the newest one is on its way to its row: the request
 * waits. */
static bool in_other_hands(struct token_request *d)
{
    if (!d->standing.spent)
        return d->standing.leased;
    if (!d->carried && engine_may_work(d->engine))
        restore_newest_credential(d->engine, d->record.fingerprint);
    d->carried = true;
    return true;
}

static void token_request_end(struct token_request *d)
{
    if (!d->waiters && !d->running && !d->reading)
        token_request_free(d);
}

/* A refresh that ended well since the request counts as its own, whichever host made it, even if it brought the
 * same token again. */
static void note_refresh(struct token_waiter *a, const struct token_entry *t)
{
    if (a->looked && a->ok_at != t->due.ok_at) {
        a->tried = true;
        a->requirement.refused = false;
    }
    a->looked = true;
    a->ok_at = t->due.ok_at;
}

static void refuse_all(struct token_request *d, const struct token_entry *t)
{
    for (struct token_waiter *a = d->waiters, *next; a; a = next) {
        next = a->next;
        if (token_judge(d->job, t, &a->requirement, false) == VERDICT_SERVE)
            token_request_serve(a, t);
        else
            token_request_refuse(a, t);
    }
}

static void token_request_settle(struct token_request *d)
{
    const struct token_entry *t = remembered(d);
    bool try = false;
    for (struct token_waiter *a = d->waiters, *next; a; a = next) {
        next = a->next;
        note_refresh(a, t);
        switch (token_judge(d->job, t, &a->requirement, !a->tried)) {
        case VERDICT_SERVE:
            token_request_serve(a, t);
            break;
        case VERDICT_REFUSE:
            token_request_refuse(a, t);
            break;
        default:
            try = true;
        }
    }
    if (try && in_other_hands(d))
        d->timer = loop_after(d->engine->loop, POLL_MS, token_request_read_again, d);
    else if (try && d->barren >= BARREN_MAX)
        refuse_all(d, t);
    else if (try)
        start_run(d);
    token_request_end(d);
}

static void token_request_looked(void *ctx)
{
    struct token_request *d = ctx;
    d->reading = false;
    token_request_read_again(d);
}

/* The row changed since it was last read: renewd's record of it is updated first. */
static bool must_look(const struct token_request *d)
{
    return !d->looked && engine_may_work(d->engine) && d->job->discovered && !d->job->removed &&
           (!d->known || strcmp(d->row.hash, d->record.hash) != 0);
}

static void token_request_take(struct token_request *d)
{
    struct token_entry fresh = {0};
    struct error e = {""};
    d->looked = d->ahead = false;
    if (d->known)
        share_standing(d);
    if (!d->found || !d->known || row_is_filtered_out(d->job, &d->row, &d->record)) {
        tokens_forget(d->engine->tokens, d->job->table->source, d->key);
        answer_all(d, TOKEN_UNKNOWN, NULL);
        token_request_end(d);
    } else if (token_entry_of(d->job, &d->row, &d->record, &fresh, &e) < 0) {
        tokens_forget(d->engine->tokens, d->job->table->source, d->key);
        answer_all(d, TOKEN_PERSON, e.text);
        token_request_end(d);
    } else {
        tokens_put(d->engine->tokens, d->job->table->source, d->key, &fresh);
        token_request_settle(d);
    }
}

static void token_request_read_done(void *arg, int result, const struct error *e)
{
    struct token_request *d = arg;
    d->reading = false;
    loop_cancel(&d->timer);
    if (result < 0) {
        d->ahead = false;
        answer_from_memory(d, TOKEN_AWAY, e->text);
        token_request_end(d);
    } else if (d->found && must_look(d)) {
        d->looked = d->reading = true;
        discovery_one(d->job, d->key, token_request_looked, d);
    } else {
        token_request_take(d);
    }
}

static void slow(void *ctx)
{
    struct token_request *d = ctx;
    const struct token_entry *t = remembered(d);
    d->timer = NULL;
    for (struct token_waiter *a = d->waiters, *next; a && t; a = next) {
        next = a->next;
        if (token_judge(d->job, t, &a->requirement, false) == VERDICT_SERVE)
            token_request_serve(a, t);
    }
}

static void token_request_read_again(void *ctx)
{
    struct token_request *d = ctx;
    d->timer = NULL;
    if (!d->waiters && !d->ahead) {
        token_request_end(d);
        return;
    }
    row_done(&d->row);
    record_done(&d->record);
    memset(&d->row, 0, sizeof d->row);
    memset(&d->record, 0, sizeof d->record);
    d->known = d->found = false;
    d->standing = (struct standing){0};
    d->reading = true;
    d->timer = loop_after(d->engine->loop, SLOW_READ_MS, slow, d);
    engine_read(d->engine, token_request_read_work, d, token_request_read_done);
}

/* ---- requests ---- */

static struct token_request *token_request_of(struct engine *e, const struct job *j, const char *key)
{
    for (struct token_request *d = e->token_requests; d; d = d->next)
        if (d->job == j && strcmp(d->key, key) == 0)
            return d;
    return NULL;
}

static struct token_request *token_request_new(struct engine *e, struct job *j, const char *key)
{
    struct token_request *d = xcalloc(1, sizeof *d);
    d->engine = e;
    d->job = j;
    d->key = xstrdup(key);
    d->next = e->token_requests;
    e->token_requests = d;
    e->busy++;
    return d;
}

/* Whether what is remembered may be older than what the requirement tells of. */
static bool may_be_behind(const struct token_entry *t, const struct token_requirement *w)
{
    return w->refused &&
           (t->generation < w->refused_generation || (t->generation == w->refused_generation && !w->refused_token));
}

static void read_ahead(struct engine *e, struct job *j, const char *key)
{
    if (token_request_of(e, j, key))
        return;
    struct token_request *d = token_request_new(e, j, key);
    d->ahead = true;
    token_request_read_again(d);
}

/* It was read a moment ago and is used. */
static bool answered_at_once(struct engine *e, struct job *j, const char *key, const struct token_requirement *w,
                             token_done done, void *ctx)
{
    const struct token_entry *t = tokens_get(e->tokens, j->table->source, key);
    struct token_answer said;
    int64_t age = t ? clock_boot_ms() - t->read_ms : 0;
    if (!t || age >= FRESH_MS || may_be_behind(t, w) || token_judge(j, t, w, true) != VERDICT_SERVE)
        return false;
    token_request_fill(t, &said);
    said.status = TOKEN_SERVED;
    if (age >= AHEAD_MS)
        read_ahead(e, j, key); /* its answer comes later: the texts stay */
    done(ctx, &said);          /* the caller's key may be freed with it */
    return true;
}

void engine_token(struct engine *e, struct job *j, const char *key, const struct token_requirement *w,
                  token_done done, void *ctx)
{
    if (e->stopping || !j->table) {
        const struct token_answer said = {.status = TOKEN_AWAY,
                                          .retry_after = 1,
                                          .why = e->stopping ? "renewd is stopping"
                                                             : "the job's table has not been read yet"};
        done(ctx, &said);
        return;
    }
    if (answered_at_once(e, j, key, w, done, ctx))
        return;
    struct token_request *d = token_request_of(e, j, key);
    bool fresh = !d;
    if (fresh)
        d = token_request_new(e, j, key);
    struct token_waiter *a = xcalloc(1, sizeof *a);
    *a = (struct token_waiter){.request = d,
                               .requirement = *w,
                               .done = done,
                               .ctx = ctx,
                               .next = d->waiters,
                               .refused_token = secret_from_text(w->refused_token)};
    a->requirement.refused_token = secret_text(a->refused_token);
    a->until_ms = clock_boot_ms() + w->wait_ms;
    a->timer = loop_after(e->loop, w->wait_ms < w->serve_ms ? w->wait_ms : w->serve_ms, token_request_waited, a);
    d->waiters = a;
    if (fresh)
        token_request_read_again(d);
}

void token_requests_free(struct engine *e)
{
    while (e->token_requests) {
        answer_all(e->token_requests, TOKEN_AWAY, "renewd is stopping");
        token_request_free(e->token_requests);
    }
}
