/* SPDX-License-Identifier: MIT
 * Removes old history in batches: attempts, runs, requests, the rows of hosts that have been silent since, and
 * spent credentials, so that a rotating account needs a bounded number of rows. An attempt stays while a lease or a
 * parked pair names it; a spent credential has a time of its own, and stays while a record still holds it (rule 7). A
 * backup older than that cannot be distinguished from a new connection. The ledger stays (an effect is never repeated), and so do dead
 * credentials.
 */
#include "core/store/history.h"

#include <stdio.h>

#include "core/base/cleanup.h"
#include "core/db/parameters.h"

enum { BATCH = 500 };

static const char *const old_rows[] = {
    "DELETE FROM {attempts} WHERE attempt_id IN (SELECT a.attempt_id FROM {attempts} a"
    " WHERE a.finished_at < $1 AND a.attempt_id NOT IN (SELECT c.attempt_id FROM {credentials} c"
    "  WHERE c.lease_incarnation IS NOT NULL AND c.attempt_id IS NOT NULL)"
    " AND NOT EXISTS (SELECT 1 FROM {kept} k WHERE k.attempt_id = a.attempt_id)"
    " ORDER BY a.finished_at LIMIT $2)",
    "DELETE FROM {runs} WHERE id IN (SELECT r.id FROM"
    " (SELECT id, started_at FROM {runs} ORDER BY id LIMIT $2) r WHERE r.started_at < $1)",
    "DELETE FROM {requests} WHERE id IN (SELECT r.id FROM"
    " (SELECT id, created_at FROM {requests} ORDER BY id LIMIT $2) r WHERE r.created_at < $1)",
    "DELETE FROM {hosts} WHERE incarnation IN (SELECT h.incarnation FROM {hosts} h WHERE h.beat_at < $1"
    " AND NOT EXISTS (SELECT 1 FROM {credentials} c WHERE c.lease_incarnation = h.incarnation)"
    " ORDER BY h.beat_at LIMIT $2)",
};

static const char spent[] =
    "DELETE FROM {credentials} WHERE fingerprint IN (SELECT c.fingerprint FROM {credentials} c"
    " WHERE c.replaced_at < $1 AND c.successor <> c.fingerprint AND c.dead = 0 AND c.lease_incarnation IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM {records} r WHERE r.fingerprint = c.fingerprint)"
    " ORDER BY c.replaced_at LIMIT $2)";

static int trim_one(struct db *db, const char *sql, int64_t before, bool *ret_more, struct error *e)
{
    cleanup(args_done) struct args a = {0};
    cleanup(db_result_free_p) struct db_result *gone = NULL;
    args_number(&a, before);
    args_number(&a, BATCH);
    int res = db_exec(db, sql, a.params, a.count, &gone, e);
    if (res == 0)
        *ret_more = *ret_more || db_affected(gone) == BATCH;
    return res;
}

int store_history_trim(struct db *db, int64_t before, int64_t spent_before, bool *ret_more, struct error *e)
{
    int res = 0;
    *ret_more = false;
    for (size_t i = 0; res == 0 && i < sizeof old_rows / sizeof old_rows[0]; i++)
        res = trim_one(db, old_rows[i], before, ret_more, e);
    return res < 0 ? res : trim_one(db, spent, spent_before, ret_more, e);
}
