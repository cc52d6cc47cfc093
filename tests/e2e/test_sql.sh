#!/bin/bash
# SPDX-License-Identifier: MIT
# What is asked for in SQL (PostgreSQL): runs through functions, pause and resume, the views that
# monitoring reads, and the warning when nobody is there to hear.
. "$(dirname "$0")/lib.sh"

export TEST_SECRET=hush-secret
start_simulator
make_store postgresql
write_conf
make_accounts_table tokens
write_job youtube <<EOF
plugin = "youtube";
schedule = "0 0 1 1 *";
legacy_name = "refresh-expired-youtube-tokens";
$(accounts_records tokens)
settings = { base_url = "$SIM_URL/google"; client_id = "client-1"; client_secret = "env:TEST_SECRET"; };
EOF
check "a first --once makes the tables" run_renewd --once
sql_file "$TOP/sql/postgresql/functions.sql" > /dev/null 2>&1
load_accounts google tokens 3 a-
check "--once knows the records" run_renewd --once --at 2026-01-01T00:00:00Z

sql "update renewd.hosts set beat_at = 0" > /dev/null
out=$(sql "select refresh_expired_youtube_tokens()" 2>&1)
check_match "nobody alive: a warning says so" 'no renewd was alive' "$out"
check_match "a notice names the run" 'NOTICE.*renewd run [0-9]+ of job youtube' "$out"
check_match "an unknown job is an error with a hint" 'knows no job nonsense' \
    "$(sql "select renewd.run('nonsense')" 2>&1)"

start_renewd
refreshed() { [ "$(sim_count google ok)" -ge "$1" ]; }
check "the request is kept until a renewd takes it" wait_until 20 refreshed 3
done_with() { [ "$(sql "select count(*) from renewd.job_run_details where status = '$1' and return_message like '3 due, 3 refreshed%'")" -ge 1 ]; }
check "its run is in job_run_details" wait_until 10 done_with succeeded
check_equal "renewd.job has the name that monitoring knows" "refresh-expired-youtube-tokens|t" \
    "$(sql "select jobname, active from renewd.job")"
check_equal "renewd.record shows the records" "ok|3" "$(sql "select state, count(*) from renewd.record group by 1")"
sql "select renewd.pause('youtube')" > /dev/null
paused() { ctl jobs | grep -q paused; }
check "renewd.pause pauses" wait_until 15 paused
check_equal "and the view shows it" f "$(sql "select active from renewd.job")"
sql "select renewd.resume('refresh-expired-youtube-tokens')" > /dev/null
resumed() { ctl jobs | grep -q ' on '; }
check "renewd.resume resumes, by either name" wait_until 15 resumed
check_equal "the functions are not for PUBLIC" 0 \
    "$(sql "select count(*) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
            where n.nspname = 'renewd' and has_function_privilege('public', p.oid, 'execute')")"
stop_renewd
finish
