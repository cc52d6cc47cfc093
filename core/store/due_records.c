/* SPDX-License-Identifier: MIT
 * See due_records.h.
 */
#include "core/store/due_records.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/db/parameters.h"
#include "core/rules/outcome.h"
#include "core/store/claim_internal.h"

_Static_assert(STATE_OK == 1 && STATE_RETRYING == 2 && STATE_MISCONFIGURED == 5 && STATE_PENDING == 7,
               "the index of records in trouble names these states");

/* By the index on (source, point). */
static int due_count_waiting(struct db *db, const struct claim_request *q, struct left *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, CLAIM_SQL_MAX);
    buf_printf(&sql,
               "SELECT count(*), coalesce(min(x.not_before), 0),"
               " coalesce(sum(CASE WHEN x.state IN (2, 5) THEN 1 ELSE 0 END), 0)"
               " FROM (SELECT r.not_before, r.state FROM {records} r WHERE r.source = $%d AND r.point > 0"
               " AND r.point <= %" PRId64 " AND r.state <> 4 AND r.state <> 7 AND r.state <> 8"
               " AND r.not_before > %" PRId64 " AND r.without_credential = 0",
               args_text(&a, q->table->source), q->now, q->real_now ? q->real_now : q->now);
    claim_put_most(q, &sql);
    buf_text(&sql, ") x");
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res < 0)
        return res;
    ret->waiting = db_integer(r, 0, 0);
    ret->next_at = db_integer(r, 0, 1);
    ret->own = db_integer(r, 0, 2);
    return 0;
}

static int count_trouble(struct db *db, const struct claim_request *q, struct left *ret, struct error *e)
{
    const char *texts[] = {q->table->source};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, CLAIM_SQL_MAX);
    buf_text(&sql, "SELECT coalesce(sum(CASE WHEN state = 5 AND last_code = 'row' THEN 1 ELSE 0 END), 0),"
                   " coalesce(sum(CASE WHEN state = 5 AND coalesce(last_code, '') <> 'row' THEN 1 ELSE 0 END), 0),"
                   " coalesce(sum(CASE WHEN state = 7 THEN 1 ELSE 0 END), 0)"
                   " FROM (SELECT state, last_code FROM {records} WHERE source = $1 AND state <> 1 AND (state = 5 OR state = 7)");
    claim_put_most(q, &sql);
    buf_text(&sql, ") x");
    int res = db_run(db, sql.data, texts, 1, &r, e);
    if (res < 0)
        return res;
    ret->unreadable = db_integer(r, 0, 0);
    ret->refused = db_integer(r, 0, 1);
    ret->pending = db_integer(r, 0, 2);
    return 0;
}

/* Both at the same moment. A claim moves due_at, so the point is used. */
static int count_due(struct db *db, const struct claim_request *q, struct left *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    struct claim_request by_point = *q;
    if (q->mode == CLAIM_AUTO)
        by_point.next_tick = 0;
    by_point.mode = CLAIM_TICK;
    buf_init(&sql, CLAIM_SQL_MAX);
    buf_printf(
        &sql,
        "SELECT count(*), coalesce(sum(CASE WHEN x.lease_until >= %s AND"
        " (SELECT 1 FROM {attempts} h WHERE h.attempt_id = x.attempt_id) IS NULL THEN 1 ELSE 0 END), 0)"
        " FROM (SELECT c.lease_until, c.attempt_id FROM {records} r LEFT JOIN {credentials} c ON c.fingerprint = r.fingerprint WHERE ",
        db_now(db));
    claim_put_due(db, &by_point, true, &a, &sql);
    claim_put_alive(&by_point, &sql);
    claim_put_most(q, &sql);
    buf_text(&sql, ") x");
    int res = db_exec(db, sql.data, a.params, a.count, &r, e);
    if (res < 0)
        return res;
    ret->elsewhere = db_integer(r, 0, 1);
    ret->due = db_integer(r, 0, 0) - ret->elsewhere;
    return 0;
}

int store_left(struct db *db, const struct claim_request *q, struct left *ret, struct error *e)
{
    *ret = (struct left){0};
    int res = count_due(db, q, ret, e);
    if (res >= 0)
        res = due_count_waiting(db, q, ret, e);
    return res < 0 ? res : count_trouble(db, q, ret, e);
}

int store_left_empty(struct db *db, const char *source, struct left *io, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *r = NULL;
    int res =
        db_run(db, "SELECT count(*) FROM {records} WHERE source = $1 AND without_credential <> 0 AND hash <> ''",
               &source, 1, &r, e);
    if (res >= 0)
        io->without_credential = db_integer(r, 0, 0);
    return res;
}

int store_trouble(struct db *db, const char *source, size_t limit, char ***ret, size_t *ret_count, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    args_text(&a, source);
    args_number(&a, (int64_t)limit);
    int res = db_exec(db,
                      "SELECT rkey FROM {records} WHERE source = $1 AND state <> 1"
                      " ORDER BY state DESC, rkey LIMIT $2",
                      a.params, a.count, &r, e);
    if (res < 0)
        return res;
    *ret = xcalloc(db_rows(r) + 1, sizeof **ret);
    for (size_t i = 0; i < db_rows(r); i++)
        (*ret)[(*ret_count)++] = xstrdup(db_text(r, i, 0));
    return 0;
}
