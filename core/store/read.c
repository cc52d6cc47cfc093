/* SPDX-License-Identifier: MIT
 * Reads records for operators: in pages by key, one by one, counted by state. Reads renewd's own rows only; they
 * contain no token.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/db/parameters.h"
#include "core/rules/outcome.h"
#include "core/store/record_row.h"
#include "core/store/store.h"

enum { STATES = 16, COUNTS_SQL_MAX = 4096 };

/* rules/record.h: record_shown. */
static void sql_append_shown(struct buf *sql)
{
    buf_printf(sql,
               "CASE WHEN hash = '' AND state <> %d THEN %d"
               " WHEN state <> %d AND NOT (state = %d AND coalesce(last_code, '') <> '" CODE_ROW "') THEN state"
               " WHEN state = %d AND without_credential <> 0 THEN %d"
               " WHEN expires_at > 0 AND expires_at <= %" PRId64 " THEN %d ELSE state END",
               STATE_PENDING, STATE_DISCONNECTED, STATE_OK, STATE_MISCONFIGURED, STATE_OK, STATE_WITHOUT_CREDENTIAL,
               clock_now(), STATE_EXPIRED);
}

static void sql_append_query(const struct records_query *q, struct args *a, struct buf *sql)
{
    buf_text(sql, "SELECT ");
    record_columns("", sql);
    buf_printf(sql, " FROM {records} WHERE source = $%d", args_text(a, q->source));
    if (q->state) {
        buf_text(sql, " AND ");
        sql_append_shown(sql);
        buf_printf(sql, " = %d", q->state);
        if (q->state > STATE_OK && q->state <= STATE_PAUSED) /* for its index */
            buf_printf(sql, " AND state = %d", q->state);
    }
    if (q->owner)
        buf_printf(sql, " AND owner = $%d", args_text(a, q->owner));
    if (q->after)
        buf_printf(sql, " AND rkey > $%d", args_text(a, q->after));
    buf_printf(sql, " ORDER BY rkey LIMIT $%d", args_number(a, (int64_t)q->limit));
}

int store_records(struct db *db, const struct records_query *q, struct record **ret, size_t *ret_count,
                  struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;
    cleanup(buf_done) struct buf sql = {0};

    buf_init(&sql, 4096);
    sql_append_query(q, &a, &sql);
    int r = db_exec(db, sql.data, a.params, a.count, &found, e);
    if (r < 0)
        return r;
    *ret_count = db_rows(found);
    *ret = xcalloc(*ret_count + 1, sizeof(**ret));
    for (size_t i = 0; i < *ret_count; i++)
        record_from_result(found, i, 0, &(*ret)[i]);
    return 0;
}

int store_record(struct db *db, const char *source, const char *key, struct record *ret, struct error *e)
{
    const char *texts[] = {source, key};
    cleanup(db_result_free_p) struct db_result *found = NULL;
    cleanup(buf_done) struct buf sql = {0};

    buf_init(&sql, 4096);
    buf_text(&sql, "SELECT ");
    record_columns("", &sql);
    buf_text(&sql, " FROM {records} WHERE source = $1 AND rkey = $2");
    int r = db_run(db, sql.data, texts, 2, &found, e);
    if (r < 0)
        return r;
    if (db_rows(found) == 0)
        return error_set(e, -ENOENT, "record %s is not known", key);
    record_from_result(found, 0, 0, ret);
    return 0;
}

void records_free(struct record *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        record_done(&list[i]);
    free(list);
}

int store_unreadable(struct db *db, const char *source, int64_t *ret, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *found = NULL;

    args_text(&a, source);
    args_number(&a, STATE_MISCONFIGURED);
    int r = db_exec(db, "SELECT count(*) FROM {records} WHERE source = $1 AND state = $2 AND last_code = 'row'",
                    a.params, a.count, &found, e);
    if (r == 0)
        *ret = db_integer(found, 0, 0);
    return r;
}

int store_state_counts(struct db *db, const char *source, int64_t counts[STATES], struct error *e)
{
    cleanup(db_result_free_p) struct db_result *found = NULL;
    cleanup(buf_done) struct buf sql = {0};
    int64_t now = clock_now();

    buf_init(&sql, COUNTS_SQL_MAX);
    buf_text(&sql, "SELECT ");
    sql_append_shown(&sql);
    buf_printf(
        &sql,
        " AS shown, count(*), sum(CASE WHEN state <> %d AND state <> %d AND without_credential = 0 AND point > 0 AND"
        " ((expires_at > 0 AND expires_at <= %" PRId64 ") OR (latest > 0 AND latest <= %" PRId64 "))"
        " THEN 1 ELSE 0 END) FROM {records} WHERE source = $1 GROUP BY 1",
        STATE_RECONNECT, STATE_PAUSED, now, now);
    int r = db_run(db, sql.data, &source, 1, &found, e);

    if (r < 0)
        return r;
    memset(counts, 0, STATES * sizeof(*counts));
    for (size_t i = 0; i < db_rows(found); i++) {
        int64_t state = db_integer(found, i, 0), count = db_integer(found, i, 1);
        counts[0] += count;
        counts[COUNT_OVERDUE] += db_integer(found, i, 2);
        if (state > 0 && state <= STATE_DISCONNECTED)
            counts[state] = count;
    }
    return 0;
}

/* Of records whose rows are the job's and hold a credential: the others are asked no more. */
#define ASKED " AND hash <> '' AND without_credential = 0"

int store_failing(struct db *db, const char *source, struct failing_seen *ret, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *fine = NULL, *count = NULL, *last = NULL;
    int r = db_run(db, "SELECT 1 FROM {records} WHERE source = $1 AND last_outcome = 1" ASKED " LIMIT 1", &source,
                   1, &fine, e);
    if (r < 0 || db_rows(fine))
        return r;
    r = db_run(db, "SELECT count(*) FROM {records} WHERE source = $1 AND last_outcome > 1 AND last_at > 0" ASKED,
               &source, 1, &count, e);
    if (r < 0 || !db_integer(count, 0, 0))
        return r;
    r = db_run(db,
               "SELECT last_code, last_text FROM {records} WHERE source = $1 AND last_outcome > 1" ASKED
               " ORDER BY last_at DESC, rkey LIMIT 1",
               &source, 1, &last, e);
    if (r < 0 || !db_rows(last))
        return r;
    ret->records = db_integer(count, 0, 0);
    ret->code = db_copy(last, 0, 0);
    ret->text = db_copy(last, 0, 1);
    return 0;
}

void failing_seen_done(struct failing_seen *f)
{
    free(f->code);
    free(f->text);
}
