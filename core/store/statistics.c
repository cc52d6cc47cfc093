/* SPDX-License-Identifier: MIT
 * Statistics of renewd's own table of records. PostgreSQL gathers them by itself some time after a table was filled;
 * until then it plans a claim as if there were a few records.
 */
#include "core/base/cleanup.h"
#include "core/db/db.h"
#include "core/store/store.h"

enum { ANALYZE_MS = 10000, LOCK_MS = 200 };

/* A role that owns neither the table nor the database is refused with a warning alone, and waits for PostgreSQL. SQLite
 * is left alone: the file may be an application's own. */
int store_statistics(struct db *db, struct error *e)
{
    if (!db_is_postgresql(db))
        return 0;
    int before = db->statement_ms, lock_before = db->lock_ms;
    db->statement_ms = ANALYZE_MS;
    db->lock_ms = LOCK_MS; /* where a vacuum or another ANALYZE is at work, the next round is soon enough */
    int r =
        db_run(db,
               "ANALYZE {records} (source, rkey, state, due_at, point, not_before, fingerprint, attempts, death)",
               NULL, 0, NULL, e);
    db->statement_ms = before;
    db->lock_ms = lock_before;
    return r;
}
