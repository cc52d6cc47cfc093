/* SPDX-License-Identifier: MIT
 * A migration: a view with the state of each record, for an application's views, on SQLite as on PostgreSQL. If a
 * script of the application ran first, it created an empty view of that name, which is replaced.
 */
#include "core/db/schema_internal.h"

const struct step migration_record_view[] = {
    {.sqlite = "DROP VIEW IF EXISTS renewd_record"},
    {.sqlite =
         "CREATE VIEW renewd_record AS SELECT source, job, rkey AS id, account, owner,"
         " CASE state WHEN 1 THEN 'ok' WHEN 2 THEN 'retrying' WHEN 3 THEN 'rate_limited' WHEN 4 THEN 'reconnect'"
         " WHEN 5 THEN 'misconfigured' WHEN 6 THEN 'ambiguous' WHEN 7 THEN 'pending' ELSE 'paused' END AS state,"
         " nullif(expires_at, 0) AS expires_at, nullif(refreshed_at, 0) AS refreshed_at, attempts, generation,"
         " last_code, last_text, nullif(last_at, 0) AS last_at FROM renewd_records"},
};

const size_t migration_record_view_count = sizeof(migration_record_view) / sizeof(migration_record_view[0]);
