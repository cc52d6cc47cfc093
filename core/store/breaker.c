/* SPDX-License-Identifier: MIT
 * See breaker.h.
 */
#include "core/store/breaker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/domain/outcome.h"
#include "core/store/args.h"
#include "core/store/record_row.h"

enum { RUNS_BACK = 100, ANSWERS_MAX = 2000 };

void breaker_row_done(struct breaker_row *b)
{
    free(b->why);
    memset(b, 0, sizeof *b);
}

int store_breaker_read(struct db *db, const char *job, struct breaker_row *ret, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = db_run(db,
                     "SELECT breaker_held_at, breaker_since, breaker_next_at, breaker_asked_at,"
                     " breaker_tries, breaker_proved_at, breaker_why FROM {jobs} WHERE job = $1",
                     &job, 1, &r, e);
    if (res < 0)
        return res;
    if (!db_rows(r))
        return error_set(e, -ENOENT, "job %s is not known to the store", job);
    *ret = (struct breaker_row){
        .held_at = db_integer(r, 0, 0), .since = db_integer(r, 0, 1), .next_at = db_integer(r, 0, 2),
        .asked_at = db_integer(r, 0, 3), .tries = db_integer(r, 0, 4), .proved_at = db_integer(r, 0, 5),
        .why = db_text(r, 0, 6) ? xstrdup(db_text(r, 0, 6)) : NULL,
    };
    return 0;
}

int store_breaker_hold(struct db *db, const char *job, const struct breaker_row *b, bool *ret_first,
                       struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    args_text(&a, job);
    args_number(&a, b->held_at);
    args_number(&a, b->since);
    args_number(&a, b->next_at);
    args_text(&a, b->why);
    int res = db_exec(db,
                      "UPDATE {jobs} SET breaker_held_at = $2, breaker_since = $3, breaker_next_at = $4,"
                      " breaker_asked_at = $2, breaker_tries = 0, breaker_proved_at = 0, breaker_why = $5"
                      " WHERE job = $1 AND breaker_held_at = 0", a.params, a.count, &r, e);
    if (res == 0)
        *ret_first = db_affected(r) > 0;
    return res;
}

/* A statement on one name, with two times. */
static int query(struct db *db, const char *sql, const char *name, int64_t first, int64_t second,
                 struct db_result **ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    args_text(&a, name);
    args_number(&a, first);
    args_number(&a, second);
    return db_exec(db, sql, a.params, a.count, ret, e);
}

static int find_canary(struct db *db, const char *source, int64_t now, int64_t held_at, char **ret_key,
                       struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = query(db,
                    "SELECT rkey FROM {records} WHERE source = $1 AND point > 0 AND earliest <= $2"
                    " AND without_credential = 0 AND state <> 4 AND state <> 7 AND state <> 8"
                    " AND (point <= $2 OR state = 5 OR (state = 1 AND ok_at > 0))"
                    " ORDER BY CASE WHEN state = 1 AND ok_at > 0 THEN 0 ELSE 1 END,"
                    " CASE WHEN last_at > $3 THEN last_at ELSE 0 END, ok_at DESC, rkey LIMIT 1",
                    source, now, held_at, &r, e);
    if (res == 0 && db_rows(r))
        *ret_key = xstrdup(db_text(r, 0, 0));
    return res;
}

int store_breaker_turn(struct db *db, const char *job, const char *source, int64_t now, int64_t next_at,
                       char **ret_key, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = query(db,
                    "UPDATE {jobs} SET breaker_next_at = $3, breaker_asked_at = $2,"
                    " breaker_tries = breaker_tries + 1"
                    " WHERE job = $1 AND breaker_held_at > 0 AND breaker_next_at <= $2"
                    " RETURNING breaker_held_at", job, now, next_at, &r, e);
    if (res < 0 || !db_rows(r))
        return res;
    return find_canary(db, source, now, db_integer(r, 0, 0), ret_key, e);
}

static int ask_again(struct db *db, const char *source, int64_t since, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    args_text(&a, source);
    args_number(&a, since);
    return db_exec(db,
                   "UPDATE {records} SET not_before = 0, due_at = point WHERE source = $1 AND state = 5"
                   " AND point > 0 AND last_at >= $2", a.params, a.count, NULL, e);
}

int store_breaker_release(struct db *db, const char *job, const char *source, const struct breaker_row *b,
                          int64_t proved_at, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    args_text(&a, job);
    if (proved_at)
        args_number(&a, proved_at);
    int res = db_begin(db, e);
    if (res < 0)
        return res;
    res = db_exec(db,
                  proved_at ? "UPDATE {jobs} SET breaker_held_at = 0, breaker_proved_at = $2 WHERE job = $1"
                            : "UPDATE {jobs} SET breaker_held_at = 0 WHERE job = $1",
                  a.params, a.count, NULL, e);
    if (res == 0)
        res = ask_again(db, source, b->since, e);
    if (res == 0)
        res = db_commit(db, e);
    db_rollback(db);
    return res;
}

static int revive_all(struct db *db, const char *source, int64_t since, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    args_text(&a, source);
    args_number(&a, since);
    return db_exec(db,
                   "UPDATE {credentials} SET dead = 0 WHERE dead <> 0 AND fingerprint IN"
                   " (SELECT fingerprint FROM {records} WHERE source = $1 AND state = 4 AND last_at >= $2)",
                   a.params, a.count, NULL, e);
}

int store_breaker_condemned(struct db *db, const char *source, int64_t since, const char *after,
                            size_t limit, struct record **ret, size_t *ret_count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res = revive_all(db, source, since, e);
    if (res < 0)
        return res;
    args_text(&a, source);
    args_number(&a, since);
    args_text(&a, after);
    args_number(&a, (int64_t)limit);
    buf_init(&sql, 1 << 14);
    buf_text(&sql, "SELECT ");
    record_columns("", &sql);
    buf_text(&sql, " FROM {records} WHERE source = $1 AND state = 4 AND last_at >= $2"
                   " AND rkey > $3 ORDER BY rkey LIMIT $4");
    res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res < 0)
        return res;
    *ret_count = db_rows(r);
    *ret = xcalloc(*ret_count + 1, sizeof **ret);
    for (size_t i = 0; i < *ret_count; i++)
        record_from_result(r, i, 0, &(*ret)[i]);
    return 0;
}

int store_breaker_answers(struct db *db, const char *job, int64_t since, struct answer_row **ret,
                          size_t *ret_count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    args_text(&a, job);
    args_number(&a, since);
    args_number(&a, RUNS_BACK);
    args_number(&a, ANSWERS_MAX);
    int res = db_exec(db,
                      "SELECT rkey, outcome, finished_at FROM {attempts} WHERE finished_at >= $2"
                      " AND run_id IN (SELECT id FROM {runs} WHERE job = $1 ORDER BY id DESC LIMIT $3)"
                      " ORDER BY finished_at DESC LIMIT $4", a.params, a.count, &r, e);
    if (res < 0)
        return res;
    *ret_count = db_rows(r);
    *ret = xcalloc(*ret_count + 1, sizeof **ret);
    for (size_t i = 0, at = *ret_count; at-- > 0; i++)
        (*ret)[i] = (struct answer_row){.key = xstrdup(db_text(r, at, 0)),
                                        .outcome = outcome_from_name(db_text(r, at, 1)),
                                        .at = db_integer(r, at, 2)};
    return 0;
}

void answers_free(struct answer_row *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        free(list[i].key);
    free(list);
}
