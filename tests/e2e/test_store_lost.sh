#!/bin/bash
# SPDX-License-Identifier: MIT
# Connections to PostgreSQL that end at any instant: no lease stays behind that nobody works on, neither in
# the live process nor after one that was told to end while the store was away. SEED repeats a run's instants.
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
    pg_admin -c 'alter role renewd_test nologin' > /dev/null
    cut_connections
    stop_renewd
    pg_admin -c 'alter role renewd_test login' > /dev/null
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

start_simulator
cut_at_random
ended_while_away
finish
