#!/bin/bash
# SPDX-License-Identifier: MIT
# Events with two hosts on one database: each event goes out once, whoever took it in, also what a killed host left.
# And with a database that goes away: nothing is acknowledged meanwhile, and what was sent before is not sent again.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/graph.sh"
. "$(dirname "$0")/events.sh"

SECOND_PID=
trap 'ended_with=$?; stop_process "$SECOND_PID" KILL; frozen CONT 2> /dev/null; (exit $ended_with); cleanup' EXIT
start_simulator

start_second() {
    mkdir -p "$DIR/state2"
    chmod 700 "$DIR/state2"
    sed -e 's/state_dir = "state"/state_dir = "state2"/' -e "s,$SOCKET,$DIR/second.sock," "$CONF" > "$DIR/second.conf"
    "$RENEWD" -c "$DIR/second.conf" >> "$DIR/renewd.all" 2>&1 &
    SECOND_PID=$!
    wait_until 30 curl -sSf --unix-socket "$DIR/second.sock" http://localhost/readyz
}

hand_to() { # SOCKET FIRST LAST RECORD
    local at
    for ((at = $2; at <= $3; at += 100)); do
        events "$at" $((at + 99)) | curl -sS -o /dev/null -w '%{http_code}\n' --max-time 60 --unix-socket "$1" \
            -H 'Content-Type: application/json' --data-binary @- "http://localhost/v1/jobs/meta/records/$4/events"
    done
}

two_hosts() { # STORE
    local s="$1, two hosts" first
    events_stage "$1"
    rm -rf "$DIR/state2"
    app one px-shared
    holder two px-shared
    start_ready || exit 1
    start_second || exit 1
    hand_to "$SOCKET" 1 1000 one > "$DIR/first.codes" &
    first=$!
    hand_to "$DIR/second.sock" 1001 2000 two > "$DIR/second.codes"
    wait $first
    check_equal "$s: both take events" '202 20' "$(sort "$DIR/first.codes" "$DIR/second.codes" | uniq -c | awk '{ print $2, $1 }')"
    check "$s: all are sent" come sent=2000
    check_equal "$s: each once" '2000 0' "$(received | wc -l) $(repeats)"
    sim misbehave '{"mode":"delay","provider":"facebook","path":"*","ms":2000,"when":"before","count":2}' > /dev/null
    sim mark '{}' > /dev/null
    hand_to "$DIR/second.sock" 2001 2100 two > "$DIR/second.codes"
    check "$s: a batch is on its way" wait_until 20 on_its_way
    stop_process "$SECOND_PID" KILL
    sql "update $(own events) set lease_until = 1, due_at = 0 where lease_until is not null"
    check "$s: when the lease of a killed host is over, the other one sends what it had" come sent=2100
    check_equal "$s: all are there" 2100 "$(received | wc -l)"
    check "$s: no repeat that is not counted" test "$(repeats)" -le "$(counted)"
    stop_renewd
}

on_its_way() { [ "$(sim_count facebook requests)" != 0 ]; }

away() { # only PostgreSQL can go away under a daemon that holds it
    local s="store away" settings
    settings=$("$TOP/tests/pg/start" "$DIR/pg") || exit 1
    eval "$settings"
    export PG_DIR PGHOST PGPORT
    events_stage postgresql
    app one
    start_ready || exit 1
    sim misbehave '{"mode":"delay","provider":"facebook","path":"*","ms":1500,"when":"after","count":1}' > /dev/null
    sim mark '{}' > /dev/null
    check_equal "$s: taken before" 202 "$(events 1 50 | post one)"
    check "$s: they are on their way" wait_until 20 on_its_way
    frozen STOP
    check "$s: renewd notices" wait_until 20 is_away
    check_equal "$s: nothing is acknowledged" 503 "$(events 51 60 | post one)"
    check_match "$s: with a time to come back" '^Retry-After: [0-9]+' "$(cat "$DIR/headers")"
    check "$s: the provider has the first ones" wait_until 20 has_them
    frozen CONT
    check "$s: what became of them is noted when the store answers" come sent=50
    check_equal "$s: they were sent once" '50 0 0' "$(received | wc -l) $(repeats) $(counted)"
    check_equal "$s: now the others are taken" 202 "$(events 51 60 | post one)"
    check "$s: and sent" come sent=60
    stop_renewd
}

# The cluster's processes: it does not answer, and forgets nothing.
frozen() { # STOP|CONT
    local postmaster
    postmaster=$(head -n 1 "$DIR/pg/data/postmaster.pid")
    # shellcheck disable=SC2046
    kill -"$1" "$postmaster" $(pgrep -P "$postmaster")
}

is_away() { [ "$(ctl --json status | json '$.store.up')" = 0 ]; }

has_them() { [ "$(received | wc -l)" = 50 ]; }

for store in ${STORES:-sqlite postgresql}; do
    two_hosts "$store"
done
away
no_tokens_in_logs
finish
