#!/bin/bash
# SPDX-License-Identifier: MIT
# What each provider's own answers do to a forwarded call, on both stores: its words for a dead token, under
# whatever status, bring one refresh and one repeat; its 401 for other reasons brings none; its limits hold the
# next call of that record alone.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/forward.sh"
. "$(dirname "$0")/graph.sh"

start_simulator

# plugin_job PROVIDER PLUGIN COLUMNS SETTINGS FORWARD: a job and a table, both of the provider's name.
plugin_job() {
    make_accounts_table "$1"
    write_job "$1" <<JOB
plugin = "$2"; schedule = "0 0 1 1 *";
records = { table = "$1"; key = "id"; sealed = "none"; columns = { access_token = "access_token"; expires_at = "expires_at"; $3 }; };
settings = { $4 };
forward = { $5 };
JOB
}

graph_rows() { # PROVIDER
    local i
    for i in 1 2 3 4 5; do
        account "$1" "$1-$i" "\"age\":$(days 3)"
        sql "insert into $1 (id, account, access_token, expires_at) values ($i, '$1-$i', '$TOKEN', $(time_sql "$EXPIRES"))"
    done
}

jobs() { # STORE
    local pair='refresh_token = "refresh_token";'
    forward_stage "$1"
    rm -f "$DIR"/conf.d/*
    plugin_job tiktok tiktok "$pair" \
        "base_url = \"$SIM_URL/tiktok\"; client_key = \"k\"; client_secret = \"env:TEST_SECRET\";" "allow = [ \"$SIM_URL/tiktok\" ];"
    load_accounts tiktok tiktok 2 tiktok '"age":60'
    plugin_job google youtube "$pair" \
        "base_url = \"$SIM_URL/google\"; client_id = \"c\"; client_secret = \"env:TEST_SECRET\";" "allow = [ \"$SIM_URL/google\" ];"
    load_accounts google google 2 google '"age":60'
    plugin_job lightspeed_x lightspeed "$pair domain_prefix = \"account\";" "series = \"x\"; x_base_url = \"$SIM_URL/x/{domain_prefix}\";
        client_id = \"c\"; client_secret = \"env:TEST_SECRET\";" "allow = [ \"$SIM_URL/x\" ];"
    load_accounts lightspeed_x lightspeed_x 2 shop '"age":60'
    plugin_job strict oauth2 "$pair" \
        "token_url = \"$SIM_URL/strict/token\"; client_id = \"c\"; client_secret = \"env:TEST_SECRET\";" "allow = [ \"$SIM_URL/strict\" ];"
    load_accounts strict strict 2 strict '"age":60'
    plugin_job facebook meta '' "base_url = \"$SIM_URL/facebook\"; app_id = \"app\"; app_secret = \"env:TEST_SECRET\";" \
        "allow = [ \"$SIM_URL/facebook/v26.0\" ]; put = \"query\"; name = \"access_token\";"
    graph_rows facebook
    plugin_job instagram instagram '' "base_url = \"$SIM_URL/instagram\";" \
        "allow = [ \"$SIM_URL/instagram\" ]; put = \"query\"; name = \"access_token\";"
    graph_rows instagram
    start_ready || exit 1
}

refreshes() { sql "select count(*) from $(own attempts) where job = '$JOB'"; }

# says PROVIDER STATUS BODY [MEMBERS]: the API's next answer.
says() {
    sim misbehave "{\"mode\":\"status\",\"provider\":\"$1\",\"path\":\"*\",\"status\":$2,\"body\":$(quoted "$3")${4:+,$4}}" > /dev/null
}

quoted() { printf '"%s"' "$(printf '%s' "$1" | sed 's/["\\]/\\&/g')"; }

# stays NAME PATH STATUS BODY [MEMBERS]: an answer that is not about the token is passed on, and that is all.
stays() {
    says "$JOB" "$3" "$4" "${5:-}"
    check_equal "$s: $1 is passed on" "$3 " "$(call "1/forward/$2") $(header Renewd-Error)"
    check_equal "$s: it brings no refresh" "$before" "$(refreshes)"
}

# heals NAME PATH STATUS BODY [ID]: an answer about the token brings one refresh and one repeat, which goes through.
heals() {
    says "$JOB" "$3" "$4"
    check_equal "$s: $1: the caller gets what it wants" "200 " "$(call "${5:-1}/forward/$2") $(header Renewd-Error)"
    before=$((before + 1))
    check_equal "$s: by one refresh" "$before" "$(refreshes)"
    check_equal "$s: that the database holds" live "$(sim_token "$(sql "select access_token from $JOB where id = ${5:-1}")" state)"
}

# holds NAME PATH STATUS BODY MOST [MEMBERS]: the record's next call is not made, for at most so many seconds.
holds() {
    says "$JOB" "$3" "$4" "${6:-}"
    check_equal "$s: $1" "$3" "$(call "2/forward/$2")"
    check_equal "$s: holds the next call" '429 slowed' "$(call "2/forward/$2") $(header Renewd-Error)"
    check "$s: for so long" test "$(header Retry-After)" -gt 20 -a "$(header Retry-After)" -le "$5"
    check_equal "$s: of this record alone" 200 "$(call "1/forward/${2//shop-2/shop-1}")"
}

dead_token() { # PATH: without a word from the test
    kill_token "$(sql "select account from $JOB where id = 1")" "$JOB"
    check_equal "$s: a dead token is replaced" 200 "$(call "1/forward/$1")"
    before=$((before + 1))
    check_equal "$s: once" "$before" "$(refreshes)"
}

tiktok() { # STORE
    local JOB=tiktok s="$1, TikTok" before=0 path="v2/user/info/?fields=open_id"
    stays 'a scope that is missing, with 401' $path 401 '{"data":{},"error":{"code":"scope_not_authorized","message":"m"}}'
    dead_token $path
    heals 'access_token_invalid with 200' $path 200 '{"data":{},"error":{"code":"access_token_invalid","message":"m"}}'
    holds 'rate_limit_exceeded' $path 200 '{"data":{},"error":{"code":"rate_limit_exceeded"}}' 60
}

google() { # STORE
    local JOB=google s="$1, YouTube" before=0 path=youtube/v3/channels
    stays 'an account without a channel' $path 401 '{"error":{"code":401,"errors":[{"reason":"youtubeSignupRequired"}]}}'
    stays 'a missing permission' $path 403 '{"error":{"code":403,"errors":[{"reason":"insufficientPermissions"}]}}'
    dead_token $path
    holds 'the spent quota of a user' $path 403 '{"error":{"code":403,"errors":[{"reason":"userRateLimitExceeded"}]}}' 60
}

lightspeed_x() { # STORE
    local JOB=lightspeed_x s="$1, Lightspeed X" before=0 path=shop-1/api/2.0/retailer
    stays 'a 403' $path 403 '{"error":"Forbidden"}'
    dead_token $path
    holds 'a 429 with a date' shop-2/api/2.0/retailer 429 '' 120 \
        "\"headers\":{\"Retry-After\":\"$(LC_ALL=C date -u -d '+2 minutes' '+%a, %d %b %Y %H:%M:%S GMT')\"}"
}

strict() { # STORE
    local JOB=strict s="$1, OAuth 2" before=0 path=api/me
    stays 'a scope that is missing' $path 401 '' \
        '"headers":{"WWW-Authenticate":"Bearer realm=\"x\", error=\"insufficient_scope\""}'
    dead_token $path
}

facebook() { # STORE
    local JOB=facebook s="$1, Meta" before=0 path=me status token id=0
    stays 'a missing permission' $path 403 '{"error":{"message":"m","type":"OAuthException","code":200}}'
    stays 'a role that is missing on the page' $path 400 '{"error":{"message":"m","code":190,"error_subcode":492}}'
    for status in 200 400 401 403; do # each another record: an exchange is not repeated within a day where it was of no use
        id=$((id + 1))
        heals "190 with $status" $path $status '{"error":{"message":"m","type":"OAuthException","code":190,"error_subcode":463}}' $id
    done
    token=$(sql "select access_token from facebook where id = 5")
    sim unfit "{\"token\":\"$token\"}" > /dev/null
    check_equal "$s: a token that the API refuses" 200 "$(call 5/forward/me)"
    check_equal "$s: is exchanged" $((before + 1)) "$(refreshes)"
    holds 'the limit of calls' $path 400 '{"error":{"message":"m","code":17}}' 300
}

instagram() { # STORE
    local JOB=instagram s="$1, Instagram" before=0 path=me
    stays 'a request that is none' $path 400 '{"error":{"message":"Unsupported request","type":"IGApiException","code":100}}'
    heals 190 $path 400 '{"error":{"message":"m","type":"OAuthException","code":190}}'
    sim kill "{\"token\":\"$(sql "select access_token from instagram where id = 2")\"}" > /dev/null
    check_equal "$s: a token that cannot be extended: a person's matter" '409 reconnect' \
        "$(call 2/forward/me) $(header Renewd-Error)"
}

for store in sqlite postgresql; do
    jobs $store
    for provider in tiktok google lightspeed_x strict facebook instagram; do
        $provider $store
    done
    stop_renewd
done
no_tokens_in_logs
finish
