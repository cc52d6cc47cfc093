#!/bin/bash
# SPDX-License-Identifier: MIT
# An application that calls the provider itself hands a refusal in, on both stores: it gets the newer token, after
# one refresh a generation, or one a minute where a generation does not end; the refresh alone says what becomes of
# the record; what is no refusal, and what is no JSON of that kind; who may do what.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/forward.sh"
. "$(dirname "$0")/graph.sh"

export APP_SECRET=hush-app-0123456789 FORWARDER_SECRET=hush-forwarder-0123456789
start_simulator

hand_in() { # ID JSON [CURL OPTION...]: prints the status
    local id=$1 body=$2
    shift 2
    call "$id/refused" -H 'Content-Type: application/json' --data-binary "$body" "$@"
}

dead='"status":401,"body":""'
once_refused='{"mode":"status","provider":"echo","path":"*","status":401}'

verdicts() { # STORE
    local s="$1" id
    forward_stage "$1"
    forward_job tokens tokens '' 'reconnect_url = "https://shop.example/connect";'
    google_table
    start_ready || exit 1
    id=$(id_of acct-1)
    check_equal "$s: an answer that says nothing of the token" '200 0 0' \
        "$(hand_in "$id" '{"generation":0,"status":200,"body":{"ok":true}}') $(seen token_refused) $(seen slow_for)"
    check_equal "$s: nor does a 500" '200 0' "$(hand_in "$id" '{"generation":0,"status":500}') $(seen token_refused)"
    check_equal "$s: nothing was refreshed" 0 "$(sim_count strict presented)"
    check_equal "$s: a refusal" '200 1 1' "$(hand_in "$id" "{\"generation\":0,$dead}") $(seen token_refused) $(seen generation)"
    check_equal "$s: brings a token that lives" live "$(sim_token "$(seen access_token)" state)"
    check_match "$s: nothing on the way may keep it" '^no-store' "$(header Cache-Control)"
    check_equal "$s: again, late" '200 1' "$(hand_in "$id" "{\"generation\":0,$dead}") $(seen generation)"
    check_equal "$s: it is served without a refresh" 1 "$(sim_count strict presented)"
    check_equal "$s: the newer generation refused, too" '200 2' "$(hand_in "$id" "{\"generation\":1,$dead}") $(seen generation)"
    check_equal "$s: is another refresh" 2 "$(sim_count strict presented)"
    check_equal "$s: as is one that nobody was given yet: served" '200 2' "$(hand_in "$id" "{\"generation\":99,$dead}") $(seen generation)"
    check_equal "$s: nothing was presented twice" '' "$(presented_twice)"
    same_generation "$s"
    same_again "$s"
    no_newer "$s"
    bad_input "$s" "$id"
    sim_slows "$s"
    stop_renewd
}

google_table() {
    make_accounts_table google
    load_accounts google google 2 goog '"age":60'
    google_job google google "forward = { allow = [ \"$SIM_URL/echo\" ]; };"
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/google.conf"
}

same_generation() { # NAME: a refresh replaces nothing
    local s="$1, same credential" id JOB=google
    id=$(id_of goog-1 google)
    check_equal "$s: a refusal" '200 0' "$(hand_in "$id" "{\"generation\":0,$dead}") $(seen generation)"
    check_equal "$s: is one refresh" 1 "$(sim_account google goog-1 presented)"
    local token
    token=$(seen access_token)
    check_equal "$s: again, of who knows" "200 $token" "$(hand_in "$id" "{\"generation\":0,$dead}") $(seen access_token)"
    check_equal "$s: which token: none within a minute" 1 "$(sim_account google goog-1 presented)"
}

# A provider that brings the token that it refuses again.
same_again() { # NAME
    local s="$1, same token again" id JOB=google
    id=$(id_of goog-2 google)
    sim misbehave "{\"mode\":\"member\",\"provider\":\"google\",\"name\":\"access_token\",\"count\":-1,
        \"value\":\"\\\"$(sql "select access_token from google where id = $id")\\\"\"}" > /dev/null
    sim misbehave "$once_refused" > /dev/null
    check_equal "$s: a refusal, once refreshed" '200 1' "$(call "$id/forward/a") $(sim_account google goog-2 presented)"
    sim misbehave "$once_refused" > /dev/null
    check_equal "$s: refused again" '503 retry_later' "$(call "$id/forward/a") $(header Renewd-Error)"
    check_equal "$s: it is not asked for twice" 1 "$(sim_account google goog-2 presented)"
    sim misbehave '{"clear":true}' > /dev/null
}

no_newer() { # NAME
    local s="$1, no newer one" id
    id=$(id_of acct-2)
    sim misbehave '{"mode":"status","provider":"strict","status":500,"count":-1}' > /dev/null
    check_equal "$s: the provider cannot: later" '503 retry_later' "$(hand_in "$id" "{\"generation\":0,$dead}") $(header Renewd-Error)"
    check_match "$s: when" '^[0-9]+$' "$(header Retry-After)"
    check_equal "$s: the record waits its time" 2 "$(sql "select state from $(own records) where job = 'tokens' and rkey = '$id'")"
    sim mark '{}' > /dev/null
    check_equal "$s: again" 503 "$(hand_in "$id" "{\"generation\":0,$dead}")"
    check_equal "$s: backoff is respected" 0 "$(sim_count strict requests)"
    sim misbehave '{"clear":true}' > /dev/null
    id=$(id_of acct-3)
    sim revoke '{"provider":"strict","account":"acct-3"}' > /dev/null
    check_equal "$s: a dead grant" '409 reconnect' "$(hand_in "$id" "{\"generation\":0,$dead}") $(seen state)"
    check_equal "$s: where to connect again" https://shop.example/connect "$(seen reconnect_url)"
    check "$s: pause" ctl pause tokens
    check_equal "$s: a paused job" '409 paused' "$(hand_in "$(id_of acct-4)" "{\"generation\":0,$dead}") $(header Renewd-Error)"
    check "$s: resume" ctl resume tokens
}

bad_input() { # NAME ID
    local s="$1, bad input" id=$2 body
    sim mark '{}' > /dev/null
    while IFS='|' read -r body word; do
        check_equal "$s: $body" 400 "$(hand_in "$id" "$body")"
        check_match "$s: the answer names it" "$word" "$(seen error.message)"
    done <<'EOF'
{"generation":"0","status":401}|"generation"
{"generation":-1,"status":401}|"generation"
{"generation":1.5,"status":401}|"generation"
{"status":401}|"generation"
{"generation":0}|"status"
{"generation":0,"status":"401"}|"status"
{"generation":0,"status":99}|"status"
{"generation":0,"status":401,"body":7}|"body"
{"generation":0,"status":401,"body":[]}|"body"
{"generation":0,"status":401,"headers":"x"}|"headers"
{"generation":0,"status":401,"headers":{"a":1}}|"headers"
{"generation":0,"status":401,"headers":{"a":"b\r\nc: d"}}|"headers"
{"generation":0,"status":401,"more":1}|"more"
{"generation":0,|offset
[]|object
EOF
    check_equal "$s: another type: 415" 415 "$(call "$id/refused" -H 'Content-Type: text/plain' -d '{}')"
    check_equal "$s: GET: 405" 405 "$(call "$id/refused")"
    check_equal "$s: an unknown record: 404" 404 "$(hand_in 4711 '{"generation":0,"status":200}')"
    check_equal "$s: nothing was asked of the provider" 0 "$(sim_count strict requests)"
}

sim_slows() { # NAME: what an application hears slows calls through renewd, too
    local s="$1, slowed" id
    id=$(id_of acct-5)
    check_equal "$s: a 429 that was handed in" '200 0 40' "$(hand_in "$id" \
        '{"generation":0,"status":429,"body":"","headers":{"Retry-After":"40"}}') $(seen token_refused) $(seen slow_for)"
    check_equal "$s: holds forwarded calls" 429 "$(call "$id/forward/a")"
}

# A refresh that brings the same text again: Instagram extends its token.
extended() {
    local s="same token" id=1 JOB=instagram
    graph_stage sqlite
    make_accounts_table instagram
    account instagram insta "\"age\":$(days 3)"
    sql "insert into instagram (id, account, access_token, expires_at) values (1, 'insta', '$TOKEN', $EXPIRES)"
    write_job instagram <<JOB
plugin = "instagram"; schedule = "0 0 1 1 *";
records = { table = "instagram"; key = "id"; sealed = "none"; columns = { access_token = "access_token"; expires_at = "expires_at"; }; };
settings = { base_url = "$SIM_URL/instagram"; app_secret = "env:INSTAGRAM_APP_SECRET_ALYAN"; };
forward = { allow = [ "$SIM_URL/echo" ]; };
JOB
    start_ready || exit 1
    sim misbehave '{"mode":"status","provider":"echo","path":"*","status":401}' > /dev/null
    check_equal "$s: a refusal, once refreshed" 200 "$(call "$id/forward/a")"
    check_equal "$s: by one refresh" 1 "$(sim_count instagram ok)"
    sim misbehave '{"mode":"status","provider":"echo","path":"*","status":401,"count":-1}' > /dev/null
    check_equal "$s: refused again" '503 retry_later' "$(call "$id/forward/a") $(header Renewd-Error)"
    check_equal "$s: it is not extended twice" 1 "$(sim_count instagram ok)"
    stop_renewd
}

doors() {
    local s="doors" id port=$(free_port)
    forward_stage sqlite
    forward_job tokens tokens
    sed -i '/^api = /d' "$CONF"
    cat >> "$CONF" <<CONF
api = { socket = "$SOCKET"; listen = "127.0.0.1:$port";
        clients = ( { name = "app"; secret = "env:APP_SECRET"; jobs = [ "tokens" ]; allow = [ "token" ]; },
                    { name = "forwarder"; secret = "env:FORWARDER_SECRET"; jobs = [ "*" ]; allow = [ "forward" ]; } ); };
CONF
    start_ready || exit 1
    id=$(id_of acct-1)
    local url=http://127.0.0.1:$port/v1/jobs/tokens/records/$id
    check_equal "$s: who may forward" 200 "$(tcp "$FORWARDER_SECRET" "$url/forward/a")"
    check_no_match "$s: is not shown the token" "$(sql "select access_token from tokens where id = $id")" "$(cat "$DIR/answer")"
    check_equal "$s: and may not have it" 403 "$(tcp "$FORWARDER_SECRET" "$url/token")"
    check_equal "$s: in no way" 403 "$(tcp "$FORWARDER_SECRET" "$url/refused" -H 'Content-Type: application/json' -d "{\"generation\":0,$dead}")"
    check_equal "$s: who may have it may not forward" '403 forbidden' "$(tcp "$APP_SECRET" "$url/forward/a") $(header Renewd-Error)"
    check_equal "$s: but hand refusals in" 200 "$(tcp "$APP_SECRET" "$url/refused" -H 'Content-Type: application/json' -d "{\"generation\":0,$dead}")"
    check_equal "$s: no secret: renewd's own 401" '401 no_secret' "$(tcp '' "$url/forward/a") $(header Renewd-Error)"
    if [ "$(id -u)" = 0 ]; then
        chmod 666 "$SOCKET"
        check_equal "$s: a stranger on the socket" 403 "$(setpriv --reuid daemon --clear-groups curl -s -o /dev/null \
            -w '%{http_code}' --unix-socket "$SOCKET" "http://localhost/v1/jobs/tokens/records/$id/forward/a")"
    fi
    stop_renewd
}

tcp() { # SECRET URL [CURL OPTION...]
    printf 'Authorization: Bearer %s' "$1" > "$DIR/bearer"
    local secret=$1 url=$2
    shift 2
    curl -s -o "$DIR/answer" -D "$DIR/headers" -w '%{http_code}' ${secret:+-H @"$DIR/bearer"} "$@" "$url"
}

for store in sqlite postgresql; do
    verdicts $store
done
extended
doors
no_tokens_in_logs
finish
