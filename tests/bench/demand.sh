# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The part of the bench that asks for tokens while a sweep goes on: those of another job, whose answers are known.

demand() { # STORE
    local scenario=tokens asked=100 said sweep
    [ "$1" = postgresql ] || scenario=sqlite_tokens
    start_provider $((ROWS + asked)) safe 0
    new_store "$1"
    make_rows $((ROWS + asked)) -2592000 -3600
    make_accounts_table app
    sql "insert into app select * from tokens where id > $ROWS; delete from tokens where id > $ROWS" > /dev/null
    if [ "$1" = sqlite ]; then sql 'update app set expires_at = unixepoch() + 864000'
    else sql "update app set expires_at = date_trunc('second', now()) + interval '10 days'"; fi
    bench_job safe "$IN_FLIGHT"
    sed -e 's/^job = .*/job = "app";/' -e 's/table = "tokens"/table = "app"/' "$DIR/conf.d/tokens.conf" > "$DIR/conf.d/app.conf"
    start_and_discover "$scenario, round $ROUND"
    demand_targets
    settle
    mark "$RENEWD_PID"
    { ctl run tokens > "$DIR/run.out" 2>&1; echo "$? $EPOCHREALTIME" > "$DIR/swept"; } &
    sweep=$!
    if said=$("$BUILD/tests/bench/load" "unix:$SOCKET" "$DIR/targets" "$RATE" "$DURATION" 64 2>&1); then
        ok "$scenario, round $ROUND: every answer is the row's token"
    else
        not_ok "$scenario, round $ROUND: every answer is the row's token" "$said"
    fi
    [ ! -s "$DIR/swept" ] || echo "# $scenario, round $ROUND: the sweep ended before the load did; more ROWS, or a shorter DURATION"
    wait "$sweep"
    check_match "$scenario, round $ROUND: renewctl run ends well" '^0 ' "$(cat "$DIR/swept")"
    echo "# $scenario, round $ROUND: $said"
    put "$scenario" renewd p50 "$(said_value p50_ms "$said")"
    put "$scenario" renewd p99 "$(said_value p99_ms "$said")"
    took "$scenario" renewd "$ROWS" "$(cut -d ' ' -f 2 "$DIR/swept" | tr -d .)" \
        "$(calculate "($(process_ticks "$RENEWD_PID") - $MARK_OWN) / $TICK")" "$(status_of "$RENEWD_PID" VmHWM)"
    rm -f "$DIR/swept"
    stop_renewd
    all_right "$scenario, round $ROUND" "$ROWS"
    stop_provider
}

said_value() { sed -n "s/.*\\b$1=\\([0-9.]*\\).*/\\1/p" <<< "$2"; } # NAME TEXT

demand_targets() {
    local expires="strftime('%Y-%m-%dT%H:%M:%SZ', expires_at, 'unixepoch')"
    [ "$STORE" = sqlite ] || expires="to_char(expires_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    sql "select '/v1/jobs/app/records/' || id || '/token?min_valid=60' || '$(printf '\t')' || '{\"access_token\":\"' ||
        access_token || '\",\"expires_at\":\"' || $expires || '\",\"generation\":0}' from app order by id" > "$DIR/targets"
}
