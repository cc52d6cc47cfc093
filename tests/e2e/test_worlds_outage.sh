#!/bin/bash
# SPDX-License-Identifier: MIT
# A provider that refuses everybody for hours, and a wrong secret, in the daemon with its clock sped up: nobody is told,
# all are fresh when they can be, one alarm.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/breaker.sh"
. "$(dirname "$0")/worlds.sh"

suspects() { [ "$(in_state 5)" -ge "$1" ]; }
well() { # NAME COUNT
    check "$1: then all are fresh" wait_until 120 fresh "$2" 1
    check_equal "$1: nobody was told" 0 "$(told)"
    check_equal "$1: one alarm" 1 "$(alarms)"
    check_equal "$1: no credential was used twice after its success" 0 "$(strict_sum reuse)"
}
it_is() { [ "$(date +%s)" -ge "$1" ]; } # by the fast clock

refused_for_hours() { # STORE COUNT
    local s="$1, everything refused for hours and then well, $2" until
    world "$1" outage "$2"
    start_ready || exit 1
    check "$s: all are refreshed once" wait_until 60 fresh "$2" 1
    all_refused
    all_expired
    check "$s: all are refused" wait_until 60 suspects "$2"
    check "$s: the job is held" wait_until 60 is_held
    until=$(($(date +%s) + 2 * 3600))
    check "$s: for two hours" wait_until 120 it_is $until
    check_equal "$s: nobody was told" 0 "$(told)"
    none_refused
    well "$s" "$2"
    end_world
}

wrong_secret() { # STORE WHEN KIND
    local s="$1, wrong secret $2, told as $3"
    world "$1" secret 40
    the_client_is hush-secret
    if [ "$2" = "after a year" ]; then
        start_ready || exit 1
        check "$s: all are refreshed once" wait_until 60 fresh 40 1
        stop_renewd
        all_expired
        : > "$DIR/renewd.all"
    fi
    [ "$3" = invalid_client ] || all_refused
    export TEST_SECRET=wrong
    start_ready || exit 1
    check "$s: the job is held" wait_until 60 is_held
    check_equal "$s: nobody was told" 0 "$(told)"
    stop_renewd
    none_refused
    export TEST_SECRET=hush-secret
    start_ready || exit 1
    well "$s" 40
    end_world
}

SPEED=1000
fast_clock
start_simulator
for store in ${STORES:-sqlite}; do
    refused_for_hours $store 60
    refused_for_hours $store 5
    wrong_secret $store "at first start" invalid_grant
    wrong_secret $store "after a year" invalid_client
done
finish
