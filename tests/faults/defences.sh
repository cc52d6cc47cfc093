#!/bin/bash
# SPDX-License-Identifier: MIT
# Every defence of core/base/fault.h has a small round here that is clean with it and fails without it: what
# the fault suite says is worth something. Prints the table of tests/README.md. ONLY=name: that one alone.
SUITE=faults/defences
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/../e2e/strict.sh"
. "$(dirname "$0")/faults.sh"
. "$(dirname "$0")/kinds.sh"
SEED=${SEED:-7}
COLUMNS_OF_JUDGE='accounts lost twice condemned silent unsettled killed wire last'

# name rule columns: what is done. The function defence_NAME does it; looked at are the columns that must be 0
# (wrong), those of unknown attempts too (certain), or that of credentials spent twice alone (twice).
defences() {
    cat <<'EOL'
lease 1 wrong: three hosts at once, answers that take a while
intent 2 wrong: kill -9 when the second answer is there
send-once 2 wrong: a kept connection that is closed when it has taken the next request
late 2 wrong: a host that slept over its leases, which were taken over meanwhile
read-once-more 2 certain: answers that arrive while the process is held up
spool 3 wrong: kill -9 before the commit begins
drain 6 wrong: kill -9 after the third spool write
commit-condition 4 wrong: the application connects accounts anew while requests are under way
already 4 wrong: kill -9 when the commit was answered
write-back 5 wrong: the application saves rows as it had read them before the refresh
spent 7 twice: the same, and the newest is not written back
silence 11 wrong: answers lost on the wire, and a run two minutes later
breaker 10 wrong: a provider that refuses everybody for a while
once 11 twice: answers lost on the wire, again and again, hours apart
gone 6 wrong: a host killed while answers are on their way, whose leases end, and another host
place 13 wrong: a copy of the database beside it, with a host of its own
sequence 13 twice: an older copy of the database put back in its place
retention 6 wrong: the same, adopted
EOL
}

defence_lease() {
    local host pids='' conf
    fault_jobs 5s 20
    more 20 5
    misbehave '"mode":"delay","ms":300,"when":"before"'
    SETTLE_WITH="$(host_conf 1) $(host_conf 2) $(host_conf 3)"
    for conf in $SETTLE_WITH; do
        once "$conf"
        pids="$pids $PID"
    done
    for PID in $pids; do wait "$PID"; done
}

killed_at() { # POINT NTH
    fault_jobs 5s 6
    more 6 2
    misbehave '"mode":"delay","ms":40,"when":"after"'
    step_kill "$1" "$2"
}

defence_intent() { killed_at reply 2; }
defence_spool() { killed_at commit-begin 1; }
defence_drain() {
    killed_at spool-written 3
    leases_end # --once waits for what nobody drains
}
defence_already() { killed_at commit-answered 1; }
defence_send_once() { replies '"mode":"close_kept","how":"fin"' 5s 8; }

# The first answer holds the process up until the others, which are there, are past their deadline.
defence_read_once_more() {
    fault_jobs 2s 100
    more 60 0
    misbehave '"mode":"delay","ms":300,"when":"before"'
    export RENEWD_FAULT=reply:1:pause:2500
    once
    wait "$PID"
}

defence_commit_condition() { rows_change 40 5 before_first_commit; }
defence_write_back() { rows_change 40 5 before_first_commit; }
defence_spent() { rows_change 40 5 before_first_commit; }

# What "renewctl forget-host" does, for all hosts.
forget_leases() {
    sql "update $(own credentials) set lease_host = null, lease_incarnation = null, lease_until = null,
         attempt_id = null; update $(own records) set due_at = point where state <> 4"
}

defence_late() {
    local first
    fault_jobs 5s 10
    more 5 0
    SETTLE_WITH="$(host_conf 1) $(host_conf 2)"
    # Its loop stands still, not the process: that might hold the database's lock.
    export RENEWD_FAULT=intent-written:1:sleep:4000,request:1:hold
    once "$DIR/host1.conf"
    first=$PID
    unset RENEWD_FAULT
    await 60 grep -q '! request hold' "$TRACE"
    forget_leases
    once "$DIR/host2.conf"
    wait "$PID"
    kill -CONT "$first"
    wait "$first"
}

defence_silence() {
    replies '"mode":"drop_after","how":"fin"'
    sim misbehave '{"clear":true}' > /dev/null
    clock_at $(($(date +%s) + 120)) "$RENEWD" -c "$CONF" --once >> "$DIR/renewd.all" 2>&1
}

defence_once() {
    local turn at
    fault_jobs 5s 10
    more 10 0
    misbehave '"mode":"drop_before","how":"fin"'
    once
    wait "$PID"
    for turn in 1 2 3; do
        at=$(($(date +%s) + turn * LATER))
        sim clock "{\"now\":$at}" > /dev/null
        clock_at "$at" "$RENEWD" -c "$CONF" --once >> "$DIR/renewd.all" 2>&1
    done
}

defence_gone() {
    fault_jobs 5s 10
    more 8 0
    SETTLE_WITH="$(host_conf 1) $(host_conf 2)"
    misbehave '"mode":"delay","ms":300,"when":"after"'
    once "$DIR/host1.conf"
    await 60 all_presented 8
    kill -KILL "$PID"
    wait "$PID"
    await 60 all_answered 8
    sim misbehave '{"clear":true}' > /dev/null
    sql "update $(own credentials) set lease_until = lease_until - 120 where lease_until is not null;
         update $(own records) set due_at = point"
    once "$DIR/host2.conf"
    wait "$PID"
}

defence_breaker() {
    fault_jobs 5s 10 'records = 10; within = "10m";'
    more 40 0
    misbehave '"mode":"json","status":400,"body":"{\"error\":\"invalid_grant\"}"'
    once
    wait "$PID"
}

# copy_to FILE: the database as it stands; SQLite alone.
copy_to() {
    rm -f "$1"
    sql "vacuum into '$1'"
}

defence_place() {
    local copy=$DIR/copy.db conf
    run_renewd --once # makes its tables
    more 6 2
    copy_to "$copy"
    once
    wait "$PID"
    conf=$(host_conf 1)
    sed -i "s,path = \".*\",path = \"$copy\"," "$conf"
    once "$conf"
    wait "$PID"
}

# A refresh, and then the same file with the bytes that it had before.
set_back() {
    run_renewd --once
    more 6 2
    copy_to "$DIR/backup.db"
    once
    wait "$PID"
    sql 'pragma wal_checkpoint(truncate)' > /dev/null
    cat "$DIR/backup.db" > "$SQLITE_DB"
    rm -f "$SQLITE_DB-wal" "$SQLITE_DB-shm"
}

defence_sequence() {
    set_back
    rm -rf "$DIR/state/spool"
}

defence_retention() {
    set_back
    start_renewd || exit 1
    ctl adopt > /dev/null
    wait_until 20 daemon_is_ready
    stop_renewd
}

# try NAME COLUMNS [OFF]: the columns that should be 0 and are not, as "name number".
try() {
    local columns
    SETTLE_WITH='' DEFENCES_OFF=${3:-}
    [ "$1" != spent ] || DEFENCES_OFF=write-back${3:+,$3}
    round_begin "$SEED"
    "defence_${1//-/_}"
    # shellcheck disable=SC2086
    settle $SETTLE_WITH
    columns=$(judge killed "$([ $changed = 0 ] && echo no || echo yes)")
    found=$(printf '%s\n%s\n' "$COLUMNS_OF_JUDGE" "$columns" | awk -v which="$2" '
        NR == 1 { split($0, name); next }
        { for (i = 2; i <= (which == "certain" ? 9 : 6); i++)
              if ($i > 0 && (which != "twice" || name[i] == "twice")) printf "%s%s %d", said++ ? ", " : "", name[i], $i }')
    told "$STORE, $1${3:+ without it}: the round went as it was meant to"
    rm -rf "$DIR"/state "$DIR"/state? # what a defence less has left behind is nobody's any more
}

prove() { # NAME COLUMNS
    [ "$1" = breaker ] && DOUBT=1 || DOUBT='' # else the store takes the provider at its word
    fault_stage "$STORE"
    try "$1" "$2"
    check_equal "$STORE, $1: with it the round is clean" '' "$found"
    fault_stage "$STORE"
    try "$1" "$2" "$1"
    if [ -n "$found" ]; then
        ok "$STORE, $1: without it the round fails: $found"
    else
        not_ok "$STORE, $1: without it the round fails" 'it was clean'
    fi
}

start_simulator
lines=''
for STORE in ${STORES:-sqlite}; do
    while read -r name rule columns what; do
        [ -z "${ONLY:-}" ] || [ "$ONLY" = "$name" ] || continue
        prove "$name" "${columns%:}"
        lines="$lines| $name | $rule | $what | $found |
"
    done < <(defences)
done
named=$(sed -n 's/^ *\[DEFENCE_[A-Z_]*\] = "\(.*\)",.*/\1/p' "$TOP/core/base/fault.c" | sort)
steps=$(sed -n 's/^ *\[FAULT_[A-Z_]*\] = "\(.*\)",.*/\1/p' "$TOP/core/base/fault.c" | sort)
# Values are sealed for rows that hold them sealed alone: seal.sh has such ones.
check_equal 'every step is one to be killed at' "$steps" "$(printf '%s\n' $STEPS seal-value | sort)"
check_equal 'every defence has its round' "$named" "$(defences | cut -d ' ' -f 1 | sort)"
printf '\n| defence | rule | round | what it finds without |\n| --- | --- | --- | --- |\n%s' "$lines"
finish
