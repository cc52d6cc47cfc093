#!/bin/bash
# SPDX-License-Identifier: MIT
# 1,400 dead accounts of 2,000 that sort first, in the daemon with its clock sped up: nobody is told wrongly, all that
# live are fresh, one alarm at most.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/breaker.sh"
. "$(dirname "$0")/worlds.sh"

# The dead are the first by number and by death.
most_are_dead() {
    local s="$1, 1,400 dead of 2,000 sorted first"
    world "$1" many 2000
    sql "update tokens set refresh_token = 'dead-' || account, expires_at = $(
        if [ "$STORE" = sqlite ]; then echo 1700000000; else echo "to_timestamp(1700000000)"; fi) where id <= 1400"
    start_ready || exit 1
    check "$s: the 600 living are fresh" wait_until 120 fresh 600 1401
    check "$s: the 1,400 dead are told" wait_until 300 told_all 1400
    nobody_told_wrongly "$s" 1400
    check "$s: one alarm at most" [ "$(alarms)" -le 1 ]
    end_world
}

SPEED=1000
fast_clock
start_simulator
for store in ${STORES:-sqlite}; do
    most_are_dead $store
done
finish
