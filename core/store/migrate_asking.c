/* SPDX-License-Identifier: MIT
 * The third migration: what is asked for in SQL is heard at once (pause and resume notify too), whoever was
 * granted EXECUTE on one function needs no other right, what is handed over is what the run takes, and
 * a run that was refused says why.
 */
#include "core/store/migrate_internal.h"

const struct step migration_asking[] = {
    {.both = "ALTER TABLE {jobs} ADD COLUMN run_limit bigint NOT NULL DEFAULT 0"},
    {.both = "ALTER TABLE {runs} ADD COLUMN refused text"},
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
                   " UPDATE renewd.jobs SET paused = 0 WHERE job = renewd.job_named(p_name);"
                   " SELECT pg_notify('renewd', p_name) $fn$"},
    {.postgresql =
         "CREATE OR REPLACE VIEW renewd.job_run_details AS SELECT r.id AS runid, j.id AS jobid,"
         " CASE WHEN r.finished_at = 0 THEN 'running' WHEN r.failed > 0 OR r.refused IS NOT NULL THEN 'failed'"
         " ELSE 'succeeded' END AS status,"
         " coalesce(r.refused, format('%s due, %s refreshed, %s failed', r.due, r.refreshed, r.failed))"
         " AS return_message,"
         " to_timestamp(r.started_at) AS start_time,"
         " CASE WHEN r.finished_at > 0 THEN to_timestamp(r.finished_at) END AS end_time"
         " FROM renewd.runs r LEFT JOIN renewd.jobs j ON j.job = r.job"},
    /* replacing a view forgets its options */
    {.postgresql = "DO $do$ BEGIN IF current_setting('server_version_num')::int >= 150000 THEN"
                   " ALTER VIEW renewd.job_run_details SET (security_invoker = true);"
                   " END IF; END $do$"},
};

const size_t migration_asking_count = sizeof(migration_asking) / sizeof(migration_asking[0]);
