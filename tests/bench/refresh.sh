# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The part of the bench that refreshes: renewd and two bare loops, each on a database of its own with the same rows.

# refresh SCENARIO STORE KIND DELAY_MS IN_FLIGHT ROWS: one round of all three; who begins changes with the round.
refresh() {
    local who order=(update promises renewd)
    for who in 0 1 2; do
        refresh_by "${order[(who + ROUND) % 3]}" "$@"
    done
}

refresh_by() { # WHO SCENARIO STORE KIND DELAY_MS IN_FLIGHT ROWS
    local who=$1 scenario=$2 kind=$4 in_flight=$6 rows=$7
    start_provider "$rows" "$kind" "$5"
    new_store "$3"
    make_rows "$rows" -2592000 -3600
    if [ "$who" = renewd ]; then
        refresh_by_renewd "$scenario" "$kind" "$in_flight" "$rows"
    else
        refresh_by_bare "$scenario" "$kind" "$in_flight" "$rows" "$who"
    fi
    [ "$5" = 0 ] || put "$scenario" "$who" bound "$(bound "$scenario" "$who" "$5" "$in_flight")"
    all_right "$scenario, round $ROUND, $who" "$rows"
    stop_provider
}

# The share of what so many in flight and such a delay allow.
bound() { # SCENARIO WHO DELAY_MS IN_FLIGHT
    awk -v s="$1" -v w="$2" -v r="$ROUND" -v most="$(calculate "$4 * 1000 / $3")" -F '\t' '
        $1 == s && $2 == w && $3 == r && $4 == "rate" { rate = $5 } END { printf "%.6f", rate / most }' "$RESULTS"
}

refresh_by_bare() { # SCENARIO KIND IN_FLIGHT ROWS update|promises
    local where=$SQLITE_DB
    [ "$STORE" = sqlite ] || where=$DSN
    make_bare_rows
    settle
    mark
    "$BUILD/tests/bench/bare" "$STORE" "$where" "http://127.0.0.1:$PROVIDER_PORT/token" "$2" "$5" "$3" \
        > "$DIR/bare" 2> "$DIR/bare.log" || not_ok "$1: the bare loop ends well" "$(cat "$DIR/bare" "$DIR/bare.log")"
    took "$1" "$5" "$4" "$(bare_said end_us)" "$(calculate "$(bare_said cpu_us) / 1000000")" "$(bare_said rss_kb)"
}

bare_said() { awk -v name="$1" '$1 == name { print $2 }' "$DIR/bare"; }

refresh_by_renewd() { # SCENARIO KIND IN_FLIGHT ROWS
    local end_us
    bench_job "$2" "$3"
    start_and_discover "$1, round $ROUND"
    settle
    count_statements
    mark "$RENEWD_PID"
    ctl run tokens > "$DIR/run.out" 2>&1 || not_ok "$1: renewctl run ends well" "$(tail -n 5 "$DIR/run.out")"
    end_us=${EPOCHREALTIME/./}
    took "$1" renewd "$4" "$end_us" "$(calculate "($(process_ticks "$RENEWD_PID") - $MARK_OWN) / $TICK")" \
        "$(status_of "$RENEWD_PID" VmHWM)"
    show_statements
    stop_renewd
}
