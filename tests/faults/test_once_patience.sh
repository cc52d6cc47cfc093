#!/bin/bash
# SPDX-License-Identifier: MIT
# --once gives up on a store that is away for 30 s, and never on work that makes progress: reading a large table for
# the first time takes as long as it takes. Each page of this one is made to last 4 s by the clock that counts; nobody
# waits. Needs a build with --enable-fault-points.
SUITE=faults/once_patience
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/../e2e/strict.sh"
. "$(dirname "$0")/loud.sh"

PAGES=40 # of 500 rows: 160 s by that clock

many_rows() { # COUNT: their tokens live for a year
    if [ "$STORE" = sqlite ]; then
        sql "with recursive n(i) as (select 1 union all select i + 1 from n where i < $1)
             insert into tokens (account, access_token, refresh_token, expires_at)
             select 'a' || i, 'access-' || i, 'refresh-' || i, unixepoch() + 31536000 from n"
    else
        sql "insert into tokens (account, access_token, refresh_token, expires_at)
             select 'a' || i, 'access-' || i, 'refresh-' || i, now() + interval '1 year'
             from generate_series(1, $1) i"
    fi
}

large_table() { # STORE
    local s="$1, a large table"
    stage "$1"
    make_accounts_table tokens
    many_rows $((PAGES * 500))
    strict_job tokens tokens
    export RENEWD_FAULT_TRACE=$DIR/trace RENEWD_FAULT=discovered:1+:sleep:4
    : > "$DIR/trace"
    check "$s: it is read to its end" run_renewd --once
    unset RENEWD_FAULT RENEWD_FAULT_TRACE
    check_equal "$s: each page took its time" $PAGES "$(grep -c '! discovered sleep' "$DIR/trace")"
    check_match "$s: all rows were read" "records discovered.*rows=$((PAGES * 500)) " "$(cat "$DIR/renewd.log")"
    check_match "$s: what it does is said meanwhile" 'the job.s table is being read.*rows=[1-9]' "$(cat "$DIR/renewd.log")"
    check_match "$s: and then what was due" '^tokens: 0 due, 0 refreshed' "$(cat "$DIR/renewd.log")"
}

start_simulator
for store in sqlite postgresql; do
    large_table $store
done
told 'every statement was taken'
finish
