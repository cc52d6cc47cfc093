/* SPDX-License-Identifier: MIT
 * Checks a claim before it becomes an attempt: the row as it is now is compared with the row that renewd knew when
 * it claimed. If the row is gone, or holds another credential, the claim is given back, and a new one is made for
 * the present credential (rule 1).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "core/engine/commit/commit.h"
#include "core/engine/discover/discover.h"
#include "core/engine/refresh/refresh.h"
#include "core/engine/rows/rows.h"
#include "core/rules/outcome.h"

/* True when the row still is what was claimed; then the record is updated from it. */
static bool still_valid(struct job *j, struct claimed *c)
{
    if (!c->row_found || row_is_filtered_out(j, &c->row, &c->record))
        return false;
    if (strcmp(c->row.hash, c->record.hash) == 0)
        return true;
    struct record now;
    interpret_row(j, &c->row, &c->record, &now, NULL);
    bool same = strcmp(now.fingerprint, c->record.fingerprint) == 0 && now.last_code == NULL && now.point;
    if (same) {
        record_done(&c->record);
        c->record = now;
    } else {
        record_done(&now);
    }
    return same;
}

/* The row still holds the token that the provider rejected. */
static bool still_refused(const struct run *r, const struct record *rec, const struct row_values *v)
{
    int slot = plugin_slot(r->job->config->plugin, "access_token");
    const struct token_held held = {slot < 0 ? NULL : v->list[slot].text, rec->generation, rec->ok_at,
                                    rec->first_seen};
    int64_t now = clock_now();
    return now >= rec->window.earliest && now >= rec->not_before && token_refused(&r->requirement, &held, now);
}

/* Its time may be moved; its backoff stays. */
static bool waits(const struct run *r, const struct record *rec)
{
    bool own = rec->state == STATE_RETRYING || rec->state == STATE_MISCONFIGURED;
    return rec->not_before > clock_now() && !(r->impatient && own);
}

static bool still_due(const struct run *r, const struct record *rec, const struct row_values *v)
{
    struct due d = {
        .window = rec->window,
        .point = r->mode == CLAIM_AUTO ? record_due_at(rec) : rec->point,
        .ok_at = rec->ok_at,
        .not_before = waits(r, rec) ? INT64_MAX : 0,
        .expires_at = rec->expires_at,
        .life = rec->life,
    };
    int64_t now = clock_due();
    switch (r->mode) {
    case CLAIM_MANUAL:
        return due_by_hand(&d, now);
    case CLAIM_DEMAND:
        return (r->requirement.min_valid >= 0 && due_on_demand(&d, now, r->requirement.min_valid)) ||
               (r->requirement.as_tick && due_tick(&d, now, r->tick, r->next_tick)) || still_refused(r, rec, v);
    case CLAIM_TICK:
        return due_tick(&d, now, r->tick, r->next_tick);
    default:
        return due_auto(&d, now);
    }
}

/* Asks the plugin again, now, with the present row. */
static bool plugin_agrees(struct run *r, struct claimed *c)
{
    struct row_values v = {0};
    struct error e;
    if (row_values_decrypt(r->job, &c->row, &v, &e) < 0)
        return false;
    bool agrees = ask_refresh_window(r->job, &c->record, &c->row, &v, &e) == 0;
    if (agrees) {
        struct record *rec = &c->record;
        rec->point = window_point(&rec->window, rec->source, rec->key, rec->generation);
        agrees = still_due(r, rec, &v);
    }
    row_values_done(&v);
    return agrees;
}

static void claim_take_one(struct run *r, struct claimed *c, int64_t lease_boot_ms)
{
    struct job *j = r->job;
    r->returned -= r->returned > 0;
    if (!c->row_found || row_is_filtered_out(j, &c->row, &c->record)) { /* it must not be due again */
        c->record.window = (struct window){0};
        c->record.point = c->record.due_at = 0;
    }
    if (!still_valid(j, c)) {
        claim_release(j->engine, &c->record, c->attempt_id);
        discovery_one(j, c->record.key, NULL, NULL);
        return;
    }
    if (!plugin_agrees(r, c)) {
        record_schedule(j, &c->record);
        claim_release(j->engine, &c->record, c->attempt_id);
        if (!r->repeats || !map_get(r->repeats, c->record.key)) /* otherwise it is done */
            r->row.skipped++;
        return;
    }
    bool suspect = c->record.state == STATE_MISCONFIGURED || c->record.state == STATE_RECONNECT;
    bool named = r->mode == CLAIM_MANUAL && !r->general; /* a canary was not requested by a caller */
    if (suspect && c->unanswered && !j->safe && !named) {
        breaker_judge(j, r, c);
        return;
    }
    j->others = suspect ? 0 : j->others + 1;
    if (r->left != INT64_MAX) {
        r->left--;
        if (c->record.attempts)
            r->failing_left--;
    }
    attempt_begin(r, c, lease_boot_ms);
}

struct rehearse_task {
    struct run *run;
    struct claimed *list;
    size_t count;
    int64_t lease_boot_ms;
};

static void claim_take_all(struct run *r, struct claimed *list, size_t count, int64_t lease_boot_ms)
{
    r->claiming = true; /* an attempt that ends at once must not end the run during this loop */
    for (size_t i = 0; i < count; i++) {
        if (job_may_claim(r->job))
            claim_take_one(r, &list[i], lease_boot_ms);
        else
            claim_release(r->job->engine, &list[i].record, list[i].attempt_id);
    }
    claimed_free(list, count);
    r->claiming = false;
}

/* The database is not available, or the row is locked: its state is unknown, and no credential is spent for it. */
static void claim_not_now(struct run *r, struct claimed *list, size_t count, const char *why)
{
    struct engine *e = r->job->engine;
    for (size_t i = 0; i < count; i++)
        claim_release(e, &list[i].record, list[i].attempt_id);
    claimed_free(list, count);
    r->exhausted = true;
    if (engine_store_up(e))
        engine_blocked(e, "due records wait for the database", r->job->config->job, why);
}

static int rehearse_work(struct db *db, void *arg, struct error *e)
{
    struct rehearse_task *t = arg;
    const char *keys[CLAIM_BATCH];
    const struct job *j = t->run->job;
    size_t count = 0;
    int res = job_rights(db, j->config, j->table, true, e);
    if (res < 0 || j->table->own || j->table->unwritten)
        return res;
    while (count < t->count && count < CLAIM_BATCH) {
        keys[count] = t->list[count].record.key;
        count++;
    }
    return store_rehearse_any(db, j->table, keys, count, e);
}

static void rehearse_done(void *arg, int result, const struct error *e)
{
    struct rehearse_task *t = arg;
    struct run *r = t->run;
    struct job *j = r->job;
    r->claiming = false;
    j->claiming -= t->count;
    j->rehearsed = result >= 0;
    if (result == -EACCES)
        discovery_misfit(j, e->text); /* it continues soon after the GRANT */
    else if (result < 0 && result != -ENOENT && !store_passes(result))
        discovery_hold(j, e->text);
    if (store_passes(result))
        claim_not_now(r, t->list, t->count, e->text);
    else
        claim_take_all(r, t->list, t->count, t->lease_boot_ms);
    j->engine->claims--;
    free(t);
    job_pump(j);
}

/* list and its contents are taken over. */
void claims_take(struct run *r, struct claimed *list, size_t count, int64_t lease_boot_ms)
{
    struct job *j = r->job;
    if (j->rehearsed || !list[0].row_found) {
        claim_take_all(r, list, count, lease_boot_ms);
        return;
    }
    struct rehearse_task *t = xcalloc(1, sizeof *t);
    *t = (struct rehearse_task){r, list, count, lease_boot_ms};
    r->claiming = true; /* no further claim until it is known that the table can be written */
    j->claiming += count;
    j->engine->claims++;
    engine_async(j->engine, rehearse_work, t, rehearse_done);
}
