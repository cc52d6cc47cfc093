#!/bin/bash
# SPDX-License-Identifier: MIT
# The breaker: a wrong client secret condemns nobody, whatever the provider calls it, over restarts and hosts;
# few requests tell; dead accounts are condemned all the same.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/breaker.sh"

ACCOUNTS=${ACCOUNTS:-1000}

# All were refreshed; then the secret goes wrong, in the middle of a thousand answers that were fine.
secret_goes_wrong() { # STORE KIND
    local s="$1, $2, $ACCOUNTS accounts" alarms
    make_world "$1" wrong "$ACCOUNTS"
    the_client_is hush-secret
    check "$s: all are refreshed once" run_renewd --once
    all_expired
    sim mark '{}' > /dev/null
    if [ "$2" = invalid_client ]; then the_client_is other; else all_refused; fi
    check_fails "$s: a run fails" once_in 300
    few_requests "$s" 45
    nobody_was_told "$s"
    alarms=$(grep -c 'level=error.*job held by its breaker' "$DIR/renewd.log")
    check_equal "$s: one alarm" 1 "$alarms"
    check "$s: the job is held in the store" is_held
    sim mark '{}' > /dev/null
    check_fails "$s: the next start stays held" once_in 310
    check_equal "$s: and asks nobody within the minute" 0 "$(requests)"
    check_match "$s: it says why" 'job tokens is held:.*client' "$(cat "$DIR/renewd.log")"
    check_fails "$s: minutes later one canary is asked" once_in 450
    check_equal "$s: one request" 1 "$(requests)"
    nobody_was_told "$s, canary refused"
    the_client_is hush-secret
    none_refused
    check "$s: an hour later the canary is refreshed, and all with it" once_in 7500
    check "$s: all are fine, none was lost" all_fine "$ACCOUNTS"
    check "$s: the job goes on" goes_on
    nobody_was_told "$s, in the end"
}

# Nobody was ever refreshed: there is no canary.
never_right() {
    local s="$1, never right"
    make_world "$1" never 200
    the_client_is other
    check_fails "$s: a run fails" run_renewd --once
    few_requests "$s" 45
    check "$s: the job is held" is_held
    nobody_was_told "$s"
}

# Five accounts are fewer than the limit: a record that was fine before is the canary. One alone is just held.
a_canary_fails() {
    local s="$1, a canary fails"
    make_world "$1" canary 5 'in_flight = 1;'
    the_client_is hush-secret
    check "$s: all are refreshed once" run_renewd --once
    all_expired
    sim mark '{}' > /dev/null
    sim misbehave '{"mode":"json","provider":"strict","status":401,"body":"{\"error\":\"invalid_client\"}"}' > /dev/null
    check_fails "$s: one is misconfigured" once_in 300
    check_equal "$s: that one is held" 1 "$(in_state 5)"
    check "$s: the job is not" goes_on
    check_equal "$s: the others are refreshed" 4 "$(in_state 1)"
    all_expired
    sim mark '{}' > /dev/null
    the_client_is other
    check_fails "$s: then all are" once_in 1200
    check "$s: the job is held" is_held
    check_equal "$s: after two requests" 2 "$(requests)"
    nobody_was_told "$s"
    the_client_is hush-secret
    check "$s: the canary is refreshed, and all with it" once_in 1400
    check "$s: all are fine" all_fine 5
}

# Fewer than the limit, and none of them was ever fine: that says nothing about the client.
none_was_fine() {
    local s="$1, none was ever fine"
    make_world "$1" fresh 5 'in_flight = 1;'
    the_client_is other
    check_fails "$s: a run fails" run_renewd --once
    check_equal "$s: each is misconfigured" 5 "$(in_state 5)"
    check "$s: the job is not held" goes_on
}

truly_dead() { # STORE ACCOUNTS DEAD
    local s="$1, $3 of $2 are dead" i
    make_world "$1" dead "$2"
    for ((i = 0; i < $3; i++)); do
        sim revoke "{\"provider\":\"strict\",\"account\":\"$(sql "select account from tokens order by id
            limit 1 offset $((i * $2 / $3))")\"}" > /dev/null
    done
    sim mark '{}' > /dev/null
    check_fails "$s: a run says so" run_renewd --once
    check_equal "$s: they are condemned" "$3" "$(in_state 4)"
    check_equal "$s: their owners are told once" "$((2 * $3))" "$(sql 'select count(*) from told')"
    check_equal "$s: each was asked once" "$2" "$(requests)"
    check "$s: the job is not held" goes_on
}

# One by one, so that verdicts are committed before it is clear: they are taken back.
one_by_one() {
    local s="$1, one by one" i
    make_world "$1" slow 20 'limit = 1; breaker = { records = 4; };'
    all_refused
    for i in 1 2 3; do run_renewd --once; done
    check_equal "$s: three are condemned" 3 "$(in_state 4)"
    run_renewd --once
    check "$s: with the fourth the job is held" is_held
    check_equal "$s: and all verdicts are taken back" 0 "$(in_state 4)"
    check_equal "$s: in the rows" 0 "$(sql "select count(*) from tokens where status = 'expired'")"
    check_equal "$s: and for the owners" 0 "$(sql 'select count(*) from owners where warned')"
    none_refused
    check "$s: the canary is refreshed" once_in 200
    sed -i 's/limit = 1;//' "$DIR/conf.d/tokens.conf"
    check "$s: and then the others" once_in 200
    check "$s: all are fine" all_fine 20
}

# More dead ones than the limit: withheld at first; after the canary they are asked once more, and that stands.
many_dead() {
    local s="$1, more are dead than the limit" account i
    make_world "$1" many 9 'in_flight = 1; breaker = { records = 3; };'
    check "$s: all are refreshed once" run_renewd --once
    for account in $(sql 'select account from tokens order by id limit 4'); do
        sim revoke "{\"provider\":\"strict\",\"account\":\"$account\"}" > /dev/null
    done
    sql "update tokens set expires_at = $([ "$1" = sqlite ] && echo 'id + 1700000000' || echo "to_timestamp(id + 1700000000)")" # the dead first
    check_fails "$s: the job is held" once_in 300
    check "$s: by the breaker" is_held
    nobody_was_told "$s"
    for i in 1 2 3 4 5 6; do
        once_in $((i * 7300))
        [ "$(in_state 4)" = 4 ] && break
    done
    check_equal "$s: in the end they are condemned" 4 "$(in_state 4)"
    check "$s: the job goes on" goes_on
    check_equal "$s: the others are fine" 5 "$(in_state 1)"
}

# Twelve dead accounts come due when nobody else is: the job is held, and the canary is one that was fine.
dead_at_a_quiet_hour() {
    local s="$1, dead at a quiet hour" n past=1700000000
    make_world "$1" quiet 30
    the_client_is hush-secret
    check "$s: all are refreshed once" run_renewd --once
    for ((n = 1; n <= 12; n++)); do
        sim revoke "{\"provider\":\"strict\",\"account\":\"quiet-$n\"}" > /dev/null
    done
    [ "$STORE" = sqlite ] || past="to_timestamp($past)"
    sql "update tokens set expires_at = $past where id <= 12"
    check_fails "$s: a run fails" once_in 300
    check "$s: the job is held" is_held
    check_fails "$s: minutes later some are dead" once_in 450
    check "$s: but the job goes on" goes_on
    check_equal "$s: those that are dead are condemned" 12 "$(in_state 4)"
    check_equal "$s: the others are fine" 18 "$(in_state 1)"
}

started=$(date +%s)
start_simulator
for store in ${STORES:-sqlite postgresql}; do
    secret_goes_wrong $store invalid_client
    secret_goes_wrong $store invalid_grant
    never_right $store
    a_canary_fails $store
    none_was_fine $store
    truly_dead $store 1000 3
    truly_dead $store 100 9
    truly_dead $store 3 3
    one_by_one $store
    many_dead $store
    dead_at_a_quiet_hour $store
done
finish
