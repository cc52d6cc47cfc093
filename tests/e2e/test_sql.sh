#!/bin/bash
# SPDX-License-Identifier: MIT
# What is asked for in SQL (PostgreSQL), with the shipped jobs and functions: runs by each of the names that
# applications call, as the owner and as a role that was granted nothing else; notices and warnings; pause
# and resume; the views that monitoring reads. A request is heard at once, and found without that too.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/shipped.sh"

FUNCTIONS='refresh_expired_youtube_tokens refresh_expired_instagram_tokens refresh_expired_tiktok_tokens
    refresh_lightspeed_tokens allocate_periodic_tokens'
APP=renewd_app_$$ MONITOR=renewd_monitor_$$

as() { # ROLE STATEMENT
    psql -XqAt -v ON_ERROR_STOP=1 -d "${DSN/user=renewd_test/user=$1}" -c "$2" 2>&1
}

# Ticks far away: what happens here, happens because it was asked for.
stage() {
    local job
    make_store postgresql
    write_conf
    for job in airpublisher lightspeed free_plan; do
        (cd "$DIR" && sql_file "$TOP/sql/postgresql/$job.sql") > /dev/null 2>&1 || not_ok "the schema $job.sql"
    done
    for job in youtube instagram tiktok lightspeed free-plan; do
        shipped $job -e 's/^schedule = .*/schedule = "0 0 1 1 *";/'
    done
    check "a first --once makes the tables" run_renewd --once youtube
    sql "create function refresh_expired_youtube_tokens() returns void language sql as 'select null::void'"
    check "functions.sql replaces a function of that name" sql_file "$TOP/sql/postgresql/functions.sql"
    creators youtube 12 yt
    creators instagram 2 ig
    creators tiktok 3 tt
    shops 4 shop
    free_users 5
    check "--once of another job knows the records" run_renewd --once --at 2025-11-02T00:00:00Z instagram
}

asked_of_nobody() {
    local out
    sql "update renewd.hosts set beat_at = 0" > /dev/null
    out=$(sql "select refresh_expired_youtube_tokens()" 2>&1)
    check_match "nobody alive: a warning says so" 'WARNING.*no renewd was alive in the last minute' "$out"
    check_match "a notice names the run" 'NOTICE.*renewd run [0-9]+ of job youtube' "$out"
    check_equal "12 are due, a run takes 10: so many were handed over" 10 "$(grep -E '^[0-9]+$' <<< "$out")"
    check_equal "instagram" 2 "$(sql "select refresh_expired_instagram_tokens()" 2> /dev/null)"
    check_equal "tiktok" 3 "$(sql "select refresh_expired_tiktok_tokens()" 2> /dev/null)"
    out=$(sql "select refresh_lightspeed_tokens()" 2>&1)
    check_match "lightspeed: the words of today" '^Token refresh triggered with request ID: [0-9]+$' "$out"
    check_match "lightspeed: so many were handed over" 'NOTICE.*lightspeed: 4 records handed over' "$out"
    check_equal "the free plan" 5 "$(sql "select allocate_periodic_tokens()" 2> /dev/null)"
    check_equal "none is taken, and none is shown as running" 'waiting 5' \
        "$(sql "select status || ' ' || count(*) from renewd.job_run_details where end_time is null group by status")"
    check_match "its message says so" '^no renewd has taken it yet; 12 were due' \
        "$(sql "select return_message from renewd.job_run_details d join renewd.job j using (jobid)
                where jobname = 'refresh-expired-youtube-tokens' order by runid desc limit 1")"
    check_match "an unknown job is an error with a hint" 'knows no job nonsense' \
        "$(sql "select renewd.run('nonsense')" 2>&1)"
    check_equal "without pg_net" 0 "$(sql "select count(*) from pg_extension where extname = 'pg_net'")"
}

run_is() { # JOBNAME MESSAGE: its newest run ended, with these words
    [ "$(sql "select status || ': ' || return_message from renewd.job_run_details d join renewd.job j using (jobid)
              where jobname = '$1' and end_time is not null order by runid desc limit 1")" = "$2" ]
}

kept_until_taken() {
    start_renewd
    check "each request was kept: youtube" \
        wait_until 30 run_is refresh-expired-youtube-tokens 'succeeded: 12 due, 10 refreshed, 0 failed'
    check "instagram" wait_until 30 run_is refresh-expired-instagram-tokens 'succeeded: 2 due, 2 refreshed, 0 failed'
    check "tiktok" wait_until 30 run_is refresh-expired-tiktok-tokens 'succeeded: 3 due, 3 refreshed, 0 failed'
    check "lightspeed" wait_until 30 run_is refresh-lightspeed-tokens-every-6h 'succeeded: 4 due, 4 refreshed, 0 failed'
    check "the free plan" wait_until 30 run_is monthly-token-allocation 'succeeded: 5 due, 5 refreshed, 0 failed'
    check_equal "the provider saw each once" '10 2 3 4' "$(sim_count google ok) $(sim_count instagram ok) \
$(sim_count tiktok ok) $(sim_count lightspeed ok)"
    check_equal "each wallet is credited once" '5|100000|100000' \
        "$(sql "select count(*), min(balance), max(balance) from token_wallets")"
    check_equal "renewd.job has the names that monitoring knows" \
        'monthly-token-allocation refresh-expired-instagram-tokens refresh-expired-tiktok-tokens refresh-expired-youtube-tokens refresh-lightspeed-tokens-every-6h' \
        "$(sql "select string_agg(jobname, ' ' order by jobname) from renewd.job where active")"
    check_equal "renewd.record shows the records" 14 "$(sql "select count(*) from renewd.record where state = 'ok' and job <> 'youtube'")"
}

granted_roles() {
    local function out
    pg_admin -c "create role $APP login; create role $MONITOR login" > /dev/null
    check_equal "nothing of renewd's is for PUBLIC" 0 "$(sql "select count(*) from pg_proc p
        join pg_namespace n on n.oid = p.pronamespace where (n.nspname = 'renewd' or p.proname = any
        (string_to_array('${FUNCTIONS//$'\n'/ }', ' '))) and has_function_privilege('public', p.oid, 'execute')")"
    for function in $FUNCTIONS; do
        check_match "$function is refused to a role without a grant" 'permission denied' "$(as "$APP" "select $function()")"
        sql "grant execute on function $function() to $APP"
        out=$(as "$APP" "select $function()")
        check_match "$function needs no other grant" 'NOTICE.*renewd run [0-9]+ of job' "$out"
        check_no_match "$function: somebody is alive" 'WARNING' "$out"
    done
    check_match "renewd.pause is refused" 'permission denied' "$(as "$APP" "select renewd.pause('youtube')")"
    check_match "and so are its tables" 'permission denied' "$(as "$APP" "select count(*) from renewd.records")"
    sql "grant usage on schema renewd to $MONITOR; grant select on renewd.job to $MONITOR"
    check_match "a view shows a role no more than the table would" 'permission denied' \
        "$(as "$MONITOR" "select jobname from renewd.job")"
    sql "grant select on renewd.jobs, renewd.served, renewd.hosts, renewd.runs, renewd.records, renewd.job_run_details, renewd.record to $MONITOR"
    check_equal "granted, it reads" '5|t' "$(as "$MONITOR" "select count(*), bool_and(active) from renewd.job")"
    check_match "the query of today" '^refresh-expired-tiktok-tokens\|succeeded\|' "$(as "$MONITOR" "select j.jobname,
        d.status, d.return_message, d.start_time, d.end_time from renewd.job_run_details d join renewd.job j using (jobid)
        where j.jobname = 'refresh-expired-tiktok-tokens' and d.end_time is not null order by d.start_time desc limit 1")"
}

active() { sql "select active from renewd.job where jobname = '$1'"; }
ctl_shows() { ctl jobs | grep -E "^$1 .* $2 "; }

pauses() {
    sql "select renewd.pause('youtube')" > /dev/null
    check "renewd.pause pauses" wait_until 20 ctl_shows youtube paused
    check_equal "and the view shows it" f "$(active refresh-expired-youtube-tokens)"
    check_match "a run of a paused job is warned of" 'WARNING.*job youtube is paused' \
        "$(sql "select refresh_expired_youtube_tokens()" 2>&1)"
    check "and refused, which its row says" \
        wait_until 20 run_is refresh-expired-youtube-tokens 'failed: the job is paused; resume it first'
    sql "select renewd.resume('refresh-expired-youtube-tokens')" > /dev/null
    check "renewd.resume resumes, by either name" wait_until 20 ctl_shows youtube on
    check_equal "a role that may neither, cannot" "permission denied" \
        "$(as "$APP" "select renewd.resume('youtube')" | grep -o 'permission denied' | head -n 1)"
}

settled_runs() { [ "$(sql "select count(*) from renewd.runs where finished_at = 0")" = 0 ]; }
listeners() { sql "select count(*) from pg_stat_activity where datname = current_database() and query = 'LISTEN renewd'"; }
one_listens() { [ "$(listeners)" = 1 ]; }

# By the poll alone each of them would take up to five seconds, and those after the first all of it.
heard_at_once() {
    local i started
    check "one connection listens" wait_until 20 one_listens
    started=$SECONDS
    for i in 1 2 3 4 5 6; do
        sql "select renewd.run('tiktok')" > /dev/null 2>&1
        wait_until 20 settled_runs || not_ok "request $i is carried out"
    done
    check "six requests one after the other wait for no poll" test $((SECONDS - started)) -lt 18
    sql "select pg_terminate_backend(pid) from pg_stat_activity where query = 'LISTEN renewd'
         and datname = current_database()" > /dev/null
    sql "select refresh_expired_youtube_tokens()" > /dev/null 2>&1
    check "its connection lost, the poll finds what is asked for" \
        wait_until 20 run_is refresh-expired-youtube-tokens 'succeeded: 0 due, 0 refreshed, 0 failed'
    check "and it listens again" wait_until 20 one_listens
}

active_is() { [ "$(active "$1")" = "$2" ]; }

other_daemon() { # BEAT: of another host, which has the job
    sql "insert into renewd.hosts (id, incarnation, started_at, beat_at) values ('other', 'one', 1000, $1)
         on conflict (id, incarnation) do update set beat_at = excluded.beat_at;
         insert into renewd.served (job, host, incarnation) values ('tiktok', 'other', 'one') on conflict do nothing"
}

# A request of a job that no running renewd has stays; nobody takes it and drops it.
other_host() {
    mv "$DIR/conf.d/tiktok.conf" "$DIR/tiktok.away"
    check "a job is taken away" ctl reload
    check "it is no longer active" wait_until 20 active_is refresh-expired-tiktok-tokens f
    check_equal "the others are" t "$(active refresh-expired-youtube-tokens)"
    check_match "nobody who is alive has it: a warning says so" 'WARNING.*no renewd that is alive has job tiktok' \
        "$(sql "select renewd.run('tiktok')" 2>&1)"
    other_daemon "$(date +%s)"
    check_equal "another host that is alive has it: active" t "$(active refresh-expired-tiktok-tokens)"
    check_no_match "and no warning" WARNING "$(sql "select renewd.run('tiktok')" 2>&1)"
    other_daemon 1000
    check_equal "that host is gone: not active" f "$(active refresh-expired-tiktok-tokens)"
    creators tiktok 1 late
    sql "select renewd.run('tiktok'); select renewd.run('instagram')" > /dev/null 2>&1
    taken() { [ "$(sql "select count(*) from renewd.requests where taken_at = 0")" = "$1" ]; }
    check "the other job's request is taken" wait_until 20 taken 3
    check_match "those that wait are shown so" '^[0-9]+ +tiktok +sql +waiting ' "$(ctl runs tiktok 2>&1 || ctl runs)"
    mv "$DIR/tiktok.away" "$DIR/conf.d/tiktok.conf"
    check "the job comes back" ctl reload
    check "and is active" wait_until 20 active_is refresh-expired-tiktok-tokens t
    check "its request was kept" wait_until 20 taken 0
    check "and its run ends" wait_until 20 settled_runs
    check_equal "its record is refreshed" 1 "$(sim_account tiktok late-1 refresh_ok)"
}

start_simulator
stage
asked_of_nobody
kept_until_taken
granted_roles
wait_until 20 settled_runs
pauses
heard_at_once
other_host
stop_renewd
for role in "$APP" "$MONITOR"; do
    sql "drop owned by $role" > /dev/null 2>&1 || pg_admin -d "${DSN##*dbname=}" -c "drop owned by $role" > /dev/null
    pg_admin -c "drop role if exists $role"
done
no_tokens_in_logs
finish
