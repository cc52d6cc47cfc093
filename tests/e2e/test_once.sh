#!/bin/bash
# SPDX-License-Identifier: MIT
# renewd --once: --at moves the time at which records are due and nothing else; exit 0 is said only when every due
# record was refreshed; how far it is, is said on a terminal.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"


prepare() { # STORE ACCOUNTS AGE [MORE OF JOB]
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens "$2" once "\"age\":$3,\"expires_in\":86400"
    strict_job tokens tokens "${4:-}"
}

newest() { # COLUMN: of renewd's records
    sql "select max($1) from $(own records)"
}

# Nothing of the future is written: not by a success, not by a failure.
moved_due() { # STORE
    local s="$1, --at" now at
    prepare "$1" 2 0
    now=$(date +%s)
    at=$((now + 90 * 86400))
    check "$s: nothing is due now" run_renewd --once
    check_match "$s: and that is said" '^tokens: 0 due, 0 refreshed, 0 failed' "$(cat "$DIR/renewd.log")"
    check "$s: in ninety days all are" run_renewd --once --at $at
    check_match "$s: each once" '^tokens: 2 due, 2 refreshed, 0 failed' "$(cat "$DIR/renewd.log")"
    check_equal "$s: at the provider too" 2 "$(strict_sum presented)"
    check "$s: the table has what it gave" compare_truth strict tokens
    check_equal "$s: no time of renewd's is of then" 0 "$(sql "select count(*) from $(own records) where refreshed_at > $((now + 600))
        or ok_at > $((now + 600)) or last_at > $((now + 600)) or first_seen > $((now + 600)) or point > $((now + 2 * 86400))
        or expires_at > $((now + 2 * 86400)) or due_at > $((now + 2 * 86400)) or not_before > $((now + 86400))")"
    check_equal "$s: nor the history's" 0 "$(sql "select count(*) from $(own attempts) where started_at > $((now + 600)) or finished_at > $((now + 600))")"
    check_equal "$s: nor a run's" 0 "$(sql "select count(*) from $(own runs) where started_at > $((now + 600)) or finished_at > $((now + 600))")"
    check_equal "$s: nor the table's" 0 "$(sql "select count(*) from tokens where $([ "$STORE" = sqlite ] &&
        echo "refreshed_at > $((now + 600)) or expires_at > $((now + 2 * 86400))" ||
        echo "refreshed_at > now() + interval '600 s' or expires_at > now() + interval '2 days'")")"
    check "$s: again" run_renewd --once --at 2099-01-01T00:00:00Z
    check_match "$s: each once more" '^tokens: 2 due, 2 refreshed, 0 failed' "$(cat "$DIR/renewd.log")"
    sim misbehave '{"provider":"strict","mode":"status","status":503,"count":1}' > /dev/null
    check_fails "$s: a failure is one" run_renewd --once --at $at
    check "$s: its wait is real" [ "$(newest not_before)" -lt $((now + 86400)) ]
    check_fails "$s: and holds at whatever time" run_renewd --once --at $at
    check_match "$s: which is said" '^tokens: not well: 1 waits after a failure, until 20' "$(cat "$DIR/renewd.log")"
}

# What exit 0 must not be said over.
not_well() { # STORE
    local s="$1, status" id
    prepare "$1" 3 100000 'limit = 2;'
    check_fails "$s: a limit leaves one" run_renewd --once
    check_match "$s: which is said" '^tokens: not well: 1 is due still \(limit = 2\)$' "$(cat "$DIR/renewd.log")"
    check "$s: the next run takes it, and all is well" run_renewd --once
    check_no_match "$s: so nothing else is said" 'not well' "$(cat "$DIR/renewd.log")"
    sed -i 's/limit = 2;//' "$DIR/conf.d/tokens.conf"
    sql "insert into tokens (account, access_token, refresh_token) select 'twin', access_token, refresh_token from tokens where id = 1"
    check "$s: two rows of one credential are both refreshed" run_renewd --once --at $(($(date +%s) + 90 * 86400))
    check_equal "$s: truly" 1 "$(sql "select count(distinct refresh_token) from tokens where account in ('twin', 'once-1')")"
    sql "delete from tokens where account = 'twin'"
    id=$(sql "select min(id) from tokens")
    sed -i 's/sealed = "none";/sealed = "renewd"; accept_plain = true;/' "$DIR/conf.d/tokens.conf"
    sql "update tokens set refresh_token = 'r1.test.$(printf 'A%.0s' {1..80})' where id = $id"
    check_fails "$s: a row that cannot be read" run_renewd --once
    check_match "$s: which is said" 'job tokens: 1 of its rows cannot be read' "$(cat "$DIR/renewd.log")"
    sql "delete from tokens where id = $id"
    check "$s: without it all is well" run_renewd --once
    start_ready || exit 1
    ctl pause tokens > /dev/null
    stop_renewd
    check_fails "$s: a paused job" run_renewd --once
    check_match "$s: which is said" 'job tokens is paused: nothing of it was refreshed; renewctl resume tokens' "$(cat "$DIR/renewd.log")"
}

# On a terminal one line says how far it is.
on_a_terminal() {
    prepare sqlite 2 100000
    sim misbehave '{"provider":"strict","mode":"delay","ms":2500,"when":"before","count":-1}' > /dev/null
    script -qec "$RENEWD -c $CONF --once" /dev/null < /dev/null > "$DIR/terminal.out" 2>&1
    check_match 'on a terminal: how far it is' 'tokens: 0 of 2 refreshed, 0 failed' "$(cat "$DIR/terminal.out")"
    check_match 'on a terminal: and the end' '^tokens: 2 due, 2 refreshed, 0 failed' "$(tr '\r' '\n' < "$DIR/terminal.out")"
}

start_simulator
for store in sqlite postgresql; do
    moved_due $store
    not_well $store
done
if command -v script > /dev/null; then on_a_terminal; else echo "# script(1) is not here: no terminal is tried"; fi
no_tokens_in_logs
finish
