#!/bin/bash
# SPDX-License-Identifier: MIT
# renewctl without a daemon: next, keygen, describe, usage and its exit statuses.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# ctl EXPECTED-STATUS NAME ARGUMENT...: sets out and err.
ctl() {
    local expected=$1 name=$2 status
    shift 2
    "$RENEWCTL" "$@" > "$DIR/out" 2> "$DIR/err"
    status=$?
    out=$(cat "$DIR/out") err=$(cat "$DIR/err")
    check_equal "$name: exit status" "$expected" "$status"
}

test_next() {
    ctl 0 'next: JSON' next '*/15 * * * *' --from 2026-11-21T14:00:00Z -n 3 --json
    check_equal 'next: strictly after, UTC' \
        '["2026-11-21T14:15:00Z","2026-11-21T14:30:00Z","2026-11-21T14:45:00Z"]' "$out"
    ctl 0 'next: options before the command' --json -n 1 --from 2026-11-21T14:00:01Z next '@hourly'
    check_equal 'next: a shorthand' '["2026-11-21T15:00:00Z"]' "$out"
    ctl 0 'next: a zone' next '0 9 * * mon-fri' --timezone Europe/Berlin --from 2026-03-27T12:00:00Z -n 2
    check_equal 'next: local times with offset' 'Mon 2026-03-30 09:00:00 +02:00
Tue 2026-03-31 09:00:00 +02:00' "$out"
    ctl 0 'next: default' next '* * * * *'
    check_equal 'next: five times' 5 "$(printf '%s\n' "$out" | wc -l)"
    ctl 0 'next: the skipped hour' next '30 2 * * *' --timezone Europe/Berlin \
        --from 2026-03-28T12:00:00Z -n 2 --json
    check_equal 'next: once, after the gap' '["2026-03-29T01:00:00Z","2026-03-30T00:30:00Z"]' "$out"
    ctl 0 'next: the repeated hour' next '30 2 * * *' --timezone Europe/Berlin \
        --from 2026-10-24T12:00:00Z -n 2 --json
    check_equal 'next: once, the first' '["2026-10-25T00:30:00Z","2026-10-26T01:30:00Z"]' "$out"
}

test_next_wrong() {
    local field expr
    while IFS='|' read -r field expr; do
        ctl 2 "next: wrong $field" next "$expr"
        check_match "next: names the $field" "$field" "$err"
        check_equal "next: prints nothing of a wrong $field" '' "$out"
    done <<'END'
minute|60 * * * *
hour|0 24 * * *
day of month|0 0 32 * *
month|0 0 1 13 *
day of week|0 0 * * 8
fields|0 0 * *
auto|auto
END
    ctl 2 'next: wrong zone' next '* * * * *' --timezone Europe/Nowhere
    check_match 'next: names the zone' 'Europe/Nowhere' "$err"
    ctl 2 'next: wrong time' next '* * * * *' --from yesterday
    check_match 'next: names the time' 'yesterday' "$err"
    ctl 2 'next: wrong count' next '* * * * *' -n 0
    ctl 2 'next: wrong count' next '* * * * *' -n 3x
    ctl 2 'next: wrong, as JSON' next --json 'x * * * *'
    check_match 'next: the error as JSON' '^\{"error":\{"code":"usage","message":".*minute' "$out"
}

test_keygen() {
    local first
    ctl 0 'keygen' keygen
    check_match 'keygen: 64 hex digits' '^[0-9a-f]{64}$' "$out"
    check_equal 'keygen: and a newline' 65 "$(stat -c %s "$DIR/out")"
    first=$out
    ctl 0 'keygen: again' keygen
    check 'keygen: another one' test "$first" != "$out"
}

test_usage() {
    ctl 2 'no command'
    check_match 'no command: says how' '^usage: renewctl' "$err"
    ctl 2 'an unknown command' frobnicate
    check_match 'an unknown command is named' 'frobnicate' "$err"
    ctl 2 'an unknown option' --frobnicate status
    ctl 2 'too few operands' run
    check_match 'its usage' 'run JOB' "$err"
    ctl 2 'too many operands' status now
    ctl 2 'an option of another command' jobs --replace
    check_match 'the option is named' '--replace does not belong to jobs' "$err"
    ctl 2 'an empty operand' show job ''
    ctl 2 'a state that is none' records job --state recon
    check_match 'the states are named' 'no state recon.*ok, retrying, .*reconnect' "$err"
    ctl 0 'help' --help
    local command
    for command in status jobs run pause resume runs records show events retry refresh import reload next keygen describe; do
        check_match "help: $command" "^  $command " "$out"
    done
    ctl 0 'version' --version
    check_match 'version' '^renewctl [0-9]+\.[0-9]+\.[0-9]+$' "$out"
    check_fails 'a full disk is told' bash -c "'$RENEWCTL' --help > /dev/full"
}

test_no_daemon() {
    local command
    for command in status jobs runs records reload 'run a' 'pause a' 'resume a' 'show a b' 'refresh a' \
        'refresh a b' 'events a' 'retry a' 'retry a 1'; do
        # shellcheck disable=SC2086
        ctl 69 "no daemon: $command" -s "$SOCKET" $command
        check_match "no daemon: $command says where" "no renewd answers at $SOCKET; is it running" "$err"
        check_equal "no daemon: $command prints nothing" '' "$out"
    done
    echo '{"id":"1"}' > "$DIR/lines"
    ctl 69 'no daemon: import' -s "$SOCKET" import a "$DIR/lines"
    ctl 1 'import: no such file' -s "$SOCKET" import a "$DIR/none"
    check_match 'import: the file is named' "$DIR/none" "$err"
    ctl 69 'no daemon, JSON' -s "$SOCKET" --json status
    check_equal 'no daemon, JSON: one document' no_daemon "$(json '$.error.code' < "$DIR/out")"
    head -c 1100000 /dev/zero | tr '\0' x > "$DIR/long"
    ctl 1 'import: an endless line' -s "$SOCKET" import a "$DIR/long"
    check_match 'import: the line is named' 'line 1 of' "$err"
}

# A plugin describes itself without a daemon.
test_describe() {
    export RENEWD_PLUGIN_DIR=$PLUGIN_DIR
    ctl 1 'describe: no such plugin' -s "$SOCKET" describe nonesuch
    check_match 'describe: names it and the place' "nonesuch.*$PLUGIN_DIR/nonesuch.so" "$err"
    ctl 1 'describe: no plugin name' -s "$SOCKET" describe '../youtube'
    local name
    for name in youtube oauth2; do
        ctl 0 "describe $name" -s "$SOCKET" describe "$name"
        check_match "describe $name: settings" '^settings$' "$out"
        check_match "describe $name: its credential" '^refresh_token +secret +inout' "$out"
        check_match "describe $name: no events" '^events:? +no' "$out"
        check_match "describe $name: a column for destinations" ' CREDENTIAL +DESTINATION +HELP' "$out"
        ctl 0 "describe $name: JSON" -s "$SOCKET" --json describe "$name"
        check_equal "describe $name: JSON" "$name" "$(json '$.name' < "$DIR/out")"
    done
    check_equal 'describe: a marked credential' 1 "$(json '$.slots' < "$DIR/out" |
        grep -o '"credential":true' | wc -l)"
}

for t in next next_wrong keygen usage no_daemon describe; do
    test_$t
done
finish
