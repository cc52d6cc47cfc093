#!/bin/bash
# SPDX-License-Identifier: MIT
# A hundred reloads, by signal and by command, with jobs that come, change and go, while their accounts are
# refreshed and people ask: nothing is presented twice, nothing is lost, and the daemon stops in order.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

STORM=${STORM:-50}

# Job a stays, b and d change their settings, c comes and goes.
change_jobs() { # TURN
    strict_job b b "in_flight = $((3 + $1 % 5)); rescan = \"1s\";"
    strict_job d d "in_flight = $((3 + $1 % 5)); rescan = \"1s\";"
    if [ $(($1 % 2)) = 0 ]; then
        strict_job c c 'in_flight = 4;'
    else
        rm -f "$DIR/conf.d/c.conf"
    fi
}

ask() { # what people ask meanwhile; what it answers depends on the moment
    ctl --json status
    ctl jobs
    ctl records a
    ctl runs
} > /dev/null 2>&1

storm() {
    local turn
    for ((turn = 1; turn <= STORM; turn++)); do
        change_jobs "$turn"
        kill -HUP "$RENEWD_PID"
        ctl reload > /dev/null 2>&1
        ask
        if [ $((turn % 10)) = 0 ]; then
            load_accounts strict a 5 "a$turn"
            load_accounts strict b 5 "b$turn"
            load_accounts strict c 5 "c$turn"
            ctl run a > /dev/null 2>&1 &
        fi
    done
    strict_job c c
    ctl reload > /dev/null
}

all_agree() {
    local name
    for name in a b c; do compare_truth strict $name $name || return 1; done
    compare_truth strict d a-
}

# Job d keeps a table whose rows hold the credentials of the first rows of a's.
shared_table() {
    make_accounts_table d
    sql "insert into d (account, access_token, refresh_token, expires_at)
        select account, access_token, refresh_token, expires_at from a"
    strict_job d d 'in_flight = 4; rescan = "1s";'
    sed -i 's/^schedule.*/schedule = "auto";/' "$DIR/conf.d/d.conf"
}

reloads() { # STORE
    local s=$1 name
    stage "$s"
    for name in a b c; do
        make_accounts_table $name
        load_accounts strict $name 40 $name
        strict_job $name $name 'in_flight = 4; rescan = "1s";'
        sed -i 's/^schedule.*/schedule = "auto";/' "$DIR/conf.d/$name.conf"
    done
    shared_table
    sim misbehave '{"mode":"delay","provider":"strict","ms":40,"when":"after","count":-1}' > /dev/null
    start_renewd || exit 1
    storm
    check "$s: the daemon is there still" renewd_is_up
    check "$s: all accounts of all jobs are refreshed in the end" wait_until 60 all_agree
    stop_renewd
    check_equal "$s: nothing was presented twice" '' "$(presented_twice)"
    check_equal "$s: no reuse" 0 "$(strict_sum reuse)"
    check_equal "$s: nothing is ambiguous" 0 "$(history ambiguous)"
    check_equal "$s: nothing is left on the spool" 0 "$(spool_files)"
    check_equal "$s: no lease is left" 0 \
        "$(sql "select count(*) from $(own credentials) where lease_until is not null")"
}

start_simulator
for store in sqlite postgresql; do
    reloads $store
done
no_tokens_in_logs reload
finish
