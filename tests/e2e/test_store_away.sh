#!/bin/bash
# SPDX-License-Identifier: MIT
# PostgreSQL is away in every way it can be, while attempts are under way: nothing new is attempted, the door
# answers, it is said once, what was received lands afterwards, and nothing is presented twice. A renewd that is
# told to stop meanwhile ends at once, and loses nothing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/away.sh"

ACCOUNTS=60

owner() {
    if [ "$(id -u)" = 0 ]; then (cd / && exec runuser -u postgres -- "$@"); else "$@"; fi
}
pg_bin() { find /usr/lib/postgresql/*/bin -name pg_ctl -printf '%h\n' 2> /dev/null | sort -V | tail -n 1; }

own_cluster() { # never that of the environment: it is stopped
    local settings
    settings=$("$TOP/tests/pg/start" "$DIR/pg") || exit 1
    eval "$settings"
    export PG_DIR PGHOST PGPORT
    postmaster=$(head -n 1 "$DIR/pg/data/postmaster.pid")
    tr '\0' '\n' < "/proc/$postmaster/cmdline" | tail -n +4 > "$DIR/pg.options"
}
pg_stop() { owner "$(pg_bin)/pg_ctl" -D "$DIR/pg/data" -m immediate -w stop > /dev/null 2>&1; }
pg_start() {
    owner "$(pg_bin)/pg_ctl" -D "$DIR/pg/data" -l "$DIR/pg/data/log" -w -t 60 \
        -o "$(tr '\n' ' ' < "$DIR/pg.options")" start > /dev/null 2>&1
    postmaster=$(head -n 1 "$DIR/pg/data/postmaster.pid")
}
# The whole server stands still: connections stay, nothing is answered.
frozen() { kill -"$1" "$postmaster" $(pgrep -P "$postmaster"); }

# How each kind begins and ends.
stopped_begin() { pg_stop; }
stopped_end() { pg_start; }
frozen_begin() { frozen STOP; }
frozen_end() { frozen CONT; }
read_only_begin() {
    pg_admin -c "alter database ${DSN##*dbname=} set default_transaction_read_only = on" > /dev/null
    cut_connections
}
read_only_end() { pg_admin -c "alter database ${DSN##*dbname=} reset default_transaction_read_only" > /dev/null; }
standby_begin() { # it comes back as a hot standby, and is promoted later
    pg_stop
    owner touch "$DIR/pg/data/standby.signal"
    pg_start
}
standby_end() { owner "$(pg_bin)/pg_ctl" -D "$DIR/pg/data" -w promote > /dev/null 2>&1; }
crowded_begin() {
    pg_admin -c 'alter role renewd_test connection limit 0' > /dev/null
    cut_connections
}
crowded_end() { pg_admin -c 'alter role renewd_test connection limit -1' > /dev/null; }
cut_connections() {
    pg_admin -c "select count(pg_terminate_backend(pid)) from pg_stat_activity
                 where usename = 'renewd_test' and datname = '${DSN##*dbname=}'" > /dev/null 2>&1
}

complaints() { # but of a machine too busy to run a callback in time
    grep 'level=\(warning\|error\)' "$DIR/renewd.all" | grep -vc "callback was slow"
}

away() { # KIND
    local s="$1" sent
    stage postgresql
    begin_away 'in_flight = 8;'
    watch_door &
    watcher=$!
    "$1"_begin
    check "$s: it is noticed" wait_until 20 is_away
    check "$s: what was sent is answered" wait_until 10 none_under_way
    sent=$(presented)
    check "$s: not all were asked ($sent)" [ "$sent" -lt $ACCOUNTS ]
    sleep 2 # long enough for several attempts to connect
    check_equal "$s: nothing new is attempted" "$sent" "$(presented)"
    check_equal "$s: it was said once" 1 "$(log_lines 'msg="the database is not available')"
    check "$s: and nothing else all the time" [ "$(complaints)" -le 8 ]
    ctl reload > "$DIR/reload.out"
    check_equal "$s: a reload does not say that every job works" 1 $?
    check_match "$s: but why it cannot be said" "tables were not checked: ." "$(cat "$DIR/reload.out")"
    "$1"_end
    check "$s: it comes back" wait_until 20 is_up
    check "$s: all are refreshed in the end" wait_until 40 all_fine
    check_equal "$s: none was presented twice" '' "$(presented_twice)"
    touch "$DIR/watched"
    wait $watcher
    door_answered "$s"
    stop_renewd
    check_equal "$s: nothing is left on the spool" 0 "$(spool_files)"
}

ended_meanwhile() { # KIND
    local s="$1, ended meanwhile" from took
    stage postgresql
    begin_away 'in_flight = 8;'
    "$1"_begin
    wait_until 20 is_away
    wait_until 10 none_under_way
    from=$(date +%s)
    stop_renewd
    took=$(($(date +%s) - from))
    check "$s: it ends at once ($took s)" [ $took -le 10 ]
    check "$s: what it received is on the spool" [ "$(spool_files)" -gt 0 ]
    "$1"_end
    wait_until 20 sql 'select 1'
    start_ready || exit 1
    check "$s: the next start stores it, and refreshes the others" wait_until 40 all_fine
    check_equal "$s: none was presented twice" '' "$(presented_twice)"
    stop_renewd
    check_equal "$s: no run looks as if it went on" 0 \
        "$(sql "select count(*) from renewd.runs where finished_at = 0 and started_at < $from")"
}

own_cluster
start_simulator
for kind in ${KINDS:-stopped frozen read_only standby crowded}; do
    away $kind
done
ended_meanwhile stopped
ended_meanwhile frozen
no_tokens_in_logs away
finish
