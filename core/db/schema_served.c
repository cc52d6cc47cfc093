/* SPDX-License-Identifier: MIT
 * A migration: which daemon runs which job; and on PostgreSQL the functions and views for people and their
 * monitoring. A job is active if it is not paused and a live daemon runs it. Requesting a run of a job that no
 * daemon runs gives a warning. Resuming a job also ends the breaker's hold. The functions run with their owner's
 * rights and are revoked from PUBLIC; a role with EXECUTE on one needs no other right. No other form of them was
 * released, so each is here once, and replaces what a development version may have left.
 */
#include "core/db/schema_internal.h"

const struct step migration_served[] = {
    {.both = "CREATE TABLE {served} (job text NOT NULL, host text NOT NULL, incarnation text NOT NULL,"
             " PRIMARY KEY (job, host, incarnation))"},
    {.postgresql =
         "CREATE OR REPLACE FUNCTION renewd.request_run(p_name text, OUT v_run bigint, OUT v_due bigint)"
         " LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fn$\n"
         "DECLARE\n"
         "  v_job renewd.jobs%ROWTYPE;\n"
         "  v_now bigint := floor(extract(epoch FROM clock_timestamp()));\n"
         "BEGIN\n"
         "  SELECT * INTO v_job FROM renewd.jobs WHERE job = renewd.job_named(p_name);\n"
         "  SELECT count(*) INTO v_due FROM renewd.records r WHERE r.job = v_job.job AND r.point > 0\n"
         "    AND r.state NOT IN (4, 7, 8) AND r.without_credential = 0\n"
         "    AND r.earliest <= v_now AND r.not_before <= v_now\n"
         "    AND (r.point <= v_now OR (r.point < v_job.next_tick AND r.ok_at < v_job.last_tick));\n"
         "  INSERT INTO renewd.runs (job, trigger, started_at, due) VALUES (v_job.job, 'sql', v_now, v_due)\n"
         "    RETURNING id INTO v_run;\n"
         "  INSERT INTO renewd.requests (job, run_id, created_at) VALUES (v_job.job, v_run, v_now);\n"
         "  PERFORM pg_notify('renewd', v_job.job);\n"
         "  IF v_job.run_limit > 0 THEN v_due := least(v_due, v_job.run_limit); END IF;\n"
         "  IF v_job.paused <> 0 THEN\n"
         "    RAISE WARNING 'job % is paused: this run will be refused', v_job.job\n"
         "      USING HINT = format('SELECT renewd.resume(%L)', v_job.job);\n"
         "  END IF;\n"
         "  IF NOT EXISTS (SELECT 1 FROM renewd.hosts WHERE beat_at > v_now - 60) THEN\n"
         "    RAISE WARNING 'no renewd was alive in the last minute; job % runs when one is', v_job.job;\n"
         "  ELSIF NOT EXISTS (SELECT 1 FROM renewd.served s JOIN renewd.hosts h ON h.id = s.host\n"
         "      AND h.incarnation = s.incarnation WHERE s.job = v_job.job AND h.over_at = 0\n"
         "      AND h.beat_at > v_now - 60) THEN\n"
         "    RAISE WARNING 'no renewd that is alive has job %; it runs when one has', v_job.job\n"
         "      USING HINT = 'Its file was removed or disabled, or its daemon does not run.';\n"
         "  END IF;\n"
         "  RAISE NOTICE 'renewd run % of job %: % records handed over', v_run, v_job.job, v_due;\n"
         "END $fn$"},
    {.postgresql = "CREATE OR REPLACE FUNCTION renewd.run(p_name text) RETURNS bigint LANGUAGE sql"
                   " SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
                   " AS $fn$ SELECT v_due FROM renewd.request_run(p_name) $fn$"},
    {.postgresql = "CREATE OR REPLACE FUNCTION renewd.pause(p_name text) RETURNS void LANGUAGE sql"
                   " SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fn$"
                   " UPDATE renewd.jobs SET paused = 1 WHERE job = renewd.job_named(p_name);"
                   " SELECT pg_notify('renewd', p_name) $fn$"},
    {.postgresql = "CREATE OR REPLACE FUNCTION renewd.resume(p_name text) RETURNS void LANGUAGE sql"
                   " SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fn$"
                   " UPDATE renewd.jobs SET paused = 0, breaker_held_at = 0"
                   " WHERE job = renewd.job_named(p_name); SELECT pg_notify('renewd', p_name) $fn$"},
    {.postgresql = "REVOKE ALL ON FUNCTION renewd.job_named(text), renewd.request_run(text),"
                   " renewd.run(text), renewd.pause(text), renewd.resume(text) FROM PUBLIC"},
    {.postgresql =
         "CREATE OR REPLACE VIEW renewd.job AS SELECT j.id AS jobid, coalesce(j.legacy_name, j.job) AS jobname,"
         " j.schedule, j.paused = 0 AND EXISTS (SELECT 1 FROM renewd.served s JOIN renewd.hosts h"
         " ON h.id = s.host AND h.incarnation = s.incarnation WHERE s.job = j.job AND h.over_at = 0"
         " AND h.beat_at > extract(epoch FROM clock_timestamp()) - 60) AS active FROM renewd.jobs j"},
    {.postgresql =
         "CREATE OR REPLACE VIEW renewd.job_run_details AS SELECT r.id AS runid, j.id AS jobid,"
         " CASE WHEN r.finished_at = 0 THEN 'running' WHEN r.failed > 0 OR r.refused IS NOT NULL THEN 'failed'"
         " ELSE 'succeeded' END AS status,"
         " coalesce(r.refused, format('%s due, %s refreshed, %s failed', r.due, r.refreshed, r.failed))"
         " AS return_message,"
         " to_timestamp(r.started_at) AS start_time,"
         " CASE WHEN r.finished_at > 0 THEN to_timestamp(r.finished_at) END AS end_time"
         " FROM renewd.runs r LEFT JOIN renewd.jobs j ON j.job = r.job"},
    {.postgresql = "CREATE OR REPLACE VIEW renewd.record AS SELECT job, rkey AS id, account, owner,"
                   " (ARRAY['ok','retrying','rate_limited','reconnect','misconfigured','ambiguous','pending',"
                   "'paused'])[state] AS state,"
                   " CASE WHEN expires_at > 0 THEN to_timestamp(expires_at) END AS expires_at,"
                   " CASE WHEN refreshed_at > 0 THEN to_timestamp(refreshed_at) END AS refreshed_at,"
                   " attempts, CASE WHEN due_at > 0 THEN to_timestamp(due_at)"
                   " WHEN not_before > 0 THEN to_timestamp(not_before)"
                   " WHEN point > 0 THEN to_timestamp(point) END AS next_at,"
                   " generation, last_code, last_text,"
                   " CASE WHEN last_at > 0 THEN to_timestamp(last_at) END AS last_at FROM renewd.records"},
    /* replacing a view drops its options */
    {.postgresql = "DO $do$ BEGIN IF current_setting('server_version_num')::int >= 150000 THEN"
                   " ALTER VIEW renewd.job SET (security_invoker = true);"
                   " ALTER VIEW renewd.job_run_details SET (security_invoker = true);"
                   " ALTER VIEW renewd.record SET (security_invoker = true);"
                   " END IF; END $do$"},
    {.both = "ALTER TABLE {jobs} DROP COLUMN active"},
};

const size_t migration_served_count = sizeof(migration_served) / sizeof(migration_served[0]);
