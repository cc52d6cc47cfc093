#!/bin/bash
# SPDX-License-Identifier: MIT
# A value of `only` that no row holds: what --check --connect, --once, the daemon's log and renewctl say of it; and
# rows without a credential, which are told behind the counts.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

says() { # NAME REGEX FILE
    check_match "$STORE: $1" "$2" "$(cat "$3")"
}

only() { # VALUES [STATUS VALUES]
    strict_job tokens tokens
    sed -i -e "s/sealed = \"none\";/sealed = \"none\"; only = { status = $1; }; ${2:-}/" \
        -e 's/columns = {/columns = { status = "status";/' "$DIR/conf.d/tokens.conf"
}

check_connect() {
    "$RENEWD" -c "$CONF" --check --connect > "$DIR/look.out" 2>&1
}

mistyped() {
    local names='`only` in .*/conf\.d/tokens\.conf asks for status = "conected", which no row of tokens holds'
    only '"conected"'
    check "$STORE: mistyped: --check --connect: it is no mistake of the configuration alone" check_connect
    says "it warns, with what the rows hold" "^warning: job tokens: $names, so that the job has no record; they hold \"connected\", \"disabled\"\. For \"conected\", perhaps \"connected\" is meant" "$DIR/look.out"
    says "no row is said to be what would be refreshed" '^warning: job tokens: tokens: `only` leaves out row 1 and all others that were looked at' "$DIR/look.out"
    check_fails "$STORE: mistyped: --once does not exit with 0" run_renewd --once
    says "nothing is due" '^tokens: 0 due, 0 refreshed, 0 failed' "$DIR/renewd.log"
    says "but that is not all that is said" "^renewd: job tokens: $names.*\"connected\" is meant" "$DIR/renewd.log"
    start_ready || exit 1
    says "the daemon's log has it" "level=warning.*job=tokens reason=.*which no row of tokens holds" "$DIR/renewd.all"
    ctl status > "$DIR/status.out"
    says "status" "^warning: +job tokens: $names" "$DIR/status.out"
    ctl jobs > "$DIR/jobs.out"
    says "jobs" "^job tokens: $names" "$DIR/jobs.out"
    ctl explain tokens > "$DIR/explain.out"
    says "explain" "^warning: $names" "$DIR/explain.out"
    ctl run tokens > "$DIR/run.out"
    says "run" "^warning: $names" "$DIR/run.out"
    only '"connected"'
    check "$STORE: put right" ctl reload
    ctl status > "$DIR/status.out"
    check_no_match "$STORE: it is said no more" 'asks for' "$(cat "$DIR/status.out"; ctl jobs)"
    only '[ "connected", "disabeld" ]'
    check "$STORE: a second value with letters swapped" ctl reload > "$DIR/reload.out" 2>&1
    ctl reload > "$DIR/reload.out"
    says "reload says it" '^warning: job tokens: `only` in .* asks for status = "disabeld", which no row of tokens holds; they hold "disabled"\. For "disabeld", perhaps "disabled"' "$DIR/reload.out"
    # a row comes that holds it: the next look at the table takes the warning back
    sql "update tokens set status = 'disabeld' where account = 'only-2'"
    ctl run tokens > "$DIR/run.out"
    check_no_match "$STORE: a row holds it now" 'asks for' "$(ctl jobs)"
    stop_renewd
    sql "update tokens set status = 'disabled' where account = 'only-2'"
}

# What may be as it should be gives no bad exit status, and what renewd writes itself is not told at all.
as_it_may_be() {
    only '"trial"'
    check "$STORE: a value like no other: --once: 0" run_renewd --once
    says "and a warning" '^renewd: job tokens: `only` .* status = "trial", which no row of tokens holds, so that the job has no record; they hold "connected", "disabled"\. Correct' "$DIR/renewd.log"
    only '[ "connected", "error" ]' 'status_values = { retrying = "error"; };'
    check "$STORE: a word of renewd's own: --once: 0" run_renewd --once
    check_no_match "$STORE: and nothing of it" 'asks for' "$(cat "$DIR/renewd.log")"
    only '[ "connected", "trial" ]'
    check "$STORE: one of several: --check --connect: 0" check_connect
    says "it is said, and is no warning" '^job tokens: `only` .* status = "trial", which no row of tokens holds; they hold "disabled"$' "$DIR/look.out"
    check "$STORE: one of several: --once: 0" run_renewd --once
    check_no_match "$STORE: and nothing of it there" 'asks for' "$(cat "$DIR/renewd.log")"
    strict_job tokens tokens
    sed -i 's/sealed = "none";/sealed = "none"; only = { access_token = "none"; };/' "$DIR/conf.d/tokens.conf"
    check_connect
    says "a column of secrets: none is shown" 'asks for access_token = "none", which no row of tokens holds.*; what they hold is not shown' "$DIR/look.out"
    sql "delete from tokens where id > 0"
    only '"conected"'
    check "$STORE: an empty table: --once: 0" run_renewd --once
    check_no_match "$STORE: and nothing of values" 'asks for' "$(cat "$DIR/renewd.log")"
}

# Row 1 has no token: that is said where it counts, and another row is tried.
empty_rows() {
    strict_job tokens tokens
    sql "update tokens set refresh_token = null where account = 'only-1'"
    check "$STORE: without a credential: --check --connect: 0" check_connect
    says "a row that has one is opened" '^job tokens: tokens: row 2 was read and opened' "$DIR/look.out"
    check "$STORE: without a credential: --once: 0" run_renewd --once
    says "told behind the counts" '^tokens: 1 due, 1 refreshed, 0 failed; 1 record has no credential$' "$DIR/renewd.log"
    sql "update tokens set refresh_token = ''"
    check "$STORE: none has one: --check --connect: 0" check_connect
    says "nothing is said to be opened" '^job tokens: tokens: row 1 was read, its update rehearsed' "$DIR/look.out"
    says "but that nothing would be refreshed" '^warning: job tokens: tokens: row 1 has no credential \(column refresh_token is empty\), nor has another' "$DIR/look.out"
    check "$STORE: none has one: --once: 0" run_renewd --once
    says "all are told" '^tokens: 0 due, 0 refreshed, 0 failed; 2 records have no credential$' "$DIR/renewd.log"
    start_ready || exit 1
    ctl run tokens > "$DIR/run.out"
    says "run tells them, too" '^2 records have no credential$' "$DIR/run.out"
    stop_renewd
}

fresh() { # STORE
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 2 only
    sql "update tokens set status = 'connected' where account = 'only-1'"
    sql "update tokens set status = 'disabled' where account = 'only-2'"
}

start_simulator
for store in sqlite postgresql; do
    for what in mistyped as_it_may_be empty_rows; do
        fresh $store
        $what
    done
done
no_tokens_in_logs
finish
