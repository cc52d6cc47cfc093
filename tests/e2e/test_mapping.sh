#!/bin/bash
# SPDX-License-Identifier: MIT
# Existing tables by column mapping: keys, forms of time, names, conditions, renewd's own columns; sealing
# in place; the application that writes at the same time; several processes on one database.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

# new_accounts COUNT PREFIX [MEMBERS]: at the strict provider; $DIR/accounts.tsv has account, access,
# refresh, expires_at. account N: sets ACCOUNT ACCESS REFRESH EXPIRES.
new_accounts() {
    sim 'accounts?format=tsv' "{\"provider\":\"strict\",\"count\":$1,\"prefix\":\"$2\",${3:-\"age\":10800}}" \
        > "$DIR/accounts.tsv"
}

account() {
    IFS=$'\t' read -r ACCOUNT ACCESS REFRESH EXPIRES < <(sed -n "$1p" "$DIR/accounts.tsv")
}

live() { # ACCOUNT: its live tokens at the provider
    sim_get "accounts?provider=strict&account=$1&format=tsv" | cut -f 2,3
}

iso() { # SECONDS FORMAT
    date -u -d "@$1" "+$2"
}

# --- forms -----------------------------------------------------------------------------------------

KEYS=("plain key with 'quotes' and / %" 0b2c9c1e-8f5a-4d3b-9c55-1f2e3d4c5b6a 9007199254740993)

# A table with mixed case, blanks and quotes in its names, one row.
form_table() { # NUMBER KEY-TYPE TIME-TYPE EXPIRY
    local table=$1 key=${KEYS[$(($1 - 1))]} q="'"
    sql "create table $FORM_SCHEMA\"Konten $table\" (\"Id\" $2 primary key, \"Account\" text,
         \"Access Token\" text, \"refreshToken\" text, \"ExpiresAt\" $3, \"refreshedAt\" $3,
         \"updatedAt\" $3, \"Status\" text default 'active', \"lastError\" text default 'old',
         \"Strikes\" integer default 2, untouched text default 'mine')"
    account "$table"
    sql "insert into $FORM_SCHEMA\"Konten $table\" (\"Id\", \"Account\", \"Access Token\", \"refreshToken\",
         \"ExpiresAt\") values ('${key//$q/$q$q}', '$ACCOUNT', '$ACCESS', '$REFRESH', $4)"
    strict_job "form$table" "" '' client-1 post "
records = { table = \"${FORM_SCHEMA//\"/\\\"}\\\"Konten $table\\\"\"; key = \"Id\"; sealed = \"none\"; times = \"$5\";
    columns = { account = \"Account\"; access_token = \"Access Token\"; refresh_token = \"refreshToken\";
                expires_at = \"ExpiresAt\"; refreshed_at = \"refreshedAt\"; updated_at = \"updatedAt\";
                status = \"Status\"; last_error = \"lastError\"; strikes = \"Strikes\"; };
    only = { \"Status\" = [ \"active\", \"expired\" ]; }; };"
    # libconfig has no quoted setting names: the condition's column is written bare
    sed -i 's/"Status" = \[/Status = [/' "$DIR/conf.d/form$table.conf"
}

forms() { # STORE
    local s=$1 i past
    stage "$s"
    new_accounts 3 form
    account 1
    past=$EXPIRES
    if [ "$s" = sqlite ]; then
        FORM_SCHEMA=''
        form_table 1 text integer "$past" auto
        form_table 2 'text collate nocase' text "'$(iso "$past" '%F %T')'" auto
        form_table 3 integer text "'$(iso "$past" '%FT%TZ')'" text
    else
        sql 'create schema "App"' && FORM_SCHEMA='"App".'
        form_table 1 text timestamptz "to_timestamp($past)" auto
        form_table 2 uuid timestamp "to_timestamp($past) at time zone 'UTC'" auto
        form_table 3 bigint bigint "$past" unix
    fi
    check "$s: three forms of table are refreshed" run_renewd --once
    for i in 1 2 3; do
        check_equal "$s, form $i: the row has the live tokens" "$(live form-$i)" \
            "$(sql_tsv "select \"Access Token\", \"refreshToken\" from $FORM_SCHEMA\"Konten $i\"")"
        check_equal "$s, form $i: renewd's columns are written, no other" "active||0|mine" \
            "$(sql "select \"Status\", coalesce(\"lastError\", ''), \"Strikes\", untouched
                from $FORM_SCHEMA\"Konten $i\"")"
        check_equal "$s, form $i: the record has the key" "${KEYS[$((i - 1))]}|form-$i|ok" \
            "$(sql "select rkey, account, 'ok' from $(own records) where job = 'form$i' and state = 1")"
    done
    times_of_"$s"
    sim mark '{}' > /dev/null
    check "$s: a second --once" run_renewd --once
    check_equal "$s: finds nothing to do" 0 "$(sim_count strict requests)"
}

AHEAD='^1$'
times_of_sqlite() {
    local now day='____-__-__'
    now=$(date +%s)
    check_match "sqlite: Unix seconds stay Unix seconds" "$AHEAD" \
        "$(sql "select typeof(\"ExpiresAt\") = 'integer' and \"ExpiresAt\" between $now + 3000 and $now + 4000
            and abs(\"refreshedAt\" - $now) < 60 and abs(\"updatedAt\" - $now) < 60 from \"Konten 1\"")"
    check_match "sqlite: a time with a blank is written back so" "$AHEAD" \
        "$(sql "select \"ExpiresAt\" like '$day __:__:__' and unixepoch(\"ExpiresAt\") between
            $now + 3000 and $now + 4000 from \"Konten 2\"")"
    check_match "sqlite: a time with T and Z is written back so" "$AHEAD" \
        "$(sql "select \"ExpiresAt\" like '${day}T__:__:__Z' and unixepoch(\"ExpiresAt\") between
            $now + 3000 and $now + 4000 from \"Konten 3\"")"
}

times_of_postgresql() {
    local i at
    for i in 1 2 3; do
        at="\"ExpiresAt\""
        [ $i != 2 ] || at="$at at time zone 'UTC'"
        [ $i != 3 ] || at="to_timestamp($at)"
        check_match "postgresql, form $i: the expiry lies an hour ahead" "$AHEAD" \
            "$(sql "select ($at between now() + interval '50 min' and now() + interval '61 min')::int
                from \"App\".\"Konten $i\"")"
    done
}

# --- only, status, last_error, strikes ---------------------------------------------------------------

only() { # STORE
    local s=$1
    stage "$s"
    make_accounts_table t
    new_accounts 4 only
    local n
    for n in 1 2 3 4; do
        account $n
        sql "insert into t (account, access_token, refresh_token, expires_at)
             values ('$ACCOUNT', '$ACCESS', '$REFRESH', null)"
    done
    sql "update t set status = 'off' where account = 'only-2'"
    sql "update t set refresh_token = null where account = 'only-3'"
    sim revoke '{"provider":"strict","account":"only-4"}' > /dev/null
    strict_job t t '' client-1 post '
records = { table = "t"; key = "id"; sealed = "none";
    columns = { account = "account"; access_token = "access_token"; refresh_token = "refresh_token";
                expires_at = "expires_at"; status = "status"; last_error = "last_error"; };
    status_values = { ok = "active"; reconnect = "expired"; };
    only = { status = "active"; }; };'
    check_fails "$s: --once says that one is dead" run_renewd --once
    check_equal "$s: rows outside only and without credential are left alone" "only-1 only-4 " \
        "$(sim_get 'accounts?provider=strict&format=tsv' | awk -F '\t' '$5 > 0 { print $1 }' | sort | tr '\n' ' ')"
    check_equal "$s: unknown expiry is due once" "active" "$(sql "select status from t where account = 'only-1'")"
    check_equal "$s: the dead one's row stays, its status is written" "expired|1" \
        "$(sql "select status, last_error like 'invalid_grant%' from t where account = 'only-4'" | sed 's/t$/1/')"
    check_equal "$s: and its record says reconnect" reconnect "$(state t only-4)"
    sim mark '{}' > /dev/null
    check "$s: a second --once" run_renewd --once
    check_equal "$s: presents nothing" 0 "$(sim_count strict requests)"
    check_equal "$s: the status that renewd wrote itself takes no row out" reconnect "$(state t only-4)"
    # Its owner connects it again.
    new_accounts 1 again
    account 1
    sql "update t set refresh_token = '$REFRESH', access_token = '$ACCESS', status = 'active'
         where account = 'only-4'"
    check "$s: a new credential is taken up" run_renewd --once
    check_equal "$s: and clears reconnect" "ok $(live again-1)" \
        "$(state t only-4) $(sql_tsv "select access_token, refresh_token from t where account = 'only-4'")"
}

# --- sealing -----------------------------------------------------------------------------------------

sealed() { # STORE
    local s=$1 now
    stage "$s"
    now=$(date +%s)
    sim clock "{\"now\":$now}" > /dev/null
    make_accounts_table t
    load_accounts strict t 3 seal
    strict_job t t '' client-1 post '
records = { table = "t"; key = "id"; accept_plain = true;
    columns = { account = "account"; access_token = "access_token"; refresh_token = "refresh_token";
                expires_at = "expires_at"; last_error = "last_error"; }; };'
    check "$s: plain values are read" run_at_time "$now" --once
    check_equal "$s: and sealed at their next write" 6 \
        "$(sql "select count(*) from (select access_token v from t union all select refresh_token from t) x
            where v like 'r1.test.%'")"
    check_no_match "$s: no plain token is left in the table" 'strict[.]' \
        "$(sql 'select access_token, refresh_token from t')"
    sed -i 's/accept_plain = true/accept_plain = false/' "$DIR/conf.d/t.conf"
    now=$((now + 3600))
    sim clock "{\"now\":$now}" > /dev/null
    check "$s: sealed values are opened" run_at_time "$now" --once
    check_equal "$s: every account has rotated twice" 6 "$(strict_sum ok)"

    sql "update t set refresh_token = (select refresh_token from t where account = 'seal-2')
         where account = 'seal-1'"
    account 3
    sql "update t set access_token = access_token || 'A' where account = 'seal-3'"
    now=$((now + 3600))
    sim clock "{\"now\":$now}" > /dev/null
    sim mark '{}' > /dev/null
    run_at_time "$now" --once
    check_equal "$s: a value copied from another row is refused for that row alone" \
        "misconfigured ok misconfigured" "$(state t seal-1) $(state t seal-2) $(state t seal-3)"
    check_equal "$s: and nothing is presented for it" 1 "$(sim_count strict presented)"
    check_match "$s: the record says what is wrong" 'open|seal' \
        "$(sql "select last_text from $(own records) where rkey = '1'")"
    check_equal "$s: no reuse" 0 "$(strict_sum reuse)"
}

# The rows are sealed with one key and the job names another: no record is at fault, the job is.
wrong_sealed_key() { # STORE
    local s="$1, another key" other=${RENEWD_TEST_KEY:32}${RENEWD_TEST_KEY:0:32} id
    stage "$1"
    export RENEWD_OTHER_KEY=$other
    sed -i 's/^keys = .*/keys = ( { id = "test"; secret = "env:RENEWD_TEST_KEY"; },\
             { id = "other"; secret = "env:RENEWD_OTHER_KEY"; } );/' "$CONF"
    make_accounts_table t
    load_accounts strict t 3 key
    for id in 1 2 3; do
        sql "update t set access_token = null, refresh_token = '$(sql "select refresh_token from t where id = $id" |
            HEX_KEY=$RENEWD_TEST_KEY "$BUILD/tests/e2e/hex_seal" seal)' where id = $id"
    done
    strict_job t t '' client-1 post "$(accounts_records t |
        sed 's/sealed = "none"/sealed = "hex-iv-tag-data"; sealed_key = "other"/')"
    start_renewd || exit 1
    check "$s: the job is held" wait_until 20 job_is_held
    check_match "$s: with its reason" 'none of its rows opens with its key: check sealed_key and keys' "$(ctl jobs)"
    check_equal "$s: nothing is presented" 0 "$(strict_sum presented)"
    check_equal "$s: nothing is said in the rows" 3 "$(sql "select count(*) from t where last_error is null
        and status = 'active'")"
    sed -i 's/sealed_key = "other"/sealed_key = "test"/' "$DIR/conf.d/t.conf"
    check "$s: the right key is reloaded" ctl reload
    check "$s: and all are refreshed" wait_until 20 all_rotated
    check_equal "$s: without reuse" 0 "$(strict_sum reuse)"
    stop_renewd
}

job_is_held() { ctl jobs | grep -q 'none of its rows'; }
all_rotated() { [ "$(sql "select count(*) from $(own attempts) where outcome = 'ok'")" = 3 ]; }

# --- the application writes at the same time ---------------------------------------------------------

under_way() { # ACCOUNT
    [ "$(sim_account strict "$1" presented)" -ge 1 ]
}

slowly() { # ACCOUNT STATEMENT: runs the statement while the account's request is under way
    sim misbehave "{\"mode\":\"delay\",\"provider\":\"strict\",\"account\":\"$1\",\"ms\":700,\"when\":\"before\"}" \
        > /dev/null
    "$RENEWD" -c "$CONF" --once >> "$DIR/renewd.all" 2>&1 &
    RENEWD_PID=$!
    wait_until 20 under_way "$1" || not_ok "a request for $1 is under way"
    sql "$2"
    wait "$RENEWD_PID"
    local status=$?
    RENEWD_PID=''
    return $status
}

application_wins() { # STORE
    local s=$1 said
    stage "$s"
    said=$(cat "$DIR/renewd.all" 2> /dev/null | wc -l)
    make_accounts_table t
    load_accounts strict t 2 app
    new_accounts 1 fresh '"expires_in":3600'
    strict_job t t
    account 1
    sql "update t set expires_at = $([ "$s" = sqlite ] && echo 1700000000 || echo 'to_timestamp(1700000000)')"
    slowly app-1 "update t set access_token = '$ACCESS', refresh_token = '$REFRESH' where account = 'app-1'"
    check_equal "$s: the late result is kept as an orphan" "orphan|1" \
        "$(sql "select kind, count(*) from $(own kept) where rkey = '1' group by kind")"
    check_no_match "$s: sealed" 'strict[.]' "$(sql "select sealed from $(own kept)")"
    check_match "$s: it was said" "new tokens came after their row had changed.*holds another credential" "$(tail -n +$((said + 1)) "$DIR/renewd.all")"
    check "$s: the other record was refreshed" under_way app-2
    run_renewd --once
    check_equal "$s: the application's credential is what is used next" "$(live fresh-1)" \
        "$(sql_tsv "select access_token, refresh_token from t where account = 'app-1'")"
    check_equal "$s: presented once, as was the old one" "1 1" \
        "$(sim_account strict fresh-1 presented) $(sim_account strict app-1 presented)"
    check_equal "$s: the record is well" ok "$(state t app-1)"

    # A row that goes while its request is under way, and one whose request has not begun.
    load_accounts strict t 2 gone
    sed -i 's/^schedule/in_flight = 1; schedule/' "$DIR/conf.d/t.conf"
    slowly gone-1 "delete from t where account like 'gone-%'"
    check_equal "$s: a row deleted meanwhile: its result is an orphan" 2 "$(sql "select count(*) from $(own kept)")"
    check_equal "$s: the deleted row's neighbour is not presented" 0 "$(sim_account strict gone-2 presented)"
    check "$s: the next run is well" run_renewd --once
    check_equal "$s: the rows' records are gone" 2 "$(sql "select count(*) from $(own records)")"

    # Taken out of only by its application between discovery and its turn.
    load_accounts strict t 2 out
    sed -i 's/key = "id";/key = "id"; only = { status = "active"; };/
        s/last_error = "last_error";/& status = "status";/' "$DIR/conf.d/t.conf"
    slowly out-1 "update t set status = 'off' where account = 'out-2'"
    check_equal "$s: a row taken out before its turn is not presented" 0 "$(sim_account strict out-2 presented)"
    check_equal "$s: and its status is not touched" off "$(sql "select status from t where account = 'out-2'")"
    check_equal "$s: no reuse" 0 "$(strict_sum reuse)"
}

# The daemon meets a row that is gone when its time comes: no busy loop, other records go on.
row_gone() { # STORE
    local s=$1 cpu at
    stage "$s"
    make_accounts_table t
    new_accounts 2 soon '"age":3597'
    at=$(($(date +%s) + 1))
    local n
    for n in 1 2; do
        account $n
        sql "insert into t (account, access_token, refresh_token, expires_at, refreshed_at) values
            ('$ACCOUNT', '$ACCESS', '$REFRESH',
            $([ "$s" = sqlite ] && echo "$at, $at - 3600" || echo "to_timestamp($at), to_timestamp($at - 3600)"))"
    done
    strict_job t t 'rescan = "600s"; pace = "400ms"; in_flight = 1;'
    sed -i 's/^schedule.*/schedule = "auto";/' "$DIR/conf.d/t.conf"
    sim misbehave '{"mode":"delay","provider":"strict","ms":600,"when":"before"}' > /dev/null
    start_renewd || exit 1
    wait_until 20 under_way soon-1
    sql "delete from t where account = 'soon-2'"
    check "$s: the first is refreshed" wait_until 10 sql_is 1 "select count(*) from $(own attempts)"
    cpu=$(cpu_of)
    wait_until 2 false
    check "$s: a row that is gone costs nothing ($cpu, then $(cpu_of) ticks)" test $(($(cpu_of) - cpu)) -lt 30
    stop_renewd
    check_equal "$s: it is not presented" 0 "$(sim_account strict soon-2 presented)"
}

sql_is() { # EXPECTED STATEMENT
    [ "$(sql "$2")" = "$1" ]
}

cpu_of() {
    awk '{ print $14 + $15 }' "/proc/$RENEWD_PID/stat"
}

# --- several processes -------------------------------------------------------------------------------

together() { # STORE: two of one host, one of another, and a daemon
    local s=$1 pids='' pid
    stage "$s"
    make_accounts_table t
    load_accounts strict t 200 many
    strict_job t t 'in_flight = 8;'
    sim misbehave '{"mode":"delay","provider":"strict","ms":10,"when":"before","count":-1}' > /dev/null
    sed 's/state_dir = .*/state_dir = "other";/' "$CONF" > "$DIR/other.conf"
    "$RENEWD" -c "$CONF" --once > "$DIR/once1.log" 2>&1 &
    pids="$pids $!"
    "$RENEWD" -c "$CONF" --once > "$DIR/once2.log" 2>&1 &
    pids="$pids $!"
    "$RENEWD" -c "$DIR/other.conf" --once > "$DIR/once3.log" 2>&1 &
    pids="$pids $!"
    start_renewd || exit 1
    check_fails "$s: a second daemon on one state_dir is refused" \
        timeout 100 "$RENEWD" -c "$CONF"
    check_match "$s: with a reason" 'another renewd.* uses the state directory' \
        "$(timeout 100 "$RENEWD" -c "$CONF" 2>&1)"
    check "$s: the first one is not disturbed" ctl status
    for pid in $pids; do
        wait "$pid" || not_ok "$s: a --once beside others succeeds" "$(cat "$DIR"/once?.log)"
    done
    check "$s: all are refreshed" wait_until 20 all_refreshed
    stop_renewd
    cat "$DIR"/once?.log >> "$DIR/renewd.all"
    check_equal "$s: each was presented once" 200 "$(strict_sum presented)"
    check_equal "$s: no reuse" 0 "$(strict_sum reuse)"
    check "$s: truth and table agree" compare_truth strict t many
    check_equal "$s: the history has each once" "200|200" \
        "$(sql "select count(*), count(distinct rkey) from $(own attempts)")"
    rm -rf "$DIR/other"
}

all_refreshed() {
    [ "$(sql "select count(*) from $(own attempts) where outcome = 'ok'")" = 200 ]
}

start_simulator
for store in sqlite postgresql; do
    forms $store
    only $store
    sealed $store
    wrong_sealed_key $store
    application_wins $store
    row_gone $store
    together $store
done
no_tokens_in_logs
finish
