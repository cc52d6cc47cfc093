#!/bin/bash
# SPDX-License-Identifier: MIT
# A job that its breaker holds, in a daemon: shown everywhere, over a restart, a reload and on every host; those that
# were fine go on; it ends by a canary, a resume, a refresh by hand; two hosts with different secrets; a stray
# refusal; a script that was quicker.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/breaker.sh"

ACCOUNTS=60

log_has() { grep -Eq -- "$1" "$DIR/renewd.all"; }
withheld() { sql "select count(*) from $(own records) where last_code = 'withheld'"; }
all_end_well() { wait_until 60 all_fine $ACCOUNTS; }
canary_in() { # SECONDS: the next
    sql "update $(own breakers) set canary_at = (cast($(date +%s) as bigint) + $1) * 1000 where held_at > 0"
}
canaries() { [ "$(sql "select canaries from $(own breakers)")" -ge "$1" ]; }

discoveries() { grep -c 'msg="records discovered" job=tokens' "$DIR/renewd.all"; }
token_of() { # ID: prints the status
    curl -sS -o "$DIR/answer" -D "$DIR/headers" -w '%{http_code}' --max-time 60 --unix-socket "$SOCKET" \
        "http://localhost/v1/jobs/tokens/records/$1/token"
}

# held STORE NAME: a daemon whose job has tripped at its first start.
held() {
    make_world "$1" "$2" $ACCOUNTS
    echo 'functions = "refresh-lightspeed-tokens";' >> "$DIR/conf.d/tokens.conf"
    all_refused
    start_ready || exit 1
    wait_until 20 is_held || not_ok "$1, $2: the job is held" "$(tail -n 5 "$DIR/renewd.all")"
}

shown() {
    local s="$1, shown"
    held "$1" shown
    check "$s: an alarm is logged" wait_until 5 log_has 'level=error msg="job held by its breaker" job=tokens'
    check_match "$s: status counts it" '"held": *1' "$(ctl --json status)"
    check_match "$s: jobs says why" 'refused [0-9]+ records \(invalid_grant\)' "$(ctl --json jobs)"
    check_match "$s: explain says so" 'the job is held: the provider refused' "$(ctl explain tokens)"
    ctl run tokens > "$DIR/run.out" 2>&1
    check_equal "$s: a run of it exits 1" 1 $?
    check_match "$s: and says why" '^job tokens is held: the provider refused [0-9]+ records' "$(cat "$DIR/run.out")"
    check_match "$s: for programs, too" '"held": *"the provider refused' "$(ctl --json run tokens)"
    check_no_match "$s: and names no way that does not help" 'now tries' "$(cat "$DIR/run.out")"
    check_match "$s: the function is no success, either" '"the job tokens is held: the provider refused' \
        "$(curl -sS --max-time 30 --unix-socket "$SOCKET" -X POST http://localhost/functions/v1/refresh-lightspeed-tokens)"
    check_match "$s: explain tells of one record" 'held by the breaker' "$(ctl explain tokens 60)"
    check "$s: some are withheld" [ "$(withheld)" -ge 10 ]
    check_match "$s: records says so" 'withheld' "$(ctl --json records tokens)"
    check_equal "$s: who asks for a suspect's token is to come again" 503 "$(token_of 1)"
    check_match "$s: it is told when" '^[Rr]etry-[Aa]fter: [1-9][0-9]*' "$(cat "$DIR/headers")"
    check_match "$s: and why" '"code": *"retry_later".*not treated as final yet' "$(cat "$DIR/answer")"
    sql "update $(own records) set strikes = 3 where rkey = '2'"
    check_equal "$s: after strikes a person is needed" 409 "$(token_of 2)"
    sql "update $(own records) set strikes = 0 where rkey = '2'"
    nobody_was_told "$s"
}

# The daemon of `shown` is running.
by_restart_and_canary() {
    local s="$1, restart and canary" n
    sim mark '{}' > /dev/null
    canary_in 3600
    stop_renewd
    start_ready || exit 1
    check_match "$s: the next start is held" 'refused [0-9]+ records' "$(ctl --json jobs)"
    n=$(discoveries)
    check "$s: a reload changes nothing" ctl reload
    check_match "$s: it is held as before" 'refused [0-9]+ records' "$(ctl --json jobs)"
    check_equal "$s: nobody was asked" 0 "$(requests)"
    check_match "$s: by hand one is asked at once" 'refreshed 0, failed 1' "$(ctl refresh tokens 60)"
    check_equal "$s: nothing was begun anew" "$n" "$(discoveries)"
    stop_renewd
    sql "update $(own credentials) set unanswered = 1"
    sim mark '{}' > /dev/null
    canary_in 1
    start_ready || exit 1
    check "$s: whose presentation got no answer before is no canary" wait_until 30 log_has 'trigger=canary due=1 refreshed=0 failed=0'
    check_equal "$s: and is not asked" 0 "$(requests)"
    stop_renewd
    sql "update $(own credentials) set unanswered = 0"
    n=$(sql "select canaries from $(own breakers)")
    canary_in 1
    start_ready || exit 1
    check "$s: canaries are asked" wait_until 30 canaries $((n + 1))
    check "$s: and refused" wait_until 10 log_has 'trigger=canary due=1 refreshed=0 failed=1'
    check "$s: it stays held" is_held
    none_refused
    check "$s: a canary is refreshed, and then all" all_end_well
    check "$s: it says so" log_has 'the breaker no longer holds the job'
    nobody_was_told "$s"
    check_equal "$s: one alarm" 1 "$(grep -c 'level=error.*job held by its breaker' "$DIR/renewd.all")"
    stop_renewd
}

by_hand() { # STORE HOW SAYS COMMAND...
    local s="$1, $2" says=$3
    held "$1" hand
    none_refused
    shift 3
    check_match "$s: the command is done" "$says" "$(ctl "$@" 2>&1)"
    check "$s: all are refreshed" all_end_well
    check "$s: the job goes on" goes_on
    nobody_was_told "$s"
    stop_renewd
}

# Those that were refreshed before are taken by their time while the job is held.
the_fine_go_on() {
    local s="$1, the fine go on" past=1700000000
    make_world "$1" fine 14 'breaker = { within = "1s"; };'
    start_ready || exit 1
    check "$s: all are refreshed once" wait_until 30 all_fine 14
    all_refused
    [ "$STORE" = sqlite ] || past="to_timestamp($past)"
    sql "update $(own records) set refreshed_at = refreshed_at - 3600, ok_at = ok_at - 3600"
    sql "update tokens set expires_at = $past where id <= 12"
    for i in 1 2 3 4 5 6 7 8 9 10 11 12; do ctl refresh tokens "$i" > /dev/null 2>&1; done
    check "$s: the job is held" wait_until 20 is_held
    none_refused
    canary_in 3600
    sim mark '{}' > /dev/null
    check_match "$s: a fine one is refreshed" 'refreshed 1, failed 0' "$(ctl refresh tokens 14)"
    check "$s: which ends the hold, and all are well" wait_until 60 all_fine 14
    nobody_was_told "$s"
    stop_renewd
}

second_host() {
    local s="two hosts with different secrets"
    make_world postgresql hosts 40
    the_client_is hush-secret
    mkdir -p "$DIR/state2" "$DIR/conf2"
    chmod 700 "$DIR/state2"
    sed "s#\"state\"#\"state2\"#; s#$SOCKET#$DIR/second.sock#" "$CONF" > "$DIR/second.conf"
    TEST_SECRET=another "$RENEWD" -c "$DIR/second.conf" >> "$DIR/second.all" 2>&1 &
    second=$!
    wait_until 20 "$RENEWCTL" -s "$DIR/second.sock" status
    check "$s: the one with the wrong secret is held" wait_until 30 second_says 'the provider refused'
    start_ready || exit 1
    check "$s: the other one refreshes all" wait_until 60 all_fine 40
    check_no_match "$s: and is not held" 'the provider refused' "$(ctl --json jobs)"
    nobody_was_told "$s"
    stop_process $second
    stop_renewd
}
second_says() { "$RENEWCTL" -s "$DIR/second.sock" --json jobs | grep -Eq "$1"; }

# One answer says invalid_client; its siblings are refreshed.
stray() {
    local s="$1, a stray invalid_client"
    make_world "$1" stray 5
    sim misbehave '{"mode":"json","provider":"strict","status":401,"account":"stray-3",
        "body":"{\"error\":\"invalid_client\"}"}' > /dev/null
    start_ready || exit 1
    check "$s: ends with the next asking" wait_until 40 all_fine 5
    check_equal "$s: ten seconds later" 1 "$(sql "select count(*) from $(own attempts) where outcome = 'misconfigured'")"
    nobody_was_told "$s"
    stop_renewd
}

# A script beside renewd refreshes the same row SECONDS after renewd was refused.
script() { # STORE SECONDS
    local s="$1, a script $2 s after the refusal" pair past=1700000000
    make_world "$1" script 3 'rescan = "1s";'
    start_ready || exit 1
    check "$s: all are refreshed once" wait_until 30 all_fine 3
    stop_renewd
    pair=$(sim accounts '{"provider":"strict","account":"newer","expires_in":3600}')
    sim revoke '{"provider":"strict","account":"script-1"}' > /dev/null
    all_expired
    start_ready || exit 1
    check "$s: renewd is refused" wait_until 30 refused_once
    if [ "$2" -gt 60 ]; then
        pass "$2"
        sql "update $(own records) set refreshed_at = refreshed_at - 3600, earliest = 0 where rkey = '2'"
        check "$s: a witness is refreshed" ctl refresh tokens 2
        check "$s: it was told" wait_until 30 told_first
        ctl refresh tokens 1 > /dev/null 2>&1
        check_equal "$s: a refusal by hand changes nothing" 1 "$(in_state 4)"
    fi
    sql "update tokens set access_token = '$(json_of access_token "$pair")', refresh_token = '$(json_of refresh_token "$pair")',
        expires_at = $(if [ "$STORE" = sqlite ]; then date +%s; else echo 'now()'; fi) where id = 1"
    check "$s: the pair is adopted" wait_until 30 adopted
    check_equal "$s: the row says active" active "$(sql 'select status from tokens where id = 1')"
    check_equal "$s: and nobody is warned" 0 "$(sql 'select count(*) from owners where warned')"
    stop_renewd
}
refused_once() { [ "$(sql "select count(*) from $(own suspects) where ended_at = 0")" = 1 ]; }
told_first() {
    [ "$(in_state 4)" = 1 ] || ! ctl refresh tokens 1 > /dev/null 2>&1
    [ "$(in_state 4)" = 1 ]
}
adopted() { [ "$(in_state 1)" = 3 ] && [ "$(sql "select status from tokens where id = 1")" = active ]; }
json_of() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" <<< "$2" | head -n 1; }

# Refused long before its token ends, as by hand or by an application that handed a refusal in: its second asking does
# not wait for that end.
refused_early() { # STORE
    local s="$1, refused early"
    make_world "$1" early 3
    start_ready || exit 1
    check "$s: all are fresh" wait_until 20 all_fine 3
    sim revoke '{"provider":"strict","account":"early-1"}' > /dev/null
    check_match "$s: the refusal is no verdict" 'not treated as final yet' "$(ctl refresh tokens 1)"
    check_equal "$s: it is asked again soon" 1 \
        "$(sql "select count(*) from $(own records) where rkey = '1' and due_at between 1 and $(date +%s) + 60")"
    check "$s: and is, by itself" wait_until 60 asked_twice
    check_equal "$s: the others are well" 2 "$(in_state 1)"
    stop_renewd
}
asked_twice() { [ "$(sql "select attempts from $(own records) where rkey = '1'")" -ge 2 ]; }

start_simulator
for store in ${STORES:-sqlite postgresql}; do
    shown $store
    by_restart_and_canary $store
    by_hand $store "resumed" "goes on" resume tokens
    by_hand $store "one by hand" "refreshed [1-9][0-9]*, failed 0" refresh tokens 7
    the_fine_go_on $store
    stray $store
    refused_early $store
    script $store 3
    script $store 600
done
[ "${STORES:-}" = sqlite ] || second_host
finish
