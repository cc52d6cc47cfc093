#!/bin/bash
# SPDX-License-Identifier: MIT
# The machine sleeps past a lease while an answer is awaited that does not come, and wakes long after the access token has
# ended. Until then the request may have been under way: its credential is not presented again as soon as the process is
# awake, but ten minutes after that, once. Needs a build with --enable-fault-points.
SUITE=faults/slept
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/../e2e/strict.sh"
. "$(dirname "$0")/loud.sh"

SLEEP=4000 # s, by the clock that counts; nobody waits

all_presented() { [ "$(strict_sum presented)" -ge "$1" ]; }
first_ended() { [ "$(history ambiguous)" -ge 1 ]; }

slept() { # STORE
    local s=$1 from
    stage "$1"
    make_accounts_table first
    make_accounts_table second
    load_accounts strict first 1 a '"age":100000,"expires_in":86400'
    strict_job first first
    strict_job second second
    # The provider takes the token at once and answers long after this test.
    sim misbehave '{"mode":"delay","ms":600000,"when":"after","count":-1}' > /dev/null
    export RENEWD_FAULT_TRACE=$DIR/trace RENEWD_FAULT=claimed:2:sleep:$SLEEP
    : > "$DIR/trace"
    from=$(date +%s)
    start_renewd || exit 1
    check "$s: the credential is presented" wait_until 60 all_presented 1
    load_accounts strict second 1 b
    ctl run second > /dev/null # its claim is where the machine falls asleep
    check "$s: the answer is given up after the sleep" wait_until 60 first_ended
    check_equal "$s: it slept" 1 "$(grep -c '! claimed sleep' "$DIR/trace")"
    check_equal "$s: nobody knows what became of it" 6 "$(sql "select state from $(own records) where job = 'first'")"
    check_equal "$s: it is to be presented ten minutes after it woke" yes "$(sql "select case when
        r.not_before - a.finished_at between 600 and 700 then 'yes' else 'no' end from $(own records) r
        join $(own attempts) a on a.source = r.source and a.rkey = r.rkey where r.job = 'first'")"
    unset RENEWD_FAULT RENEWD_FAULT_TRACE
    stop_renewd
    clock_at $((from + SLEEP + 300)) "$RENEWD" -c "$CONF" --once first >> "$DIR/renewd.log" 2>&1
    check_equal "$s: the next process does not present it before" 1 "$(sim_account strict a-1 presented)"
    sim misbehave '{"clear":true}' > /dev/null
    clock_at $((from + SLEEP + 3600)) "$RENEWD" -c "$CONF" --once first >> "$DIR/renewd.log" 2>&1
    check_equal "$s: it is presented once more when the time has come" 2 "$(sim_account strict a-1 presented)"
}

start_simulator
for store in ${STORES:-sqlite postgresql}; do
    slept $store
done
told 'every statement was taken'
finish
