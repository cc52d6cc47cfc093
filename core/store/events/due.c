/* SPDX-License-Identifier: MIT
 * Finds the records whose events are sent next, without a scan of all waiting events.
 */
#include <inttypes.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/store/events/internal.h"

/* If more than LOOK_AT events are due, those due first determine the records. If these are too few records, the
 * first RECORDS_AT records with events are queried one by one. */
enum { LOOK_AT = 2000, RECORDS_AT = 1000 };

static int due_first(struct db *db, const char *job, int64_t now, size_t limit, struct db_result **ret,
                     struct error *e)
{
    cleanup(buf_done) struct buf sql = {0};
    buf_init(&sql, EVENTS_SQL_MAX);
    buf_printf(&sql,
               "SELECT y.rkey, min(y.due_at), count(*) FROM (SELECT rkey, due_at FROM {events}"
               " WHERE job = $1 AND " EVENTS_OPEN " AND due_at <= %" PRId64,
               now);
    events_put_free(db, "", &sql);
    buf_printf(&sql, " ORDER BY due_at LIMIT %d) y GROUP BY y.rkey ORDER BY 2, 1 LIMIT %zu", LOOK_AT, limit);
    return db_run(db, sql.data, &job, 1, ret, e);
}

/* Steps from record to record in the index, however many events each has. */
static int due_by_record(struct db *db, const char *job, int64_t now, size_t limit, struct db_result **ret,
                         struct error *e)
{
    cleanup(buf_done) struct buf sql = {0};
    buf_init(&sql, EVENTS_SQL_MAX);
    buf_printf(&sql,
               "WITH RECURSIVE k(rkey, n) AS (SELECT min(rkey), 1 FROM {events} WHERE job = $1 AND"
               " " EVENTS_OPEN " UNION ALL SELECT (SELECT min(e.rkey) FROM {events} e WHERE e.job = $1"
               " AND e." EVENTS_OPEN " AND e.rkey > k.rkey), k.n + 1 FROM k"
               " WHERE k.rkey IS NOT NULL AND k.n < %d)"
               " SELECT x.rkey, x.at FROM (SELECT k.rkey, (SELECT e.due_at FROM {events} e"
               " WHERE e.job = $1 AND e.rkey = k.rkey AND e." EVENTS_OPEN,
               RECORDS_AT);
    events_put_free(db, "e.", &sql);
    buf_printf(&sql,
               " ORDER BY e.due_at, e.id LIMIT 1) AS at FROM k WHERE k.rkey IS NOT NULL) x WHERE x.at <= %" PRId64
               " ORDER BY 2, 1 LIMIT %zu",
               now, limit);
    return db_run(db, sql.data, &job, 1, ret, e);
}

static int next_due(struct db *db, const char *job, int64_t now, int64_t *ret, struct error *e)
{
    cleanup(buf_done) struct buf sql = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    buf_init(&sql, EVENTS_SQL_MAX);
    buf_printf(&sql, "SELECT min(due_at) FROM {events} WHERE job = $1 AND " EVENTS_OPEN " AND due_at > %" PRId64,
               now);
    int res = db_run(db, sql.data, &job, 1, &r, e);
    if (res == 0)
        *ret = db_integer(r, 0, 0);
    return res;
}

/* Whether these events were all. */
static bool saw_all(const struct db_result *r)
{
    int64_t seen = 0;
    for (size_t i = 0; i < db_rows(r); i++)
        seen += db_integer(r, i, 2);
    return seen < LOOK_AT;
}

int store_events_due(struct db *db, const char *job, int64_t now, size_t limit, char ***ret_keys, size_t *ret_count,
                     int64_t *ret_next, struct error *e)
{
    cleanup(db_result_free_p) struct db_result *first = NULL, *more = NULL;
    int64_t next = 0;
    int r = due_first(db, job, now, limit, &first, e);
    if (r == 0 && db_rows(first) < limit && !saw_all(first))
        r = due_by_record(db, job, now, limit, &more, e);
    if (r == 0)
        r = next_due(db, job, now, &next, e);
    if (r < 0)
        return r;
    const struct db_result *from = more && db_rows(more) > db_rows(first) ? more : first;
    char **keys = xcalloc(db_rows(from) + 1, sizeof(*keys));
    for (size_t i = 0; i < db_rows(from); i++)
        keys[i] = xstrdup(db_text(from, i, 0));
    *ret_keys = keys;
    *ret_count = db_rows(from);
    *ret_next = next;
    return 0;
}
