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

more_rows() { # ID COUNT STATUS: without tokens
    local rows="with recursive n(i) as (select $1 union all select i + 1 from n where i < $1 + $2 - 1)"
    sql "$rows insert into tokens (id, account, status) select i, 'more-' || i, $3 from n" 2> "$DIR/sql.err" ||
        sql "insert into tokens (id, account, status) $rows select i, 'more-' || i, $3 from n"
}

check_connect() {
    "$RENEWD" -c "$CONF" --check --connect > "$DIR/look.out" 2>&1
}

mistyped() {
    local names='`only` in .*/conf\.d/tokens\.conf asks for status = "conected", which no row of tokens holds'
    more_rows 11 5 "'connected'"
    only '"conected"'
    check "$STORE: mistyped: --check --connect: it is no mistake of the configuration alone" check_connect
    says "it warns, with what the rows hold" "^warning: job tokens: $names, so that the job has no record\. For \"conected\", perhaps \"connected\" is meant" "$DIR/look.out"
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
    says "reload says it" '^warning: job tokens: `only` in .* asks for status = "disabeld", which no row of tokens holds\. For "disabeld", rows hold a value that differs in one letter or its capitals$' "$DIR/reload.out"
    check_no_match "$STORE: what one row alone holds is not shown" '"disabled"' "$(cat "$DIR/reload.out")"
    # a row comes that holds it: the next look at the table takes the warning back
    sql "update tokens set status = 'disabeld' where account = 'only-2'"
    ctl run tokens > "$DIR/run.out"
    check_no_match "$STORE: a row holds it now" 'asks for' "$(ctl jobs)"
    stop_renewd
    sql "update tokens set status = 'disabled' where account = 'only-2'; delete from tokens where id > 10"
}

# What may be as it should be gives no bad exit status, and what renewd writes itself is not told at all.
as_it_may_be() {
    only '"trial"'
    check "$STORE: a value like no other: --once: 0" run_renewd --once
    says "and a warning" '^renewd: job tokens: `only` .* status = "trial", which no row of tokens holds, so that the job has no record\. Correct' "$DIR/renewd.log"
    only '[ "connected", "error" ]' 'status_values = { retrying = "error"; };'
    check "$STORE: a word of renewd's own: --once: 0" run_renewd --once
    check_no_match "$STORE: and nothing of it" 'asks for' "$(cat "$DIR/renewd.log")"
    only '[ "connected", "trial" ]'
    check "$STORE: one of several: --check --connect: 0" check_connect
    says "it is said, and is no warning" '^job tokens: `only` .* status = "trial", which no row of tokens holds$' "$DIR/look.out"
    check "$STORE: one of several: --once: 0" run_renewd --once
    check_no_match "$STORE: and nothing of it there" 'asks for' "$(cat "$DIR/renewd.log")"
    strict_job tokens tokens
    sed -i 's/sealed = "none";/sealed = "none"; only = { access_token = "none"; };/' "$DIR/conf.d/tokens.conf"
    check_connect
    says "a column of secrets: none is shown" 'asks for access_token = "none", which no row of tokens holds, so that the job has no record\. Correct it' "$DIR/look.out"
    sql "delete from tokens where id > 0"
    only '"conected"'
    check "$STORE: an empty table: --once: 0" run_renewd --once
    check_no_match "$STORE: and nothing of values" 'asks for' "$(cat "$DIR/renewd.log")"
}

# What the rows hold may be a person's: it is not shown.
of_people() {
    local name
    for name in Annabel anna@example.org '+5511987654321' 'Anna Souza'; do
        sql "delete from tokens where id > 10"
        more_rows 11 5 "'$name'"
        only "\"$(sed 's/nn/n/; s/87/8/' <<< "$name")\""
        check_connect
        says "$name: it warns" 'asks for status = ".*which no row of tokens holds.*(differs in one letter|is meant|Correct it)' "$DIR/look.out"
        [ "$name" = Annabel ] || check_no_match "$STORE: and does not show it" "${name/+/.}" "$(grep -v 'tokens.conf:' "$DIR/look.out")"
    done
    # a word, and as many others as there are people
    for id in $(seq 30 60); do more_rows "$id" 1 "'Person$id'"; done
    only '"Anabel"'
    check_connect
    check_no_match "$STORE: a column of many values: none is shown" 'Annabel' "$(cat "$DIR/look.out")"
    check "$STORE: nor by --once" run_renewd --once
    check_no_match "$STORE: nor in its log" 'Annabel' "$(cat "$DIR/renewd.log")"
    sql "delete from tokens where id > 10"
}

# Beyond some rows only an index says that no row holds a value. What was known is kept.
large() {
    local asks='`only` in .*conf asks for status = "trail"'
    only '[ "connected", "trail" ]' 'status_values = { ok = "connected"; };'
    more_rows 11 5 "'trial'"
    start_ready || exit 1
    ctl jobs > "$DIR/jobs.out"
    says "small: it is known" "^job tokens: $asks, which no row of tokens holds" "$DIR/jobs.out"
    more_rows 100 12000 "'other'"
    check "$STORE: large: a run" ctl run tokens
    ctl jobs > "$DIR/jobs.out"
    says "large, without an index: what was known is kept" "^job tokens: $asks, which no row of tokens holds" "$DIR/jobs.out"
    check "$STORE: and the log says that it was not looked for" wait_until 60 grep -q 'level=info .*could not be checked against all rows.*hold status = .*trail' "$DIR/renewd.all"
    check_connect
    says "so does --check --connect" '^job tokens: whether rows of tokens hold status = "trail", as `only` in .* asks, was not found out' "$DIR/look.out"
    check_no_match "$STORE: which does not say that none does" 'which no row' "$(cat "$DIR/look.out")"
    sql "create index tokens_status on tokens (status)"
    check_connect
    says "with an index" '^(warning: )?job tokens: `only` .*status = "trail", which no row of tokens holds' "$DIR/look.out"
    more_rows 20000 1 "'trail'"
    check_connect
    check_no_match "$STORE: the last row holds it" 'asks for|found out' "$(cat "$DIR/look.out")"
    ctl run tokens > "$DIR/run.out"
    check_no_match "$STORE: and the warning goes" 'asks for' "$(ctl jobs)"
    stop_renewd
}

# The database's own comparison: capitals mean nothing in such a column.
capitals() {
    local type='text collate nocase'
    if [ "$STORE" = postgresql ]; then
        type=citext
        sql 'create extension citext'
    fi
    sql "alter table tokens add column kind $type; update tokens set kind = 'Google' where account = 'only-1'"
    strict_job tokens tokens
    sed -i 's/sealed = "none";/sealed = "none"; only = { kind = "google"; };/' "$DIR/conf.d/tokens.conf"
    check "$STORE: capitals: --once" run_renewd --once
    says "the row is refreshed" '^tokens: 1 due, 1 refreshed, 0 failed' "$DIR/renewd.log"
    check_no_match "$STORE: and the value is no mistake" 'asks for' "$(cat "$DIR/renewd.log")"
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
    for what in mistyped as_it_may_be of_people large capitals empty_rows; do
        fresh $store
        $what
    done
done
no_tokens_in_logs
finish
