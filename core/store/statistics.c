/* SPDX-License-Identifier: MIT
 * Statistics of renewd's own table of records. PostgreSQL gathers them by itself some time after a table was filled;
 * until then it plans a claim as if there were a few records.
 */
#include "core/base/cleanup.h"
#include "core/db/db.h"
#include "core/store/store.h"

enum { ANALYZE_MS = 10000 };

/* A role that owns neither the table nor the database is refused with a warning alone, and waits for PostgreSQL. SQLite
 * is left alone: the file may be an application's own. */
int store_statistics(struct db *db, struct error *e)
{
    if (!db_is_postgresql(db))
        return 0;
    int before = db->statement_ms;
    db->statement_ms = ANALYZE_MS;
    int r =
        db_run(db,
               "ANALYZE {records} (source, rkey, state, due_at, point, not_before, fingerprint, attempts, death)",
               NULL, 0, NULL, e);
    db->statement_ms = before;
    return r;
}
