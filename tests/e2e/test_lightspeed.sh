#!/bin/bash
# SPDX-License-Identifier: MIT
# Lightspeed connections through the shipped job and table, on both stores: tokens sealed as the
# application seals them, status and last_error, half-hour tokens, an answer that is lost, and X-Series,
# where each record has a host of its own.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/lightspeed.sh"

outcome() { # ACCOUNT: of its latest attempt
    sql "select case r.last_outcome when 1 then 'ok' when 5 then 'misconfigured' when 6 then 'ambiguous'
             else cast(r.last_outcome as text) end
         from $(own records) r join $TABLE t on r.rkey = cast(t.id as text) where t.account_name = '$1'"
}

first_run() { # STORE
    local s=$1 now before
    begin "$s"
    shops 5 shop
    sql "update $TABLE set status = 'error', last_error = 'old trouble' where account_name = 'shop-2'"
    sql "update $TABLE set status = 'expired', last_error = 'gone' where account_name = 'shop-4'"
    sql "update $TABLE set status = 'disconnected' where account_name = 'shop-5'"
    before=$(opened "account_name in ('shop-4', 'shop-5')")
    check "$s: the shipped job has no mistake" run_renewd --check
    check "$s: --once" run_renewd --once
    check_equal "$s: connected ones and those in trouble are refreshed" 3 "$(sim_count lightspeed ok)"
    check_equal "$s: expired and disconnected ones are not touched" "$before" \
        "$(opened "account_name in ('shop-4', 'shop-5')")"
    check "$s: the application opens what renewd sealed, and it is what lives" truth shop
    check_equal "$s: in the application's form" 10 "$(sql "select access_token_encrypted from $TABLE
        union all select refresh_token_encrypted from $TABLE" | grep -cE '^[0-9a-f]{24}:[0-9a-f]{32}:[0-9a-f]+$')"
    check_equal "$s: trouble is forgotten" 'connected|none' "$(status shop-2)"
    now=$(date +%s)
    check_equal "$s: the times are stored" 3 "$(sql "select count(*) from $TABLE where
        $(epoch token_expires_at) between $now + 1700 and $now + 1800 and
        $(epoch last_token_refresh_at) between $now - 60 and $now")"
    check_equal "$s: thirty days without use are its death" 3 "$(sql "select count(*) from $(own records)
        where job = 'lightspeed' and death between $now + 2591900 and $now + 2592000")"
}

troubles() { # STORE
    local s=$1 now
    begin "$s"
    now=$(date +%s)
    shops 3 t
    sim revoke '{"provider":"lightspeed","account":"t-1"}' > /dev/null
    sim misbehave '{"mode":"status","account":"t-2"}' > /dev/null
    sim misbehave '{"mode":"html","status":403,"account":"t-3"}' > /dev/null
    run_renewd --once
    check_equal "$s: a dead grant: a person must reconnect" 'expired|error' "$(status t-1)"
    check_equal "$s: 503: tried again" 'error|error' "$(status t-2)"
    check_equal "$s: a firewall's 403: tried again" 'error|error' "$(status t-3)"
    check_match "$s: the error names the remedy" 'connected again' "$(sql "select last_error from $TABLE
        where account_name = 't-1'")"
    sim mark '{}' > /dev/null
    check "$s: an hour later" run_at_time $((now + 3700)) --once
    check_equal "$s: those in trouble are connected again" 'connected|none connected|none' \
        "$(status t-2) $(status t-3)"
    check_equal "$s: the dead one is left alone" '2 expired|error' "$(sim_count lightspeed presented) $(status t-1)"
    # The person connects it again: the application writes a new pair and its status.
    shops 1 again
    sql "update $TABLE set status = 'connected', access_token_encrypted = (select access_token_encrypted from
         $TABLE where account_name = 'again-1'), refresh_token_encrypted = (select refresh_token_encrypted from
         $TABLE where account_name = 'again-1') where account_name = 't-1'" > /dev/null
    sql "delete from $TABLE where account_name = 'again-1'" > /dev/null
    check "$s: connected again by its application" run_at_time $((now + 3800)) --once
    check_equal "$s: it is refreshed" 'connected|none' "$(status t-1)"

    sim clients '{"provider":"lightspeed","client_id":"client-1","client_secret":"another"}' > /dev/null
    sql "update $TABLE set token_expires_at = null" > /dev/null
    run_at_time $((now + 90000)) --once
    check_equal "$s: a wrong client secret condemns nobody" 0 \
        "$(sql "select count(*) from $TABLE where status = 'expired'")"
    check_equal "$s: it is our mistake" misconfigured "$(outcome t-2)"
}

# The answer does not arrive: the same refresh token brings another pair.
lost() { # STORE
    local s=$1 now
    begin "$s"
    now=$(date +%s)
    shops 1 lost
    sim misbehave '{"mode":"drop_after"}' > /dev/null
    run_renewd --once
    run_at_time $((now + 60)) --once
    check_equal "$s: a lost answer is asked for again" '1|0' \
        "$(sim_account lightspeed lost-1 repeats)|$(sim_account lightspeed lost-1 reuse)"
    check "$s: truth and table agree" truth lost
    check_equal "$s: connected" 'connected|none' "$(status lost-1)"
}

api_works() { # with the tokens of the table
    local token
    opened | cut -f 2 > "$DIR/tokens"
    while read -r token; do
        curl -sf -o /dev/null -H "Authorization: Bearer $token" "$SIM_URL/lightspeed/API/V3/Account.json" || return 1
    done < "$DIR/tokens"
}

# Half-hour tokens over six hours by "auto", the application calling the API in between.
half_hours() { # STORE
    local s=$1 now late='' broken='' step
    begin "$s" '"auto"'
    now=$(date +%s)
    sim clock "{\"now\":$now}" > /dev/null
    shops 3 half '"age":0'
    for ((step = 0; step < 72; step++)); do
        sim clock "{\"now\":$now}" > /dev/null
        run_at_time "$now" --once || broken="$broken $step"
        [ $((step % 4)) != 0 ] || api_works || late="$late $step"
        now=$((now + 300))
    done
    check_equal "$s: six hours of runs all succeed" '' "$broken"
    check_equal "$s: the application's token always works" '' "$late"
    check "$s: between 18 and 30 requests an account" test "$(sim_count lightspeed ok)" -ge 54 -a \
        "$(sim_count lightspeed ok)" -le 90
    check_equal "$s: no used refresh token was presented" '0|0' \
        "$(sim_count lightspeed reuse)|$(sim_account lightspeed half-1 repeats)"
    check "$s: truth and table agree" truth half
    echo "# $s: $(sim_count lightspeed ok) requests for 3 accounts in 6 hours"
}

x_series() { # STORE
    local s=$1 settings
    settings="series = \"x\"; x_base_url = \"$SIM_URL/x/{domain_prefix}\";"
    begin "$s" '' "$settings"
    sed -i 's/^        account = .*/&\n        domain_prefix = "domain_prefix";/' "$DIR/conf.d/lightspeed.conf"
    sql "alter table $TABLE add column domain_prefix text" > /dev/null
    shops 4 store '"age":700000' lightspeed_x
    sql "update $TABLE set domain_prefix = account_name" > /dev/null
    sql "update $TABLE set domain_prefix = 'evil.example/?' where account_name = 'store-3'" > /dev/null
    sql "update $TABLE set domain_prefix = null where account_name = 'store-4'" > /dev/null
    run_renewd --once
    check_equal "$s: X-Series: each at its own server, and bad names nowhere" 2 "$(sim_count lightspeed_x requests)"
    check_equal "$s: X-Series: both are refreshed" 'connected|none connected|none' "$(status store-1) $(status store-2)"
    check_equal "$s: X-Series: a bad name is our mistake, of that record alone" 'misconfigured misconfigured' \
        "$(outcome store-3) $(outcome store-4)"
    check_equal "$s: X-Series: and says nothing to the customer" 0 "$(sql "select count(*) from $TABLE where status = 'expired'")"
    sql "delete from $TABLE where account_name in ('store-3', 'store-4')" > /dev/null
    check "$s: X-Series: truth and table agree" truth store lightspeed_x
    sim misbehave '{"mode":"drop_after","account":"store-1"}' > /dev/null
    run_at_time $(($(date +%s) + 604200)) --once
    check_equal "$s: X-Series: a lost answer is not asked for again at once" 'ambiguous 0' \
        "$(outcome store-1) $(sim_account lightspeed_x store-1 reuse)"
}

start_simulator
for store in sqlite postgresql; do
    first_run $store
    troubles $store
    lost $store
    half_hours $store
    x_series $store
done
no_tokens_in_logs
finish
