#!/bin/bash
# SPDX-License-Identifier: MIT
# Whose an SQLite file is: the journal mode of somebody's database stays as it was, unless store.wal says otherwise; a
# file that renewd makes goes over to the log.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/bad.sh"

mode() {
    sqlite3 -batch "$1" 'pragma journal_mode'
}

export SQLITE_JOURNAL=delete
start_simulator
stage sqlite
make_accounts_table tokens
load_accounts strict tokens 40 s-
strict_job strict tokens 'rescan = "1s";'
check "somebody's file: its records are refreshed" run_renewd --once
check_equal "somebody's file: the journal mode stays" delete "$(mode "$SQLITE_DB")"
check "somebody's file: truth and table agree" compare_truth strict tokens s-
load_accounts strict tokens 40 t-
start_ready
for n in 1 2 3; do
    run_renewd --once > /dev/null & pids[n]=$!
done
wait "${pids[@]}"
all_well() { compare_truth strict tokens; }
check "somebody's file: a daemon and three --once beside it: truth and table agree" wait_until 60 all_well
check_equal "somebody's file: no credential was presented twice" '' "$(presented_twice)"
check_match "somebody's file: lists are answered" '80 \(80 ok' "$(ctl jobs)"
stop_renewd
check_equal "somebody's file: and the journal mode stays" delete "$(mode "$SQLITE_DB")"
sed -i 's/path = "\([^"]*\)";/path = "\1"; wal = true;/' "$CONF"
check "store.wal: it runs" run_renewd --once
check_equal "store.wal: it goes over to the log" wal "$(mode "$SQLITE_DB")"

make_store sqlite
rm -f "$SQLITE_DB"
forget_renewd
write_conf
write_job own <<JOB
plugin = "oauth2";
schedule = "auto";
settings = { token_url = "$SIM_URL/strict/token"; client_id = "client-1"; client_secret = "env:TEST_SECRET"; };
JOB
check "renewd's own file: it runs" run_renewd --once
check_equal "renewd's own file: the log" wal "$(mode "$SQLITE_DB")"
check_equal "renewd's own file: it is marked" 1919842148 "$(sqlite3 -batch "$SQLITE_DB" 'pragma application_id')"
sqlite3 -batch "$SQLITE_DB" 'pragma journal_mode = delete' > /dev/null
check "renewd's own file, changed: it runs" run_renewd --once
check_equal "renewd's own file, changed: goes back to the log" wal "$(mode "$SQLITE_DB")"
no_tokens_in_logs
finish
