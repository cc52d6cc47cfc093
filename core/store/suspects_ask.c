/* SPDX-License-Identifier: MIT
 * The part of suspects.h that finds records to try: canaries of a held job, and witnesses ahead of their time; also
 * what a start or a reload finds.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/store/suspects_internal.h"

enum { MINUTE_MS = 60000, DAY_MS = 24 * 3600 * 1000 };

int store_breaker_read(struct db *db, const struct breaker_key *k, struct breaker_row *ret, struct error *e)
{
    return breaker_load(db, k, false, ret, e);
}

/* Suspects under other settings only start again. */
int store_breaker_free(struct db *db, const struct breaker_key *k, int64_t now, int64_t *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *freed = NULL;
    breaker_args(k, &a);
    args_text(&a, k->source);
    args_number(&a, now / 1000);
    int res = db_exec(db,
                      "UPDATE {records} SET not_before = 0, due_at = point WHERE source = $3 AND state = 5"
                      " AND due_at > 0 AND point > 0 AND not_before > $4 AND NOT EXISTS (SELECT 1 FROM {suspects} s"
                      " WHERE s.job = $1 AND s.settings = $2 AND s.fingerprint = {records}.fingerprint"
                      " AND s.ended_at = 0)",
                      a.params, a.count, &freed, e);
    if (res == 0)
        *ret = (int64_t)db_affected(freed);
    return res;
}

static int ask_forget_old(struct db *db, const struct breaker_key *k, int64_t now, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    args_text(&a, k->job);
    args_number(&a, now - DAY_MS);
    args_number(&a, now - 90 * (int64_t)DAY_MS);
    return db_exec(db,
                   "DELETE FROM {suspects} WHERE job = $1 AND ((ended_at > 0 AND ended_at < $2) OR asked_at < $3)",
                   a.params, a.count, NULL, e);
}

static int open_all(struct db *db, const struct breaker_key *k, int64_t now, struct breaker_row *ret,
                    struct error *e)
{
    cleanup(args_done) struct args a = {0};
    int64_t freed;
    breaker_args(k, &a);
    int res = db_exec(db,
                      "INSERT INTO {breakers} (job, settings) VALUES ($1, $2)"
                      " ON CONFLICT (job, settings) DO NOTHING",
                      a.params, a.count, NULL, e);
    if (res == 0)
        res = store_breaker_free(db, k, now, &freed, e);
    if (res == 0)
        res = ask_forget_old(db, k, now, e);
    return res < 0 ? res : breaker_load(db, k, false, ret, e);
}

int store_breaker_open(struct db *db, const struct breaker_key *k, int64_t now, struct breaker_row *ret,
                       struct error *e)
{
    int res = db_begin(db, e);
    if (res < 0)
        return res;
    res = open_all(db, k, now, ret, e);
    if (res == 0)
        res = db_commit(db, e);
    db_rollback(db);
    return res;
}

/* ---- canaries ---- */

/* The next one by its fingerprint, which is a keyed hash: suspects, and those of which nothing is known yet. */
static int find_canary(struct db *db, const struct breaker_key *k, bool again, int64_t now, char **ret_key,
                       char **ret_fingerprint, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    breaker_args(k, &a);
    args_text(&a, k->source);
    args_number(&a, now / 1000);
    int res =
        db_exec(db,
                again ? "SELECT rkey, fingerprint FROM {records} WHERE source = $3 AND point > 0 AND earliest <= $4"
                        " AND without_credential = 0 AND fingerprint > '' AND state NOT IN (4, 7, 8)"
                        " AND (state = 5 OR (ok_under <> $2 AND point <= $4)) AND $1 <> ''"
                        " ORDER BY fingerprint LIMIT 1"
                      : "SELECT rkey, fingerprint FROM {records} WHERE source = $3 AND point > 0 AND earliest <= $4"
                        " AND without_credential = 0 AND state NOT IN (4, 7, 8)"
                        " AND (state = 5 OR (ok_under <> $2 AND point <= $4)) AND fingerprint >"
                        " (SELECT canary_after FROM {breakers} WHERE job = $1 AND settings = $2)"
                        " ORDER BY fingerprint LIMIT 1",
                a.params, a.count, &r, e);
    if (res < 0 || !db_rows(r))
        return res;
    *ret_key = xstrdup(db_text(r, 0, 0));
    *ret_fingerprint = xstrdup(db_text(r, 0, 1));
    return 0;
}

static int canary_turn(struct db *db, const struct breaker_key *k, int64_t now, int64_t repeat_ms,
                       struct breaker_row *ret, char **ret_key, bool *ret_alarm, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(free_p) char *fingerprint = NULL;
    int res = breaker_load(db, k, true, ret, e);
    if (res < 0)
        return res;
    *ret_alarm = suspect_alarm_again(&ret->state, repeat_ms, now);
    bool turn = suspect_canary(&ret->state, now);
    if (!turn && !*ret_alarm)
        return 0;
    res = breaker_save(db, k, ret, e);
    if (res == 0 && turn)
        res = find_canary(db, k, false, now, ret_key, &fingerprint, e);
    if (res == 0 && turn && !*ret_key)
        res = find_canary(db, k, true, now, ret_key, &fingerprint, e);
    if (res < 0 || !fingerprint)
        return res;
    breaker_args(k, &a);
    args_text(&a, fingerprint);
    return db_exec(db, "UPDATE {breakers} SET canary_after = $3 WHERE job = $1 AND settings = $2", a.params,
                   a.count, NULL, e);
}

int store_breaker_canary(struct db *db, const struct breaker_key *k, int64_t now, int64_t repeat_ms,
                         struct breaker_row *ret, char **ret_key, bool *ret_alarm, struct error *e)
{
    int res = db_begin(db, e);
    if (res < 0)
        return res;
    res = canary_turn(db, k, now, repeat_ms, ret, ret_key, ret_alarm, e);
    if (res == 0)
        res = db_commit(db, e);
    db_rollback(db);
    return res;
}

/* ---- witnesses ---- */

static int ask_count_waiting(struct db *db, const struct breaker_key *k, int64_t *ret, int64_t *ret_asked_at,
                             struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    breaker_args(k, &a);
    int res = db_exec(db,
                      "SELECT b.witness_at, (SELECT count(*) FROM (SELECT 1 FROM {suspects} s WHERE s.job = $1"
                      " AND s.settings = $2 AND s.ended_at = 0 AND s.dead_grant = 1 AND s.told_at = 0"
                      " AND s.since >= b.success_at LIMIT 1) x)"
                      " FROM {breakers} b WHERE b.job = $1 AND b.settings = $2",
                      a.params, a.count, &r, e);
    if (res == 0 && db_rows(r)) {
        *ret_asked_at = db_integer(r, 0, 0);
        *ret = db_integer(r, 0, 1);
    }
    return res;
}

/* The record that was refreshed longest ago. */
static int find_witness(struct db *db, const struct breaker_key *k, int64_t now, char **ret_key, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    args_text(&a, k->settings);
    args_text(&a, k->source);
    args_number(&a, now / 1000);
    int res = db_exec(db,
                      "SELECT rkey FROM {records} WHERE source = $2 AND ok_under = $1 AND state = 1 AND point > 0"
                      " AND earliest <= $3 AND without_credential = 0 ORDER BY ok_at, rkey LIMIT 1",
                      a.params, a.count, &r, e);
    if (res == 0 && db_rows(r))
        *ret_key = xstrdup(db_text(r, 0, 0));
    return res;
}

int store_breaker_witness(struct db *db, const struct breaker_key *k, int64_t now, char **ret_key,
                          int64_t *ret_wait_ms, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *taken = NULL;
    int64_t waiting = 0, asked_at = 0;
    int res = ask_count_waiting(db, k, &waiting, &asked_at, e);
    if (res < 0 || !waiting)
        return res;
    if (asked_at + MINUTE_MS > now && asked_at <= now) {
        *ret_wait_ms = asked_at + MINUTE_MS - now;
        return 0;
    }
    breaker_args(k, &a);
    args_number(&a, now);
    args_number(&a, asked_at);
    res = db_exec(db, "UPDATE {breakers} SET witness_at = $3 WHERE job = $1 AND settings = $2 AND witness_at = $4",
                  a.params, a.count, &taken, e);
    return res < 0 || !db_affected(taken) ? res : find_witness(db, k, now, ret_key, e);
}

/* ---- for operators ---- */

int store_breakers_held(struct db *db, int64_t now, struct held_job **ret, size_t *ret_count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    args_number(&a, now - 60 * MINUTE_MS);
    int res = db_exec(db,
                      "SELECT b.job, b.settings, b.held_at, (SELECT count(*) FROM (SELECT 1 FROM {suspects} s"
                      " WHERE s.job = b.job AND s.settings = b.settings AND s.ended_at = 0 AND s.asked_at > $1"
                      " LIMIT 1) x) FROM {breakers} b",
                      a.params, a.count, &r, e);
    if (res < 0)
        return res;
    *ret_count = db_rows(r);
    *ret = xcalloc(*ret_count + 1, sizeof **ret);
    for (size_t i = 0; i < *ret_count; i++)
        (*ret)[i] = (struct held_job){xstrdup(db_text(r, i, 0)), xstrdup(db_text(r, i, 1)),
                                      db_integer(r, i, 2) != 0, db_integer(r, i, 3) != 0};
    return 0;
}

void held_jobs_free(struct held_job *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++) {
        free(list[i].job);
        free(list[i].settings);
    }
    free(list);
}
