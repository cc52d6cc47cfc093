#!/bin/bash
# SPDX-License-Identifier: MIT
# An SQLite database that another process locks for long, or whose disk is full; and a full disk under the spool:
# nothing new is attempted, the door answers, what was received lands afterwards, and the log does not fill.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/away.sh"

ACCOUNTS=60

locked() {
    local s="locked" sent
    stage sqlite
    begin_away 'in_flight = 8;'
    watch_door &
    watcher=$!
    coproc SHELL_OF_SOMEBODY { sqlite3 -batch -cmd '.timeout 10000' "$SQLITE_DB" 2>&1; }
    echo "begin immediate; select 'mine';" >&"${SHELL_OF_SOMEBODY[1]}"
    read -r -u "${SHELL_OF_SOMEBODY[0]}" said
    check_equal "$s: by another process" mine "$said"
    check "$s: what was sent is answered" wait_until 10 none_under_way
    check "$s: it is said" wait_until 10 log_has 'wait.* for the database|database is busy'
    sent=$(presented)
    sleep 4 # several attempts to write
    check_equal "$s: nothing new is attempted" "$sent" "$(presented)"
    check "$s: not all were asked ($sent)" [ "$sent" -lt $ACCOUNTS ]
    check "$s: it was said, not each second" [ "$(log_lines 'level=\(warning\|error\)')" -le 4 ]
    echo "commit;" >&"${SHELL_OF_SOMEBODY[1]}"
    exec {SHELL_OF_SOMEBODY[1]}>&-
    check "$s: all are refreshed in the end" wait_until 40 all_fine
    check_equal "$s: none was presented twice" '' "$(presented_twice)"
    touch "$DIR/watched"
    wait $watcher
    door_answered "$s"
    stop_renewd
    check_equal "$s: nothing is left on the spool" 0 "$(spool_files)"
}
log_has() { grep -Eq -- "$1" "$DIR/renewd.all"; }

# small DIRECTORY: a disk of its own of 8 MB; only root can make one.
small() {
    mkdir -p "$1"
    [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=8m,mode=700 tmpfs "$1" 2> /dev/null && return 0
    echo "# no tmpfs may be mounted here"
    return 1
}

database_full() {
    local s="disk of the database full" sent
    stage sqlite
    small "$DIR/small" || return 0
    make_sqlite_db "$DIR/small/app.db" # one that was moved there would be a copy, which is only read
    write_conf
    begin_away 'in_flight = 8;'
    head -c 12000000 /dev/zero > "$DIR/small/ballast" 2> /dev/null
    check "$s: it is noticed" wait_until 20 is_away
    check "$s: what was sent is answered" wait_until 10 none_under_way
    sent=$(presented)
    sleep 4
    check_equal "$s: nothing new is attempted" "$sent" "$(presented)"
    check "$s: not all were asked ($sent)" [ "$sent" -lt $ACCOUNTS ]
    check "$s: it was said, not each second" [ "$(log_lines 'level=\(warning\|error\)')" -le 6 ]
    rm "$DIR/small/ballast"
    check "$s: all are refreshed in the end" wait_until 40 all_fine
    check_equal "$s: none was presented twice" '' "$(presented_twice)"
    stop_renewd
    check_equal "$s: nothing is left on the spool" 0 "$(spool_files)"
    umount "$DIR/small"
}

spool_full() {
    local s="disk of the spool full" sent ACCOUNTS=120
    stage sqlite
    rm -rf "$DIR/state"
    small "$DIR/state" || return 0
    begin_away 'in_flight = 8;'
    head -c 12000000 /dev/zero > "$DIR/state/ballast" 2> /dev/null
    check "$s: it is said" wait_until 20 log_has 'code=spool'
    wait_until 10 none_under_way
    sent=$(presented)
    check "$s: not all were asked ($sent)" [ "$sent" -lt $ACCOUNTS ]
    sleep 4
    check_equal "$s: nothing new is attempted" "$sent" "$(presented)"
    check "$s: few records say so" [ "$(log_lines 'code=spool')" -le 24 ]
    rm "$DIR/state/ballast"
    ctl refresh tokens > /dev/null 2>&1
    check "$s: all are refreshed in the end" wait_until 40 all_fine
    check_equal "$s: none was presented twice" '' "$(presented_twice)"
    stop_renewd
    head -c 12000000 /dev/zero > "$DIR/state/ballast" 2> /dev/null
    sent=$(presented)
    clock_at "$(($(date +%s) + 86400))" timeout 40 "$RENEWD" -c "$CONF" --once >> "$DIR/renewd.all" 2>&1
    check_equal "$s: --once fails and does not stay until there is room" 1 $?
    check_equal "$s: nor does it ask for anything" "$sent" "$(presented)"
    rm "$DIR/state/ballast"
    umount "$DIR/state"
}

start_simulator
locked
database_full
spool_full
no_tokens_in_logs away
finish
