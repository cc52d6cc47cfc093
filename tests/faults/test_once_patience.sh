#!/bin/bash
# SPDX-License-Identifier: MIT
# --once gives up on a store that is away for 30 s, and never on work that makes progress: reading a large table for
# the first time takes as long as it takes. Each page of this one is made to last 8 s by the clock that counts; nobody
# waits. Needs a build with --enable-fault-points.
SUITE=faults/once_patience
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/../e2e/strict.sh"
. "$(dirname "$0")/loud.sh"

PAGES=20 # of 1,000 rows: 160 s by that clock

many_rows() { # COUNT: their tokens live for a year
    if [ "$STORE" = sqlite ]; then
        sql "with recursive n(i) as (select 1 union all select i + 1 from n where i < $1)
             insert into tokens (account, access_token, refresh_token, expires_at)
             select 'a' || i, 'access-' || i, 'refresh-' || i, unixepoch() + 31536000 from n"
    else
        sql "insert into tokens (account, access_token, refresh_token, expires_at)
             select 'a' || i, 'access-' || i, 'refresh-' || i, now() + interval '1 year'
             from generate_series(1, $1) i"
        sql 'analyze tokens'
    fi
}

large_table() { # STORE
    local s="$1, a large table"
    stage "$1"
    make_accounts_table tokens
    many_rows $((PAGES * 1000))
    strict_job tokens tokens
    export RENEWD_FAULT_TRACE=$DIR/trace RENEWD_FAULT=discovered:1+:sleep:8
    : > "$DIR/trace"
    check "$s: it is read to its end" run_renewd --once
    unset RENEWD_FAULT RENEWD_FAULT_TRACE
    check_equal "$s: each page took its time" $PAGES "$(grep -c '! discovered sleep' "$DIR/trace")"
    check_match "$s: all rows were read" "records discovered.*rows=$((PAGES * 1000)) " "$(cat "$DIR/renewd.log")"
    check_match "$s: how far it is, of how much, and how long the rest takes, is said meanwhile" \
        'the job.s table is being read.*rows=[1-9][0-9]* about=[12][0-9]{4} left=[0-9]+s' "$(cat "$DIR/renewd.log")"
    check_match "$s: and then what was due" '^tokens: 0 due, 0 refreshed' "$(cat "$DIR/renewd.log")"
}

# On a terminal one line says it, each second.
on_a_terminal() { # STORE
    stage "$1"
    make_accounts_table tokens
    many_rows $((PAGES * 1000))
    strict_job tokens tokens
    RENEWD_FAULT=discovered:1+:sleep:8 \
        script -qec "$RENEWD -c $CONF --once" /dev/null < /dev/null > "$DIR/terminal.out" 2>&1
    check_match "$1, on a terminal: how far it is" \
        'job tokens: [0-9]{1,2},[05]00 of about [12][0-9],[0-9]{3} rows read, [0-9]+ (s|min) left' "$(cat "$DIR/terminal.out")"
    check_match "$1, on a terminal: and the end" '^tokens: 0 due' "$(tr '\r' '\n' < "$DIR/terminal.out")"
}

# A daemon says it too: in its log, and to those who ask.
daemon() { # STORE
    local s="$1, a daemon" reading
    stage "$1"
    make_accounts_table tokens
    many_rows $((PAGES * 1000))
    strict_job tokens tokens
    RENEWD_FAULT=discovered:3+:pause:2000 start_renewd
    reading='tokens: [0-9]{1,2},[05]00 of about [12][0-9],[0-9]{3} rows read, [0-9]+ (s|min) left'
    status_says() { ctl status | grep -Eq "^reading: +$reading"; }
    jobs_say() { ctl jobs | grep -Eq "^job $reading"; }
    check "$s: status says how far it is" wait_until 20 status_says
    check "$s: and jobs" wait_until 20 jobs_say
    check_equal "$s: and a program is told in numbers" 'integer|integer|integer' "$(ctl --json jobs > "$DIR/jobs.json"
        sqlite3 -batch :memory: "select json_type(j, '\$.jobs[0].reading.rows'), json_type(j, '\$.jobs[0].reading.about'),
            json_type(j, '\$.jobs[0].reading.left') from (select cast(readfile('$DIR/jobs.json') as text) as j)")"
    stop_renewd
    : > "$DIR/renewd.all"
    sql "delete from $(own records)"
    RENEWD_FAULT=discovered:1+:sleep:8 start_renewd
    check "$s: it is ready in the end" wait_until 60 daemon_is_ready
    check_match "$s: the log had it meanwhile" \
        'the job.s table is being read.*rows=[1-9][0-9]* about=[12][0-9]{4} left=[0-9]+s' "$(cat "$DIR/renewd.all")"
    check_equal "$s: then nothing is said of it" null "$(ctl --json jobs > "$DIR/jobs.json"
        sqlite3 -batch :memory: "select json_type(cast(readfile('$DIR/jobs.json') as text), '\$.jobs[0].reading')")"
    stop_renewd
}

start_simulator
for store in sqlite postgresql; do
    large_table $store
    daemon $store
    if command -v script > /dev/null; then on_a_terminal $store; else echo "# script(1) is not here: no terminal is tried"; fi
done
told 'every statement was taken'
finish
