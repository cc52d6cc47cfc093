#!/bin/bash
# SPDX-License-Identifier: MIT
# A token that came for a row which had gone or changed, on both stores: it is not called refreshed, whoever asked; it is
# listed with its account, and goes into its row by a person's word where the row fits, else it says why not.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

prepare() { # STORE
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 1 late || exit 1
    sql 'create table copy as select * from tokens'
    strict_job tokens tokens
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/tokens.conf"
    ID=$(sql 'select id from tokens')
}

presented_is() { [ "$(strict_sum presented)" = "$1" ]; }

# meanwhile SQL COMMAND...: the command's answer is under way when the application acts.
meanwhile() {
    local statement=$1 status
    shift
    sim misbehave '{"mode":"delay","provider":"strict","count":1,"ms":1500,"when":"after"}' > /dev/null
    "$@" > "$DIR/said.out" 2>&1 &
    local asked=$!
    check "$s: a request is under way" wait_until 20 presented_is 1
    sql "$statement"
    wait $asked
    status=$?
    check_equal "$s: it ends with 1" 1 "$status"
}

field() { ctl --json parked | json "\$.parked[0].$1"; }
apply() { ctl parked apply "$(field id)"; }

by_hand() { # STORE
    local s="$1, row gone" out
    prepare "$1"
    start_ready || exit 1
    check_equal "$s: nothing is parked" '{"parked":[]}' "$(ctl --json parked | tr -d ' \n')"
    meanwhile 'delete from tokens' ctl refresh tokens "$ID"
    check_match "$s: it is not called refreshed" '^refreshed 0, failed 1' "$(cat "$DIR/said.out")"
    check_match "$s: it says what became of it" 'set_aside .*was parked: the row is gone.*renewctl parked' "$(cat "$DIR/said.out")"
    check_equal "$s: listed" "orphan|tokens|$ID|late-1" "$(field kind)|$(field job)|$(field record)|$(field account)"
    check_match "$s: why, since and until when" '^the row is gone or was disconnected 20..-..-..T.* 20..-..-..T' \
        "$(field why) $(field created_at) $(field until)"
    check_match "$s: as a table, of the job" "orphan .*tokens .*late-1" "$(ctl parked tokens)"
    check_equal "$s: another job has none" 404 "$(curl -sS -o /dev/null -w '%{http_code}' --unix-socket "$SOCKET" \
        http://localhost/v1/jobs/none/parked)"
    check_equal "$s: by route" "$(field id)" "$(curl -sS --unix-socket "$SOCKET" http://localhost/v1/jobs/tokens/parked |
        json '$.parked[0].id')"
    check_fails "$s: its row is gone: it stays aside" apply
    check_match "$s: and says so" 'row was deleted.*restore the row' "$(apply 2>&1)"
    check_fails "$s: an unknown id" ctl parked apply 00000000000000000000000000000000
    check_fails "$s: nonsense" ctl parked apply 'no such id'
    check_fails "$s: another word" ctl parked show x
    sql 'insert into tokens select * from copy'
    # renewd does it by itself when it looks; a person need not wait.
    ctl parked apply "$(field id)" > "$DIR/said.out" 2>&1 ||
        check_match "$s: renewd was quicker" 'spent|holds another|nothing is parked' "$(cat "$DIR/said.out")"
    check "$s: the pair is in its row" wait_until 20 compare_truth strict tokens late
    check_equal "$s: presented once" '1|0' "$(strict_sum presented)|$(strict_sum reuse)"
    check_equal "$s: a refresh of what is there works" 0 "$(ctl refresh tokens "$ID" > /dev/null 2>&1; echo $?)"
    stop_renewd
}

# Disconnected while the answer was under way: out of `only`, and back again.
disconnected() { # STORE
    local s="$1, disconnected"
    prepare "$1"
    sed -i 's/sealed = "none";/sealed = "none"; only = { account = [ "late-1" ]; };/' "$DIR/conf.d/tokens.conf"
    start_ready || exit 1
    meanwhile "update tokens set account = 'away'" ctl refresh tokens "$ID"
    check_equal "$s: listed" "orphan|$ID" "$(field kind)|$(field record)"
    check_fails "$s: it does not fit" apply
    sql "update tokens set account = 'late-1'"
    check "$s: back again it does" apply
    check "$s: the pair is in its row" compare_truth strict tokens late
    check_equal "$s: and nothing is parked any more" 0 "$(sql "select count(*) from $(own kept)")"
    stop_renewd
}

# Connected again meanwhile: the application's own stands.
changed() { # STORE
    local s="$1, row changed"
    prepare "$1"
    start_ready || exit 1
    sim 'accounts?format=tsv' '{"provider":"strict","count":1,"prefix":"new"}' > "$DIR/new.tsv"
    meanwhile "update tokens set access_token = 'theirs', refresh_token = '$(cut -f 3 "$DIR/new.tsv" | sed "s/'/''/g")'" \
        ctl refresh tokens "$ID"
    check_match "$s: it is not called refreshed" '^refreshed 0, failed 1' "$(cat "$DIR/said.out")"
    check_fails "$s: it does not fit" apply
    check_match "$s: and says why" 'another credential' "$(apply 2>&1)"
    check_equal "$s: the application's own stands" theirs "$(sql 'select access_token from tokens')"
    stop_renewd
}

once() { # STORE
    local s="$1, --once"
    prepare "$1"
    meanwhile 'delete from tokens' "$RENEWD" -c "$CONF" --once tokens
    check_match "$s: it counts as failed" 'tokens: 1 due, 0 refreshed, 1 failed' "$(cat "$DIR/said.out")"
}

start_simulator
for store in ${STORES:-sqlite postgresql}; do
    by_hand $store
    disconnected $store
    changed $store
    once $store
done
no_tokens_in_logs
finish
