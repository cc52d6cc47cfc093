#!/bin/bash
# SPDX-License-Identifier: MIT
# renewd.watch(job) on PostgreSQL: what an application inserts, changes and deletes is noticed at once, by a
# daemon that would otherwise look in an hour. The application's transaction never fails for it, nor needs
# a right; what renewd writes itself is not told; after renewd.unwatch nothing is.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

APP=renewd_app_$$

watched_stage() {
    stage postgresql
    make_accounts_table tokens
    sql "alter table tokens add note text, add seen json"
    load_accounts strict tokens 1 first
    strict_job tokens tokens 'rescan = "1h";'
    sql "create view shown as select * from tokens"
    start_renewd
    check "what was there at start is refreshed" wait_until 30 refreshed first-1 1
}

refreshed() { [ "$(sim_account strict "$1" refresh_ok)" = "$2" ]; } # ACCOUNT TIMES
record_of() { sql "select $2 from renewd.records r where rkey = (select id::text from tokens where account = '$1')"; }
gone() { [ "$(sql "select count(*) from renewd.records where rkey = '$1' and (point > 0 or due_at > 0)")" = 0 ]; }

noticed() {
    check_match "a job that nobody knows is an error" 'knows no job' "$(sql "select renewd.watch('nobody')" 2>&1)"
    check "renewd.watch" sql "select renewd.watch('tokens')"
    check "again: the same" sql "select renewd.watch('tokens')"
    check_equal "it makes three triggers" 3 "$(sql "select count(*) from pg_trigger where tgname like 'renewd_watch%'")"
    load_accounts strict tokens 3 new > /dev/null
    check "an inserted row is refreshed at once" wait_until 20 refreshed new-3 1
    check "so are those that came with it" wait_until 20 refreshed new-1 1

    load_accounts strict tokens 1 again '"age":60' > /dev/null
    check "a fresh one is known" wait_until 20 test_known again-1
    check_equal "and not due" 0 "$(sim_account strict again-1 refresh_ok)"
    sql "update tokens set expires_at = now() - interval '2 hours' where account = 'again-1'"
    check "a row whose expiry the application changed is refreshed at once" wait_until 20 refreshed again-1 1

    check "truth and table agree" wait_until 20 compare_truth strict tokens

    local id
    id=$(sql "delete from tokens where account = 'first-1' returning id")
    check "the record of a deleted row rests at once" wait_until 20 gone "$id"
}

test_known() { [ -n "$(record_of "$1" rkey)" ]; }

# What is told: a session of its own listens, and shows it with its next statement's answer.
heard() { # COMMAND...: the payloads of what was told while it ran
    coproc EAR { psql -XqAt -d "$DSN" 2>&1; }
    # shellcheck disable=SC2153 # the name is coproc's
    local in=${EAR[1]} out=${EAR[0]} pid=$EAR_PID line
    echo 'listen renewd_rows; select $$listening$$;' >&"$in"
    until read -r line <&"$out" && [ "$line" = listening ]; do :; done
    "$@" > /dev/null
    echo 'select $$over$$;' >&"$in"
    echo '\q' >&"$in"
    sed -n 's/.*renewd_rows" with payload "\(.*\)" received.*/\1/p' <&"$out"
    wait "$pid"
}

expire() { sql "update tokens set expires_at = now() - interval '2 hours' where account = 'new-1'"; }
expire_and_wait() { expire; wait_until 20 refreshed new-1 2 && wait_until 20 settled; }
settled() { [ "$(sql "select count(*) from renewd.runs where finished_at = 0")" = 0 ]; }
unmapped() { sql "update tokens set note = 'x', seen = '{}'"; }
many() { sql "insert into tokens (account) select 'many-' || i from generate_series(1, 1100) i"; }
rolled_back() { sql "begin; update tokens set account = 'other' where account = 'new-1'; rollback"; }

told() {
    local id
    id=$(sql "select id from tokens where account = 'new-1'")
    check_equal "the application's change is told once, renewd's refresh of it not" "tokens $id" "$(heard expire_and_wait)"
    check_equal "columns that renewd does not read are none of its business" '' "$(heard unmapped)"
    check_equal "what was rolled back is not told" '' "$(heard rolled_back)"
    check_equal "more than a thousand rows are one hint" tokens "$(heard many)"
    check "and they are found" wait_until 120 many_known
}

many_known() { [ "$(sql "select count(*) from renewd.records where without_credential = 1")" = 1100 ]; }

as_app() { psql -XqAt -v ON_ERROR_STOP=1 -d "${DSN/user=renewd_test/user=$APP}" -c "$1" 2>&1; }

# Each of these would fail, were the trigger's error the application's.
never_in_the_way() {
    pg_admin -c "create role $APP login" > /dev/null
    sql "grant select, insert, update, delete on tokens to $APP; grant usage on all sequences in schema public to $APP"
    check_equal "a role without a right on renewd's schema writes" '' "$(as_app "insert into tokens (account) values ('app')")"
    check "and is noticed" wait_until 20 test_known app
    check_match "it may not watch" 'permission denied' "$(as_app "select renewd.watch('tokens')")"
    check_equal "a change of the table that the trigger does not know" '' \
        "$(sql "drop view shown; alter table tokens rename column id to number; alter table tokens rename column expires_at to ends;
               update tokens set ends = now() where account = 'app'; delete from tokens where account = 'app';
               alter table tokens rename column number to id; alter table tokens rename column ends to expires_at" 2>&1)"
    stop_renewd
    check_equal "nobody listens: nothing waits" '' "$(sql "set statement_timeout = '5s'; update tokens set expires_at = now()" 2>&1)"
}

# A key longer than any notification.
long_key() {
    sql "create table longs (id text primary key, access_token text, refresh_token text, expires_at timestamptz)"
    strict_job longs longs 'rescan = "1h";' client-1 post 'records = { table = "longs"; key = "id"; sealed = "none";
        columns = { access_token = "access_token"; refresh_token = "refresh_token"; expires_at = "expires_at"; }; };'
    check "--once of a new job" run_renewd --once longs
    check "it is watched" sql "select renewd.watch('longs')"
    check_equal "a key that is too long to be told is no error" '' \
        "$(sql "insert into longs (id) values (repeat('long', 3000))" 2>&1)"
    check_equal "and is in the table" 1 "$(sql "select count(*) from longs")"
}

unwatched() {
    check "renewd.unwatch" sql "select renewd.unwatch('tokens'); select renewd.unwatch('longs')"
    check_equal "leaves no trigger" 0 "$(sql "select count(*) from pg_trigger where tgname like 'renewd_watch%'")"
    check_equal "and nothing is told" '' "$(heard expire)"
    write_job own <<JOB
plugin = "oauth2";
schedule = "0 * * * *";
settings = { token_url = "$SIM_URL/strict/token"; client_id = "client-1"; client_secret = "env:TEST_SECRET"; };
JOB
    check "--once of a job with renewd's own table" run_renewd --once own
    check_match "which cannot be watched, and says so" 'has no table of yours that could be watched' \
        "$(sql "select renewd.watch('own')" 2>&1)"
}

start_simulator
watched_stage
noticed
told
never_in_the_way
long_key
unwatched
sql "drop owned by $APP" > /dev/null 2>&1 || pg_admin -d "${DSN##*dbname=}" -c "drop owned by $APP"
pg_admin -c "drop role if exists $APP"
no_tokens_in_logs
finish
