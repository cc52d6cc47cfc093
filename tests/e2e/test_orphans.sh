#!/bin/bash
# SPDX-License-Identifier: MIT
# The application wins. While an answer is under way it deletes its row, renames it, connects the account anew,
# saves an old copy, wraps the same token anew, or takes its deletion back. What renewd received is never lost
# and never in the way: it goes where its credential is, or is set aside for 30 days.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

# begin STORE COUNT [MORE]: due accounts and their job.
begin() {
    stage "$1"
    make_accounts_table tokens
    NOW=$(date +%s)
    sim clock "{\"now\":$NOW}" > /dev/null
    load_accounts strict tokens "$2" late
    strict_job tokens tokens "${3:-}"
}

once_at() { # TIME
    sim clock "{\"now\":$1}" > /dev/null
    run_at_time "$1" --once
}

presented_is() { [ "$(strict_sum presented)" = "$1" ]; }

# under_way COUNT SQL [JOB]: so many requests are answered a second and a half later; meanwhile the application
# acts. JOB: that one alone runs.
under_way() {
    sim misbehave "{\"mode\":\"delay\",\"provider\":\"strict\",\"count\":$1,\"ms\":1500,\"when\":\"after\"}" > /dev/null
    clock_exec "$NOW" "$RENEWD" -c "$CONF" --once ${3:+"$3"} >> "$DIR/first.out" 2>&1 &
    RENEWD_PID=$!
    check "$s: requests are under way" wait_until 20 presented_is "$1"
    sql "$2"
    wait "$RENEWD_PID"
    RENEWD_PID=''
}

orphans() { sql "select count(*) from $(own kept) where kind = 'orphan' and sealed like 'r1.%'"; }
tokens_of() { sql "select access_token, refresh_token from tokens where id = $1"; }

kept_for_a_month() { # STORE
    local s="$1, deleted"
    begin "$1" 2
    under_way 2 'delete from tokens'
    check_equal "$s: what came late is kept sealed" 2 "$(orphans)"
    start_ready || exit 1
    check_match "$s: status counts it" '^parked: *0 refused by their rows, 2 too late' "$(ctl status)"
    check_equal "$s: so does its document" "2" "$(ctl --json status | json '$.set_aside.orphans')"
    stop_renewd
    once_at $((NOW + 30 * 86400 - 3600))
    check_equal "$s: for 30 days" 2 "$(orphans)"
    once_at $((NOW + 30 * 86400 + 3600))
    check_equal "$s: then it is removed" 0 "$(orphans)"
    check_match "$s: and said so" 'parked tokens that are 30 days old were removed.*tokens=2' "$(cat "$DIR/renewd.log")"
}

# The row comes back with what it held: deleted and saved again, as an ORM does it, or restored.
comes_back() { # STORE
    local s="$1, comes back" copy
    begin "$1" 1
    sql 'create table copy as select * from tokens'
    under_way 1 'delete from tokens'
    sql 'insert into tokens select * from copy'
    once_at $((NOW + 60))
    check "$s: it gets what came late" compare_truth strict tokens late
    check_equal "$s: nothing was presented for that" "1|0" "$(strict_sum presented)|$(strict_sum reuse)"
}

renamed() { # STORE
    local s="$1, renamed"
    begin "$1" 2 'replay = "single_use";'
    under_way 2 'update tokens set id = id + 100'
    once_at $((NOW + 60))
    check "$s: the pair is where its row is" compare_truth strict tokens late
    check_equal "$s: nothing was presented twice" "2|0" "$(strict_sum presented)|$(strict_sum reuse)"
    check_equal "$s: the records of the old keys are gone" "101 102" \
        "$(sql "select rkey from $(own records) order by 1" | tr '\n' ' ' | sed 's/ $//')"
    once_at $((NOW + 7200))
    check "$s: and it goes on" compare_truth strict tokens late
}

# The daemon has found the row under its new key before the answer for the old one comes.
renamed_and_seen() { # STORE
    local s="$1, renamed and seen"
    begin "$1" 1 'rescan = "1s";'
    sim clock '{"real":true}' > /dev/null
    sim misbehave '{"mode":"delay","provider":"strict","count":1,"ms":6000,"when":"after"}' > /dev/null
    sed -i 's/^schedule.*/schedule = "auto";/' "$DIR/conf.d/tokens.conf"
    start_ready || exit 1
    check "$s: a request is under way" wait_until 20 presented_is 1
    sql 'update tokens set id = 7'
    check "$s: the new key is seen" wait_until 5 seen_as 7
    check "$s: it gets the pair" wait_until 20 compare_truth strict tokens late
    stop_renewd
    check_equal "$s: nothing was presented twice" "1|0" "$(strict_sum presented)|$(strict_sum reuse)"
}

seen_as() { [ "$(sql "select count(*) from $(own records) where rkey = '$1'")" = 1 ]; }

# Two tables hold one credential; the row of which it was presented goes.
other_holder() { # STORE
    local s="$1, another holder"
    begin "$1" 1
    make_accounts_table others
    sql 'insert into others (account, access_token, refresh_token, expires_at)
         select account, access_token, refresh_token, expires_at + 7200 from tokens' 2> /dev/null ||
        sql "insert into others (account, access_token, refresh_token, expires_at)
         select account, access_token, refresh_token, expires_at + interval '2 hours' from tokens"
    strict_job others others
    under_way 1 'delete from tokens' tokens
    check "$s: the other row gets what came late" compare_truth strict others late
    check_equal "$s: nothing was presented twice" "1|0" "$(strict_sum presented)|$(strict_sum reuse)"
}

# One that is found only when the credential has been replaced already.
found_later() { # STORE
    local s="$1, found later"
    begin "$1" 1
    sql 'create table copy as select * from tokens'
    check "$s: refreshed" once_at "$NOW"
    make_accounts_table others
    sql 'insert into others select * from copy'
    strict_job others others
    once_at $((NOW + 60))
    check "$s: a row that is found with the old credential gets the newest" compare_truth strict others late
    check_equal "$s: nothing was presented twice" "1|0" "$(strict_sum presented)|$(strict_sum reuse)"
}

connected_anew() { # STORE
    local s="$1, connected anew" theirs
    begin "$1" 1
    sim 'accounts?format=tsv' '{"provider":"strict","count":1,"prefix":"new"}' > "$DIR/new.tsv"
    theirs=$(cut -f 3 "$DIR/new.tsv" | sed "s/'/''/g")
    under_way 1 "update tokens set access_token = 'theirs', refresh_token = '$theirs'"
    check_equal "$s: the application's own stands" "theirs|$(cut -f 3 "$DIR/new.tsv")" "$(tokens_of 1)"
    check_equal "$s: what came late is set aside" 1 "$(orphans)"
    check "$s: the next run refreshes the application's" once_at $((NOW + 60))
    check_equal "$s: as another generation" "2|1" "$(sql "select generation, state from $(own records)")"
    check_equal "$s: with no reuse" 0 "$(strict_sum reuse)"
}

# An old copy is saved while the answer is under way, and once more afterwards.
stale_save() { # STORE
    local s="$1, stale save"
    begin "$1" 1
    sql 'create table copy as select * from tokens'
    under_way 1 "update tokens set refresh_token = refresh_token, last_error = 'touched'"
    check "$s: a save that changes nothing is in nobody's way" compare_truth strict tokens late
    sql 'update tokens set access_token = (select access_token from copy),
             refresh_token = (select refresh_token from copy)'
    once_at $((NOW + 60))
    check "$s: a spent credential saved again gets the newest" compare_truth strict tokens late
    check_equal "$s: nothing was presented twice" "1|0" "$(strict_sum presented)|$(strict_sum reuse)"
}

seal_as() { # FORM SLOT: the one line of input in another sealing
    if [ "$1" = renewd ]; then
        "$BUILD/tests/e2e/seal_again" tokens 1 "$2"
    else
        HEX_KEY=$RENEWD_TEST_KEY "$BUILD/tests/e2e/hex_seal" seal
    fi
}

sealing() { # FORM: an update of the row to what it holds, sealed anew
    printf "update tokens set access_token = '%s', refresh_token = '%s'" \
        "$(seal_as "$1" access_token <<< "$access")" "$(seal_as "$1" refresh_token <<< "$refresh")"
}

# The application seals the same token once more (its keys are turned over, or it saves its object): other bytes,
# the same credential.
sealed_anew() { # STORE FORM
    local s="$1, $2 sealed anew" access refresh anew
    begin "$1" 1
    access=$(sql 'select access_token from tokens') refresh=$(sql 'select refresh_token from tokens')
    sql "$(sealing "$2")"
    anew=$(sealing "$2")
    sed -i "s/sealed = \"none\"/sealed = \"$2\"/" "$DIR/conf.d/tokens.conf"
    under_way 1 "$anew"
    check_equal "$s: the result is stored" '1|0' "$(history ok)|$(orphans)"
    check_equal "$s: over what the application sealed" 0 "$(sql "select count(*) from tokens where
        refresh_token = '$(sed "s/.*= '\(.*\)'/\1/" <<< "$anew")'")"
    once_at $((NOW + 7200))
    check_equal "$s: and it is what is presented next" 'ok|2|0' \
        "$(state tokens late-1)|$(strict_sum ok)|$(strict_sum reuse)"
    check_equal "$s: it is the same credential all along: two generations, both of renewd" 2 "$(sql "select generation from $(own records)")"
}

# The application takes its own deletion back while renewd waits to write.
rolled_back() {
    local s='postgresql, deletion taken back'
    begin postgresql 1
    mkfifo "$DIR/app.in"
    psql -XqAt -d "$DSN" < "$DIR/app.in" > "$DIR/app.txt" 2>&1 &
    local app=$!
    exec 8> "$DIR/app.in"
    under_way_then() { printf "begin; delete from tokens;\nselect 'deleted';\n" >&8; }
    sim misbehave '{"mode":"delay","provider":"strict","count":1,"ms":500,"when":"after"}' > /dev/null
    clock_exec "$NOW" "$RENEWD" -c "$CONF" --once >> "$DIR/first.out" 2>&1 &
    RENEWD_PID=$!
    check "$s: a request is under way" wait_until 20 presented_is 1
    under_way_then
    check "$s: the row is deleted, not yet for all" wait_until 10 grep -q deleted "$DIR/app.txt"
    check "$s: renewd waits for that" wait_until 20 commit_blocked
    printf 'rollback;\n' >&8
    exec 8>&-
    wait $app "$RENEWD_PID"
    RENEWD_PID=''
    check "$s: its result is stored" compare_truth strict tokens late
    check_equal "$s: nothing is set aside" 0 "$(orphans)"
}

commit_blocked() { [ "$(pg_admin -c "select count(*) from pg_stat_activity where wait_event_type = 'Lock'
    and datname = '${DSN##*dbname=}'")" -gt 0 ] || grep -q 'waits for the database' "$DIR/first.out"; }

start_simulator
for store in sqlite postgresql; do
    kept_for_a_month $store
    comes_back $store
    renamed $store
    renamed_and_seen $store
    other_holder $store
    found_later $store
    connected_anew $store
    stale_save $store
    sealed_anew $store renewd
    sealed_anew $store hex-iv-tag-data
done
rolled_back
no_tokens_in_logs
finish
