/* SPDX-License-Identifier: MIT
 * The bounded memory of tokens; see internal.h.
 */
#include "core/engine/refresh/refresh.h"
#include "core/engine/rows/rows.h"
#include "core/engine/tokens/internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/map.h"
#include "core/rules/outcome.h"

enum { TOKENS_MAX = 10000, HOLD_MS = 30000 };

struct tokens {
    struct map *by_name;
};

static char *cache_name_of(const char *source, const char *key)
{
    return xasprintf("%s\n%s", source, key);
}

static void entry_done(struct token_entry *e)
{
    secret_free(e->token);
    free(e->code);
    free(e->text);
    free(e->account);
}

static void entry_free(void *entry)
{
    if (!entry)
        return;
    entry_done(entry);
    free(entry);
}

struct tokens *tokens_new(void)
{
    struct tokens *t = xcalloc(1, sizeof *t);
    t->by_name = map_new();
    return t;
}

void tokens_free(struct tokens *t)
{
    if (!t)
        return;
    map_free(t->by_name, entry_free);
    free(t);
}

const struct token_entry *tokens_get(const struct tokens *t, const char *source, const char *key)
{
    cleanup(free_p) char *name = cache_name_of(source, key);
    return map_get(t->by_name, name);
}

const char *tokens_account(const struct tokens *t, const struct job *j, const char *key)
{
    const struct token_entry *e = j->table ? tokens_get(t, j->table->source, key) : NULL;
    return e ? e->account : NULL;
}

static bool same_token(const struct token_entry *a, const struct token_entry *b)
{
    return a->token && b->token && a->generation == b->generation &&
           strcmp(secret_text(a->token), secret_text(b->token)) == 0;
}

/* Inserted anew each time, so that the first entry of the map is the oldest one. */
void tokens_put(struct tokens *t, const char *source, const char *key, struct token_entry *e)
{
    cleanup(free_p) char *name = cache_name_of(source, key);
    const char *oldest;
    size_t cursor = 0;
    void *value;

    struct token_entry *before = map_remove(t->by_name, name);
    e->unchanged = before && same_token(before, e) && (before->unchanged || before->due.ok_at != e->due.ok_at);
    entry_free(before);
    if (map_count(t->by_name) >= TOKENS_MAX && map_next(t->by_name, &cursor, &oldest, &value)) {
        cleanup(free_p) char *gone = xstrdup(oldest);
        entry_free(map_remove(t->by_name, gone));
    }
    map_put(t->by_name, name, xmemdup(e, sizeof *e));
    memset(e, 0, sizeof *e);
}

void tokens_forget(struct tokens *t, const char *source, const char *key)
{
    cleanup(free_p) char *name = cache_name_of(source, key);
    entry_free(map_remove(t->by_name, name));
}

int token_entry_of(const struct job *j, const struct row *row, const struct record *rec, struct token_entry *ret,
                   struct error *e)
{
    int slot = plugin_slot(j->config->plugin, "access_token");
    struct row_values v = {0};
    int res = row_values_decrypt(j, row, &v, e);
    if (res < 0)
        return res;
    int64_t expires_at = j->expires_slot >= 0 ? v.list[j->expires_slot].number : 0;
    *ret = (struct token_entry){
        .token = slot >= 0 && v.list[slot].text ? secret_new(v.list[slot].text, v.list[slot].len) : NULL,
        .read_ms = clock_boot_ms(),
        .expires_at = expires_at,
        .generation = rec->generation,
        .first_seen = rec->first_seen,
        .due = {.window = rec->window,
                .point = rec->point,
                .ok_at = rec->ok_at,
                .not_before = rec->not_before,
                .expires_at = expires_at,
                .life = rec->life},
        .state = rec->state,
        .strikes = rec->strikes,
        .fine = rec->state != STATE_MISCONFIGURED && strcmp(rec->ok_under, j->settings_id) == 0,
        .without_credential = rec->without_credential,
        .code = xstrdup_or_null(rec->last_code),
        .text = xstrdup_or_null(rec->last_text),
        .account = xstrdup_or_null(rec->account),
    };
    row_values_done(&v);
    return 0;
}

/* The row as the commit has left it. */
static void row_after(const struct commit *c, struct row *ret)
{
    row_copy(ret, &c->row);
    for (size_t i = 0; i < c->write_count; i++) {
        const struct write *w = &c->writes[i];
        struct cell *cell = &ret->cells[w->column];
        wipe_free(cell->text);
        cell->text = w->text ? xstrndup(w->text, w->len) : NULL;
        cell->len = w->text ? w->len : 0;
    }
}

void tokens_follow(struct tokens *t, const struct job *j, const struct commit *c)
{
    struct token_entry fresh = {0};
    struct row row = {0};
    struct error e;
    bool known = false;

    if (!tokens_get(t, c->after.source, c->after.key))
        return;
    if (j && j->table == c->table && c->row.cells) {
        row_after(c, &row);
        known = token_entry_of(j, &row, &c->after, &fresh, &e) == 0;
        row_done(&row);
    }
    if (known)
        tokens_put(t, c->after.source, c->after.key, &fresh);
    else
        tokens_forget(t, c->after.source, c->after.key);
}

/* ---- what follows from it ---- */

bool token_lives(const struct token_entry *t, int64_t now)
{
    return t->token && (t->expires_at == 0 || t->expires_at > now);
}

static bool cache_wanted(const struct job *j, const struct token_entry *t, const struct token_requirement *w,
                         int64_t now)
{
    if (w->as_tick)
        return due_tick(&t->due, now, schedule_prev(j, now), schedule_next(j, now));
    return due_on_demand(&t->due, now, w->min_valid);
}

struct token_held token_held_of(const struct token_entry *t)
{
    return (struct token_held){secret_text(t->token), t->generation, t->due.ok_at, t->first_seen};
}

/* A repeated request for what was just brought would bring the same again. */
static bool just_brought(const struct token_entry *t, int64_t now)
{
    return t->unchanged && refreshed_just_now(t->due.ok_at, now);
}

static bool forced(const struct token_entry *t, int64_t now)
{
    return due_by_hand(&t->due, now) && now >= t->due.not_before && !just_brought(t, now);
}

static bool cache_stopped(const struct token_entry *t)
{
    return t->state == STATE_RECONNECT || t->state == STATE_PENDING || t->state == STATE_PAUSED ||
           t->without_credential;
}

int token_judge(const struct job *j, const struct token_entry *t, const struct token_requirement *w, bool may_try)
{
    int64_t now = clock_now();
    const struct token_held held = token_held_of(t);
    bool refused = token_refused(w, &held, now);

    if (may_try && !cache_stopped(t) && job_may_claim(j) && (t->fine || !breaker_holds(j)) &&
        pace_wait(&j->pace, clock_boot_ms()) < HOLD_MS &&
        (cache_wanted(j, t, w, now) || (refused && forced(t, now))))
        return VERDICT_TRY;
    if (refused)
        return VERDICT_REFUSE;
    return token_lives(t, now) && t->state != STATE_RECONNECT ? VERDICT_SERVE : VERDICT_REFUSE;
}

/* A database's message about a row may contain parts of it, and does not help a caller that asks for a token. */
static const char *text_for_caller(const struct token_entry *t)
{
    if (t->state == STATE_PENDING)
        return "the provider gave a new token, and the database refused to store it in the record's row; it is kept sealed "
               "and tried again every minute: renewctl parked lists it with the reason; correct the row or its table";
    if (t->code && (strcmp(t->code, "store") == 0 || strncmp(t->code, "effect:", 7) == 0))
        return "the provider answered, and the database refused what had to be written; renewctl show has the reason";
    return t->text;
}

static void cache_refuse_person(const struct token_entry *t, const char *why, struct token_answer *ret)
{
    ret->status = TOKEN_PERSON;
    ret->why = text_for_caller(t) ? text_for_caller(t) : why;
}

static int64_t cache_later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Refused, without a verdict yet: it is presented again automatically (rule 10). After strikes it needs a
 * person. */
static bool suspected(const struct job *j, const struct token_entry *t)
{
    return t->state == STATE_MISCONFIGURED && t->due.point &&
           !(j->config->strikes > 0 && t->strikes >= j->config->strikes);
}

static bool waits_for_canary(const struct job *j, const struct token_entry *t)
{
    return breaker_holds(j) && !t->fine;
}

static int64_t next_try(const struct job *j, const struct token_entry *t, bool refused, int64_t now)
{
    int64_t at = cache_later(t->due.not_before, t->due.window.earliest);
    if (refused && just_brought(t, now))
        at = cache_later(at, t->due.ok_at + FORCED_APART_S);
    int64_t paced = pace_wait(&j->pace, clock_boot_ms());

    if (waits_for_canary(j, t)) /* any record: its success makes all others due */
        at = cache_later(at, j->breaker.row.state.canary_at / 1000);
    if (paced >= HOLD_MS && now + paced / 1000 > at)
        at = now + paced / 1000;
    return at > now ? at - now : 1;
}

void token_refusal(const struct job *j, const struct token_entry *t, const struct token_requirement *w,
                   struct token_answer *ret)
{
    const struct token_held held = token_held_of(t);
    int64_t now = clock_now();
    bool refused = token_refused(w, &held, now);
    ret->state = t->state;
    ret->code = t->code;
    if (t->without_credential) {
        cache_refuse_person(t, "the record holds no credential to refresh with; its account has to be connected",
                            ret);
    } else if (t->state == STATE_RECONNECT) {
        cache_refuse_person(t, "its account has to be connected again", ret);
    } else if (t->state == STATE_MISCONFIGURED && !suspected(j, t)) {
        cache_refuse_person(t, "the job's settings or the record's row are wrong", ret);
    } else if (t->state == STATE_PENDING) {
        cache_refuse_person(t, NULL, ret);
    } else if (job_stands(j)) {
        ret->status = TOKEN_PERSON;
        ret->why = job_stands(j);
    } else if (j->paused) {
        ret->status = TOKEN_PERSON;
        ret->why = "the job is paused; resume it";
    } else {
        ret->status = TOKEN_LATER;
        ret->retry_after = next_try(j, t, refused, now);
        ret->why = t->text                  ? text_for_caller(t)
                   : waits_for_canary(j, t) ? j->breaker.row.why
                   : refused                ? "the provider refuses the access token, and there is no newer one now"
                                            : "there is no valid access token";
    }
}
