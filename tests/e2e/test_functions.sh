#!/bin/bash
# SPDX-License-Identifier: MIT
# The drop-in functions, with the shipped jobs, on both stores: each case's status and body as their callers
# know it, who may call, held jobs, a caller that hangs up, and answers in time however slow the provider is.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/shipped.sh"

export SERVICE_KEY=service-key-0123456789 READER_SECRET=reader-secret-0123456789
start_simulator
PORT=$(free_port)
FOREVER='s/^schedule = .*/schedule = "0 0 1 1 *";/'

prepare() { # STORE: tables, doors and shipped jobs that do nothing by themselves
    stage "$1"
    sed -i '/^api = /d' "$CONF"
    cat >> "$CONF" <<CONF
api = { socket = "$SOCKET"; listen = "127.0.0.1:$PORT";
        clients = ( { name = "app"; secret = "env:SERVICE_KEY"; jobs = [ "*" ]; allow = [ "functions" ]; },
                    { name = "reader"; secret = "env:READER_SECRET"; jobs = [ "*" ]; allow = [ "read", "token" ]; } ); };
CONF
    sql_file "$TOP/sql/$STORE/airpublisher.sql"
    sql_file "$TOP/sql/$STORE/lightspeed.sql"
    sql_file "$TOP/sql/$STORE/free_plan.sql"
    local name
    for name in youtube tiktok instagram free-plan; do
        shipped $name -e "$FOREVER"
    done
    shipped lightspeed -e "$FOREVER" -e 's/^pace = .*/pace = "0ms"; rescan = "1s";/'
    shipped instagram-facebook -e "$FOREVER" -e 's/^enabled = false;//'
    export FACEBOOK_APP_ID=app FACEBOOK_APP_SECRET=hush-facebook
}

call() { # NAME BODY [CURL OPTION...]: prints the status, leaves the answer and its headers
    local name=$1 body=$2
    shift 2
    curl -sS -o "$DIR/answer" -D "$DIR/headers" -w '%{http_code}' --max-time 30 -X POST \
        -H 'Content-Type: application/json' --data-binary "$body" "$@" "http://127.0.0.1:$PORT/functions/v1/$name"
}

keyed() { call "$@" -H "Authorization: Bearer $SERVICE_KEY"; }

refresh() { # PLATFORM ACCOUNT
    keyed refresh-token "{\"platform\":\"$1\",\"creator_unique_identifier\":\"$2\"}"
}

body() { cat "$DIR/answer"; }
member_of() { json "\$.$1" < "$DIR/answer"; }

says() { # NAME STATUS SEEN BODY: the whole answer
    check_equal "$1" "$2 $4" "$3 $(body | tr -d '\n')"
}

row_token() { # PLATFORM COLUMN ACCOUNT
    sql "select $2 from airpublisher_$1_tokens where creator_unique_identifier = '$3'"
}

youtube() { # STORE
    local s="$1, youtube" code
    code=$(refresh youtube yt-1)
    check_equal "$s: refreshed" 200 "$code"
    check_equal "$s: success" 1 "$(member_of success)"
    check_equal "$s: the token is the row's" "$(row_token youtube google_access_token yt-1)" "$(member_of access_token)"
    check_equal "$s: and lives" live "$(sim_token "$(member_of access_token)" state)"
    check_match "$s: the expiry has milliseconds" \
        '"expires_at":"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.000Z"' "$(body)"
    check_no_match "$s: a token is for no page" "^Access-Control-Allow-Origin" "$(cat "$DIR/headers")"
    sim mark '{}' > /dev/null
    check_equal "$s: again" 200 "$(refresh youtube yt-1)"
    check_equal "$s: is not due, and asks nobody" 0 "$(sim_count google requests)"
    says "$s: a member is missing" 400 "$(keyed refresh-token '{"platform":"youtube"}')" \
        '{"error":"Missing platform or creator_unique_identifier"}'
    says "$s: no body" 400 "$(keyed refresh-token '')" '{"error":"Missing platform or creator_unique_identifier"}'
    says "$s: no such row" 404 "$(refresh youtube nobody)" '{"error":"Tokens not found"}'
    says "$s: no such platform" 404 "$(refresh myspace yt-1)" '{"error":"Tokens not found"}'
    says "$s: nonsense" 400 "$(keyed refresh-token '{"platform":')" '{"error":"the body is not JSON, at offset 12"}'
    says "$s: half a surrogate pair" 400 "$(keyed refresh-token '{"platform":"youtube","creator_unique_identifier":"a\ud800"}')" \
        '{"error":"the body is not text (it has bytes that are not UTF-8, or half a surrogate pair) in creator_unique_identifier, at offset 54"}'
    says "$s: a list for a name" 400 "$(keyed refresh-token '{"platform":["youtube"],"creator_unique_identifier":"a"}')" \
        '{"error":"the member platform must be a text"}'
    sql "update airpublisher_youtube_tokens set google_refresh_token = null where creator_unique_identifier = 'yt-2'"
    says "$s: no refresh token" 400 "$(refresh youtube yt-2)" '{"error":"No refresh token available"}'
    sim revoke '{"provider":"google","account":"yt-3"}' > /dev/null
    check_equal "$s: the provider refuses" 400 "$(refresh youtube yt-3)"
    check_equal "$s: in known words" "Token refresh failed|1" "$(member_of error)|$(member_of requires_reconnection)"
    check_match "$s: with what it said" '^invalid_grant: ' "$(member_of details)"
    # A provider that says in its error what it was sent.
    sim misbehave '{"mode":"json","provider":"google","status":400,"body":"{\"error\":\"hush-google\"}"}' > /dev/null
    check_equal "$s: a provider that repeats a secret" 400 "$(refresh youtube yt-4)"
    check_match "$s: is repeated without it" '^\*{3}: Google could' "$(member_of details)"
    check_equal "$s: neither does the history have it" 0 "$(sql "select count(*) from $(own attempts) where text like '%hush%' or code like '%hush%'")"
}

others() { # STORE
    local s="$1, others" old
    check_equal "$s: tiktok is refreshed" 200 "$(refresh tiktok tt-1)"
    check_equal "$s: and the token lives" live "$(sim_token "$(member_of access_token)" state)"
    old=$(row_token tiktok tiktok_access_token tt-2)
    sql "update airpublisher_tiktok_tokens set tiktok_refresh_token = null where creator_unique_identifier = 'tt-2'"
    check_equal "$s: tiktok without a refresh token" "200 $old" "$(refresh tiktok tt-2) $(member_of access_token)"
    sim revoke '{"provider":"tiktok","account":"tt-3"}' > /dev/null
    check_equal "$s: tiktok has words of its own" "400 TikTok token refresh failed" "$(refresh tiktok tt-3) $(member_of error)"
    check_equal "$s: instagram is refreshed" 200 "$(refresh instagram ig-1)"
    check_equal "$s: at Instagram" 1 "$(sim_count instagram ok)"
    sql "update airpublisher_instagram_tokens set instagram_access_token = null, facebook_access_token = '$FB_TOKEN'
         where creator_unique_identifier = 'ig-2'"
    check_equal "$s: the job whose column is filled is asked" 200 "$(refresh instagram ig-2)"
    check_equal "$s: at Facebook" 1 "$(sim_count facebook ok)"
    sql "update airpublisher_instagram_tokens set instagram_access_token = null where creator_unique_identifier = 'ig-3'"
    says "$s: no column is filled" 400 "$(refresh instagram ig-3)" '{"error":"No access token available"}'
}

door() { # STORE
    local s="$1, door" data='{"platform":"youtube","creator_unique_identifier":"yt-1"}'
    check_equal "$s: no header" 401 "$(call refresh-token "$data")"
    check_equal "$s: as its callers know it" "UNAUTHORIZED_NO_AUTH_HEADER|Missing authorization header" \
        "$(member_of code)|$(member_of message)"
    check_match "$s: and why that may be" 'probably NULL' "$(member_of hint)"
    check_match "$s: the log says it too" 'without the right key.*function=refresh-token.*probably NULL' "$(cat "$DIR/renewd.all")"
    check_equal "$s: a wrong key" "401 UNAUTHORIZED_INVALID_JWT_FORMAT" \
        "$(call refresh-token "$data" -H 'Authorization: Bearer wrong') $(member_of code)"
    check_match "$s: which is said" 'the key is wrong' "$(member_of hint)"
    check_match "$s: also in the log" 'reason="the key is wrong' "$(cat "$DIR/renewd.all")"
    says "$s: a wrong key in three parts" 401 "$(call refresh-token "$data" -H 'Authorization: Bearer a.b.c')" \
        '{"code":401,"message":"Invalid JWT","hint":"the key is wrong: no client of renewd.conf has it"}'
    check_equal "$s: a client that may not" "403 FORBIDDEN" \
        "$(call refresh-token "$data" -H "Authorization: Bearer $READER_SECRET") $(member_of code)"
    says "$s: an unknown function" 404 "$(keyed no-such '{}')" \
        '{"code":"NOT_FOUND","message":"Requested function was not found"}'
    says "$s: a browser asks first" 200 "$(keyed refresh-token '' -X OPTIONS)" ok
    check_match "$s: and may send its headers" \
        '^Access-Control-Allow-Headers: authorization, x-client-info, apikey, content-type' "$(cat "$DIR/headers")"
    says "$s: GET" 405 "$(keyed allocate-periodic-tokens '' -X GET)" 'Method Not Allowed'
    check_equal "$s: the socket is a door, too" 200 \
        "$(curl -sS -o "$DIR/answer" -w '%{http_code}' --unix-socket "$SOCKET" -d "$data" http://localhost/functions/v1/refresh-token)"
}

connections() { # STORE
    local s="$1, connections" started
    check_equal "$s: two are refreshed, one fails" 200 "$(keyed refresh-lightspeed-tokens '{}')"
    check_equal "$s: and counted" "1|Token refresh complete|2|1" \
        "$(member_of success)|$(member_of message)|$(member_of refreshed)|$(member_of failed)"
    check_equal "$s: the user is named" 00000000-0000-4000-8000-000000000003 "$(member_of 'errors[0].userId')"
    check_equal "$s: and nobody else" '' "$(member_of 'errors[1].userId')"
    says "$s: nothing more to do" 200 "$(keyed refresh-lightspeed-tokens '{}')" \
        '{"success":true,"message":"No connections to refresh","refreshed":0}'
    shops 3 slow > /dev/null
    check "$s: more of them are discovered" wait_until 10 knows_slow
    sim misbehave '{"mode":"delay","provider":"lightspeed","ms":6000,"when":"before","count":-1}' > /dev/null
    started=$(date +%s%N)
    check_equal "$s: a slow provider" "200 Token refresh complete" "$(keyed refresh-lightspeed-tokens '{}') $(member_of message)"
    check "$s: is answered for in time" in_time "$started" 5000
    check_equal "$s: with what is done so far" "0|0" "$(member_of refreshed)|$(member_of failed)"
    sim misbehave '{"clear":true}' > /dev/null
    check "$s: and the work goes on" wait_until 20 slow_ones_done
}

knows_slow() { [ "$(sql "select count(*) from $(own records) where source like '%lightspeed%'")" = 6 ]; }
slow_ones_done() {
    [ "$(sql "select count(*) from $(own records) where source like '%lightspeed%' and ok_at > 0")" = 5 ]
}

allocation() { # STORE
    local s="$1, allocation"
    says "$s: paid" 200 "$(keyed allocate-periodic-tokens 'whatever')" \
        '{"message":"Allocation process finished.","summary":"Periodic token allocation complete. Users processed: 3. Tokens awarded to: 2. Failed attempts: 1."}'
    sql "delete from user_subscriptions where user_id not in (select user_id from token_wallets)"
    says "$s: nobody is due" 200 "$(keyed allocate-periodic-tokens '{}')" '{"message":"No users due for allocation."}'
    sql "update subscription_plans set tokens_to_award = 0"
    says "$s: the award is not set" 500 "$(keyed allocate-periodic-tokens '{}')" \
        '{"error":"Free plan tokens_to_award is not configured or is zero."}'
    sql "update subscription_plans set name = 'Gratis'"
    says "$s: the plan is missing" 500 "$(keyed allocate-periodic-tokens '{}')" \
        '{"error":"Free plan configuration not found."}'
}

hang_up() { # STORE
    local s="$1, hang up"
    sim misbehave '{"mode":"delay","provider":"tiktok","ms":1500,"when":"before","count":1}' > /dev/null
    curl -s -o /dev/null --max-time 0.5 -H "Authorization: Bearer $SERVICE_KEY" \
        -d '{"platform":"tiktok","creator_unique_identifier":"tt-4"}' "http://127.0.0.1:$PORT/functions/v1/refresh-token"
    check_equal "$s: the caller is gone" 28 $?
    check "$s: the token is stored all the same" wait_until 10 stored tt-4
    check_equal "$s: it was one refresh" 1 "$(sim_account tiktok tt-4 presented)"
    sim misbehave '{"mode":"delay","provider":"google","ms":6000,"when":"before","count":1}' > /dev/null
    local started
    started=$(date +%s%N)
    says "$s: a slow provider" 500 "$(refresh youtube yt-5)" \
        '{"error":"the refresh is still under way; its result will be stored"}'
    check "$s: is answered for in time" in_time "$started" 5000
}

stored() {
    [ "$(sim_token "$(row_token tiktok tiktok_access_token "$1")" state)" = live ]
}

held() { # STORE
    local s="$1, held"
    stop_renewd
    unset INSTAGRAM_APP_SECRET_ALYAN
    sed -i 's/^plugin = .*/plugin = "missing";/' "$DIR/conf.d/free-plan.conf"
    sed -i 's/^functions.*/&\nallow_anonymous = true;/' "$DIR/conf.d/tiktok.conf"
    start_ready || exit 1
    check_equal "$s: credentials are missing" "500 Instagram App ID or Secret not configured" \
        "$(refresh instagram ig-1) $(member_of error)"
    check_match "$s: the log says it" 'job is held.*job=instagram.*INSTAGRAM_APP_SECRET_ALYAN' "$(cat "$DIR/renewd.all")"
    check_equal "$s: no plugin" 500 "$(keyed allocate-periodic-tokens '{}')"
    check_match "$s: which is said" 'free-plan is held' "$(member_of error)"
    check_equal "$s: without a key where that is allowed" 200 \
        "$(call refresh-token '{"platform":"tiktok","creator_unique_identifier":"tt-1"}')"
    check_equal "$s: and only there" 401 "$(call refresh-token '{"platform":"youtube","creator_unique_identifier":"yt-1"}')"
    check_equal "$s: a wrong key is wrong there, too" 401 \
        "$(call refresh-token '{"platform":"tiktok","creator_unique_identifier":"tt-1"}' -H 'Authorization: Bearer x')"
    export INSTAGRAM_APP_SECRET_ALYAN=hush-instagram
    stop_renewd
}

for store in sqlite postgresql; do
    prepare $store
    creators youtube 5 yt
    creators tiktok 4 tt
    creators instagram 3 ig
    FB_TOKEN=$(sim 'accounts?format=tsv' '{"provider":"facebook","account":"fb-1","age":4838400}' | cut -f 2)
    shops 3 shop
    sim revoke '{"provider":"lightspeed","account":"shop-3"}' > /dev/null
    free_users 3
    sql "delete from token_wallets where user_id = (select user_id from token_wallets order by user_id desc limit 1)"
    start_ready || { tail -5 "$DIR/renewd.all"; exit 1; }
    youtube $store
    others $store
    door $store
    connections $store
    allocation $store
    hang_up $store
    held $store
done
no_tokens_in_logs
check_no_match "no key in any log" 'service-key|reader-secret' "$(cat "$DIR/renewd.all")"
finish
