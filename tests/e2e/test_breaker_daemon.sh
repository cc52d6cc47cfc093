#!/bin/bash
# SPDX-License-Identifier: MIT
# A job that its breaker holds, in a daemon: shown everywhere, over a restart and on every host; it ends by a
# canary, a resume, a reload, a refresh by hand; and then goes on without a storm.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/breaker.sh"

ACCOUNTS=60

log_has() { grep -Eq -- "$1" "$DIR/renewd.all"; }
ask_in() { # SECONDS: the canary, at the next start
    sql "update $(own jobs) set breaker_next_at = $(date +%s) + $1, breaker_asked_at = 1"
}
asked_times() { [ "$(sql "select breaker_tries from $(own jobs)")" -ge "$1" ]; }
withheld() { sql "select count(*) from $(own records) where last_code = 'withheld'"; }
all_end_well() { wait_until 40 all_fine $ACCOUNTS; }

# held STORE NAME: a daemon whose job has tripped.
held() {
    make_world "$1" "$2" $ACCOUNTS
    all_refused
    start_ready || exit 1
    wait_until 20 is_held || not_ok "$1, $2: the job is held" "$(tail -n 5 "$DIR/renewd.all")"
}

shown() {
    local s="$1, shown"
    : > "$DIR/renewd.all"
    held "$1" shown
    check "$s: an alarm is logged" wait_until 5 log_has 'level=error msg="job held by its breaker" job=tokens'
    check_match "$s: status counts it" '"held": *1' "$(ctl --json status)"
    check_match "$s: jobs says why" 'refused 10 records within 10m \(invalid_grant\)' "$(ctl --json jobs)"
    check_match "$s: explain says so" 'the job is held: the provider refused 10' "$(ctl explain tokens)"
    check_match "$s: explain counts the due ones" '[1-9][0-9]* +due, but held by the breaker' "$(ctl explain tokens)"
    check_match "$s: explain tells of one record" 'held by the breaker' "$(ctl explain tokens 60)"
    check "$s: some are withheld" [ "$(withheld)" -ge 10 ]
    check_match "$s: records says so" 'withheld' "$(ctl --json records tokens)"
    check_fails "$s: a run is refused" ctl run tokens
    check_match "$s: the run says why" 'held' "$(ctl run tokens 2>&1)"
    nobody_was_told "$s"
}

by_restart_and_canary() { # the daemon of `shown` is running
    local s="$1, restart and canary"
    stop_renewd
    none_refused
    sim mark '{}' > /dev/null
    start_ready || exit 1
    check_match "$s: the next start is held" 'refused 10 records' "$(ctl --json jobs)"
    check_equal "$s: and has asked nobody" 0 "$(requests)"
    stop_renewd
    all_refused
    ask_in 2
    start_ready || exit 1
    check "$s: a canary is asked at its time" wait_until 10 asked_times 1
    check "$s: and refused" wait_until 10 log_has 'trigger=canary due=1 refreshed=0 failed=1'
    check_equal "$s: by one request" 1 "$(requests)"
    check "$s: it stays held" is_held
    stop_renewd
    none_refused
    ask_in 2
    start_ready || exit 1
    check "$s: the next canary is refreshed, and then all" all_end_well
    check "$s: it says so" log_has 'no longer holds the job.*a canary was refreshed'
    nobody_was_told "$s"
    check_equal "$s: no owner was warned for good" 0 "$(sql 'select count(*) from owners where warned')"
    stop_renewd
}

by_hand() { # STORE HOW SAYS COMMAND...
    local s="$1, $2" says=$3
    held "$1" hand
    none_refused
    sim misbehave '{"mode":"delay","provider":"strict","ms":20,"count":-1}' > /dev/null
    shift 3
    # The hold is over with the first answer, and the job's own runs take their share of the records.
    check_match "$s: the command is done" "$says" "$(ctl "$@" 2>&1)"
    check "$s: all are refreshed" all_end_well
    check "$s: the job goes on" goes_on
    nobody_was_told "$s"
    stop_renewd
    none_refused
}

# Still wrong after a resume: few are asked, and nobody is condemned.
resumed_too_early() {
    local s="$1, resumed too early"
    held "$1" early
    sim mark '{}' > /dev/null
    check "$s: resume is done" ctl resume tokens
    check "$s: the job is held again" wait_until 20 held_anew
    few_requests "$s, with one attempt at a time" 15
    nobody_was_told "$s"
    stop_renewd
    none_refused
}
held_anew() { [ "$(requests)" -gt 0 ] && is_held; } # nobody asks while the first hold lasts

second_host() {
    local s="two hosts"
    held postgresql hosts
    mkdir -p "$DIR/state2"
    chmod 700 "$DIR/state2"
    sed "s#\"state\"#\"state2\"#; s#$SOCKET#$DIR/second.sock#" "$CONF" > "$DIR/second.conf"
    sim mark '{}' > /dev/null
    "$RENEWD" -c "$DIR/second.conf" >> "$DIR/second.all" 2>&1 &
    second=$!
    wait_until 20 "$RENEWCTL" -s "$DIR/second.sock" status
    check "$s: the second is held, too" wait_until 10 second_says '"held":"the provider refused'
    check_equal "$s: and asks nobody" 0 "$(requests)"
    check "$s: resumed on the second" "$RENEWCTL" -s "$DIR/second.sock" resume tokens
    check "$s: both try, both are held again" wait_until 30 held_anew
    few_requests "$s" 100
    nobody_was_told "$s"
    check "$s: the first shows it" wait_until 10 ctl_says 'refused [0-9]+ records'
    check "$s: the second shows it" wait_until 10 second_says 'refused [0-9]+ records'
    none_refused
    sql "select renewd.resume('tokens')"
    check "$s: resumed in SQL, all are refreshed" all_end_well
    check_equal "$s: none was presented twice after its success" 0 "$(strict_sum reuse)"
    nobody_was_told "$s"
    stop_process $second
    stop_renewd
}
ctl_says() { ctl --json jobs | grep -Eq "$1"; }
second_says() { "$RENEWCTL" -s "$DIR/second.sock" --json jobs | grep -Eq "$1"; }

start_simulator
for store in ${STORES:-sqlite postgresql}; do
    shown $store
    by_restart_and_canary $store
    by_hand $store "resumed" "goes on" resume tokens
    by_hand $store "reloaded" "with mistakes 0" reload
    by_hand $store "all by hand" "refreshed [1-9][0-9]*, failed 0" refresh tokens
    by_hand $store "one by hand" "refreshed [1-9][0-9]*, failed 0" refresh tokens 7
    resumed_too_early $store
done
[ "${STORES:-}" = sqlite ] || second_host
finish
