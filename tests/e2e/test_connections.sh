#!/bin/bash
# SPDX-License-Identifier: MIT
# Lightspeed connections in the daemon, on both stores: requests keep their distance, a row that is deleted
# or disconnected while its request is under way stops, an expired one shows where it is connected again, the
# list of connections, another schedule while running, and which secrets are set.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/lightspeed.sh"

URL=https://example.com/connections

# set_line NAME VALUE: another value of a line of the job.
set_line() {
    sed -i "s|^#* *$1 = .*|$1 = $2;|" "$DIR/conf.d/lightspeed.conf"
}

presented_are() { [ "$(sim_count lightspeed presented)" -ge "$1" ]; }

id_of() { sql "select id from $TABLE where account_name = '$1'"; }

refreshed_are() { # COUNT
    [ "$(sql "select count(*) from $(own attempts) where outcome = 'ok'")" = "$1" ]
}

# How long from the first to the last of COUNT requests, as the simulator saw them.
span() {
    sim_get "log?n=$1" > "$DIR/log.json"
    sqlite3 -batch :memory: "select max(json_extract(value, '\$.boot_ms')) - min(json_extract(value, '\$.boot_ms'))
        from json_each(cast(readfile('$DIR/log.json') as text), '\$.requests')"
}

paced() { # STORE
    local s="$1, pace" before
    begin "$1"
    sed -n 's/^pace = /&/p' "$TOP/conf.d/lightspeed.conf" > "$DIR/pace"
    sed -i -e "/^pace/r $DIR/pace" -e '/^pace = "0ms"/d' "$DIR/conf.d/lightspeed.conf"
    shops 8 slow
    opened > "$DIR/before.tsv"
    check "$s: a run" run_renewd --once
    check_equal "$s: refreshes all" 8 "$(sim_count lightspeed ok)"
    check "$s: 200 ms apart" test "$(span 8)" -ge 1250 # seven times 200, less what the first one was late
    check "$s: truth and table agree" truth slow
    before=$(opened | sort - "$DIR/before.tsv" | cut -f 2,3 | tr '\t' '\n' | sort | uniq -d)
    check_equal "$s: both tokens of each are new" '' "$before"
    echo "# $s: eight requests in $(span 8) ms"
}

# Under way: the provider has replaced the pair, its answer comes late.
under_way() { # STORE
    local s="$1, under way" run before said
    begin "$1" '"0 0 1 1 *"'
    shops 4 away
    said=$(wc -l < "$DIR/renewd.all")
    start_ready || exit 1
    sql "update $TABLE set status = 'disconnected' where account_name = 'away-4'"
    before=$(opened "account_name in ('away-2', 'away-4')")
    sim misbehave '{"mode":"delay","provider":"lightspeed","ms":4000,"when":"after","count":-1}' > /dev/null
    ctl run lightspeed > "$DIR/run.out" 2>&1 &
    run=$!
    check "$s: three are asked for, the one disconnected before is not" wait_until 20 presented_are 3
    sql "delete from $TABLE where account_name = 'away-1'"
    sql "update $TABLE set status = 'disconnected' where account_name = 'away-2'"
    wait $run
    sim misbehave '{"clear":true}' > /dev/null
    check_equal "$s: a deleted row stays deleted" 0 "$(sql "select count(*) from $TABLE where account_name = 'away-1'")"
    check_equal "$s: a disconnected one keeps its status" disconnected \
        "$(sql "select status from $TABLE where account_name = 'away-2'")"
    check_equal "$s: and its tokens" "$before" "$(opened "account_name in ('away-2', 'away-4')")"
    check_equal "$s: the third is refreshed" 'connected|none' "$(status away-3)"
    check_equal "$s: with what lives" "$(sim_account lightspeed away-3 access_token)" \
        "$(opened "account_name = 'away-3'" | cut -f 2)"
    check_equal "$s: what came late is kept aside, sealed" 2 \
        "$(sql "select count(*) from $(own kept) where kind = 'orphan' and sealed like 'r1.%'")"
    check_equal "$s: and said" 2 "$(tail -n "+$((said + 1))" "$DIR/renewd.all" | grep -c 'new tokens came after their row had changed or was deleted.*gone or was disconnected')"
    check_equal "$s: three requests" 3 "$(sim_count lightspeed requests)"
    ctl refresh lightspeed > "$DIR/run.out" 2>&1
    check_equal "$s: neither is asked for again" 4 "$(sim_count lightspeed requests)"
    stop_renewd
}

remedy() { # STORE
    local s="$1, expired"
    begin "$1"
    set_line reconnect_url "\"$URL\""
    echo 'rescan = "1s";' >> "$DIR/conf.d/lightspeed.conf"
    shops 2 shop
    sim revoke '{"provider":"lightspeed","account":"shop-2"}' > /dev/null
    start_ready || exit 1
    ctl run lightspeed > "$DIR/run.out" 2>&1
    check "$s: a dead grant" wait_until 20 status_is shop-2 'expired|error'
    check_match "$s: the log says where" "record not refreshed.*remedy=.*reconnect_url=$URL" "$(grep "$(id_of shop-2)" "$DIR/renewd.all")"
    check_match "$s: show does" "reconnect at: +$URL" "$(ctl show lightspeed "$(id_of shop-2)")"
    check_match "$s: records does, as JSON" "\"reconnect_url\": ?\"$URL\"" "$(ctl --json records lightspeed --state reconnect)"
    check_match "$s: explain does" "1  wait for their owner to reconnect, at $URL" "$(ctl explain lightspeed)"
    check_match "$s: explain of the record too" "must be reconnected by its owner, at $URL" "$(ctl explain lightspeed "$(id_of shop-2)")"
    check_no_match "$s: a connected one shows none" "$URL" "$(ctl show lightspeed "$(id_of shop-1)"; ctl explain lightspeed "$(id_of shop-1)")"
    list "$1"
    other_schedule "$1"
    stop_renewd
}

list() { # STORE: status, account, expiry, last refresh, last error of each
    local s="$1, list" time='20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9:]{8} UTC'
    check_match "$s: a connected one" "shop-1 .*ok +$time +$time" "$(ctl records lightspeed)"
    check_match "$s: an expired one, with its error" "shop-2 .*reconnect +$time .*reconnect invalid_grant" "$(ctl records lightspeed)"
    [ "$1" = postgresql ] || return 0
    check_equal "$s: in SQL too" 'shop-1|ok|t|t|
shop-2|reconnect|t|f|invalid_grant' "$(sql "select account, state, expires_at > now() - interval '1 day', refreshed_at is not null, last_code
            from renewd.record order by account")"
}

other_schedule() { # STORE: the daemon runs with its job at ticks and at the tokens' own time
    local s="$1, schedule"
    set_line schedule '"0 0 1 1 *"'
    ctl reload > /dev/null
    check_match "$s: another one while running" '0 0 1 1 \*' "$(ctl jobs)"
    shops 1 late
    check "$s: a new row is found and waits for its tick" wait_until 90 ctl show lightspeed "$(id_of late-1)"
    check_equal "$s: nobody asks for it" 0 "$(sim_account lightspeed late-1 presented)"
    set_line schedule '[ "0 0 1 1 *", "auto" ]'
    ctl reload > /dev/null
    check "$s: back to its own time: it is refreshed" wait_until 20 refreshed_are 2
    check "$s: truth and table agree" truth late
}

secrets() { # STORE
    local s="$1, secrets" out
    begin "$1"
    check "$s: --check" run_renewd --check
    for name in LIGHTSPEED_CLIENT_ID LIGHTSPEED_CLIENT_SECRET RENEWD_TEST_KEY; do
        check_match "$s: $name is set" "env:$name is set" "$(cat "$DIR/renewd.log")"
    done
    out=$(unset LIGHTSPEED_CLIENT_ID LIGHTSPEED_CLIENT_SECRET; run_renewd --check; echo "exit $?"; cat "$DIR/renewd.log")
    check_match "$s: missing ones: 78" 'exit 78' "$out"
    check_equal "$s: all of them at once" 2 \
        "$(grep -Eo 'env:LIGHTSPEED_CLIENT_(ID|SECRET) is not set' <<< "$out" | sort -u | wc -l)"
    check_no_match "$s: never a value" "hush-secret|client-1|$RENEWD_TEST_KEY" "$out"
}

start_simulator
for store in ${STORES:-sqlite postgresql}; do
    paced $store
    under_way $store
    remedy $store
    secrets $store
done
finish
