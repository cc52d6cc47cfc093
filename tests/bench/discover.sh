# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The parts of the bench in which nothing is refreshed: a table is read for the first time, and then nothing is due.

# discover STORE: scenarios discovery and idle, on the same daemon; on SQLite sqlite_discovery and sqlite_idle.
discover() {
    local prefix=''
    [ "$1" = postgresql ] || prefix=sqlite_
    start_provider "$DISCOVER" safe 0
    discover_bare "$1" "${prefix}discovery"
    discover_renewd "$1" "${prefix}discovery"
    idle "${prefix}idle"
    provider_counts
    check_equal "${prefix}idle, round $ROUND: nothing was sent" 0 "$(count_of requests)"
    stop_renewd
    stop_provider
}

# The rows that renewd needs of each, made by the database itself in one statement.
discover_bare() { # STORE SCENARIO
    local began seconds
    new_store "$1"
    make_rows "$DISCOVER" 864000 2592000
    sql "create table bare_records (id text primary key, hash text, fingerprint text, due_at bigint);
         create index bare_records_due on bare_records (due_at)"
    settle
    mark
    began=${EPOCHREALTIME/./}
    if [ "$1" = sqlite ]; then # which has no hash of its own: a text as long
        sql "insert into bare_records select id, substr(access_token, -32), substr(refresh_token, -32), expires_at from tokens"
    else
        sql "insert into bare_records select id, md5(access_token || refresh_token || expires_at), md5(refresh_token),
             extract(epoch from expires_at) from tokens"
    fi
    seconds=$(calculate "(${EPOCHREALTIME/./} - $began) / 1000000")
    put "$2" promises rows "$(calculate "$DISCOVER / $seconds")"
    store_took "$2" promises "$DISCOVER"
}

discover_renewd() { # STORE SCENARIO
    local began seconds
    new_store "$1"
    make_rows "$DISCOVER" 864000 2592000
    bench_job safe "$IN_FLIGHT"
    settle
    mark
    began=${EPOCHREALTIME/./}
    start_and_discover "$2, round $ROUND"
    wait_until "$PATIENCE" all_known
    seconds=$(calculate "(${EPOCHREALTIME/./} - $began) / 1000000")
    check_equal "$2, round $ROUND: every row is known" "$DISCOVER" "$(known_records)"
    put "$2" renewd rows "$(calculate "$DISCOVER / $seconds")"
    put "$2" renewd cpu "$(calculate "1000 * $(process_ticks "$RENEWD_PID") / $TICK / $DISCOVER")"
    store_took "$2" renewd "$DISCOVER"
    put "$2" renewd rss "$(calculate "$(status_of "$RENEWD_PID" VmHWM) / 1024")"
    echo "# $2, round $ROUND: $DISCOVER rows in $seconds s"
}

all_known() { [ "$(known_records)" = "$DISCOVER" ] || ! kill -0 "$RENEWD_PID"; }

known_records() { sql "select count(*) from $(own records)"; }

# How often the process went to sleep of itself, and so was woken.
wakeups() { cat "/proc/$1/task/"*/status | awk '$1 == "voluntary_ctxt_switches:" { n += $2 } END { print n }'; } # PID

idle() { # SCENARIO
    local began slept own pg
    settle
    own=$(process_ticks "$RENEWD_PID") pg=0
    [ "$STORE" = sqlite ] || pg=$(pg_ticks)
    slept=$(wakeups "$RENEWD_PID") began=${EPOCHREALTIME/./}
    sleep "$IDLE_SECONDS" # this is what is measured
    began=$(calculate "(${EPOCHREALTIME/./} - $began) / 1000000")
    put "$1" renewd idle_cpu "$(calculate "100 * ($(process_ticks "$RENEWD_PID") - $own) / $TICK / $began")"
    [ "$STORE" = sqlite ] || put "$1" renewd idle_pg "$(calculate "100 * ($(pg_ticks) - $pg) / $TICK / $began")"
    put "$1" renewd wakeups "$(calculate "($(wakeups "$RENEWD_PID") - $slept) / $began")"
    put "$1" renewd rss_now "$(calculate "$(status_of "$RENEWD_PID" VmRSS) / 1024")"
}
