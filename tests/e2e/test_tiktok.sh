#!/bin/bash
# SPDX-License-Identifier: MIT
# TikTok accounts through the shipped job and tables, on both stores: rotation, either lifetime and the
# change from one to the other, what each kind of answer leaves behind.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/shipped.sh"

TABLE=airpublisher_tiktok_tokens

truth() { # PREFIX
    compare_truth tiktok "$TABLE" "$1" creator_unique_identifier tiktok_access_token tiktok_refresh_token
}

expiry() { # AGGREGATE: of all rows, in Unix seconds
    if [ "$STORE" = sqlite ]; then sql "select $1(expires_at) from $TABLE"
    else sql "select extract(epoch from $1(expires_at))::bigint from $TABLE"; fi
}

record() { # ACCOUNT COLUMN: of renewd's own row; states by number
    sql "select $2 from $(own records) where rkey = '$1'"
}

row() { # ACCOUNT: its tokens and id
    sql "select tiktok_access_token, tiktok_refresh_token, tiktok_open_id from $TABLE
         where creator_unique_identifier = '$1'"
}

begin() { # STORE [SCHEDULE]
    stage "$1"
    sql_file "$TOP/sql/$1/airpublisher.sql" > /dev/null 2>&1 || exit 1
    shipped tiktok ${2:+-e "s/^schedule = .*/schedule = $2;/"}
}

rotation() { # STORE
    local s=$1 now
    begin "$s"
    creators tiktok 12 old
    check "$s: the shipped job has no mistake" run_renewd --check
    check_fails "$s: --once, which leaves two over" run_renewd --once
    check_match "$s: it says so" 'tiktok: not well: 2 are due still \(limit = 10\)' "$(cat "$DIR/renewd.log")"
    check_equal "$s: ten a run as shipped" 10 "$(sim_count tiktok ok)"
    check "$s: --once again" run_renewd --once
    check_equal "$s: takes the others" 12 "$(sim_count tiktok ok)"
    check "$s: truth and table agree" truth old
    now=$(date +%s)
    check "$s: 24 hours are stored" test $(($(expiry min) - now)) -gt 86000 -a $(($(expiry max) - now)) -le 86400
    check_equal "$s: the empty open_id is filled" 12 \
        "$(sql "select count(*) from $TABLE where tiktok_open_id = 'open-' || creator_unique_identifier")"
    check_equal "$s: the refresh token's end is watched, though the table has no column for it" 1 \
        "$(sql "select count(*) from $(own records) where rkey = 'old-1' and
            death between $now + 31530000 and $now + 31536060")"
}

# Tokens of 24 hours; after a day the provider grants 2, and a day later 24 again.
lifetimes() { # STORE
    local s=$1 now start step late='' broken=''
    begin "$s" '"auto"'
    now=$(date +%s) start=$(date +%s)
    sim clock "{\"now\":$now}" > /dev/null
    creators tiktok 3 life '"age":0'
    for ((step = 0; step < 180; step++)); do
        sim clock "{\"now\":$now}" > /dev/null
        [ $step != 72 ] || sim lives '{"provider":"tiktok","expires_in":7200,"refresh_expires_in":15552000}' > /dev/null
        [ $step != 144 ] || sim lives '{"provider":"tiktok","expires_in":86400}' > /dev/null
        if [ $step = 72 ]; then
            check "$s: at 24 hours, at most 4 requests a day and account" test "$(sim_count tiktok ok)" -le 12
            sim mark '{}' > /dev/null
        elif [ $step = 144 ]; then
            check "$s: at 2 hours it is asked more often" test "$(sim_count tiktok ok)" -ge 24
            check "$s: and no more than needed" test "$(sim_count tiktok ok)" -le 75
            echo "# $s: $(sim_count tiktok ok) requests for 3 accounts in the day after the change"
        fi
        run_at_time "$now" --once || broken="$broken $step"
        [ "$(expiry min)" -gt "$now" ] || late="$late $step"
        now=$((now + 1200))
    done
    check_equal "$s: 60 hours of runs all succeed" '' "$broken"
    check_equal "$s: no token is ever found expired, 24 h or 2 h" '' "$late"
    check_equal "$s: nothing but live refresh tokens was presented" 0 "$(sim_count tiktok reuse)"
    check "$s: truth and table agree after both changes" truth life
}

# refused WHAT STATE CODE: one account whose next refresh is answered so; the row must stand.
refused() {
    local s=$STORE before
    n=$((n + 1))
    creators tiktok 1 "bad$n"
    [ "$1" = revoked ] || sim misbehave "$1" > /dev/null
    [ "$1" != revoked ] || sim revoke "{\"provider\":\"tiktok\",\"account\":\"bad$n-1\"}" > /dev/null
    before=$(row "bad$n-1")
    run_renewd --once
    check_equal "$s: $4" "$2|$3" "$(record "bad$n-1" "state || '|' || coalesce(last_code, '')")"
    check_equal "$s: $4: the row stands" "$before" "$(row "bad$n-1")"
    sql "delete from $TABLE" > /dev/null
}

answers() { # STORE; states: 2 retrying 3 rate_limited 4 reconnect 5 misconfigured 6 ambiguous
    local s=$1 n=0
    begin "$s"
    refused revoked 4 invalid_grant 'invalid_grant with 200 asks for a reconnect'
    refused '{"mode":"json","body":{"error":"invalid_client","error_description":"x"}}' 5 invalid_client \
        'invalid_client with 200 is our mistake'
    refused '{"mode":"json","body":{"error":"invalid_request","error_description":"Only form is accepted"}}' 5 \
        invalid_request 'invalid_request with 200 is our mistake'
    refused '{"mode":"json","body":{"error":"invalid_request","error_description":"The refresh token is bad"}}' 4 \
        invalid_request 'invalid_request about the refresh token asks for a reconnect'
    refused '{"mode":"json","status":500,"body":{"data":{},"error":{"code":"internal_error"}}}' 2 internal_error \
        'internal_error is tried again'
    refused '{"mode":"json","body":{"data":{"error_code":10010},"message":"error"}}' 4 10010 \
        'the old 10010 asks for a reconnect'
    refused '{"mode":"retry_after","retry_after":"120"}' 3 rate_limited '429 waits'
    refused '{"mode":"html","status":403}' 2 '' "a firewall's 403 is tried again"
    refused '{"mode":"html"}' 6 '' 'HTML with 200 leaves the refresh token in doubt'
}

other_user() { # STORE
    local s=$1
    begin "$s"
    creators tiktok 1 user
    sql "update $TABLE set tiktok_open_id = 'open-somebody'" > /dev/null
    check "$s: an answer for another open_id" run_renewd --once
    check "$s: its pair is stored" truth user
    check_equal "$s: the row's open_id is left" open-somebody "$(sql "select tiktok_open_id from $TABLE")"
    check_match "$s: and it is said" 'level=warn.*another open_id' "$(cat "$DIR/renewd.log")"
}

start_simulator
for store in sqlite postgresql; do
    rotation $store
    lifetimes $store
    answers $store
    other_user $store
done
no_tokens_in_logs
finish
