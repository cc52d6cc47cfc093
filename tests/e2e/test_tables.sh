#!/bin/bash
# SPDX-License-Identifier: MIT
# What renewctl shows, on both stores: a record whose key is as long as keys may be, names that turn the line round,
# tables on a terminal and in a pipe; jobs by the names that they had before, one job, an owner's records, what became of
# runs.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

start_simulator
RLO=$'\xe2\x80\xae' # "right to left from here"
LEGACY='refresh tokens every 6h'

prepare() { # STORE
    stage "$1"
    make_accounts_table tokens
    sql 'alter table tokens add column k text; alter table tokens add column who text'
    sql 'create unique index tokens_k on tokens (k)'
    load_accounts strict tokens 160 acct '"age":60'
    sql "update tokens set k = cast(id as text), who = 'maria' where id < 3"
    sql "update tokens set k = 'n' || id where k is null"
    strict_job tokens tokens "legacy_name = \"$LEGACY\";"
    sed -i -e 's/^schedule.*/schedule = "0 0 1 1 *";/' -e 's/key = "id"/key = "k"; owner = "who"/' "$DIR/conf.d/tokens.conf"
    make_accounts_table others
    strict_job others others
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/others.conf"
}

# Columns of each line's cell STATE: one number, when none is moved.
state_columns() { grep -v "$1" "$DIR/table" | awk '{ print match($0, /(STATE|ok) /) }' | sort -u | tr '\n' ' '; }

longest() { awk '{ n = length($0); if (n > m) m = n } END { print m + 0 }' "$1"; }

on_terminal() { # COLUMNS ARGUMENT...
    script -qec "stty cols $1; LC_ALL=C.UTF-8 $RENEWCTL -s $SOCKET ${*:2}" /dev/null < /dev/null | tr -d '\r'
}

tables() { # STORE
    local s="$1, tables" long
    prepare "$1"
    sql "update tokens set k = 'L$(head -c 2000 /dev/zero | sed 's/\x00/xy/g')' where id = 5"
    sql "update tokens set account = 'joe${RLO}moc' where id = 7"
    sql "update tokens set account = 'a' || char(10) || 'b' || char(27) || '[2J' where id = 8" 2> /dev/null ||
        sql "update tokens set account = 'a' || chr(10) || 'b' || chr(27) || '[2J' where id = 8"
    start_ready || exit 1
    ctl records tokens > "$DIR/table"
    check_equal "$s: one line for each" 161 "$(wc -l < "$DIR/table")"
    check_equal "$s: no other row is moved for the long key" 1 "$(state_columns 'Lxy' | wc -w)"
    check "$s: nor is it shown whole" test "$(longest "$DIR/table")" -lt 5000
    check_match "$s: what turns a line round is shown escaped" 'joe\\u202emoc' "$(cat "$DIR/table")"
    check_match "$s: and what steers the terminal" 'a\\nb\\u001b\[2J' "$(cat "$DIR/table")"
    check_no_match "$s: neither is in it" "$RLO|"$'\e' "$(cat "$DIR/table")"
    check_match "$s: in a sentence, too" 'joe\\u202emoc' "$(ctl show tokens n7)"
    check_match "$s: times are whole in a pipe" '20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9:]{8} UTC' "$(cat "$DIR/table")"
    long=$(ctl --json records tokens | json '$.records[0].id')
    check "$s: --json has all of it" test -n "$long"
    if command -v script > /dev/null; then
        on_terminal 120 records tokens > "$DIR/table"
        check_equal "$s: a terminal of 120 columns: each record" 161 "$(wc -l < "$DIR/table")"
        check "$s: in one line of the terminal" test "$(LC_ALL=C.UTF-8 wc -L < "$DIR/table")" -le 120
        on_terminal 80 records tokens > "$DIR/table"
        check "$s: and of 80" test "$(LC_ALL=C.UTF-8 wc -L < "$DIR/table")" -le 80
        check_match "$s: with times that can be read" '[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}  ' "$(cat "$DIR/table")"
    fi
    stop_renewd
}

names() { # STORE
    local s="$1, names"
    prepare "$1"
    start_ready || exit 1
    check_match "$s: one job" '^others ' "$(ctl jobs others)"
    check_no_match "$s: and no other" tokens "$(ctl jobs others)"
    check_equal "$s: as JSON" "tokens " "$(ctl --json jobs tokens | json '$.jobs[0].job') $(ctl --json jobs tokens | json '$.jobs[1].job')"
    check_match "$s: by the name of before" '^tokens ' "$(ctl jobs "$LEGACY")"
    check_fails "$s: an unknown one is none" ctl jobs nothing
    check_equal "$s: a record" 1 "$(ctl --json show "$LEGACY" 1 | json '$.id')"
    check "$s: pause" ctl pause "$LEGACY"
    check_match "$s: is of that job" paused "$(ctl jobs tokens)"
    check "$s: resume" ctl resume "$LEGACY"
    check_match "$s: an owner's records of all jobs" 'job tokens: refreshed 2, failed 0' "$(ctl refresh --owner maria)"
    check_equal "$s: and no others" 2 "$(sim_count strict ok)"
    check_match "$s: of one job" '^refreshed 2, failed 0' "$(ctl refresh tokens --owner maria)"
    check_equal "$s: as JSON" 2 "$(ctl --json refresh --owner maria | json '$.runs[0].refreshed')"
    check_fails "$s: an owner without any" ctl refresh --owner nobody
    check_match "$s: is told" 'no record of any job belongs to nobody' "$(ctl refresh --owner nobody 2>&1)"
    ctl refresh > /dev/null 2>&1
    check_equal "$s: neither job nor owner" 2 $?
    check_match "$s: runs say what became of them" '^[0-9]+ +tokens +hand +succeeded ' "$(ctl runs "$LEGACY")"
    sim revoke '{"provider":"strict","account":"acct-9"}' > /dev/null
    ctl refresh tokens n9 > /dev/null
    check_match "$s: and when one failed" '^[0-9]+ +tokens +hand +failed ' "$(ctl runs tokens)"
    stop_renewd
}

for store in sqlite postgresql; do
    tables $store
    names $store
done
no_tokens_in_logs
finish
