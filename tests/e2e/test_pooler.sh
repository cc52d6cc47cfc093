#!/bin/bash
# SPDX-License-Identifier: MIT
# renewd and the clients that ask it in SQL behind a pooler that gives each transaction another session:
# tables are made, records refreshed and committed, runs asked for, jobs paused, all without a session's
# state; nothing is left behind in the sessions that others get after us.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/shipped.sh"

pooler=$(PATH=$PATH:/usr/sbin command -v pgbouncer) || { echo "ok $SUITE # SKIP pgbouncer is not installed"; ended=yes; exit 77; }

# start_pooler: before the current store; two sessions for everybody. Sets POOLED, the dsn through it.
start_pooler() {
    main_shell start_pooler || return 1
    local port run=()
    port=$(free_port) || exit 1
    mkdir "$DIR/pooler" && echo '"renewd_test" ""' > "$DIR/pooler/users"
    [ "$(id -u)" != 0 ] || run=(setpriv --reuid=postgres --regid=postgres --clear-groups)
    cat > "$DIR/pooler/ini" <<INI
[databases]
* = host=$PGHOST port=$PGPORT
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = trust
auth_file = $DIR/pooler/users
pool_mode = transaction
default_pool_size = 2
INI
    "${run[@]}" "$pooler" "$DIR/pooler/ini" >> "$DIR/pooler/log" 2>&1 &
    POOLER_PID=$!
    POOLED="host=127.0.0.1 port=$port user=renewd_test dbname=${DSN##*dbname=}"
    wait_until 60 pooled 'select 1' && return 0
    not_ok "the pooler starts" "$(cat "$DIR/pooler/log")"
    exit 1
}

pooled() { psql -XqAt -v ON_ERROR_STOP=1 -d "$POOLED" -c "$1" 2>&1; }
refreshed() { [ "$(sim_count strict ok)" -ge "$1" ]; }
last_run_is() { [ "$(pooled "select return_message from renewd.job_run_details where end_time is not null order by runid desc limit 1")" = "$1" ]; }
ctl_shows() { ctl jobs | grep -E "^tokens .* $1 "; }

# What a session of ours would leave to whoever gets it next.
session_state() {
    for _ in 1 2 3 4 5 6; do
        pooled "select (select count(*) from pg_prepared_statements) || ' prepared, ' ||
            (select count(*) from pg_listening_channels()) || ' channels, ' ||
            (select count(*) from pg_locks where locktype = 'advisory' and
                database = (select oid from pg_database where datname = current_database())) || ' locks, ' ||
            current_setting('statement_timeout') || ' ' || current_setting('lock_timeout') || ' ' ||
            current_setting('default_transaction_read_only')"
    done | sort -u
}

start_simulator
make_store postgresql
start_pooler
direct=$DSN
DSN=$POOLED
write_conf
make_accounts_table tokens
strict_job tokens tokens
load_accounts strict tokens 40 a
sql_file "$TOP/sql/postgresql/free_plan.sql" > /dev/null 2>&1
shipped free-plan
free_users 5
check "renewd makes its tables and refreshes through the pooler" run_renewd --once
check_equal "named statements too" '5|100000|100000' \
    "$(pooled "select count(*), min(balance), max(balance) from token_wallets")"
check "the pairs are those that live" compare_truth strict tokens a
check_equal "none was presented twice" '' "$(presented_twice)"

load_accounts strict tokens 30 b
start_renewd
check "the daemon comes up behind it" wait_until 20 daemon_is_ready
check "and refreshes what is due" wait_until 30 refreshed 70
check_match "it says that requests wait for the poll" 'are read every five seconds, changed rows at every rescan.*pooler' "$(cat "$DIR/renewd.all")"
are_ok() { [ "$(ctl --json status > /dev/null && ctl --json records tokens | grep -o '"state":"ok"' | wc -l)" = "$1" ]; }
check "the reads work" wait_until 20 are_ok 70 # what was answered is committed in a moment
sql "update tokens set expires_at = now() - interval '1 hour' where account like 'a%'" > /dev/null
check_match "a run is asked for through the pooler" 'NOTICE.*renewd run [0-9]+ of job tokens' "$(pooled "select renewd.run('tokens')")"
run_count() { [ "$(pooled "select count(*) from renewd.runs where trigger = 'sql' and finished_at > 0")" = "$1" ]; }
check "the poll alone finds it" wait_until 30 run_count 1
check_equal "a pause" '' "$(pooled "select renewd.pause('tokens')")"
check "is heard of" wait_until 30 ctl_shows paused
check_match "a run of a paused job is warned of" 'WARNING.*is paused' "$(pooled "select renewd.run('tokens')")"
check "and its row says why it did nothing" wait_until 30 last_run_is 'the job is paused; resume it first'
pooled "select renewd.resume('tokens')" > /dev/null
check "a resume is heard of" wait_until 30 ctl_shows on
check "pauses through renewctl" ctl pause tokens
check "resumes through renewctl" ctl resume tokens
nothing_left() { [ "$(session_state)" = '0 prepared, 0 channels, 0 locks, 0 0 off' ]; }
check "nothing is left behind in the pooler's sessions" wait_until 20 nothing_left

stop_process "$POOLER_PID"
POOLER_PID=''
away() { ctl status | grep -q 'away'; }
check "the pooler gone, the store is away" wait_until 30 away
stop_renewd
DSN=$direct
check "every refreshed pair is in the database" compare_truth strict tokens
check_equal "none was presented twice" '' "$(presented_twice)"
no_tokens_in_logs
finish
