/* SPDX-License-Identifier: MIT
 * A migration: renewd.watch(job) creates triggers on the job's table that notify renewd of rows that the
 * application changed. They must not harm the application's transaction: the trigger's function reads and writes no
 * table, waits for nothing, catches its own errors, and sends no notification where that could make a COMMIT fail.
 * Changes by renewd itself (its transactions are marked, see postgresql.c) are not notified.
 */
#include "core/db/schema_internal.h"

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
