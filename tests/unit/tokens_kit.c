/* SPDX-License-Identifier: MIT
 * See tokens_kit.h.
 */
#include "tests/unit/tokens_kit.h"

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

/* ---- the store ---- */

struct tokens_store store;

int store_row(struct db *db, const struct table *t, const char *key, struct row *ret_row, struct record *ret_record,
              bool *ret_known, struct error *e)
{
    (void)db;
    (void)e;
    store.reads++;
    *ret_known = store.token != NULL;
    if (!store.token)
        return -ENOENT;
    *ret_row = (struct row){.key = xstrdup(key), .cells = xcalloc(1, sizeof(struct cell)), .count = 1};
    ret_row->cells[0] = (struct cell){.text = xstrdup(store.token), .len = strlen(store.token)};
    *ret_record = (struct record){.source = xstrdup(t->source),
                                  .key = xstrdup(key),
                                  .generation = store.generation,
                                  .state = store.state,
                                  .ok_at = store.ok_at,
                                  .life = 3600,
                                  .last_text = store.text ? xstrdup(store.text) : NULL};
    memcpy(ret_record->ok_under, kit.job.settings_id, FINGERPRINT_SIZE);
    if (store.changed)
        strcpy(ret_record->hash, "older");
    return 0;
}

int store_standing(struct db *db, const char *fingerprint, bool safe, struct standing *ret, struct error *e)
{
    (void)db;
    (void)fingerprint;
    (void)safe;
    (void)e;
    *ret = store.standing;
    return 0;
}

/* ---- the rest of the engine ---- */

struct tokens_runs runs;
static struct run the_run;
int looks, restored, shared_dead;

struct run *run_start(struct job *j, int mode, const char *trigger, const char *const *keys, size_t count,
                      run_done done, void *ctx)
{
    (void)j;
    (void)trigger;
    CU_ASSERT_EQUAL(mode, CLAIM_DEMAND);
    CU_ASSERT_EQUAL(count, 1);
    CU_ASSERT_STRING_EQUAL(keys[0], "r1");
    runs.count++;
    runs.done = done;
    runs.ctx = ctx;
    return &the_run;
}

void run_set_requirement(struct run *r, const struct token_requirement *w)
{
    CU_ASSERT_PTR_EQUAL(r, &the_run);
    runs.wish = *w;
    runs.refused_token[0] = '\0';
    if (w->refused_token)
        strncat(runs.refused_token, w->refused_token, sizeof runs.refused_token - 1);
}

void run_brings(const char *token)
{
    const struct run_result r = {.id = 1, .refreshed = 1};
    CU_ASSERT_PTR_NOT_NULL_FATAL(runs.done);
    store.token = token;
    store.expires_at = clock_now() + 3600;
    store.ok_at = clock_now();
    store.generation++;
    runs.done(runs.ctx, &r);
}

void run_ends(const struct run_result *r)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(runs.done);
    runs.done(runs.ctx, r);
}

void discovery_one(struct job *j, const char *key, loop_fn *then, void *ctx)
{
    (void)j;
    (void)key;
    looks++;
    store.changed = false;
    loop_after(NULL, 10, then, ctx);
}

int row_values_decrypt(const struct job *j, const struct row *r, struct row_values *ret, struct error *e)
{
    (void)j;
    if (strcmp(r->cells[0].text, "damaged") == 0)
        return error_set(e, -EBADMSG, "the value does not open");
    ret->list = xcalloc(2, sizeof *ret->list);
    ret->list[0] = (struct slot_value){.text = r->cells[0].text, .len = r->cells[0].len};
    ret->list[1] = (struct slot_value){.number = store.expires_at};
    return 0;
}

void row_values_done(struct row_values *v)
{
    free(v->list);
}

int plugin_slot(const struct plugin *p, const char *name)
{
    (void)p;
    return strcmp(name, "access_token") == 0 ? 0 : -1;
}

bool row_is_filtered_out(const struct job *j, const struct row *row, const struct record *known)
{
    (void)j;
    (void)row;
    (void)known;
    return false;
}

void share_dead_outcome(struct engine *e, const char *fingerprint)
{
    (void)e;
    (void)fingerprint;
    shared_dead++;
}

void restore_newest_credential(struct engine *e, const char *fingerprint)
{
    (void)e;
    (void)fingerprint;
    restored++;
}

bool breaker_holds(const struct job *j)
{
    return j->breaker.row.state.held_at != 0;
}

int64_t schedule_prev(const struct job *j, int64_t now)
{
    (void)j;
    return now - now % 3600;
}

int64_t schedule_next(const struct job *j, int64_t now)
{
    return schedule_prev(j, now) + 3600;
}

/* ---- callers ---- */

static void answered(void *ctx, const struct token_answer *t)
{
    struct caller *c = ctx;
    c->answers++;
    c->status = t->status;
    c->state = t->state;
    c->tried = t->tried;
    c->retry_after = t->retry_after;
    c->token[0] = c->why[0] = '\0';
    strncat(c->token, t->access_token ? t->access_token : "", sizeof c->token - 1);
    strncat(c->why, t->why ? t->why : "", sizeof c->why - 1);
}

const struct token_requirement minutes5 = {.min_valid = 300, .serve_ms = 4500, .wait_ms = 30000};

void ask(struct caller *c, const struct token_requirement *w)
{
    memset(c, 0, sizeof *c);
    engine_token(&kit.engine, &kit.job, "r1", w, answered, c);
}

void asks(struct caller *c, const struct token_requirement *w)
{
    ask(c, w);
    kit_store_answers();
}

void got(const struct caller *c, int status, const char *token)
{
    CU_ASSERT_EQUAL(c->answers, 1);
    CU_ASSERT_EQUAL(c->status, status);
    CU_ASSERT_STRING_EQUAL(c->token, token);
}

void begin(int64_t life)
{
    kit_begin();
    memset(&store, 0, sizeof store);
    memset(&runs, 0, sizeof runs);
    looks = restored = shared_dead = 0;
    store.token = "old";
    store.expires_at = clock_now() + life;
    store.ok_at = clock_now() - 3600;
    store.generation = 1;
    store.state = STATE_OK;
    kit.job.expires_slot = 1;
    kit.engine.tokens = tokens_new();
}

void end(void)
{
    CU_ASSERT_PTR_NULL(kit.engine.token_requests);
    token_requests_free(&kit.engine);
    tokens_free(kit.engine.tokens);
    kit_end();
}
