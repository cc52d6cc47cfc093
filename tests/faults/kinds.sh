# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The kinds of faults, one function each: a round with fresh accounts, and as many faults of the kind as fit
# into a few seconds. It adds to `faults` what really happened, counted at the provider, in the trace, or by
# how a process ended. kind_list says what every kind is and how many of them make a full soak.

# kind target certain: "yes" where no attempt may end unknown, since nothing is killed or lost.
kind_list() {
    cat <<'EOL'
reply-cut          1200 no
reset-before       1200 no
reset-after        1200 no
reply-late         1200 no
closed-kept        1200 no
reply-while-stopped 1200 yes
row-changed        1200 no
kill-random        200 no
kill-at-step       200 no
stop               200 yes
store-stop         200 yes
store-hole         200 yes
disk-full          200 yes
clock-step         200 yes
slept              200 no
three-hosts        200 no
two-processes      200 no
set-back           100 yes
EOL
}

# --- replies -------------------------------------------------------------------------------------

# replies MEMBERS [TIMEOUT [IN_FLIGHT]]: to seven of ten requests of 150 accounts.
replies() {
    fault_jobs "${2:-5s}" "${3:-50}"
    more 110 40
    misbehave "\"share\":70,$1"
    once
    wait "$PID"
    faults=$(misbehaved)
}

kind_reply_cut() { replies '"mode":"cut","bytes":"any"'; }
kind_reset_before() { replies '"mode":"drop_before","how":"rst"'; }
kind_reset_after() { replies '"mode":"drop_after","how":"rst"'; }

kind_reply_late() {
    local when=after
    [ $((RANDOM % 2)) = 0 ] || when=before
    replies "\"mode\":\"delay\",\"ms\":1300,\"when\":\"$when\"" 1s 100
    wait_until 20 all_answered 150 # long before anybody asks again
}

# The proper reply, and the connection's next request is taken and dropped.
kind_closed_kept() {
    local how=fin
    [ $((RANDOM % 2)) = 0 ] || how=rst
    replies "\"mode\":\"close_kept\",\"how\":\"$how\"" 5s 8
}

all_answered() { [ "$(sim_count total ok)" -ge "$1" ]; }
all_presented() { [ "$(presented)" -ge "$1" ]; }

# All replies arrive while the process is stopped, and it wakes up when their deadline is over: more of them
# than it reads in one turn of its loop.
kind_reply_while_stopped() {
    local early
    fault_jobs 2s 200
    more 200 60
    misbehave '"mode":"delay","ms":1200,"when":"before"'
    once
    if wait_until 20 all_presented 260; then
        kill -STOP "$PID"
        early=$(sim_count total ok)
        wait_until 20 all_answered 260 && faults=$((260 - early))
        nap 2100
        kill -CONT "$PID"
    fi
    wait "$PID"
}

# --- the process ---------------------------------------------------------------------------------

# Time for anything to happen in between: replies take a while, before or after they are decided.
slowly() {
    local when=before
    [ $((RANDOM % 2)) = 0 ] || when=after
    misbehave "\"mode\":\"delay\",\"ms\":$(between 5 60),\"when\":\"$when\""
}

daemon_in_background() {
    "$RENEWD" -c "$CONF" >> "$DIR/renewd.all" 2>&1 &
    PID=$!
}

kind_kill_random() {
    local i
    fault_jobs 5s 6
    for ((i = 0; i < 10; i++)); do
        more 12 4
        sim misbehave '{"clear":true}' > /dev/null
        slowly
        if [ $((i % 2)) = 0 ]; then once; else daemon_in_background; fi
        nap "$(between 20 350)"
        kill -KILL "$PID" 2> /dev/null
        ended_by 9 && faults=$((faults + 1))
        wait_until 20 provider_idle
    done
}

# step_kill POINT NTH: one process that is killed there.
step_kill() {
    export RENEWD_FAULT=$1:$2:kill
    once
    wait "$PID"
    unset RENEWD_FAULT
    wait_until 20 provider_idle
}

# Some steps are taken only after others: a lease to give back, a result to drain, a refusal, a row that was
# changed meanwhile.
step_kill_prepared() { # POINT
    case $1 in
        release | released) step_kill claimed 2 ;;
        drain | drained) step_kill spool-written "$(between 1 3)" ;;
        failed) misbehave '"mode":"status","status":500,"share":50' ;;
        keep | kept) step_kill_changed "$1"; return ;;
    esac
    step_kill "$1" "$(case $1 in start | ready | discovered | drained | stopping) echo 1 ;;
        *) between 1 3 ;; esac)"
    sim misbehave '{"clear":true}' > /dev/null
}

step_kill_changed() { # POINT
    misbehave '"mode":"delay","ms":300,"when":"before"'
    more_again 60
    export RENEWD_FAULT=$1:1:kill
    once
    unset RENEWD_FAULT
    wait_until 10 all_under_way
    connect_again "account like 's%'"
    wait "$PID"
    sim misbehave '{"clear":true}' > /dev/null
}

all_under_way() { [ "$(presented)" -gt "$(sim_count total ok)" ]; }

STEPS='start ready discovered claim-ready claim-committed claimed intent intent-written request wire reply
    token-set spool-write spool-torn spool-written sync synced commit-begin commit-ready commit-sent
    commit-answered committed settled failed release released keep kept drain drained stopping'

kind_kill_at_step() {
    local step
    fault_jobs 5s 6
    for step in $(printf '%s\n' $STEPS | awk -v from="$RANDOM" '
        { line[NR] = $0 } END { for (i = 0; i < 10; i++) print line[(from + i * 7) % NR + 1] }'); do
        [ "$step" != commit-sent ] || [ "$STORE" = postgresql ] || continue
        more 6 3
        step_kill_prepared "$step"
    done
    faults=$(acted kill)
}

kind_stop() {
    fault_jobs 5s 6
    more 45 15
    slowly
    once
    while nap "$(between 10 60)"; runs "$PID"; do
        kill -STOP "$PID"
        nap "$(between 10 120)"
        kill -CONT "$PID" && faults=$((faults + 1))
    done
    wait "$PID"
}

kind_clock_step() {
    local i step
    fault_jobs 5s 6
    for ((i = 0; i < 10; i++)); do
        more 6 2
        step=$(printf '%s\n' claim-committed claimed intent-written request reply spool-written \
            commit-ready committed | sed -n "$(between 1 8)p")
        export RENEWD_FAULT="$step:$(between 1 5):clock:$(between -40000 40000)"
        "$RENEWD" -c "$CONF" --once >> "$DIR/renewd.all" 2>&1
    done
    faults=$(acted clock)
}

# The machine sleeps, longer than a lease lasts, between the claim and the request.
kind_slept() {
    local i step
    fault_jobs 5s 6
    for ((i = 0; i < 10; i++)); do
        more 6 2
        step=$(printf '%s\n' claimed intent intent-written request reply | sed -n "$(between 1 5)p")
        export RENEWD_FAULT="$step:$(between 1 5):sleep:$(between 100 4000)"
        "$RENEWD" -c "$CONF" --once >> "$DIR/renewd.all" 2>&1
    done
    faults=$(acted sleep)
}

# Files end at 64 KiB: the spool has room for a few answers and not for all. The trace is shorter.
small_disk() {
    unset RENEWD_FAULT
    (ulimit -f 64 && exec timeout 2 "$RENEWD" -c "$CONF" --once) 2>&1 | cat > "$DIR/small.log"
    cat "$DIR/small.log" >> "$DIR/renewd.all"
    grep -q "make room on that disk" "$DIR/small.log" && faults=$((faults + 1))
}

# full_once ORDER: the disk is full from then on, and a little later the process is told to end: as long as
# nothing can be written it tries one record after another, slowly.
full_once() {
    local before
    before=$(acted error)
    export RENEWD_FAULT=$1
    once
    wait_until 10 full_or_ended "$before"
    nap 300
    kill -TERM "$PID" 2> /dev/null
    wait "$PID"
}

full_or_ended() { # BEFORE
    [ "$(acted error)" -gt "$1" ] || ! runs "$PID"
}

kind_disk_full() {
    local i what small
    fault_jobs 5s 6
    for ((i = 0; i < 10; i++)); do
        more 6 2
        if [ "$STORE" = postgresql ] && [ $((RANDOM % 5)) = 0 ]; then
            small_disk
            continue
        fi
        case $((RANDOM % 8)) in
            0) what="commit-ready:$(between 1 3):error:ENOSPC" ;;
            1) what="sync:$(between 1 3):error:EIO" ;;
            *) what="spool-write:$(between 2 9)+:error:ENOSPC" ;;
        esac
        full_once "$what"
    done
    small=$faults
    faults=$((small + $(awk '$2 == "!" && $4 == "error" && !seen[$1]++ { n++ } END { print n + 0 }' "$TRACE")))
}

# --- the store -----------------------------------------------------------------------------------

pg_owner() {
    if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

restart_cluster() {
    pg_owner "$(find /usr/lib/postgresql/*/bin -name pg_ctl | sort -V | tail -n 1)" -D "$PG_DIR/data" \
        -m immediate -w -t 60 -l "$PG_DIR/data/log" restart > "$DIR/restart.log" 2>&1
}

# Nobody else can read or write for so long.
lock_sqlite() { # MILLISECONDS
    { echo 'begin exclusive;'; nap "$1"; echo 'commit;'; } | sqlite3 -batch -cmd '.timeout 5000' "$SQLITE_DB"
}

kind_store_stop() {
    local i
    fault_jobs 5s 6
    more 45 15
    misbehave '"mode":"delay","ms":80,"when":"before"'
    daemon_in_background
    for ((i = 0; i < 6; i++)); do
        nap "$(between 30 250)"
        if [ "$STORE" = postgresql ]; then
            restart_cluster && faults=$((faults + 1))
        else
            lock_sqlite "$(between 100 1500)" && faults=$((faults + 1))
        fi
        more 6 2
    done
    finish_daemon
}

finish_daemon() {
    kill -TERM "$PID"
    wait "$PID"
}

backends() {
    pg_admin -c "select pid from pg_stat_activity where usename = 'renewd_test' and datname = '${DSN##*dbname=}'"
}

# The server takes what it is sent and answers nothing. It goes on when it is woken, with what it was sent.
kind_store_hole() {
    local i pids
    fault_jobs 5s 6
    more 45 15
    misbehave '"mode":"delay","ms":80,"when":"before"'
    daemon_in_background
    for ((i = 0; i < 6; i++)); do
        nap "$(between 30 250)"
        if [ "$STORE" = postgresql ]; then
            pids=$(backends)
            [ -n "$pids" ] || continue
            # shellcheck disable=SC2086
            kill -STOP $pids
            nap "$(between 100 "$((i == 5 ? 7000 : 900))")"
            # shellcheck disable=SC2086
            kill -CONT $pids && faults=$((faults + 1))
        else
            lock_sqlite "$(between 100 "$((i == 5 ? 7000 : 900))")" && faults=$((faults + 1))
        fi
    done
    finish_daemon
}

# A process is killed when all that it asked for is on the spool and little of it in the store; the next one drains
# that. Then somebody puts back the database that was saved before, and adopts it. In between all may have been
# refreshed once more, so that what was drained has successors by then.
kind_set_back() {
    local i now due=0
    now=$(date +%s)
    fault_jobs 5s 40
    once # renewd's own tables
    wait "$PID"
    for ((i = 1; i <= 3; i++)); do
        more 6 2
        due=$((due + 8))
        back_up || exit 1
        export RENEWD_FAULT="commit-begin:1+:pause:$(between 1 400),spool-written:$due:kill"
        once_at $((now + i * 200000))
        if ended_by 9; then
            unset RENEWD_FAULT
            once
            wait "$PID"
            [ $((RANDOM % 2)) = 0 ] || { once_at $((now + i * 200000 + 100000)); wait "$PID"; }
            back_to_before && faults=$((faults + 1))
        fi
    done
}

# All tokens want a refresh then.
once_at() {
    "$RENEWD" -c "$CONF" --once --at "$1" >> "$DIR/renewd.all" 2>&1 &
    PID=$!
}

back_to_before() {
    unset RENEWD_FAULT
    set_back || return 1
    start_renewd || exit 1
    wait_until 30 ctl adopt || exit 1
    wait_until 30 daemon_is_ready || exit 1
    stop_renewd
}

# --- several at once -----------------------------------------------------------------------------

host_conf() { # NUMBER: prints the file of a host with a state directory of its own
    local conf=$DIR/host$1.conf
    mkdir -p "$DIR/state$1"
    chmod 700 "$DIR/state$1"
    sed -e "s,^state_dir = .*,state_dir = \"state$1\";," -e "s,renewd\.sock,host$1.sock," "$CONF" > "$conf"
    echo "$conf"
}

kind_three_hosts() {
    local i host pids
    fault_jobs 5s 4
    SETTLE_WITH="$(host_conf 1) $(host_conf 2) $(host_conf 3)"
    for ((i = 0; i < 5; i++)); do
        more 15 5
        sim misbehave '{"clear":true}' > /dev/null
        slowly
        pids=
        for host in 1 2 3; do
            once "$DIR/host$host.conf"
            pids="$pids $PID"
        done
        host=0
        for PID in $pids; do
            host=$((host + 1))
            nap "$(between 20 200)"
            [ $((RANDOM % 3)) != 0 ] || continue
            kill -KILL "$PID" 2> /dev/null
            ended_by 9 && faults=$((faults + 1))
            [ ! -s "$DIR/state$host/host" ] || leases_end "$(cat "$DIR/state$host/host")"
        done
        for PID in $pids; do wait "$PID" 2> /dev/null; done
    done
    wait_until 20 provider_idle
    leases_end
}

# leases_end [HOST]: those of processes that are gone, of that host alone: --once waits for them.
leases_end() {
    sql "update $(own credentials) set lease_until = lease_until - 120
         where lease_until is not null${1:+ and lease_host = '$1'}" > /dev/null
}

# A daemon, and --once beside it on the same files.
kind_two_processes() {
    local i daemon
    fault_jobs 5s 4
    for ((i = 0; i < 6; i++)); do
        more 15 5
        sim misbehave '{"clear":true}' > /dev/null
        slowly
        daemon_in_background
        daemon=$PID
        nap "$(between 1 80)"
        once
        nap "$(between 20 300)"
        kill -KILL "$PID" 2> /dev/null
        ended_by 9 && faults=$((faults + 1))
        PID=$daemon
        kill -KILL "$PID" 2> /dev/null
        ended_by 9 && faults=$((faults + 1))
        wait_until 20 provider_idle
    done
}

# --- the application -----------------------------------------------------------------------------

# While requests are under way the application connects accounts anew, and saves back what it had read.
kind_row_changed() {
    rows_change 100 20 while_under_way
}

# rows_change SINGLE SHOPS WHEN: the function WHEN starts a run and comes back when rows are to change meanwhile.
rows_change() {
    fault_jobs 5s 20
    more "$1" "$2"
    sql_tsv 'select id, refresh_token from single where id % 2 = 0' > "$DIR/stale.tsv"
    more_again $(($1 / 2))
    misbehave '"mode":"delay","ms":150,"when":"before"'
    "$3"
    connect_again 'id % 2 = 1'
    kill -CONT "$PID" 2> /dev/null
    wait "$PID"
    save_stale
    once
    wait "$PID"
    faults=$changed
}

while_under_way() {
    once
    wait_until 10 all_presented "$(between 1 40)"
}

# All that was sent has its answer and nothing is committed, however slow the machine: the process has stopped itself.
before_first_commit() {
    export RENEWD_FAULT=commit-begin:1:stop
    once
    unset RENEWD_FAULT
    await 60 grep -q '! commit-begin stop' "$TRACE"
}

# more_again COUNT: accounts that no row has yet.
more_again() {
    sim 'accounts?format=tsv' \
        "{\"provider\":\"strict\",\"count\":$1,\"prefix\":\"again$loaded\",\"expires_in\":86400}" \
        > "$DIR/again.tsv" || exit 1
}

# application_writes FILE: PostgreSQL may end it for a deadlock with renewd, which writes the same rows in its own
# order; like any application it writes once more then.
application_writes() {
    local turn
    for turn in 1 2 3 4; do
        quiet_sql_file "$1" 2> /dev/null && return
    done
    sql_file "$1"
}

# connect_again WHERE: those rows get the other accounts; half of the grants that this replaces are revoked, so
# that a request under way is answered with a refusal that is nothing to the new one.
connect_again() {
    local account
    for account in $(sql "select account from single where $1 and id % 4 = 1"); do
        sim revoke "{\"provider\":\"strict\",\"account\":\"$account\"}" > /dev/null
    done
    sql "select id from single where $1 order by id" | paste - "$DIR/again.tsv" |
        awk -F '\t' -v store="$STORE" '
            function quoted(text) { gsub(/\047/, "\047\047", text); return "\047" text "\047" }
            BEGIN { print "begin;" }
            NF == 5 && $1 != "" {
                printf "update single set account = %s, access_token = %s, ", quoted($2), quoted($3)
                printf "refresh_token = %s, expires_at = ", quoted($4)
                printf (store == "sqlite" ? "%d" : "to_timestamp(%d)") " where id = %d;\n", $5, $1
            }
            END { print "commit;" }' > "$DIR/again.sql"
    application_writes "$DIR/again.sql" && changed=$((changed + $(grep -c ^update "$DIR/again.sql")))
}

# Every even row is saved as it was read before the run, with the refresh token that was just spent.
save_stale() {
    awk -F '\t' -v old="$(epoch_value 1000000000)" '{ gsub(/\047/, "\047\047", $2)
        printf "update single set refresh_token = \047%s\047, expires_at = %s where id = %d;\n", $2, old, $1 }' \
        "$DIR/stale.tsv" > "$DIR/stale.sql"
    application_writes "$DIR/stale.sql" && changed=$((changed + $(wc -l < "$DIR/stale.sql")))
}
