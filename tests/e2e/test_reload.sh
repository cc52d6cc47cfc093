#!/bin/bash
# SPDX-License-Identifier: MIT
# What a reload means for a job that runs: a changed schedule counts from then on, and a second job on the same
# column of the same table, under whatever name, does not stop the first.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

ticks() { sql "select count(*) from $(own runs) where trigger = 'tick'"; }
ticked() { [ "$(ticks)" = "$1" ]; }
noted_within() { [ "$(sql "select next_tick from $(own jobs)")" -lt $(($(date +%s) + $1)) ]; }
noted() { [ "$(sql "select next_tick from $(own jobs)")" -gt "$1" ]; }
scheduled() { sed -i "s|^schedule.*|schedule = \"$1\";|" "$DIR/conf.d/tokens.conf"; }
# Every hour, two minutes ago: such a tick lies before now and after the last one.
lately() { echo "$(date -u -d '2 minutes ago' +%-M) * * * *"; }
held() { ctl --json jobs | json "\$.jobs[$1].held"; }

schedule_changes() {
    local s="$1, schedule"
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 2 one '"age":60'
    strict_job tokens tokens
    scheduled '0 0 1 1 *'
    start_ready || exit 1
    check "$s: a new job waits for its first tick" wait_until 10 noted 0
    scheduled "$(lately)"
    check "$s: changed by reload" ctl reload
    check "$s: its next tick is noted" wait_until 10 noted_within 3700
    check_equal "$s: none was missed" 0 "$(ticks)"
    stop_renewd
    scheduled "$(lately | sed 's/ \*/ *\/2/')"
    start_ready || exit 1
    check_equal "$s: changed while down, none was missed" 0 "$(ticks)"
    stop_renewd
    scheduled "$(lately)"
    sql "update $(own jobs) set last_tick = last_tick - 40 * 86400, next_tick = last_tick - 39 * 86400"
    start_ready || exit 1
    check "$s: changed while down, one of the old ones was missed: it is made up" wait_until 10 ticked 1
    stop_renewd
    scheduled '0 0 1 1 *'
    sql "update $(own jobs) set next_tick = last_tick"
    start_ready || exit 1
    check "$s: and when the new schedule is rarer" wait_until 10 ticked 2
    stop_renewd
}

same_table_again() { # STORE FILE: before or after the other one
    local s="$1, the same table in $2.conf" name first=1
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 3 same
    strict_job middle tokens 'rescan = "1s";'
    start_ready || exit 1
    check "$s: the job runs" wait_until 20 compare_truth strict tokens
    name=public.tokens
    [ "$1" = postgresql ] || name=main.tokens
    strict_job "$2" "$name"
    [ "$2" = zweiter ] || first=0
    ctl reload > "$DIR/reload.out" 2>&1
    check_match "$s: the second is held, with the reason" 'job middle keeps the same column of the same table' \
        "$(held $first)"
    check_equal "$s: the first goes on" '' "$(held $((1 - first)))"
    load_accounts strict tokens 3 more
    check "$s: and refreshes what comes" wait_until 20 compare_truth strict tokens
    ctl reload > "$DIR/reload.out" 2>&1
    check_equal "$s: also after the next reload" '' "$(held $((1 - first)))"
    rm "$DIR/conf.d/middle.conf"
    ctl reload > "$DIR/reload.out" 2>&1
    check_equal "$s: the other runs when the first is gone" '' "$(held 0)"
    stop_renewd
}

start_simulator
for store in sqlite postgresql; do
    schedule_changes $store
    same_table_again $store zweiter
    same_table_again $store ander
done
finish
