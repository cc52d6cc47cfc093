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

static const struct token_entry *remembered(const struct token_request *q)
{
    return tokens_get(q->engine->tokens, q->job->table->source, q->key);
}

static void token_request_free(struct token_request *q)
{
    struct engine *e = q->engine;
    for (struct token_request **p = &e->token_requests; *p; p = &(*p)->next)
        if (*p == q) {
            *p = q->next;
            break;
        }
    loop_cancel(&q->timer);
    row_done(&q->row);
    record_done(&q->record);
    free(q->refused);
    free(q->key);
    free(q);
    e->busy--;
    engine_check_stopped(e);
}

/* ---- answers ---- */

static void token_request_answer(struct token_waiter *w, const struct token_answer *said)
{
    struct token_request *q = w->request;
    for (struct token_waiter **p = &q->waiters; *p; p = &(*p)->next)
        if (*p == w) {
            *p = w->next;
            break;
        }
    loop_cancel(&w->timer);
    w->done(w->ctx, said);
    secret_free(w->refused_token);
    free(w);
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

static void token_request_serve(struct token_waiter *w, const struct token_entry *t)
{
    struct token_answer said;
    token_request_fill(t, &said);
    said.status = TOKEN_SERVED;
    said.code = t->code;
    said.why = t->text;
    said.tried = w->tried;
    token_request_answer(w, &said);
}

static void token_request_refuse(struct token_waiter *w, const struct token_entry *t)
{
    struct token_answer said;
    token_request_fill(t, &said);
    token_refusal(w->request->job, t, &w->requirement, &said);
    said.tried = w->tried;
    if (said.status == TOKEN_LATER && w->request->refused)
        said.why = w->request->refused;
    token_request_answer(w, &said);
}

static void answer_all(struct token_request *q, int status, const char *why)
{
    const struct token_answer said = {.status = status, .why = why, .retry_after = 1};
    while (q->waiters)
        token_request_answer(q->waiters, &said);
}

/* Nothing new can be learned: the remembered token is served while it is valid. */
static void answer_from_memory(struct token_request *q, int status, const char *why)
{
    const struct token_entry *t = remembered(q);
    for (struct token_waiter *w = q->waiters, *next; w && t; w = next) {
        next = w->next;
        if (token_judge(q->job, t, &w->requirement, false) == VERDICT_SERVE)
            token_request_serve(w, t);
    }
    answer_all(q, status, why);
}

/* ---- limits of waiting ---- */

/* While the present token is valid it is served early; without one the caller waits as long as it asked. */
static void token_request_waited(void *ctx)
{
    struct token_waiter *w = ctx;
    struct token_request *q = w->request;
    const struct token_entry *t = remembered(q);
    int64_t now = clock_boot_ms();
    w->timer = NULL;
    if (t && token_judge(q->job, t, &w->requirement, false) == VERDICT_SERVE) {
        token_request_serve(w, t);
        return;
    }
    if (now < w->until_ms) {
        w->timer = loop_after(q->engine->loop, w->until_ms - now, token_request_waited, w);
        return;
    }
    struct token_answer said = {0};
    if (t)
        token_request_fill(t, &said);
    said.status = TOKEN_UNDER_WAY;
    said.retry_after = 1;
    said.why = q->running || q->standing.leased ? "the refresh is still under way; its result will be stored"
                                                : "the record could not be read in time; no refresh was started";
    token_request_answer(w, &said);
}

/* ---- the attempt ---- */

static void token_request_run_over(void *ctx, const struct run_result *r)
{
    struct token_request *q = ctx;
    bool nothing = !r->error && !r->why && !r->refreshed && !r->failed;
    q->running = false;
    free(q->refused);
    q->refused = xstrdup_or_null(r->why);
    q->barren = nothing ? q->barren + 1 : 0;
    if (q->barren >= BARREN_MAX)
        q->refused =
            xstrdup("no refresh of the record could be started now; ask again, or see renewctl explain for it");
    for (struct token_waiter *w = q->waiters; w && !nothing; w = w->next)
        w->tried = true;
    loop_cancel(&q->timer);
    q->timer = loop_after(q->engine->loop, nothing ? POLL_MS << q->barren : 0, token_request_read_again, q);
}

/* Of the callers that were refused the record's present token, one that knows the token is used for all. */
static void add_refused(const struct token_request *q, const struct token_waiter *w, struct token_requirement *io)
{
    const struct token_held held = token_held_of(remembered(q));
    if (!token_refused(&w->requirement, &held, clock_now()))
        return;
    io->refused = true;
    io->refused_generation = w->requirement.refused_generation;
    if (w->requirement.refused_token)
        io->refused_token = w->requirement.refused_token;
}

static void start_run(struct token_request *q)
{
    const char *keys[] = {q->key};
    struct token_requirement most = {.min_valid = -1};
    for (const struct token_waiter *w = q->waiters; w; w = w->next) {
        most.as_tick = most.as_tick || w->requirement.as_tick;
        if (!w->requirement.as_tick && w->requirement.min_valid > most.min_valid)
            most.min_valid = w->requirement.min_valid;
        add_refused(q, w, &most);
    }
    q->running = true;
    struct run *r =
        run_start(q->job, CLAIM_DEMAND, most.as_tick ? "function" : "demand", keys, 1, token_request_run_over, q);
    if (r)
        run_set_requirement(r, &most);
}

/* ---- reading ---- */

static int token_request_read_work(struct db *db, void *arg, struct error *e)
{
    struct token_request *q = arg;
    int res = store_row(db, q->job->table, q->key, &q->row, &q->record, &q->known, e);
    if (res == -ENOENT)
        return 0;
    q->found = res >= 0;
    if (res >= 0 && q->known)
        res = store_standing(db, q->record.fingerprint, q->job->safe, &q->standing, e);
    return res;
}

/* The credential's state counts, even if another record learned it. */
static void share_standing(struct token_request *q)
{
    struct record *r = &q->record;
    if (q->standing.hold_until > r->not_before)
        r->not_before = q->standing.hold_until;
    if (!q->standing.dead || r->state == STATE_RECONNECT || r->state == STATE_PENDING)
        return;
    r->state = STATE_RECONNECT;
    record_set_text(&r->last_text, NULL);
    if (engine_may_work(q->engine))
        share_dead_outcome(q->engine, r->fingerprint);
}

/* The credential is being presented, or it is spent and the newest one is on its way to its row: the request
 * waits. */
static bool in_other_hands(struct token_request *q)
{
    if (!q->standing.spent)
        return q->standing.leased;
    if (!q->carried && engine_may_work(q->engine))
        restore_newest_credential(q->engine, q->record.fingerprint);
    q->carried = true;
    return true;
}

static void token_request_end(struct token_request *q)
{
    if (!q->waiters && !q->running && !q->reading)
        token_request_free(q);
}

/* A refresh that ended well since the request counts as its own, whichever host made it, even if it brought the
 * same token again. */
static void note_refresh(struct token_waiter *w, const struct token_entry *t)
{
    if (w->looked && w->ok_at != t->due.ok_at) {
        w->tried = true;
        w->requirement.refused = false;
    }
    w->looked = true;
    w->ok_at = t->due.ok_at;
}

static void refuse_all(struct token_request *q, const struct token_entry *t)
{
    for (struct token_waiter *w = q->waiters, *next; w; w = next) {
        next = w->next;
        if (token_judge(q->job, t, &w->requirement, false) == VERDICT_SERVE)
            token_request_serve(w, t);
        else
            token_request_refuse(w, t);
    }
}

static void token_request_settle(struct token_request *q)
{
    const struct token_entry *t = remembered(q);
    bool try = false;
    for (struct token_waiter *w = q->waiters, *next; w; w = next) {
        next = w->next;
        note_refresh(w, t);
        switch (token_judge(q->job, t, &w->requirement, !w->tried)) {
        case VERDICT_SERVE:
            token_request_serve(w, t);
            break;
        case VERDICT_REFUSE:
            token_request_refuse(w, t);
            break;
        default:
            try = true;
        }
    }
    if (try && in_other_hands(q))
        q->timer = loop_after(q->engine->loop, POLL_MS, token_request_read_again, q);
    else if (try && q->barren >= BARREN_MAX)
        refuse_all(q, t);
    else if (try)
        start_run(q);
    token_request_end(q);
}

static void token_request_looked(void *ctx)
{
    struct token_request *q = ctx;
    q->reading = false;
    token_request_read_again(q);
}

/* The row changed since it was last read: renewd's record of it is updated first. */
static bool must_look(const struct token_request *q)
{
    return !q->looked && engine_may_work(q->engine) && q->job->discovered && !q->job->removed &&
           (!q->known || strcmp(q->row.hash, q->record.hash) != 0);
}

static void token_request_take(struct token_request *q)
{
    struct token_entry fresh = {0};
    struct error e = {""};
    q->looked = q->ahead = false;
    if (q->known)
        share_standing(q);
    if (!q->found || !q->known || row_is_filtered_out(q->job, &q->row, &q->record)) {
        tokens_forget(q->engine->tokens, q->job->table->source, q->key);
        answer_all(q, TOKEN_UNKNOWN, NULL);
        token_request_end(q);
    } else if (token_entry_of(q->job, &q->row, &q->record, &fresh, &e) < 0) {
        tokens_forget(q->engine->tokens, q->job->table->source, q->key);
        answer_all(q, TOKEN_PERSON, e.text);
        token_request_end(q);
    } else {
        tokens_put(q->engine->tokens, q->job->table->source, q->key, &fresh);
        token_request_settle(q);
    }
}

static void token_request_read_done(void *arg, int result, const struct error *e)
{
    struct token_request *q = arg;
    q->reading = false;
    loop_cancel(&q->timer);
    if (result < 0) {
        q->ahead = false;
        answer_from_memory(q, TOKEN_AWAY, e->text);
        token_request_end(q);
    } else if (q->found && must_look(q)) {
        q->looked = q->reading = true;
        discovery_one(q->job, q->key, token_request_looked, q);
    } else {
        token_request_take(q);
    }
}

static void slow(void *ctx)
{
    struct token_request *q = ctx;
    const struct token_entry *t = remembered(q);
    q->timer = NULL;
    for (struct token_waiter *w = q->waiters, *next; w && t; w = next) {
        next = w->next;
        if (token_judge(q->job, t, &w->requirement, false) == VERDICT_SERVE)
            token_request_serve(w, t);
    }
}

static void token_request_read_again(void *ctx)
{
    struct token_request *q = ctx;
    q->timer = NULL;
    if (!q->waiters && !q->ahead) {
        token_request_end(q);
        return;
    }
    row_done(&q->row);
    record_done(&q->record);
    memset(&q->row, 0, sizeof q->row);
    memset(&q->record, 0, sizeof q->record);
    q->known = q->found = false;
    q->standing = (struct standing){0};
    q->reading = true;
    q->timer = loop_after(q->engine->loop, SLOW_READ_MS, slow, q);
    engine_read(q->engine, token_request_read_work, q, token_request_read_done);
}

/* ---- requests ---- */

static struct token_request *token_request_of(struct engine *e, const struct job *j, const char *key)
{
    for (struct token_request *q = e->token_requests; q; q = q->next)
        if (q->job == j && strcmp(q->key, key) == 0)
            return q;
    return NULL;
}

static struct token_request *token_request_new(struct engine *e, struct job *j, const char *key)
{
    struct token_request *q = xcalloc(1, sizeof *q);
    q->engine = e;
    q->job = j;
    q->key = xstrdup(key);
    q->next = e->token_requests;
    e->token_requests = q;
    e->busy++;
    return q;
}

/* Whether what is remembered may be older than what the requirement tells of. */
static bool may_be_behind(const struct token_entry *t, const struct token_requirement *need)
{
    return need->refused && (t->generation < need->refused_generation ||
                             (t->generation == need->refused_generation && !need->refused_token));
}

static void read_ahead(struct engine *e, struct job *j, const char *key)
{
    if (token_request_of(e, j, key))
        return;
    struct token_request *q = token_request_new(e, j, key);
    q->ahead = true;
    token_request_read_again(q);
}

/* It was read a moment ago and is used. */
static bool answered_at_once(struct engine *e, struct job *j, const char *key, const struct token_requirement *need,
                             token_done done, void *ctx)
{
    const struct token_entry *t = tokens_get(e->tokens, j->table->source, key);
    struct token_answer said;
    int64_t age = t ? clock_boot_ms() - t->read_ms : 0;
    if (!t || age >= FRESH_MS || may_be_behind(t, need) || token_judge(j, t, need, true) != VERDICT_SERVE)
        return false;
    token_request_fill(t, &said);
    said.status = TOKEN_SERVED;
    if (age >= AHEAD_MS)
        read_ahead(e, j, key); /* its answer comes later: the texts stay */
    done(ctx, &said);          /* the caller's key may be freed with it */
    return true;
}

void engine_token(struct engine *e, struct job *j, const char *key, const struct token_requirement *need,
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
    if (answered_at_once(e, j, key, need, done, ctx))
        return;
    struct token_request *q = token_request_of(e, j, key);
    bool fresh = !q;
    if (fresh)
        q = token_request_new(e, j, key);
    struct token_waiter *w = xcalloc(1, sizeof *w);
    *w = (struct token_waiter){.request = q,
                               .requirement = *need,
                               .done = done,
                               .ctx = ctx,
                               .next = q->waiters,
                               .refused_token = secret_from_text(need->refused_token)};
    w->requirement.refused_token = secret_text(w->refused_token);
    w->until_ms = clock_boot_ms() + need->wait_ms;
    w->timer = loop_after(e->loop, need->wait_ms < need->serve_ms ? need->wait_ms : need->serve_ms,
                          token_request_waited, w);
    q->waiters = w;
    if (fresh)
        token_request_read_again(q);
}

void token_requests_free(struct engine *e)
{
    while (e->token_requests) {
        answer_all(e->token_requests, TOKEN_AWAY, "renewd is stopping");
        token_request_free(e->token_requests);
    }
}
