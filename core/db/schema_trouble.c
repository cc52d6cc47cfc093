/* SPDX-License-Identifier: MIT
 * A migration: an index that finds the records that are not ok. Their rows are read before a run, and they are
 * counted when it ends (core/store/due_records.h).
 */
#include "core/db/schema_internal.h"

const struct step migration_trouble[] = {
    {.both = "CREATE INDEX renewd_records_trouble ON {records} (source, state, rkey) WHERE state <> 1"},
};
const size_t migration_trouble_count = sizeof migration_trouble / sizeof *migration_trouble;

/* Whether a token has expired is computed when the view is read. */
const struct step migration_expired[] = {
    {.sqlite = "DROP VIEW IF EXISTS renewd_record"},
    {.sqlite =
         "CREATE VIEW renewd_record AS SELECT source, job, rkey AS id, account, owner,"
         " CASE WHEN state = 1 AND expires_at > 0 AND expires_at <= CAST(strftime('%s', 'now') AS integer)"
         " THEN 'expired' WHEN state = 1 THEN 'ok' WHEN state = 2 THEN 'retrying' WHEN state = 3 THEN 'rate_limited'"
         " WHEN state = 4 THEN 'reconnect' WHEN state = 5 THEN 'misconfigured' WHEN state = 6 THEN 'ambiguous'"
         " WHEN state = 7 THEN 'pending' ELSE 'paused' END AS state,"
         " nullif(expires_at, 0) AS expires_at, nullif(refreshed_at, 0) AS refreshed_at, attempts, generation,"
         " last_code, last_text, nullif(last_at, 0) AS last_at FROM renewd_records"},
    {.postgresql =
         "CREATE OR REPLACE VIEW renewd.record AS SELECT job, rkey AS id, account, owner,"
         " CASE WHEN state = 1 AND expires_at > 0 AND expires_at <= extract(epoch FROM clock_timestamp()) THEN 'expired'"
         " ELSE (ARRAY['ok','retrying','rate_limited','reconnect','misconfigured','ambiguous','pending',"
         "'paused'])[state] END AS state,"
         " CASE WHEN expires_at > 0 THEN to_timestamp(expires_at) END AS expires_at,"
         " CASE WHEN refreshed_at > 0 THEN to_timestamp(refreshed_at) END AS refreshed_at,"
         " attempts, CASE WHEN due_at > 0 THEN to_timestamp(due_at)"
         " WHEN not_before > 0 THEN to_timestamp(not_before)"
         " WHEN point > 0 THEN to_timestamp(point) END AS next_at,"
         " generation, last_code, last_text,"
         " CASE WHEN last_at > 0 THEN to_timestamp(last_at) END AS last_at FROM renewd.records"},
    {.postgresql = "DO $do$ BEGIN IF current_setting('server_version_num')::int >= 150000 THEN"
                   " ALTER VIEW renewd.record SET (security_invoker = true); END IF; END $do$"},
};
const size_t migration_expired_count = sizeof migration_expired / sizeof *migration_expired;

/* For an application's own views: a boolean that needs USAGE on the schema and no right on a table. A role that
 * had USAGE before the first start (sql/postgresql/grants-meta.sql) may call it; others need a GRANT. */
const struct step migration_dead[] = {
    {.postgresql =
         "CREATE FUNCTION renewd.grant_is_dead(p_source text, p_key text) RETURNS boolean LANGUAGE sql STABLE"
         " SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fn$ SELECT EXISTS (SELECT 1"
         " FROM renewd.records WHERE source = p_source AND rkey = p_key AND state = 4) $fn$"},
    {.postgresql = "REVOKE ALL ON FUNCTION renewd.grant_is_dead(text, text) FROM PUBLIC"},
    {.postgresql = "DO $do$ DECLARE v_role name; BEGIN FOR v_role IN SELECT DISTINCT pg_get_userbyid(a.grantee)"
                   " FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'renewd'"
                   " AND a.privilege_type = 'USAGE' AND a.grantee <> 0 LOOP"
                   " EXECUTE format('GRANT EXECUTE ON FUNCTION renewd.grant_is_dead(text, text) TO %I', v_role);"
                   " END LOOP; END $do$"},
};
const size_t migration_dead_count = sizeof migration_dead / sizeof *migration_dead;
