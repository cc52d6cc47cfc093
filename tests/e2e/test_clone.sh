#!/bin/bash
# SPDX-License-Identifier: MIT
# A copy of a database never presents a token, and neither does one that was set back, until a person
# adopts it. What can be read is served meanwhile.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

once() { run_at_time "$NOW" --once; }

# copy_store: the current store's content as another database, which becomes the current one.
copy_store() {
    main_shell copy_store || return 1
    stores_made=$((stores_made + 1))
    if [ "$STORE" = sqlite ]; then
        sqlite3 -batch "$SQLITE_DB" "vacuum into '$DIR/store-$stores_made.db'" || return 1
        SQLITE_DB=$DIR/store-$stores_made.db
    else
        local name=renewd_test_$$_$stores_made
        pg_admin -c "create database $name template ${DSN##*dbname=} owner renewd_test" || return 1
        own_databases="$own_databases $name"
        DSN="host=$PGHOST port=$PGPORT user=renewd_test dbname=$name"
    fi
}

presented() { strict_sum presented; }
not_ready_code() {
    curl -sS --max-time 5 --unix-socket "$SOCKET" http://localhost/readyz | json '$.error.code'
}
status_member() { ctl --json status | json "$1"; }
read_only() { [ "$(status_member '$.store.read_only')" = 1 ]; }
own_rows() { sql "select count(*) || '|' || coalesce(max(last_at), 0) from $(own records)"; }

set_up() { # STORE PREFIX
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 5 "$2"
    strict_job tokens tokens
}

# refused NAME WORDS: neither --once nor a daemon, which stays up, does anything.
refused() {
    local s=$1 before rows
    before=$(presented)
    rows=$(own_rows) || not_ok "$s: its rows can be read"
    once
    check_equal "$s: --once fails" 1 $?
    check_match "$s: and says why, and what to do" "$2.*renewctl adopt" "$(cat "$DIR/renewd.log")"
    start_renewd || exit 1
    check "$s: a daemon only reads" wait_until 20 read_only
    check_match "$s: status says why" "only read: .*$2" "$(ctl status)"
    check_equal "$s: it is not ready" read_only "$(not_ready_code)"
    check "$s: its records are shown" wait_until 20 five_records
    check_match "$s: a run is refused" "$2" "$(ctl run tokens 2>&1)"
    check_match "$s: what is kept is not said to be nothing" 'kept for a day: *not read yet' "$(ctl status)"
    check_match "$s: so is a pause" "$2" "$(ctl pause tokens 2>&1)"
    check_equal "$s: nothing was presented" "$before" "$(presented)"
    check_equal "$s: nothing was written" "$rows" "$(own_rows)"
}

five_records() { [ "$(ctl --json records tokens | json '$.records[4].state')" = ok ]; }

# adopted NAME: goes on with the daemon that runs.
adopted() {
    check "$1: it is adopted" ctl adopt
    check "$1: and is ready then" wait_until 20 daemon_is_ready
    check_match "$1: a second time there is nothing to adopt" 'nothing to adopt' "$(ctl adopt 2>&1)"
    stop_renewd
    later
    check "$1: the next run refreshes" once
    check "$1: truth and table agree" compare_truth strict tokens
}

clone() { # STORE
    local s="$1, a copy" original_sqlite original_dsn
    set_up "$1" clone
    check "$s: the original refreshes" once
    original_sqlite=$SQLITE_DB original_dsn=$DSN
    mv "$DIR/state" "$DIR/state.original"
    copy_store || exit 1
    write_conf
    later
    refused "$s" 'copy or was moved'
    stop_renewd
    rm -rf "$DIR/state"
    mv "$DIR/state.original" "$DIR/state"
    SQLITE_DB=$original_sqlite DSN=$original_dsn
    write_conf
    check "$s: the original goes on" once
    check "$s: truth and the original's table agree" compare_truth strict tokens
    check_equal "$s: nothing was presented twice" '' "$(presented_twice)"
}

# The database moves for good, and its renewd with it.
moved() { # STORE
    local s="$1, moved"
    set_up "$1" moved
    once
    copy_store || exit 1
    write_conf
    later
    refused "$s" 'copy or was moved'
    adopted "$s"
}

older() { # STORE
    local s="$1, set back"
    set_up "$1" older
    once
    back_up || not_ok "$s: a backup is made"
    once # nothing is due: what was saved is all there is, but the database was seen since
    set_back || not_ok "$s: it is restored" "$(cat "$DIR/restore.log")"
    later
    refused "$s" 'older than the one that this host has seen'
    adopted "$s"
    rm -rf "$DIR/state"
    mkdir -m 700 "$DIR/state"
    later
    check "$s: an empty state directory at the same place is a new host" once
    check_equal "$s: nothing was presented twice" '' "$(presented_twice)"
}

all_presented() { [ "$(presented)" = 5 ]; }
all_fine() { compare_truth strict tokens; }
says_alive() { grep -q 'was alive a minute ago' "$DIR/second.log"; }

# A copy of the state directory, taken while its process runs, is no heir of it.
copied_state() { # STORE
    local s="$1, a copied state directory" second
    set_up "$1" state
    sim misbehave '{"mode":"delay","provider":"strict","ms":4000,"when":"before","count":-1}' > /dev/null
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/tokens.conf"
    start_ready || exit 1
    cp -a "$DIR/state" "$DIR/state.copy"
    sed "s|state_dir.*|state_dir = \"$DIR/state.copy\";|; s|renewd.sock|second.sock|" "$CONF" > "$DIR/second.conf"
    ctl refresh tokens > /dev/null 2>&1 &
    first=$!
    check "$s: five requests are under way" wait_until 20 all_presented
    sed -i 's/^schedule.*/schedule = "auto";/' "$DIR/conf.d/tokens.conf"
    "$RENEWD" -c "$DIR/second.conf" > "$DIR/second.log" 2>&1 &
    second=$!
    check "$s: the process that wrote its spool is seen alive" wait_until 20 says_alive
    wait $first
    check "$s: the first has all answers" wait_until 20 all_fine
    check_equal "$s: each was presented once" 5 "$(presented)"
    stop_process $second
    cat "$DIR/second.log" >> "$DIR/renewd.all"
    check "$s: the first goes on" ctl run tokens
    stop_renewd
    rm -rf "$DIR/state.copy"
    sim misbehave '{"clear":true}' > /dev/null
}

damaged() { # what a host has seen cannot be read
    local s="sqlite, its mark is damaged"
    set_up sqlite damaged
    once
    echo nonsense > "$DIR/state/seen"
    later
    refused "$s" 'state/seen is damaged'
    adopted "$s"
}

start_simulator
for store in sqlite postgresql; do
    clone $store
    moved $store
    older $store
    copied_state $store
done
damaged
no_tokens_in_logs
finish
