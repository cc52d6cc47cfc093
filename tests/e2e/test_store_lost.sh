#!/bin/bash
# SPDX-License-Identifier: MIT
# Connections to PostgreSQL that end at any instant: no lease stays behind that nobody works on, neither in
# the live process nor after one that was told to end while the store was away. And a row that is locked by its
# application, and a table that somebody has locked as a whole. SEED repeats a run's instants.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

SEED=${SEED:-$RANDOM}
RANDOM=$SEED
echo "# SEED=$SEED"

cut_connections() {
    pg_admin -c "select count(pg_terminate_backend(pid)) from pg_stat_activity
                 where usename = 'renewd_test' and datname = '${DSN##*dbname=}'" > /dev/null 2>&1
}

set_up() { # PREFIX COUNT MORE
    stage postgresql
    make_accounts_table tokens
    load_accounts strict tokens "$2" "$1"
    strict_job tokens tokens "$3"
    sed -i 's/^schedule.*/schedule = "auto";/' "$DIR/conf.d/tokens.conf"
}

leases() { sql "select count(*) from renewd.credentials where lease_until is not null"; }
no_leases() { [ "$(leases)" = 0 ]; }
all_ok() { [ "$(sql "select count(*) from renewd.records where ok_at > 0")" = "$1" ]; }
some_ok() { [ "$(sql "select count(*) from renewd.records where ok_at > 0")" -gt 0 ]; }

cut_at_random() {
    local i s="cut at random"
    set_up cut 200 'in_flight = 7;'
    sim misbehave '{"mode":"delay","provider":"strict","ms":20,"when":"before","count":-1}' > /dev/null
    start_renewd || exit 1
    for ((i = 0; i < 60; i++)); do
        sleep "0.0$((RANDOM % 9 + 1))"
        cut_connections
    done
    check "$s: all are refreshed in the end" wait_until 60 all_ok 200
    check "$s: no lease is left" wait_until 20 no_leases
    check "$s: truth and table agree" compare_truth strict tokens cut
    check_equal "$s: none was presented twice" '' "$(presented_twice)"
    stop_renewd
    check_equal "$s: nothing is left on the spool" 0 "$(spool_files)"
    check "$s: the next start finds nothing to do" run_renewd --once # and ends runs that could not be noted
    check_equal "$s: no run looks as if it went on" 0 \
        "$(sql 'select count(*) from renewd.runs where finished_at = 0 and refreshed + failed > 0')"
}

ended_while_away() {
    local s="ended while the store was away" held
    set_up away 20 'in_flight = 50; pace = "2s"; # slow'
    sim misbehave '{"clear":true}' > /dev/null
    start_renewd || exit 1
    check "$s: some are refreshed, others wait with their leases" wait_until 20 some_ok
    pg_admin -c "alter database ${DSN##*dbname=} connection limit 0" > /dev/null # ours alone: others use the cluster
    cut_connections
    stop_renewd
    pg_admin -c "alter database ${DSN##*dbname=} connection limit -1" > /dev/null
    held=$(leases)
    check "$s: leases are left ($held)" [ "$held" -gt 0 ]
    sed -i 's/pace = .*slow/#/' "$DIR/conf.d/tokens.conf"
    start_renewd || exit 1
    check "$s: the next process gives them back, and all are refreshed" wait_until 30 all_ok 20
    check_equal "$s: none was presented twice" '' "$(presented_twice)"
    stop_renewd
    check_equal "$s: no lease is left" 0 "$(leases)"
    check_equal "$s: nothing is left on the spool" 0 "$(spool_files)"
}

# An application holds one row, for longer than many of our statements may take: the others go on.
a_row_locked() {
    local s="a row is locked"
    set_up row 200 'in_flight = 7;'
    hold_lock 'select 1 from tokens where account = (select max(account) from tokens) for update' || exit 1
    start_renewd || exit 1
    check "$s: all others are refreshed meanwhile" wait_until 60 all_ok 199
    check "$s: its result is asked for again" wait_until 30 waits_for_lock
    check_equal "$s: it waits on the spool" 1 "$(ctl --json status | json '$.spool.entries')"
    release_lock
    check "$s: then it is stored too" wait_until 20 all_ok 200
    check "$s: truth and table agree" compare_truth strict tokens row
    check_equal "$s: none was presented twice" '' "$(presented_twice)"
    stop_renewd
    check_equal "$s: nothing is left on the spool" 0 "$(spool_files)"
}

# A whole table is locked while its requests are under way, as by a long ALTER: its results wait together, the database
# is not taken for lost, and the other job's records are refreshed.
a_table_locked() {
    local s="a table is locked"
    set_up table 40 'in_flight = 40;'
    : > "$DIR/renewd.all"
    make_accounts_table others
    strict_job others others 'rescan = "2s";'
    sed -i 's/^schedule.*/schedule = "auto";/' "$DIR/conf.d/others.conf"
    sim misbehave '{"mode":"delay","provider":"strict","ms":15000,"when":"before","count":-1}' > /dev/null
    start_ready || exit 1
    check "$s: its requests are under way" wait_until 60 presented 40
    hold_lock 'lock table tokens in access exclusive mode' || exit 1
    sim misbehave '{"clear":true}' > /dev/null
    load_accounts strict others 40 other
    check "$s: the other job's records are refreshed meanwhile" wait_until 60 refreshed_of others 40
    check "$s: all of its own are answered" wait_until 60 answered 80
    check "$s: it is said which table it is" wait_until 60 grep -q 'seems to be locked.* job=tokens table=tokens' "$DIR/renewd.all"
    check_equal "$s: its results wait" "$(ctl --json status | json '$.spool.entries')" "$(ctl --json status | json '$.waiting_commits')"
    check "$s: still" [ "$(ctl --json status | json '$.waiting_commits')" -gt 3 ]
    check_no_match "$s: the database is not taken for lost" 'is not available' "$(cat "$DIR/renewd.all")"
    release_lock
    check "$s: then all are stored" wait_until 60 refreshed_of tokens 40
    check "$s: truth and table agree" compare_truth strict tokens table
    check_equal "$s: none was presented twice" '' "$(presented_twice)"
    check "$s: it is said" grep -q 'no longer locked.* job=tokens' "$DIR/renewd.all"
    stop_renewd
    check_equal "$s: nothing is left on the spool" 0 "$(spool_files)"
}
presented() { [ "$(sim_count strict presented)" = "$1" ]; }
answered() { [ "$(sim_count strict ok)" = "$1" ]; }
refreshed_of() { [ "$(sql "select count(*) from renewd.records where job = '$1' and ok_at > 0")" = "$2" ]; }

# Some statement of ours stands before the lock.
waits_for_lock() {
    [ "$(sql "select count(*) from pg_stat_activity where wait_event_type = 'Lock'
              and datname = current_database()")" -gt 0 ]
}

start_simulator
a_row_locked
a_table_locked
cut_at_random
ended_while_away
no_tokens_in_logs
finish
