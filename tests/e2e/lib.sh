# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What end-to-end tests share: a working directory, the provider simulator, a database, renewd.
# A test begins with `. "$(dirname "$0")/lib.sh"`, reports with ok, not_ok and the check functions,
# and ends with `finish`. Everything it started ends with it.
#
# From the environment: RENEWD, RENEWCTL, SIMULATOR, PLUGIN_DIR (default: the build tree, which is the
# current directory, as under make check); PG_DIR, PGHOST, PGPORT of a running cluster (tests/pg/start),
# else a test that needs one starts its own; KEEP=1 keeps the working directory. A test that sets IN_MEMORY before works
# in memory where it can (tests/in-memory).
#
# Set here: DIR (working directory), SUITE, CONF; by start_simulator SIM_URL, SIM_PID; by make_store
# STORE (sqlite|postgresql), SQLITE_DB or DSN; by start_renewd RENEWD_PID, and SOCKET.

set -u -o pipefail
export LC_ALL=C TZ=UTC
# psql itself, not Debian's wrapper, which starts a Perl interpreter at each of a thousand calls.
for psql in /usr/lib/postgresql/*/bin/psql; do
    [ ! -x "$psql" ] || PATH=${psql%/psql}:$PATH
done
unset psql http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$PWD}
RENEWD=${RENEWD:-$BUILD/core/renewd}
RENEWCTL=${RENEWCTL:-$BUILD/core/renewctl}
SIMULATOR=${SIMULATOR:-$BUILD/tests/sim/simulator}
PLUGIN_DIR=${PLUGIN_DIR:-$BUILD/plugins/.libs}
SUITE=${SUITE:-e2e/$(basename "$0" .sh)}

# The socket's path must be short, and PostgreSQL's user must reach its directory.
place=/tmp
[ -z "${IN_MEMORY:-}" ] || place=$("$TOP/tests/in-memory")
DIR=$(mktemp -d "$place/renewd-test.XXXXXX")
unset place IN_MEMORY
chmod 711 "$DIR"
CONF=$DIR/renewd.conf
SOCKET=$DIR/renewd.sock
SIM_PID='' SIM_URL='' RENEWD_PID='' POOLER_PID='' STORE='' SQLITE_DB='' DSN=''
believed='' own_databases='' passed=0 failed=0 ended=no stores_made=0
# Invented, like everything here. 32 bytes in hexadecimal.
export RENEWD_TEST_KEY=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f

# --- reporting -----------------------------------------------------------------------------------

ok() {
    passed=$((passed + 1))
    echo "ok $SUITE: $*"
}

# not_ok NAME [WHAT WAS SEEN]: more lines are shown as comments.
not_ok() {
    failed=$((failed + 1))
    echo "not ok $SUITE: $1"
    shift
    [ $# = 0 ] || printf '%s\n' "$*" | head -n 40 | sed 's/^/#   /'
}

# check NAME COMMAND...: the command succeeds.
check() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "failed: $*" "$out"; fi
}

check_fails() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then not_ok "$name" "did not fail: $*" "$out"; else ok "$name"; fi
}

# check_equal NAME EXPECTED SEEN
check_equal() {
    if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "expected: $2
seen:     $3"; fi
}

# check_match NAME EXTENDED-REGEX TEXT
check_match() {
    if grep -Eq -- "$2" <<< "$3"; then ok "$1"; else not_ok "$1" "expected: $2
seen: $3"; fi
}

check_no_match() {
    if grep -Eq -- "$2" <<< "$3"; then not_ok "$1" "not expected: $2
seen: $3"; else ok "$1"; fi
}

# The last line of a test.
finish() {
    ended=yes
    [ "$failed" = 0 ]
    exit
}

cleanup() {
    local status=$? database
    trap - EXIT
    [ "$failed" = 0 ] || status=1 # a trap of the test's own may have lost it
    if [ $ended = no ]; then
        not_ok "ran to its end" "ended early with status $status"
        status=1
    fi
    stop_process "$RENEWD_PID"
    [ -z "$SIM_PID" ] || kill -CONT "$SIM_PID" 2> /dev/null # a stopped one would never end
    stop_process "$SIM_PID"
    stop_process "$POOLER_PID"
    for database in $own_databases; do
        pg_admin -c "drop database if exists $database with (force)" > /dev/null 2>&1
    done
    "$TOP/tests/pg/stop" "$DIR/pg"
    if [ -n "${KEEP:-}" ]; then echo "# kept: $DIR"; else rm -rf "$DIR"; fi
    exit $status
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# left_out PACKAGE REASON: the test ends here. Where contrib/check runs it nothing is left out that a package of
# this system would bring.
left_out() {
    main_shell left_out || return 1
    if [ -n "${RENEWD_CHECK:-}" ] && apt-cache policy "$1" 2> /dev/null | grep -q 'Candidate: [0-9]'; then
        not_ok "$2" "contrib/install-deps --tests installs $1"
        finish
    fi
    echo "ok $SUITE # SKIP $2"
    ended=yes
    exit 77
}

# stop_process PID [SIGNAL]: ends a child of ours and waits for it.
stop_process() {
    [ -n "$1" ] || return 0
    kill -"${2:-TERM}" "$1" 2> /dev/null
    wait "$1" 2> /dev/null
    return 0
}

# What sets variables or starts processes must run in the test's own shell, not under check or $().
main_shell() {
    [ "$BASH_SUBSHELL" = 0 ] && return 0
    echo "$1 was called in a subshell: its variables would be lost" >&2
    return 1
}

# wait_until SECONDS COMMAND...: asks again and again, until it succeeds or the time is over; less often when it takes
# long, for what is asked costs time that others need. The time is that of a quiet machine, which asks at least three
# times a second; one with other work gets up to four times as long.
wait_until() {
    local from=$SECONDS limit=$1 asked=0 pause=0.05
    shift
    until "$@" > /dev/null 2>&1; do
        asked=$((asked + 1))
        [ $((SECONDS - from)) -lt "$limit" ] ||
            { [ $asked -lt $((3 * limit)) ] && [ $((SECONDS - from)) -lt $((4 * limit)) ]; } || return 1
        [ $asked != 10 ] || pause=0.1
        [ $asked != 30 ] || pause=0.2
        sleep $pause
    done
}

# in_time NANOSECONDS MILLISECONDS: since then (date +%s%N) fewer have passed, beside four times what a machine with
# other work needs for a plain question to the simulator.
in_time() {
    local now others
    now=$(date +%s%N)
    sim_get counts > /dev/null
    others=$(($(date +%s%N) - now))
    [ $((now - $1)) -lt $(($2 * 1000000 + 4 * others)) ]
}

# free_port: a TCP port of 127.0.0.1 that is this test's alone as long as it runs.
free_port() { "$TOP/tests/port" "$DIR"; }

# json PATH: the value at an SQLite JSON path ($.a.b[0]) in the document on standard input.
json() {
    cat > "$DIR/json.in"
    sqlite3 -batch :memory: "select json_extract(cast(readfile('$DIR/json.in') as text), '$1')"
}

# need_library NAME: one for LD_PRELOAD is built, or the test ends here as failed. The loader only warns of a missing
# one, and a test would look at what its program does by the true clock.
need_library() {
    main_shell need_library || return 1
    [ ! -r "$BUILD/tests/e2e/.libs/$1.so" ] || return 0
    not_ok "tests/e2e/.libs/$1.so is built" "$BUILD has none; there, make check TESTS= builds it"
    ended=yes
    exit 1
}
need_library moved_clock

# --- the provider simulator ----------------------------------------------------------------------

# start_simulator [OPTION...]: sets SIM_URL. Goes when this test goes, however it goes.
start_simulator() {
    main_shell start_simulator || return 1
    local scheme=http port_file=$DIR/sim.port port
    port=$(free_port) || exit 1
    case " $* " in *" --tls "*) scheme=https ;; esac
    rm -f "$port_file"
    "$SIMULATOR" --port "$port" --port-file "$port_file" --die-with-parent --quiet "$@" \
        2>> "$DIR/simulator.log" &
    SIM_PID=$!
    if ! wait_until 60 test -s "$port_file"; then
        not_ok "the simulator starts" "$(cat "$DIR/simulator.log")"
        exit 1
    fi
    SIM_URL=$scheme://127.0.0.1:$port
}

stop_simulator() {
    stop_process "$SIM_PID"
    SIM_PID=''
}

# sim ROUTE JSON: a control request; prints the answer, fails when it was refused.
sim() {
    curl -sSk --fail-with-body --max-time 60 -H 'Content-Type: application/json' \
        --data-binary "${2:-}" "$SIM_URL/_sim/$1"
}

# sim_get ROUTE[?QUERY]
sim_get() {
    curl -sSk --fail-with-body --max-time 60 "$SIM_URL/_sim/$1"
}

# sim_count PROVIDER|total NAME: requests presented ok refused reuse misbehaved dropped unwritten
sim_count() {
    sim_get counts | json "\$.$1.$2"
}

# sim_account PROVIDER ACCOUNT FIELD
sim_account() {
    sim_get "accounts?provider=$1&account=$2" | json "\$.accounts[0].$3"
}

# sim_token VALUE FIELD
sim_token() {
    curl -sSk --fail-with-body --max-time 60 -G --data-urlencode "value=$1" "$SIM_URL/_sim/token" |
        json "\$.$2"
}

# --- stores --------------------------------------------------------------------------------------

# make_store sqlite|postgresql: a new, empty database; every call makes another.
make_store() {
    main_shell make_store || return 1
    case $1 in
        sqlite) make_sqlite_db ;;
        postgresql) make_pg_db ;;
        *) echo "make_store: $1?" >&2; return 1 ;;
    esac
}

make_sqlite_db() { # [FILE]
    stores_made=$((stores_made + 1))
    STORE=sqlite
    SQLITE_DB=${1:-$DIR/store-$stores_made.db}
    sqlite3 -batch "$SQLITE_DB" "pragma journal_mode = ${SQLITE_JOURNAL:-wal}" > /dev/null
}

pg_admin() {
    psql -XqAt -v ON_ERROR_STOP=1 -h "$PGHOST" -p "$PGPORT" -U postgres -d postgres "$@"
}

# In the cluster of the environment, else in one of our own. Owned by renewd_test, no superuser.
make_pg_db() {
    local name
    if [ -z "${PG_DIR:-}" ]; then
        local settings
        settings=$("$TOP/tests/pg/start" "$DIR/pg") || return 1
        eval "$settings"
        export PG_DIR PGHOST PGPORT
    fi
    stores_made=$((stores_made + 1))
    STORE=postgresql
    name=renewd_test_$$_$stores_made
    pg_admin -c "create database $name owner renewd_test" || return 1
    own_databases="$own_databases $name"
    DSN="host=$PGHOST port=$PGPORT user=renewd_test dbname=$name"
}

# sql STATEMENT: on the current store; columns between |, one row a line.
sql() {
    if [ "$STORE" = sqlite ]; then
        sqlite3 -batch -noheader -cmd '.timeout 10000' "$SQLITE_DB" "$1"
    else
        psql -XqAt -v ON_ERROR_STOP=1 -d "$DSN" -c "$1"
    fi
}

# sql_tsv STATEMENT: the same with tabs between columns.
sql_tsv() {
    if [ "$STORE" = sqlite ]; then
        sqlite3 -batch -noheader -cmd '.timeout 10000' -separator $'\t' "$SQLITE_DB" "$1"
    else
        psql -XqAt -F $'\t' -v ON_ERROR_STOP=1 -d "$DSN" -c "$1"
    fi
}

# sql_file FILE: runs a script.
sql_file() {
    if [ "$STORE" = sqlite ]; then
        sqlite3 -batch -bail -cmd '.timeout 10000' "$SQLITE_DB" < "$1"
    else
        psql -XqAt -v ON_ERROR_STOP=1 -d "$DSN" -f "$1"
    fi
}

own() { # renewd's own table NAME
    if [ "$STORE" = postgresql ]; then echo "renewd.$1"; else echo "renewd_$1"; fi
}

# make_accounts_table TABLE: id, account, access_token, refresh_token, expires_at, refreshed_at, status,
# last_error; times are Unix seconds on SQLite, timestamptz on PostgreSQL.
make_accounts_table() {
    local id='integer primary key' time=integer
    if [ "$STORE" = postgresql ]; then
        id='bigint generated by default as identity primary key' time=timestamptz
    fi
    sql "create table \"$1\" (id $id, account text not null unique, access_token text,
        refresh_token text, expires_at $time, refreshed_at $time,
        status text not null default 'active', last_error text)"
}

# load_accounts PROVIDER TABLE COUNT PREFIX [JSON MEMBERS]: new accounts at the simulator, written into
# the table. Their access tokens have expired two hours ago, unless the members say another "age".
load_accounts() {
    local more=${5:-'"age":10800'}
    sim 'accounts?format=tsv' \
        "{\"provider\":\"$1\",\"count\":$3,\"prefix\":\"$4\",$more}" > "$DIR/accounts.tsv" || return 1
    insert_accounts "$2"
}

# insert_accounts TABLE: those of $DIR/accounts.tsv: account, access token, refresh token, Unix seconds of its end.
insert_accounts() {
    awk -F '\t' -v table="$1" -v store="$STORE" '
        function quoted(text) { gsub(/\047/, "\047\047", text); return "\047" text "\047" }
        BEGIN { print "begin;" }
        {
            time = store == "sqlite" ? $4 : "to_timestamp(" $4 ")"
            printf "insert into \"%s\" (account, access_token, refresh_token, expires_at) ", table
            printf "values (%s, %s, %s, %s);\n", quoted($1), quoted($2), quoted($3), time
        }
        END { print "commit;" }' "$DIR/accounts.tsv" > "$DIR/accounts.sql"
    sql_file "$DIR/accounts.sql"
}

# The records group of a job on such a table, with plain tokens.
accounts_records() {
    cat <<EOF
records = { table = "$1"; key = "id"; sealed = "none";
    columns = { account = "account"; access_token = "access_token"; refresh_token = "refresh_token";
                expires_at = "expires_at"; refreshed_at = "refreshed_at"; last_error = "last_error"; }; };
EOF
}

# compare_truth PROVIDER TABLE [PREFIX [ACCOUNT ACCESS REFRESH]]: every account's newest live tokens are those
# of the table, on both sides. Prints the differences (< the table's, > the truth) and fails.
compare_truth() {
    local prefix=${3:-} account=${4:-account} access=${5:-access_token} refresh=${6:-refresh_token}
    sql_tsv "select \"$account\", coalesce(\"$access\", ''), coalesce(\"$refresh\", '') from \"$2\"" |
        sort > "$DIR/table.tsv" || return 1
    sim_get "accounts?provider=$1&format=tsv" | cut -f 1-3 |
        awk -F '\t' -v prefix="$prefix" 'index($1, prefix) == 1' | sort > "$DIR/truth.tsv" || return 1
    if [ ! -s "$DIR/truth.tsv" ]; then
        echo "no account of $1 begins with '$prefix'"
        return 1
    fi
    diff "$DIR/table.tsv" "$DIR/truth.tsv"
}

# --- renewd --------------------------------------------------------------------------------------

# write_conf [MORE]: renewd.conf for the current store; MORE is appended.
write_conf() {
    local store
    mkdir -p "$DIR/conf.d" "$DIR/state"
    chmod 700 "$DIR/state"
    if [ "$STORE" = sqlite ]; then
        store="{ driver = \"sqlite\"; path = \"$SQLITE_DB\"; }"
    else
        export RENEWD_TEST_STORE=$DSN
        store='{ driver = "postgresql"; dsn = "env:RENEWD_TEST_STORE"; }'
    fi
    cat > "$CONF" <<EOF
conf_dir = "conf.d";
plugin_dir = "$PLUGIN_DIR";
state_dir = "state";
store = $store;
keys = ( { id = "test"; secret = "env:RENEWD_TEST_KEY"; } );
api = { socket = "$SOCKET"; };
${1:-}
EOF
    believing
}

# Most tests are about what follows from a refusal, not about whether it is believed (rule 10): their store holds the
# operator's word for every suspect to come. DOUBT=1 leaves it to renewd.
believing() {
    [ -z "${DOUBT:-}" ] && [ "$believed" != "$STORE $stores_made" ] || return 0
    believed="$STORE $stores_made"
    mkdir -p "$DIR/empty.d" "$DIR/believing"
    chmod 700 "$DIR/believing"
    sed 's,^conf_dir = .*,conf_dir = "empty.d";,; s,^state_dir = .*,state_dir = "believing";,' "$CONF" > "$DIR/believing.conf"
    "$RENEWD" -c "$DIR/believing.conf" --once > "$DIR/believing.log" 2>&1
    rm -rf "$DIR/believing" "$DIR/believing.conf"
    if [ "$STORE" = sqlite ]; then
        sql "create trigger believing after insert on renewd_breakers begin
             update renewd_breakers set believed_at = 9999999999999; end"
    else
        sql "alter table renewd.breakers alter believed_at set default 9999999999999"
    fi
    sql "delete from $(own hosts)"
} > /dev/null 2>&1

# write_job NAME: conf.d/NAME.conf from standard input; the job line is ours.
write_job() {
    mkdir -p "$DIR/conf.d"
    { printf 'job = "%s";\n' "$1"; cat; } > "$DIR/conf.d/$1.conf"
}

# A new start: other state directory, other jobs. The store is not touched.
forget_renewd() {
    rm -rf "$DIR/state" "$DIR/conf.d"
}

# run_renewd ARGUMENT...: to its end; its output in $DIR/renewd.log (this run's alone) and renewd.all.
run_renewd() {
    local status
    "$RENEWD" -c "$CONF" "$@" > "$DIR/renewd.log" 2>&1
    status=$?
    cat "$DIR/renewd.log" >> "$DIR/renewd.all"
    return $status
}

# clock_exec TIME COMMAND...: becomes the command, in whose process alone it is TIME (Unix seconds, or RFC 3339) now,
# as after waiting so long; for the background (with &). What --at moves is less: when records are due, and no more.
clock_exec() {
    local at=$1
    case $at in *[!0-9]*) at=$(date -d "$at" +%s) ;; esac
    shift
    exec env MOVED_CLOCK=$at LD_PRELOAD="$BUILD/tests/e2e/.libs/moved_clock.so" \
        ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0" "$@"
}

# clock_at TIME COMMAND...: runs it so.
clock_at() {
    (clock_exec "$@")
}

# run_at_time TIME ARGUMENT...: run_renewd at that time.
run_at_time() {
    local status
    clock_at "$1" "$RENEWD" -c "$CONF" "${@:2}" > "$DIR/renewd.log" 2>&1
    status=$?
    cat "$DIR/renewd.log" >> "$DIR/renewd.all"
    return $status
}

# hold_lock SQL: another session of PostgreSQL runs it in a transaction that stays open until release_lock.
hold_lock() {
    main_shell hold_lock || return 1
    rm -f "$DIR/hold"
    mkfifo "$DIR/hold"
    psql -XqAt -d "$DSN" < "$DIR/hold" > "$DIR/hold.out" 2>&1 &
    HOLDER_PID=$!
    exec 8> "$DIR/hold"
    printf "begin; %s; select 'held';\\n" "$1" >&8
    wait_until 60 grep -qx held "$DIR/hold.out"
}
release_lock() {
    printf 'commit;\n\\q\n' >&8
    exec 8>&-
    wait "$HOLDER_PID"
}

# start_renewd [ARGUMENT...]: the daemon; returns once its operator's door answers.
start_renewd() {
    main_shell start_renewd || return 1
    "$RENEWD" -c "$CONF" "$@" >> "$DIR/renewd.all" 2>&1 &
    RENEWD_PID=$!
    wait_until "${RENEWD_START_SECONDS:-60}" renewd_is_up_or_gone && renewd_is_up > /dev/null && return 0
    tail -n 20 "$DIR/renewd.all" >&2
    return 1
}

# start_ready: the daemon, with its records discovered.
start_ready() {
    main_shell start_ready || return 1
    start_renewd && wait_until 60 daemon_is_ready
}

daemon_is_ready() {
    curl -sSf --max-time 5 --unix-socket "$SOCKET" http://localhost/readyz
}

renewd_is_up() {
    kill -0 "$RENEWD_PID" 2> /dev/null && [ -S "$SOCKET" ] && "$RENEWCTL" -s "$SOCKET" status
}

renewd_is_up_or_gone() {
    ! kill -0 "$RENEWD_PID" 2> /dev/null || renewd_is_up
}

# stop_renewd [SIGNAL]: ends it (KILL: as a crash would) and waits.
stop_renewd() {
    stop_process "$RENEWD_PID" "${1:-TERM}"
    RENEWD_PID=''
}

ctl() {
    "$RENEWCTL" -s "$SOCKET" "$@"
}

# What no output may ever show: the simulator's tokens, also percent-encoded, the clients' secrets (hush-...),
# the sealing key.
HUSH='ya29\.|1(//|%2F%2F)0g|(EAAG|IGAA|\b(act|rft)\.)[^ ]{12}|lsx?[rs]_[ar]t_|strict\.[ar]t\.|hush-'
HUSH="$HUSH|$RENEWD_TEST_KEY|${RENEWD_TEST_KEY:0:12}|${RENEWD_TEST_KEY:52}"

# no_tokens_in_logs: neither they, nor a sealed one, nor a crash in any output of renewd's.
no_tokens_in_logs() {
    local all
    all=$(cat "$DIR/renewd.all" "$DIR"/*.out 2> /dev/null)
    check_no_match "no token and no secret in any output" "$HUSH|r1\.test\." "$all"
    check_no_match "no crash" '(Address|Thread)Sanitizer|runtime error|Segmentation|core dumped|[Aa]ssertion' "$all"
}
