#!/bin/bash
# SPDX-License-Identifier: MIT
# Refusals are no verdicts: a run withholds them, row and owner stay as they are; with again = "0s" the same run
# asks once more and tells; the operator's word; a wrong client secret, however it is called, tells nobody anything.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/breaker.sh"

rows() { sql "select id, account, access_token, refresh_token, status, last_error from tokens order by id"; }

kill_first() { # COUNT
    local account
    for account in $(sql "select account from tokens order by id limit $1"); do
        sim revoke "{\"provider\":\"strict\",\"account\":\"$account\"}" > /dev/null
    done
}

# The first refusal is no verdict, whatever the provider says.
withheld_at_first() { # STORE
    local s="$1, withheld" before
    make_world "$1" once 20
    kill_first 3
    before=$(rows | head -n 3)
    check_fails "$s: a run says so" run_renewd --once
    check_equal "$s: three are suspects" "3|withheld" "$(sql "select count(*), max(last_code) from $(own records) where state = 5")"
    check_equal "$s: the others are fine" 17 "$(in_state 1)"
    check_equal "$s: the rows are as they were" "$before" "$(rows | head -n 3)"
    check_equal "$s: no strike" 0 "$(sql "select sum(strikes) from $(own records)")"
    nobody_was_told "$s"
    check_match "$s: the text says what was said" 'invalid_grant.*not treated as final yet' \
        "$(sql "select last_text from $(own records) where state = 5")"
    check_equal "$s: each was asked once" 20 "$(requests)"
    run_renewd --once
    check_equal "$s: and no more before its time" 0 "$(($(sql "select max(refusals) from $(own suspects)") - 1))"
}

told_in_the_same_run() { # STORE
    local s="$1, again = 0s"
    make_world "$1" same 20 'in_flight = 1; breaker = { again = "0s"; };' # others come after the dead
    kill_first 3
    check_fails "$s: a run says so" run_renewd --once
    check_equal "$s: three are told" 3 "$(in_state 4)"
    check_equal "$s: row and owner" 6 "$(sql 'select count(*) from told')"
    check_equal "$s: the others are fine" 17 "$(in_state 1)"
    check_equal "$s: the dead were asked twice" 23 "$(requests)"
    check_equal "$s: their credentials are dead" 3 "$(sql "select count(*) from $(own credentials) where dead <> 0")"
    run_renewd --once
    check_equal "$s: and are not asked again" 23 "$(requests)"
}

# All were refreshed; then the provider refuses everybody: nobody is told, over starts.
all_are_refused() { # STORE KIND
    local s="$1, all refused, $2" i
    make_world "$1" all 30
    the_client_is hush-secret
    check "$s: all are refreshed once" run_renewd --once
    all_expired
    if [ "$2" = invalid_client ]; then the_client_is other; else all_refused; fi
    check_fails "$s: a run fails" run_renewd --once
    check_equal "$s: all are suspects" 30 "$(in_state 5)"
    check "$s: the job is not held while successes are fresh" goes_on
    pass 1000
    check_fails "$s: minutes later" run_renewd --once
    check "$s: the job is held" is_held
    check_match "$s: it says why" 'job tokens is held: the provider refused 30 records that were refreshed before' "$(cat "$DIR/renewd.log")"
    for i in 1 2 3; do
        pass 60
        run_renewd --once
    done
    nobody_was_told "$s"
    check_equal "$s: one alarm" 1 "$(grep -c 'level=error.*job held by its breaker' "$DIR/renewd.all")"
    the_client_is hush-secret
    none_refused
    pass 3600
    run_renewd --once
    check "$s: a canary ends it" goes_on
    check "$s: and all are fine, none was lost" all_fine 30
    nobody_was_told "$s, in the end"
}

# A secret that is wrong at first start belongs to its settings: with the right one all begins anew.
never_right() {
    local s="$1, never right"
    make_world "$1" never 200
    the_client_is other
    check_fails "$s: a run fails" run_renewd --once
    few_requests "$s" 100
    check "$s: the job is held" is_held
    check_match "$s: it says where to look" 'refreshed none with these settings; check client_id' "$(cat "$DIR/renewd.log")"
    nobody_was_told "$s"
    check "$s: under another secret all are refreshed" wait_until 20 runs_until_fine other 200
    nobody_was_told "$s, in the end"
}

# A run does not take what failed in its very second.
runs_until_fine() { TEST_SECRET=$1 run_renewd --once && all_fine "$2"; }

believed() {
    local s="$1, the operator's word"
    make_world "$1" word 5
    all_refused
    check_fails "$s: a run fails" run_renewd --once
    nobody_was_told "$s"
    start_ready || exit 1
    check "$s: resume --believe is done" ctl resume tokens --believe
    check "$s: all are told" wait_until 30 in_state_is 4 5
    stop_renewd
    none_refused
}
in_state_is() { [ "$(in_state "$1")" = "$2" ]; }

started=$(date +%s)
start_simulator
for store in ${STORES:-sqlite postgresql}; do
    withheld_at_first $store
    told_in_the_same_run $store
    all_are_refused $store invalid_client
    all_are_refused $store invalid_grant
    never_right $store
    believed $store
done
finish
