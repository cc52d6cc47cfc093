/* SPDX-License-Identifier: MIT
 * The migrations that make functions, triggers and views.
 */
#include "core/db/schema_internal.h"

/* A migration: renewd.watch(job) creates triggers on the job's table that notify renewd of rows that the
 * application changed. They must not harm the application's transaction: the trigger's function reads and writes no
 * table, waits for nothing, catches its own errors, and sends no notification where that could make a COMMIT fail.
 * Changes by renewd itself (its transactions are marked, see postgresql.c) are not notified.
 */
const struct step migration_watch[] = {
    {.both = "ALTER TABLE {jobs} ADD COLUMN row_table text"},
    {.both = "ALTER TABLE {jobs} ADD COLUMN row_key text"},
    {.both = "ALTER TABLE {jobs} ADD COLUMN row_columns text"},
    {.postgresql =
         "CREATE FUNCTION renewd.row_changed() RETURNS trigger LANGUAGE plpgsql"
         " SET search_path = pg_catalog, pg_temp AS $fn$\n"
         "DECLARE\n"
         "  v_new text := format('SELECT %s::text AS k, ROW(%s)::text AS v FROM renewd_new', TG_ARGV[1], TG_ARGV[2]);\n"
         "  v_old text := format('SELECT %s::text AS k, ROW(%s)::text AS v FROM renewd_old', TG_ARGV[1], TG_ARGV[2]);\n"
         "  v_rows text := CASE TG_OP WHEN 'INSERT' THEN v_new WHEN 'DELETE' THEN v_old\n"
         "    ELSE format('(%1$s EXCEPT %2$s) UNION (%2$s EXCEPT %1$s)', v_new, v_old) END;\n"
         "  v_count bigint;\n"
         "  v_keys text[];\n"
         "  v_key text;\n"
         "BEGIN\n"
         "  IF current_setting('renewd.own', true) = 'on' OR pg_notification_queue_usage() > 0.5\n"
         "     OR current_setting('max_prepared_transactions')::int > 0 THEN RETURN NULL; END IF;\n"
         "  EXECUTE format('SELECT count(*) FROM (SELECT 1 FROM %s LIMIT 1001) r',\n"
         "    CASE TG_OP WHEN 'DELETE' THEN 'renewd_old' ELSE 'renewd_new' END) INTO v_count;\n"
         "  IF v_count = 0 THEN RETURN NULL; END IF;\n"
         "  IF v_count <= 1000 THEN\n"
         "    EXECUTE format('SELECT array_agg(k) FROM (SELECT DISTINCT k FROM (%s) r LIMIT 101) s', v_rows)\n"
         "      INTO v_keys;\n"
         "    v_count := coalesce(cardinality(v_keys), 0);\n"
         "  END IF;\n"
         "  IF v_count > 100 THEN\n"
         "    PERFORM pg_notify('renewd_rows', TG_ARGV[0]);\n"
         "  ELSE\n"
         "    FOREACH v_key IN ARRAY coalesce(v_keys, '{}') LOOP\n"
         "      PERFORM pg_notify('renewd_rows', TG_ARGV[0] || ' ' || v_key);\n"
         "    END LOOP;\n"
         "  END IF;\n"
         "  RETURN NULL;\n"
         "EXCEPTION WHEN OTHERS THEN RETURN NULL;\n"
         "END $fn$"},
    {.postgresql =
         "CREATE FUNCTION renewd.unwatch(p_name text) RETURNS void LANGUAGE plpgsql"
         " SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $fn$\n"
         "DECLARE v_old record;\n"
         "BEGIN\n"
         "  FOR v_old IN SELECT t.tgname, t.tgrelid::regclass AS on_table FROM pg_trigger t, renewd.jobs j\n"
         "    WHERE t.tgfoid = 'renewd.row_changed'::regproc AND j.job = renewd.job_named(p_name)\n"
         "      AND t.tgname LIKE format('renewd\\_watch\\_%s\\_%%', j.id) LOOP\n"
         "    EXECUTE format('DROP TRIGGER %I ON %s', v_old.tgname, v_old.on_table);\n"
         "  END LOOP;\n"
         "END $fn$"},
    {.postgresql =
         "CREATE FUNCTION renewd.watch(p_name text) RETURNS void LANGUAGE plpgsql"
         " SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s' AS $fn$\n"
         "DECLARE\n"
         "  v_job renewd.jobs%ROWTYPE;\n"
         "  v_what text;\n"
         "BEGIN\n"
         "  SELECT * INTO v_job FROM renewd.jobs WHERE job = renewd.job_named(p_name);\n"
         "  IF v_job.row_table IS NULL THEN\n"
         "    RAISE EXCEPTION 'job % has no table of yours that could be watched', v_job.job\n"
         "      USING HINT = 'Its rows are in renewd''s own table or a view, or no renewd has looked at them yet.';\n"
         "  END IF;\n"
         "  IF current_setting('max_prepared_transactions')::int > 0 THEN\n"
         "    RAISE EXCEPTION 'a transaction that notifies cannot be prepared, and max_prepared_transactions is not 0'\n"
         "      USING HINT = 'Without the trigger renewd finds changed rows every rescan.';\n"
         "  END IF;\n"
         "  PERFORM renewd.unwatch(p_name);\n"
         "  FOREACH v_what IN ARRAY ARRAY['INSERT', 'UPDATE', 'DELETE'] LOOP\n"
         "    EXECUTE format('CREATE TRIGGER renewd_watch_%s_%s AFTER %s ON %s REFERENCING%s%s'\n"
         "      ' FOR EACH STATEMENT EXECUTE FUNCTION renewd.row_changed(%L, %L, %L)',\n"
         "      v_job.id, lower(v_what), v_what, v_job.row_table,\n"
         "      CASE WHEN v_what <> 'INSERT' THEN ' OLD TABLE AS renewd_old' ELSE '' END,\n"
         "      CASE WHEN v_what <> 'DELETE' THEN ' NEW TABLE AS renewd_new' ELSE '' END,\n"
         "      v_job.job, v_job.row_key, v_job.row_columns);\n"
         "  END LOOP;\n"
         "END $fn$"},
    {.postgresql = "REVOKE ALL ON FUNCTION renewd.row_changed(), renewd.watch(text), renewd.unwatch(text)"
                   " FROM PUBLIC"},
};

const size_t migration_watch_count = sizeof(migration_watch) / sizeof(migration_watch[0]);

/* A migration: which daemon runs which job; and on PostgreSQL the functions and views for people and their
 * monitoring. A job is active if it is not paused and a live daemon runs it. Requesting a run of a job that no
 * daemon runs gives a warning. Resuming a job also ends the breaker's hold. The functions run with their owner's
 * rights and are revoked from PUBLIC; a role with EXECUTE on one needs no other right. No other form of them was
 * released, so each is here once, and replaces what a development version may have left.
 */
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

/* A migration: a view with the state of each record, for an application's views, on SQLite as on PostgreSQL. If a
 * script of the application ran first, it created an empty view of that name, which is replaced.
 */
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

/* A migration: an index that finds the records that are not ok. Their rows are read before a run, and they are
 * counted when it ends (core/store/due_records.h).
 */
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

/* Migrations: the views of records show the states that are not stored (core/rules/record.h, record_shown): those
 * of a row without a credential, and of a row that was deleted or that the job's `only` leaves out. A later one
 * also shows that a suspect has expired.
 */
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
#undef SHOWN
#undef VIEWS
#undef OK
#undef OK_OR_SUSPECT

/* A migration: a call in SQL for a job with enabled = false in its file gets an error that says so and names the
 * file.
 */
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

/* A migration: the view of runs shows a run that SQL requested as waiting until a renewd takes it, and not as running.
 * A run has a host from the moment on which a renewd has it.
 */
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

/* A migration: resume in SQL ends a hold for a plugin's fault, too, as the command does.
 */
const struct step migration_resume[] = {
    {.postgresql = "CREATE OR REPLACE FUNCTION renewd.resume(p_name text) RETURNS void LANGUAGE sql"
                   " SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fn$"
                   " UPDATE renewd.jobs SET paused = 0, fault_file = NULL, fault = NULL"
                   " WHERE job = renewd.job_named(p_name);"
                   " UPDATE renewd.records SET not_before = 0, due_at = point WHERE job = renewd.job_named(p_name)"
                   " AND state = 5 AND point > 0 AND EXISTS (SELECT 1 FROM renewd.breakers b"
                   " WHERE b.job = renewd.records.job AND b.held_at > 0);"
                   " UPDATE renewd.breakers SET held_at = 0, turned = 0,"
                   " ended_at = floor(extract(epoch FROM clock_timestamp()) * 1000)"
                   " WHERE job = renewd.job_named(p_name) AND held_at > 0;"
                   " SELECT pg_notify('renewd', p_name) $fn$"},
};
const size_t migration_resume_count = sizeof migration_resume / sizeof *migration_resume;

/* A migration: where several jobs keep the same column of one table fresh, each has a source of its own
 * (core/store/sources.h). An application's view names the table and the column alone.
 */
const struct step migration_sources[] = {
    {.both = "CREATE TABLE {sources} (source text PRIMARY KEY, base text NOT NULL, job text NOT NULL,"
             " rows_of text NOT NULL)"},
    {.both = "CREATE INDEX renewd_sources_base ON {sources} (base)"},
    {.postgresql =
         "CREATE OR REPLACE FUNCTION renewd.grant_is_dead(p_source text, p_key text) RETURNS boolean LANGUAGE sql"
         " STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fn$ SELECT EXISTS (SELECT 1"
         " FROM renewd.records WHERE source = p_source AND rkey = p_key AND state = 4) OR EXISTS (SELECT 1"
         " FROM renewd.sources s JOIN renewd.records r ON r.source = s.source WHERE s.base = p_source"
         " AND r.rkey = p_key AND r.state = 4) $fn$"},
};
const size_t migration_sources_count = sizeof migration_sources / sizeof *migration_sources;
