#!/bin/bash
# SPDX-License-Identifier: MIT
# Calls through renewd as each provider answers them: Meta refuses a token with code 190, also with status 200,
# TikTok with a word, Lightspeed with 401; permissions and limits are no matter of the token; usage slows.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/forward.sh"
. "$(dirname "$0")/graph.sh"

export TIKTOK_KEY=client-1 LIGHTSPEED_KEY=client-1
start_simulator
stage sqlite
HOST=${SIM_URL#*://}

provider_job() { # JOB SETTINGS FORWARD [COLUMNS]
    write_job "$1" <<JOB
plugin = "$1"; schedule = "0 0 1 1 *";
records = { table = "$1"; key = "id"; sealed = "none";
    columns = { account = "account"; access_token = "access_token"; expires_at = "expires_at"; ${4:-} }; };
settings = { base_url = "$SIM_URL/${5:-$1}"; $2 };
forward = { $3 };
JOB
}

for name in tiktok lightspeed; do
    make_accounts_table $name
    load_accounts $name $name 3 $name '"age":60'
done
make_accounts_table meta
load_accounts facebook meta 4 meta "\"age\":$(days 10)"
sql "update meta set refresh_token = null"
refresh='refresh_token = "refresh_token";'
provider_job tiktok 'client_key = "env:TIKTOK_KEY"; client_secret = "env:TEST_SECRET";' \
    "allow = [ \"$SIM_URL/tiktok/v2\" ];" "$refresh"
provider_job lightspeed 'client_id = "env:LIGHTSPEED_KEY"; client_secret = "env:TEST_SECRET";' \
    "allow = [ \"$SIM_URL/lightspeed/API/V3\" ];" "$refresh"
provider_job meta 'app_id = "env:FACEBOOK_APP_ID"; app_secret = "env:FACEBOOK_APP_SECRET";' \
    "allow = [ \"$SIM_URL/facebook/v26.0\", \"$SIM_URL/echo/graph\" ]; put = \"query\"; name = \"access_token\";" '' facebook
sim clients '{"provider":"facebook","client_id":"app","client_secret":"hush-facebook"}' > /dev/null
start_ready || exit 1

unfit() { sim unfit "{\"token\":\"$(sql "select access_token from meta where id = $1")\"}" > /dev/null; }
refreshed() { sim_account "$1" "$2" refresh_ok; }

JOB=meta
unfit 1
check_equal "Meta: 190 with status 400" '200 1' "$(call "1/forward/$HOST/facebook/v26.0/me") $(refreshed facebook meta-1)"
unfit 2
check_equal "Meta: 190 with status 200" '200 1' "$(call "2/forward/$HOST/echo/graph/me") $(refreshed facebook meta-2)"
check_equal "Meta: the answer is the API's" /graph/me "$(seen path)"
check_no_match "Meta: and shows no token" 'facebook\.at\.' "$(cat "$DIR/answer")"
sim misbehave '{"mode":"json","provider":"facebook","path":"*","status":400,
    "body":"{\"error\":{\"code\":4,\"message\":\"(#4) Application request limit reached\"}}"}' > /dev/null
check_equal "Meta: a limit is passed on" '400 4' "$(call "3/forward/$HOST/facebook/v26.0/me") $(seen error.code)"
check_equal "Meta: refreshes nothing" 0 "$(refreshed facebook meta-3)"
check_equal "Meta: but holds the next call" 429 "$(call "3/forward/$HOST/facebook/v26.0/me")"
sim misbehave '{"mode":"json","provider":"facebook","path":"*","status":403,"body":"{\"error\":{\"code\":200,\"message\":\"x\"}}"}' > /dev/null
check_equal "Meta: so does no permission, and holds nothing" '403 0 200' \
    "$(call "4/forward/$HOST/facebook/v26.0/me") $(refreshed facebook meta-4) $(call "4/forward/$HOST/facebook/v26.0/me")"
check_equal "Meta: its token endpoint" 403 "$(call "4/forward/$HOST/facebook/v26.0/debug_token?input_token=x")"

JOB=tiktok
kill_token tiktok-1 tiktok
check_equal "TikTok: access_token_invalid" '200 1' "$(call '1/forward/user/info/?fields=open_id') $(refreshed tiktok tiktok-1)"
check_equal "TikTok: the last slash arrives" ok "$(seen error.code)"
sim misbehave '{"mode":"json","provider":"tiktok","path":"*","status":401,
    "body":"{\"data\":{},\"error\":{\"code\":\"scope_not_authorized\",\"message\":\"\",\"log_id\":\"1\"}}"}' > /dev/null
check_equal "TikTok: a scope is no matter of the token, though it is 401" '401 0' \
    "$(call '2/forward/user/info/?fields=open_id') $(refreshed tiktok tiktok-2)"
check_equal "TikTok: a permission is not refreshed for an application either" '200 0' \
    "$(call 2/refused -H 'Content-Type: application/json' -d \
        '{"generation":0,"status":401,"body":{"error":{"code":"scope_not_authorized"}}}') $(seen token_refused)"
check_equal "TikTok: a refusal is" '200 1' "$(call 2/refused -H 'Content-Type: application/json' -d \
    '{"generation":0,"status":401,"body":"{\"error\":{\"code\":\"access_token_invalid\"}}"}') $(seen token_refused)"

JOB=lightspeed
kill_token lightspeed-1 lightspeed
check_equal "Lightspeed: 401" '200 1' "$(call 1/forward/Account.json) $(refreshed lightspeed lightspeed-1)"
sim misbehave '{"mode":"json","provider":"lightspeed","path":"*","status":200,
    "headers":{"X-LS-API-Bucket-Level":"120.5/90","X-LS-API-Drip-Rate":"1","X-LS-API-Request-Cost":"1"}}' > /dev/null
check_equal "Lightspeed: a bucket that runs over" 200 "$(call 2/forward/Account.json)"
sim mark '{}' > /dev/null
check_equal "Lightspeed: holds the next call" '429 slowed' "$(call 2/forward/Account.json) $(header Renewd-Error)"
check_equal "Lightspeed: which is not made" 0 "$(sim_count lightspeed requests)"
check_equal "Lightspeed: other records go on" 200 "$(call 3/forward/Account.json)"
stop_renewd
no_tokens_in_logs
finish
