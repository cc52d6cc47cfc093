#!/bin/bash
# SPDX-License-Identifier: MIT
# 200 accounts at a provider that rotates and punishes reuse, kept alive over 20 rounds by renewd --once
# at the simulator's time, over two jobs (secret in the body, secret in the header), on both stores. Then
# the daemon, at each record's own time.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

ROUNDS=${ROUNDS:-20}

rounds() { # STORE
    local s=$1 now round
    stage "$s"
    now=$(date +%s)
    sim clients '{"provider":"strict","client_id":"c-post","client_secret":"hush-secret","auth":"post"}' > /dev/null
    sim clients '{"provider":"strict","client_id":"c-basic","client_secret":"hush-secret","auth":"basic"}' > /dev/null
    sim clock "{\"now\":$now}" > /dev/null
    make_accounts_table posted
    make_accounts_table basic
    load_accounts strict posted 150 post '"age":10800,"client_id":"c-post"'
    load_accounts strict basic 50 basic '"age":10800,"client_id":"c-basic"'
    strict_job posted posted '' c-post post
    strict_job basic basic '' c-basic basic

    local bad=''
    for ((round = 1; round <= ROUNDS; round++)); do
        sim clock "{\"now\":$now}" > /dev/null
        run_at_time "$now" --once || bad="$bad round $round: status $?: $(tail -n 3 "$DIR/renewd.log")"
        now=$((now + 3600))
    done
    check_equal "$s: $ROUNDS rounds of --once all succeed" '' "$bad"
    check "$s: truth and table agree, secret in the body" compare_truth strict posted post
    check "$s: truth and table agree, secret in the header" compare_truth strict basic basic
    check_equal "$s: every account rotated in every round" $((200 * ROUNDS)) "$(strict_sum ok)"
    check_equal "$s: and nothing else was presented" $((200 * ROUNDS)) "$(strict_sum presented)"
    check_equal "$s: no reuse" 0 "$(strict_sum reuse)"
    check_equal "$s: no refresh token was presented twice" '' "$(presented_twice)"
    check_equal "$s: the history has each refresh" "$((200 * ROUNDS))" "$(history ok)"
    check_equal "$s: and no failure" "$((200 * ROUNDS))" "$(sql "select count(*) from $(own attempts)")"
    check_equal "$s: the runs' rows count them" "$((200 * ROUNDS))|0" \
        "$(sql "select sum(refreshed), sum(failed) from $(own runs)")"
    check_equal "$s: each record's generation counts the rotations" "$ROUNDS|$ROUNDS|200" \
        "$(sql "select min(generation), max(generation), count(*) from $(own records)")"
    check_equal "$s: nothing is left on the spool" 0 "$(spool_files)"
}

rotated() { # TIMES: each of the daemon's accounts has rotated so often
    [ "$(sim_get 'accounts?provider=strict&format=tsv' |
        awk -F '\t' -v times="$1" 'BEGIN { n = 0 } $7 >= times { n++ } END { print n }')" = 5 ]
}

agrees() {
    compare_truth strict short short
}

daemon() { # STORE TIMES
    local s=$1
    stage "$s"
    make_accounts_table short
    load_accounts strict short 5 short- '"age":60,"expires_in":16'
    strict_job short short 'rescan = "1s";'
    sed -i 's/^schedule.*/schedule = "auto";/' "$DIR/conf.d/short.conf"
    start_renewd || exit 1
    check "$s: the daemon refreshes short-lived accounts by itself" wait_until 20 rotated 1
    # Three within a minute: what comes due while a minute's run is open is not left to the next one.
    check "$s: and again before they end" wait_until 45 rotated "$2"
    check "$s: what it stored is what lives" wait_until 10 agrees
    stop_renewd
    check_equal "$s: without reuse" 0 "$(strict_sum reuse)"
    check_equal "$s: nothing was presented twice" '' "$(presented_twice)"
    check "$s: after it stopped, truth and table agree" compare_truth strict short short
}

# Two jobs' tables hold the same credentials; one of the jobs is not there when the other refreshes them.
missed() { # STORE
    local s=$1
    stage "$s"
    NOW=$(date +%s)
    sim clock "{\"now\":$NOW}" > /dev/null
    make_accounts_table here
    make_accounts_table there
    load_accounts strict here 5 m- '"age":0'
    sql "insert into there (account, access_token, refresh_token, expires_at)
        select account, access_token, refresh_token, expires_at from here"
    strict_job here here
    strict_job there there
    run_at_time "$NOW" --once
    check_equal "$s: shared credentials: none is due yet" 0 "$(strict_sum presented)"
    mv "$DIR/conf.d/there.conf" "$DIR/there.away"
    later
    run_at_time "$NOW" --once
    check "$s: shared credentials: refreshed while the other job is away" compare_truth strict here m-
    mv "$DIR/there.away" "$DIR/conf.d/there.conf"
    run_at_time "$NOW" --once
    check "$s: shared credentials: its rows get them at its next look" compare_truth strict there m-
    check_equal "$s: shared credentials: without another presentation" 5 "$(strict_sum presented)"
    check_equal "$s: shared credentials: nothing is set aside" 0 "$(sql "select count(*) from $(own kept)")"
}

start_simulator
for store in sqlite postgresql; do
    rounds $store
    missed $store
done
daemon sqlite 3
daemon postgresql 2
no_tokens_in_logs
finish
