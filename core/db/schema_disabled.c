/* SPDX-License-Identifier: MIT
 * A migration: a call in SQL for a job with enabled = false in its file gets an error that says so and names the
 * file.
 */
#include "core/db/schema_internal.h"

const struct step migration_disabled[] = {
    {.both = "ALTER TABLE {jobs} ADD COLUMN disabled_in text"},
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
         "    IF v_job.disabled_in IS NOT NULL THEN\n"
         "      RAISE WARNING 'job % is disabled (enabled = false) in %; this run waits until it is enabled', v_job.job,\n"
         "        v_job.disabled_in USING HINT = 'Change that file, then renewctl reload.';\n"
         "    ELSE\n"
         "    RAISE WARNING 'no renewd that is alive has job %; it runs when one has', v_job.job\n"
         "      USING HINT = 'Its file was removed, or its daemon does not run.';\n"
         "    END IF;\n"
         "  END IF;\n"
         "  RAISE NOTICE 'renewd run % of job %: % records handed over', v_run, v_job.job, v_due;\n"
         "END $fn$"},
};
const size_t migration_disabled_count = sizeof migration_disabled / sizeof *migration_disabled;
