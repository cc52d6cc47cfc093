#!/bin/bash
# SPDX-License-Identifier: MIT
# Dead accounts beside living ones, in the daemon with its clock sped up: the living are fresh, nobody is told
# wrongly, every dead one is told, and there is one alarm at most.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/breaker.sh"
. "$(dirname "$0")/worlds.sh"

# judged NAME DEAD LIVING ALARMS
judged() {
    check "$1: the $3 living are fresh" wait_until 60 fresh "$3" $(($2 + 1))
    check "$1: the $2 dead are told" wait_until 120 told_all "$2"
    nobody_told_wrongly "$1" "$2"
    check_equal "$1: each once" "$2" "$(sql "select count(*) from told where what not like 'x%'" | awk '{ print $1 / 2 }')"
    check_equal "$1: the living are fine" "$3" "$(in_state 1)"
    check "$1: at most $4 alarm" [ "$(alarms)" -le "$4" ]
    check_equal "$1: no credential was used twice after its success" 0 "$(strict_sum reuse)"
}

over_a_restart() {
    local s="$1, 12 dead of 52 over a restart"
    world "$1" restart 52
    start_ready || exit 1
    check "$s: all are refreshed once" wait_until 60 fresh 52 1
    kill_accounts 1 12
    sql "update tokens set expires_at = $(if [ "$STORE" = sqlite ]; then echo 1700000000; else echo "to_timestamp(1700000000)"; fi) where id <= 12"
    check "$s: the dead are refused" wait_until 30 suspects 12
    stop_renewd
    all_expired
    sim mark '{}' > /dev/null
    start_ready || exit 1
    judged "$s" 12 40 1
    end_world
}
suspects() { [ "$(in_state 5)" = "$1" ]; }

invented() {
    local s="$1, 24 invented beside 20"
    world "$1" invented 44
    sql "update tokens set refresh_token = 'invented-' || account where id <= 24"
    start_ready || exit 1
    judged "$s" 24 20 1
    end_world
}

old_client() {
    local s="$1, 30 of an old client beside 10"
    world "$1" old 40
    sql "update tokens set refresh_token = 'old-client-' || account where id <= 30"
    start_ready || exit 1
    judged "$s" 30 10 1
    end_world
}

start_fast() {
    fast_clock
    start_simulator
}

start_fast
for store in ${STORES:-sqlite postgresql}; do
    over_a_restart $store
    invented $store
done
[ "${STORES:-}" = postgresql ] || old_client sqlite
finish
