#!/bin/bash
# SPDX-License-Identifier: MIT
# Rows that cannot be read: too long, damaged, sealed by somebody else or with another key. Each is named in the log
# and in its own last_error, without what it holds; --once exits 1; the others are refreshed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/bad.sh"

row_of() { # ACCOUNT
    sql "select coalesce(last_error, '') from tokens where account = '$1'"
}

record_of() { # ACCOUNT
    sql "select r.state || '|' || coalesce(r.last_code, '') || '|' || r.due_at from $(own records) r
        join tokens t on r.rkey = cast(t.id as text) and r.source like '%tokens%' where t.account = '$1'"
}

long_value() { # BYTES
    if [ "$STORE" = sqlite ]; then echo "hex(zeroblob($1 / 2))"; else echo "repeat('x', $1)"; fi
}

refreshed() { # TABLE
    sql "select count(*) from \"$1\" where refreshed_at is not null"
}

# A value of 250 MB on PostgreSQL, of 70 MB, which is over the driver's own limit, on SQLite.
oversized() {
    local s="$1: oversized" size=262144000
    [ "$1" = postgresql ] || size=70000000
    stage "$1"
    healthy
    make_accounts_table tokens
    load_accounts google tokens 6 o-
    google_job google tokens 'rescan = "1s";'
    sql "update tokens set refresh_token = $(long_value $size) where account = 'o--2'"
    sql "update tokens set access_token = $(long_value 1200000) where account = 'o--3'"
    sql "update tokens set last_error = $(long_value 3000000) where account = 'o--4'"
    run_renewd --once
    check_equal "$s: --once exits 1" 1 $?
    check_match "$s: it is named, with its account, its column, its length and the limit" \
        "a row cannot be read.*job=google record=2 account=o--2 reason=.*column .*refresh_token.* holds (more than 64 MiB|$size bytes).*1048576" "$(logs)"
    check_match "$s: the second, too" 'record=3 account=o--3 reason=.*access_token.* holds 1200000 bytes' "$(logs)"
    check_equal "$s: the others are refreshed" 4 "$(refreshed tokens)"
    check_equal "$s: its state is true, and it is not due" '5|row|0' "$(record_of o--2)"
    check_match "$s: its last_error says so" '^row: column "access_token" holds 1200000 bytes' "$(row_of o--3)"
    [ "$1" = sqlite ] || check_match "$s: that of the longest, too" '^row: column "refresh_token" holds' "$(row_of o--2)"
    check_equal "$s: the row keeps its value" 1 "$(sql "select count(*) from tokens where account = 'o--2' and length(refresh_token) > 60000000")"
    check_equal "$s: a long last_error is no matter, and goes" '' "$(row_of o--4)"
    check_healthy "$s"
    start_ready
    check_match "$s: jobs counts them" '6 \(4 ok, 2 misconfigured, 2 unreadable\)' "$(ctl jobs)"
    check_match "$s: explain says why" 'its row cannot be read: column "refresh_token" holds' "$(ctl explain google 2 2>&1)"
    check_fails "$s: by hand it is not refreshed" ctl refresh google 2
    sql "update tokens set refresh_token = '$(sim_account google o--2 refresh_token)' where account = 'o--2'"
    check "$s: a real value in its place is found and refreshed" wait_until 20 is_refreshed o--2
    check_equal "$s: and its last_error goes" '' "$(row_of o--2)"
    sql "update tokens set refresh_token = $(long_value 3000000) where account = 'o--5'"
    check "$s: one that appears later is found" wait_until 30 says_so o--5
    check_match "$s: and the store was never away" '^0$' "$(grep -cE 'store (went|is) away|connection to the store' "$DIR/renewd.all")"
    stop_renewd
}

is_refreshed() { [ "$(sql "select count(*) from tokens where account = '$1' and refreshed_at is not null")" = 1 ]; }
says_so() { [[ $(row_of "$1") == row:* ]]; }

# A key that no sealed value could be bound to.
long_key() {
    local s="$1: a key of 65,600 bytes"
    stage "$1"
    sql "create table tokens (id text primary key, account text, access_token text, refresh_token text,
        expires_at $([ "$1" = sqlite ] && echo integer || echo timestamptz), refreshed_at $([ "$1" = sqlite ] && echo integer || echo timestamptz), last_error text)"
    sim 'accounts?format=tsv' '{"provider":"strict","count":2,"prefix":"k-","age":10800}' > "$DIR/k.tsv"
    sql "insert into tokens (id, account, access_token, refresh_token) values
        ($(long_value 65600), 'k--1', 'a', '$(sed -n 1p "$DIR/k.tsv" | cut -f 3)'),
        ('short', 'k--2', 'a', '$(sed -n 2p "$DIR/k.tsv" | cut -f 3)')"
    strict_job strict tokens '' client-1 post \
        "$(accounts_records tokens | sed 's/sealed = "none"/sealed = "renewd"; accept_plain = true/')"
    run_renewd --once
    check_equal "$s: --once exits 1" 1 $?
    check_match "$s: it is named" 'key is longer than 4096 bytes.*job=strict rows=1' "$(logs)"
    check_equal "$s: its tokens stay" 1 "$(sql "select count(*) from tokens where account = 'k--1' and access_token = 'a' and refresh_token is not null")"
    check_equal "$s: nothing is sent for it" 0 "$(sim_account strict k--1 presented)"
    check_equal "$s: the other is refreshed" 1 "$(refreshed tokens)"
}

# One damaged value, one that somebody else sealed, one row without tokens.
damaged() {
    local s="$1: damaged"
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 7 d-
    strict_job strict tokens 'rescan = "1s";' client-1 post \
        "$(accounts_records tokens | sed 's/sealed = "none"/sealed = "renewd"; accept_plain = true/')"
    run_renewd --once
    sql "update tokens set refresh_token = substr(refresh_token, 1, length(refresh_token) - 8) || 'AAAAAAAA' where account = 'd--1'"
    sql "update tokens set refresh_token = 'eyJpdiI6IkVXYnBTZ' where account = 'd--2'"
    sql "update tokens set refresh_token = 'gAAAAABnXyZ' where account = 'd--3'"
    sql "update tokens set refresh_token = '7c9e6679-7425-40de-944b-e07fc1f90ae7' where account = 'd--4'"
    sql "update tokens set refresh_token = '{\"p\":\"abc\",\"h\":{}}' where account = 'd--5'"
    sql "update tokens set refresh_token = '$(printf 'ab%.0s' {1..70})' where account = 'd--6'"
    later
    all_expired
    run_renewd --once
    check_equal "$s: --once exits 1" 1 $?
    for n in 1 2 3 4 5 6; do
        check_match "$s: row $n is named" "a row cannot be read.*record=$n account=d--$n reason=.*refresh_token" "$(logs)"
    done
    check_match "$s: and by whom it was sealed" 'record=2 .*Laravel' "$(logs)"
    check_match "$s: in all" '6 of its rows cannot be read' "$(logs)"
    check_match "$s: each in its last_error" '^row: the value of refresh_token looks as if it was encrypted by Supabase' "$(row_of d--4)"
    check_equal "$s: none of them was presented, the seventh was" 8 "$(sim_count strict presented)"
    check_equal "$s: the seventh is well, refreshed again" 'ok 2' "$(state tokens d--7) $(sim_account strict d--7 refresh_ok)"
    run_renewd --once
    check_match "$s: the next --once names them again" 'record=1 account=d--1' "$(logs)"
    # On the same row again and again: it does not hold the job.
    start_ready
    for n in 1 2 3 4 5 6 7 8 9 10; do
        ctl refresh strict 1 > /dev/null 2>&1
    done
    check_match "$s: looked at again and again it does not hold the job" ' on ' "$(ctl jobs)"
    stop_renewd
}

# The records of tokens, sealed by renewd, with a status that it keeps.
status_records() {
    accounts_records tokens | sed -e 's/sealed = "none"/sealed = "renewd"; accept_plain = true/' \
        -e 's/account = "account";/account = "account"; status = "status";/' \
        -e 's/^records = {/records = { status_values = { ok = "active"; misconfigured = "damaged"; }; only = { status = [ "active", "on holiday" ]; };/'
}

told() { # ACCOUNT: its status and last_error
    sql "select status || '|' || coalesce(last_error, '') from tokens where account = '$1'"
}

cut_short() { # ACCOUNT
    sql "update tokens set refresh_token = substr(refresh_token, 1, length(refresh_token) - 8) || 'AAAAAAAA' where account = '$1'"
}

# The status column says it too, and never over what the application has written.
told_by_status() {
    local s="$1: status"
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 4 s-
    strict_job strict tokens '' client-1 post "$(status_records)"
    check "$s: all are well" run_renewd --once
    sql "create table before as select * from tokens"
    cut_short s--1; cut_short s--2; cut_short s--3
    sql "update tokens set status = 'on holiday' where account = 's--3'"
    run_renewd --once
    check_equal "$s: --once exits 1" 1 $?
    check_match "$s: of a row that cannot be read it is that of misconfigured" '^damaged\|row: the sealed value' "$(told s--1)"
    check_match "$s: the application's own word stays" '^on holiday\|row: the sealed value' "$(told s--3)"
    check_equal "$s: that of the others is as it was" 'active|' "$(told s--4)"
    sql "update tokens set status = 'active', last_error = 'mine' where account = 's--2'"
    run_renewd --once
    check_equal "$s: renewd's own word takes no row out of only" '5|row|0' "$(record_of s--1)"
    check_equal "$s: it is said once: what the application writes then stays" 'active|mine' "$(told s--2)"
    sql "update tokens set refresh_token = (select refresh_token from before where account = 's--1') where account = 's--1'"
    run_renewd --once
    check_equal "$s: put right, it is taken back" 'active|' "$(told s--1)"
    check_match "$s: and that is said" 'can be read again.*account=s--1' "$(logs)"
}

# A damaged row that was first met under a wrong key.
damaged_under_wrong_key() {
    local s="$1: damaged, and a wrong key" right=$RENEWD_TEST_KEY
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 3 u-
    sql_tsv "select id, refresh_token from tokens" > "$DIR/plain.tsv"
    while read -r id token; do
        sql "update tokens set access_token = null, refresh_token = '$("$BUILD/tests/e2e/seal_again" tokens "$id" refresh_token <<< "$token")' where id = $id"
    done < "$DIR/plain.tsv"
    cut_short u--1
    strict_job strict tokens '' client-1 post "$(status_records)"
    export RENEWD_TEST_KEY=ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
    run_renewd --once
    check_equal "$s: --once exits 1" 1 $?
    check_equal "$s: nothing is written into any row" 3 "$(sql "select count(*) from tokens where status = 'active' and last_error is null")"
    export RENEWD_TEST_KEY=$right
    run_renewd --once
    check_equal "$s: with the right one --once exits 1" 1 $?
    check_match "$s: and the damaged row is told" '^damaged\|row: the sealed value' "$(told u--1)"
    check_equal "$s: the others are refreshed" 2 "$(refreshed tokens)"
    check_equal "$s: and told nothing" 'active| active|' "$(told u--2) $(told u--3)"
}

# A wrong key at the first start, with a row that holds no tokens; then the right one.
wrong_key() {
    local s="$1: a wrong key at first" right=$RENEWD_TEST_KEY
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 3 w-
    sql "insert into tokens (account) values ('nobody')"
    sql_tsv "select id, refresh_token from tokens where refresh_token is not null" > "$DIR/plain.tsv"
    while read -r id token; do
        sql "update tokens set access_token = null, refresh_token = '$("$BUILD/tests/e2e/seal_again" tokens "$id" refresh_token <<< "$token")' where id = $id"
    done < "$DIR/plain.tsv"
    strict_job strict tokens '' client-1 post "$(accounts_records tokens | sed 's/sealed = "none"/sealed = "renewd"/')"
    export RENEWD_TEST_KEY=ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
    run_renewd --once
    check_equal "$s: --once exits 1" 1 $?
    check_match "$s: the job is held: a row without tokens hides nothing" 'job strict is held: none of its rows opens' "$(logs)"
    check_match "$s: each row is named" 'record=2 account=w--2' "$(logs)"
    check_equal "$s: nothing is sent" 0 "$(sim_count strict requests)"
    check_equal "$s: it does not become the database's key" 0 "$(sql "select count(*) from $(own facts) where name like 'key:%'")"
    export RENEWD_TEST_KEY=$right
    check "$s: the right one is taken afterwards" run_renewd --once
    check_equal "$s: and all are refreshed" 3 "$(refreshed tokens)"
    check_equal "$s: what was written into the rows is gone" 0 "$(sql "select count(*) from tokens where last_error is not null")"
    check_equal "$s: from now on it is the database's" 1 "$(sql "select count(*) from $(own facts) where name = 'key:test'")"
    export RENEWD_TEST_KEY=ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
    run_renewd --once
    check_equal "$s: and the wrong one ends renewd with 78" 78 $?
    export RENEWD_TEST_KEY=$right
}

start_simulator
for store in ${STORES:-sqlite postgresql}; do
    oversized $store
    long_key $store
    damaged $store
    told_by_status $store
    damaged_under_wrong_key $store
    wrong_key $store
done
no_tokens_in_logs
finish
