#!/bin/bash
# SPDX-License-Identifier: MIT
# Rows that are not what one expects, and rows that the database refuses: the others of the batch are committed,
# what came for a refused row is kept and written once the row takes it, nothing is presented twice.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/bad.sh"

# An update of account NAME's access token is refused.
refuse_updates() { # TABLE ACCOUNT
    if [ "$STORE" = sqlite ]; then
        sql "create trigger refuse before update of access_token on \"$1\" when new.account = '$2' and
            new.access_token is not old.access_token
            begin select raise(abort, 'access_token is too long for $2'); end"
    else
        sql "alter table \"$1\" add constraint refuse check (account <> '$2' or length(access_token) < 10) not valid"
    fi
}

allow_updates() { # TABLE
    if [ "$STORE" = sqlite ]; then
        sql 'drop trigger refuse'
    else
        sql "alter table \"$1\" drop constraint refuse"
    fi
}

presented() { # PROVIDER ACCOUNT
    sim_account "$1" "$2" presented
}

# PostgreSQL's CHECK also refuses a rehearsal with the row's own values; a shorter row passes it.
constraint() {
    local s=$1 id
    stage "$s"
    healthy
    make_accounts_table tokens
    load_accounts strict tokens 20 c-
    strict_job strict tokens
    refuse_updates tokens c--7
    [ "$s" = sqlite ] || sql "alter table tokens drop constraint refuse"
    [ "$s" = sqlite ] || sql "update tokens set access_token = 'short' where account = 'c--7'"
    [ "$s" = sqlite ] || refuse_updates tokens c--7
    token_rows tokens "where account = 'c--7'" > "$DIR/before"
    run_renewd --once
    check_equal "$s: constraint: --once exits 1" 1 $?
    check_match "$s: constraint: it is named, and that nothing is lost" \
        'database refused a row; its new token is parked, and the write is tried again every minute.*reason=.*(a trigger refuses it|constraint refuse)' "$(logs)"
    check_match "$s: constraint: record and job are named" 'refused a row.*job=strict record=7' "$(logs)"
    check_equal "$s: constraint: the other 19 of the batch are committed" 19 \
        "$(compare_truth strict tokens c- > /dev/null; comm -12 "$DIR/table.tsv" "$DIR/truth.tsv" | wc -l)"
    token_rows tokens "where account = 'c--7'" > "$DIR/after"
    check "$s: constraint: the row is as it was" diff "$DIR/before" "$DIR/after"
    check_equal "$s: constraint: the record is pending" 7 \
        "$(sql "select state from $(own records) where account = 'c--7'")"
    check_equal "$s: constraint: the pair is kept sealed" 1 "$(sql "select count(*) from $(own kept) where kind = 'pending' and sealed like 'r1.test.%'")"
    check_healthy "$s: constraint beside it"
    run_renewd --once
    check_equal "$s: constraint: the spent token is not presented again" 1 "$(presented strict c--7)"
    start_ready || exit 1
    id=$(sql "select id from tokens where account = 'c--7'")
    ctl refresh strict "$id" > "$DIR/refresh.out" 2>&1
    check_equal "$s: constraint: nor by hand" 1 "$(presented strict c--7)"
    ctl token strict "$id" > "$DIR/token.out" 2>&1
    check_match "$s: constraint: who asks for its token hears what happened and what to do" \
        'the database refused to store it .*renewctl parked' "$(cat "$DIR/token.out")"
    check_no_match "$s: constraint: and nothing that the database said" 'trigger|constraint refuse|SQLSTATE' "$(cat "$DIR/token.out")"
    stop_renewd
    mv "$DIR/conf.d/strict.conf" "$DIR/strict.away"
    run_renewd --once
    check_match "$s: constraint: without its job it waits, and what to do is said" \
        'parked tokens cannot be written into their row.*no job uses .*put the job.s file back into conf_dir.*or.*delete the row from renewd' \
        "$(cat "$DIR/renewd.log")"
    check_equal "$s: constraint: not every quarter of a minute" 1 "$(sql "select count(*) from $(own kept) where kind = 'pending'
        and retry_at > $(date +%s) + 3000")"
    mv "$DIR/strict.away" "$DIR/conf.d/strict.conf"
    allow_updates tokens
    run_renewd --once
    check "$s: constraint: once it is gone the kept pair is written" compare_truth strict tokens c-
    check_equal "$s: constraint: without another presentation" 1 "$(presented strict c--7)"
    check_equal "$s: constraint: nothing is kept any more" 0 "$(sql "select count(*) from $(own kept) where kind = 'pending'")"
    check_equal "$s: constraint: the record is well" 1 "$(sql "select count(*) from $(own records) where account = 'c--7' and state = 1 or account = 'c--7' and state = 0")"
    check_equal "$s: constraint: no reuse" 0 "$(sim_count strict reuse)"
}

# A token that the table does not keep as it was written is not taken for stored: triggers that change it,
# types that take digits for a number.
changed_by_the_table() {
    local s=$1
    stage "$s"
    healthy
    make_accounts_table tokens
    load_accounts strict tokens 3 w-
    strict_job strict tokens
    if [ "$s" = sqlite ]; then
        sql "create trigger change after update of refresh_token on tokens when new.account = 'w--2' and
            new.refresh_token <> upper(new.refresh_token) begin
            update tokens set refresh_token = upper(refresh_token) where id = new.id; end"
    else
        sql "create function change() returns trigger language plpgsql as
            'begin new.refresh_token := upper(new.refresh_token); return new; end'"
        sql "create trigger change before update on tokens for each row
            when (new.account = 'w--2' and new.refresh_token <> old.refresh_token) execute function change()"
    fi
    token_rows tokens "where account = 'w--2'" > "$DIR/before"
    run_renewd --once
    check_match "$s: changed by the table: it is named, with its column" \
        'refused a row.*record=2.*column ..refresh_token.. does not keep a token' "$(logs)"
    token_rows tokens "where account = 'w--2'" > "$DIR/after"
    check "$s: changed by the table: the row is as it was" diff "$DIR/before" "$DIR/after"
    check_equal "$s: changed by the table: the pair is kept sealed" 1 \
        "$(sql "select count(*) from $(own kept) where kind = 'pending' and sealed like 'r1.test.%'")"
    check_healthy "$s: changed by the table: beside it"
    sql "drop trigger change $([ "$s" = sqlite ] || echo 'on tokens')"
    run_renewd --once
    check "$s: changed by the table: once it is gone the kept pair is written" compare_truth strict tokens w-
    check_equal "$s: changed by the table: each was presented once" 3 "$(sim_count strict presented)"
    [ "$s" = postgresql ] || taken_for_a_number
}

taken_for_a_number() {
    local digits=00123456789012345678901234567890
    sql "create table numbers (id integer primary key, account text unique, access_token text,
        refresh_token string, expires_at integer, refreshed_at integer, last_error text)"
    load_accounts strict numbers 1 n-
    strict_job numbers numbers
    sim misbehave "{\"mode\":\"member\",\"provider\":\"strict\",\"account\":\"n--1\",\"name\":\"refresh_token\",
        \"value\":\"\\\"$digits\\\"\"}" > /dev/null
    run_renewd --once
    check_match "taken for a number: it is named, with what to do" 'needs type text' "$(logs)"
    check_equal "taken for a number: the row keeps what it had" text "$(sql 'select typeof(refresh_token) from numbers')"
}

# Credentials and other values as applications leave them.
strange_rows() {
    local s=$1
    stage "$s"
    healthy
    make_accounts_table tokens
    load_accounts google tokens 9 r-
    google_job google tokens
    sql "update tokens set refresh_token = null where account = 'r--1'"
    sql "update tokens set refresh_token = '' where account = 'r--2'"
    sql "update tokens set access_token = null where account = 'r--3'"
    sql "update tokens set access_token = '', expires_at = null where account = 'r--4'"
    sql "update tokens set account = 'r--5''\";--' where account = 'r--5'"
    sql "update tokens set refresh_token = refresh_token || 'Ünï ☃ ''\"; drop table tokens; --' where account = 'r--6'"
    sql "update tokens set refresh_token = '   ' where account = 'r--7'"
    token_rows tokens "where account in ('r--1', 'r--2', 'r--6', 'r--7')" > "$DIR/before"
    run_renewd --once
    token_rows tokens "where account in ('r--1', 'r--2', 'r--6', 'r--7')" > "$DIR/after"
    check "$s: strange rows: those without a usable credential are untouched" diff "$DIR/before" "$DIR/after"
    check_equal "$s: strange rows: the usable ones are refreshed" 5 "$(sql "select count(*) from tokens where
        account not in ('r--1', 'r--2', 'r--6', 'r--7') and refreshed_at is not null and length(access_token) > 20")"
    check_equal "$s: strange rows: NULL and empty are no credential, and no failure" 0 \
        "$(sql "select count(*) from $(own attempts) a join $(own records) r on r.rkey = a.rkey and r.source = a.source
            where r.account in ('r--1', 'r--2')")"
    check_equal "$s: strange rows: an unknown token is reconnect, alone" reconnect \
        "$(sql "select a.outcome from $(own attempts) a join $(own records) r on r.rkey = a.rkey and r.source = a.source where r.account = 'r--6'")"
    check_healthy "$s: strange rows beside it"
    sql "update tokens set refresh_token = '$(sim_account google r--1 refresh_token)' where account = 'r--1'"
    check "$s: strange rows: a credential that appears is used" run_renewd --once
    check_equal "$s: strange rows: refreshed" 1 "$(sql "select count(*) from tokens where account = 'r--1' and refreshed_at is not null")"
}

# Keys of every kind in one text column.
strange_keys() {
    local s=$1 n=0 key time=integer now
    stage "$s"
    healthy
    [ "$s" = sqlite ] || time=timestamptz
    sql "create table odd (\"The Key\" text primary key, \"Acc\"\"ount\" text, access_token text, refresh_token text,
        expires_at $time, refreshed_at $time, last_error text)"
    sim 'accounts?format=tsv' '{"provider":"google","count":9,"prefix":"k-","age":10800}' > "$DIR/k.tsv"
    for key in "it''s" 'a \"b\" \\ c' $'line\nbreak' $'tab\there' 'Ünïcödé ☃ 漢字' ' ' '%s%n' '; drop table odd; --' "$(printf 'x%.0s' {1..900})"; do
        n=$((n + 1))
        key=${key//\\\"/\"}
        now="$(sed -n "${n}p" "$DIR/k.tsv")"
        sql "insert into odd (\"The Key\", \"Acc\"\"ount\", access_token, refresh_token) values ('$key', '$(cut -f 1 <<< "$now")', '$(cut -f 2 <<< "$now")', '$(cut -f 3 <<< "$now")')"
    done
    google_job odd odd
    sed -i 's/key = "id"/key = "The Key"/; s/account = "account"/account = "Acc\\"ount"/' "$DIR/conf.d/odd.conf"
    check "$s: strange keys: all are refreshed" run_renewd --once
    check "$s: strange keys: truth and table agree" compare_truth google odd k- 'Acc""ount'
    check_equal "$s: strange keys: log lines stay lines" 0 "$(grep -vcE '^(time=20[^ ]*Z level=|renewd: |  |[a-z]+: [0-9]+ due)' "$DIR/renewd.log")"
    check_healthy "$s: strange keys beside it"
    start_ready
    check_match "$s: strange keys: the API answers for one" '"id": ?"Ünïcödé' "$(ctl --json show odd 'Ünïcödé ☃ 漢字')"
    check_match "$s: strange keys: and for one with a line break" 'line\\nbreak' "$(ctl --json show odd $'line\nbreak')"
    check_match "$s: strange keys: and for one with percent signs" '%s%n' "$(ctl --json show odd '%s%n')"
    stop_renewd
}

absurd_times() {
    local s=$1 value n=0
    stage "$s"
    healthy
    if [ "$s" = sqlite ]; then
        set -- 0 -1 1000000000000000000 9223372036854775807 -9223372036854775808 1e300 "'soon'" "''" "x'00ff'" 1.5 "'1e18'" "'9999999999999999999999'"
    else
        set -- "'infinity'" "'-infinity'" "'epoch'" "'1960-01-01'" "'4713-01-01 BC'" "'294276-12-31'" "'9999-12-31'"
    fi
    make_accounts_table tokens
    load_accounts google tokens $# t-
    google_job google tokens
    for value; do
        n=$((n + 1))
        sql "update tokens set expires_at = $value where account = 't--$n'"
    done
    run_renewd --once
    local status=$?
    check_no_match "$s: absurd times: no run breaks off" 'discovery failed|refused' "$(logs)"
    check_healthy "$s: absurd times beside it"
    check_equal "$s: absurd times: every row is a record" $# "$(sql "select count(*) from $(own records) where source like '%tokens%'")"
    run_renewd --once
    check "$s: absurd times: no overflow: nothing is asked again and again" \
        test "$(sim_get 'accounts?provider=google&format=tsv' | awk -F '\t' '/^t-/ && $5 > 1' | wc -l)" = 0
    check_equal "$s: absurd times: rows that were due are refreshed, far ones wait, unreadable ones say so" "$#" \
        "$(sql "select count(*) from tokens t join $(own records) r on r.rkey = cast(t.id as text) and r.source like '%tokens%'
            where t.refreshed_at is not null or r.point > 10000000 or r.last_text is not null or r.due_at > 0")"
    [ $status = 0 ] || [ $status = 1 ] && ok "$s: absurd times: --once ends as it should"
}

# Text that is not UTF-8, which SQLite keeps.
bad_text() {
    stage sqlite
    healthy
    make_accounts_table tokens
    load_accounts google tokens 4 u-
    google_job google tokens
    sql "update tokens set account = cast(x'ff61c0af62' as text) where account = 'u--1'"
    sql "update tokens set refresh_token = cast(x'ff61c0af62' as text) where account = 'u--2'"
    sql "update tokens set refresh_token = x'00ff10' where account = 'u--3'"
    token_rows tokens "where id in (2, 3)" > "$DIR/before"
    run_renewd --once
    token_rows tokens "where id in (2, 3)" > "$DIR/after"
    check "bad UTF-8: rows with it in the credential are untouched" diff "$DIR/before" "$DIR/after"
    check_equal "bad UTF-8: in a name it is no obstacle" 2 "$(sql "select count(*) from tokens where id in (1, 4) and refreshed_at is not null")"
    check_equal "bad UTF-8: the name in the row stays" FF61C0AF62 "$(sql "select hex(account) from tokens where id = 1")"
    check "bad UTF-8: the log is valid UTF-8" iconv -f UTF-8 -t UTF-16 "$DIR/renewd.log" -o /dev/null
    check_healthy "bad UTF-8 beside it"
    start_ready || exit 1
    ctl --json records google > "$DIR/records.out"
    check "bad UTF-8: the API's answer is valid" iconv -f UTF-8 -t UTF-16 "$DIR/records.out" -o /dev/null
    check_match "bad UTF-8: and JSON" '^[0-9]+$' "$(json '$.records.#' < /dev/null 2> /dev/null; sqlite3 :memory: \
        "select json_array_length(cast(readfile('$DIR/records.out') as text), '\$.records')")"
    stop_renewd
}

# A megabyte is no token of this world, but it must not hurt.
long_token() {
    local s=$1
    stage "$s"
    healthy
    make_accounts_table tokens
    load_accounts google tokens 3 l-
    google_job google tokens
    if [ "$s" = sqlite ]; then
        sql "update tokens set access_token = hex(zeroblob(500000)) where account = 'l--1'"
        sql "update tokens set refresh_token = hex(zeroblob(1000000)) where account = 'l--2'"
    else
        sql "update tokens set access_token = repeat('0', 1000000) where account = 'l--1'"
        sql "update tokens set refresh_token = repeat('0', 2000000) where account = 'l--2'"
    fi
    token_rows tokens "where account = 'l--2'" > "$DIR/before"
    run_renewd --once
    check_equal "$s: long tokens: the old access token may have any size" 1 "$(sql "select count(*) from tokens where account = 'l--1' and length(access_token) < 1000")"
    token_rows tokens "where account = 'l--2'" > "$DIR/after"
    check "$s: long tokens: a credential that cannot be sent is untouched" diff "$DIR/before" "$DIR/after"
    check_equal "$s: long tokens: and its record says so" 1 "$(sql "select count(*) from $(own records) where account = 'l--2' and last_text is not null")"
    check_equal "$s: long tokens: the third is refreshed" 1 "$(sql "select count(*) from tokens where account = 'l--3' and refreshed_at is not null")"
    check_healthy "$s: long tokens beside it"
}

# A row that takes no update at all, not even its own values, and is the first to die: it is refused alone.
one_refuses() { # STORE
    local s="$1: a row that takes no update"
    stage "$1"
    make_accounts_table tokens
    load_accounts google tokens 4 o-
    google_job google tokens
    if [ "$STORE" = sqlite ]; then
        sql "update tokens set expires_at = expires_at - 3600 where account = 'o--1'"
        sql "create trigger refuse before update on tokens when new.account = 'o--1' begin select raise(abort, 'no'); end"
    else
        sql "update tokens set expires_at = expires_at - interval '1 hour' where account = 'o--1'"
        sql "alter table tokens add constraint refuse check (account <> 'o--1') not valid"
    fi
    run_renewd --once
    check_equal "$s: --once exits 1" 1 $?
    check_no_match "$s: its job is not held" 'job held' "$(logs)"
    check_match "$s: it is named" 'refused a row.*job=google record=1' "$(logs)"
    check_equal "$s: the three others are refreshed" 3 "$(sql "select count(*) from tokens where refreshed_at is not null")"
    if [ "$STORE" = sqlite ]; then allow_updates tokens; else sql 'alter table tokens drop constraint refuse'; fi
    run_renewd --once
    check "$s: once it does, what came for it is there" compare_truth google tokens o-
    check_equal "$s: asked for once" 1 "$(presented google o--1)"
}

# PostgreSQL: row security that hides rows, and one that lets them be read but not written.
row_security() {
    stage postgresql
    healthy
    make_accounts_table tokens
    load_accounts google tokens 3 p-
    google_job google tokens
    sql "alter table tokens enable row level security; alter table tokens force row level security;
        create policy read on tokens for select using (true)"
    token_rows tokens > "$DIR/before"
    run_renewd --once
    check_equal "row security, no update: --once exits 1" 1 $?
    token_rows tokens > "$DIR/after"
    check_match "row security, no update: the job is held with the reason" \
        'job google is held: a row of .*tokens.* can be read, but an update has no effect: row security' "$(logs)"
    check_equal "row security, no update: nothing was sent for it" 0 "$(sim_get 'accounts?provider=google&format=tsv' |
        awk -F '\t' '/^p-/ { n += $5 } END { print n + 0 }')"
    check "row security, no update: nothing was written" diff "$DIR/before" "$DIR/after"
    check_healthy "row security, no update, beside it"
    sql "create policy write on tokens for update using (true) with check (false)"
    run_renewd --once
    check_match "row security that refuses: the job is held with the reason" 'may not update|row-level security|42501' "$(logs)"
    sql "drop policy write on tokens; create policy write on tokens for update using (true)"
    check "row security put right: it runs" run_renewd --once
    check "row security put right: refreshed" compare_truth google tokens p-
    sql "drop policy read on tokens; create policy read on tokens for select using (account = 'p--1')"
    sim mark '{}' > /dev/null
    check "row security that hides rows: --once is well" run_renewd --once
    check_equal "row security that hides rows: they are no records" 1 "$(sql "select count(*) from $(own records) where source like '%tokens%'")"
    sql "drop policy read on tokens; create policy read on tokens for select using (false)"
    sql "alter table tokens no force row level security; analyze tokens; alter table tokens force row level security"
    run_renewd --once
    check_equal "row security that hides all rows: --once exits 1" 1 $?
    check_match "row security that hides all rows: and says so" 'job google: row security hides every row of tokens .*statistics say 3 rows' "$(logs)"
    start_ready
    check_match "row security that hides all rows: jobs says so" 'job google: row security hides every row of tokens' "$(ctl jobs)"
    check_match "row security that hides all rows: explain says so" 'warning: row security hides every row of tokens' "$(ctl explain google)"
    stop_renewd
    sql "drop policy read on tokens; create policy read on tokens for select using (account = 'p--1')"
    # A right that is lacking altogether.
    make_accounts_table others
    load_accounts google others 1 o-
    google_job others others
    pg_admin -d "$(sed 's/.*dbname=//' <<< "$DSN")" -c "alter table others owner to postgres; grant select on others to renewd_test"
    run_renewd --once
    check_match "no right to update: the job is held, with the remedy" 'job others is held: .*GRANT UPDATE' "$(logs)"
    check_equal "no right to update: nothing was sent" 0 "$(presented google o--1)"
    pg_admin -d "$(sed 's/.*dbname=//' <<< "$DSN")" -c "revoke select on others from renewd_test"
    run_renewd --once
    check_match "no right to read: the job is held, with the reason" 'job others.*GRANT SELECT' "$(logs)"
}

google_is() { [[ $(ctl --json jobs | json '$.jobs[0].held') =~ $1 ]]; }
google_works() { [ -z "$(ctl --json jobs | json '$.jobs[0].held')" ]; }

# The table or a column of it goes while the daemon runs, and comes back.
gone_meanwhile() { # STORE WHAT SENTENCE RENAME BACK
    local s="$1: $2 gone"
    stage "$1"
    healthy
    make_accounts_table tokens
    load_accounts google tokens 2 g-
    google_job google tokens 'rescan = "1s";'
    : > "$DIR/renewd.all"
    start_ready || exit 1
    check "$s: the job works" wait_until 20 compare_truth google tokens g-
    sql "$4"
    check "$s: it is held, with the reason" wait_until 20 google_is "$3"
    check_match "$s: explain says so" "is held: .*$3" "$(ctl explain google 2>&1)"
    check_match "$s: explain of a record, too" "held, with its job: .*$3" "$(ctl explain google 1 2>&1)"
    check_match "$s: a run says why" "is held: .*$3" "$(ctl run google 2>&1)"
    check "$s: its neighbour goes on" ctl refresh healthy
    check_match "$s: the reason is not there twice" '^1$' "$(grep -c 'job held' "$DIR/renewd.all")"
    # A look that was under way when it went says so once.
    check "$s: the log does not repeat it" [ "$(grep -c 'is tried again' "$DIR/renewd.all")" -le 1 ]
    sql "$5"
    check "$s: it comes back by itself" wait_until 20 google_works
    check "$s: and works" ctl refresh google
    check "$s: its records are refreshed" compare_truth google tokens g-
    stop_renewd
}

# The claim is the first that hears of it.
gone_at_claim() {
    local s="$1: gone before a claim"
    stage "$1"
    make_accounts_table tokens
    load_accounts google tokens 1 g-
    google_job google tokens 'rescan = "1h";'
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/google.conf"
    start_ready || exit 1
    sql 'alter table tokens rename to away'
    check_match "$s: the run says why" 'no table.*tokens' "$(ctl run google 2>&1)"
    check "$s: the job is held" google_is 'no table.*tokens'
    check_match "$s: so does its row" 'no table.*tokens' \
        "$(sql "select refused from $(own runs) where refused is not null")"
    check_match "$s: and renewctl" 'run [0-9]+ was refused: .*no table.*tokens' "$(ctl runs google)"
    sql 'alter table away rename to tokens'
    check "$s: a reload lets it run" ctl reload
    check_match "$s: explain still knows" 'the last run was refused: .*no table.*tokens' "$(ctl explain google)"
    check "$s: it runs" ctl run google
    check_no_match "$s: then no more" 'refused' "$(ctl explain google)"
    check "$s: its records are refreshed" compare_truth google tokens g-
    stop_renewd
}

start_simulator
for store in sqlite postgresql; do
    constraint $store
    one_refuses $store
    changed_by_the_table $store
    strange_rows $store
    strange_keys $store
    absurd_times $store
    long_token $store
    gone_meanwhile $store table 'no table.*tokens' \
        'alter table tokens rename to away' 'alter table away rename to tokens'
    gone_meanwhile $store column 'no column.*refresh_token' \
        'alter table tokens rename refresh_token to elsewhere' 'alter table tokens rename elsewhere to refresh_token'
    gone_at_claim $store
done
bad_text
row_security
no_tokens_in_logs
finish
