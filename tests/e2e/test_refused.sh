#!/bin/bash
# SPDX-License-Identifier: MIT
# The application's table refuses what a failure would write into it. The verdict stands all the same: what
# is ambiguous is not presented again, what is to reconnect is not asked again. And --once does not stay for
# a pace that is slower than its leases.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

refuse_failures() { # TABLE: no failure fits into it
    if [ "$STORE" = sqlite ]; then
        sql "create trigger no_failure before update of last_error on \"$1\"
             when new.last_error is not null begin select raise(abort, 'no'); end"
    else
        sql "alter table \"$1\" alter last_error type varchar(3)"
    fi
}

tell_nobody() { # STORE NAME MISBEHAVIOUR STATE
    local s="$1, $2"
    stage "$1"
    make_accounts_table tokens
    refuse_failures tokens
    load_accounts strict tokens 3 told
    strict_job tokens tokens
    sim misbehave "$3" > /dev/null
    check_fails "$s: a run fails" run_renewd --once
    check_match "$s: the log says why" 'refused to write' "$(cat "$DIR/renewd.log")"
    check_equal "$s: the verdict stands" "3|1" \
        "$(sql "select count(*), max(attempts) from $(own records) where state = $4")"
    check_equal "$s: the history has it" 3 "$(sql "select count(*) from $(own attempts)")"
    run_renewd --once
    check_equal "$s: each was presented once" "3" "$(strict_sum presented)"
    check_equal "$s: none twice" '' "$(presented_twice)"
    check_equal "$s: nothing is left on the spool" 0 "$(spool_files)"
}

# A word that the table does not take: the failure is told all the same, and what a person reads of it.
word_refused() { # STORE
    local s="$1, a status that is refused" state="${2:-4}"
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 2 word
    if [ "$STORE" = sqlite ]; then
        sql "alter table tokens rename to old; create table tokens (id integer primary key, account text unique, access_token text,
             refresh_token text, expires_at integer, refreshed_at integer, last_error text,
             status text constraint words_of_status check (status in ('active', 'ok')));
             insert into tokens select id, account, access_token, refresh_token, expires_at, refreshed_at, last_error, status from old;
             drop table old"
    else
        sql "alter table tokens add constraint words_of_status check (status in ('active', 'ok'))"
    fi
    strict_job tokens tokens
    sed -i 's/records = {/records = { status_values = { ok = "ok"; reconnect = "expired"; retrying = "tired"; };/
            s/columns = {/columns = { status = "status";/' "$DIR/conf.d/tokens.conf"
    sql 'select * from tokens' > "$DIR/before"
    "$RENEWD" -c "$CONF" --check --connect > "$DIR/look.out" 2>&1
    check_equal "$s: --check --connect: 78" 78 $?
    check_match "$s: it names the word and the constraint" \
        'job tokens: status_values.reconnect: tokens does not take the word "expired" in its column status: .*words_of_status' "$(cat "$DIR/look.out")"
    check_match "$s: each such word" 'status_values.retrying: tokens does not take the word "tired"' "$(cat "$DIR/look.out")"
    check_no_match "$s: no other" 'the word "ok"' "$(cat "$DIR/look.out")"
    check_equal "$s: nothing is changed" "$(cat "$DIR/before")" "$(sql 'select * from tokens')"
    sim misbehave '{"mode":"json","provider":"strict","status":400,"count":2,"body":"{\"error\":\"invalid_grant\"}"}' > /dev/null
    check_fails "$s: a run fails" run_renewd --once
    check_equal "$s: the verdict stands" 2 "$(sql "select count(*) from $(own records) where state = $state")"
    check_match "$s: the log names what refused it" 'left_out="its status".*words_of_status' "$(cat "$DIR/renewd.log")"
    check_equal "$s: last_error is told in the row" 2 "$(sql "select count(*) from tokens where last_error like '%invalid_grant%'")"
    check_equal "$s: the status is what it was" 2 "$(sql "select count(*) from tokens where status = 'active'")"
    run_renewd --once
    check_equal "$s: none is presented twice" '' "$(presented_twice)"
}

slow_pace() {
    local s="$1, pace of two minutes"
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 3 slow
    strict_job tokens tokens 'pace = "2m";'
    timeout 100 "$RENEWD" -c "$CONF" --once > "$DIR/slow.out" 2>&1
    check_equal "$s: --once ends, with two left over" 1 $?
    check_match "$s: which it says" 'tokens: not well: 2 are due still' "$(cat "$DIR/slow.out")"
    cat "$DIR/slow.out" >> "$DIR/renewd.all"
    check_equal "$s: one was refreshed" 1 "$(strict_sum ok)"
    check_equal "$s: no lease is left" 0 \
        "$(sql "select count(*) from $(own credentials) where lease_until is not null")"
}

start_simulator
for store in sqlite postgresql; do
    tell_nobody $store ambiguous '{"mode":"drop_after","provider":"strict","count":3}' 6
    tell_nobody $store reconnect '{"mode":"json","provider":"strict","status":400,"count":3,
        "body":"{\"error\":\"invalid_grant\"}"}' 4
    word_refused $store
    slow_pace $store
done
no_tokens_in_logs
finish
