/* SPDX-License-Identifier: MIT
 * A migration: the view of runs shows a run that SQL requested as waiting until a renewd takes it, and not as running.
 * A run has a host from the moment on which a renewd has it.
 */
#include "core/db/schema_internal.h"

const struct step migration_waiting[] = {
    {.postgresql =
         "CREATE OR REPLACE VIEW renewd.job_run_details AS SELECT r.id AS runid, j.id AS jobid,"
         " CASE WHEN r.finished_at = 0 AND r.host IS NULL THEN 'waiting' WHEN r.finished_at = 0 THEN 'running'"
         " WHEN r.failed > 0 OR r.refused IS NOT NULL THEN 'failed' ELSE 'succeeded' END AS status,"
         " CASE WHEN r.finished_at = 0 AND r.host IS NULL THEN"
         " format('no renewd has taken it yet; %s were due when it was requested', r.due)"
         " ELSE coalesce(r.refused, format('%s due, %s refreshed, %s failed', r.due, r.refreshed, r.failed)) END"
         " AS return_message,"
         " to_timestamp(r.started_at) AS start_time,"
         " CASE WHEN r.finished_at > 0 THEN to_timestamp(r.finished_at) END AS end_time"
         " FROM renewd.runs r LEFT JOIN renewd.jobs j ON j.job = r.job"},
    /* replacing a view drops its options */
    {.postgresql = "DO $do$ BEGIN IF current_setting('server_version_num')::int >= 150000 THEN"
                   " ALTER VIEW renewd.job_run_details SET (security_invoker = true); END IF; END $do$"},
};
const size_t migration_waiting_count = sizeof migration_waiting / sizeof *migration_waiting;
