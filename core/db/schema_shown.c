/* SPDX-License-Identifier: MIT
 * Migrations: the views of records show the states that are not stored (core/rules/record.h, record_shown): those
 * of a row without a credential, and of a row that was deleted or that the job's `only` leaves out. A later one
 * also shows that a suspect has expired.
 */
#include "core/db/schema_internal.h"

#define SHOWN(may_expire, now)                                                                                   \
    " CASE WHEN hash = '' AND state <> 7 THEN 'disconnected' WHEN state = 1 AND without_credential <> 0"         \
    " THEN 'without_credential' WHEN " may_expire " AND expires_at > 0 AND expires_at <= " now " THEN 'expired'" \
    " WHEN state = 1 THEN 'ok' WHEN state = 2 THEN 'retrying' WHEN state = 3 THEN 'rate_limited'"                \
    " WHEN state = 4 THEN 'reconnect' WHEN state = 5 THEN 'misconfigured' WHEN state = 6 THEN 'ambiguous'"       \
    " WHEN state = 7 THEN 'pending' ELSE 'paused' END AS state,"

#define VIEWS(may_expire)                                                                                                                                     \
    {.sqlite = "DROP VIEW IF EXISTS renewd_record"},                                                                                                          \
        {.sqlite = "CREATE VIEW renewd_record AS SELECT source, job, rkey AS id, account, owner," SHOWN(                                                      \
             may_expire,                                                                                                                                      \
             "CAST(strftime('%s', 'now') AS integer)") " nullif(expires_at, 0) AS expires_at, nullif(refreshed_at, 0) AS refreshed_at, attempts, generation," \
                                                       " last_code, last_text, nullif(last_at, 0) AS last_at FROM renewd_records"},                           \
        {.postgresql = "CREATE OR REPLACE VIEW renewd.record AS SELECT job, rkey AS id, account, owner," SHOWN(                                               \
             may_expire,                                                                                                                                      \
             "extract(epoch FROM clock_timestamp())") " CASE WHEN expires_at > 0 THEN to_timestamp(expires_at) END AS expires_at,"                            \
                                                      " CASE WHEN refreshed_at > 0 THEN to_timestamp(refreshed_at) END AS refreshed_at,"                      \
                                                      " attempts, CASE WHEN due_at > 0 THEN to_timestamp(due_at)"                                             \
                                                      " WHEN not_before > 0 THEN to_timestamp(not_before)"                                                    \
                                                      " WHEN point > 0 THEN to_timestamp(point) END AS next_at,"                                              \
                                                      " generation, last_code, last_text,"                                                                    \
                                                      " CASE WHEN last_at > 0 THEN to_timestamp(last_at) END AS last_at FROM renewd.records"},                \
    {                                                                                                                                                         \
        .postgresql = "DO $do$ BEGIN IF current_setting('server_version_num')::int >= 150000 THEN"                                                            \
                      " ALTER VIEW renewd.record SET (security_invoker = true); END IF; END $do$"                                                             \
    }

#define OK "state = 1"
#define OK_OR_SUSPECT "(state = 1 OR (state = 5 AND coalesce(last_code, '') <> 'row'))"

const struct step migration_shown[] = {VIEWS(OK)};
const size_t migration_shown_count = sizeof migration_shown / sizeof *migration_shown;

const struct step migration_suspects_shown[] = {VIEWS(OK_OR_SUSPECT)};
const size_t migration_suspects_shown_count = sizeof migration_suspects_shown / sizeof *migration_suspects_shown;
