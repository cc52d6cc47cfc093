#!/bin/bash
# SPDX-License-Identifier: MIT
# How fast tokens are handed out on demand: at a steady rate over both doors, with each store; p50, p99 and what
# renewd's memory is before and after. Every answer is held against the row's token, and the memory against a
# bound; times are printed and judged by whoever reads them (aim: p99 under 5 ms at 2,000 requests a second).
# RATE, DURATION (seconds), CONNECTIONS, RECORDS, STORES: from the environment.
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/../e2e/strict.sh"

RATE=${RATE:-2000} DURATION=${DURATION:-10} CONNECTIONS=${CONNECTIONS:-64} RECORDS=${RECORDS:-100}
SUITE=bench
PORT=$(free_port)
export APP_SECRET=hush-app-0123456789
# What may come on top of what renewd takes once each record was asked for: for each connection its memory, its
# call and its answer, and a margin for the allocator.
BOUND_KB=$((CONNECTIONS * 32 + 8 * 1024))

prepare() { # STORE
    stage "$1"
    sed -i '/^api = /d' "$CONF"
    cat >> "$CONF" <<CONF
api = { socket = "$SOCKET"; listen = "127.0.0.1:$PORT";
        clients = ( { name = "app"; secret = "env:APP_SECRET"; jobs = [ "*" ]; allow = [ "token" ]; } ); };
CONF
    make_accounts_table tokens
    load_accounts strict tokens "$RECORDS" acct '"age":60'
    strict_job tokens tokens
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/tokens.conf"
    (umask 077 && printf 'Authorization: Bearer %s\r\n' "$APP_SECRET" > "$DIR/header")
}

# What each record is to be answered with: its row, as the API tells it.
expected() {
    local expires="strftime('%Y-%m-%dT%H:%M:%SZ', expires_at, 'unixepoch')"
    [ "$STORE" = sqlite ] || expires="to_char(expires_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    sql "select '/v1/jobs/tokens/records/' || id || '/token?min_valid=60' || '$(printf '\t')' || '{\"access_token\":\"' ||
        access_token || '\",\"expires_at\":\"' || $expires || '\",\"generation\":0}' from tokens order by id" > "$DIR/targets"
}

memory_kb() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$RENEWD_PID/status"; }

load() { # NAME ADDRESS RATE SECONDS [HEADERS]
    local said
    if said=$("$BUILD/tests/bench/load" "$2" "$DIR/targets" "$3" "$4" "$CONNECTIONS" ${5:+"$5"} 2>&1); then
        ok "$1: every answer is the row's token"
    else
        not_ok "$1: every answer is the row's token" "$said"
    fi
    echo "# $1: $said"
}

measure() { # STORE
    local s=$1 before after peak
    prepare "$s"
    start_ready || { tail -5 "$DIR/renewd.all"; exit 1; }
    expected
    load "$s, each record once" "unix:$SOCKET" "$RATE" "$(awk "BEGIN { print $RECORDS / $RATE }")" > "$DIR/first.out"
    grep -v '^#' "$DIR/first.out"
    before=$(memory_kb VmRSS)
    load "$s, socket" "unix:$SOCKET" "$RATE" "$DURATION"
    load "$s, TCP" "$PORT" "$RATE" "$DURATION" "$DIR/header"
    after=$(memory_kb VmRSS)
    peak=$(memory_kb VmHWM)
    echo "# $s: renewd's memory: $before KiB before, $after after, $peak at most"
    check "$s: memory stays within $BOUND_KB KiB of what it was" test $((peak - before)) -le "$BOUND_KB"
    check_equal "$s: nothing was refreshed for it" 0 "$(sim_count strict requests)"
    stop_renewd
}

start_simulator
for store in ${STORES:-sqlite postgresql}; do
    measure "$store"
done
no_tokens_in_logs
finish
