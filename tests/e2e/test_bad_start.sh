#!/bin/bash
# SPDX-License-Identifier: MIT
# Places that are taken, shut or gone: sockets, state directories, databases, disks. Each is named with what to
# do; where waiting helps renewd waits, says so, and goes on by itself; nothing is lost or presented twice.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/bad.sh"

OTHER_PID=''

# Another renewd with a configuration of its own: CONF NAME; its output in NAME.out.
second_conf() { # NAME SED
    sed "$2" "$CONF" > "$DIR/$1.conf"
}

second() { # NAME
    timeout 100 "$RENEWD" -c "$DIR/$1.conf" > "$DIR/$1.out" 2>&1
}

sockets() {
    stage sqlite
    healthy
    start_renewd
    wait_until 20 compare_truth google healthy well-
    second_conf same_socket 's,state_dir = "state",state_dir = "state2",'
    second same_socket
    check_equal "a busy socket: the second daemon ends with 1" 1 $?
    check_match "a busy socket is named" "$SOCKET.*another renewd" "$(cat "$DIR/same_socket.out")"
    check "a busy socket: the first still answers" renewd_is_up
    second_conf same_state "s,$SOCKET,$DIR/other.sock,"
    second same_state
    check_equal "one state_dir twice: the second daemon ends with 1" 1 $?
    check_match "one state_dir twice: the process and the remedy are named" \
        "another renewd, process $RENEWD_PID uses the state directory $DIR/state; .*state_dir of its own" "$(cat "$DIR/same_state.out")"
    check "one state_dir twice: the first still answers" renewd_is_up
    check "--once runs beside a daemon" run_renewd --once
    stop_renewd KILL
    check "a crash leaves its socket" test -S "$SOCKET"
    start_renewd
    check "a stale socket is replaced" renewd_is_up
    "$RENEWD" -c "$DIR/nowhere.conf" --check > "$DIR/nowhere.out" 2>&1
    check_equal "no renewd.conf: exit status 78" 78 $?
    check_match "no renewd.conf: it is named, and what to do" \
        "$DIR/nowhere.conf: the file cannot be read: No such file.*-c FILE.*example.*renewd.conf\(5\)" "$(cat "$DIR/nowhere.out")"
    stop_renewd
    check_fails "an orderly end removes it" test -e "$SOCKET"
    echo keep > "$SOCKET"
    timeout 100 "$RENEWD" -c "$CONF" > "$DIR/file.out" 2>&1
    check_equal "a file in the socket's place: 1" 1 $?
    check_match "it is named" "$SOCKET exists and is not a socket; move it away or choose" "$(cat "$DIR/file.out")"
    check_equal "and left alone" keep "$(cat "$SOCKET")"
    rm -f "$SOCKET"
    second_conf no_folder "s,$SOCKET,/proc/renewd/renewd.sock,"
    second no_folder
    check_equal "a socket in a folder that cannot be: 1" 1 $?
    check_match "it is named" '/proc/renewd' "$(cat "$DIR/no_folder.out")"
}

# The applications' door, on the port at which the simulator listens.
busy_port() {
    stage sqlite
    healthy
    second_conf port "s,socket = \"$SOCKET\";,socket = \"$SOCKET\"; listen = \"${SIM_URL#*//}\";,"
    second port
    check_equal "a busy port: 1" 1 $?
    check_match "a busy port is named" "${SIM_URL#*//}.*(in use|listens)" "$(cat "$DIR/port.out")"
    check_equal "a busy port: nothing is sent" 0 "$(sim_count google requests)"
    check_fails "a busy port: the socket is taken away again" test -e "$SOCKET"
}

state_dirs() {
    stage sqlite
    healthy
    second_conf file_state "s,state_dir = \"state\",state_dir = \"$CONF\","
    second file_state
    check_equal "a file as state_dir: 1" 1 $?
    check_match "it is named" "state directory $CONF " "$(cat "$DIR/file_state.out")"
    second_conf proc_state 's,state_dir = "state",state_dir = "/proc/renewd",'
    second proc_state
    check_equal "a state_dir that cannot be made: 1" 1 $?
    check_match "it is named" 'state directory /proc/renewd cannot be made: ' "$(cat "$DIR/proc_state.out")"
    check_equal "nothing was sent" 0 "$(sim_count google requests)"
    [ "$(id -u)" = 0 ] || return 0
    # Root may write anywhere: as somebody else.
    chmod 500 "$DIR/state"
    chown nobody "$DIR/state" "$CONF"
    chmod -R a+rX "$DIR/conf.d" "$CONF"
    chmod a+rw "$SQLITE_DB"*
    cp "$RENEWD" "$DIR/renewd.copy"
    setpriv --reuid nobody --clear-groups timeout 100 "$DIR/renewd.copy" -c "$CONF" > "$DIR/shut.out" 2>&1
    check_equal "a state_dir that may not be written: 1" 1 $?
    check_match "it is named" "$DIR/state.*Permission denied" "$(cat "$DIR/shut.out")"
}

# --- SQLite away ------------------------------------------------------------------------------------

sqlite_away() {
    stage sqlite
    healthy
    local db=$SQLITE_DB
    mv "$db" "$DIR/aside.db"
    rm -f "$db"-*
    mkdir "$db"
    start_renewd
    check "a database that cannot be opened: the daemon runs and its door answers" renewd_is_up
    check "it says so, with the file" wait_until 20 grep -q "the database is not available.*$db" "$DIR/renewd.all"
    check_match "renewctl status says so" "$db|away|down" "$(ctl status)"
    # While it is stopped: where no file is at all renewd makes one, beside whose log the old one would lie then.
    kill -STOP "$RENEWD_PID"
    rmdir "$db"
    mv "$DIR/aside.db" "$db"
    kill -CONT "$RENEWD_PID"
    check "once it is there the daemon goes on by itself" wait_until 30 compare_truth google healthy well-
    stop_renewd
    healthy_again
    # Locked by another process for longer than one attempt waits.
    mkfifo "$DIR/hold"
    sqlite3 -batch "$db" < "$DIR/hold" > "$DIR/locker.out" 2>&1 &
    OTHER_PID=$!
    exec 9> "$DIR/hold"
    printf 'begin exclusive;\nselect 1;\n' >&9
    wait_until 10 grep -q 1 "$DIR/locker.out"
    sim mark '{}' > /dev/null
    "$RENEWD" -c "$CONF" >> "$DIR/renewd.all" 2>&1 &
    RENEWD_PID=$!
    check "a locked database: it says so" wait_until 20 eval "grep -Eq 'locked|busy' '$DIR/renewd.all'"
    check "a locked database: the daemon lives" kill -0 "$RENEWD_PID"
    check_equal "a locked database: nothing is sent" 0 "$(sim_count google requests)"
    printf 'rollback;\n' >&9
    exec 9>&-
    stop_process "$OTHER_PID"
    OTHER_PID=''
    check "a locked database: once it is free the daemon works" wait_until 30 refreshed_healthy
    stop_renewd
}

refreshed_healthy() {
    compare_truth google healthy well- && [ "$(sim_count google ok)" -ge "${1:-1}" ]
}

# --- PostgreSQL away --------------------------------------------------------------------------------

pg_ctl_as() { # ARGUMENT...
    local bin
    bin=$(find /usr/lib/postgresql/*/bin -name pg_ctl -printf '%h\n' 2> /dev/null | sort -V | tail -n 1)
    [ -n "$bin" ] || bin=$(dirname "$(command -v pg_ctl)")
    if [ "$(id -u)" = 0 ]; then
        (cd / && runuser -u postgres -- "$bin/pg_ctl" -D "$DIR/pg/data" -s -w -t 30 "$@" > /dev/null 2>&1)
    else
        "$bin/pg_ctl" -D "$DIR/pg/data" -s -w -t 30 "$@" > /dev/null 2>&1
    fi
}

pg_stop() {
    pg_ctl_as -m immediate stop
}

pg_start() {
    pg_ctl_as -l "$DIR/pg/data/log" -o "-c port=$PGPORT -c listen_addresses=127.0.0.1 -c unix_socket_directories=$PGHOST -c fsync=off -c max_connections=60" start
}

# A cluster of our own: it is stopped and killed here.
own_cluster() {
    local settings
    settings=$("$TOP/tests/pg/start" "$DIR/pg") || exit 1
    eval "$settings"
    export PG_DIR PGHOST PGPORT
}

pg_away_at_start() {
    stage postgresql
    healthy
    pg_stop
    start_renewd
    check "PostgreSQL away at start: the daemon runs and its door answers" renewd_is_up
    check "it says so, once a reason" wait_until 20 grep -q 'the database is not available; nothing new is attempted until it answers' "$DIR/renewd.all"
    check_equal "nothing is sent" 0 "$(sim_count google requests)"
    timeout 40 "$RENEWD" -c "$CONF" --once > "$DIR/once.out" 2>&1 &
    OTHER_PID=$!
    pg_start
    check "once it starts the daemon works" wait_until 30 refreshed_healthy 2
    wait "$OTHER_PID"
    check_equal "--once waits for it as well" 0 $?
    OTHER_PID=''
    check_equal "each record was presented once" 2 "$(sim_count google presented)"
    stop_renewd
}

# Killed while a run is on its way: nothing that came is lost.
pg_killed() {
    stage postgresql
    healthy
    make_accounts_table tokens
    load_accounts strict tokens 60 k-
    strict_job strict tokens 'in_flight = 8;'
    sim misbehave '{"mode":"delay","provider":"strict","ms":60,"when":"after","count":-1}' > /dev/null
    start_renewd
    wait_until 20 eval '[ "$(sim_count strict ok)" -ge 10 ]'
    pg_stop
    check "PostgreSQL killed in the middle: the daemon says so" wait_until 20 \
        eval "grep -q 'the database is not available' '$DIR/renewd.all'"
    check "the daemon's door answers meanwhile" renewd_is_up
    local before
    sleep 1
    before=$(sim_count strict presented)
    sleep 1
    check_equal "nothing new is attempted" "$before" "$(sim_count strict presented)"
    pg_start
    check "once it is back all records end up refreshed" wait_until 40 compare_truth strict tokens k-
    check_equal "no credential was presented twice" 0 "$(sim_count strict reuse)"
    check "the healthy job as well" wait_until 20 compare_truth google healthy well-
    # And with the daemon killed while the database is away: the spool has it.
    sim misbehave '{"clear":true}' > /dev/null
    load_accounts strict tokens 30 s-
    sim misbehave '{"mode":"delay","provider":"strict","ms":400,"when":"after","count":-1}' > /dev/null
    sim mark '{}' > /dev/null
    ctl reload > "$DIR/reload.out" 2>&1
    wait_until 20 eval '[ "$(sim_count strict requests)" -ge 8 ]'
    pg_stop
    wait_until 20 eval "[ \"\$(ctl --json status | grep -o '\"waiting_commits\": *[0-9]*' | grep -o '[0-9]*\$')\" -ge 1 ]"
    sleep 1
    stop_renewd KILL
    pg_start
    start_renewd
    check "killed while the database was away: what was on the spool is committed, the rest refreshed" \
        wait_until 60 compare_truth strict tokens
    check_equal "no credential was presented twice, again" 0 "$(sim_count strict reuse)"
    stop_renewd
}

# --once does not wait for ever, and leaves what it received on the spool.
pg_killed_once() {
    stage postgresql
    make_accounts_table tokens
    load_accounts strict tokens 60 o-
    strict_job strict tokens 'in_flight = 8;'
    sim misbehave '{"mode":"delay","provider":"strict","ms":60,"when":"after","count":-1}' > /dev/null
    "$RENEWD" -c "$CONF" --once > "$DIR/once.out" 2>&1 &
    OTHER_PID=$!
    wait_until 20 eval '[ "$(sim_count strict ok)" -ge 10 ]'
    pg_stop
    wait_until 20 grep -q 'waits for the database' "$DIR/once.out"
    kill -TERM "$OTHER_PID"
    check "--once ends when it is told to, although the store is away" wait_until 20 eval "! kill -0 $OTHER_PID"
    stop_process "$OTHER_PID" KILL
    OTHER_PID=''
    cat "$DIR/once.out" >> "$DIR/renewd.all"
    pg_start
    check "the next --once does the rest" run_renewd --once
    check "what was on the spool is in the table" compare_truth strict tokens o-
    check_equal "without a second presentation" 0 "$(sim_count strict reuse)"
}

wrong_password() {
    stage postgresql
    healthy
    local good=$RENEWD_TEST_STORE hba=$DIR/pg/data/pg_hba.conf
    sed -i 's/trust/scram-sha-256/; s/^local.*scram.*/local all all trust/' "$hba"
    pg_ctl_as reload
    export RENEWD_TEST_STORE="host=127.0.0.1 port=$PGPORT user=renewd_test password=a-wrong-passw0rd dbname=${DSN##*dbname=}"
    start_renewd
    check "a wrong password: it says so" wait_until 20 grep -q 'password authentication failed' "$DIR/renewd.all"
    check_no_match "a wrong password is not printed" 'a-wrong-passw0rd' "$(cat "$DIR/renewd.all")$(ctl --json status)"
    check_equal "a wrong password: nothing is sent" 0 "$(sim_count google requests)"
    stop_renewd
    export RENEWD_TEST_STORE="postgresql://renewd_test:an%zzother@127.0.0.1:$PGPORT/x"
    timeout 100 "$RENEWD" -c "$CONF" --once > "$DIR/dsn.out" 2>&1
    check_fails "a dsn that is none: --once fails" test $? = 0
    check_match "a dsn that is none: it says so" 'dsn' "$(cat "$DIR/dsn.out")"
    check_no_match "a dsn is never printed" 'zzother' "$(cat "$DIR/dsn.out")"
    export RENEWD_TEST_STORE="$good"
    check "with the right one all is well" run_renewd --once
}

# --- the disk is full -------------------------------------------------------------------------------

disk_full() {
    stage sqlite
    healthy
    rm -rf "$DIR/state"
    if [ "$(id -u)" = 0 ] && mkdir -p "$DIR/state" && mount -t tmpfs -o size=1m,mode=700 tmpfs "$DIR/state" 2> /dev/null; then
        run_renewd --check
        head -c 2000000 /dev/zero > "$DIR/state/ballast" 2> /dev/null
        full_spool "full disk"
        rm -f "$DIR/state/ballast"
        check "full disk: with room again all is well" run_renewd --once
        check_healthy "full disk: with room again"
        umount "$DIR/state"
    else
        echo "# no tmpfs may be mounted here"
    fi
}

full_spool() {
    token_rows healthy > "$DIR/before"
    run_renewd --once
    check_equal "$1: --once fails" 1 $?
    token_rows healthy > "$DIR/after"
    check_match "$1: it says so" 'No space left|spool' "$(logs)"
    check_equal "$1: nothing is sent" 0 "$(sim_count google requests)"
    check "$1: the rows stay" diff "$DIR/before" "$DIR/after"
}

# The disk fills up while the daemon runs: no attempt is begun that the spool could not hold.
disk_fills() {
    [ "$(id -u)" = 0 ] || return 0
    stage sqlite
    healthy
    rm -rf "$DIR/state"
    mkdir -p "$DIR/state"
    mount -t tmpfs -o size=4m,mode=700 tmpfs "$DIR/state" 2> /dev/null || return 0
    start_renewd
    wait_until 20 compare_truth google healthy well-
    head -c 8000000 /dev/zero > "$DIR/state/ballast" 2> /dev/null
    make_accounts_table tokens
    load_accounts strict tokens 60 d-
    strict_job strict tokens 'in_flight = 60;'
    sim misbehave '{"mode":"delay","provider":"strict","ms":1000,"when":"after","count":-1}' > /dev/null
    ctl reload > "$DIR/reload.out" 2>&1
    check "the disk fills up: it says so" wait_until 10 \
        eval "grep -q 'job=strict .*transient.* code=spool .*No space left' '$DIR/renewd.all'"
    wait_until 10 eval '[ "$(ctl --json status | grep -o "\"in_flight\": *[0-9]*" | grep -o "[0-9]*$")" = 0 ]'
    local sent
    sent=$(sim_count strict presented)
    check_no_match "the disk fills up: every answer that came had room on the spool" \
        'could not be written to the spool' "$(cat "$DIR/renewd.all")"
    check "the disk fills up: not everything is sent" test "$sent" -lt 60
    check_equal "the disk fills up: what was sent is in the table, no other row was touched" "$sent 60" \
        "$(compare_truth strict tokens d- > /dev/null; comm -12 "$DIR/table.tsv" "$DIR/truth.tsv" | grep -c .) \
$(sql "select count(*) from tokens where access_token like 'strict.at.%'")"
    rm -f "$DIR/state/ballast"
    sim misbehave '{"clear":true}' > /dev/null
    ctl refresh strict > "$DIR/refresh.out" 2>&1
    check "the disk has room again: refreshed" wait_until 20 compare_truth strict tokens d-
    check_equal "no credential was presented twice on the way" 0 "$(sim_count strict reuse)"
    stop_renewd
    umount "$DIR/state"
}

start_simulator
sockets
busy_port
state_dirs
sqlite_away
disk_full
disk_fills
own_cluster
pg_away_at_start
pg_killed
pg_killed_once
wrong_password
no_tokens_in_logs
finish
