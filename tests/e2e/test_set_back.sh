#!/bin/bash
# SPDX-License-Identifier: MIT
# A database that is set back holds spent credentials again. What the spool keeps for a day is written back
# before anything is claimed, whatever was rotated since, and nothing is presented twice.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

once() { run_at_time "$NOW" --once; }
kept() { ctl --json status | json '$.spool.kept'; }
kept_files() { find "$DIR/state/spool" -name '*.kept' | wc -l; }
cut_connections() {
    pg_admin -c "select count(pg_terminate_backend(pid)) from pg_stat_activity
                 where usename = 'renewd_test' and datname = '${DSN##*dbname=}'" > /dev/null 2>&1
}

set_up() { # STORE PREFIX [MORE]
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 5 "$2"
    strict_job tokens tokens "${3:-}"
    sed -i 's/^schedule.*/schedule = "auto";/' "$DIR/conf.d/tokens.conf"
}

# A backup put back by a person, after three rotations: adopted, and then as if nothing had been.
restored() { # STORE
    local s="$1, restored" i
    set_up "$1" restored
    once
    back_up || not_ok "$s: a backup is made"
    for i in 1 2 3; do
        later
        once
    done
    check "$s: truth and table agree before" compare_truth strict tokens
    check "$s: one run's files are joined with the next's" [ "$(kept_files)" -le 5 ]
    set_back || not_ok "$s: it is restored" "$(cat "$DIR/restore.log")"
    check_fails "$s: the table holds what is spent" grants_agree tokens restored
    start_renewd || exit 1
    check_equal "$s: what is kept waits for a person" 0 "$(history shared)"
    check "$s: it is adopted" ctl adopt
    check "$s: all is written back" wait_until 20 compare_truth strict tokens
    check "$s: and then it is ready" wait_until 20 daemon_is_ready
    check_equal "$s: the newest of each account is kept" 5 "$(kept)"
    check_match "$s: the log says so" 'has lost a credential.*is written back.*job=tokens record=1' "$(cat "$DIR/renewd.all")"
    stop_renewd
    later
    check "$s: the next run refreshes" once
    check "$s: truth and table agree" compare_truth strict tokens
    check_equal "$s: nothing was presented twice" '' "$(presented_twice)"
    check_equal "$s: no reuse" 0 "$(strict_sum reuse)"
}

all_ok() { [ "$(sql "select count(*) from $(own records) where ok_at > 0")" = 5 ]; }

# Set back so little that no count is missing: written back without a word from anybody. One account was
# connected again meanwhile, and another's row is gone.
lagged() { # STORE
    local s="$1, lagged" other
    set_up "$1" lagged
    mv "$DIR/conf.d/tokens.conf" "$DIR/tokens.conf"
    start_ready || exit 1
    back_up || not_ok "$s: a backup is made"
    cp "$DIR/tokens.conf" "$DIR/conf.d/tokens.conf"
    ctl reload > /dev/null
    check "$s: all are refreshed" wait_until 20 all_ok
    stop_renewd KILL
    set_back || not_ok "$s: it is restored" "$(cat "$DIR/restore.log")"
    sim accounts '{"provider":"strict","count":1,"prefix":"again"}' > "$DIR/again.json"
    other=$(json '$.accounts[0].refresh_token' < "$DIR/again.json")
    sql "update tokens set refresh_token = '$other', account = 'again' where id = 4"
    sql "delete from tokens where id = 5"
    sed 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/tokens.conf" > "$DIR/conf.d/tokens.conf"
    start_ready || exit 1
    check_equal "$s: what the application stored stands" "$other" "$(sql 'select refresh_token from tokens where id = 4')"
    check_equal "$s: what it removed stays away" 4 "$(sql 'select count(*) from tokens')"
    sql "delete from tokens where id = 4"
    check_match "$s: the others are written back" '^$' "$(grants_agree tokens lagged | grep '^<')"
    check_equal "$s: nothing was presented for that" 5 "$(strict_sum presented)"
    check_equal "$s: what has no row to go to is set aside" 2 \
        "$(sql "select count(*) from $(own kept) where kind = 'orphan'")"
    stop_renewd
    : > "$DIR/renewd.all"
    start_ready || exit 1
    check_no_match "$s: another start finds nothing to write" 'has lost a credential' "$(cat "$DIR/renewd.all")"
    stop_renewd
}

# The connection is lost and comes back to rows of before: as after a failover.
failover() {
    local s="postgresql, failover" t
    set_up postgresql failover
    start_renewd || exit 1
    wait_until 20 all_ok
    sql "create schema saved"
    for t in tokens renewd.records renewd.credentials renewd.attempts; do
        sql "create table saved.${t#*.} as select * from $t"
    done
    : > "$DIR/renewd.all"
    check "$s: all are refreshed by hand" eval "sim clock '{\"now\":$((NOW + 3000))}' > /dev/null; ctl refresh tokens"
    t=$(for t in tokens renewd.records renewd.credentials renewd.attempts; do
        echo "delete from $t; insert into $t select * from saved.${t#*.};"
    done)
    sql "begin; ${t//insert into tokens select/insert into tokens overriding system value select} commit"
    check_fails "$s: the table holds what is spent" grants_agree tokens failover
    cut_connections
    check "$s: all is written back when the store answers again" wait_until 20 compare_truth strict tokens
    check_equal "$s: nothing was presented for that" 10 "$(strict_sum presented)"
    check_equal "$s: no reuse" 0 "$(strict_sum reuse)"
    stop_renewd
}

# Another host's, another key's: left as they are, and said.
stolen() { # STORE
    local s="$1, stolen" files
    set_up "$1" stolen
    once
    files=$(cd "$DIR/state/spool" && sha256sum ./*.kept)
    echo 0123456789abcdef0123456789abcdef > "$DIR/state/host"
    start_ready || exit 1
    check_equal "$s: another host's file is left alone" 1 "$(ctl --json status | json '$.spool.left_alone')"
    check_match "$s: the log says so" 'kept belongs to another host and is left as it is' "$(cat "$DIR/renewd.all")"
    check_match "$s: so does status" 'left alone: +1 files' "$(ctl status)"
    stop_renewd
    check_equal "$s: it is what it was" "$files" "$(cd "$DIR/state/spool" && sha256sum ./*.kept)"
    # The same host with another database.
    make_store "$1"
    cp "$DIR"/state/spool/*.kept "$DIR/file.kept"
    forget_renewd
    write_conf
    mkdir -p "$DIR/state/spool"
    start_renewd || exit 1
    stop_renewd
    cp "$DIR/file.kept" "$DIR/state/spool/0.1.kept"
    make_accounts_table tokens
    strict_job tokens tokens
    start_ready || exit 1
    check_equal "$s: another installation's file is left alone" 1 "$(ctl --json status | json '$.spool.left_alone')"
    stop_renewd
}

# What may be presented again is not kept.
safe() { # STORE
    local s="$1, safe"
    stage "$1"
    make_accounts_table tokens
    load_accounts google tokens 3 safe
    google_job tokens tokens
    start_ready || exit 1
    check "$s: all are refreshed" wait_until 20 compare_truth google tokens
    check_equal "$s: nothing is kept" 0 "$(kept)"
    stop_renewd
    check_equal "$s: no file stays" 0 "$(kept_files)"
}

start_simulator
for store in sqlite postgresql; do
    restored $store
    lagged $store
    stolen $store
    safe $store
done
failover
no_tokens_in_logs
finish
